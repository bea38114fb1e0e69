"""Powers, exponentials, logarithms, roots."""

import cmath
import math

from rushlight._core import dtypes
from rushlight._core.inplace import derive
from rushlight._core.op import Binary, Op, Unary, conj, public, ufunc
from rushlight._core.tensor import Tensor
from rushlight._ops.domain import also, is_number, serves, zeros
from rushlight._ops.slopes import RsqrtBackward, SqrtBackward

LOG_2 = math.log(2)
LOG_10 = math.log(10)

# ---- powers --------------------------------------------------------------------------------------


def _pow_name(node):
    base, exponent = node.saved[0], node.saved[1]
    if node.edges[1] is None and exponent is not None and len(exponent) == 1:
        return "PowBackward0"
    return (
        "PowBackward2"
        if node.edges[0] is None and base is not None and len(base) == 1
        else "PowBackward1"
    )


class Pow(Binary):
    """pow(input, exponent, *, out=None) -> Tensor

    ``input`` to the power ``exponent``, element by element. An integer tensor with a negative
    integer as exponent raises RuntimeError.

    >>> torch.pow(torch.tensor([1.0, 2.0, 3.0]), 2)
    tensor([1., 4., 9.])
    """

    operator = "pow"
    public = ()
    grad_name = _pow_name
    domain = serves("ihfc", "pow")

    def check(input, exponent):
        check_exponent(input, exponent)

    def forward(xp, x, y):
        if not hasattr(y, "dtype"):
            return power_of_number(xp, x, y)
        if not hasattr(x, "dtype"):
            return xp.power(x, y)
        if y.ndim == 0 and x.dtype != xp.int64:  # an int64 array meets a number as such
            return power_of_number(xp, x, y.item())
        if y.dtype.kind == "i":
            return power_of_integers(xp, x, y)
        return xp.power(x, y)

    def halves(dtype, xp, x, y):
        n = y.item() if getattr(y, "ndim", 1) == 0 and getattr(x, "ndim", 0) else y
        if dtype == dtypes.bfloat16.numpy and type(n) in (int, float) and n in (3, -2):
            square = (x * x).astype(dtype).astype(x.dtype)  # rounded, for bfloat16 alone
            return square * x if n == 3 else 1 / square
        return Pow.run(xp, x, y)

    def vjp_input(g, input, other):
        if is_number(other):
            if other == 0:
                return zeros(g)
            if not (input.dtype.is_complex or isinstance(other, complex)):
                return PowBackward.call(g, input, other)
            return g * conj(other * input ** (other - 1))
        return (g * conj(other * input ** (other - 1))).masked_fill(other == 0, 0)

    def vjp_other(g, input, other):
        result = input**other
        if is_number(input):
            slope = g * conj(result * _log(input, other.dtype.is_complex))
            return slope if input != 0 else slope.masked_fill(_not_negative(other), 0)
        slope = g * conj(result * input.log())
        return slope.masked_fill((input == 0) & _not_negative(other), 0)


def _log(number, complex_):
    """The logarithm of a base that was a number."""
    if isinstance(number, complex) or (complex_ and number < 0):
        return cmath.log(number) if number else -math.inf
    if number > 0:
        return math.log(number)
    return -math.inf if number == 0 else math.nan


def _not_negative(exponent):
    real = exponent.real if exponent.dtype.is_complex else exponent
    return real >= 0


def power_of_number(xp, x, n):
    """Powers to one number: by a product or a root where that is what they are."""
    if n == 2:
        return x * x
    kind = x.dtype.kind
    if kind in "iu":
        if n < 0:
            raise RuntimeError("Integers to negative integer powers are not allowed.")
        return xp.power(x, x.dtype.type(n))
    if n == 3:
        return x * x * x
    if n == 0.5:
        return xp.sqrt(x)
    if n == -1:
        return 1 / x
    if n == -0.5:
        return 1 / xp.sqrt(x)
    if n == -2:
        return 1 / (x * x)
    return xp.power(x, n)


class PowBackward(Op):
    """The gradient of a power to one number that is not 0, for real tensors."""

    grad_name = "MulBackward0"
    tensors = ("grad", "input")
    public = ()
    vmap = "pointwise"

    def forward(xp, g, x, exponent):
        return g * (exponent * power_of_number(xp, x, exponent - 1))

    def vjp_grad(g, input, exponent):
        return PowBackward.call(g, input, exponent)

    def vjp_input(g, grad, input, exponent):
        if exponent == 1:
            return zeros(g)
        return PowBackward.call(g * grad * exponent, input, exponent - 1)


