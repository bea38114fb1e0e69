"""Arithmetic: sums, products, quotients, extrema, absolute values, and what combines them."""

from rushlight._core import dtypes, errors
from rushlight._core.inplace import derive
from rushlight._core.op import Binary, Op, Unary, conj, public, ufunc
from rushlight._core.tensor import Tensor
from rushlight._ops.domain import also, is_number, no_derivative, numbered, serves

# ---- sums and differences ------------------------------------------------------------------------


class Add(Binary):
    """add(input, other, *, alpha=1, out=None) -> Tensor

    ``input + alpha * other``, element by element.

    >>> torch.add(torch.tensor([1.0, 2.0]), 10)
    tensor([11., 12.])
    """

    forward = ufunc("add")
    operator = "add"
    linear = True

    def vjp_input(g):
        return g

    def vjp_other(g):
        return g


class AddScaled(Op):
    """``input + alpha * other``."""

    tensors = ("input", "other")
    public = ()
    grad_name = "AddBackward0"

    def forward(xp, x, y, alpha):
        check_alpha(x.dtype, alpha)
        return x + scaled(y, alpha)

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


def add(input, other, *, alpha=1, out=None):
    """add(input, other, *, alpha=1, out=None) -> Tensor

    ``input + alpha * other``, element by element. RuntimeError if ``alpha`` is of a higher kind than the result.

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

    forward = ufunc("subtract")
    operator = "sub"
    linear = True

    def domain(common, given):
        bools = sum(d is dtypes.bool_ for d in given)
        if bools == 2:
            raise RuntimeError(
                "Subtraction, the `-` operator, with two bool tensors is not supported. Use the `^` or "
                "`logical_xor()` operator instead."
            )
        if bools:
            raise RuntimeError(
                "Subtraction, the `-` operator, with a bool tensor is not supported. If you are trying to invert "
                "a mask, use the `~` or `logical_not()` operator instead."
            )

    def vjp_input(g):
        return g

    def vjp_other(g):
        return -g


class SubScaled(Op):
    """``input - alpha * other``."""

    tensors = ("input", "other")
    public = ()
    grad_name = "SubBackward0"
    domain = Sub.domain

    def forward(xp, x, y, alpha):
        check_alpha(x.dtype, alpha)
        return x - scaled(y, alpha)

    def vjp_input(g):
        return g

    def vjp_other(g, alpha):
        return -g * conj(alpha)


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
    return _add_scaled_(input, other, alpha)


def sub_(input, other, *, alpha=1):
    """sub_(other, *, alpha=1) -> Tensor

    In-place form of :func:`torch.sub`.
    """
    if type(alpha) is int and alpha == 1:
        return _sub_(input, other)
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

    grad_name = lambda node: f"RsubBackward{int(node.edges[0] is None)}"  # noqa: E731


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
            "Negation, the `-` operator, on a bool tensor is not supported. If you are trying to invert a mask, "
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

    forward = ufunc("multiply")
    operator = "mul"
    aliases = ("multiply",)

    def vjp_input(g, other):
        return g * conj(other)

    def vjp_other(g, input):
        return g * conj(input)


class Div(Binary):
    """div(input, other, *, rounding_mode=None, out=None) -> Tensor

    Divide ``input`` by ``other``, element by element; integers give the default floating-point dtype.

    >>> torch.div(torch.tensor([1.0, 2.0]), 4)
    tensor([0.2500, 0.5000])
    """

    forward = ufunc("true_divide")
    promote = "float"
    operator = "truediv"

    def vjp_input(g, other):
        return g / conj(other)

    def vjp_other(g, input, other):
        return -g * conj((input / other) / other)


class DivRounded(Op):
    """The quotient rounded down ('floor') or towards zero ('trunc'); its gradient is zero."""

    tensors = ("input", "other")
    public = ()
    grad_name = "DivBackward2"

    def domain(common, given):
        if common.is_complex or common is dtypes.bool_:
            return serves("iuhf", "div_floor_cpu")(common, given)

    def forward(xp, x, y, rounding_mode):
        return quotient_down(xp, x, y) if rounding_mode == "floor" else quotient_to_zero(xp, x, y)

    def vjp_input(g):
        return g * 0

    def vjp_other(g):
        return g * 0


def refuse_zero(xp, y):
    """Integers do not divide by zero."""
    if y.dtype.kind in "iu" and not xp.all(y):
        raise RuntimeError("ZeroDivisionError")


def quotient_down(xp, x, y):
    """The quotient rounded down; floats divided by zero give infinity or NaN."""
    if not hasattr(y, "dtype"):
        return xp.floor_divide(x, y) if y else x / x.dtype.type(0)
    refuse_zero(xp, y)
    return xp.floor_divide(x, y)


def quotient_to_zero(xp, x, y):
    if x.dtype.kind == "f":
        return xp.trunc(x / y)
    refuse_zero(xp, y)
    down = xp.floor_divide(x, y)
    return down + ((xp.remainder(x, y) != 0) & ((x < 0) != (y < 0)))


def div(input, other, *, rounding_mode=None, out=None):
    """div(input, other, *, rounding_mode=None, out=None) -> Tensor

    Divide ``input`` by ``other``, element by element. With ``rounding_mode`` None integers give the default
    floating-point dtype; ``'floor'`` rounds down, ``'trunc'`` towards zero, and both keep the common dtype.

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
            f"div expected rounding_mode to be one of None, 'trunc', or 'floor' but found '{rounding_mode}'"
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


