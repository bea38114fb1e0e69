"""Batching rules of views and of what moves elements about."""

from typing import Any

from rushlight._core.batch_rules import Batch, leading, row_size, shifted
from rushlight._core.shape import infer_shape, wrap_dim
from rushlight._core.tensor import Tensor

RULES: dict[str, Any] = {}


def rule(*names: str) -> Any:
    """Register a function as the rule of these operators."""

    def register(function: Any) -> Any:
        RULES.update(dict.fromkeys(names, function))
        return function

    return register


@rule("view", "reshape")
def view(batch: Batch, values: tuple, params: tuple) -> Any:
    """The batch, then the shape of one example."""
    (x,), (shape,) = values, params
    shape = (shape,) if isinstance(shape, int) else tuple(shape)
    return batch.call(x, (x.shape[0], *infer_shape(shape, row_size(x))))


@rule("expand")
def expand(batch: Batch, values: tuple, params: tuple) -> Any:
    """New dimensions come between the batch and the example's own."""
    (x,), (size,) = values, params
    size = (size,) if isinstance(size, int) else tuple(size)
    x = batch.padded(x, 0, len(size))
    return batch.call(x, (x.shape[0], *size))


@rule("permute")
def permute(batch: Batch, values: tuple, params: tuple) -> Any:
    """The batch stays first."""
    (x,), (dims,) = values, params
    return batch.call(x, (0, *[wrap_dim(d, x.ndim - 1) + 1 for d in dims]))


@rule("transpose")
def transpose(batch: Batch, values: tuple, params: tuple) -> Any:
    """Two dimensions of one example; a number has none to exchange."""
    x = values[0]
    if x.ndim == 1:
        return x.view(x.shape)
    return batch.call(x, *shifted(batch.op, x.ndim - 1, params))


@rule("t", "numpy_T")
def reverse(batch: Batch, values: tuple, params: tuple) -> Any:
    """All dimensions of one example in reverse."""
    x = values[0]
    if batch.op.name == "t" and x.ndim > 3:
        return NotImplemented
    return x.permute((0, *range(x.ndim - 1, 0, -1)))


@rule("squeeze")
def squeeze(batch: Batch, values: tuple, params: tuple) -> Any:
    """Dimensions of size 1 of one example."""
    x, dim, ndim = values[0], params[0], values[0].ndim - 1
    if dim is None:
        return batch.call(x, tuple([d for d in range(1, ndim + 1) if x.shape[d] == 1]))
    if not ndim:
        return x.view(x.shape)
    return batch.call(x, *shifted(batch.op, ndim, params))


@rule("unsqueeze")
def unsqueeze(batch: Batch, values: tuple, params: tuple) -> Any:
    """The new dimension is one of the example's."""
    x, dim = values[0], params[0]
    return batch.call(x, wrap_dim(dim, x.ndim) + 1)


@rule("slice", "select")
def basic_index(batch: Batch, values: tuple, params: tuple) -> Any:
    """The whole batch, then the example's index."""
    index = params[0] if isinstance(params[0], tuple) else (params[0],)
    return batch.call(values[0], (slice(None), *index))


@rule("slice_backward")
def slice_backward(batch: Batch, values: tuple, params: tuple) -> Any:
    """Zeros of the whole batch's shape."""
    shape, index = params
    index = index if isinstance(index, tuple) else (index,)
    return batch.call(values[0], (batch.size, *shape), (slice(None), *index))


@rule("diagonal_backward", "unfold_backward")
def scatter_view(batch: Batch, values: tuple, params: tuple) -> Any:
    """Dimensions count in the shape that is made."""
    shape = params[0]
    _, *rest = shifted(batch.op, len(shape), params)
    return batch.call(values[0], (batch.size, *shape), *rest)


@rule("as_strided")
def as_strided(batch: Batch, values: tuple, params: tuple) -> Any:
    """The batch steps as it does in memory."""
    x, (size, stride, offset) = values[0], params
    start = x.storage_offset() if offset is None else offset + x.storage_offset()
    return batch.call(x, (x.shape[0], *size), (x.stride(0), *stride), start)


@rule("diag_embed")
def diag_embed(batch: Batch, values: tuple, params: tuple) -> Any:
    """Dimensions count in the result, which has one more."""
    x = values[0]
    return batch.call(x, *shifted(batch.op, x.ndim, params))


