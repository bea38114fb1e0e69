"""Kullback-Leibler divergences within a family."""

from typing import Any

from rushlight import _api as torch
from rushlight import autograd, linalg
from rushlight.distributions.bernoulli import Bernoulli
from rushlight.distributions.beta import Beta
from rushlight.distributions.binomial import Binomial
from rushlight.distributions.categorical import Categorical
from rushlight.distributions.cauchy import Cauchy
from rushlight.distributions.continuous_bernoulli import ContinuousBernoulli
from rushlight.distributions.dirichlet import Dirichlet
from rushlight.distributions.exp_family import ExponentialFamily
from rushlight.distributions.exponential import Exponential
from rushlight.distributions.gamma import Gamma
from rushlight.distributions.geometric import Geometric
from rushlight.distributions.gumbel import Gumbel
from rushlight.distributions.half_normal import HalfNormal
from rushlight.distributions.independent import Independent
from rushlight.distributions.kl_registry import kl_divergence, register_kl
from rushlight.distributions.laplace import Laplace
from rushlight.distributions.lowrank_multivariate_normal import (
    LowRankMultivariateNormal,
    _batch_lowrank_logdet,
    _batch_lowrank_mahalanobis,
)
from rushlight.distributions.multivariate_normal import MultivariateNormal, _batch_mahalanobis
from rushlight.distributions.normal import Normal
from rushlight.distributions.one_hot_categorical import OneHotCategorical
from rushlight.distributions.pareto import Pareto
from rushlight.distributions.poisson import Poisson
from rushlight.distributions.transformed_distribution import TransformedDistribution
from rushlight.distributions.uniform import Uniform
from rushlight.distributions.utils import _sum_rightmost, euler_constant
from rushlight.nn import functional as F

Tensor = torch.Tensor
# PyTorch's texts hold the indentation of their second line.
_OTHER_FAMILIES = (
    "The cross KL-divergence between different exponential families cannot "
    + " " * 28
    + "be computed using Bregman divergences"
)
_OTHER_SHAPES = "with" + " " * 26 + "different event shapes cannot be computed"


# ---- discrete ------------------------------------------------------------------------------------


@register_kl(Bernoulli, Bernoulli)
def _kl_bernoulli_bernoulli(p: Any, q: Any) -> Tensor:
    ones = p.probs * (F.softplus(-q.logits) - F.softplus(-p.logits))
    ones[q.probs == 0] = torch.inf
    ones[p.probs == 0] = 0
    zeros = (1 - p.probs) * (F.softplus(q.logits) - F.softplus(p.logits))
    zeros[q.probs == 1] = torch.inf
    zeros[p.probs == 1] = 0
    return ones + zeros


@register_kl(Binomial, Binomial)
def _kl_binomial_binomial(p: Any, q: Any) -> Tensor:
    if (p.total_count < q.total_count).any():
        raise NotImplementedError(
            "KL between Binomials where q.total_count > p.total_count is not implemented"
        )
    trial = p.probs * (p.logits - q.logits) + (-p.probs).log1p() - (-q.probs).log1p()
    kl = p.total_count * trial
    kl[p.total_count > q.total_count] = torch.inf
    return kl


@register_kl(Categorical, Categorical)
def _kl_categorical_categorical(p: Any, q: Any) -> Tensor:
    t = p.probs * (p.logits - q.logits)
    t[(q.probs == 0).expand_as(t)] = torch.inf
    t[(p.probs == 0).expand_as(t)] = 0
    return t.sum(-1)


@register_kl(OneHotCategorical, OneHotCategorical)
def _kl_onehotcategorical_onehotcategorical(p: Any, q: Any) -> Tensor:
    return _kl_categorical_categorical(p._categorical, q._categorical)


@register_kl(Geometric, Geometric)
def _kl_geometric_geometric(p: Any, q: Any) -> Tensor:
    return -p.entropy() - torch.log1p(-q.probs) / p.probs - q.logits


@register_kl(Poisson, Poisson)
def _kl_poisson_poisson(p: Any, q: Any) -> Tensor:
    return p.rate * (p.rate.log() - q.rate.log()) - (p.rate - q.rate)


# ---- continuous ----------------------------------------------------------------------------------


@register_kl(Beta, Beta)
def _kl_beta_beta(p: Any, q: Any) -> Tensor:
    total_p = p.concentration1 + p.concentration0
    total_q = q.concentration1 + q.concentration0
    norm_q = q.concentration1.lgamma() + q.concentration0.lgamma() + total_p.lgamma()
    norm_p = p.concentration1.lgamma() + p.concentration0.lgamma() + total_q.lgamma()
    slope1 = (p.concentration1 - q.concentration1) * torch.digamma(p.concentration1)
    slope0 = (p.concentration0 - q.concentration0) * torch.digamma(p.concentration0)
    return norm_q - norm_p + slope1 + slope0 + (total_q - total_p) * torch.digamma(total_p)


