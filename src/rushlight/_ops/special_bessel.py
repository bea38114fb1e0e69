"""Bessel functions and Airy's Ai.

Where J0, J1, Y0, Y1 and Ai oscillate PyTorch's own values are wrong from the seventh to the twelfth
digit on, and more far out; these are right to the last.
"""

import math

from rushlight._core.op import Unary
from rushlight._ops import special_tables as tables
from rushlight._ops.domain import serves
from rushlight._ops.special_series import (
    EVERYWHERE,
    SPECIAL,
    chebyshev,
    in_double,
    piecewise,
    polynomial,
)

TWO_OVER_PI = 2 / math.pi

# ---- the first kind, modified: even or odd, scaled by exp(-|x|) where the name says so -----------


def i0e_kernel(xp, x):
    size = xp.abs(x)
    return piecewise(
        xp,
        size,
        (size <= 8, lambda x: chebyshev(xp, tables.I0_SMALL, x / 4 - 1)),
        (size < xp.inf, lambda x: chebyshev(xp, tables.I0_LARGE, 16 / x - 1) / xp.sqrt(x)),
        (size == xp.inf, xp.zeros_like),
    )


def i1e_kernel(xp, x):
    size = xp.abs(x)
    value = piecewise(
        xp,
        size,
        (size <= 8, lambda x: x * chebyshev(xp, tables.I1_SMALL, x / 4 - 1)),
        (size < xp.inf, lambda x: chebyshev(xp, tables.I1_LARGE, 16 / x - 1) / xp.sqrt(x)),
        (size == xp.inf, xp.zeros_like),
    )
    return value * xp.sign(x)


def i0_kernel(xp, x):
    return _unscaled(xp, x, i0e_kernel)


def i1_kernel(xp, x):
    return _unscaled(xp, x, i1e_kernel)


def _unscaled(xp, x, scaled):
    """exp(|x|) times a scaled function, in two factors so that only the result overflows; NaN at
    infinity.
    """
    half = xp.exp(xp.abs(x) / 2)
    return scaled(xp, x) * half * half


# ---- the second kind, modified -------------------------------------------------------------------


def k0_kernel(xp, x):
    return _k(xp, x, _k0_small, lambda x: _k0_large(xp, x) * xp.exp(-x))


def k0e_kernel(xp, x):
    return _k(xp, x, lambda xp, x: _k0_small(xp, x) * xp.exp(x), lambda x: _k0_large(xp, x))


def k1_kernel(xp, x):
    return _k(xp, x, _k1_small, lambda x: _k1_large(xp, x) * xp.exp(-x))


def k1e_kernel(xp, x):
    return _k(xp, x, lambda xp, x: _k1_small(xp, x) * xp.exp(x), lambda x: _k1_large(xp, x))


def _k(xp, x, small, large):
    return piecewise(
        xp,
        x,
        ((x > 0) & (x <= 2), lambda x: small(xp, x)),
        (x > 2, large),
        (x == 0, lambda x: xp.full_like(x, xp.inf)),
    )


def _k0_small(xp, x):
    return chebyshev(xp, tables.K0_SMALL, x * x / 2 - 1) - xp.log(x / 2) * i0_kernel(xp, x)


def _k1_small(xp, x):
    return xp.log(x / 2) * i1_kernel(xp, x) + chebyshev(xp, tables.K1_SMALL, x * x / 2 - 1) / x


def _k0_large(xp, x):
    return chebyshev(xp, tables.K0_LARGE, 4 / x - 1) / xp.sqrt(x)


def _k1_large(xp, x):
    return chebyshev(xp, tables.K1_LARGE, 4 / x - 1) / xp.sqrt(x)


# ---- the first and second kind: series in x^2 up to 8, waves beyond (DLMF 10.17.3); NaN at infinit


