"""NegativeBinomial."""

from typing import Any

from rushlight import _api as torch
from rushlight.distributions import constraints
from rushlight.distributions.gamma import Gamma
from rushlight.distributions.odds import ShapedOddsParameter
from rushlight.distributions.utils import (
    lazy_property,
)
from rushlight.nn import functional as F

__all__ = ["NegativeBinomial"]


class NegativeBinomial(ShapedOddsParameter):
    """NegativeBinomial(total_count, probs=None, logits=None, validate_args=None)

    The number of successes before ``total_count`` failures.

    >>> from rushlight.distributions import NegativeBinomial
    >>> NegativeBinomial(2, torch.tensor(0.5)).mean
    tensor(2.)
    """

    arg_constraints = {
        "total_count": constraints.greater_than_eq(0),
        "probs": constraints.half_open_interval(0.0, 1.0),
        "logits": constraints.real,
    }
    support = constraints.nonnegative_integer

    def __init__(
        self,
        total_count: torch.Tensor | float,
        probs: torch.Tensor | None = None,
        logits: torch.Tensor | None = None,
        validate_args: bool | None = None,
    ) -> None:
        (count,) = self._set_odds(probs, logits, total_count)
        self.total_count = count.type_as(self._param)
        super().__init__(self._param.size(), validate_args=validate_args)

    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        """The same with its parameters expanded."""
        return self._expanded_odds(NegativeBinomial, _instance, batch_shape, ("total_count",))

    @property
    def mean(self) -> torch.Tensor:
        """total_count probs / (1 - probs)."""
        return self.total_count * torch.exp(self.logits)

    @property
    def mode(self) -> torch.Tensor:
        """floor((total_count - 1) probs / (1 - probs)), at least 0."""
        return ((self.total_count - 1) * self.logits.exp()).floor().clamp(min=0.0)

    @property
    def variance(self) -> torch.Tensor:
        """mean / (1 - probs)."""
        return self.mean / torch.sigmoid(-self.logits)

    @lazy_property
    def _gamma(self) -> Gamma:
        """The distribution of the rate: a Poisson number of it is a sample."""
        return Gamma(self.total_count, torch.exp(-self.logits), validate_args=False)

    def sample(self, sample_shape: Any = torch.Size()) -> torch.Tensor:
        """Poisson numbers of gamma rates."""
        with torch.no_grad():
            return torch.poisson(self._gamma.sample(sample_shape=sample_shape))

    def log_prob(self, value: torch.Tensor) -> torch.Tensor:
        """The log probability."""
        if self._validate_args:
            self._validate_sample(value)
        n = self.total_count
        unnormalized = n * F.logsigmoid(-self.logits) + value * F.logsigmoid(self.logits)
        normalizer = -torch.lgamma(n + value) + torch.lgamma(1.0 + value) + torch.lgamma(n)
        return unnormalized - normalizer.masked_fill(n + value == 0.0, 0.0)
