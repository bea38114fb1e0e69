"""Binomial."""

from typing import Any

from rushlight import _api as torch
from rushlight.distributions import constraints
from rushlight.distributions.odds import ShapedOddsParameter

__all__ = ["Binomial"]


def _clamp_by_zero(x: torch.Tensor) -> torch.Tensor:
    """max(x, 0), with a slope of one half at 0."""
    return (x.clamp(min=0) + x - x.clamp(max=0)) / 2


class Binomial(ShapedOddsParameter):
    """Binomial(total_count=1, probs=None, logits=None, validate_args=None)

    The number of successes in ``total_count`` trials.

    >>> from rushlight.distributions import Binomial
    >>> Binomial(10, torch.tensor(0.25)).mean
    tensor(2.5000)
    """

    arg_constraints = {
        "total_count": constraints.nonnegative_integer,
        "probs": constraints.unit_interval,
        "logits": constraints.real,
    }
    has_enumerate_support = True

    def __init__(
        self,
        total_count: torch.Tensor | int = 1,
        probs: torch.Tensor | None = None,
        logits: torch.Tensor | None = None,
        validate_args: bool | None = None,
    ) -> None:
        (count,) = self._set_odds(probs, logits, total_count)
        self.total_count = count.type_as(self._param)
        super().__init__(self._param.size(), validate_args=validate_args)

    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        """The same with its parameters expanded."""
        return self._expanded_odds(Binomial, _instance, batch_shape, ("total_count",))

    @constraints.dependent_property(is_discrete=True, event_dim=0)
    def support(self) -> Any:
        """0 to total_count."""
        return constraints.integer_interval(0, self.total_count)

    @property
    def mean(self) -> torch.Tensor:
        """total_count probs."""
        return self.total_count * self.probs

    @property
    def mode(self) -> torch.Tensor:
        """floor((total_count + 1) probs)."""
        return ((self.total_count + 1) * self.probs).floor().clamp(max=self.total_count)

    @property
    def variance(self) -> torch.Tensor:
        """total_count probs (1 - probs)."""
        return self.total_count * self.probs * (1 - self.probs)

    def sample(self, sample_shape: Any = torch.Size()) -> torch.Tensor:
        """Counts."""
        shape = self._extended_shape(sample_shape)
        with torch.no_grad():
            return torch.binomial(self.total_count.expand(shape), self.probs.expand(shape))

    def log_prob(self, value: torch.Tensor) -> torch.Tensor:
        """The log probability."""
        if self._validate_args:
            self._validate_sample(value)
        n = self.total_count
        normalizer = (
            n * _clamp_by_zero(self.logits)
            + n * torch.log1p(torch.exp(-torch.abs(self.logits)))
            - torch.lgamma(n + 1)
        )
        chosen, others = torch.lgamma(value + 1), torch.lgamma(n - value + 1)
        return value * self.logits - chosen - others - normalizer

    def entropy(self) -> torch.Tensor:
        """Summed over the support; NotImplementedError for different counts in a batch."""
        count = int(self.total_count.max())
        if not self.total_count.min() == count:
            raise NotImplementedError("Inhomogeneous total count not supported by `entropy`.")
        log_prob = self.log_prob(self.enumerate_support(False))
        return -(torch.exp(log_prob) * log_prob).sum(0)

    def enumerate_support(self, expand: bool = True) -> torch.Tensor:
        """0 to total_count; NotImplementedError for different counts in a batch."""
        count = int(self.total_count.max())
        if not self.total_count.min() == count:
            raise NotImplementedError(
                "Inhomogeneous total count not supported by `enumerate_support`."
            )
        values = torch.arange(1 + count, dtype=self._param.dtype, device=self._param.device)
        values = values.view((-1,) + (1,) * len(self._batch_shape))
        return values.expand((-1, *self._batch_shape)) if expand else values
