"""The error function and its relatives: erf erfc erfcx erfinv ndtr ndtri log_ndtr."""

import math

from rushlight._core.op import Unary
from rushlight._ops import special_tables as tables
from rushlight._ops.domain import serves
from rushlight._ops.special_series import EVERYWHERE, SPECIAL, chebyshev, in_double, piecewise

SQRT_HALF = math.sqrt(0.5)
SQRT_2 = math.sqrt(2)
ROOT_PI = math.sqrt(math.pi)

# ---- kernels -------------------------------------------------------------------------------------


def erf_kernel(xp, x):
    """The odd series for |x| <= 1, 1 - erfc(|x|) beyond (DLMF 7.2.2)."""
    size = xp.abs(x)

    def beyond(x):
        return xp.copysign(1 - _tail(xp, xp.minimum(xp.abs(x), 6.5)), x)

    return piecewise(xp, x, (size <= 1, lambda x: _erf_near_zero(xp, x)), (size > 1, beyond))


def _erf_near_zero(xp, x):
    return x * chebyshev(xp, tables.ERF, 2 * (x * x) - 1)


def _scaled_tail(xp, x):
    """erfcx(x) for x >= 0: M.

    Shepherd, J. Laframboise, Math. Comp. 36 (1981) 249-253 give the variable.
    """
    return chebyshev(xp, tables.ERFCX, (x - 3.75) / (x + 3.75)) / (1 + 2 * x)


def _tail(xp, x):
    """erfc(x) for x >= 0."""
    return xp.exp(-x * x) * _scaled_tail(xp, x)


def erfc_kernel(xp, x):
    return piecewise(
        xp,
        x,
        (xp.abs(x) <= 0.5, lambda x: 1 - _erf_near_zero(xp, x)),
        (x > 0.5, lambda x: _tail(xp, xp.minimum(x, 28.0))),
        (x < -0.5, lambda x: 2 - _tail(xp, xp.minimum(-x, 28.0))),
    )


def erfcx_kernel(xp, x):
    def negative(x):
        return 2 * xp.exp(x * x) - _scaled_tail(xp, xp.minimum(-x, 1e9))

    # beyond 1e9 the first term of DLMF 7.12.1 is exact
    far = lambda x: (1 / math.sqrt(math.pi)) / x  # noqa: E731
    return piecewise(
        xp, x, (x < 0, negative), (x < 1e9, lambda x: _scaled_tail(xp, x)), (x >= 1e9, far)
    )


def _inverse_tail(xp, q):
    """The x > 0 with erfc(x) = q, for 0 < q <= 0.28, in the variable w = sqrt(-log q)."""
    w = xp.sqrt(-xp.log(q))
    return w * piecewise(
        xp,
        w,
        (w <= 3, lambda w: chebyshev(xp, tables.ERFCINV_3, (2 * w - 4.125) / 1.875)),
        (w <= 8, lambda w: chebyshev(xp, tables.ERFCINV_8, (2 * w - 11) / 5)),
        (w <= 28, lambda w: chebyshev(xp, tables.ERFCINV_28, (2 * w - 36) / 20)),
    )


def erfinv_kernel(xp, y):
    size = xp.abs(y)
    return piecewise(
        xp,
        y,
        (size <= 0.75, lambda y: y * chebyshev(xp, tables.ERFINV, y * y * (2 / 0.5625) - 1)),
        (size < 1, lambda y: xp.copysign(_inverse_tail(xp, 1 - xp.abs(y)), y)),
        (size == 1, lambda y: y * xp.inf),
    )


def ndtri_kernel(xp, p):
    """The inverse of the normal distribution function: -sqrt(2) erfcinv(2 p)."""

    def center(p):
        y = 2 * p - 1
        return SQRT_2 * y * chebyshev(xp, tables.ERFINV, y * y * (2 / 0.5625) - 1)

    return piecewise(
        xp,
        p,
        ((p >= 0.125) & (p <= 0.875), center),
        ((p > 0) & (p < 0.5), lambda p: -SQRT_2 * _inverse_tail(xp, 2 * p)),
        ((p > 0.5) & (p < 1), lambda p: SQRT_2 * _inverse_tail(xp, 2 * (1 - p))),
        (p == 0, lambda p: xp.full_like(p, -xp.inf)),
        (p == 1, lambda p: xp.full_like(p, xp.inf)),
    )


def ndtr_kernel(xp, x):
    return 0.5 * erfc_kernel(xp, -SQRT_HALF * x)


