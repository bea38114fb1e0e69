"""Kullback-Leibler divergences between different families."""

import math
from collections.abc import Callable
from typing import Any

from rushlight import _api as torch
from rushlight.distributions.bernoulli import Bernoulli
from rushlight.distributions.beta import Beta
from rushlight.distributions.binomial import Binomial
from rushlight.distributions.continuous_bernoulli import ContinuousBernoulli
from rushlight.distributions.exponential import Exponential
from rushlight.distributions.gamma import Gamma
from rushlight.distributions.gumbel import Gumbel
from rushlight.distributions.kl_registry import register_kl
from rushlight.distributions.laplace import Laplace
from rushlight.distributions.normal import Normal
from rushlight.distributions.pareto import Pareto
from rushlight.distributions.poisson import Poisson
from rushlight.distributions.uniform import Uniform
from rushlight.distributions.utils import euler_constant

Tensor = torch.Tensor
HALF_LOG_2PI = 0.5 * math.log(2 * math.pi)


def _infinite(tensor: Tensor) -> Tensor:
    return torch.full_like(tensor, torch.inf)


# p gives probability to values that q excludes: the divergence is infinite. The attribute has the
# shape of the result.
_INFINITE = [
    (Beta, Pareto, "concentration1"),
    (ContinuousBernoulli, Pareto, "probs"),
    (Exponential, Beta, "rate"),
    (Exponential, ContinuousBernoulli, "rate"),
    (Exponential, Pareto, "rate"),
    (Exponential, Uniform, "rate"),
    (Gamma, Beta, "concentration"),
    (Gamma, ContinuousBernoulli, "concentration"),
    (Gamma, Pareto, "concentration"),
    (Gamma, Uniform, "concentration"),
    (Gumbel, Beta, "loc"),
    (Gumbel, ContinuousBernoulli, "loc"),
    (Gumbel, Exponential, "loc"),
    (Gumbel, Gamma, "loc"),
    (Gumbel, Pareto, "loc"),
    (Gumbel, Uniform, "loc"),
    (Laplace, Beta, "loc"),
    (Laplace, ContinuousBernoulli, "loc"),
    (Laplace, Exponential, "loc"),
    (Laplace, Gamma, "loc"),
    (Laplace, Pareto, "loc"),
    (Laplace, Uniform, "loc"),
    (Normal, Beta, "loc"),
    (Normal, ContinuousBernoulli, "loc"),
    (Normal, Exponential, "loc"),
    (Normal, Gamma, "loc"),
    (Normal, Pareto, "loc"),
    (Normal, Uniform, "loc"),
    (Pareto, Beta, "scale"),
    (Pareto, ContinuousBernoulli, "scale"),
    (Pareto, Uniform, "scale"),
    (Poisson, Bernoulli, "rate"),
    (Poisson, Binomial, "rate"),
]


def _infinite_by(name: str) -> Callable[[Any, Any], torch.Tensor]:
    return lambda p, q: _infinite(getattr(p, name))


for _p, _q, _name in _INFINITE:
    register_kl(_p, _q)(_infinite_by(_name))


@register_kl(Bernoulli, Poisson)
def _kl_bernoulli_poisson(p: Any, q: Any) -> Tensor:
    return -p.entropy() - (p.probs * q.rate.log() - q.rate)


# ---- from Beta -----------------------------------------------------------------------------------


@register_kl(Beta, ContinuousBernoulli)
def _kl_beta_continuous_bernoulli(p: Any, q: Any) -> Tensor:
    norm = torch.log1p(-q.probs) + q._cont_bern_log_norm()
    return -p.entropy() - p.mean * q.logits - norm


@register_kl(Beta, Exponential)
def _kl_beta_exponential(p: Any, q: Any) -> Tensor:
    mean = p.concentration1 / (p.concentration1 + p.concentration0)
    return -p.entropy() - q.rate.log() + q.rate * mean


@register_kl(Beta, Gamma)
def _kl_beta_gamma(p: Any, q: Any) -> Tensor:
    total = p.concentration1 + p.concentration0
    norm = q.concentration.lgamma() - q.concentration * q.rate.log()
    mean_log = p.concentration1.digamma() - total.digamma()
    power = (q.concentration - 1) * mean_log
    return -p.entropy() + norm - power + q.rate * p.concentration1 / total


@register_kl(Beta, Normal)
def _kl_beta_normal(p: Any, q: Any) -> Tensor:
    mean, square = p.mean, q.scale.pow(2)
    norm = 0.5 * (square * 2 * math.pi).log()
    second = p.variance + mean.pow(2)
    return -p.entropy() + norm + (second * 0.5 - mean * q.loc + q.loc.pow(2) * 0.5) / square


@register_kl(Beta, Uniform)
def _kl_beta_uniform(p: Any, q: Any) -> Tensor:
    result = -p.entropy() + (q.high - q.low).log()
    result[(q.low > p.support.lower_bound) | (q.high < p.support.upper_bound)] = torch.inf
    return result


# ---- from ContinuousBernoulli --------------------------------------------------------------------


