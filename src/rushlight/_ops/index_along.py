"""Reading and writing slices along one dimension: index_select, index_add, index_copy, index_fill;
and by flat places: take, put.
"""

from typing import Any

import numpy as np

from rushlight._core import dtypes, inplace
from rushlight._core.looking import asserted
from rushlight._core.op import Meta, Op, public
from rushlight._core.shape import wrap_dim
from rushlight._core.state import S
from rushlight._core.tensor import PLAIN, Tensor, live_node, wrap
from rushlight._ops.copy import copy_for
from rushlight._ops.gather import check_index_dtype, gather
from rushlight._ops.index import add_at


class IndexSelect(Op):
    """index_select(input, dim, index, *, out=None) -> Tensor

    Slices of a dimension, in the order of an index vector.
    """

    tensors = ("input", "index")
    public = ()
    promote = "keep"
    linear = True

    def forward(xp, x, index, dim):
        at = wrap_dim(dim, x.ndim)
        check_vector("index_select", x, index, at)
        if not x.ndim:
            return x.copy()
        return x.take(index, at)

    def vjp_input(g: Any, input: Meta, index, dim):
        return IndexAdd.call(g.new_zeros(input.shape), index, g, dim)


def check_vector(name, x, index, at):
    """An index vector inside its dimension."""
    if index.ndim > 1:
        raise IndexError(f"{name}(): Index is supposed to be a vector")
    check_index_dtype(name, index)
    size = x.shape[at] if x.ndim else 1
    if not index.size or asserted("index_inside", index, size):
        return
    if index.min() < 0 or index.max() >= size:
        raise IndexError("index out of range in self")


@public("torch", "Tensor", out="same")
def index_select(input, dim, index):
    """index_select(input, dim, index, *, out=None) -> Tensor

    Slices of a dimension, in the order of an index vector.

    >>> torch.arange(4).index_select(0, torch.tensor([3, 0]))
    tensor([3, 0])
    """
    return IndexSelect.call(input, index, dim)


class IndexAdd(Op):
    """Slices added where an index vector says; repeated places sum."""

    tensors = ("input", "index", "source")
    public = ()
    promote = "keep"
    linear = True

    def forward(xp, x, index, source, dim):
        at = wrap_dim(dim, x.ndim)
        if index.ndim > 1:
            name = dtypes.scalar_name(dtypes.BY_NUMPY[index.dtype])
            raise IndexError(
                f"index_add_(): Index is supposed to be a vector, but got dim: {index.ndim} with "
                f"type: {name} and size: {list(index.shape)}"
            )
        check_index_dtype("index_add_", index)
        if x.dtype != source.dtype:
            raise RuntimeError(
                f"index_add_(): self ({dtypes.scalar_name(dtypes.BY_NUMPY[x.dtype])}) and source "
                f"({dtypes.scalar_name(dtypes.BY_NUMPY[source.dtype])}) must have the same scalar "
                "type"
            )
        check_source("index_add_", x, index, source, at)
        out = x.copy()
        if not x.ndim:
            return xp.add.reduce(xp.append(source.reshape(-1), out), dtype=x.dtype)
        moved, part = xp.moveaxis(out, at, 0), xp.moveaxis(source, at, 0) if source.ndim else source
        rows = index.reshape(-1)
        inside = not rows.size or asserted("index_inside", rows, moved.shape[0])
        if not inside and (rows.min() < 0 or rows.max() >= moved.shape[0]):
            raise IndexError("index out of range in self")
        if xp is np and moved.ndim > 1 and moved.any():
            delta = xp.zeros(moved.shape, x.dtype)
            add_at(xp, delta, (rows,), part)
            moved += delta
        else:
            add_at(xp, moved, (rows,), part)
        return out

    def vjp_input(g):
        return g

    def vjp_source(g: Any, index, source: Meta, dim):
        return IndexSelect.call(g, index, dim).reshape(source.shape)


def check_source(name, x, index, source, at):
    """A source of slices must match the index and the other sizes."""
    if source.ndim and at >= source.ndim:
        raise RuntimeError(
            f"{name}(): Indexing dim {at} is out of bounds of the source tensor with dim "
            f"{source.ndim}"
        )
    count = source.shape[at] if source.ndim else 1
    if index.size != count:
        raise RuntimeError(
            f"{name}(): Number of indices ({index.size}) should be equal to source.size(dim): "
            f"({count}), for dim: {at}"
        )
    if source.ndim and without(source.shape, at) != without(x.shape, at):
        raise RuntimeError(
            "source tensor shape must match self tensor shape, excluding the specified dimension. "
            f"Got self.shape = {list(x.shape)} source.shape = {list(source.shape)}"
        )