def power_of_integers(xp, x, y):
    """Integer powers; a negative one is 0 unless the base is 1 or -1."""
    negative = y < 0
    if not negative.any():
        return xp.power(x, y)
    result = xp.power(x, xp.where(negative, 0, y))
    odd = 1 - 2 * (y & 1)
    return xp.where(negative, xp.where(x == 1, 1, xp.where(x == -1, odd, 0)), result).astype(
        x.dtype
    )


def pow(input, exponent, *, out=None):
    """pow(input, exponent, *, out=None) -> Tensor

    ``input`` to the power ``exponent``, element by element; one of them may be a number. An integer
    tensor with a negative integer as exponent raises RuntimeError.

    >>> torch.pow(torch.tensor([1.0, 2.0, 3.0]), 2)
    tensor([1., 4., 9.])
    """
    check_exponent(input, exponent)
    return Pow.call(input, exponent, out=out)


_pow_ = derive(Pow)


def pow_(input, exponent):
    """pow_(exponent) -> Tensor

    In-place form of :func:`torch.pow`.
    """
    check_exponent(input, exponent)
    return _pow_(input, exponent)


def check_exponent(input, exponent):
    """A tensor of integers or bools has no power that is a negative int."""
    whole = isinstance(input, Tensor) and input.dtype.category <= dtypes.INTEGER
    if whole and type(exponent) is int and exponent < 0:
        raise RuntimeError("Integers to negative integer powers are not allowed.")


also("torch", pow=pow)
also("Tensor", pow=pow, pow_=pow_, __ipow__=_pow_)


@public("torch", "Tensor")
def square(input):
    """square(input, *, out=None) -> Tensor

    ``input`` times itself.

    >>> torch.square(torch.tensor([1.0, -3.0]))
    tensor([1., 9.])
    """
    return Pow.call(input, 2)


@public("Tensor", out=False)
def square_(input):
    """square_() -> Tensor

    In-place form of :func:`torch.square`.
    """
    return _pow_(input, 2)


def is_complex(value):
    """Is this tensor, or number, complex?"""
    return value.dtype.is_complex if isinstance(value, Tensor) else isinstance(value, complex)


@public("torch", "Tensor")
def float_power(input, exponent):
    """float_power(input, exponent, *, out=None) -> Tensor

    ``input`` to the power ``exponent``, computed in float64, or complex128 if either is complex.

    >>> torch.float_power(torch.tensor([2, 3]), -1)
    tensor([0.5000, 0.3333], dtype=torch.float64)
    """
    complex_ = is_complex(input) or is_complex(exponent)
    wide = dtypes.complex128 if complex_ else dtypes.float64
    if not isinstance(input, Tensor) and not isinstance(exponent, Tensor):
        raise TypeError(
            "float_power() received an invalid combination of arguments - got "
            f"({type(input).__name__}, {type(exponent).__name__}), but expected one of:\n * "
            f"(Tensor input, Tensor "
            "exponent, *, Tensor out = None)\n * (Number self, Tensor exponent, *, Tensor out = "
            "None)\n * (Tensor "
            "input, Number exponent, *, Tensor out = None)\n"
        )
    input, exponent = (t.to(wide) if isinstance(t, Tensor) else t for t in (input, exponent))
    return Pow.call(input, exponent)


@public("Tensor", out=False)
def float_power_(input, exponent):
    """float_power_(exponent) -> Tensor

    In-place form of :func:`torch.float_power`; RuntimeError unless ``input`` has the dtype of the
    result.
    """
    complex_ = is_complex(input) or is_complex(exponent)
    wide = dtypes.complex128 if complex_ else dtypes.float64
    if input.dtype is not wide:
        names = ("Double", "ComplexDouble")
        raise RuntimeError(
            f"the base given to float_power_ has dtype {dtypes.scalar_name(input.dtype)} but the "
            f"operation's result requires dtype {names[complex_]}"
        )
    return _pow_(input, exponent.to(wide) if isinstance(exponent, Tensor) else exponent)


# ---- exponentials --------------------------------------------------------------------------------


class Exp(Unary):
    """exp(input, *, out=None) -> Tensor

    e to the power of each element.

    >>> torch.exp(torch.tensor([0.0, 1.0]))
    tensor([1.0000, 2.7183])
    """

    forward = ufunc("exp")
    promote = "float"

    def vjp(g, result):
        return g * conj(result)


