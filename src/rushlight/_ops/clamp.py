"""Elements moved into a range, and NaN and infinities replaced."""

import numpy as np

from rushlight._core import dtypes, errors, inplace
from rushlight._core.op import Binary, Op, public, ufunc
from rushlight._core.tensor import Tensor
from rushlight._ops.domain import serves
from rushlight._ops.slopes import ClampBackward

F4 = dtypes.float32.numpy
REAL = (float, int, bool)


def kept(g, mask):
    """The gradient where the mask holds, else 0; nowhere next to NaN, with which all comparisons
    fail.
    """
    return g.masked_fill(mask.logical_not(), 0)


class ClampNumbers(Op):
    """Elements moved into [min, max], numbers or None; the gradient passes inside and on the
    bounds.
    """

    public = ()
    half = "native"
    grad_name = "ClampBackward1"

    def forward(xp, x, min=None, max=None):
        number = x.dtype.type
        if min is None:
            return xp.minimum(x, number(max))
        result = xp.maximum(x, number(min))
        if max is None:
            return result
        return xp.minimum(result, number(max), out=result if result.ndim else None)

    def vjp(g, input, min, max):
        return ClampBackward.call(g, input, min, max)


class ClampTensors(Op):
    """Elements moved into [min, max], tensors or None."""

    tensors = ("input", "min", "max")
    optional = ("min", "max")
    public = ()
    half = "native"
    grad_name = "ClampBackward0"
    domain = serves(
        "ihf", "clamp_cpu", c=NotImplementedError("clamp is not supported for complex types")
    )

    def forward(xp, x, low, high):
        if low is not None:
            x = xp.maximum(x, low)
        return x if high is None else xp.minimum(x, high)

    def vjp(g, input, min, max, need):
        if max is None:
            return kept(g, input >= min), kept(g, input < min), None
        if min is None:
            return kept(g, input <= max), None, kept(g, input > max)
        inside = (input >= min) & (input <= max)
        at_low = (input < min) & (min < max)
        at_high = (input > max) | (max < min)
        return kept(g, inside), kept(g, at_low), kept(g, at_high)


@public("torch", "Tensor", inplace=True, aliases=("clip",))
def clamp(input, min=None, max=None):
    """clamp(input, min=None, max=None, *, out=None) -> Tensor

    Move the elements into the range from ``min`` to ``max``: numbers, tensors, or None for no
    bound. Where ``min`` exceeds ``max``, the result is ``max``. RuntimeError if both are None.

    >>> torch.clamp(torch.tensor([-1.0, 0.5, 2.0]), 0, 1)
    tensor([0.0000, 0.5000, 1.0000])
    """
    low, high = type(min), type(max)
    if (
        (low is float or low is int or min is None)
        and (high is float or high is int or (max is None and min is not None))
        and isinstance(input, Tensor)
        and input.dtype is dtypes.float32
    ):
        return ClampNumbers.call(input, min, max)
    if not isinstance(input, Tensor):
        raise errors.not_a_tensor("clamp", "input", 1, input)
    if min is None and max is None:
        raise RuntimeError("torch.clamp: At least one of 'min' or 'max' must not be None")
    if isinstance(min, Tensor) or isinstance(max, Tensor):
        if not all(b is None or isinstance(b, Tensor) for b in (min, max)):
            raise TypeError(
                f"clamp() received an invalid combination of arguments - got (Tensor, "
                f"{type(min).__name__}, "
                f"{type(max).__name__}), but expected one of:\n * (Tensor input, Tensor min = "
                f"None, Tensor max = "
                "None, *, Tensor out = None)\n * (Tensor input, Number min = None, Number max = "
                "None, *, Tensor "
                "out = None)\n"
            )
        return ClampTensors.call(input, min, max)
    return clamp_numbers(input, min, max)


_clamp = inplace.derive_composite("clamp", clamp)


@public("Tensor", "torch", out=False, aliases=("clip_",))
def clamp_(self, min=None, max=None):
    """clamp_(min=None, max=None) -> Tensor

    In-place form of :func:`torch.clamp`.

    >>> torch.tensor([-1.0, 0.5]).clamp_(0)
    tensor([0.0000, 0.5000])
    """
    low, high = type(min), type(max)
    if (
        (low is float or low is int or min is None)
        and (high is float or high is int or (max is None and min is not None))
        and inplace.writable(self)
        and self._data.dtype is F4
    ):
        try:
            np.copyto(self._data, ClampNumbers.run(np, self._data, min, max))
        except OverflowError:
            return _clamp(self, min, max)
        inplace.bump(self)
        return self
    return _clamp(self, min, max)


