"""The gamma function and its relatives: lgamma digamma polygamma zeta gammainc gammaincc
multigammaln.
"""

import math

from rushlight._core import dtypes
from rushlight._core.inplace import derive
from rushlight._core.op import Binary, Op, Unary, public
from rushlight._ops import special_tables as tables
from rushlight._ops.domain import also, serves, unfinished_derivative
from rushlight._ops.special_error import erfc_kernel
from rushlight._ops.special_series import (
    EVERYWHERE,
    FEW,
    SPECIAL,
    chebyshev,
    in_double,
    piecewise,
    polynomial,
)

# Bernoulli numbers B2, B4, ..., B20 (DLMF 24.2.3)
BERNOULLI = (
    1 / 6,
    -1 / 30,
    1 / 42,
    -1 / 30,
    5 / 66,
    -691 / 2730,
    7 / 6,
    -3617 / 510,
    43867 / 798,
    -174611 / 330,
)
HALF_LOG_2PI = 0.5 * math.log(2 * math.pi)
LOG_PI = math.log(math.pi)
STIRLING = tuple(b / (2 * k * (2 * k - 1)) for k, b in enumerate(BERNOULLI, 1))
DIGAMMA_TAIL = tuple(-b / (2 * k) for k, b in enumerate(BERNOULLI, 1))
EPSILON = 2.0**-53


def lgamma_of_one(x):
    """log |gamma(x)| of a Python float; infinite at the poles."""
    try:
        return math.lgamma(x)
    except (ValueError, OverflowError):
        return math.inf


def lgamma_kernel(xp, x):
    """log |gamma(x)|: Stirling's series where x is large, a Chebyshev series around 1.5, reflection
    below 0.5.
    """

    def reflected(x):
        # DLMF 5.5.3; the sine of the distance to the nearest integer keeps its digits
        away = xp.abs(x - xp.rint(x))
        value = LOG_PI - xp.log(xp.abs(xp.sin(math.pi * away)))
        return xp.where(away == 0, xp.inf, value - lgamma_positive(xp, 1 - x))

    return piecewise(
        xp,
        x,
        (x >= 0.5, lambda x: lgamma_positive(xp, x)),
        (xp.isinf(x), xp.abs),
        (x < 0.5, reflected),
    )


def lgamma_positive(xp, x):
    """log gamma(x) for x >= 0.5."""

    def shifted(x):
        product = xp.ones_like(x)
        for k in range(7):
            product *= x + k
        return stirling(xp, x + 7) - xp.log(product)

    return piecewise(
        xp,
        x,
        (x < 1, lambda x: lgamma_center(xp, x + 1) - xp.log(x)),
        (x <= 3, lambda x: lgamma_center(xp, x)),
        (x < 10, shifted),
        (x < xp.inf, lambda x: stirling(xp, x)),
        (x == xp.inf, lambda x: x),
    )


def lgamma_center(xp, x):
    return (x - 1) * (x - 2) * chebyshev(xp, tables.LGAMMA, x - 2) + 0.0  # no zero below 0


def stirling(xp, x):
    """DLMF 5.11.1, for x >= 10."""
    return (
        (x - 0.5) * (xp.log(x) - 1) - 0.5 + HALF_LOG_2PI + polynomial(xp, STIRLING, 1 / (x * x)) / x
    )


def digamma_kernel(xp, x):
    def reflected(x):
        away = x - xp.rint(x)
        value = digamma_positive(xp, 1 - x) - math.pi / xp.tan(math.pi * away)  # DLMF 5.5.4
        return xp.where(away == 0, xp.nan, value)

    return piecewise(
        xp,
        x,
        (x > 0, lambda x: digamma_positive(xp, x)),
        (x == 0, lambda x: -1 / x),
        (x > -xp.inf, reflected),
    )


