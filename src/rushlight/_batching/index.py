"""Batching rules of indexing: index arrays, gather and scatter, embedding."""

from typing import Any

from rushlight._core import gpu
from rushlight._core.batch_rules import Batch, leading, row_size
from rushlight._core.levels import Wrapped
from rushlight._core.shape import wrap_dim
from rushlight._core.tensor import Tensor, wrap
from rushlight._ops.index import Index, IndexBackward, IndexPut, ZeroAt

RULES: dict[str, Any] = {}
DYNAMIC = (
    "vmap: We do not support batching operators that can support dynamic shape. Attempting to "
    "batch over indexing with a boolean mask."
)


def rule(*names: str) -> Any:
    """Register a function as the rule of these operators."""

    def register(function: Any) -> Any:
        RULES.update(dict.fromkeys(names, function))
        return function

    return register


class Plan:
    """An example's index as one of the whole batch, and where that puts the dimensions.

    NumPy puts the dimensions of index arrays where the first of them stands, or first of all if
    something else stands between them.
    """

    def __init__(self, batch: Batch, index: tuple, x: Tensor) -> None:
        index = tuple([on_device_of(x, p) for p in index])
        places = [i for i, p in enumerate(index) if not isinstance(p, slice)]
        together = not places or places[-1] - places[0] == len(places) - 1
        own = [index[i] for i in places]
        self.source: tuple = ()
        self.target: tuple = ()
        if not any(isinstance(p, Tensor) for p in own):
            count = broadcast_ndim(own)
            self.index: tuple = (slice(None), *index)
            if not together:  # the batch comes behind the arrays' dimensions
                self.source, self.target = (count,), (0,)
            return
        if any(is_mask(p) for p in own):
            raise RuntimeError(DYNAMIC)
        count = max([p.ndim - 1 if isinstance(p, Tensor) else p.ndim for p in own])
        rows = wrap(gpu.counted_beside(array_of(x), batch.size)).reshape((batch.size, *[1] * count))
        made = [aligned(p, count) for p in own]
        parts: list = list(index)
        for i, p in zip(places, made, strict=True):
            parts[i] = p
        self.index = (array_of(rows), *parts)
        if together and places[0]:
            at = places[0]
            self.source = tuple(range(1, 1 + count))
            self.target = tuple(range(1 + at, 1 + at + count))

    def settled(self, t: Tensor) -> Tensor:
        """What the whole index gave, with the batch first and the example's order after it."""
        return t.movedim(self.source, self.target) if self.source else t

    def unsettled(self, t: Tensor) -> Tensor:
        """The reverse."""
        return t.movedim(self.target, self.source) if self.source else t


def on_device_of(x: Tensor, part: Any) -> Any:
    """A part of an index where the tensor is that it indexes."""
    if gpu.cuda.kind is None or isinstance(part, slice):
        return part
    if isinstance(part, Tensor):
        return part if part.device == x.device else part.to(x.device)
    return gpu.beside(part, x._data)


def array_of(t: Tensor) -> Any:
    """The array of an index tensor."""
    return t._data


def is_mask(p: Any) -> bool:
    """Is this part of an index a boolean mask?"""
    return p._data.dtype == bool if isinstance(p, Tensor) else p.dtype == bool


def broadcast_ndim(arrays: list) -> int:
    """The dimensions that index arrays have together; a mask counts as one."""
    return max([1 if is_mask(p) else p.ndim for p in arrays], default=0)


def aligned(p: Any, count: int) -> Any:
    """An index array with the batch first, then ``count`` dimensions."""
    if not isinstance(p, Tensor):
        return p
    shape = (p.shape[0], *[1] * (count + 1 - p.ndim), *p.shape[1:])
    return p.reshape(shape)._data


def parts_of(index: Any) -> tuple:
    """An index as a tuple."""
    return tuple(index) if isinstance(index, (tuple, list)) else (index,)