@register_kl(ContinuousBernoulli, Exponential)
def _kl_continuous_bernoulli_exponential(p: Any, q: Any) -> Tensor:
    return -p.entropy() - torch.log(q.rate) + q.rate * p.mean


@register_kl(ContinuousBernoulli, Normal)
def _kl_continuous_bernoulli_normal(p: Any, q: Any) -> Tensor:
    norm = HALF_LOG_2PI + torch.square(q.loc / q.scale) / 2 + torch.log(q.scale)
    square = torch.square(q.scale)
    second = p.variance + torch.square(p.mean)
    return -p.entropy() + norm + (second - 2 * q.loc * p.mean) / (2 * square)


@register_kl(ContinuousBernoulli, Uniform)
def _kl_continuous_bernoulli_uniform(p: Any, q: Any) -> Tensor:
    result = -p.entropy() + (q.high - q.low).log()
    outside = torch.max(
        torch.ge(q.low, p.support.lower_bound), torch.le(q.high, p.support.upper_bound)
    )
    return torch.where(outside, torch.ones_like(result) * torch.inf, result)


# ---- from Exponential ----------------------------------------------------------------------------


@register_kl(Exponential, Gamma)
def _kl_exponential_gamma(p: Any, q: Any) -> Tensor:
    ratio = q.rate / p.rate
    norm = -q.concentration * torch.log(ratio)
    power = q.concentration.lgamma() + q.concentration * euler_constant
    return norm + ratio + power - (1 + euler_constant)


@register_kl(Exponential, Gumbel)
def _kl_exponential_gumbel(p: Any, q: Any) -> Tensor:
    product, shift = p.rate * q.scale, q.loc / q.scale
    tail = torch.exp(shift) * product / (product + 1)
    return product.log() - 1 - shift + product.reciprocal() + tail


@register_kl(Exponential, Normal)
def _kl_exponential_normal(p: Any, q: Any) -> Tensor:
    square = q.scale.pow(2)
    norm = 0.5 * torch.log(p.rate.pow(2) * square * 2 * math.pi)
    mean = p.rate.reciprocal()
    return norm - 1 + (mean.pow(2) - mean * q.loc + q.loc.pow(2) * 0.5) / square


# ---- from Gamma ----------------------------------------------------------------------------------


def _negative_gamma_entropy(p: Any) -> Tensor:
    k = p.concentration
    return -k + p.rate.log() - k.lgamma() - (1 - k) * k.digamma()


@register_kl(Gamma, Exponential)
def _kl_gamma_exponential(p: Any, q: Any) -> Tensor:
    return -p.entropy() - q.rate.log() + q.rate * p.concentration / p.rate


@register_kl(Gamma, Gumbel)
def _kl_gamma_gumbel(p: Any, q: Any) -> Tensor:
    product, shift = p.rate * q.scale, q.loc / q.scale
    k = p.concentration
    entropy = (k - 1) * k.digamma() - k.lgamma() - k
    tail = torch.exp(shift) * (1 + product.reciprocal()).pow(-k)
    return entropy + product.log() + k / product - shift + tail


@register_kl(Gamma, Normal)
def _kl_gamma_normal(p: Any, q: Any) -> Tensor:
    square, k = q.scale.pow(2), p.concentration
    norm = 0.5 * torch.log(p.rate.pow(2) * square * 2 * math.pi) - k - k.lgamma()
    mean = k / p.rate
    second = 0.5 * (k.pow(2) + k) / p.rate.pow(2) - q.loc * mean + 0.5 * q.loc.pow(2)
    return norm + (k - 1) * k.digamma() + second / square


# ---- from Gumbel, Laplace, Normal, Pareto --------------------------------------------------------


@register_kl(Gumbel, Normal)
def _kl_gumbel_normal(p: Any, q: Any) -> Tensor:
    ratio = p.scale / q.scale
    norm = -(ratio / math.sqrt(2 * math.pi)).log()
    spread = (math.pi * ratio * 0.5).pow(2) / 3
    away = (p.loc + p.scale * euler_constant - q.loc) / q.scale
    return norm + spread + away.pow(2) * 0.5 - (euler_constant + 1)


@register_kl(Laplace, Normal)
def _kl_laplace_normal(p: Any, q: Any) -> Tensor:
    square = q.scale.pow(2)
    ratio = p.scale.pow(2) / square
    norm = 0.5 * torch.log(2 * ratio / math.pi)
    shift = 0.5 * p.loc.pow(2) - p.loc * q.loc + 0.5 * q.loc.pow(2)
    return -norm + ratio + shift / square - 1


@register_kl(Normal, Gumbel)
def _kl_normal_gumbel(p: Any, q: Any) -> Tensor:
    shift, ratio = (p.loc - q.loc) / q.scale, (p.scale / q.scale).pow(2)
    tail = torch.exp(-shift + 0.5 * ratio)
    return shift + tail - 0.5 * ratio.log() - 0.5 * (1 + math.log(2 * math.pi))