class Exp2(Unary):
    """exp2(input, *, out=None) -> Tensor

    2 to the power of each element.

    >>> torch.exp2(torch.tensor([0.0, 3.0]))
    tensor([1., 8.])
    """

    promote = "float"

    def forward(xp, x):
        return xp.exp(x * LOG_2) if x.dtype.kind == "c" else xp.exp2(x)

    def vjp(g, result):
        return g * conj(result) * LOG_2


class Expm1(Unary):
    """expm1(input, *, out=None) -> Tensor

    ``exp(x) - 1``, accurate near 0.

    >>> torch.expm1(torch.tensor([0.0, 1.0]))
    tensor([0.0000, 1.7183])
    """

    forward = ufunc("expm1")
    promote = "float"

    def vjp(g, result):
        return g * conj(result + 1)


class Sigmoid(Unary):
    """sigmoid(input, *, out=None) -> Tensor

    ``1 / (1 + exp(-x))``.

    >>> torch.sigmoid(torch.tensor([0.0, 100.0]))
    tensor([0.5000, 1.0000])
    """

    promote = "float"

    def forward(xp, x):
        if x.ndim == 0:
            return 1 / (1 + xp.exp(-x))
        r = xp.negative(x)
        xp.exp(r, out=r)
        r += 1
        return xp.reciprocal(r, out=r)

    def vjp(g, result):
        return SigmoidBackward.call(g, conj(result))


class SigmoidBackward(Binary):
    """g (1 - y) y, with y the sigmoid."""

    tensors = ("grad", "result")
    public = ()

    def forward(xp, g, y):
        return g * (1 - y) * y

    def vjp_grad(g, result):
        return SigmoidBackward.call(g, conj(result))

    def vjp_result(g, grad, result):
        return g * conj(grad * (1 - 2 * result))


class Logaddexp(Binary):
    """logaddexp(input, other, *, out=None) -> Tensor

    ``log(exp(input) + exp(other))``, without overflow.

    >>> torch.logaddexp(torch.tensor([-1.0]), torch.tensor([-100.0]))
    tensor([-1.])
    """

    numbers = False
    inplace = False
    domain = serves("hfc", "logaddexp_cpu")

    def forward(xp, x, y):
        if x.dtype.kind != "c":  # four times as fast as numpy.logaddexp
            sum_ = xp.maximum(x, y) + xp.log1p(xp.exp(-xp.abs(x - y)))
            return xp.where(x == y, x + x.dtype.type(LOG_2), sum_)  # also of equal infinities
        larger = xp.where(x.real >= y.real, x, y)
        return larger + xp.log1p(xp.exp(xp.where(x.real >= y.real, y, x) - larger))

    def vjp_input(g, input, other):
        return g / conj(1 + (other - input).exp())

    def vjp_other(g, input, other):
        return g / conj(1 + (input - other).exp())


class Logaddexp2(Binary):
    """logaddexp2(input, other, *, out=None) -> Tensor

    ``log2(2**input + 2**other)``, without overflow.

    >>> torch.logaddexp2(torch.tensor([1.0]), torch.tensor([1.0]))
    tensor([2.])
    """

    forward = ufunc("logaddexp2")
    half = "float32"
    numbers = False
    inplace = False
    domain = serves("hf", "logaddexp2_cpu")

    def vjp_input(g, input, other):
        return g / (1 + (other - input).exp2())

    def vjp_other(g, input, other):
        return g / (1 + (input - other).exp2())


class Ldexp(Binary):
    """ldexp(input, other, *, out=None) -> Tensor

    ``input * 2**other``; integers give the default floating-point dtype.

    >>> torch.ldexp(torch.tensor([1.0, 3.0]), torch.tensor([2, -1]))
    tensor([4.0000, 1.5000])
    """

    promote = "float"
    numbers = False

    def forward(xp, x, y):
        return x * (xp.exp(y * LOG_2) if y.dtype.kind == "c" else xp.exp2(y))

    def vjp_input(g, other):
        return g * conj(2.0**other)

    def vjp_other(g, result):
        return g * conj(result) * LOG_2