@rule("index", "index_rows")
def index(batch: Batch, values: tuple, params: tuple) -> Any:
    """``x[index]`` of each example."""
    plan = Plan(batch, parts_of(params[0]), values[0])
    return plan.settled(Index.call(batch.whole(values[0], 0), plan.index))


@rule("index_backward")
def index_backward(batch: Batch, values: tuple, params: tuple) -> Any:
    """Values added at each example's index."""
    shape, given = params
    plan = Plan(batch, parts_of(given), values[0])
    g = plan.unsettled(batch.whole(values[0], 0))
    return IndexBackward.call(g, (batch.size, *shape), plan.index)


@rule("zero_at")
def zero_at(batch: Batch, values: tuple, params: tuple) -> Any:
    """Zeros at each example's index."""
    plan = Plan(batch, parts_of(params[0]), values[0])
    return ZeroAt.call(batch.whole(values[0], 0), plan.index)


@rule("index_put")
def index_put(batch: Batch, values: tuple, params: tuple) -> Any:
    """``x[index] = values`` of each example."""
    x, v = batch.whole(values[0], 0), values[1]
    given, accumulate = parts_of(params[0]), params[1]
    masks = [p for p in given if isinstance(p, Tensor) and is_mask(p)]
    if masks and len(given) == 1 and batch.ndim(v, 1) == 0 and not accumulate:
        mask = given[0].reshape((*given[0].shape, *[1] * (x.ndim - given[0].ndim)))
        return batch.padded(v, 1, x.ndim - 1).where(mask, x)
    plan = Plan(batch, given, x)
    shape = plan.settled(Index.call(x.detach(), plan.index)).shape
    v = batch.padded(v, 1, len(shape) - 1).expand(shape)
    return IndexPut.call(x, plan.unsettled(v), plan.index, accumulate)


# ---- along one dimension -------------------------------------------------------------------------


@rule("gather", "scatter", "scatter_zero", "scatter_add", "scatter_reduce")
def along(batch: Batch, values: tuple, params: tuple) -> Any:
    """The batch is one more dimension that input, index and source share."""
    dims = [batch.ndim(t, i) for i, t in enumerate(values)]
    whole = [batch.whole(t, i) for i, t in enumerate(values)]
    ndim = max(dims[0], dims[1], 1)
    if max(dims[:2]) == 0 or min(dims[:2]) == 0:
        whole[:2] = [
            t.unsqueeze(-1) if d == 0 else t for t, d in zip(whole[:2], dims, strict=False)
        ]
    if len(whole) > 2 and dims[2] == 0:
        source = whole[2].reshape((batch.size, *[1] * (whole[1].ndim - 1)))
        whole[2] = source.expand(whole[1].shape)
    dim = wrap_dim(params[0], ndim) + 1
    result = batch.call(*whole, dim, *params[1:])
    shape = dims[1] if batch.op.name == "gather" else dims[0]
    return result.squeeze(-1) if shape == 0 else result


@rule("slice_scatter_corner")
def corner(batch: Batch, values: tuple, params: tuple) -> Any:
    """The corner of each example."""
    return batch.call(batch.whole(values[0], 0), batch.whole(values[1], 1))


@rule("index_select")
def index_select(batch: Batch, values: tuple, params: tuple) -> Any:
    """Slices by one index vector, or by one for each example."""
    x, i, dim = *values, params[0]
    ndim = batch.ndim(x, 0)
    if not ndim:
        return NotImplemented
    at = wrap_dim(dim, ndim)
    if not batch.mapped[1]:
        return batch.call(x, i, at + 1)
    if not batch.mapped[0] and batch.ndim(i, 1) == 1:
        flat = batch.call(x, i.reshape(-1), at)
        made = flat.reshape((*x.shape[:at], *i.shape, *x.shape[at + 1 :]))
        return made.movedim(at, 0)
    whole = batch.whole(x, 0)
    i = i.reshape((batch.size, -1 if i.numel() else row_size(i)))
    shape = (*whole.shape[: at + 1], i.shape[1], *whole.shape[at + 2 :])
    places = i.reshape((batch.size, *[1] * at, i.shape[1], *[1] * (ndim - at - 1)))
    return whole.gather(at + 1, places.long().expand(shape))