def digamma_positive(xp, x):
    """Steps up to x >= 10 (DLMF 5.5.2), then the asymptotic series (DLMF 5.11.2)."""
    below = xp.zeros_like(x)
    while (small := x < 10).any():
        below -= xp.where(small, 1 / x, 0)
        x = x + small
    square = 1 / (x * x)
    return below + xp.log(x) - 0.5 / x + square * polynomial(xp, DIGAMMA_TAIL, square)


def zeta_kernel(xp, s, q):
    """Hurwitz' zeta function sum (q + k)^-s by Euler and Maclaurin (DLMF 25.11.5)."""
    s = xp.minimum(s, 1e10)  # all the same beyond
    result = xp.full_like(s, xp.nan)
    result[s == 1] = xp.inf
    pole = (s > 1) & (q <= 0) & (q == xp.floor(q))
    result[pole] = xp.inf
    positive = (s > 1) & (q > 0)
    result[positive] = zeta_positive(xp, s[positive], q[positive])
    negative = (s > 1) & (q < 0) & ~pole & (s == xp.floor(s))
    if negative.any():
        result[negative] = zeta_negative(xp, s[negative], q[negative])
    return result


def zeta_positive(xp, s, q):
    total = xp.zeros_like(s)
    for k in range(10):
        total += (q + k) ** -s
    end = q + 10
    power = end**-s
    total += power * (end / (s - 1) + 0.5)
    # the terms B2j / (2j)! s (s + 1) ... (s + 2j - 2) end^(-s - 2j + 1)
    factor = s * power / end
    for j, b in enumerate(BERNOULLI, 1):
        total += (b / math.factorial(2 * j)) * factor
        factor = factor * (s + (2 * j - 1)) * (s + 2 * j) / (end * end)
    return total


def zeta_negative(xp, s, q):
    """Integer s >= 2, q < 0 not an integer: zeta(s, q) from zeta(s, 1 - q) by reflection (DLMF
    5.15.6).
    """
    large = s > 60
    result = xp.empty_like(s)
    result[large] = nearest_terms(xp, s[large], q[large])
    for order in xp.unique(s[~large]):
        here = s == order
        n = int(order) - 1
        z = q[here]
        mirrored = zeta_positive(xp, s[here], 1 - z)
        slope = cot_derivative(xp, n, math.pi * (z - xp.rint(z)))
        result[here] = (-1) ** n * (slope * (math.pi**order / math.factorial(n)) + mirrored)
    return result


def nearest_terms(xp, s, q):
    """The sum of the terms of zeta with |q + k| < 4: all that count for large s."""
    away = q - xp.rint(q)
    total = xp.zeros_like(s)
    for step in range(-3, 4):
        total += xp.where(away + step >= q, xp.power(away + step, -s), 0)
    return total


def cot_derivative(xp, n, angle):
    """The n-th derivative of the cotangent, a polynomial in it: p' = -(1 + c^2) dp/dc."""
    coefficients = [0.0, 1.0]
    for _ in range(n):
        slope = [k * c for k, c in enumerate(coefficients)][1:]
        coefficients = [
            -(a + b) for a, b in zip([*slope, 0.0, 0.0], [0.0, 0.0, *slope], strict=True)
        ]
    return polynomial(xp, coefficients, 1 / xp.tan(angle))


def trigamma_kernel(xp, x):
    """zeta(2, x), reflected below 0.5 (DLMF 5.15.6); finite at the poles, as PyTorch's."""

    def reflected(x):
        sine = xp.sin(math.pi * x)
        return (math.pi / sine) ** 2 - zeta_positive(xp, xp.full_like(x, 2.0), 1 - x)

    return piecewise(
        xp,
        x,
        (x == xp.inf, xp.zeros_like),
        (x >= 0.5, lambda x: zeta_positive(xp, xp.full_like(x, 2.0), x)),
        (x < 0.5, reflected),
    )


def polygamma_kernel(n):
    """The kernel of digamma's n-th derivative: (-1)^(n+1) n! zeta(n + 1, x) (DLMF 25.11.12)."""
    if n < 2:
        return (digamma_kernel, trigamma_kernel)[n]

    def kernel(xp, x):
        scale = math.gamma(n + 1) if n < 171 else math.inf
        return (-1.0) ** (n + 1) * scale * zeta_kernel(xp, xp.full_like(x, n + 1), x)

    return kernel