@register_kl(ContinuousBernoulli, ContinuousBernoulli)
def _kl_continuous_bernoulli_continuous_bernoulli(p: Any, q: Any) -> Tensor:
    means = p.mean * (p.logits - q.logits)
    norm_p = p._cont_bern_log_norm() + torch.log1p(-p.probs)
    norm_q = q._cont_bern_log_norm() + torch.log1p(-q.probs)
    return means + norm_p - norm_q


@register_kl(Dirichlet, Dirichlet)
def _kl_dirichlet_dirichlet(p: Any, q: Any) -> Tensor:
    total_p, total_q = p.concentration.sum(-1), q.concentration.sum(-1)
    totals = total_p.lgamma() - total_q.lgamma()
    parts = (p.concentration.lgamma() - q.concentration.lgamma()).sum(-1)
    slope = p.concentration.digamma() - total_p.digamma().unsqueeze(-1)
    return totals - parts + ((p.concentration - q.concentration) * slope).sum(-1)


@register_kl(Exponential, Exponential)
def _kl_exponential_exponential(p: Any, q: Any) -> Tensor:
    ratio = q.rate / p.rate
    return -ratio.log() + ratio - 1


@register_kl(Gamma, Gamma)
def _kl_gamma_gamma(p: Any, q: Any) -> Tensor:
    rates = q.concentration * (p.rate / q.rate).log()
    norms = torch.lgamma(q.concentration) - torch.lgamma(p.concentration)
    slope = (p.concentration - q.concentration) * torch.digamma(p.concentration)
    return rates + norms + slope + (q.rate - p.rate) * (p.concentration / p.rate)


@register_kl(Gumbel, Gumbel)
def _kl_gumbel_gumbel(p: Any, q: Any) -> Tensor:
    scales, shift = p.scale / q.scale, (q.loc - p.loc) / q.scale
    t = -scales.log() - shift + scales * euler_constant
    return t + torch.exp(shift + (1 + scales).lgamma()) - (1 + euler_constant)


@register_kl(HalfNormal, HalfNormal)
def _kl_halfnormal_halfnormal(p: Any, q: Any) -> Tensor:
    return _kl_normal_normal(p.base_dist, q.base_dist)


@register_kl(Laplace, Laplace)
def _kl_laplace_laplace(p: Any, q: Any) -> Tensor:
    ratio, away = p.scale / q.scale, (p.loc - q.loc).abs()
    return -ratio.log() + away / q.scale + ratio * torch.exp(-away / p.scale) - 1


@register_kl(Normal, Normal)
def _kl_normal_normal(p: Any, q: Any) -> Tensor:
    ratio = (p.scale / q.scale).pow(2)
    shift = ((p.loc - q.loc) / q.scale).pow(2)
    return 0.5 * (ratio + shift - 1 - ratio.log())


@register_kl(Pareto, Pareto)
def _kl_pareto_pareto(p: Any, q: Any) -> Tensor:
    scales, alphas = p.scale / q.scale, q.alpha / p.alpha
    result = q.alpha * scales.log() - alphas.log() + alphas - 1
    result[p.support.lower_bound < q.support.lower_bound] = torch.inf
    return result


@register_kl(Uniform, Uniform)
def _kl_uniform_uniform(p: Any, q: Any) -> Tensor:
    result = ((q.high - q.low) / (p.high - p.low)).log()
    result[(q.low > p.low) | (q.high < p.high)] = torch.inf
    return result


@register_kl(Cauchy, Cauchy)
def _kl_cauchy_cauchy(p: Any, q: Any) -> Tensor:
    # Chyzak and Nielsen 2019
    t = ((p.scale + q.scale).pow(2) + (p.loc - q.loc).pow(2)).log()
    return t - (4 * p.scale * q.scale).log()


# ---- vectors -------------------------------------------------------------------------------------


def _need_same_event(p: Any, q: Any, names: str) -> None:
    if p.event_shape != q.event_shape:
        raise ValueError(f"KL-divergence between two {names} {_OTHER_SHAPES}")


def _trace_of_square(solved: Tensor) -> Tensor:
    return solved.pow(2).sum((-2, -1))


def _trace(scale: Tensor, matrix: Tensor) -> Tensor:
    """tr((L Lᵀ)⁻¹ M Mᵀ)."""
    return _trace_of_square(linalg.solve_triangular(scale, matrix, upper=False))


