"""Gamma and Dirichlet numbers, differentiable in their parameters.

A sample x of a cumulative distribution F(x; a) moves with the parameter a so that F stays the same:
dx/da = -(dF/da) / (dF/dx) (Figurnov, Mohamed and Mnih 2018, implicit reparametrization). Both
quotients are sums of a series here, computed in float64.
"""

import numpy as np

from rushlight._core import generator as draws
from rushlight._core.op import Op, public
from rushlight._core.tensor import wrap
from rushlight._ops.factory import need_tensor
from rushlight._ops.random import check_generator, check_kind
from rushlight._ops.special_gamma import digamma_kernel

LARGE = 1000.0  # from this shape parameter on the series is long and the expansion exact
MOST_TERMS = 20_000


# ---- series --------------------------------------------------------------------------------------


def _sum_series(xp, ratio, factor, step, size):
    """Σ t_n f_n with t_0 = 1, t_n = t_(n-1) ratio(n), f_n = f_(n-1) + step(n)."""
    term, total = xp.ones(size), factor.copy()
    for n in range(1, MOST_TERMS):
        term = term * ratio(n)
        factor = factor + step(n)
        change = term * factor
        total = total + change
        if n % 8 == 0 and bool(xp.all((ratio(n) < 1) & (xp.abs(change) <= 1e-13 * xp.abs(total)))):
            break
    return total


def gamma_slope(xp, a, x):
    """dx/da of x drawn from Gamma(a, 1), one dimension, float64.

    P(a, x) = Σ xᵃ⁺ⁿ e⁻ˣ / Γ(a + n + 1) (DLMF 8.11.4), term by term.
    """
    result = xp.empty_like(x)
    large = a > LARGE
    result[large] = _large_gamma_slope(xp, a[large], x[large])
    a, x = a[~large], x[~large]
    start = digamma_kernel(xp, a + 1) - xp.log(x)
    total = _sum_series(xp, lambda n: x / (a + n), start, lambda n: 1 / (a + n), x.shape)
    result[~large] = total * x / a
    return result


def _large_gamma_slope(xp, a, x):
    """Cornish and Fisher's expansion of the quantile at a normal score z, and its derivative.

    x = a + z √a + (z² - 1)/3 + (z³ - 7z)/(36 √a) - (3z⁴ + 7z² - 16)/(810 a) + ...
    """
    root = xp.sqrt(a)
    z = (x - a) / root
    for _ in range(4):
        quantile = (
            a
            + z * root
            + (z**2 - 1) / 3
            + (z**3 - 7 * z) / (36 * root)
            - (3 * z**4 + 7 * z**2 - 16) / (810 * a)
        )
        slope = root + 2 * z / 3 + (3 * z**2 - 7) / (36 * root)
        z = z - (quantile - x) / slope
    third = (z**3 - 7 * z) / (72 * a * root)
    return 1 + z / (2 * root) - third + (3 * z**4 + 7 * z**2 - 16) / (810 * a**2)


def beta_slope(xp, x, a, b):
    """dx/da / (1 - x) of x drawn from Beta(a, b), one dimension, float64.

    I_x(a, b) = xᵃ (1 - x)ᵇ / (a B(a, b)) Σ (a + b)_n / (a + 1)_n xⁿ (DLMF 8.17.8), or one minus the
    same from the other side, whichever series is shorter.
    """
    y = 1 - x
    total = a + b
    below = xp.maximum(total / (a + 1) * x, x) <= xp.maximum(total / (b + 1) * y, y)
    result = xp.empty_like(x)
    for side, pick in ((True, below), (False, ~below)):
        if pick.any():
            result[pick] = _beta_side(xp, side, x[pick], a[pick], b[pick])
    return result


def _beta_side(xp, below, x, a, b):
    total = a + b
    near, far = (x, a) if below else (1 - x, b)
    start = xp.log(x) + digamma_kernel(xp, total) - digamma_kernel(xp, a + 1 if below else a)

    def step(n):
        grown = 1 / (total + n - 1)
        return grown - 1 / (a + n) if below else grown

    series = _sum_series(xp, lambda n: (total + n - 1) / (far + n) * near, start, step, x.shape)
    return -series * x / a if below else series * x / b