def log_ndtr_kernel(xp, x):
    """log of the normal distribution function; in the left tail through erfcx, which does not
    underflow.
    """

    def left(x):
        t = -SQRT_HALF * x
        return xp.log(0.5 * erfcx_kernel(xp, t)) - t * t

    return piecewise(
        xp, x, (x < -1, left), (x >= -1, lambda x: xp.log1p(-0.5 * erfc_kernel(xp, SQRT_HALF * x)))
    )


# ---- records -------------------------------------------------------------------------------------


class Erf(Unary):
    """erf(input, *, out=None) -> Tensor

    The error function, 2/sqrt(pi) times the integral of exp(-t**2) from 0 to x.

    >>> torch.erf(torch.tensor([0.0, 1.0]))
    tensor([0.0000, 0.8427])
    """

    promote = "float"
    public = EVERYWHERE
    domain = serves("hf", "erf_vml_cpu")
    forward = in_double(erf_kernel)

    def vjp(g, input):
        return g * (2 / ROOT_PI) * (-(input * input)).exp()


class Erfc(Unary):
    """erfc(input, *, out=None) -> Tensor

    ``1 - erf(x)``, accurate where that is small.

    >>> torch.erfc(torch.tensor([0.0, 1.0]))
    tensor([1.0000, 0.1573])
    """

    promote = "float"
    public = EVERYWHERE
    domain = serves("hf", "erfc_vml_cpu")
    forward = in_double(erfc_kernel)

    def vjp(g, input):
        return g * (-2 / ROOT_PI) * (-(input * input)).exp()


class Erfcx(Unary):
    """erfcx(input, *, out=None) -> Tensor

    ``exp(x**2) erfc(x)``.

    >>> torch.special.erfcx(torch.tensor([0.0, 10.0]))
    tensor([1.0000, 0.0561])
    """

    promote = "float"
    public = SPECIAL
    inplace = False
    grad_name = "SpecialErfcxBackward0"
    domain = serves("f", "erfcx_cpu")
    forward = in_double(erfcx_kernel)

    def vjp(g, input, result):
        return g * (2 * input * result - 2 / ROOT_PI)


class Erfinv(Unary):
    """erfinv(input, *, out=None) -> Tensor

    The inverse of the error function on [-1, 1]; NaN outside.

    >>> torch.erfinv(torch.tensor([0.0, 0.5]))
    tensor([0.0000, 0.4769])
    """

    promote = "float"
    public = EVERYWHERE
    domain = serves("hf", "erfinv_vml_cpu")
    forward = in_double(erfinv_kernel)

    def vjp(g, result):
        return g * (ROOT_PI / 2) * (result * result).exp()


class Ndtr(Unary):
    """ndtr(input, *, out=None) -> Tensor

    The distribution function of the standard normal.

    >>> torch.special.ndtr(torch.tensor([-1.0, 0.0]))
    tensor([0.1587, 0.5000])
    """

    promote = "float"
    public = SPECIAL
    inplace = False
    grad_name = "MulBackward1"
    domain = serves("hf", "erf_vml_cpu")
    forward = in_double(ndtr_kernel)

    def vjp(g, input):
        return g * (input * input * -0.5).exp() / math.sqrt(2 * math.pi)


class Ndtri(Unary):
    """ndtri(input, *, out=None) -> Tensor

    The inverse of the standard normal's distribution function; NaN outside [0, 1].

    >>> torch.special.ndtri(torch.tensor([0.5, 0.975]))
    tensor([0.0000, 1.9600])
    """

    promote = "float"
    public = SPECIAL
    inplace = False
    grad_name = "SpecialNdtriBackward0"
    domain = serves("f", "ndtri_cpu")
    forward = in_double(ndtri_kernel)

    def vjp(g, result):
        return g * math.sqrt(2 * math.pi) * (result * result / 2).exp()


class LogNdtr(Unary):
    """log_ndtr(input, *, out=None) -> Tensor

    The logarithm of the standard normal's distribution function, far into its left tail.

    >>> torch.special.log_ndtr(torch.tensor([-10.0, 0.0]))
    tensor([-53.2313,  -0.6931])
    """

    promote = "float"
    public = SPECIAL
    inplace = False
    grad_name = "SpecialLogNdtrBackward0"
    domain = serves("f", "log_ndtr_cpu")
    forward = in_double(log_ndtr_kernel)

    def vjp(g, input):
        return g / Erfcx.call(input * -math.sqrt(0.5)) * math.sqrt(2 / math.pi)
