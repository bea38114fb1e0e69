"""Reading and writing along one dimension by index tensors: gather, scatter, index_reduce."""

from typing import Any

import numpy as np

from rushlight._core import dtypes
from rushlight._core.looking import asserted
from rushlight._core.op import Meta, Op, public
from rushlight._core.shape import wrap_dim
from rushlight._core.tensor import Tensor
from rushlight._ops.index import add_at


def check_index_dtype(name, index):
    """Indices are int64 (or int32 where PyTorch takes it)."""
    if index.dtype.kind not in "i" or index.dtype.itemsize < 4:
        raise RuntimeError(
            f"{name}(): Expected dtype int32/int64 for index, but got "
            f"{dtypes.BY_NUMPY[index.dtype]}"
        )


def check_int64(name, index):
    """gather and scatter take int64 (and int32) indices only."""
    if index.size and index.dtype not in (np.int64, np.int32):
        raise RuntimeError(f"{name}(): Expected dtype int64 for index")


def places(xp, index, dim):
    """The full index tuple for elements that ``index`` names along ``dim``; the other coordinates
    are its own.
    """
    coordinates = [
        xp.arange(n).reshape([-1 if k == d else 1 for k in range(index.ndim)])
        for d, n in enumerate(index.shape)
    ]
    coordinates[dim] = index
    return tuple(coordinates)


def check_along(name, x, index, dim, source=None):
    """Shapes and bounds of gather and scatter."""
    if index.size == 0:
        return
    if max(x.ndim, 1) != max(index.ndim, 1):
        raise RuntimeError(
            f"Index tensor must have the same number of dimensions as {source or 'input'} tensor"
        )
    for d in range(x.ndim):
        if d != dim and index.shape[d] > x.shape[d]:
            raise RuntimeError(
                f"Size does not match at dimension {d} expected index {list(index.shape)} to be "
                "no larger than self "
                f"{list(x.shape)} apart from dimension {dim}"
            )
    size = x.shape[dim] if x.ndim else 1
    usual = type(index) is np.ndarray and index.dtype == np.int64
    if usual and np.maximum.reduce(index.view(np.uint64), None) < size:  # a negative one is large
        return
    if asserted("index_inside", index, size):
        return
    low, high = index.min(), index.max()
    if low < 0 or high >= size:
        bad = int(low if low < 0 else high)
        raise RuntimeError(f"index {bad} is out of bounds for dimension {dim} with size {size}")


class Gather(Op):
    """gather(input, dim, index, *, sparse_grad=False, out=None) -> Tensor

    The elements that ``index`` names along a dimension: ``out[i][j] = input[index[i][j]][j]`` for
    dim 0.

    >>> torch.gather(torch.tensor([[1, 2], [3, 4]]), 1, torch.tensor([[0], [1]]))
    tensor([[1],
            [4]])
    """

    tensors = ("input", "index")
    public = ()
    promote = "keep"
    linear = True

    def forward(xp, x, index, dim):
        check_int64("gather", index)
        at = wrap_dim(dim, x.ndim)
        check_along("gather", x, index, at)
        if not x.ndim or not index.ndim:
            return x.reshape(-1)[index.reshape(-1)].reshape(index.shape)
        if not index.size:
            return xp.empty(index.shape, x.dtype)
        if all(index.shape[d] == x.shape[d] for d in range(x.ndim) if d != at):
            return xp.take_along_axis(x, index, at)
        if index.ndim == 2 and at == 0 and xp is np:
            return x[index, np.arange(index.shape[1])]
        return x[places(xp, index, at)]

    def vjp_input(g: Any, input: Meta, index, dim):
        return ScatterAdd.call(g.new_zeros(input.shape), index, g, dim)


@public("torch", "Tensor", out="same")
def gather(input, dim, index, *, sparse_grad=False):
    """gather(input, dim, index, *, sparse_grad=False, out=None) -> Tensor

    The elements that ``index`` names along a dimension: ``out[i][j] = input[index[i][j]][j]`` for
    dim 0.

    >>> torch.gather(torch.tensor([[1, 2], [3, 4]]), 1, torch.tensor([[0], [1]]))
    tensor([[1],
            [4]])
    """
    if sparse_grad:
        raise NotImplementedError(
            "gather(sparse_grad=True) is not supported: leave it out for a dense gradient"
        )
    return Gather.call(input, index, dim)