@register_kl(Normal, Laplace)
def _kl_normal_laplace(p: Any, q: Any) -> Tensor:
    away = p.loc - q.loc
    z = away / p.scale
    folded = math.sqrt(2 / math.pi) * p.scale * torch.exp(-0.5 * z.pow(2))
    mean = folded + away * torch.erf(math.sqrt(0.5) * z)
    norm = -torch.log(p.scale / q.scale) - 0.5 * math.log(math.pi * 0.5)
    return norm + mean / q.scale - 0.5


@register_kl(Pareto, Exponential)
def _kl_pareto_exponential(p: Any, q: Any) -> Tensor:
    product = p.scale * q.rate
    mean = p.alpha * product / (p.alpha - 1)
    result = (p.alpha / product).log() - p.alpha.reciprocal() + mean - 1
    result[p.alpha <= 1] = torch.inf
    return result


@register_kl(Pareto, Gamma)
def _kl_pareto_gamma(p: Any, q: Any) -> Tensor:
    mean_log = p.scale.log() + p.alpha.reciprocal()
    norm = q.concentration.lgamma() - q.concentration * q.rate.log()
    power = (1 - q.concentration) * mean_log
    mean = q.rate * p.alpha * p.scale / (p.alpha - 1)
    result = p.alpha.log() - mean_log + norm + power + mean - 1
    result[p.alpha <= 1] = torch.inf
    return result


@register_kl(Pareto, Normal)
def _kl_pareto_normal(p: Any, q: Any) -> Tensor:
    square, less = 2 * q.scale.pow(2), p.alpha - 1
    norm = (math.sqrt(2 * math.pi) * q.scale / p.scale * p.alpha).log()
    variance = p.alpha * p.scale.pow(2) / (less.pow(2) * (p.alpha - 2))
    mean = p.alpha * p.scale / less
    result = norm - p.alpha.reciprocal() + (variance + (mean - q.loc).pow(2)) / square - 1
    result[p.alpha <= 2] = torch.inf
    return result


# ---- from Uniform --------------------------------------------------------------------------------


def _mean_log(low: Tensor, high: Tensor) -> Tensor:
    """The mean of log(x) for x uniform on [low, high]."""
    return (torch.xlogy(high, high) - torch.xlogy(low, low)) / (high - low) - 1


@register_kl(Uniform, Beta)
def _kl_uniform_beta(p: Any, q: Any) -> Tensor:
    width = p.high - p.low
    lower = (q.concentration1 - 1) * _mean_log(p.low, p.high)
    upper = (q.concentration0 - 1) * _mean_log(1 - p.high, 1 - p.low)
    total = q.concentration1 + q.concentration0
    norm = q.concentration1.lgamma() + q.concentration0.lgamma() - total.lgamma()
    result = norm - width.log() - lower - upper
    result[(p.high > q.support.upper_bound) | (p.low < q.support.lower_bound)] = torch.inf
    return result


@register_kl(Uniform, ContinuousBernoulli)
def _kl_uniform_continuous_bernoulli(p: Any, q: Any) -> Tensor:
    norm = q._cont_bern_log_norm() + torch.log1p(-q.probs)
    result = -p.entropy() - p.mean * q.logits - norm
    outside = torch.max(
        torch.ge(p.high, q.support.upper_bound), torch.le(p.low, q.support.lower_bound)
    )
    return torch.where(outside, torch.ones_like(result) * torch.inf, result)


@register_kl(Uniform, Exponential)
def _kl_uniform_exponential(p: Any, q: Any) -> Tensor:
    result = q.rate * (p.high + p.low) / 2 - ((p.high - p.low) * q.rate).log()
    result[p.low < q.support.lower_bound] = torch.inf
    return result


@register_kl(Uniform, Gamma)
def _kl_uniform_gamma(p: Any, q: Any) -> Tensor:
    norm = q.concentration.lgamma() - q.concentration * q.rate.log()
    power = (1 - q.concentration) * _mean_log(p.low, p.high)
    result = -(p.high - p.low).log() + norm + power + q.rate * (p.high + p.low) / 2
    result[p.low < q.support.lower_bound] = torch.inf
    return result


@register_kl(Uniform, Gumbel)
def _kl_uniform_gumbel(p: Any, q: Any) -> Tensor:
    ratio = q.scale / (p.high - p.low)
    high, low = (p.high - q.loc) / q.scale, (p.low - q.loc) / q.scale
    return ratio.log() + 0.5 * (high + low) - ratio * (torch.exp(-high) - torch.exp(-low))


@register_kl(Uniform, Normal)
def _kl_uniform_normal(p: Any, q: Any) -> Tensor:
    width = p.high - p.low
    norm = (math.sqrt(math.pi * 2) * q.scale / width).log()
    spread = width.pow(2) / 12
    away = ((p.high + p.low - 2 * q.loc) / 2).pow(2)
    return norm + 0.5 * (spread + away) / q.scale.pow(2)


@register_kl(Uniform, Pareto)
def _kl_uniform_pareto(p: Any, q: Any) -> Tensor:
    norm = (q.alpha * q.scale.pow(q.alpha) * (p.high - p.low)).log()
    result = (q.alpha + 1) * _mean_log(p.low, p.high) - norm
    result[p.low < q.support.lower_bound] = torch.inf
    return result
