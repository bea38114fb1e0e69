"""Arithmetic: sums, differences, products, quotients, remainders."""

import math

from rushlight._core import dtypes, fronts
from rushlight._core.inplace import derive, update_in_place
from rushlight._core.op import Binary, Op, Unary, conj, public, ufunc
from rushlight._core.state import grad_enabled
from rushlight._core.tensor import Tensor
from rushlight._ops.domain import also, is_number, no_derivative, numbered, serves, zeros
from rushlight._ops.slopes import QuotientBackward, ReciprocalBackward

# ---- sums and differences ------------------------------------------------------------------------


class Add(Binary):
    """add(input, other, *, alpha=1, out=None) -> Tensor

    ``input + alpha * other``, element by element.

    >>> torch.add(torch.tensor([1.0, 2.0]), 10)
    tensor([11., 12.])
    """

    of_numbers = True
    forward = ufunc("add")
    operator = "add"
    linear = True

    def vjp_input(g):
        return g

    def vjp_other(g):
        return g


class AddScaled(Op):
    """``input + alpha * other``."""

    of_numbers = True
    tensors = ("input", "other")
    public = ()
    grad_name = "AddBackward0"

    def forward(xp, x, y, alpha):
        check_alpha(x.dtype, alpha)
        return x + scaled(y, alpha)

    def halves(dtype, xp, x, y, alpha):
        check_alpha(x.dtype, alpha)
        return AddScaled.run(xp, x, y, rounded(alpha, dtype))

    def vjp_input(g):
        return g

    def vjp_other(g, alpha):
        return g * conj(alpha)


def check_alpha(dtype, alpha):
    """Refuse a factor that the dtype of the result cannot hold."""
    if type(alpha) is bool and dtype.kind != "b":
        raise RuntimeError("Boolean alpha only supported for Boolean results.")
    if type(alpha) is float and dtype.kind in "biu":
        raise RuntimeError(
            "For integral input tensors, argument alpha must not be a floating point number."
        )
    if type(alpha) is complex and dtype.kind != "c":
        raise RuntimeError(
            "For non-complex input tensors, argument alpha must not be a complex number."
        )


def scaled(y, alpha):
    """``alpha * y`` in the dtype of ``y``."""
    return y & bool(alpha) if y.dtype.kind == "b" else y * y.dtype.type(alpha)


def rounded(alpha, dtype):
    """A factor as half precision holds it: PyTorch's CPU rounds it before it multiplies."""
    d = dtypes.BY_NUMPY[dtype]
    if dtypes.finfo(d).max < abs(alpha) < math.inf:
        raise RuntimeError(
            f"value cannot be converted to type {dtypes.cpp_name(d)} without overflow"
        )
    return float(dtype.type(alpha))


@fronts.like(Add.call)
def add(input, other, *, alpha=1, out=None):
    """add(input, other, *, alpha=1, out=None) -> Tensor

    ``input + alpha * other``, element by element. RuntimeError if ``alpha`` is of a higher kind
    than the result.

    >>> torch.add(torch.tensor([1.0, 2.0]), torch.tensor([1.0, 1.0]), alpha=10)
    tensor([11., 12.])
    """
    if type(alpha) is int and alpha == 1:
        return Add.call(input, other, out=out)
    return AddScaled.call(input, other, alpha, out=out)


class Sub(Binary):
    """sub(input, other, *, alpha=1, out=None) -> Tensor

    ``input - alpha * other``, element by element. Bool tensors raise RuntimeError.

    >>> torch.sub(torch.tensor([1.0, 2.0]), 1)
    tensor([0., 1.])
    """

    of_numbers = True
    forward = ufunc("subtract")
    operator = "sub"
    linear = True

    def domain(common, given):
        bools = sum(d is dtypes.bool_ for d in given)
        if bools == 2:
            raise RuntimeError(
                "Subtraction, the `-` operator, with two bool tensors is not supported. Use the "
                "`^` or "
                "`logical_xor()` operator instead."
            )
        if bools:
            raise RuntimeError(
                "Subtraction, the `-` operator, with a bool tensor is not supported. If you are "
                "trying to invert "
                "a mask, use the `~` or `logical_not()` operator instead."
            )

    def vjp_input(g):
        return g

    def vjp_other(g):
        return -g