@public("torch", "Tensor", inplace=True)
def index_add(input, dim, index, source, *, alpha=1):
    """index_add(input, dim, index, source, *, alpha=1) -> Tensor

    ``alpha * source`` added to the slices that an index vector names.

    >>> torch.zeros(3).index_add(0, torch.tensor([1, 1]), torch.tensor([1.0, 2.0]))
    tensor([0., 3., 0.])
    """
    return IndexAdd.call(input, index, source if alpha == 1 else source * alpha, dim)


@public("torch", "Tensor", inplace=True)
def index_copy(input, dim, index, source):
    """index_copy(input, dim, index, source) -> Tensor

    A copy with slices replaced where an index vector says.

    >>> torch.index_copy(torch.zeros(2, 2), 0, torch.tensor([1]), torch.ones(1, 2))
    tensor([[0., 0.],
            [1., 1.]])
    """
    copied = plain_copy(input, dim, index, source)
    if copied is not None:
        return copied
    at = wrap_dim(dim, input.ndim)
    if index.ndim > 1:
        raise IndexError(f"index_copy_(): Index should have dimension 1 or 0 (got {index.ndim})")
    if index.dtype is not dtypes.int64:
        raise RuntimeError(
            "index_copy_(): Expected a long tensor for index, but got "
            + dtypes.scalar_name(index.dtype)
        )
    if input.dtype is not source.dtype:
        raise RuntimeError(
            "index_copy_(): self and source expected to have the same dtype, but got (self) "
            f"{dtypes.scalar_name(input.dtype)} and (source) {dtypes.scalar_name(source.dtype)}"
        )
    count = source.shape[at] if source.ndim else 1
    if index.numel() != count:
        raise IndexError(
            f"index_copy_(): Number of indices ({index.numel()}) should be equal to "
            f"source.size(dim) ({count})"
        )
    if not input.ndim:
        return input.reshape(1).index_put((index.reshape(1),), source.reshape(1)).reshape(())
    return input.index_put(
        (None,) * at + (index.reshape(-1),), source if source.ndim else source.reshape(1)
    )


def plain_copy(input, dim, index, source):
    """``index_copy`` of plain tensors where no history is concerned; None for all else."""
    if S.special or not (type(input) in PLAIN and type(index) is Tensor and type(source) in PLAIN):
        return None
    x, rows, y = input._data, index._data, source._data
    recorded = live_node(input) is not None or live_node(source) is not None
    if recorded or not (type(x) is type(rows) is type(y) is np.ndarray) or type(dim) is not int:
        return None
    if rows.dtype != np.int64 or rows.ndim != 1 or x.dtype is not y.dtype or not 0 <= dim < x.ndim:
        return None
    if y.ndim != x.ndim or y.shape[dim] != rows.size:
        return None
    out = x.copy()
    try:
        out[(slice(None),) * dim + (rows,)] = y
    except (IndexError, ValueError):
        return None
    return wrap(out)


_index_copy = inplace.derive_composite("index_copy", index_copy)


@public("Tensor", out=False)
def index_copy_(self, dim, index, source):
    """index_copy_(dim, index, source) -> Tensor

    In-place form of :func:`torch.index_copy`.

    >>> torch.zeros(2, 2).index_copy_(0, torch.tensor([1]), torch.ones(1, 2))
    tensor([[0., 0.],
            [1., 1.]])
    """
    plain = inplace.writable(self) and type(source) in PLAIN and type(index) is Tensor
    if plain and type(dim) is int and live_node(source) is None:
        x, rows, y = self._data, index._data, source._data
        fits = type(rows) is type(y) is np.ndarray and rows.dtype == np.int64 and rows.ndim == 1
        same = x.dtype is y.dtype and y.ndim == x.ndim and 0 <= dim < x.ndim
        if fits and same and y.shape[dim] == rows.size:
            try:
                x[(slice(None),) * dim + (rows,)] = y
            except (IndexError, ValueError):
                return _index_copy(self, dim, index, source)
            inplace.bump(self)
            return self
    return _index_copy(self, dim, index, source)


def chosen_rows(input, at, index):
    """The mask of what an index vector names along a dimension, of plain tensors; else None."""
    x, rows = input._data, index._data
    if S.special or type(x) is not np.ndarray or type(rows) is not np.ndarray or not x.ndim:
        return None
    mask = np.zeros([n if d == at else 1 for d, n in enumerate(x.shape)], np.bool_)
    try:
        mask.reshape(-1)[rows] = True
    except IndexError:
        return None
    return wrap(mask)


