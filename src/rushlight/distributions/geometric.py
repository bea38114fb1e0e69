"""Geometric."""

from typing import Any

from rushlight import _api as torch
from rushlight.distributions import constraints
from rushlight.distributions.odds import OddsParameter
from rushlight.distributions.utils import (
    Parameter,
    broadcast_all,
)
from rushlight.nn import functional as F

__all__ = ["Geometric"]


class Geometric(OddsParameter):
    """Geometric(probs=None, logits=None, validate_args=None)

    The number of failures before the first success.

    >>> from rushlight.distributions import Geometric
    >>> Geometric(0.25).mean
    tensor(3.)
    """

    arg_constraints = {"probs": constraints.unit_interval, "logits": constraints.real}
    support = constraints.nonnegative_integer

    def __init__(
        self,
        probs: Parameter | None = None,
        logits: Parameter | None = None,
        validate_args: bool | None = None,
    ) -> None:
        self._set_odds(probs, logits)
        super().__init__(self._param.size(), validate_args=validate_args)
        if self._validate_args and probs is not None:
            self._check_positive(self.probs)

    def _check_positive(self, value: torch.Tensor) -> None:
        valid = value > 0
        if not bool(valid.all()):
            raise ValueError(
                "Expected parameter probs "
                f"({type(value).__name__} of shape {tuple(value.shape)}) "
                f"of distribution {self!r} to be positive but found invalid values:\n"
                f"{value.data[~valid]}"
            )

    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        """The same with its parameters expanded."""
        return self._expanded_odds(Geometric, _instance, batch_shape)

    @property
    def mean(self) -> torch.Tensor:
        """1 / probs - 1."""
        return 1.0 / self.probs - 1.0

    @property
    def mode(self) -> torch.Tensor:
        """0."""
        return torch.zeros_like(self.probs)

    @property
    def variance(self) -> torch.Tensor:
        """(1 / probs - 1) / probs."""
        return (1.0 / self.probs - 1.0) / self.probs

    def sample(self, sample_shape: Any = torch.Size()) -> torch.Tensor:
        """The quantiles of uniform numbers."""
        shape = self._extended_shape(sample_shape)
        tiny = torch.finfo(self.probs.dtype).tiny
        with torch.no_grad():
            u = self.probs.new_empty(shape).uniform_(tiny, 1)
            return (u.log() / (-self.probs).log1p()).floor()

    def log_prob(self, value: torch.Tensor) -> torch.Tensor:
        """The log probability."""
        if self._validate_args:
            self._validate_sample(value)
        value, probs = broadcast_all(value, self.probs)
        probs = probs.clone(memory_format=torch.contiguous_format)
        probs[(probs == 1) & (value == 0)] = 0
        return value * (-probs).log1p() + self.probs.log()

    def entropy(self) -> torch.Tensor:
        """The entropy of one trial over its probability."""
        trial = F.binary_cross_entropy_with_logits(self.logits, self.probs, reduction="none")
        return trial / self.probs
