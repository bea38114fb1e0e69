"""Putting tensors together: cat, stack and their kin, grids and products."""

from typing import Any

import numpy as np

from rushlight._core import errors
from rushlight._core.op import ListOp, Meta, public
from rushlight._core.shape import Size, common_shape, wrap_dim
from rushlight._core.tensor import PLAIN, Tensor
from rushlight._ops.deprecated import deprecated
from rushlight._ops.move import from_array


class Cat(ListOp):
    """cat(tensors, dim=0, *, out=None) -> Tensor

    Tensors joined along a dimension; their other sizes must agree.

    >>> torch.cat([torch.zeros(1, 2), torch.ones(1, 2)])
    tensor([[0., 0.],
            [1., 1.]])
    """

    public = ("torch",)
    aliases = ("concat", "concatenate")
    out_apart = True
    half = "native"
    linear = True

    def forward(xp, arrays, dim=0):
        if not arrays:
            empty = ValueError("torch.cat(): expected a non-empty list of Tensors")
            raise errors.RefusedError(empty)
        try:
            return xp.concatenate(arrays, dim)
        except ValueError:
            return concatenate(xp, arrays, dim)

    def vjp(g: Any, tensors: Meta, dim):
        metas: Any = tensors  # a list of them
        ndim = max(len(t.shape) for t in metas)
        at = wrap_dim(dim, ndim)
        sizes = [t.shape[at] if len(t.shape) == ndim else 0 for t in metas]
        parts = g.split_with_sizes(sizes, at)
        return [
            p if len(t.shape) == ndim else p.reshape(t.shape)
            for p, t in zip(parts, metas, strict=True)
        ]


def concatenate(xp, arrays, dim):
    """``cat`` of awkward lists: legacy empty vectors are skipped, misfits get PyTorch's errors."""
    for i, x in enumerate(arrays):
        if x.ndim == 0:
            raise RuntimeError(f"zero-dimensional tensor (at position {i}) cannot be concatenated")
    kept = [x for x in arrays if x.shape != (0,)]
    if not kept:
        wrap_dim(dim, 1)
        return arrays[0].copy()
    first, at = kept[0], wrap_dim(dim, kept[0].ndim)
    for i, x in enumerate(arrays):
        if x.shape == (0,):
            continue
        if x.ndim != first.ndim:
            raise RuntimeError(
                f"Tensors must have same number of dimensions: got {first.ndim} and {x.ndim}"
            )
        for d in range(x.ndim):
            if d != at and x.shape[d] != first.shape[d]:
                raise RuntimeError(
                    f"Sizes of tensors must match except in dimension {at}. Expected size "
                    f"{first.shape[d]} but got "
                    f"size {x.shape[d]} for tensor number {i} in the list."
                )
    return xp.concatenate(kept, at)


class Stack(ListOp):
    """stack(tensors, dim=0, *, out=None) -> Tensor

    Tensors of one shape along a new dimension.

    >>> torch.stack([torch.tensor(1), torch.tensor(2)])
    tensor([1, 2])
    """

    public = ("torch",)
    half = "native"
    linear = True

    def forward(xp, arrays, dim=0):
        if not arrays:
            raise RuntimeError("stack expects a non-empty TensorList")
        shape = arrays[0].shape
        for i, x in enumerate(arrays):
            if x.shape != shape:
                raise RuntimeError(
                    f"stack expects each tensor to be equal size, but got {list(shape)} at entry "
                    "0 and "
                    f"{list(x.shape)} at entry {i}"
                )
        return xp.stack(arrays, wrap_dim(dim, len(shape) + 1))

    def vjp(g, dim):
        return list(g.unbind(dim))


def tensors_of(tensors):
    """A sequence of tensors given as one argument or several."""
    if len(tensors) == 1 and isinstance(tensors[0], (tuple, list)):
        return list(tensors[0])
    return list(tensors)


@public("torch", out=False)
def atleast_1d(*tensors):
    """atleast_1d(*tensors) -> Tensor or tuple

    0-d tensors get a dimension.

    >>> torch.atleast_1d(torch.tensor(3))
    tensor([3])
    """
    return each(tensors, lambda t: t.reshape(1) if t.ndim == 0 else t)