@public("torch", "Tensor", inplace=True)
def index_fill(input, dim, index, value):
    """index_fill(input, dim, index, value) -> Tensor

    A copy with slices set to a number.

    >>> torch.index_fill(torch.zeros(2, 2), 1, torch.tensor([0]), 5)
    tensor([[5., 0.],
            [5., 0.]])
    """
    at = wrap_dim(dim, input.ndim)
    if index.ndim > 1:
        raise IndexError("Index has to be a vector/scalar")
    if index.dtype is not dtypes.int64:
        raise IndexError("index_fill_(): Expected dtype int64 for index.")
    if isinstance(value, Tensor):
        if value.ndim:
            raise RuntimeError(
                f"Only supports 0-dimension value tensor but got tensor with {value.ndim} "
                "dimensions."
            )
        value = value.to(input.dtype)
    elif type(value) is not float or input.dtype is not dtypes.float32:
        value = input.new_full((), value)
    mask = chosen_rows(input, at, index)
    if mask is not None:
        return input.masked_fill(mask, value)
    chosen = input.new_zeros(input.shape[at] if input.ndim else 1, dtype=dtypes.bool_)
    chosen = copy_for(chosen, index) if S.special else chosen
    chosen[index.reshape(-1)] = True
    mask = chosen.reshape([-1 if d == at else 1 for d in range(input.ndim)])
    return input.masked_fill(mask, value)


_index_fill = inplace.derive_composite("index_fill", index_fill)


@public("Tensor", out=False)
def index_fill_(self, dim, index, value):
    """index_fill_(dim, index, value) -> Tensor

    In-place form of :func:`torch.index_fill`.

    >>> torch.zeros(2, 2).index_fill_(1, torch.tensor([0]), 5)
    tensor([[5., 0.],
            [5., 0.]])
    """
    plain = type(value) is float and type(index) is Tensor and inplace.writable(self)
    if plain and type(dim) is int and self._data.dtype == np.float32:
        x, rows = self._data, index._data
        usual = type(rows) is np.ndarray and rows.dtype == np.int64 and rows.ndim == 1
        if usual and 0 <= dim < x.ndim:
            try:
                x[(slice(None),) * dim + (rows,)] = value
            except IndexError:
                return _index_fill(self, dim, index, value)
            inplace.bump(self)
            return self
    return _index_fill(self, dim, index, value)


@public("torch", "Tensor", out="same")
def take(input, index):
    """take(input, index) -> Tensor

    Elements by their place in the flattened input.

    >>> torch.take(torch.tensor([[1, 2], [3, 4]]), torch.tensor([3]))
    tensor([4])
    """
    if index.dtype is not dtypes.int64:
        raise RuntimeError(
            "take(): Expected a long tensor for index, but got " + dtypes.scalar_name(index.dtype)
        )
    if index.numel() and not input.numel():
        raise IndexError("take(): tried to take from an empty tensor")
    return input.reshape(-1)[index.reshape(-1)].reshape(index.shape)


@public("torch", "Tensor", out=False, inplace=True)
def put(input, index, source, accumulate=False):
    """put(input, index, source, accumulate=False) -> Tensor

    Elements replaced by their place in the flattened input.

    >>> torch.put(torch.zeros(2, 2), torch.tensor([3]), torch.tensor([7.0]))
    tensor([[0., 0.],
            [0., 7.]])
    """
    if index.numel() != source.numel():
        raise RuntimeError(
            "put_(): Expected source and index to have the same number of elements, but got "
            "source.numel() = "
            f"{source.numel()}, index.numel() = {index.numel()}"
        )
    if input.dtype is not source.dtype:
        raise RuntimeError(
            f"put_(): self and source expected to have the same dtype, but got self.dtype = "
            f"{dtypes.scalar_name(input.dtype)} and source.dtype = "
            f"{dtypes.scalar_name(source.dtype)}"
        )
    flat = input.reshape(-1).index_put((index.reshape(-1),), source.reshape(-1), accumulate)
    return flat.reshape(input.shape)


@public("torch", "Tensor")
def take_along_dim(input, indices, dim=None):
    """take_along_dim(input, indices, dim=None, *, out=None) -> Tensor

    Gather with broadcasting.

    >>> x = torch.tensor([[10, 30, 20]])
    >>> torch.take_along_dim(x, torch.tensor([[1, 0]]), dim=1)
    tensor([[30, 10]])
    """
    if indices.dtype is not dtypes.int64:
        raise RuntimeError(
            "torch.take_along_dim(): dtype of indices should be Long but got "
            f"{dtypes.scalar_name(indices.dtype)}"
        )
    if dim is None:
        return take_along_dim(input.reshape(-1), indices.reshape(-1), 0)
    at = wrap_dim(dim, input.ndim)
    if input.ndim != indices.ndim:
        raise RuntimeError(
            "torch.take_along_dim(): input and indices should have the same number of "
            "dimensions, but got "
            f"{input.ndim} dimensions for input, and {indices.ndim} dimensions for indices"
        )
    shape = list(np.broadcast_shapes(without(input.shape, at), without(indices.shape, at)))
    wide = lambda t: t.expand([*shape[:at], t.shape[at], *shape[at:]])  # noqa: E731
    indices = indices.where(indices >= 0, indices + input.shape[at])
    return gather(wide(input), at, wide(indices))


def without(shape, at):
    """A shape less one dimension."""
    return tuple(shape[:at]) + tuple(shape[at + 1 :])
