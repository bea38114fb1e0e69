"""How an operator computes a whole batch: by family, by its parameters' names, or by its own rule.

A record's ``vmap`` says which: "pointwise", "reduce", "leading" (it works on trailing dimensions
and takes any leading ones), "fold" (its first dimension is a batch already), or a function
``(batch, values, params)``. The values have the batch as their first dimension where
``batch.mapped`` says so. A rule may answer NotImplemented: then the operator is called for each
example.
"""

from collections.abc import Callable
from typing import Any

from rushlight._core.levels import invoke
from rushlight._core.op import Binary, Reduce, Unary, View
from rushlight._core.record import Record
from rushlight._core.shape import wrap_dim
from rushlight._core.tensor import Tensor

# What a parameter of this name counts; a record's own ``roles`` come first.
DIMS = {"dim", "dims", "dim0", "dim1", "dim2", "dimension", "axis"}


class Batch:
    """What a rule knows of the call: the operator, the batch's size, who has it."""

    __slots__ = ("indices", "mapped", "op", "size")

    def __init__(self, op: Record, size: int, mapped: list[bool], indices: bool) -> None:
        self.op, self.size, self.mapped, self.indices = op, size, mapped, indices

    def ndim(self, t: Tensor, i: int) -> int:
        """The dimensions of one example."""
        return t.ndim - 1 if self.mapped[i] else t.ndim

    def whole(self, t: Tensor, i: int) -> Tensor:
        """The tensor with the batch first, repeated without a copy if it has none."""
        if not isinstance(t, Tensor) or self.mapped[i]:
            return t
        return t.expand((self.size, *t.shape))

    def padded(self, t: Tensor, i: int, ndim: int) -> Tensor:
        """An example's dimensions filled up to ``ndim`` with leading ones."""
        if not isinstance(t, Tensor) or not self.mapped[i] or t.ndim - 1 >= ndim:
            return t
        return t.reshape((t.shape[0], *[1] * (ndim - t.ndim + 1), *t.shape[1:]))

    def call(self, *args: Any) -> Any:
        """The operator itself, one level below."""
        count = len(self.op.tensors)
        return invoke(self.op, args[:count], args[count:])


def batch_rule(op: Record) -> Callable | None:
    """The rule of an operator, None if it is to be called example by example."""
    found = getattr(op, "vmap", None)
    if callable(found):
        return found
    if found is None:
        found = family_rule(op)
    return KINDS.get(found)


def family_rule(op: Any) -> str | None:
    """The rule a family has unless its record says otherwise."""
    if issubclass(op, (Unary, Binary)):
        return "pointwise"
    if issubclass(op, Reduce):
        return "reduce"
    return "leading" if issubclass(op, View) else None


def pointwise(batch: Batch, values: tuple, params: tuple) -> Any:
    """Element by element: align the examples' dimensions and let broadcasting do the rest."""
    ndim = max([batch.ndim(t, i) for i, t in enumerate(values) if isinstance(t, Tensor)])
    return invoke(batch.op, tuple([batch.padded(t, i, ndim) for i, t in enumerate(values)]), params)


def shifted(op: Record, ndim: int, params: tuple) -> tuple:
    """Parameters whose dimensions count from one example, counted from the whole batch."""
    made = list(params)
    for i, name in enumerate(op.params):
        if name in DIMS and made[i] is not None:
            d = made[i]
            made[i] = (
                tuple([wrap_dim(x, ndim) + 1 for x in d])
                if isinstance(d, (tuple, list))
                else wrap_dim(d, ndim) + 1
            )
    return tuple(made)


def leading(batch: Batch, values: tuple, params: tuple) -> Any:
    """Trailing dimensions only: the batch is one more leading dimension."""
    op, first = batch.op, values[0]
    whole = tuple([batch.whole(t, i) for i, t in enumerate(values)])
    ndim = batch.ndim(first, 0)
    if ndim or not any(p in DIMS for p in op.params):
        return invoke(op, whole, shifted(op, ndim, params))
    lifted = tuple([t.unsqueeze(-1) if isinstance(t, Tensor) else t for t in whole])
    result = invoke(op, lifted, shifted(op, 1, params))
    return each(result, lambda r: r.reshape((batch.size,)))


def each(result: Any, function: Callable) -> Any:
    """``function`` of a tensor, or of each of several."""
    if isinstance(result, Tensor):
        return function(result)
    return tuple([None if r is None else function(r) for r in result])


def reduce(batch: Batch, values: tuple, params: tuple) -> Any:
    """Over dimensions of one example; over all of them if none is named."""
    op, x = batch.op, values[0]
    ndim = x.ndim - 1
    at = op.params.index("dim") if "dim" in op.params else None
    dim = None if at is None else params[at]
    if at is not None and dim is not None and dim != () and dim != []:
        if ndim:
            return invoke(op, values, shifted(op, ndim, params))
        return leading(batch, values, params)
    flat = x.reshape((batch.size, -1 if x.numel() else row_size(x)))
    keep = "keepdim" in op.params and bool(params[op.params.index("keepdim")])
    if at is None:
        return NotImplemented
    given = list(params)
    given[at] = 1
    result = invoke(op, (flat,), tuple(given))
    shape = (batch.size, *[1] * (ndim if keep else 0))
    return each(result, lambda r: r.reshape(shape))


def row_size(x: Tensor) -> int:
    """The number of elements of one example."""
    n = 1
    for s in x.shape[1:]:
        n *= s
    return n


def fold(batch: Batch, values: tuple, params: tuple) -> Any:
    """The first dimension of one example is a batch too: join them, and part them again."""
    whole = tuple([batch.whole(t, i) for i, t in enumerate(values)])
    inner = whole[0].shape[1]
    joined = tuple(
        [t.reshape((-1, *t.shape[2:])) if isinstance(t, Tensor) else t for t in whole]
        if batch.size * inner
        else [t.reshape((0, *t.shape[2:])) if isinstance(t, Tensor) else t for t in whole]
    )
    result = invoke(batch.op, joined, params)
    return each(result, lambda r: r.reshape((batch.size, inner, *r.shape[1:])))


KINDS: dict[Any, Callable] = {
    "pointwise": pointwise,
    "reduce": reduce,
    "leading": leading,
    "fold": fold,
}