class SubScaled(Op):
    """``input - alpha * other``."""

    of_numbers = True
    tensors = ("input", "other")
    public = ()
    grad_name = "SubBackward0"
    domain = Sub.domain

    def forward(xp, x, y, alpha):
        check_alpha(x.dtype, alpha)
        return x - scaled(y, alpha)

    def halves(dtype, xp, x, y, alpha):
        check_alpha(x.dtype, alpha)
        return AddScaled.run(xp, x, y, -rounded(alpha, dtype))

    def vjp_input(g):
        return g

    def vjp_other(g, alpha):
        return -g * conj(alpha)


@fronts.like(Sub.call)
def sub(input, other, *, alpha=1, out=None):
    """sub(input, other, *, alpha=1, out=None) -> Tensor

    ``input - alpha * other``, element by element. Bool tensors raise RuntimeError.

    >>> torch.sub(torch.tensor([1.0, 2.0]), torch.tensor([1.0, 1.0]), alpha=10)
    tensor([-9., -8.])
    """
    if type(alpha) is int and alpha == 1:
        return Sub.call(input, other, out=out)
    return SubScaled.call(input, other, alpha, out=out)


_add_, _sub_ = derive(Add), derive(Sub)
_add_scaled_, _sub_scaled_ = derive(AddScaled), derive(SubScaled)


def add_(input, other, *, alpha=1):
    """add_(other, *, alpha=1) -> Tensor

    In-place form of :func:`torch.add`.
    """
    if type(alpha) is int and alpha == 1:
        return _add_(input, other)
    if quickly_scaled(input, other, alpha):
        if update_in_place(AddScaled.native, input, other, as_held(alpha, input)):
            return input
        if input.is_cuda or input.dtype.itemsize == 2:  # in one pass, or rounded once
            return _add_scaled_(input, other, alpha)
        return _add_(input, Mul.call(other, alpha))
    return _add_scaled_(input, other, alpha)


def quickly_scaled(input, other, alpha):
    """Will a product and a sum do, which have short ways, because no history is at stake?"""
    return (
        type(alpha) is float
        and isinstance(other, Tensor)
        and input.dtype is other.dtype
        and other.dtype.is_floating_point
        and not (other.requires_grad and grad_enabled())
    )


def as_held(alpha, input):
    """A factor for this tensor of the CPU."""
    half = input.dtype.itemsize == 2 and not input.is_cuda
    return rounded(alpha, input.dtype.numpy) if half else alpha


def sub_(input, other, *, alpha=1):
    """sub_(other, *, alpha=1) -> Tensor

    In-place form of :func:`torch.sub`.
    """
    if type(alpha) is int and alpha == 1:
        return _sub_(input, other)
    if quickly_scaled(input, other, alpha):
        if update_in_place(AddScaled.native, input, other, -as_held(alpha, input)):
            return input
        if input.is_cuda or input.dtype.itemsize == 2:
            return _sub_scaled_(input, other, alpha)
        return _sub_(input, Mul.call(other, alpha))
    return _sub_scaled_(input, other, alpha)


# Plain functions, not ``@public``: nothing may stand between these and their entries.
also("torch", add=add, sub=sub, subtract=sub)
also(
    "Tensor",
    add=add,
    sub=sub,
    subtract=sub,
    add_=add_,
    sub_=sub_,
    subtract_=sub_,
    __iadd__=_add_,
    __isub__=_sub_,
)


class Rsub(Binary):
    """``other - input``: what ``1 - x`` computes."""

    public = ()
    operator = "rsub"
    inplace = False
    linear = True
    half = "native"
    grad_name = numbered("Rsub", 1)
    numbers = ("other",)
    domain = Sub.domain

    def forward(xp, x, y):
        return xp.subtract(y, x)

    def vjp_input(g):
        return -g

    def vjp_other(g):
        return g


@public("torch")
def rsub(input, other, *, alpha=1):
    """rsub(input, other, *, alpha=1) -> Tensor

    ``other - alpha * input``.

    >>> torch.rsub(torch.tensor([1.0, 2.0]), 10)
    tensor([9., 8.])
    """
    if type(alpha) is int and alpha == 1:
        return Rsub.call(input, other)
    return RsubScaled.call(other, input, alpha)


class RsubScaled(SubScaled):
    """``other - alpha * input``, the arguments in the order of :class:`SubScaled`."""

    def grad_name(node):
        return f"RsubBackward{0 if node.edges[0] else 1}"