class Scatter(Op):
    """``input`` with elements of ``src`` put where ``index`` says."""

    tensors = ("input", "index", "src")
    public = ()
    promote = "keep"
    inplace = True

    def forward(xp, x, index, src, dim):
        at = prepare_scatter("scatter", x, index, src, dim)
        out = x.copy()
        if index.size:
            flat_put(xp, out, index, src, at)
        return out

    def vjp_input(g, index, dim):
        return ScatterZero.call(g, index, dim)

    def vjp_src(g: Any, index, src: Meta, dim):
        return scatter_source_gradient(g, index, src, dim)


def prepare_scatter(name, x, index, src, dim):
    """Check a scatter's arguments; returns the wrapped dimension."""
    check_int64(name, index)
    at = wrap_dim(dim, x.ndim)
    if src is not None:
        if src.ndim and src.dtype != x.dtype:
            raise RuntimeError(f"{name}(): Expected self.dtype to be equal to src.dtype")
        if index.size and src.ndim:
            if src.ndim != index.ndim:
                raise RuntimeError(
                    "Index tensor must have the same number of dimensions as src tensor"
                )
            for d in range(index.ndim):
                if index.shape[d] > src.shape[d]:
                    raise RuntimeError(
                        f"Expected index {list(index.shape)} to be no larger than self "
                        f"{list(x.shape)} apart from "
                        f"dimension {at} and to be no larger size than src {list(src.shape)}"
                    )
    check_along(name, x, index, at, "self")
    return at


def part_of(src, index):
    """The corner of ``src`` that has the index's shape (a number serves everywhere)."""
    return src[tuple(slice(0, n) for n in index.shape)] if src.ndim else src


def flat_put(xp, out, index, src, at):
    """``out[index along at] = src``; of those that go to one place the last one stays."""
    if not out.ndim:
        out[...] = part_of(src, index).reshape(-1)[-1] if src.ndim else src
        return
    # NumPy writes in the order of memory, which is that of the elements in contiguous arrays only.
    index = xp.ascontiguousarray(index.reshape(index.shape or 1))
    out[places(xp, index, at)] = xp.ascontiguousarray(part_of(src, index))


def scatter_source_gradient(g, index, src, dim):
    """The gradient of what was scattered: gathered back, zero where ``src`` was larger than
    ``index``.
    """
    if not src.ndim:
        return Gather.call(g, index, dim).sum() if g.ndim else g
    part = Gather.call(g, index, dim)
    if tuple(part.shape) == tuple(src.shape):
        return part
    full = g.new_zeros(src.shape)
    return SliceScatterCorner.call(full, part)


class SliceScatterCorner(Op):
    """A tensor with another put into its leading corner."""

    tensors = ("input", "src")
    promote = "keep"
    public = ()

    def forward(xp, x, src):
        out = x.copy()
        out[tuple(slice(0, n) for n in src.shape)] = src
        return out

    def vjp_input(g: Any, src: Meta):
        return g - SliceScatterCorner.call(
            g.new_zeros(g.shape), g[tuple([slice(0, n) for n in src.shape])]
        )

    def vjp_src(g: Any, src: Meta):
        return g[tuple([slice(0, n) for n in src.shape])]


class ScatterZero(Op):
    """Zeros where ``index`` says."""

    tensors = ("input", "index")
    public = ()
    promote = "keep"
    linear = True

    def forward(xp, x, index, dim):
        out = x.copy()
        if index.size:
            flat_put(xp, out, index, np.zeros((), x.dtype), wrap_dim(dim, x.ndim))
        return out

    def vjp_input(g, index, dim):
        return ScatterZero.call(g, index, dim)