@rule("repeat")
def repeat(batch: Batch, values: tuple, params: tuple) -> Any:
    """The batch itself is not repeated."""
    repeats = params[0] if isinstance(params[0], (tuple, list)) else (params[0],)
    return batch.call(batch.padded(values[0], 0, len(repeats)), (1, *repeats))


@rule("roll")
def roll(batch: Batch, values: tuple, params: tuple) -> Any:
    """Without dimensions, all elements of one example in a row."""
    x, (shifts, dims) = values[0], params
    if dims is None or dims == ():
        flat = x.reshape((x.shape[0], row_size(x)))
        return batch.call(flat, shifts, 1).reshape(x.shape)
    return leading(batch, values, params)


@rule("cat", "stack")
def join(batch: Batch, values: tuple, params: tuple) -> Any:
    """Each with the batch first."""
    tensors, dim = values[0], params[0]
    whole = [batch.whole(t, i) for i, t in enumerate(tensors)]
    ndim = max([t.ndim for t in whole]) - 1
    if batch.op.name == "stack":
        return batch.call(whole, wrap_dim(dim, ndim + 1) + 1)
    if ndim > 1:  # an empty vector joins anything
        whole = [t for t in whole if t.ndim == ndim + 1 or t.shape[1] != 0]
    if any(t.ndim == 1 for t in whole):
        at = next(i for i, t in enumerate(whole) if t.ndim == 1)
        raise RuntimeError(f"zero-dimensional tensor (at position {at}) cannot be concatenated")
    return batch.call(whole, wrap_dim(dim, ndim) + 1)


@rule("copy", "fill")
def overwrite(batch: Batch, values: tuple, params: tuple) -> Any:
    """What is overwritten has the batch; what is written is aligned with it."""
    x, y = values
    whole = batch.whole(x, 0)
    return batch.call(whole, batch.padded(y, 1, whole.ndim - 1), *params)


@rule("masked_fill")
def masked_fill(batch: Batch, values: tuple, params: tuple) -> Any:
    """The value is a number of each example."""
    x, mask, value = values
    ndim = max(batch.ndim(x, 0), batch.ndim(mask, 1))
    x, mask = batch.padded(x, 0, ndim), batch.padded(mask, 1, ndim)
    if not batch.mapped[2]:
        return batch.call(x, mask, value)
    return batch.padded(value, 2, ndim).to(x.dtype).where(mask, x)


@rule("max_full", "min_full")
def extremum(batch: Batch, values: tuple, params: tuple) -> Any:
    """The largest or smallest of all elements of each example."""
    flat = values[0].reshape((batch.size, row_size(values[0])))
    return flat.amax(1) if batch.op.name == "max_full" else flat.amin(1)


@rule("median_full", "nanmedian_full")
def median(batch: Batch, values: tuple, params: tuple) -> Any:
    """The median of all elements of each example."""
    flat = values[0].reshape((batch.size, row_size(values[0])))
    return (flat.median(1) if batch.op.name == "median_full" else flat.nanmedian(1))[0]


@rule("unfold")
def unfold(batch: Batch, values: tuple, params: tuple) -> Any:
    """Windows along a dimension of each example; a number is one window."""
    x = values[0]
    if x.ndim == 1:
        return batch.call(x.unsqueeze(1), 1, *params[1:]).squeeze(1)
    return batch.call(x, *shifted(batch.op, x.ndim - 1, params))


@rule("trace")
def trace(batch: Batch, values: tuple, params: tuple) -> Any:
    """The sum of each diagonal."""
    if values[0].ndim != 3:
        raise RuntimeError("trace: expected a matrix")
    return values[0].diagonal(0, 1, 2).sum(1)


@rule("nonzero", "unique_values", "unique_runs")
def dynamic(batch: Batch, values: tuple, params: tuple) -> Any:
    """The examples' results would have shapes of their own."""
    name = {"unique_values": "_unique2", "unique_runs": "unique_consecutive"}
    raise RuntimeError(
        "vmap: We do not support batching operators that can output dynamic shape. Attempted to "
        f"vmap over aten::{name.get(batch.op.name, batch.op.name)}. Please file an issue at "
        "https://github.com/pytorch/pytorch/issues if you need this feature."
    )


def is_tensor(t: object) -> bool:
    """Is this a tensor, not a number or None?"""
    return isinstance(t, Tensor)