class Neg(Unary):
    """neg(input, *, out=None) -> Tensor

    ``-input``. A bool tensor raises RuntimeError.

    >>> torch.neg(torch.tensor([1.0, -2.0]))
    tensor([-1.,  2.])
    """

    forward = ufunc("negative")
    operator = "neg"
    aliases = ("negative",)
    linear = True
    domain = serves(
        "iuhfc",
        "neg_cpu",
        b=RuntimeError(
            "Negation, the `-` operator, on a bool tensor is not supported. If you are trying to "
            "invert a mask, "
            "use the `~` or `logical_not()` operator instead."
        ),
    )

    def vjp(g):
        return -g


@public("torch", "Tensor", out=False)
def positive(input):
    """positive(input) -> Tensor

    ``input`` itself. A bool tensor raises RuntimeError.

    >>> torch.positive(torch.tensor([1.0, -2.0]))
    tensor([ 1., -2.])
    """
    if input.dtype is dtypes.bool_:
        raise RuntimeError("The `+` operator, on a bool tensor is not supported.")
    return input


also("Tensor", __pos__=positive)


# ---- products and quotients ----------------------------------------------------------------------


class Mul(Binary):
    """mul(input, other, *, out=None) -> Tensor

    Multiply ``input`` by ``other``, element by element.

    >>> torch.mul(torch.tensor([1.0, 2.0]), 10)
    tensor([10., 20.])
    """

    of_numbers = True
    forward = ufunc("multiply")
    operator = "mul"
    aliases = ("multiply",)

    def vjp_input(g, other):
        return g * conj(other)

    def vjp_other(g, input):
        return g * conj(input)


class Div(Binary):
    """div(input, other, *, rounding_mode=None, out=None) -> Tensor

    Divide ``input`` by ``other``, element by element; integers give the default floating-point
    dtype.

    >>> torch.div(torch.tensor([1.0, 2.0]), 4)
    tensor([0.2500, 0.5000])
    """

    of_numbers = True
    forward = ufunc("true_divide")
    promote = "float"
    operator = "truediv"

    def vjp_input(g, other):
        return g / conj(other)

    def vjp_other(g, input, other):
        if is_number(input) or is_number(other) or g.dtype.is_complex:
            return -g * conj((input / other) / other)
        return QuotientBackward.call(g, input, other)


class DivRounded(Op):
    """The quotient rounded down ('floor') or towards zero ('trunc'); its gradient is zero."""

    of_numbers = True
    tensors = ("input", "other")
    public = ()
    grad_name = "DivBackward2"

    domain = serves("iuhf", "div_floor_cpu")

    def forward(xp, x, y, rounding_mode):
        return quotient_down(xp, x, y) if rounding_mode == "floor" else quotient_to_zero(xp, x, y)

    def vjp_input(g):
        return zeros(g)

    def vjp_other(g):
        return zeros(g)


def refuse_zero(x, y):
    """Integers do not divide by zero."""
    number = not hasattr(y, "dtype")
    if (x if number else y).dtype.kind in "iu" and not (y if number else y.all()):
        raise RuntimeError("ZeroDivisionError")


def quotient_down(xp, x, y):
    """The quotient rounded down; floats divided by zero give infinity or NaN."""
    refuse_zero(x, y)
    if not hasattr(y, "dtype"):
        if not y:
            return x / x.dtype.type(0)
        y = x.dtype.type(y)
    if y.dtype == xp.float32:
        found = single_quotient(xp, x, y)[0]
        if found is not None:
            return found.astype(xp.float32)
    return xp.floor_divide(x, y)


def single_quotient(xp, x, y):
    """(q, x, y): float32 numbers and their quotient rounded down, in float64, where it is exact.

    q is None where something is not finite or the quotient too large. Ten times as fast as NumPy's.
    """
    x, y = xp.asarray(x, xp.float64), xp.asarray(y, xp.float64)
    q = xp.floor(x / y)
    exact = xp.abs(q).max(initial=0) < 2.0**24 and xp.isfinite(y).all()  # False for NaN
    return (q if exact else None), x, y


def quotient_to_zero(xp, x, y):
    if x.dtype.kind == "f":
        return xp.trunc(x / y)
    refuse_zero(x, y)
    down = xp.floor_divide(x, y)
    return down + ((xp.remainder(x, y) != 0) & ((x < 0) != (y < 0)))


@fronts.like(Div.call)
def div(input, other, *, rounding_mode=None, out=None):
    """div(input, other, *, rounding_mode=None, out=None) -> Tensor

    Divide ``input`` by ``other``, element by element. With ``rounding_mode`` None integers give the
    default floating-point dtype; ``'floor'`` rounds down, ``'trunc'`` towards zero, and both keep
    the common dtype.

    >>> torch.div(torch.tensor([-3.0, 3.0]), 2, rounding_mode="floor")
    tensor([-2.,  1.])
    """
    if rounding_mode is None:
        return Div.call(input, other, out=out)
    check_rounding_mode(rounding_mode)
    return DivRounded.call(input, other, rounding_mode, out=out)