# ---- the incomplete gamma functions --------------------------------------------------------------


def gammainc_kernel(xp, a, x):
    """The regularised lower incomplete gamma function P(a, x)."""
    return _incomplete(xp, a, x, upper=False)


def gammaincc_kernel(xp, a, x):
    """The regularised upper incomplete gamma function Q(a, x)."""
    return _incomplete(xp, a, x, upper=True)


def _incomplete(xp, a, x, upper):
    result = xp.full_like(a, xp.nan)
    zero, one = (1.0, 0.0) if upper else (0.0, 1.0)  # the values at x = 0 and x = inf
    outside = (a < 0) | (x < 0)
    ordinary = (a > 0) & (a < xp.inf) & (x > 0) & (x < xp.inf)
    if not ordinary.all():
        result[(x == xp.inf) & ~(a == xp.inf) & ~outside] = one
        result[(a == xp.inf) & ~(x == xp.inf) & ~outside] = zero
        result[(x == 0) & ~(a == 0) & ~outside] = zero
        result[(a == 0) & (x > 0)] = one
    uniform = ordinary & (a > 50) & (xp.abs(x - a) < 0.4 * a)
    upward = ordinary & ~uniform & (x < 1.1) & (x >= a)
    series = ordinary & ~uniform & (x < a)
    fraction = ordinary & ~uniform & ~series & ~upward
    methods = (
        (uniform, _temme),
        (series, _lower_series),
        (upward, _upper_series),
        (fraction, _upper_fraction),
    )
    for mask, method in methods:
        if mask.any():
            result[mask] = method(xp, a[mask], x[mask], upper)
    return result


def _scale(xp, a, x):
    """x^a exp(-x) / gamma(a + 1), in a form whose error does not grow with a."""

    def large(a, x):
        # gamma(a + 1) = sqrt(2 pi a) (a/e)^a exp(tail)
        tail = polynomial(xp, STIRLING, 1 / (a * a)) / a
        mu = (x - a) / a
        near = xp.abs(mu) < 0.5
        gap = xp.where(near, log1p_minus(xp, xp.where(near, mu, 0.0)), xp.log(x / a) - mu)
        return xp.exp(a * gap - tail) / xp.sqrt(2 * math.pi * a)

    small = a < 10
    result = xp.empty_like(a)
    result[small] = xp.exp(a[small] * xp.log(x[small]) - x[small] - lgamma_kernel(xp, a[small] + 1))
    result[~small] = large(a[~small], x[~small])
    return result


def log1p_minus(xp, u):
    """log(1 + u) - u for |u| <= 0.5, by the series of log((1 + r)/(1 - r)) in r = u / (2 + u)."""
    r = u / (2 + u)
    tail = polynomial(xp, [1 / (2 * k + 3) for k in range(22)], r * r)
    return 2 * r * r * r * tail - u * r


def _lower_series(xp, a, x, upper):
    """P = x^a e^-x / gamma(a + 1) sum x^k / ((a + 1) ...

    (a + k)) (DLMF 8.11.4), the last term first.
    """
    total = xp.ones_like(a)
    terms = _terms(xp, a, x)
    for k in range(terms, 0, -1):
        total *= x
        total /= a + k
        total += 1
    lower = total * _scale(xp, a, x)
    return 1 - lower if upper else lower


def _terms(xp, a, x):
    """How many terms every element's series needs: its product of ratios falls below 2^-53."""
    for k in (16, 24, 32, 48, 64, 96, 128, 192, 256):
        # log of x^k / ((a + 1) ... (a + k)), the product bounded below by its integral
        size = k * xp.log(x) - ((a + k) * xp.log(a + k) - a * xp.log(a) - k)
        if (size < -37).all():
            return k
    return 400


