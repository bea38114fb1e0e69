"""Choosing elements: where, masks, and the indices of what is not zero."""

from collections.abc import Callable
from typing import Any

import numpy as np

from rushlight._core import dtypes, inplace
from rushlight._core.looking import seen
from rushlight._core.op import PUBLIC, Op, public
from rushlight._core.shape import common_shape
from rushlight._core.state import S
from rushlight._core.tensor import PLAIN, Tensor, wrap
from rushlight._ops.join import Cat

# --------------------------------------------------------------------------------------


F4, BOOL = dtypes.float32.numpy, dtypes.bool_.numpy


class Where(Op):
    """where(condition, input, other, *, out=None) -> Tensor

    Elements of ``input`` where ``condition`` holds, of ``other`` elsewhere.

    >>> torch.where(torch.tensor([True, False]), 1, 0)
    tensor([1, 0])
    """

    tensors = ("condition", "input", "other")
    promoted = ("input", "other")
    half = "native"
    public = ()

    def forward(xp, c, x, y):
        return xp.where(c, x, y)

    def vjp_input(g, condition):
        return g.where(condition, 0)

    def vjp_other(g, condition):
        return g.masked_fill(condition, 0)


@public("torch")
def where(condition, input=None, other=None):
    """where(condition, input, other, *, out=None) -> Tensor

    Elements of ``input`` where ``condition`` holds, of ``other`` elsewhere. With the condition
    alone: the indices
    where it holds, as a tuple.

    >>> torch.where(torch.tensor([True, False]), torch.tensor([1.0, 2.0]), 0.0)
    tensor([1., 0.])
    """
    if input is None and other is None:
        return condition.nonzero(as_tuple=True)
    if type(condition) in PLAIN and condition._data.dtype is BOOL and not S.special:
        kind = type(other)
        if kind in PLAIN and type(input) in PLAIN:
            return Where.call(condition, input, other)
        x = input._data if (kind is float or kind is int) and type(input) in PLAIN else None
        if type(x) is np.ndarray and x.dtype is F4:
            return Where.call(condition, input, wrap(np.array(other, F4)))
    if condition.dtype is not dtypes.bool_:
        if condition.dtype is not dtypes.uint8:
            raise RuntimeError(
                f"where expected condition to be a boolean tensor, but got a tensor with dtype "
                f"{dtypes.scalar_name(condition.dtype)}"
            )
        condition = condition.bool()
    if not isinstance(input, Tensor) and not isinstance(other, Tensor):
        d = dtypes.promote_types(dtypes.scalar_dtype(input), dtypes.scalar_dtype(other))
        input = condition.new_full((), input, dtype=d)
    return Where.call(condition, input, other)


@public("Tensor", out=False, aliases=())
def _where_method(self, condition, other):
    """where(condition, other) -> Tensor

    ``torch.where(condition, self, other)``.

    >>> torch.tensor([1, 2]).where(torch.tensor([True, False]), torch.tensor([8, 9]))
    tensor([1, 9])
    """
    return where(condition, self, other)


_tensor: Any = Tensor
_tensor.where = _where_method


class MaskedFill(Op):
    """masked_fill(input, mask, value) -> Tensor

    A copy with ``value`` where ``mask`` holds.

    >>> torch.tensor([1.0, 2.0]).masked_fill(torch.tensor([True, False]), 0)
    tensor([0., 2.])
    """

    tensors = ("input", "mask", "value")
    promote = "keep"
    inplace = True

    def forward(xp, x, mask, value):
        check_bool_mask("masked_fill", mask)
        if value.ndim:
            raise RuntimeError(
                "masked_fill only supports a 0-dimensional value tensor, but got tensor with "
                f"{value.ndim} dimension(s)."
            )
        if value.dtype.kind == "c" and x.dtype.kind != "c":
            raise RuntimeError(
                f"value cannot be converted to type {dtypes.BY_NUMPY[x.dtype].name} without "
                "overflow"
            )
        return xp.where(mask, value.astype(x.dtype), x)

    def vjp_input(g, mask):
        return g.masked_fill(mask, 0)

    def vjp_value(g, mask):
        return g.where(mask, 0).sum()


def with_number(op: Any, call: Callable) -> Callable:
    """``masked_fill`` with a Python number, which beside a float32 tensor is a 0-d array."""

    def masked_fill(*args, **kw):
        if len(args) == 3 and not kw and not S.special and type(args[0]) in PLAIN:
            value, x = args[2], args[0]._data
            kind = type(value)
            if (kind is float or kind is int) and type(x) is np.ndarray and x.dtype is F4:
                return call(args[0], args[1], wrap(np.array(value, F4)))
        return call(*args, **kw)

    shown: Any = masked_fill
    shown.__doc__, shown.__module__, shown.record = op.__doc__, "torch", op
    return masked_fill


PUBLIC["torch"]["masked_fill"] = with_number(MaskedFill, MaskedFill.call)
PUBLIC["Tensor"]["masked_fill"] = PUBLIC["torch"]["masked_fill"]


_masked_fill = inplace.derive(MaskedFill)


@public("Tensor", out=False)
def masked_fill_(self, *args, **kw):
    """masked_fill_(mask, value) -> Tensor

    In-place form of :func:`torch.masked_fill`.

    >>> torch.ones(2).masked_fill_(torch.tensor([True, False]), 0)
    tensor([0., 1.])
    """
    if len(args) == 2 and not kw and inplace.writable(self) and self._data.dtype is F4:
        mask, value = args
        kind = type(value)
        if (kind is float or kind is int) and type(mask) is Tensor and mask._data.dtype is BOOL:
            try:
                np.copyto(self._data, value, where=mask._data)
            except (ValueError, TypeError, OverflowError):
                return _masked_fill(self, *args)
            inplace.bump(self)
            return self
    return _masked_fill(self, *args, **kw)