def __rdiv__(input, other):
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
also("Tensor", __div__=Div, __idiv__=_div_, __rdiv__=__rdiv__, __rtruediv__=__rdiv__)


class FloorDivide(Binary):
    """floor_divide(input, other, *, out=None) -> Tensor

    The quotient rounded down. An integer divided by zero raises RuntimeError.

    >>> torch.floor_divide(torch.tensor([-7, 7]), 2)
    tensor([-4,  3])
    """

    operator = "floordiv"
    grad_name = "torch::autograd::NotImplemented"
    domain = serves("iuhf", "div_floor_cpu")

    def forward(xp, x, y):
        return quotient_down(xp, x, y)

    vjp_input = vjp_other = no_derivative("floor_divide")


class Remainder(Binary):
    """remainder(input, other, *, out=None) -> Tensor

    ``input - other * floor(input / other)``: it has the sign of ``other``. An integer remainder of a division by
    zero raises RuntimeError.

    >>> torch.remainder(torch.tensor([-3.0, 3.0]), 2)
    tensor([1., 1.])
    """

    operator = "mod"
    grad_name = numbered("Remainder")
    domain = serves("iuhf", "remainder_cpu")

    def forward(xp, x, y):
        if hasattr(y, "dtype"):
            refuse_zero(xp, y)
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

    ``input - other * trunc(input / other)``: it has the sign of ``input``, as C's. An integer remainder of a
    division by zero raises RuntimeError.

    >>> torch.fmod(torch.tensor([-3.0, 3.0]), 2)
    tensor([-1.,  1.])
    """

    grad_name = numbered("Fmod")
    numbers = ("other",)
    domain = serves("iuhf", "fmod_cpu")

    def forward(xp, x, y):
        if hasattr(y, "dtype"):
            refuse_zero(xp, y)
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
        return -g * conj(result * result)


# ---- absolute values and signs -------------------------------------------------------------------


class Abs(Unary):
    """abs(input, *, out=None) -> Tensor

    The absolute value; that of a complex tensor is real.

    >>> torch.abs(torch.tensor([-1.0, 2.0]))
    tensor([1., 2.])
    """

    forward = ufunc("absolute")
    operator = "abs"
    aliases = ("absolute",)
    domain = serves("ihfc", "abs_cpu")

    def vjp(g, input):
        return g * input.sgn()


_abs_ = derive(Abs)


@public("Tensor", out=False, aliases=("absolute_",))
def abs_(input):
    """abs_() -> Tensor

    In-place form of :func:`torch.abs`; complex tensors raise RuntimeError.
    """
    if input.dtype.is_complex:
        raise RuntimeError("In-place abs is not supported for complex tensors.")
    return _abs_(input)


class Sign(Unary):
    """sign(input, *, out=None) -> Tensor

    -1, 0 or 1 by the sign of each element. Complex tensors raise an error: see :func:`torch.sgn`.

    >>> torch.sign(torch.tensor([-2.0, 0.0, 3.0]))
    tensor([-1.,  0.,  1.])
    """

    half = "native"
    domain = serves(
        "bihf",
        "sign_cpu",
        c=NotImplementedError(
            "Unlike NumPy, torch.sign is not intended to support complex numbers. Please use torch.sgn instead."
        ),
    )

    def forward(xp, x):
        if x.dtype.kind == "b":
            return x.copy()
        return (x > 0).astype(x.dtype) - (x < 0).astype(x.dtype)

    def vjp(g):
        return g * 0


class Sgn(Unary):
    """sgn(input, *, out=None) -> Tensor

    The sign of each element; ``z / |z|`` for complex ``z``, 0 for 0.

    >>> torch.sgn(torch.tensor([3 + 4j, 0j]))
    tensor([0.6000+0.8000j, 0.0000+0.0000j])
    """

    half = "native"
    domain = serves("bihfc", "sign_cpu")

    def forward(xp, x):
        if x.dtype.kind != "c":
            return Sign.forward(xp, x)
        size = xp.abs(x)
        return xp.where(size == 0, x.dtype.type(0), x / size)

    def vjp(g, input, result):
        if not input.dtype.is_complex:
            return g * 0
        # only the part of g across the direction of z moves z / |z|
        across = g - (g * result.conj()).real * result
        return (across / input.abs()).masked_fill(input == 0, 0)


class Copysign(Binary):
    """copysign(input, other, *, out=None) -> Tensor

    The size of ``input`` with the sign of ``other``, that of zeros included.

    >>> torch.copysign(torch.tensor([1.0, -2.0]), -1)
    tensor([-1., -2.])
    """

    forward = ufunc("copysign")
    promote = "float"
    half = "float32"
    grad_name = numbered("Copysign", 1)
    numbers = ("other",)
    domain = serves("hf", "copysign_cpu")

    def vjp_input(g, input, result):
        return g * (result / input).masked_fill(input == 0, 0)

    def vjp_other(g):
        return g * 0


# ---- extrema -------------------------------------------------------------------------------------


class Maximum(Binary):
    """maximum(input, other, *, out=None) -> Tensor

    The larger of each pair; NaN if either is. Equal elements share the gradient evenly.

    >>> torch.maximum(torch.tensor([1.0, 5.0]), torch.tensor([3.0, 4.0]))
    tensor([3., 5.])
    """

    forward = ufunc("maximum")
    numbers = False
    inplace = False
    domain = serves(
        "bihf", "maximum_cpu", c=RuntimeError("maximum not implemented for complex tensors.")
    )

    def vjp_input(g, input, other):
        return (g / 2).where(input == other, g).masked_fill(input < other, 0)

    def vjp_other(g, input, other):
        return (g / 2).where(input == other, g).masked_fill(input > other, 0)


class Minimum(Binary):
    """minimum(input, other, *, out=None) -> Tensor

    The smaller of each pair; NaN if either is. Equal elements share the gradient evenly.

    >>> torch.minimum(torch.tensor([1.0, 5.0]), torch.tensor([3.0, 4.0]))
    tensor([1., 4.])
    """

    forward = ufunc("minimum")
    numbers = False
    inplace = False
    domain = serves(
        "bihf", "minimum_cpu", c=RuntimeError("minimum not implemented for complex tensors.")
    )

    def vjp_input(g, input, other):
        return (g / 2).where(input == other, g).masked_fill(input > other, 0)

    def vjp_other(g, input, other):
        return (g / 2).where(input == other, g).masked_fill(input < other, 0)


class Fmax(Binary):
    """fmax(input, other, *, out=None) -> Tensor

    The larger of each pair; where one is NaN, the other.

    >>> torch.fmax(torch.tensor([1.0, float("nan")]), torch.tensor([3.0, 4.0]))
    tensor([3., 4.])
    """

    forward = ufunc("fmax")
    numbers = False
    inplace = False
    domain = serves(
        "bihf", "maximum_cpu", c=RuntimeError("fmax not implemented for complex tensors.")
    )

    def vjp_input(g, input, other):
        return g.masked_fill(((input >= other) | other.isnan()).logical_not(), 0)

    def vjp_other(g, input, other):
        return g.masked_fill((input >= other) | other.isnan(), 0)


class Fmin(Binary):
    """fmin(input, other, *, out=None) -> Tensor

    The smaller of each pair; where one is NaN, the other.

    >>> torch.fmin(torch.tensor([1.0, float("nan")]), torch.tensor([3.0, 4.0]))
    tensor([1., 4.])
    """

    forward = ufunc("fmin")
    numbers = False
    inplace = False
    domain = serves(
        "bihf", "minimum_cpu", c=RuntimeError("fmin not implemented for complex tensors.")
    )

    def vjp_input(g, input, other):
        return g.masked_fill(((input <= other) | other.isnan()).logical_not(), 0)

    def vjp_other(g, input, other):
        return g.masked_fill((input <= other) | other.isnan(), 0)


# ---- integers ------------------------------------------------------------------------------------


class Gcd(Binary):
    """gcd(input, other, *, out=None) -> Tensor

    The greatest common divisor of integers.

    >>> torch.gcd(torch.tensor([4, 6]), torch.tensor([6, 9]))
    tensor([2, 3])
    """

    forward = ufunc("gcd")
    numbers = False
    differentiable = False  # integers have no gradient
    domain = serves("i", "gcd_cpu")


class Lcm(Binary):
    """lcm(input, other, *, out=None) -> Tensor

    The least common multiple of integers.

    >>> torch.lcm(torch.tensor([4, 6]), torch.tensor([6, 9]))
    tensor([12, 18])
    """

    forward = ufunc("lcm")
    numbers = False
    differentiable = False  # integers have no gradient
    domain = serves("i", "lcm_cpu")


# ---- three operands ------------------------------------------------------------------------------


class Addcmul(Op):
    """addcmul(input, tensor1, tensor2, *, value=1, out=None) -> Tensor

    ``input + value * tensor1 * tensor2``.

    >>> torch.addcmul(torch.ones(2), torch.tensor([1.0, 2.0]), torch.tensor([3.0, 4.0]), value=10)
    tensor([31., 81.])
    """

    tensors = ("input", "tensor1", "tensor2")
    inplace = True
    domain = serves("ihfc", "addcmul_cpu_out")

    def forward(xp, x, a, b, *, value=1):
        product = a * b
        return x + (product if type(value) is int and value == 1 else product * x.dtype.type(value))

    def vjp_input(g):
        return g

    def vjp_tensor1(g, tensor2, value):
        return g * conj(tensor2 * value)

    def vjp_tensor2(g, tensor1, value):
        return g * conj(tensor1 * value)


class Addcdiv(Op):
    """addcdiv(input, tensor1, tensor2, *, value=1, out=None) -> Tensor

    ``input + value * tensor1 / tensor2``; RuntimeError if both of those are integers.

    >>> torch.addcdiv(torch.ones(2), torch.tensor([1.0, 2.0]), torch.tensor([4.0, 4.0]), value=4)
    tensor([2., 3.])
    """

    tensors = ("input", "tensor1", "tensor2")
    inplace = True

    def domain(common, given):
        if all(d.category < dtypes.FLOATING for d in given[1:]):
            raise RuntimeError(
                "Integer division with addcdiv is no longer supported, and in a future  release addcdiv will "
                "perform a true division of tensor1 and tensor2. The historic addcdiv behavior can be implemented "
                "as (input + value * torch.trunc(tensor1 / tensor2)).to(input.dtype) for integer inputs and as "
                "(input + value * tensor1 / tensor2) for float inputs. The future addcdiv behavior is just the "
                "latter implementation: (input + value * tensor1 / tensor2), for all dtypes."
            )

    def forward(xp, x, a, b, *, value=1):
        quotient = a / b
        return x + (
            quotient if type(value) is int and value == 1 else quotient * x.dtype.type(value)
        )

    def vjp_input(g):
        return g

    def vjp_tensor1(g, tensor2, value):
        return g * conj(value / tensor2)

    def vjp_tensor2(g, tensor1, tensor2, value):
        return -g * conj(value * tensor1 / (tensor2 * tensor2))


class Lerp(Op):
    """lerp(input, end, weight, *, out=None) -> Tensor

    ``input + weight * (end - input)``; ``weight`` is a number or a tensor.

    >>> torch.lerp(torch.tensor([1.0, 2.0]), torch.tensor([3.0, 6.0]), 0.5)
    tensor([2., 4.])
    """

    tensors = ("input", "end", "weight")
    numbers = ("weight",)
    inplace = True
    grad_name = lambda node: (
        f"LerpBackward{int(node.edges[2] is not None or len(node.saved[2] or ()) != 1)}"
    )  # noqa: E731

    def domain(common, given):
        names = {dtypes.float64: "double", dtypes.float32: "float", dtypes.float16: "c10::Half"}
        if given[1] is not given[0]:
            raise RuntimeError(
                f"expected dtype {names.get(given[0], given[0].name)} for `end` but got dtype "
                f"{names.get(given[1], given[1].name)}"
            )
        serves("hfc", "lerp_kernel_scalar")(common, given)

    def forward(xp, x, y, w):
        gap = y - x
        # from the nearer end, so that weight 1 gives exactly the end
        return xp.where(xp.abs(w) < 0.5, x + w * gap, y - gap * (1 - w))

    def vjp_input(g, weight):
        return g * conj(1 - weight)

    def vjp_end(g, weight):
        return g * conj(weight)

    def vjp_weight(g, input, end):
        return g * conj(end - input)


# ---- clamping ------------------------------------------------------------------------------------


class ClampNumbers(Op):
    """Elements moved into [min, max], numbers or None; the gradient passes inside and on the bounds."""

    public = ()
    half = "native"
    grad_name = "ClampBackward1"

    def forward(xp, x, min=None, max=None):
        number = x.dtype.type
        if min is not None:
            x = xp.maximum(x, number(min))
        return x if max is None else xp.minimum(x, number(max))

    def vjp(g, input, min, max):
        inside = None if min is None else input >= min
        if max is not None:
            below = input <= max
            inside = below if inside is None else inside & below
        return g.masked_fill(inside.logical_not(), 0)


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
            below = input < min
            return g.masked_fill(below, 0), g.masked_fill(below.logical_not(), 0), None
        if min is None:
            above = input > max
            return g.masked_fill(above, 0), None, g.masked_fill(above.logical_not(), 0)
        inside = (input >= min) & (input <= max)
        at_low = (input < min) & (min < max)
        at_high = (input > max) | (max < min)
        return tuple([g.masked_fill(mask.logical_not(), 0) for mask in (inside, at_low, at_high)])


@public("torch", "Tensor", inplace=True, aliases=("clip",))
def clamp(input, min=None, max=None):
    """clamp(input, min=None, max=None, *, out=None) -> Tensor

    Move the elements into the range from ``min`` to ``max``: numbers, tensors, or None for no bound. Where
    ``min`` exceeds ``max``, the result is ``max``. RuntimeError if both are None.

    >>> torch.clamp(torch.tensor([-1.0, 0.5, 2.0]), 0, 1)
    tensor([0.0000, 0.5000, 1.0000])
    """
    if min is None and max is None:
        raise RuntimeError("torch.clamp: At least one of 'min' or 'max' must not be None")
    if isinstance(min, Tensor) or isinstance(max, Tensor):
        if not all(b is None or isinstance(b, Tensor) for b in (min, max)):
            raise TypeError(
                f"clamp() received an invalid combination of arguments - got (Tensor, {type(min).__name__}, "
                f"{type(max).__name__}), but expected one of:\n * (Tensor input, Tensor min = None, Tensor max = "
                "None, *, Tensor out = None)\n * (Tensor input, Number min = None, Number max = None, *, Tensor "
                "out = None)\n"
            )
        return ClampTensors.call(input, min, max)
    return clamp_numbers(input, min, max)


def clamp_numbers(input, min, max):
    """Bounds that are numbers take part in promotion by their kind."""
    dtype = input.dtype
    for bound in (min, max):
        if bound is not None:
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
        return g.masked_fill(input < other, 0)

    def vjp_other(g, input, other):
        return g.masked_fill(input >= other, 0)


class ClampMaxTensor(Binary):
    """Elements lowered to at most ``other``."""

    forward = ufunc("minimum")
    public = ()
    grad_name = "ClampMaxBackward1"
    domain = serves("bihf", "minimum_cpu")

    def vjp_input(g, input, other):
        return g.masked_fill(input > other, 0)

    def vjp_other(g, input, other):
        return g.masked_fill(input <= other, 0)


class ClampMinNumber(ClampNumbers):
    """Elements raised to at least a number."""

    grad_name = "ClampMinBackward0"


class ClampMaxNumber(ClampNumbers):
    """Elements lowered to at most a number."""

    grad_name = "ClampMaxBackward0"


def _bounded(name, input, bound, tensor_record, **numbers):
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

    Replace NaN by ``nan`` and infinities by ``posinf`` and ``neginf`` (None: the dtype's largest and smallest
    finite number).

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
        limits = dtypes.finfo(dtypes.of_array(x))
        number = x.dtype.type
        result = xp.where(xp.isnan(x), number(0.0 if nan is None else nan), x)
        result = xp.where(x == xp.inf, number(limits.max if posinf is None else posinf), result)
        return xp.where(x == -xp.inf, number(limits.min if neginf is None else neginf), result)

    def vjp(g, input):
        return g * input.isfinite()