@rule("index_add")
def index_add(batch: Batch, values: tuple, params: tuple) -> Any:
    """Slices added by one index vector, or by one for each example."""
    x, i, source = values
    ndim = batch.ndim(x, 0)
    if not ndim or not batch.ndim(source, 2):
        return NotImplemented
    at = wrap_dim(params[0], ndim) + 1
    x, source = batch.whole(x, 0), batch.whole(source, 2)
    if not batch.mapped[1]:
        return batch.call(x, i, source, at)
    i = i.reshape((batch.size, *[1] * (at - 1), -1, *[1] * (ndim - at)))
    return x.scatter_add(at, i.long().expand(source.shape), source)


# ---- tables --------------------------------------------------------------------------------------


def offsets(batch: Batch, indices: Tensor, rows: int) -> Tensor:
    """Indices into the tables of all examples, one after the other."""
    start = wrap(gpu.counted_beside(indices._data, batch.size)) * rows
    return indices + start.reshape((batch.size, *[1] * (indices.ndim - 1)))


@rule("embedding")
def embedding(batch: Batch, values: tuple, params: tuple) -> Any:
    """One table for all, or the tables one after the other."""
    weight, indices = values
    if not batch.mapped[0]:
        return batch.call(weight, indices, *params)
    _, rows, width = weight.shape
    flat = weight.reshape((batch.size * rows, width))
    return Index.call(flat, (offsets(batch, batch.whole(indices, 1), rows)._data,))


@rule("embedding_backward")
def embedding_backward(batch: Batch, values: tuple, params: tuple) -> Any:
    """The gradients of all tables at once."""
    g, indices = batch.whole(values[0], 0), batch.whole(values[1], 1)
    rows, padding, by_frequency = params
    if padding >= 0:
        g = g * (indices != padding).to(g.dtype).unsqueeze(-1)
    made = batch.call(g, offsets(batch, indices, rows), rows * batch.size, -1, by_frequency)
    return made.reshape((batch.size, rows, *made.shape[1:]))


@rule("embedding_lookup")
def embedding_lookup(batch: Batch, values: tuple, params: tuple) -> Any:
    """The same backwards."""
    weight, indices = batch.whole(values[0], 0), batch.whole(values[1], 1)
    padding, by_frequency = params
    rows = weight.shape[1]
    flat = weight.reshape((batch.size * rows, weight.shape[2]))
    made = batch.call(flat, offsets(batch, indices, rows), -1, by_frequency)
    if padding >= 0:
        made = made * (indices != padding).to(made.dtype).unsqueeze(-1)
    return made


@rule("searchsorted")
def searchsorted(batch: Batch, values: tuple, params: tuple) -> Any:
    """Each example's numbers in its own sequence."""
    sequence, x = values
    if not batch.mapped[0] and sequence.ndim == 1:
        return batch.call(sequence, x, *params)
    sequence, x = batch.whole(sequence, 0), batch.whole(x, 1)
    if sequence.ndim == 2 and x.ndim != 2:
        flat = x.reshape((batch.size, row_size(x)))
        return batch.call(sequence, flat, *params).reshape(x.shape)
    return batch.call(sequence, x, *params)


@rule("isin")
def isin(batch: Batch, values: tuple, params: tuple) -> Any:
    """Each element against the test elements of its example."""
    if not batch.mapped[1]:
        return batch.call(*values, *params)
    x, tests = batch.whole(values[0], 0), values[1]
    tests = tests.reshape((batch.size, *[1] * (x.ndim - 1), row_size(tests)))
    found = (x.unsqueeze(-1) == tests).any(-1)
    return found.logical_not() if params[-1] else found


__all__ = ["RULES", "Wrapped", "leading"]