class ScatterAdd(Op):
    """scatter_add(input, dim, index, src) -> Tensor

    ``src`` added where ``index`` says; repeated places sum.
    """

    tensors = ("input", "index", "src")
    public = ()
    promote = "keep"
    inplace = True
    linear = True

    def forward(xp, x, index, src, dim):
        at = prepare_scatter("scatter_add", x, index, src, dim)
        out = x.copy()
        if not index.size:
            return out
        part = part_of(src, index)
        if not x.ndim:
            return xp.add.reduce(xp.append(part.reshape(-1), out), dtype=x.dtype)
        if x.ndim == 1 and x.dtype.kind == "f" and x.itemsize >= 4:
            return out + xp.bincount(index, part, x.shape[0]).astype(x.dtype)
        add_at(xp, out, places(xp, index, at), part)
        return out

    def vjp_input(g):
        return g

    def vjp_src(g: Any, index, src: Meta, dim):
        return scatter_source_gradient(g, index, src, dim)


@public("torch", "Tensor", inplace=True)
def scatter_add(input, dim, index, src):
    """scatter_add(input, dim, index, src) -> Tensor: ``src`` added where ``index`` says; repeated
    places sum.

    >>> torch.zeros(3).scatter_add(0, torch.tensor([0, 0, 2]), torch.ones(3))
    tensor([2., 0., 1.])
    """
    return ScatterAdd.call(input, index, src, dim)


@public("torch", "Tensor", inplace=True)
def scatter(input, dim, index, src=None, *, value=None, reduce=None):
    """scatter(input, dim, index, src) -> Tensor: a copy with ``src`` (or ``value=``) put where
    ``index`` says.

    >>> torch.zeros(3).scatter(0, torch.tensor([1]), 5.0)
    tensor([0., 5., 0.])
    """
    src = value if src is None else src
    if not isinstance(src, Tensor):
        src = input.new_full((), src)
    if reduce is not None:
        if reduce not in ("add", "multiply"):
            raise RuntimeError("reduce argument must be either add or multiply.")
        source = src.expand(index.shape) if src.ndim == 0 else src
        return scatter_reduce(input, dim, index, source, {"add": "sum", "multiply": "prod"}[reduce])
    return Scatter.call(input, index, src, dim)


REDUCTIONS = {
    "sum": "add",
    "prod": "multiply",
    "amax": "maximum",
    "amin": "minimum",
    "mean": "add",
}


class ScatterReduce(Op):
    """scatter_reduce: values combined where ``index`` says."""

    tensors = ("input", "index", "src")
    public = ()
    promote = "keep"

    def forward(xp, x, index, src, dim, reduce, include_self=True):
        if reduce not in REDUCTIONS:
            raise RuntimeError(
                f"reduce argument must be either sum, prod, mean, amax or amin, got {reduce}"
            )
        at = prepare_scatter("scatter_reduce", x, index, src, dim)
        out = x.copy()
        if not index.size:
            return out
        shaped = out.reshape(1) if not x.ndim else out
        index = index.reshape(1) if not index.ndim else index
        part = part_of(src.reshape(1) if not src.ndim else src, index)
        where = places(xp, index, at)
        work = shaped.astype(np.float32) if x.dtype in dtypes.HALF else shaped
        if not include_self:
            work[where] = neutral(reduce, work.dtype)
        getattr(xp, REDUCTIONS[reduce]).at(work, where, part.astype(work.dtype))
        if reduce == "mean":
            count = xp.full(work.shape, int(include_self))
            xp.add.at(count, where, 1)
            count = xp.maximum(count, 1)
            work[...] = work // count if work.dtype.kind in "iu" else work / count
        return work.astype(x.dtype).reshape(x.shape)

    def vjp_input(g, input, index, src, result, dim, reduce, include_self):
        return reduce_gradients(g, input, index, src, result, dim, reduce, include_self)[0]

    def vjp_src(g, input, index, src, result, dim, reduce, include_self):
        return reduce_gradients(g, input, index, src, result, dim, reduce, include_self)[1]


def neutral(reduce, dtype):
    """What a reduction starts from."""
    if reduce in ("sum", "mean"):
        return 0
    if reduce == "prod":
        return 1
    if dtype.kind in "iu":
        info = np.iinfo(dtype)
        return info.min if reduce == "amax" else info.max
    if dtype.kind == "b":
        return reduce == "amin"
    return -np.inf if reduce == "amax" else np.inf