class Frexp(Op):
    """frexp(input, *, out=None) -> (Tensor mantissa, Tensor exponent)

    ``input = mantissa * 2**exponent`` with a mantissa in (-1, -0.5] or [0.5, 1); the exponent is
    int32. RuntimeError unless ``input`` is a floating-point tensor.

    >>> torch.frexp(torch.tensor([3.0])).mantissa
    tensor([0.7500])
    """

    outputs = ("mantissa", "exponent")

    def domain(common, given):
        if not common.is_floating_point:
            raise RuntimeError("torch.frexp() only supports floating-point dtypes")

    def forward(xp, x):
        mantissa, exponent = xp.frexp(x)
        return mantissa, exponent.astype(xp.int32)

    def vjp(g, exponent):
        return g / exponent.exp2()


# ---- logarithms ----------------------------------------------------------------------------------


class Log(Unary):
    """log(input, *, out=None) -> Tensor

    The natural logarithm.

    >>> torch.log(torch.tensor([1.0, 10.0]))
    tensor([0.0000, 2.3026])
    """

    forward = ufunc("log")
    promote = "float"

    def vjp(g, input):
        return g / conj(input)


class Log2(Unary):
    """log2(input, *, out=None) -> Tensor

    The logarithm to base 2.

    >>> torch.log2(torch.tensor([1.0, 8.0]))
    tensor([0., 3.])
    """

    forward = ufunc("log2")
    promote = "float"

    def vjp(g, input):
        return g / conj(input * LOG_2)


class Log10(Unary):
    """log10(input, *, out=None) -> Tensor

    The logarithm to base 10.

    >>> torch.log10(torch.tensor([1.0, 1000.0]))
    tensor([0., 3.])
    """

    promote = "float"

    def forward(xp, x):
        if x.dtype == xp.float32:  # so that powers of ten have whole logarithms
            return xp.log10(x.astype(xp.float64)).astype(xp.float32)
        return xp.log10(x)

    def vjp(g, input):
        return g / conj(input * LOG_10)


class Log1p(Unary):
    """log1p(input, *, out=None) -> Tensor

    ``log(1 + x)``, accurate near 0.

    >>> torch.log1p(torch.tensor([0.0, 1.0]))
    tensor([0.0000, 0.6931])
    """

    forward = ufunc("log1p")
    promote = "float"
    grad_name = "Log1PBackward0"

    def vjp(g, input):
        return g / conj(input + 1)


class Logit(Op):
    """logit(input, eps=None, *, out=None) -> Tensor

    ``log(x / (1 - x))``, of ``x`` clamped to [eps, 1 - eps] if ``eps`` is given; else NaN outside
    [0, 1].

    >>> torch.logit(torch.tensor([0.5, 0.75]))
    tensor([0.0000, 1.0986])
    """

    promote = "float"
    inplace = True
    domain = serves("hf", "logit_cpu")

    def forward(xp, x, eps=None):
        if eps is not None:
            number = x.dtype.type
            x = xp.where(
                x < number(eps), number(eps), xp.where(x > number(1 - eps), number(1 - eps), x)
            )
        return xp.log(x / (1 - x))

    def vjp(g, input, eps):
        slope = g / (input * (1 - input))
        if eps is None or eps < 0:
            return slope.masked_fill((input < 0) | (input > 1), math.nan)
        return slope.masked_fill((input < eps) | (input > 1 - eps), 0)


# ---- roots ---------------------------------------------------------------------------------------


class Sqrt(Unary):
    """sqrt(input, *, out=None) -> Tensor

    The square root; NaN for negative numbers.

    >>> torch.sqrt(torch.tensor([1.0, 4.0]))
    tensor([1., 2.])
    """

    forward = ufunc("sqrt")
    promote = "float"

    def vjp(g, result):
        if result.dtype.is_complex:
            return g / (2 * conj(result))
        return SqrtBackward.call(g, result)


class Rsqrt(Unary):
    """rsqrt(input, *, out=None) -> Tensor

    ``1 / sqrt(input)``.

    >>> torch.rsqrt(torch.tensor([1.0, 4.0]))
    tensor([1.0000, 0.5000])
    """

    promote = "float"

    def forward(xp, x):
        root = xp.sqrt(x)
        return xp.divide(1, root, out=root if x.ndim else None)

    def vjp(g, result):
        if result.dtype.is_complex:
            return -0.5 * g * conj(result**3)
        return RsqrtBackward.call(g, result)


also("torch", square_=square_)
also("special", exp2=Exp2, expm1=Expm1, log1p=Log1p, expit=Sigmoid, logit=Logit)