@public("torch", out=False)
def atleast_2d(*tensors):
    """atleast_2d(*tensors) -> Tensor or tuple

    Tensors of fewer dimensions get leading ones.

    >>> torch.atleast_2d(torch.tensor([1, 2])).shape
    torch.Size([1, 2])
    """
    return each(
        tensors, lambda t: t.reshape(1, 1) if t.ndim == 0 else t.unsqueeze(0) if t.ndim == 1 else t
    )


@public("torch", out=False)
def atleast_3d(*tensors):
    """atleast_3d(*tensors) -> Tensor or tuple

    Tensors of fewer dimensions get some, the last at the end.

    >>> torch.atleast_3d(torch.tensor([1, 2])).shape
    torch.Size([1, 2, 1])
    """

    def grow(t):
        if t.ndim == 0:
            return t.reshape(1, 1, 1)
        if t.ndim == 1:
            return t.unsqueeze(0).unsqueeze(-1)
        return t.unsqueeze(-1) if t.ndim == 2 else t

    return each(tensors, grow)


def some(name, tensors):
    """A sequence of tensors as a list, refused if it is empty."""
    if not len(tensors):
        raise RuntimeError(f"{name} expects a non-empty TensorList")
    return list(tensors)


def each(tensors, function):
    """The function of one tensor, or a tuple for several."""
    if len(tensors) == 1 and isinstance(tensors[0], Tensor):
        return function(tensors[0])
    return tuple([function(t) for t in tensors_of(tensors)])


@public("torch")
def hstack(tensors):
    """hstack(tensors, *, out=None) -> Tensor

    Joined by columns (vectors end to end).

    >>> torch.hstack((torch.tensor([1, 2]), torch.tensor([3])))
    tensor([1, 2, 3])
    """
    plain = type(tensors) in (list, tuple) and tensors and {*map(type, tensors)} <= PLAIN
    if plain and min([t.ndim for t in tensors]) > 1:
        return Cat.call(tensors, 1)
    grown = list(atleast_1d(some("hstack", tensors)))
    return Cat.call(grown, 0 if grown and grown[0].ndim == 1 else 1)


@public("torch", aliases=("row_stack",))
def vstack(tensors):
    """vstack(tensors, *, out=None) -> Tensor

    Joined by rows.

    >>> torch.vstack((torch.tensor([1, 2]), torch.tensor([3, 4])))
    tensor([[1, 2],
            [3, 4]])
    """
    plain = type(tensors) in (list, tuple) and tensors and {*map(type, tensors)} <= PLAIN
    if plain and min([t.ndim for t in tensors]) > 1:
        return Cat.call(tensors, 0)
    return Cat.call(list(atleast_2d(some("vstack", tensors))), 0)


@public("torch")
def dstack(tensors):
    """dstack(tensors, *, out=None) -> Tensor

    Joined by depth.

    >>> torch.dstack((torch.tensor([1, 2]), torch.tensor([3, 4])))
    tensor([[[1, 3],
             [2, 4]]])
    """
    return Cat.call(list(atleast_3d(some("dstack", tensors))), 2)


@public("torch")
def column_stack(tensors):
    """column_stack(tensors, *, out=None) -> Tensor

    Vectors as columns, matrices side by side.

    >>> torch.column_stack((torch.tensor([1, 2]), torch.tensor([3, 4])))
    tensor([[1, 3],
            [2, 4]])
    """
    return Cat.call([t.reshape(-1, 1) if t.ndim <= 1 else t for t in tensors], 1)