def j0_kernel(xp, x):
    x = xp.abs(x)
    return piecewise(
        xp,
        x,
        (x <= 8, lambda x: chebyshev(xp, tables.J0_SMALL, x * x / 32 - 1)),
        (x < xp.inf, lambda x: _waves(xp, x, tables.P0, tables.Q0, math.pi / 4)[0]),
    )


def j1_kernel(xp, x):
    size = xp.abs(x)
    value = piecewise(
        xp,
        size,
        (size <= 8, lambda x: x * chebyshev(xp, tables.J1_SMALL, x * x / 32 - 1)),
        (size < xp.inf, lambda x: _waves(xp, x, tables.P1, tables.Q1, 3 * math.pi / 4)[0]),
    )
    return xp.where(xp.signbit(x), -value, value)


def y0_kernel(xp, x):
    def small(x):
        regular = chebyshev(xp, tables.Y0_SMALL, x * x / 32 - 1)
        return regular + TWO_OVER_PI * xp.log(x) * j0_kernel(xp, x)

    return _y(xp, x, small, lambda x: _waves(xp, x, tables.P0, tables.Q0, math.pi / 4)[1])


def y1_kernel(xp, x):
    def small(x):
        regular = x * chebyshev(xp, tables.Y1_SMALL, x * x / 32 - 1)
        return regular + TWO_OVER_PI * (xp.log(x) * j1_kernel(xp, x) - 1 / x)

    return _y(xp, x, small, lambda x: _waves(xp, x, tables.P1, tables.Q1, 3 * math.pi / 4)[1])


def _y(xp, x, small, large):
    return piecewise(
        xp,
        x,
        ((x > 0) & (x <= 8), small),
        ((x > 8) & (x < xp.inf), large),
        (x == 0, lambda x: xp.full_like(x, -xp.inf)),
    )


def _waves(xp, x, p_table, q_table, phase):
    """(J, Y) of one order at x >= 8."""
    t = 128 / (x * x) - 1
    p, q = chebyshev(xp, p_table, t), chebyshev(xp, q_table, t) * (8 / x)
    scale = xp.sqrt(TWO_OVER_PI / x)
    cosine, sine = xp.cos(x - phase), xp.sin(x - phase)
    return scale * (p * cosine - q * sine), scale * (p * sine + q * cosine)


def spherical_j0_kernel(xp, x):
    """sin(x) / x, by its power series near 0."""
    x = xp.abs(x)
    series = [(-1) ** k / math.factorial(2 * k + 1) for k in range(8)]
    return piecewise(
        xp,
        x,
        (x < 0.5, lambda x: polynomial(xp, series, x * x)),
        (x < xp.inf, lambda x: xp.sin(x) / x),
        (x == xp.inf, xp.zeros_like),
    )


def airy_ai_kernel(xp, x):
    """Exponential decay on the right, waves on the left (DLMF 9.7.5, 9.7.9), a series between; NaN
    at infinity.
    """

    def right(x):
        zeta = x * xp.sqrt(x) * (2 / 3)
        series = chebyshev(xp, tables.AIRY_LARGE, 2 / (0.5304 * zeta) - 1)
        return series * xp.exp(-zeta) / (2 * math.sqrt(math.pi) * xp.sqrt(xp.sqrt(x)))

    def left(x):
        zeta = -x * xp.sqrt(-x) * (2 / 3)
        t = 450 / (zeta * zeta) - 1
        p, q = chebyshev(xp, tables.AIRY_P, t), chebyshev(xp, tables.AIRY_Q, t) / zeta
        angle = zeta - math.pi / 4
        return (p * xp.cos(angle) + q * xp.sin(angle)) / (math.sqrt(math.pi) * xp.sqrt(xp.sqrt(-x)))

    return piecewise(
        xp,
        x,
        ((x >= -8) & (x <= 2), lambda x: chebyshev(xp, tables.AIRY_MIDDLE, (x + 3) / 5)),
        ((x > 2) & (x <= 104), right),
        ((x > 104) & (x < xp.inf), xp.zeros_like),
        ((x < -8) & (x > -xp.inf), left),
    )


