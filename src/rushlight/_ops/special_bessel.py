"""Bessel functions and Airy's Ai, as kernels on float64 arrays."""

import math

from rushlight._ops import special_tables as tables
from rushlight._ops.special_series import chebyshev, piecewise, polynomial

TWO_OVER_PI = 2 / math.pi

# ---- the first kind, modified: even or odd, scaled by exp(-|x|) where the name says so ---------------


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
    """exp(|x|) times a scaled function, in two factors so that only the result overflows; NaN at infinity."""
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


# ---- the first and second kind: series in x^2 up to 8, waves beyond (DLMF 10.17.3); NaN at infinity


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
    return xp.where(x < 0, -value, value)


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
    """Exponential decay on the right, waves on the left (DLMF 9.7.5, 9.7.9), a series between; NaN at infinity."""

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