def reduce_gradients(g, input, index, src, result, dim, reduce, include_self):
    """The gradients of scatter_reduce for the two inputs."""
    if reduce == "sum":
        to_input, to_src = g, g.gather(dim, index)
    elif reduce == "mean":
        ones = input.new_ones(input.shape) if include_self else input.new_zeros(input.shape)
        count = ScatterAdd.call(ones, index, src.new_ones(src.shape), dim).clamp(min=1)
        to_input = g / count
        to_src = to_input.gather(dim, index)
    elif reduce == "prod":
        zero = src == 0
        safe = src.masked_fill(zero, 1)
        product = ScatterReduce.call(input, index, safe, dim, "prod", include_self)
        zeros = ScatterAdd.call(input.new_zeros(input.shape), index, zero.to(src.dtype), dim)
        start = input if include_self else input.masked_fill(touched(input, index, dim), 1)
        rest = result.gather(dim, index) / safe
        alone = zero & (zeros.gather(dim, index) == 1)
        to_src = (
            g.gather(dim, index) * (rest.masked_fill(zero, 0) + product.gather(dim, index) * alone)
        ).reshape(src.shape)
        to_input = g * ScatterReduce.call(
            start.new_ones(start.shape), index, src, dim, "prod", True
        )
    else:
        at = result.gather(dim, index)
        from_src, from_input = (src == at).to(g.dtype), (input == result).to(g.dtype)
        if not include_self:
            from_input = from_input.masked_fill(touched(input, index, dim), 0)
        count = ScatterAdd.call(from_input, index, from_src, dim).clamp(min=1)
        share = g / count
        to_input, to_src = share * from_input, share.gather(dim, index) * from_src
    if not include_self:
        to_input = to_input.masked_fill(touched(input, index, dim), 0)
    return to_input, to_src


def touched(input, index, dim):
    """Where ``index`` writes."""
    none = input.new_zeros(input.shape, dtype=dtypes.bool_)
    return none.scatter(dim, index, True)


@public("torch", "Tensor", inplace=True)
def scatter_reduce(input, dim, index, src, reduce, *, include_self=True):
    """scatter_reduce(input, dim, index, src, reduce, *, include_self=True) -> Tensor

    ``src`` combined into a copy of ``input`` where ``index`` says, by "sum", "prod", "mean", "amax"
    or "amin".

    >>> torch.ones(2).scatter_reduce(0, torch.tensor([0, 0]), torch.tensor([2.0, 3.0]), "sum")
    tensor([6., 1.])
    """
    return ScatterReduce.call(input, index, src, dim, reduce, include_self)


@public("torch", "Tensor", inplace=True)
def index_reduce(input, dim, index, source, reduce, *, include_self=True):
    """index_reduce(input, dim, index, source, reduce, *, include_self=True) -> Tensor

    Slices of ``source`` combined into a copy of ``input`` where an index vector says, by "prod",
    "mean", "amax" or
    "amin".

    >>> torch.ones(2).index_reduce(0, torch.tensor([0, 0]), torch.tensor([2.0, 3.0]), "prod")
    tensor([6., 1.])
    """
    if reduce not in ("prod", "mean", "amax", "amin"):
        raise RuntimeError(
            "index_reduce(): Expected reduce to be one of prod, mean, amax or amin but got "
            f"{reduce}."
        )
    at = wrap_dim(dim, input.ndim)
    if index.ndim > 1:
        raise RuntimeError("index_reduce_(): Index is supposed to be a vector")
    if index.dtype not in (dtypes.int64, dtypes.int32):
        raise RuntimeError("index_reduce_(): Expected dtype int32/int64 for index")
    if input.dtype is not source.dtype:
        raise RuntimeError("index_reduce_(): self and source must have the same scalar type")
    if not input.ndim:
        return scatter_reduce(
            input, 0, index.reshape(()), source.reshape(()), reduce, include_self=include_self
        )
    rows = (
        index.reshape([-1 if d == at else 1 for d in range(input.ndim)]).long().expand(source.shape)
    )
    return scatter_reduce(input, at, rows, source, reduce, include_self=include_self)


# ---- whole slices --------------------------------------------------------------------------------


# ---- the scatters of views -----------------------------------------------------------------------