def _upper_fraction(xp, a, x, upper):
    """Q = x^a e^-x / gamma(a) times Legendre's fraction (DLMF 8.9.2), by Lentz' method."""
    b = x + 1 - a
    c = xp.full_like(a, 1e300)
    d = 1 / xp.where(b == 0, 1e-300, b)
    value = d.copy()
    result, left = xp.empty_like(a), xp.arange(a.size)
    order = a
    for k in range(1, 2000):
        numerator = -k * (k - order)
        b = b + 2
        d = numerator * d + b
        d = 1 / xp.where(d == 0, 1e-300, d)
        c = b + numerator / c
        c = xp.where(c == 0, 1e-300, c)
        step = d * c
        value = value * step
        if k % 8 == 0:  # go on with those that have not settled
            result[left] = value
            keep = xp.abs(step - 1) > 2 * EPSILON
            if not keep.any():
                break
            b, c, d, value, left, order = (t[keep] for t in (b, c, d, value, left, order))
    result *= a * _scale(xp, a, x)
    return result if upper else 1 - result


def _upper_series(xp, a, x, upper):
    """1 - x^a / gamma(a + 1) (1 + a sum (-x)^k / ((a + k) k!)) (DLMF 8.7.3) for x < 1.1, where the
    fraction is slow; both differences from 1 are taken where they are small."""
    total, term = xp.zeros_like(a), xp.ones_like(a)
    for k in range(1, 22):
        term *= -x / k
        total += term / (a + k)
    power = a * xp.log(x) - lgamma_kernel(xp, a + 1)
    result = -xp.expm1(power) - xp.exp(power) * a * total
    return result if upper else 1 - result


def _temme(xp, a, x, upper):
    """Temme's uniform expansion near x = a (DLMF 8.12.3, 8.12.4, 8.12.7)."""
    mu = (x - a) / a
    half_square = -log1p_minus(xp, mu)
    eta = xp.copysign(xp.sqrt(2 * half_square), mu)
    total = polynomial(xp, tables.TEMME[-1], eta)
    for row in tables.TEMME[-2::-1]:
        total = total / a + polynomial(xp, row, eta)
    rest = xp.exp(-a * half_square) / xp.sqrt(2 * math.pi * a) * total
    side = 1.0 if upper else -1.0
    return 0.5 * erfc_kernel(xp, side * eta * xp.sqrt(a / 2)) + side * rest


# ---- records -------------------------------------------------------------------------------------


class Lgamma(Unary):
    """lgamma(input, *, out=None) -> Tensor

    ``log |gamma(x)|``.

    >>> torch.lgamma(torch.tensor([1.0, 5.0]))
    tensor([0.0000, 3.1781])
    """

    promote = "float"
    domain = serves("hf", "lgamma_vml_cpu")

    def forward(xp, x):
        if x.size > FEW:
            return in_double(lgamma_kernel)(xp, x)
        return xp.asarray([lgamma_of_one(v) for v in x.ravel().tolist()], x.dtype).reshape(x.shape)

    def vjp(g, input):
        return g * input.digamma()


class Digamma(Unary):
    """digamma(input, *, out=None) -> Tensor

    The derivative of ``log gamma(x)``.

    >>> torch.digamma(torch.tensor([1.0, 0.5]))
    tensor([-0.5772, -1.9635])
    """

    promote = "float"
    public = EVERYWHERE
    domain = serves("hf", "digamma")
    forward = in_double(digamma_kernel)

    def vjp(g, input):
        return g * Polygamma.call(input, 1)


class Polygamma(Op):
    """The n-th derivative of digamma."""

    promote = "float"
    public = ()
    inplace = True
    domain = serves("hf", "polygamma")

    def forward(xp, x, n):
        return in_double(polygamma_kernel(n))(xp, x)

    def vjp(g, input, n):
        return g * Polygamma.call(input, n + 1)


def check_order(n):
    if type(n) is not int:
        raise TypeError(
            f"polygamma(): argument 'n' (position 1) must be int, not {type(n).__name__}"
        )
    if n < 0:
        raise RuntimeError("polygamma(n, x) does not support negative n.")