def check_rounding_mode(rounding_mode):
    if rounding_mode not in ("floor", "trunc"):
        raise RuntimeError(
            f"div expected rounding_mode to be one of None, 'trunc', or 'floor' but found "
            f"'{rounding_mode}'"
        )


_div_, _div_rounded_ = derive(Div), derive(DivRounded)


def div_(input, other, *, rounding_mode=None):
    """div_(other, *, rounding_mode=None) -> Tensor

    In-place form of :func:`torch.div`.
    """
    if rounding_mode is None:
        return _div_(input, other)
    check_rounding_mode(rounding_mode)
    return _div_rounded_(input, other, rounding_mode)


def rdiv(input, other):
    """__rdiv__(other) -> Tensor

    ``other / input``, which PyTorch computes as ``other`` times the reciprocal.
    """
    return input.reciprocal() * other


also("torch", div=div, divide=div, true_divide=Div)
also(
    "Tensor",
    div=div,
    divide=div,
    div_=div_,
    divide_=div_,
    true_divide=Div,
    true_divide_=_div_,
    __itruediv__=_div_,
)
also("Tensor", __div__=Div, __idiv__=_div_, __rdiv__=rdiv, __rtruediv__=rdiv)


class FloorDivide(Binary):
    """floor_divide(input, other, *, out=None) -> Tensor

    The quotient rounded down. An integer divided by zero raises RuntimeError.

    >>> torch.floor_divide(torch.tensor([-7, 7]), 2)
    tensor([-4,  3])
    """

    of_numbers = True
    operator = "floordiv"
    grad_name = "torch::autograd::NotImplemented"
    domain = serves("iuhf", "div_floor_cpu")

    def forward(xp, x, y):
        return quotient_down(xp, x, y)

    vjp_input = vjp_other = no_derivative("floor_divide")


class Remainder(Binary):
    """remainder(input, other, *, out=None) -> Tensor

    ``input - other * floor(input / other)``: it has the sign of ``other``. An integer remainder of
    a division by zero raises RuntimeError.

    >>> torch.remainder(torch.tensor([-3.0, 3.0]), 2)
    tensor([1., 1.])
    """

    operator = "mod"
    grad_name = numbered("Remainder")
    domain = serves("iuhf", "remainder_cpu")

    def forward(xp, x, y):
        refuse_zero(x, y)
        if hasattr(x, "dtype") and x.dtype == xp.float32:
            q, a, b = single_quotient(xp, x, x.dtype.type(y) if not hasattr(y, "dtype") else y)
            result = xp.remainder(x, y) if q is None else (a - q * b).astype(xp.float32)
        else:
            result = xp.remainder(x, y)
        if result.dtype.kind != "f":
            return result
        zero = result == 0  # PyTorch's zeros have the sign of x, NumPy's that of y
        return xp.where(zero, xp.copysign(result, x), result) if zero.any() else result

    def vjp_input(g):
        return g

    def vjp_other(g, input, other):
        if is_number(input):
            raise RuntimeError("derivative for aten::remainder is not implemented")
        return -g * input.div(other, rounding_mode="floor")


class Fmod(Binary):
    """fmod(input, other, *, out=None) -> Tensor

    ``input - other * trunc(input / other)``: it has the sign of ``input``, as C's. An integer
    remainder of a division by zero raises RuntimeError.

    >>> torch.fmod(torch.tensor([-3.0, 3.0]), 2)
    tensor([-1.,  1.])
    """

    grad_name = numbered("Fmod")
    numbers = ("other",)
    domain = serves("iuhf", "fmod_cpu")

    def forward(xp, x, y):
        refuse_zero(x, y)
        return xp.fmod(x, y)

    def vjp_input(g):
        return g

    def vjp_other(g, input, other):
        return -g * input.div(other, rounding_mode="trunc")


class Reciprocal(Unary):
    """reciprocal(input, *, out=None) -> Tensor

    ``1 / input``; integers give the default floating-point dtype.

    >>> torch.reciprocal(torch.tensor([2.0, 4.0]))
    tensor([0.5000, 0.2500])
    """

    forward = ufunc("reciprocal")
    promote = "float"

    def vjp(g, result):
        if result.dtype.is_complex:
            return -g * conj(result * result)
        return ReciprocalBackward.call(g, result)