def clamp_numbers(input, min, max):
    """Bounds that are numbers take part in promotion by their kind."""
    dtype = input.dtype
    for bound in (min, max):
        if bound is not None and not (dtype.is_floating_point and type(bound) in REAL):
            dtype = dtypes.result_dtype([dtype], [], [dtypes.scalar_dtype(bound)])
    if dtype.is_complex:
        raise NotImplementedError("clamp is not supported for complex types")
    return ClampNumbers.call(input if dtype is input.dtype else input.to(dtype), min, max)


class ClampMinTensor(Binary):
    """Elements raised to at least ``other``."""

    forward = ufunc("maximum")
    public = ()
    grad_name = "ClampMinBackward1"
    domain = serves("bihf", "maximum_cpu")

    def vjp_input(g, input, other):
        return kept(g, input >= other)

    def vjp_other(g, input, other):
        return kept(g, input < other)


class ClampMaxTensor(Binary):
    """Elements lowered to at most ``other``."""

    forward = ufunc("minimum")
    public = ()
    grad_name = "ClampMaxBackward1"
    domain = serves("bihf", "minimum_cpu")

    def vjp_input(g, input, other):
        return kept(g, input <= other)

    def vjp_other(g, input, other):
        return kept(g, input > other)


class ClampMinNumber(ClampNumbers):
    """Elements raised to at least a number."""

    grad_name = "ClampMinBackward0"


class ClampMaxNumber(ClampNumbers):
    """Elements lowered to at most a number."""

    grad_name = "ClampMaxBackward0"


def _bounded(name, input, bound, tensor_record, **numbers):
    kind = type(bound)
    number = kind is float or kind is int
    if number and isinstance(input, Tensor) and input.dtype is dtypes.float32:
        return (ClampMinNumber if "min" in numbers else ClampMaxNumber).call(input, **numbers)
    if not isinstance(input, Tensor):
        raise errors.invalid_combination(name, ("input", name[-3:]), (name[-3:],), (input, bound))
    if isinstance(bound, Tensor):
        return tensor_record.call(input, bound)
    if bound is None:
        raise errors.invalid_combination(name, ("input", name[-3:]), (name[-3:],), (input, bound))
    dtype = dtypes.result_dtype([input.dtype], [], [dtypes.scalar_dtype(bound)])
    if dtype.is_complex:
        raise NotImplementedError("clamp is not supported for complex types")
    input = input if dtype is input.dtype else input.to(dtype)
    return (ClampMinNumber if "min" in numbers else ClampMaxNumber).call(input, **numbers)


@public("torch", "Tensor", inplace=True)
def clamp_min(input, min):
    """clamp_min(input, min, *, out=None) -> Tensor

    Raise the elements to at least ``min``, a number or a tensor.

    >>> torch.clamp_min(torch.tensor([-1.0, 0.5]), 0)
    tensor([0.0000, 0.5000])
    """
    return _bounded("clamp_min", input, min, ClampMinTensor, min=min)


@public("torch", "Tensor", inplace=True)
def clamp_max(input, max):
    """clamp_max(input, max, *, out=None) -> Tensor

    Lower the elements to at most ``max``, a number or a tensor.

    >>> torch.clamp_max(torch.tensor([-1.0, 1.5]), 1)
    tensor([-1.,  1.])
    """
    return _bounded("clamp_max", input, max, ClampMaxTensor, max=max)


class NanToNum(Op):
    """nan_to_num(input, nan=0.0, posinf=None, neginf=None, *, out=None) -> Tensor

    Replace NaN by ``nan`` and infinities by ``posinf`` and ``neginf`` (None: the dtype's largest
    and smallest finite number).

    >>> torch.nan_to_num(torch.tensor([float("nan"), 1.0]), nan=7)
    tensor([7., 1.])
    """

    inplace = True
    half = "native"

    def forward(xp, x, nan=None, posinf=None, neginf=None):
        if x.dtype.kind in "biu":
            return x.copy()
        if x.dtype.kind == "c":
            result = xp.empty_like(x)
            result.real = NanToNum.forward(xp, x.real, nan, posinf, neginf)
            result.imag = NanToNum.forward(xp, x.imag, nan, posinf, neginf)
            return result
        finite = xp.isfinite(x)
        if finite.all():
            return x.copy()
        limits = dtypes.finfo(dtypes.of_array(x))
        number = x.dtype.type
        result = xp.where(xp.isnan(x), number(0.0 if nan is None else nan), x)
        result = xp.where(x == xp.inf, number(limits.max if posinf is None else posinf), result)
        return xp.where(x == -xp.inf, number(limits.min if neginf is None else neginf), result)

    def vjp(g, input):
        return g * input.isfinite()