def _log_det(d: Any) -> Tensor:
    """log det of the covariance matrix."""
    if isinstance(d, LowRankMultivariateNormal):
        return _batch_lowrank_logdet(
            d._unbroadcasted_cov_factor, d._unbroadcasted_cov_diag, d._capacitance_tril
        )
    return 2 * d._unbroadcasted_scale_tril.diagonal(dim1=-2, dim2=-1).log().sum(-1)


def _distance(q: Any, x: Tensor) -> Tensor:
    """xᵀ Σ⁻¹ x."""
    if isinstance(q, LowRankMultivariateNormal):
        return _batch_lowrank_mahalanobis(
            q._unbroadcasted_cov_factor, q._unbroadcasted_cov_diag, x, q._capacitance_tril
        )
    return _batch_mahalanobis(q._unbroadcasted_scale_tril, x)


def _factors(p: Any) -> list[Tensor]:
    """Matrices whose products with their own transposes sum to the covariance matrix."""
    if isinstance(p, LowRankMultivariateNormal):
        root = torch.diag_embed(p._unbroadcasted_cov_diag.sqrt())
        return [p._unbroadcasted_cov_factor, root]
    return [p._unbroadcasted_scale_tril]


def _mean_distance(p: Any, q: Any) -> Tensor:
    """tr(Σq⁻¹ Σp)."""
    if not isinstance(q, LowRankMultivariateNormal):
        n = q._event_shape[0]
        shape = torch.broadcast_shapes(q._batch_shape, p._batch_shape)
        scale = q._unbroadcasted_scale_tril.expand((*shape, n, n))
        traces: list[Any] = [_trace(scale, f.expand((*shape, n, f.size(-1)))) for f in _factors(p)]
        return sum(traces)
    weight = q._unbroadcasted_cov_diag.unsqueeze(-1)
    projection = q._unbroadcasted_cov_factor.mT / weight.mT
    total: Any = 0
    for f in _factors(p):
        inner = linalg.solve_triangular(q._capacitance_tril, projection @ f, upper=False)
        total = total + (f.pow(2) / weight).sum((-2, -1)) - _trace_of_square(inner)
    return total


def _kl_normals(p: Any, q: Any) -> Tensor:
    logs = _log_det(q) - _log_det(p)
    distances = _mean_distance(p, q) + _distance(q, q.loc - p.loc)
    return 0.5 * (logs + distances - p.event_shape[0])


@register_kl(LowRankMultivariateNormal, LowRankMultivariateNormal)
def _kl_lowrank_lowrank(p: Any, q: Any) -> Tensor:
    _need_same_event(p, q, "Low Rank Multivariate Normals")
    return _kl_normals(p, q)


@register_kl(MultivariateNormal, LowRankMultivariateNormal)
def _kl_multivariatenormal_lowrank(p: Any, q: Any) -> Tensor:
    _need_same_event(p, q, "(Low Rank) Multivariate Normals")
    return _kl_normals(p, q)


@register_kl(LowRankMultivariateNormal, MultivariateNormal)
def _kl_lowrank_multivariatenormal(p: Any, q: Any) -> Tensor:
    _need_same_event(p, q, "(Low Rank) Multivariate Normals")
    return _kl_normals(p, q)


@register_kl(MultivariateNormal, MultivariateNormal)
def _kl_multivariatenormal_multivariatenormal(p: Any, q: Any) -> Tensor:
    _need_same_event(p, q, "Multivariate Normals")
    return _kl_normals(p, q)


# ---- of any family -------------------------------------------------------------------------------


@register_kl(ExponentialFamily, ExponentialFamily)
def _kl_expfamily_expfamily(p: Any, q: Any) -> Tensor:
    """The Bregman divergence of the log normalizer."""
    if type(p) is not type(q):
        raise NotImplementedError(_OTHER_FAMILIES)
    mine = [t.detach().requires_grad_() for t in p._natural_params]
    theirs = q._natural_params
    normalizer = p._log_normalizer(*mine)
    slopes = autograd.grad(normalizer.sum(), mine, create_graph=True)
    result = q._log_normalizer(*theirs) - normalizer
    for a, b, slope in zip(mine, theirs, slopes, strict=True):
        result = result - _sum_rightmost((b - a) * slope, len(q.event_shape))
    return result


@register_kl(TransformedDistribution, TransformedDistribution)
def _kl_transformed_transformed(p: Any, q: Any) -> Tensor:
    if p.transforms != q.transforms or p.event_shape != q.event_shape:
        raise NotImplementedError
    return kl_divergence(p.base_dist, q.base_dist)


@register_kl(Independent, Independent)
def _kl_independent_independent(p: Any, q: Any) -> Tensor:
    if p.reinterpreted_batch_ndims != q.reinterpreted_batch_ndims:
        raise NotImplementedError
    result = kl_divergence(p.base_dist, q.base_dist)
    return _sum_rightmost(result, p.reinterpreted_batch_ndims)
