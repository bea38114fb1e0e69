"""ContinuousBernoulli."""

import math
from typing import Any

from rushlight import _api as torch
from rushlight import special
from rushlight.distributions import constraints
from rushlight.distributions.exp_family import ExponentialFamily
from rushlight.distributions.odds import ShapedOddsParameter
from rushlight.distributions.utils import (
    Parameter,
    broadcast_all,
    clamp_probs,
    lazy_property,
    logits_to_probs,
)
from rushlight.nn import functional as F

__all__ = ["ContinuousBernoulli"]


class ContinuousBernoulli(ShapedOddsParameter, ExponentialFamily):
    """ContinuousBernoulli(probs=None, logits=None, lims=(0.499, 0.501), validate_args=None)

    The distribution on [0, 1] whose density is proportional to p^x (1 - p)^(1 - x) (Loaiza-Ganem
    and Cunningham 2019). Between ``lims`` series around 1/2 are used.

    >>> from rushlight.distributions import ContinuousBernoulli
    >>> ContinuousBernoulli(torch.tensor(0.5)).mean
    tensor(0.5000)
    """

    arg_constraints = {"probs": constraints.unit_interval, "logits": constraints.real}
    support = constraints.unit_interval
    _mean_carrier_measure = 0
    has_rsample = True

    def __init__(
        self,
        probs: Parameter | None = None,
        logits: Parameter | None = None,
        lims: tuple[float, float] = (0.499, 0.501),
        validate_args: bool | None = None,
    ) -> None:
        self._set_odds(probs, logits)
        if probs is not None:
            if validate_args is not None and not bool(
                self.arg_constraints["probs"].check(self.probs).all()
            ):
                raise ValueError("The parameter probs has invalid values")
            self.probs = self._param = clamp_probs(self.probs)
        self._lims = lims
        super().__init__(self._param.size(), validate_args=validate_args)

    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        """The same with its parameters expanded."""
        new = self._expanded_odds(ContinuousBernoulli, _instance, batch_shape)
        new._lims = self._lims
        return new

    def _outside_unstable_region(self) -> torch.Tensor:
        return torch.max(torch.le(self.probs, self._lims[0]), torch.gt(self.probs, self._lims[1]))

    def _cut_probs(self) -> torch.Tensor:
        """probs, moved to the edge of the unstable region inside it."""
        edge = self._lims[0] * torch.ones_like(self.probs)
        return torch.where(self._outside_unstable_region(), self.probs, edge)

    def _cont_bern_log_norm(self) -> torch.Tensor:
        """The log of the constant that makes the density integrate to 1."""
        cut = self._cut_probs()
        below = torch.where(torch.le(cut, 0.5), cut, torch.zeros_like(cut))
        above = torch.where(torch.ge(cut, 0.5), cut, torch.ones_like(cut))
        log_norm = torch.log(torch.abs(torch.log1p(-cut) - torch.log(cut))) - torch.where(
            torch.le(cut, 0.5), torch.log1p(-2.0 * below), torch.log(2.0 * above - 1.0)
        )
        x = torch.pow(self.probs - 0.5, 2)
        series = math.log(2.0) + (4.0 / 3.0 + 104.0 / 45.0 * x) * x
        return torch.where(self._outside_unstable_region(), log_norm, series)

    @property
    def mean(self) -> torch.Tensor:
        """In closed form, and by a series near 1/2."""
        cut = self._cut_probs()
        mean = cut / (2.0 * cut - 1.0) + 1.0 / (torch.log1p(-cut) - torch.log(cut))
        x = self.probs - 0.5
        series = 0.5 + (1.0 / 3.0 + 16.0 / 45.0 * torch.pow(x, 2)) * x
        return torch.where(self._outside_unstable_region(), mean, series)

    @property
    def stddev(self) -> torch.Tensor:
        """The square root of the variance."""
        return torch.sqrt(self.variance)

    @property
    def variance(self) -> torch.Tensor:
        """In closed form, and by a series near 1/2."""
        cut = self._cut_probs()
        log_odds = torch.log1p(-cut) - torch.log(cut)
        variance = cut * (cut - 1.0) / torch.pow(1.0 - 2.0 * cut, 2) + 1.0 / torch.pow(log_odds, 2)
        x = torch.pow(self.probs - 0.5, 2)
        series = 1.0 / 12.0 - (1.0 / 15.0 - 128.0 / 945.0 * x) * x
        return torch.where(self._outside_unstable_region(), variance, series)

    @lazy_property
    def probs(self) -> torch.Tensor:
        """The probabilities, away from 0 and 1."""
        return clamp_probs(logits_to_probs(self.logits, is_binary=True))

    def _uniforms(self, sample_shape: Any) -> torch.Tensor:
        shape = self._extended_shape(sample_shape)
        return torch.rand(shape, dtype=self.probs.dtype, device=self.probs.device)

    def sample(self, sample_shape: Any = torch.Size()) -> torch.Tensor:
        """The quantiles of uniform numbers, without history."""
        u = self._uniforms(sample_shape)
        with torch.no_grad():
            return self.icdf(u)

    def rsample(self, sample_shape: Any = torch.Size()) -> torch.Tensor:
        """The quantiles of uniform numbers."""
        return self.icdf(self._uniforms(sample_shape))

    def log_prob(self, value: torch.Tensor) -> torch.Tensor:
        """The log density."""
        if self._validate_args:
            self._validate_sample(value)
        logits, value = broadcast_all(self.logits, value)
        cross_entropy = F.binary_cross_entropy_with_logits(logits, value, reduction="none")
        return -cross_entropy + self._cont_bern_log_norm()

    def cdf(self, value: torch.Tensor) -> torch.Tensor:
        """In closed form; 0 below the interval and 1 above it."""
        if self._validate_args:
            self._validate_sample(value)
        cut = self._cut_probs()
        powers = torch.pow(cut, value) * torch.pow(1.0 - cut, 1.0 - value)
        curve = (powers + cut - 1.0) / (2.0 * cut - 1.0)
        inside = torch.where(self._outside_unstable_region(), curve, value)
        capped = torch.where(torch.ge(value, 1.0), torch.ones_like(inside), inside)
        return torch.where(torch.le(value, 0.0), torch.zeros_like(inside), capped)

    def icdf(self, value: torch.Tensor) -> torch.Tensor:
        """In closed form."""
        cut = self._cut_probs()
        log_rest = torch.log1p(-cut)
        quantile = torch.log1p(-cut + value * (2.0 * cut - 1.0)) - log_rest
        quantile = quantile / (torch.log(cut) - log_rest)
        return torch.where(self._outside_unstable_region(), quantile, value)

    def entropy(self) -> torch.Tensor:
        """In closed form."""
        log0, log1 = torch.log1p(-self.probs), torch.log(self.probs)
        return self.mean * (log0 - log1) - self._cont_bern_log_norm() - log0

    @property
    def _natural_params(self) -> tuple[torch.Tensor, ...]:
        return (self.logits,)

    def _log_normalizer(self, x: torch.Tensor) -> torch.Tensor:
        low, high = self._lims[0] - 0.5, self._lims[1] - 0.5
        outside = torch.max(torch.le(x, low), torch.gt(x, high))
        cut = torch.where(outside, x, low * torch.ones_like(x))
        log_norm = torch.log(torch.abs(special.expm1(cut))) - torch.log(torch.abs(cut))
        series = 0.5 * x + torch.pow(x, 2) / 24.0 - torch.pow(x, 4) / 2880.0
        return torch.where(outside, log_norm, series)
