"""Special functions as records: the error, gamma and Bessel families, entropy terms, orthogonal polynomials.

The numerics are kernels in ``special_error``, ``special_gamma``, ``special_bessel`` and ``special_polynomials``.
"""

import math

from rushlight._core.inplace import derive
from rushlight._core.op import Binary, Op, Unary, public
from rushlight._ops import special_bessel as bessel
from rushlight._ops import special_error as error
from rushlight._ops import special_gamma as gamma
from rushlight._ops import special_polynomials as polynomials
from rushlight._ops.domain import also, is_number, serves, unfinished_derivative
from rushlight._ops.special_series import in_double

SPECIAL = ("special",)
EVERYWHERE = ("torch", "Tensor", "special")
ROOT_PI = math.sqrt(math.pi)

# ---- the error function --------------------------------------------------------------------------


class Erf(Unary):
    """erf(input, *, out=None) -> Tensor

    The error function, 2/sqrt(pi) times the integral of exp(-t**2) from 0 to x.

    >>> torch.erf(torch.tensor([0.0, 1.0]))
    tensor([0.0000, 0.8427])
    """

    promote = "float"
    public = EVERYWHERE
    domain = serves("hf", "erf_vml_cpu")
    forward = in_double(error.erf_kernel)

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
    forward = in_double(error.erfc_kernel)

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
    forward = in_double(error.erfcx_kernel)

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
    forward = in_double(error.erfinv_kernel)

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
    forward = in_double(error.ndtr_kernel)

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
    forward = in_double(error.ndtri_kernel)

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
    forward = in_double(error.log_ndtr_kernel)

    def vjp(g, input):
        return g / Erfcx.call(input * -math.sqrt(0.5)) * math.sqrt(2 / math.pi)


# ---- the gamma function --------------------------------------------------------------------------


class Lgamma(Unary):
    """lgamma(input, *, out=None) -> Tensor

    ``log |gamma(x)|``.

    >>> torch.lgamma(torch.tensor([1.0, 5.0]))
    tensor([0.0000, 3.1781])
    """

    promote = "float"
    domain = serves("hf", "lgamma_vml_cpu")
    forward = in_double(gamma.lgamma_kernel)

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
    forward = in_double(gamma.digamma_kernel)

    def vjp(g, input):
        return g * Polygamma.call(input, 1)


class Polygamma(Op):
    """The n-th derivative of digamma."""

    promote = "float"
    public = ()
    inplace = True
    domain = serves("hf", "polygamma")

    def forward(xp, x, n):
        return in_double(gamma.polygamma_kernel(n))(xp, x)

    def vjp(g, input, n):
        return g * Polygamma.call(input, n + 1)