# What C++ calls the types that a mask may not have.
_C_NAMES = {
    "int64": "long int", "int32": "int", "int16": "short int", "int8": "signed char",
    "uint8": "unsigned char", "float32": "float", "float64": "double", "float16": "c10::Half",
    "bfloat16": "c10::BFloat16", "complex64": "c10::complex<float>",
    "complex128": "c10::complex<double>",
}  # fmt: skip


def check_bool_mask(name, mask):
    """Masks are bool tensors."""
    if mask.dtype != bool:
        kind = _C_NAMES.get(str(mask.dtype), str(mask.dtype))
        raise RuntimeError(f"{name}_ only supports boolean masks, but got mask with dtype {kind}")


@public("torch", "Tensor", out="same")
def masked_select(input, mask):
    """masked_select(input, mask, *, out=None) -> Tensor

    The elements where ``mask`` holds, in one dimension.

    >>> torch.masked_select(torch.arange(3), torch.tensor([True, False, True]))
    tensor([0, 2])
    """
    if mask.dtype is not dtypes.bool_:
        raise RuntimeError("masked_select: expected BoolTensor for mask")
    if input.ndim and input._data.shape == mask._data.shape:
        return input[mask]
    shape = common_shape(input.shape, mask.shape)
    return input.expand(shape)[mask.expand(shape)]


@public("torch", "Tensor", out=False, inplace=True)
def masked_scatter(input, mask, source):
    """masked_scatter(input, mask, source) -> Tensor

    A copy with elements of ``source``, in order, where ``mask`` holds.

    >>> mask = torch.tensor([True, False, True])
    >>> torch.masked_scatter(torch.zeros(3), mask, torch.tensor([1.0, 2.0]))
    tensor([1., 0., 2.])
    """
    if mask.dtype is not dtypes.bool_:
        kind = dtypes.scalar_name(mask.dtype)
        raise RuntimeError(
            f"masked_scatter_ only supports boolean masks, but got mask with dtype {kind}"
        )
    if source.dtype is not input.dtype:
        raise RuntimeError("masked_scatter: expected self and source to have same dtypes")
    shape = common_shape(input.shape, mask.shape)
    full = mask.expand(shape)
    if not seen(full, input, source):  # the same without looking at values
        place = (full.reshape(-1).cumsum(0) - 1).clamp(min=0)
        return source.reshape(-1)[place].reshape(shape).where(full, input)
    count = int(full.sum())
    if source.numel() < count:
        raise RuntimeError("Number of elements of source < number of ones in mask")
    return input.expand(shape).index_put((full,), source.reshape(-1)[:count])


class Nonzero(Op):
    """nonzero(input, *, out=None) -> Tensor: the indices of elements that are not zero, as rows."""

    public = ()
    promote = "keep"
    differentiable = False  # indices
    by_value = True

    def forward(xp, x):
        if x.ndim == 0:
            return xp.zeros((int(bool(x)), 0), np.int64)
        return xp.stack(xp.nonzero(x), 1).astype(np.int64)


@public("torch", "Tensor")
def nonzero(input, *, as_tuple=False):
    """nonzero(input, *, out=None, as_tuple=False) -> Tensor or tuple of Tensors

    The indices of elements that are not zero: as rows, or as one vector per dimension.

    >>> torch.nonzero(torch.tensor([0, 3, 5]))
    tensor([[1],
            [2]])
    """
    if as_tuple and input.ndim == 0:
        return (Nonzero.call(input.reshape(1)).reshape(-1),)
    rows = Nonzero.call(input)
    return rows.unbind(1) if as_tuple else rows


@public("torch", "Tensor")
def argwhere(input):
    """argwhere(input) -> Tensor

    The indices of elements that are not zero, as rows.

    >>> torch.argwhere(torch.tensor([[1, 0], [0, 1]]))
    tensor([[0, 0],
            [1, 1]])
    """
    return Nonzero.call(input)


@public("torch", "Tensor")
def nonzero_static(input, *, size, fill_value=-1):
    """nonzero_static(input, *, size, fill_value=-1) -> Tensor

    ``nonzero`` cut or padded to ``size`` rows.

    >>> torch.nonzero_static(torch.tensor([0, 5]), size=2)
    tensor([[ 1],
            [-1]])
    """
    if size < 0:
        raise RuntimeError(f"nonzero_static: 'size' must be an non-negative integer, got {size}")
    if input.is_meta:
        return input.new_empty(size, input.ndim, dtype=dtypes.int64)
    rows = Nonzero.call(input)[:size]
    padding = rows.new_full((size - len(rows), rows.shape[1]), fill_value)
    return Cat.call([rows, padding], 0)


@public("torch", out=False)
def unravel_index(indices, shape):
    """unravel_index(indices, shape) -> tuple of Tensors

    Flat indices as coordinates of a tensor of this shape.

    >>> torch.unravel_index(torch.tensor([1, 5]), (2, 3))
    (tensor([0, 1]), tensor([1, 2]))
    """
    if indices.dtype.category != dtypes.INTEGER:
        raise TypeError(f"expected 'indices' to be integer dtype, but got {indices.dtype}")
    sizes = [int(s) for s in (shape if isinstance(shape, (tuple, list, Tensor)) else (shape,))]
    if any(s < 0 for s in sizes):
        raise ValueError(f"'shape' cannot have negative values, but got {tuple(sizes)}")
    result = []
    for s in reversed(sizes):
        result.append(indices % s)
        indices = indices // s
    return tuple(reversed(result))