# ---- records with gradients ----------------------------------------------------------------------


class I0(Unary):
    """i0(input, *, out=None) -> Tensor

    The modified Bessel function of the first kind, order 0.

    >>> torch.i0(torch.tensor([0.0, 1.0]))
    tensor([1.0000, 1.2661])
    """

    promote = "float"
    public = EVERYWHERE
    domain = serves("hf", "i0_vml_cpu")
    forward = in_double(i0_kernel)

    def vjp(g, input):
        return g * I1.call(input)


class I0e(Unary):
    """i0e(input, *, out=None) -> Tensor

    ``exp(-|x|) i0(x)``.

    >>> torch.special.i0e(torch.tensor([0.0, 1.0]))
    tensor([1.0000, 0.4658])
    """

    promote = "float"
    public = SPECIAL
    inplace = False
    grad_name = "SpecialI0EBackward0"
    domain = serves("hf", "i0e_cpu")
    forward = in_double(i0e_kernel)

    def vjp(g, input, result):
        return g * (I1e.call(input) - input.sgn() * result)


class I1(Unary):
    """i1(input, *, out=None) -> Tensor

    The modified Bessel function of the first kind, order 1.

    >>> torch.special.i1(torch.tensor([0.0, 1.0]))
    tensor([0.0000, 0.5652])
    """

    promote = "float"
    public = SPECIAL
    inplace = False
    grad_name = "SpecialI1Backward0"
    domain = serves("hf", "i1_cpu")
    forward = in_double(i1_kernel)

    def vjp(g, input, result):
        return g * (I0.call(input) - result / safe(input)).masked_fill(input == 0, 0.5)


class I1e(Unary):
    """i1e(input, *, out=None) -> Tensor

    ``exp(-|x|) i1(x)``.

    >>> torch.special.i1e(torch.tensor([0.0, 1.0]))
    tensor([0.0000, 0.2079])
    """

    promote = "float"
    public = SPECIAL
    inplace = False
    grad_name = "SpecialI1EBackward0"
    domain = serves("hf", "i1e_cpu")
    forward = in_double(i1e_kernel)

    def vjp(g, input, result):
        divisor = safe(input)
        slope = I0e.call(input) - result * (input.sgn() + 1 / divisor)
        return g * slope.masked_fill(input == 0, 0.5)


def safe(divisor):
    """Zeros replaced by ones: what is divided by them is replaced afterwards."""
    return divisor.masked_fill(divisor == 0, 1)


# ---- records without gradients -------------------------------------------------------------------


class WithoutGradient(Unary, family=True):
    """A function of float32 and float64 (and of integers) that PyTorch does not differentiate."""

    promote = "float"
    public = SPECIAL
    inplace = False
    differentiable = False  # PyTorch has no derivative for these


class BesselJ0(WithoutGradient):
    """bessel_j0(input, *, out=None) -> Tensor

    The Bessel function of the first kind, order 0.

    >>> torch.special.bessel_j0(torch.tensor([0.0, 1.0]))
    tensor([1.0000, 0.7652])
    """

    name = "bessel_j0"
    domain = serves("f", "bessel_j0_cpu")
    forward = in_double(j0_kernel)


class BesselJ1(WithoutGradient):
    """bessel_j1(input, *, out=None) -> Tensor

    The Bessel function of the first kind, order 1.

    >>> torch.special.bessel_j1(torch.tensor([0.0, 1.0]))
    tensor([0.0000, 0.4401])
    """

    name = "bessel_j1"
    domain = serves("f", "bessel_j1_cpu")
    forward = in_double(j1_kernel)


class BesselY0(WithoutGradient):
    """bessel_y0(input, *, out=None) -> Tensor

    The Bessel function of the second kind, order 0.

    >>> torch.special.bessel_y0(torch.tensor([1.0]))
    tensor([0.0883])
    """

    name = "bessel_y0"
    domain = serves("f", "bessel_y0_cpu")
    forward = in_double(y0_kernel)