def check_order(n):
    if type(n) is not int:
        raise TypeError(f"polygamma(): argument 'n' (position 1) must be int, not {type(n).__name__}")
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
    tensor([1.5463])
    """

    promote = "float"
    inplace = True
    domain = serves("hf", "mvlgamma")

    def forward(xp, x, p):
        if x.dtype.kind == "b":
            raise RuntimeError("The input tensor may not be a boolean tensor.")
        if p < 1:
            raise RuntimeError("p has to be greater than or equal to 1")
        lgamma = in_double(gamma.lgamma_kernel)
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
    forward = in_double(gamma.gammainc_kernel)

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
    forward = in_double(gamma.gammaincc_kernel)

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
    forward = in_double(gamma.zeta_kernel)

    vjp_input = unfinished_derivative("zeta")

    def vjp_other(g, input, other):
        return -g * input * Zeta.call(input + 1, other)


# ---- logarithmic terms -----------------------------------------------------------------------------


class Entr(Unary):
    """entr(input, *, out=None) -> Tensor

    ``-x log(x)``; 0 at 0, -inf below.

    >>> torch.special.entr(torch.tensor([-0.5, 0.0, 0.5]))
    tensor([  -inf, 0.0000, 0.3466])
    """

    promote = "float"
    public = SPECIAL
    inplace = False
    grad_name = "SpecialEntrBackward0"
    domain = serves("hf", "entr_cpu")

    def forward(xp, x):
        inside = -x * xp.log(xp.where(x > 0, x, 1))
        return xp.where(x < 0, x.dtype.type(-math.inf), inside)

    def vjp(g, input):
        return g * -(1 + input.log())


def _xlogy_name(name):
    """0 for two tensors, 1 for a number first, 2 for a number second."""

    def grad_name(node):
        for place, suffix in ((0, 1), (1, 2)):
            if node.edges[place] is None and node.saved[place] is not None and len(node.saved[place]) == 1:
                return f"{name}Backward{suffix}"
        return f"{name}Backward0"

    return grad_name


class Xlogy(Binary):
    """xlogy(input, other, *, out=None) -> Tensor

    ``input * log(other)``, 0 where ``input`` is 0 and ``other`` is not NaN.

    >>> torch.xlogy(torch.tensor([0.0, 1.0]), torch.tensor([0.0, 2.0]))
    tensor([0.0000, 0.6931])
    """

    promote = "float"
    public = EVERYWHERE
    grad_name = _xlogy_name("Xlogy")
    domain = serves("hf", "xlogy_cpu")

    def forward(xp, x, y):
        y = y if hasattr(y, "dtype") else x.dtype.type(y)
        product = x * xp.log(y)
        return xp.where((x == 0) & ~xp.isnan(y), product.dtype.type(0), product)

    def vjp_input(g, input, other):
        if is_number(other):
            slope = math.log(other) if other > 0 else -math.inf if other == 0 else math.nan
            return (g * slope).masked_fill(input == 0, 0) if other <= 0 else g * slope
        return g * other.log().masked_fill((input == 0) & (other <= 0), 0)

    def vjp_other(g, input, other):
        return g * input / other


class Xlog1py(Binary):
    """xlog1py(input, other, *, out=None) -> Tensor

    ``input * log(1 + other)``, 0 where ``input`` is 0 and ``other`` is not NaN.

    >>> torch.special.xlog1py(torch.tensor([0.0, 1.0]), torch.tensor([-1.0, 1.0]))
    tensor([0.0000, 0.6931])
    """

    promote = "float"
    public = SPECIAL
    inplace = False
    grad_name = _xlogy_name("SpecialXlog1Py")
    domain = serves("hf", "xlog1py_cpu")

    def forward(xp, x, y):
        y = y if hasattr(y, "dtype") else x.dtype.type(y)
        product = x * xp.log1p(y)
        return xp.where((x == 0) & ~xp.isnan(y), product.dtype.type(0), product)

    def vjp_input(g, input, other):
        if is_number(other):
            slope = math.log1p(other) if other > -1 else -math.inf if other == -1 else math.nan
            return (g * slope).masked_fill(input == 0, 0) if other <= -1 else g * slope
        return g * other.log1p().masked_fill((input == 0) & (other <= -1), 0)

    def vjp_other(g, input, other):
        return g * input / (other + 1)


# ---- modified Bessel functions with gradients -------------------------------------------------------


class I0(Unary):
    """i0(input, *, out=None) -> Tensor

    The modified Bessel function of the first kind, order 0.

    >>> torch.i0(torch.tensor([0.0, 1.0]))
    tensor([1.0000, 1.2661])
    """

    promote = "float"
    public = EVERYWHERE
    domain = serves("hf", "i0_vml_cpu")
    forward = in_double(bessel.i0_kernel)

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
    forward = in_double(bessel.i0e_kernel)

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
    forward = in_double(bessel.i1_kernel)

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
    forward = in_double(bessel.i1e_kernel)

    def vjp(g, input, result):
        divisor = safe(input)
        slope = I0e.call(input) - result * (input.sgn() + 1 / divisor)
        return g * slope.masked_fill(input == 0, 0.5)


def safe(divisor):
    """Zeros replaced by ones: what is divided by them is replaced afterwards."""
    return divisor.masked_fill(divisor == 0, 1)


# ---- Bessel functions without gradients in PyTorch ---------------------------------------------------


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
    forward = in_double(bessel.j0_kernel)


class BesselJ1(WithoutGradient):
    """bessel_j1(input, *, out=None) -> Tensor

    The Bessel function of the first kind, order 1.

    >>> torch.special.bessel_j1(torch.tensor([0.0, 1.0]))
    tensor([0.0000, 0.4401])
    """

    name = "bessel_j1"
    domain = serves("f", "bessel_j1_cpu")
    forward = in_double(bessel.j1_kernel)


class BesselY0(WithoutGradient):
    """bessel_y0(input, *, out=None) -> Tensor

    The Bessel function of the second kind, order 0.

    >>> torch.special.bessel_y0(torch.tensor([1.0]))
    tensor([0.0883])
    """

    name = "bessel_y0"
    domain = serves("f", "bessel_y0_cpu")
    forward = in_double(bessel.y0_kernel)


class BesselY1(WithoutGradient):
    """bessel_y1(input, *, out=None) -> Tensor

    The Bessel function of the second kind, order 1.

    >>> torch.special.bessel_y1(torch.tensor([1.0]))
    tensor([-0.7812])
    """

    name = "bessel_y1"
    domain = serves("f", "bessel_y1_cpu")
    forward = in_double(bessel.y1_kernel)


class ModifiedBesselI0(WithoutGradient):
    """modified_bessel_i0(input, *, out=None) -> Tensor

    The modified Bessel function of the first kind, order 0.

    >>> torch.special.modified_bessel_i0(torch.tensor([1.0]))
    tensor([1.2661])
    """

    name = "modified_bessel_i0"
    domain = serves("f", "modified_bessel_i0_cpu")
    forward = in_double(bessel.i0_kernel)


class ModifiedBesselI1(WithoutGradient):
    """modified_bessel_i1(input, *, out=None) -> Tensor

    The modified Bessel function of the first kind, order 1.

    >>> torch.special.modified_bessel_i1(torch.tensor([1.0]))
    tensor([0.5652])
    """

    name = "modified_bessel_i1"
    domain = serves("f", "modified_bessel_i1_cpu")
    forward = in_double(bessel.i1_kernel)


class ModifiedBesselK0(WithoutGradient):
    """modified_bessel_k0(input, *, out=None) -> Tensor

    The modified Bessel function of the second kind, order 0.

    >>> torch.special.modified_bessel_k0(torch.tensor([1.0]))
    tensor([0.4210])
    """

    name = "modified_bessel_k0"
    domain = serves("f", "modified_bessel_k0_cpu")
    forward = in_double(bessel.k0_kernel)


class ModifiedBesselK1(WithoutGradient):
    """modified_bessel_k1(input, *, out=None) -> Tensor

    The modified Bessel function of the second kind, order 1.

    >>> torch.special.modified_bessel_k1(torch.tensor([1.0]))
    tensor([0.6019])
    """

    name = "modified_bessel_k1"
    domain = serves("f", "modified_bessel_k1_cpu")
    forward = in_double(bessel.k1_kernel)


class ScaledModifiedBesselK0(WithoutGradient):
    """scaled_modified_bessel_k0(input, *, out=None) -> Tensor

    ``exp(x)`` times the modified Bessel function of the second kind, order 0.

    >>> torch.special.scaled_modified_bessel_k0(torch.tensor([1.0]))
    tensor([1.1445])
    """

    name = "scaled_modified_bessel_k0"
    domain = serves("f", "scaled_modified_bessel_k0_cpu")
    forward = in_double(bessel.k0e_kernel)


class ScaledModifiedBesselK1(WithoutGradient):
    """scaled_modified_bessel_k1(input, *, out=None) -> Tensor

    ``exp(x)`` times the modified Bessel function of the second kind, order 1.

    >>> torch.special.scaled_modified_bessel_k1(torch.tensor([1.0]))
    tensor([1.6362])
    """

    name = "scaled_modified_bessel_k1"
    domain = serves("f", "scaled_modified_bessel_k1_cpu")
    forward = in_double(bessel.k1e_kernel)


class SphericalBesselJ0(WithoutGradient):
    """spherical_bessel_j0(input, *, out=None) -> Tensor

    ``sin(x) / x``, the spherical Bessel function of the first kind, order 0.

    >>> torch.special.spherical_bessel_j0(torch.tensor([0.0, 1.0]))
    tensor([1.0000, 0.8415])
    """

    name = "spherical_bessel_j0"
    domain = serves("f", "spherical_bessel_j0_cpu")
    forward = in_double(bessel.spherical_j0_kernel)


class AiryAi(WithoutGradient):
    """airy_ai(input, *, out=None) -> Tensor

    Airy's function Ai.

    >>> torch.special.airy_ai(torch.tensor([0.0, 1.0]))
    tensor([0.3550, 0.1353])
    """

    domain = serves("f", "airy_ai_cpu")
    forward = in_double(bessel.airy_ai_kernel)


# ---- orthogonal polynomials ------------------------------------------------------------------------


class Polynomial(Binary, family=True):
    """A polynomial in ``input`` whose degree is ``n``, element by element; 0 for a negative degree."""

    tensors = ("input", "n")
    promote = "float"
    public = SPECIAL
    inplace = False
    differentiable = False  # PyTorch has no derivative for these


class ChebyshevPolynomialT(Polynomial):
    """chebyshev_polynomial_t(input, n, *, out=None) -> Tensor

    Chebyshev's polynomial of the first kind: ``cos(n acos(x))``.

    >>> torch.special.chebyshev_polynomial_t(torch.tensor([0.5]), 2)
    tensor([-0.5000])
    """

    name = "chebyshev_polynomial_t"
    domain = serves("f", "chebyshev_polynomial_t_cpu")
    forward = in_double(polynomials.chebyshev_t_kernel)


class ChebyshevPolynomialU(Polynomial):
    """chebyshev_polynomial_u(input, n, *, out=None) -> Tensor

    Chebyshev's polynomial of the second kind.

    >>> torch.special.chebyshev_polynomial_u(torch.tensor([0.5]), 3)
    tensor([-1.])
    """

    name = "chebyshev_polynomial_u"
    domain = serves("f", "chebyshev_polynomial_u_cpu")
    forward = in_double(polynomials.chebyshev_u_kernel)


class ChebyshevPolynomialV(Polynomial):
    """chebyshev_polynomial_v(input, n, *, out=None) -> Tensor

    Chebyshev's polynomial of the third kind.

    >>> torch.special.chebyshev_polynomial_v(torch.tensor([0.5]), 2)
    tensor([-1.])
    """

    name = "chebyshev_polynomial_v"
    domain = serves("f", "chebyshev_polynomial_v_cpu")
    forward = in_double(polynomials.chebyshev_v_kernel)


class ChebyshevPolynomialW(Polynomial):
    """chebyshev_polynomial_w(input, n, *, out=None) -> Tensor

    Chebyshev's polynomial of the fourth kind.

    >>> torch.special.chebyshev_polynomial_w(torch.tensor([0.5]), 2)
    tensor([1.])
    """

    name = "chebyshev_polynomial_w"
    domain = serves("f", "chebyshev_polynomial_w_cpu")
    forward = in_double(polynomials.chebyshev_w_kernel)


class ShiftedChebyshevPolynomialT(Polynomial):
    """shifted_chebyshev_polynomial_t(input, n, *, out=None) -> Tensor

    Chebyshev's polynomial of the first kind at ``2 x - 1``.

    >>> torch.special.shifted_chebyshev_polynomial_t(torch.tensor([0.75]), 2)
    tensor([-0.5000])
    """

    name = "shifted_chebyshev_polynomial_t"
    domain = serves("f", "shifted_chebyshev_polynomial_t_cpu")
    forward = in_double(polynomials.shifted(polynomials.chebyshev_t_kernel))


class ShiftedChebyshevPolynomialU(Polynomial):
    """shifted_chebyshev_polynomial_u(input, n, *, out=None) -> Tensor

    Chebyshev's polynomial of the second kind at ``2 x - 1``.

    >>> torch.special.shifted_chebyshev_polynomial_u(torch.tensor([0.75]), 3)
    tensor([-1.])
    """

    name = "shifted_chebyshev_polynomial_u"
    domain = serves("f", "shifted_chebyshev_polynomial_u_cpu")
    forward = in_double(polynomials.shifted(polynomials.chebyshev_u_kernel))


class ShiftedChebyshevPolynomialV(Polynomial):
    """shifted_chebyshev_polynomial_v(input, n, *, out=None) -> Tensor

    Chebyshev's polynomial of the third kind at ``2 x - 1``.

    >>> torch.special.shifted_chebyshev_polynomial_v(torch.tensor([0.75]), 2)
    tensor([-1.])
    """

    name = "shifted_chebyshev_polynomial_v"
    domain = serves("f", "shifted_chebyshev_polynomial_v_cpu")
    forward = in_double(polynomials.shifted(polynomials.chebyshev_v_kernel))


class ShiftedChebyshevPolynomialW(Polynomial):
    """shifted_chebyshev_polynomial_w(input, n, *, out=None) -> Tensor

    Chebyshev's polynomial of the fourth kind at ``2 x - 1``.

    >>> torch.special.shifted_chebyshev_polynomial_w(torch.tensor([0.75]), 2)
    tensor([1.])
    """

    name = "shifted_chebyshev_polynomial_w"
    domain = serves("f", "shifted_chebyshev_polynomial_w_cpu")
    forward = in_double(polynomials.shifted(polynomials.chebyshev_w_kernel))


class HermitePolynomialH(Polynomial):
    """hermite_polynomial_h(input, n, *, out=None) -> Tensor

    The physicists' Hermite polynomial.

    >>> torch.special.hermite_polynomial_h(torch.tensor([0.5]), 2)
    tensor([-1.])
    """

    name = "hermite_polynomial_h"
    domain = serves("f", "hermite_polynomial_h_cpu")
    forward = in_double(polynomials.hermite_h_kernel)


class HermitePolynomialHe(Polynomial):
    """hermite_polynomial_he(input, n, *, out=None) -> Tensor

    The probabilists' Hermite polynomial.

    >>> torch.special.hermite_polynomial_he(torch.tensor([0.5]), 2)
    tensor([-0.7500])
    """

    name = "hermite_polynomial_he"
    domain = serves("f", "hermite_polynomial_he_cpu")
    forward = in_double(polynomials.hermite_he_kernel)


class LaguerrePolynomialL(Polynomial):
    """laguerre_polynomial_l(input, n, *, out=None) -> Tensor

    Laguerre's polynomial.

    >>> torch.special.laguerre_polynomial_l(torch.tensor([0.5]), 2)
    tensor([0.1250])
    """

    name = "laguerre_polynomial_l"
    domain = serves("f", "laguerre_polynomial_l_cpu")
    forward = in_double(polynomials.laguerre_l_kernel)


class LegendrePolynomialP(Polynomial):
    """legendre_polynomial_p(input, n, *, out=None) -> Tensor

    Legendre's polynomial.

    >>> torch.special.legendre_polynomial_p(torch.tensor([0.5]), 2)
    tensor([-0.1250])
    """

    name = "legendre_polynomial_p"
    domain = serves("f", "legendre_polynomial_p_cpu")
    forward = in_double(polynomials.legendre_p_kernel)


also(
    "special",
    gammaln=Lgamma,
    psi=Digamma,
    multigammaln=Mvlgamma,
    gammainc=Igamma,
    gammaincc=Igammac,
)