@public("torch", "special")
def polygamma(n, input):
    """polygamma(n, input, *, out=None) -> Tensor

    The n-th derivative of the digamma function. RuntimeError for a negative ``n``.

    >>> torch.polygamma(1, torch.tensor([1.0, 0.5]))
    tensor([1.6449, 4.9348])
    """
    check_order(n)
    return Polygamma.call(input, n)


_polygamma_ = derive(Polygamma)


def _polygamma_method(self, n):
    """polygamma(n) -> Tensor

    See :func:`torch.polygamma`.

    >>> torch.tensor([1.0]).polygamma(1)
    tensor([1.6449])
    """
    return polygamma(n, self)


def _polygamma_method_(self, n):
    """polygamma_(n) -> Tensor

    In-place form of :func:`torch.polygamma`.
    """
    check_order(n)
    return _polygamma_(self, n)


also("Tensor", polygamma=_polygamma_method, polygamma_=_polygamma_method_)


class Mvlgamma(Op):
    """mvlgamma(input, p, *, out=None) -> Tensor

    The logarithm of the multivariate gamma function of dimension ``p``.

    >>> torch.mvlgamma(torch.tensor([3.0]), 2)
    tensor([1.5502])
    """

    promote = "float"
    inplace = True

    def domain(common, given):
        if given[0] is dtypes.bool_:
            raise RuntimeError("The input tensor may not be a boolean tensor.")
        serves("hf", "arange_cpu")(common, given)

    def forward(xp, x, p):
        if p < 1:
            raise RuntimeError("p has to be greater than or equal to 1")
        lgamma = in_double(lgamma_kernel)
        total = sum(lgamma(xp, x.astype(xp.float64) - 0.5 * j) for j in range(p))
        return (total + p * (p - 1) / 4 * math.log(math.pi)).astype(x.dtype)

    def vjp(g, input, p):
        return g * sum((input - 0.5 * j).digamma() for j in range(p))


class Igamma(Binary):
    """igamma(input, other, *, out=None) -> Tensor

    The regularised lower incomplete gamma function P(input, other).

    >>> torch.igamma(torch.tensor([1.0]), torch.tensor([1.0]))
    tensor([0.6321])
    """

    numbers = False
    domain = serves("hf", "igamma_cpu")
    forward = in_double(gammainc_kernel)

    vjp_input = unfinished_derivative("igamma: input")

    def vjp_other(g, input, other):
        return g * gamma_density(input, other)


class Igammac(Binary):
    """igammac(input, other, *, out=None) -> Tensor

    The regularised upper incomplete gamma function Q(input, other).

    >>> torch.igammac(torch.tensor([1.0]), torch.tensor([1.0]))
    tensor([0.3679])
    """

    numbers = False
    domain = serves("hf", "igammac_cpu")
    forward = in_double(gammaincc_kernel)

    vjp_input = unfinished_derivative("igammac: input")

    def vjp_other(g, input, other):
        return -g * gamma_density(input, other)


def gamma_density(shape, x):
    """The density of the gamma distribution."""
    return ((shape - 1) * x.log() - x - shape.lgamma()).exp()


class Zeta(Binary):
    """zeta(input, other, *, out=None) -> Tensor

    Hurwitz' zeta function, the sum of ``(k + other)**-input`` over k = 0, 1, ...

    >>> torch.special.zeta(torch.tensor([2.0, 4.0]), 1)
    tensor([1.6449, 1.0823])
    """

    promote = "float"
    public = SPECIAL
    inplace = False
    grad_name = "SpecialZetaBackward0"
    domain = serves("f", "zeta_cpu")
    forward = in_double(zeta_kernel)

    vjp_input = unfinished_derivative("zeta")

    def vjp_other(g, input, other):
        return -g * input * Zeta.call(input + 1, other)


also(
    "special",
    gammaln=Lgamma,
    psi=Digamma,
    multigammaln=Mvlgamma,
    gammainc=Igamma,
    gammaincc=Igammac,
)
