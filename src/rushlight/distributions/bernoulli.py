"""Bernoulli."""

from typing import Any

from rushlight import _api as torch
from rushlight.distributions import constraints
from rushlight.distributions.exp_family import ExponentialFamily
from rushlight.distributions.odds import ShapedOddsParameter
from rushlight.distributions.utils import (
    Parameter,
    broadcast_all,
)
from rushlight.nn import functional as F

__all__ = ["Bernoulli"]


class Bernoulli(ShapedOddsParameter, ExponentialFamily):
    """Bernoulli(probs=None, logits=None, validate_args=None)

    1 with probability ``probs``, else 0; ``logits`` are log odds.

    >>> from rushlight.distributions import Bernoulli
    >>> Bernoulli(0.3).log_prob(torch.tensor(1.0))
    tensor(-1.2040)
    """

    arg_constraints = {"probs": constraints.unit_interval, "logits": constraints.real}
    support = constraints.boolean
    has_enumerate_support = True
    _mean_carrier_measure = 0

    def __init__(
        self,
        probs: Parameter | None = None,
        logits: Parameter | None = None,
        validate_args: bool | None = None,
    ) -> None:
        self._set_odds(probs, logits)
        super().__init__(self._param.size(), validate_args=validate_args)

    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        """The same with its parameters expanded."""
        return self._expanded_odds(Bernoulli, _instance, batch_shape)

    @property
    def mean(self) -> torch.Tensor:
        """probs."""
        return self.probs

    @property
    def mode(self) -> torch.Tensor:
        """1 or 0; nan where both are equally probable."""
        mode = (self.probs >= 0.5).to(self.probs)
        mode[self.probs == 0.5] = torch.nan
        return mode

    @property
    def variance(self) -> torch.Tensor:
        """probs (1 - probs)."""
        return self.probs * (1 - self.probs)

    def sample(self, sample_shape: Any = torch.Size()) -> torch.Tensor:
        """Zeros and ones."""
        shape = self._extended_shape(sample_shape)
        with torch.no_grad():
            return torch.bernoulli(self.probs.expand(shape))

    def log_prob(self, value: torch.Tensor) -> torch.Tensor:
        """The log probability."""
        if self._validate_args:
            self._validate_sample(value)
        logits, value = broadcast_all(self.logits, value)
        return -F.binary_cross_entropy_with_logits(logits, value, reduction="none")

    def entropy(self) -> torch.Tensor:
        """The cross entropy with itself."""
        return F.binary_cross_entropy_with_logits(self.logits, self.probs, reduction="none")

    def enumerate_support(self, expand: bool = True) -> torch.Tensor:
        """0 and 1."""
        values = torch.arange(2, dtype=self._param.dtype, device=self._param.device)
        values = values.view((-1,) + (1,) * len(self._batch_shape))
        return values.expand((-1, *self._batch_shape)) if expand else values

    @property
    def _natural_params(self) -> tuple[torch.Tensor, ...]:
        return (torch.logit(self.probs),)

    def _log_normalizer(self, x: torch.Tensor) -> torch.Tensor:
        return torch.log(1 + torch.exp(x))