@public("torch", out=False)
def block_diag(*tensors):
    """block_diag(*tensors) -> Tensor

    Matrices along the diagonal of a larger one, zeros elsewhere.

    >>> torch.block_diag(torch.tensor([[1, 2]]), torch.tensor([[3]]))
    tensor([[1, 2, 0],
            [0, 0, 3]])
    """
    rows = [atleast_2d(t) for t in tensors]
    for i, t in enumerate(rows):
        if t.ndim != 2:
            raise RuntimeError(
                f"torch.block_diag: Input tensors must have 2 or fewer dimensions. Input {i} has "
                f"{t.ndim} dimensions"
            )
    width = sum(t.shape[1] for t in rows)
    placed, left = [], 0
    for t in rows:
        zeros = t.new_zeros
        placed.append(
            Cat.call([zeros(t.shape[0], left), t, zeros(t.shape[0], width - left - t.shape[1])], 1)
        )
        left += t.shape[1]
    return Cat.call(placed, 0)


@public("torch", out=False)
def broadcast_tensors(*tensors):
    """broadcast_tensors(*tensors) -> tuple of Tensors

    All expanded to their common shape.

    >>> [x.shape for x in torch.broadcast_tensors(torch.ones(3), torch.ones(2, 1))]
    [torch.Size([2, 3]), torch.Size([2, 3])]
    """
    tensors = tensors_of(tensors)
    shape = common_shape(*[t.shape for t in tensors])
    return tuple([t.expand(shape) for t in tensors])


@public("torch", out=False)
def meshgrid(*tensors, indexing=None):
    """meshgrid(*tensors, indexing='ij') -> tuple of Tensors

    Grids of coordinates: the i-th varies along dimension i.

    >>> a, b = torch.tensor([1, 2]), torch.tensor([3, 4])
    >>> [g.tolist() for g in torch.meshgrid(a, b, indexing="ij")]
    [[[1, 1], [2, 2]], [[3, 4], [3, 4]]]
    """
    tensors = tensors_of(tensors)
    if not tensors:
        raise RuntimeError("meshgrid expects a non-empty TensorList")
    for t in tensors:
        if t.ndim > 1:
            raise RuntimeError(
                f"torch.meshgrid: Expected 0D or 1D tensor in the tensor list but got: {t}"
            )
        if t.dtype is not tensors[0].dtype:
            raise RuntimeError("torch.meshgrid expects all tensors to have the same dtype")
    if indexing not in (None, "ij", "xy"):
        raise RuntimeError(
            f'torch.meshgrid: indexing must be one of "xy" or "ij", but received: {indexing}'
        )
    if indexing is None and len(tensors) > 1:
        deprecated("meshgrid")
    swap = indexing == "xy" and len(tensors) >= 2
    if swap:
        tensors[0], tensors[1] = tensors[1], tensors[0]
    shape = Size([t.numel() for t in tensors])
    grids = [
        t.reshape([-1 if d == i else 1 for d in range(len(tensors))]).expand(shape)
        for i, t in enumerate(tensors)
    ]
    if swap:
        grids[0], grids[1] = grids[1], grids[0]
    return tuple(grids)


@public("torch", out=False)
def cartesian_prod(*tensors):
    """cartesian_prod(*tensors) -> Tensor

    All combinations of one element of each vector, as rows.

    >>> torch.cartesian_prod(torch.tensor([1, 2]), torch.tensor([8, 9]))
    tensor([[1, 8],
            [1, 9],
            [2, 8],
            [2, 9]])
    """
    if len(tensors) == 1:
        return tensors[0]
    return Stack.call([g.reshape(-1) for g in meshgrid(*tensors, indexing="ij")], 1)


@public("torch", out=False)
def combinations(input, r=2, with_replacement=False):
    """combinations(input, r=2, with_replacement=False) -> Tensor

    The r-element subsets of a vector, as rows.

    >>> torch.combinations(torch.tensor([1, 2, 3]))
    tensor([[1, 2],
            [1, 3],
            [2, 3]])
    """
    if input.ndim != 1:
        raise RuntimeError(f"Expect a 1D vector, but got shape {list(input.shape)}")
    if r < 0:
        raise RuntimeError(f"Expect a non-negative number, but got {r}")
    if r == 0:
        return input.new_empty(0)
    index = np.indices((len(input),) * r).reshape(r, -1)
    keep = ((index[:-1] <= index[1:]) if with_replacement else (index[:-1] < index[1:])).all(0)
    chosen = index[:, keep].T
    return input[from_array(np.ascontiguousarray(chosen)).to(input.device)]
