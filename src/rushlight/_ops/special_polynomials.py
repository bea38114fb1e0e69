"""Classical orthogonal polynomials of a degree given per element, element by element.

All come from their three-term recurrence (DLMF 18.9.1, 18.9.2); on (-1, 1) Chebyshev's are
trigonometric functions (DLMF 18.5.1 to 18.5.4), which serves high degrees. A negative degree gives
0.
"""

import math

from rushlight._core.op import Op
from rushlight._ops.domain import serves
from rushlight._ops.special_series import SPECIAL, in_double

# From this degree on the trigonometric form is used where it exists.
TRIGONOMETRIC = 7
# Hermite polynomials of a degree above this give NaN, as PyTorch's do in float64.
HERMITE_LIMIT = 512


def degree(xp, n):
    """The degree as an integer; one that int64 cannot hold counts as negative, as in PyTorch."""
    return xp.where(xp.abs(n) < 2.0**63, xp.trunc(n), -1.0)


def recurrence(xp, x, n, first, step):
    """P_n(x) from P_0 = 1, P_1 = first(x), P_{k+1} = step(k, x, P_k, P_{k-1})."""
    n = degree(xp, n)
    result = xp.where(n < 0, 0.0, xp.where(n == 0, 1.0, first(x)))
    left = xp.flatnonzero(n >= 2)
    x, n = x[left], n[left]
    before, here = xp.ones_like(x), first(x)
    k = 1
    while left.size:
        before, here = here, step(k, x, here, before)
        k += 1
        done = (n == k) | xp.isnan(here)
        if done.any():
            result[left[done]] = here[done]
            left, x, n, before, here = (a[~done] for a in (left, x, n, before, here))
    return result


def _chebyshev(xp, x, n, first, wave):
    """A Chebyshev polynomial: ``wave(xp, angle, n)`` for high degrees inside (-1, 1), else the
    recurrence.
    """
    n = degree(xp, n)
    result = xp.empty_like(x)
    inside = (xp.abs(x) < 1) & (n >= TRIGONOMETRIC)
    result[inside] = wave(xp, xp.arccos(x[inside]), n[inside])
    edge = (xp.abs(x) == 1) & (
        n >= TRIGONOMETRIC
    )  # the recurrence is exact there, and as slow as the degree
    result[edge] = _at_edge(xp, x[edge], n[edge], first)
    rest = ~(inside | edge)
    result[rest] = recurrence(xp, x[rest], n[rest], first, _chebyshev_step)
    return result


def _chebyshev_step(k, x, here, before):
    return 2 * x * here - before


def _at_edge(xp, x, n, first):
    """At 1 and -1 the recurrence is linear in n, up to the sign (-1)^n."""
    slope = xp.abs(first(x)) - 1
    sign = xp.where((x < 0) & (n % 2 == 1), -1.0, 1.0)
    return sign * (1 + n * slope)


def chebyshev_t_kernel(xp, x, n):
    return _chebyshev(xp, x, n, lambda x: x, lambda xp, angle, n: xp.cos(n * angle))


def chebyshev_u_kernel(xp, x, n):
    return _chebyshev(
        xp, x, n, lambda x: 2 * x, lambda xp, angle, n: xp.sin((n + 1) * angle) / xp.sin(angle)
    )


def chebyshev_v_kernel(xp, x, n):
    return _chebyshev(
        xp,
        x,
        n,
        lambda x: 2 * x - 1,
        lambda xp, angle, n: xp.cos((n + 0.5) * angle) / xp.cos(angle / 2),
    )


def chebyshev_w_kernel(xp, x, n):
    return _chebyshev(
        xp,
        x,
        n,
        lambda x: 2 * x + 1,
        lambda xp, angle, n: xp.sin((n + 0.5) * angle) / xp.sin(angle / 2),
    )


def shifted(kernel):
    """The polynomial of 2x - 1, orthogonal on (0, 1)."""
    return lambda xp, x, n: kernel(xp, 2 * x - 1, n)


def _limited(xp, n, value):
    return xp.where(n > HERMITE_LIMIT, math.nan, value)


def hermite_h_kernel(xp, x, n):
    n = xp.minimum(degree(xp, n), HERMITE_LIMIT + 1)
    step = lambda k, x, here, before: 2 * (x * here - k * before)  # noqa: E731
    return _limited(xp, n, recurrence(xp, x, n, lambda x: 2 * x, step))


def hermite_he_kernel(xp, x, n):
    n = xp.minimum(degree(xp, n), HERMITE_LIMIT + 1)
    step = lambda k, x, here, before: x * here - k * before  # noqa: E731
    return _limited(xp, n, recurrence(xp, x, n, lambda x: x, step))


def laguerre_l_kernel(xp, x, n):
    step = lambda k, x, here, before: ((2 * k + 1 - x) * here - k * before) / (k + 1)  # noqa: E731
    return recurrence(xp, x, n, lambda x: 1 - x, step)


def legendre_p_kernel(xp, x, n):
    step = lambda k, x, here, before: ((2 * k + 1) * x * here - k * before) / (k + 1)  # noqa: E731
    return recurrence(xp, x, n, lambda x: x, step)


# ---- records -------------------------------------------------------------------------------------


class Polynomial(Op, family=True):
    """A polynomial in ``x`` of degree ``n``, element by element; 0 for a negative degree."""

    tensors = ("x", "n")
    promote = "float"
    public = SPECIAL
    differentiable = False  # PyTorch has no derivative for these