class BesselY1(WithoutGradient):
    """bessel_y1(input, *, out=None) -> Tensor

    The Bessel function of the second kind, order 1.

    >>> torch.special.bessel_y1(torch.tensor([1.0]))
    tensor([-0.7812])
    """

    name = "bessel_y1"
    domain = serves("f", "bessel_y1_cpu")
    forward = in_double(y1_kernel)


class ModifiedBesselI0(WithoutGradient):
    """modified_bessel_i0(input, *, out=None) -> Tensor

    The modified Bessel function of the first kind, order 0.

    >>> torch.special.modified_bessel_i0(torch.tensor([1.0]))
    tensor([1.2661])
    """

    name = "modified_bessel_i0"
    domain = serves("f", "modified_bessel_i0_cpu")
    forward = in_double(i0_kernel)


class ModifiedBesselI1(WithoutGradient):
    """modified_bessel_i1(input, *, out=None) -> Tensor

    The modified Bessel function of the first kind, order 1.

    >>> torch.special.modified_bessel_i1(torch.tensor([1.0]))
    tensor([0.5652])
    """

    name = "modified_bessel_i1"
    domain = serves("f", "modified_bessel_i1_cpu")
    forward = in_double(i1_kernel)


class ModifiedBesselK0(WithoutGradient):
    """modified_bessel_k0(input, *, out=None) -> Tensor

    The modified Bessel function of the second kind, order 0.

    >>> torch.special.modified_bessel_k0(torch.tensor([1.0]))
    tensor([0.4210])
    """

    name = "modified_bessel_k0"
    domain = serves("f", "modified_bessel_k0_cpu")
    forward = in_double(k0_kernel)


class ModifiedBesselK1(WithoutGradient):
    """modified_bessel_k1(input, *, out=None) -> Tensor

    The modified Bessel function of the second kind, order 1.

    >>> torch.special.modified_bessel_k1(torch.tensor([1.0]))
    tensor([0.6019])
    """

    name = "modified_bessel_k1"
    domain = serves("f", "modified_bessel_k1_cpu")
    forward = in_double(k1_kernel)


class ScaledModifiedBesselK0(WithoutGradient):
    """scaled_modified_bessel_k0(input, *, out=None) -> Tensor

    ``exp(x)`` times the modified Bessel function of the second kind, order 0.

    >>> torch.special.scaled_modified_bessel_k0(torch.tensor([1.0]))
    tensor([1.1445])
    """

    name = "scaled_modified_bessel_k0"
    domain = serves("f", "scaled_modified_bessel_k0_cpu")
    forward = in_double(k0e_kernel)


class ScaledModifiedBesselK1(WithoutGradient):
    """scaled_modified_bessel_k1(input, *, out=None) -> Tensor

    ``exp(x)`` times the modified Bessel function of the second kind, order 1.

    >>> torch.special.scaled_modified_bessel_k1(torch.tensor([1.0]))
    tensor([1.6362])
    """

    name = "scaled_modified_bessel_k1"
    domain = serves("f", "scaled_modified_bessel_k1_cpu")
    forward = in_double(k1e_kernel)


class SphericalBesselJ0(WithoutGradient):
    """spherical_bessel_j0(input, *, out=None) -> Tensor

    ``sin(x) / x``, the spherical Bessel function of the first kind, order 0.

    >>> torch.special.spherical_bessel_j0(torch.tensor([0.0, 1.0]))
    tensor([1.0000, 0.8415])
    """

    name = "spherical_bessel_j0"
    domain = serves("f", "spherical_bessel_j0_cpu")
    forward = in_double(spherical_j0_kernel)


class AiryAi(WithoutGradient):
    """airy_ai(input, *, out=None) -> Tensor

    Airy's function Ai.

    >>> torch.special.airy_ai(torch.tensor([0.0, 1.0]))
    tensor([0.3550, 0.1353])
    """

    domain = serves("f", "airy_ai_cpu")
    forward = in_double(airy_ai_kernel)