def _in_float64(xp, kernel, like, *arrays):
    """``kernel`` over flat float64 arrays, in ``like``'s shape and dtype."""
    wide = xp.broadcast_arrays(*(xp.asarray(v, np.float64) for v in arrays))
    flat = [xp.ascontiguousarray(v).reshape(-1) for v in wide]
    return kernel(xp, *flat).reshape(wide[0].shape).astype(like.dtype)


# ---- records -------------------------------------------------------------------------------------


class StandardGammaGrad(Op):
    """_standard_gamma_grad(input, output) -> Tensor

    How a gamma number ``output`` moves with its shape parameter ``input``.
    """

    name = "_standard_gamma_grad"
    tensors = ("input", "output")
    public = ("torch",)
    differentiable = False  # nor is it in PyTorch: the second derivative is not implemented

    def forward(xp, input, output):
        return _in_float64(xp, gamma_slope, output, input, output)


class DirichletGrad(Op):
    """_dirichlet_grad(x, alpha, total) -> Tensor

    How an element ``x`` of a Dirichlet vector moves with its concentration ``alpha``, over 1 - x;
    ``total`` is the sum of all concentrations.
    """

    name = "_dirichlet_grad"
    tensors = ("x", "alpha", "total")
    public = ("torch",)
    differentiable = False  # nor is it in PyTorch: the second derivative is not implemented

    def forward(xp, x, alpha, total):
        rest = xp.asarray(total, np.float64) - alpha
        return _in_float64(xp, beta_slope, x, x, alpha, rest)


class StandardGamma(Op):
    """The gamma number ``sample`` of shape ``input``, with its gradient."""

    tensors = ("input", "sample")
    promote = "keep"
    public = ()
    grad_name = "StandardGammaBackward0"

    def forward(xp, input, sample):
        return sample

    def vjp_input(g, input, result):
        return g * StandardGammaGrad.call(input, result)


class SampleDirichlet(Op):
    """The Dirichlet vector ``sample`` of concentrations ``input``, with its gradient."""

    tensors = ("input", "sample")
    promote = "keep"
    public = ()
    grad_name = "SampleDirichletBackward0"

    def forward(xp, input, sample):
        return sample

    def vjp_input(g, input, result):
        total = input.sum(-1, True).expand(input.shape)
        slope = DirichletGrad.call(result, input, total)
        return slope * (g - (result * g).sum(-1, True))


@public("torch", out=False)
def _standard_gamma(input, generator=None):
    """_standard_gamma(input, generator=None) -> Tensor

    Gamma numbers of scale 1, each element of ``input`` being a shape parameter; differentiable.
    """
    need_tensor("_standard_gamma", "input", input)
    check_generator("_standard_gamma", generator)
    check_kind("gamma_cpu", input._data.dtype, "f")
    return StandardGamma.call(input, wrap(draws.by_parameter(generator, "gamma", input._data)))


@public("torch", out=False)
def _sample_dirichlet(input, generator=None):
    """_sample_dirichlet(input, generator=None) -> Tensor

    Dirichlet vectors along the last dimension of ``input``, the concentrations; differentiable.
    """
    need_tensor("_sample_dirichlet", "input", input)
    check_generator("_sample_dirichlet", generator)
    d = input._data.dtype
    check_kind("dirichlet", d, "f")
    numbers = draws.by_parameter(generator, "gamma", input._data.astype(np.float64))
    sample = (numbers / numbers.sum(-1, keepdims=True)).astype(d)
    wide = np.float32 if d.itemsize < 4 else d.type
    largest = np.nextafter(wide(1), wide(0))
    sample = np.clip(sample, np.finfo(wide).tiny, largest).astype(d)
    return SampleDirichlet.call(input, wrap(sample))