class ChebyshevPolynomialT(Polynomial):
    """chebyshev_polynomial_t(x, n, *, out=None) -> Tensor

    Chebyshev's polynomial of the first kind: ``cos(n acos(x))``.

    >>> torch.special.chebyshev_polynomial_t(torch.tensor([0.5]), 2)
    tensor([-0.5000])
    """

    name = "chebyshev_polynomial_t"
    domain = serves("f", "chebyshev_polynomial_t_cpu")
    forward = in_double(chebyshev_t_kernel)


class ChebyshevPolynomialU(Polynomial):
    """chebyshev_polynomial_u(x, n, *, out=None) -> Tensor

    Chebyshev's polynomial of the second kind.

    >>> torch.special.chebyshev_polynomial_u(torch.tensor([0.5]), 3)
    tensor([-1.])
    """

    name = "chebyshev_polynomial_u"
    domain = serves("f", "chebyshev_polynomial_u_cpu")
    forward = in_double(chebyshev_u_kernel)


class ChebyshevPolynomialV(Polynomial):
    """chebyshev_polynomial_v(x, n, *, out=None) -> Tensor

    Chebyshev's polynomial of the third kind.

    >>> torch.special.chebyshev_polynomial_v(torch.tensor([0.5]), 2)
    tensor([-1.])
    """

    name = "chebyshev_polynomial_v"
    domain = serves("f", "chebyshev_polynomial_v_cpu")
    forward = in_double(chebyshev_v_kernel)


class ChebyshevPolynomialW(Polynomial):
    """chebyshev_polynomial_w(x, n, *, out=None) -> Tensor

    Chebyshev's polynomial of the fourth kind.

    >>> torch.special.chebyshev_polynomial_w(torch.tensor([0.5]), 2)
    tensor([1.])
    """

    name = "chebyshev_polynomial_w"
    domain = serves("f", "chebyshev_polynomial_w_cpu")
    forward = in_double(chebyshev_w_kernel)


class ShiftedChebyshevPolynomialT(Polynomial):
    """shifted_chebyshev_polynomial_t(x, n, *, out=None) -> Tensor

    Chebyshev's polynomial of the first kind at ``2 x - 1``.

    >>> torch.special.shifted_chebyshev_polynomial_t(torch.tensor([0.75]), 2)
    tensor([-0.5000])
    """

    name = "shifted_chebyshev_polynomial_t"
    domain = serves("f", "shifted_chebyshev_polynomial_t_cpu")
    forward = in_double(shifted(chebyshev_t_kernel))


class ShiftedChebyshevPolynomialU(Polynomial):
    """shifted_chebyshev_polynomial_u(x, n, *, out=None) -> Tensor

    Chebyshev's polynomial of the second kind at ``2 x - 1``.

    >>> torch.special.shifted_chebyshev_polynomial_u(torch.tensor([0.75]), 3)
    tensor([-1.])
    """

    name = "shifted_chebyshev_polynomial_u"
    domain = serves("f", "shifted_chebyshev_polynomial_u_cpu")
    forward = in_double(shifted(chebyshev_u_kernel))


class ShiftedChebyshevPolynomialV(Polynomial):
    """shifted_chebyshev_polynomial_v(x, n, *, out=None) -> Tensor

    Chebyshev's polynomial of the third kind at ``2 x - 1``.

    >>> torch.special.shifted_chebyshev_polynomial_v(torch.tensor([0.75]), 2)
    tensor([-1.])
    """

    name = "shifted_chebyshev_polynomial_v"
    domain = serves("f", "shifted_chebyshev_polynomial_v_cpu")
    forward = in_double(shifted(chebyshev_v_kernel))


class ShiftedChebyshevPolynomialW(Polynomial):
    """shifted_chebyshev_polynomial_w(x, n, *, out=None) -> Tensor

    Chebyshev's polynomial of the fourth kind at ``2 x - 1``.

    >>> torch.special.shifted_chebyshev_polynomial_w(torch.tensor([0.75]), 2)
    tensor([1.])
    """

    name = "shifted_chebyshev_polynomial_w"
    domain = serves("f", "shifted_chebyshev_polynomial_w_cpu")
    forward = in_double(shifted(chebyshev_w_kernel))


class HermitePolynomialH(Polynomial):
    """hermite_polynomial_h(x, n, *, out=None) -> Tensor

    The physicists' Hermite polynomial.

    >>> torch.special.hermite_polynomial_h(torch.tensor([0.5]), 2)
    tensor([-1.])
    """

    name = "hermite_polynomial_h"
    domain = serves("f", "hermite_polynomial_h_cpu")
    forward = in_double(hermite_h_kernel)


class HermitePolynomialHe(Polynomial):
    """hermite_polynomial_he(x, n, *, out=None) -> Tensor

    The probabilists' Hermite polynomial.

    >>> torch.special.hermite_polynomial_he(torch.tensor([0.5]), 2)
    tensor([-0.7500])
    """

    name = "hermite_polynomial_he"
    domain = serves("f", "hermite_polynomial_he_cpu")
    forward = in_double(hermite_he_kernel)


class LaguerrePolynomialL(Polynomial):
    """laguerre_polynomial_l(x, n, *, out=None) -> Tensor

    Laguerre's polynomial.

    >>> torch.special.laguerre_polynomial_l(torch.tensor([0.5]), 2)
    tensor([0.1250])
    """

    name = "laguerre_polynomial_l"
    domain = serves("f", "laguerre_polynomial_l_cpu")
    forward = in_double(laguerre_l_kernel)


class LegendrePolynomialP(Polynomial):
    """legendre_polynomial_p(x, n, *, out=None) -> Tensor

    Legendre's polynomial.

    >>> torch.special.legendre_polynomial_p(torch.tensor([0.5]), 2)
    tensor([-0.1250])
    """

    name = "legendre_polynomial_p"
    domain = serves("f", "legendre_polynomial_p_cpu")
    forward = in_double(legendre_p_kernel)
