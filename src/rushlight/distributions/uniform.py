"""Uniform."""

from typing import Any

from rushlight import _api as torch
from rushlight.distributions import constraints
from rushlight.distributions.distribution import Distribution
from rushlight.distributions.utils import Parameter, broadcast_all

__all__ = ["Uniform"]


class Uniform(Distribution):
    """Uniform(low, high, validate_args=None)

    The uniform distribution on [low, high).

    >>> from rushlight.distributions import Uniform
    >>> Uniform(0.0, 4.0).log_prob(torch.tensor(1.0))
    tensor(-1.3863)
    """

    has_rsample = True

    @property
    def arg_constraints(self) -> dict[str, constraints.Constraint]:
        """Each bound lies on its side of the other."""
        return {
            "low": constraints.less_than(self.high),
            "high": constraints.greater_than(self.low),
        }

    def __init__(self, low: Parameter, high: Parameter, validate_args: bool | None = None) -> None:
        self.low, self.high = broadcast_all(low, high)
        super().__init__(self.low.size(), validate_args=validate_args)

    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        """The same with its parameters expanded."""
        return self._expanded(Uniform, _instance, batch_shape, ("low", "high"))

    @property
    def mean(self) -> torch.Tensor:
        """The middle."""
        return (self.high + self.low) / 2

    @property
    def mode(self) -> torch.Tensor:
        """nan: all values are equally probable."""
        return torch.nan * self.high

    @property
    def stddev(self) -> torch.Tensor:
        """The width over sqrt(12)."""
        return (self.high - self.low) / 12**0.5

    @property
    def variance(self) -> torch.Tensor:
        """The width squared over 12."""
        return (self.high - self.low).pow(2) / 12

    @constraints.dependent_property(is_discrete=False, event_dim=0)
    def support(self) -> Any:
        """[low, high]."""
        return constraints.interval(self.low, self.high)

    def rsample(self, sample_shape: Any = torch.Size()) -> torch.Tensor:
        """low + uniform numbers times the width."""
        shape = self._extended_shape(sample_shape)
        rand = torch.rand(shape, dtype=self.low.dtype, device=self.low.device)
        return self.low + rand * (self.high - self.low)

    def log_prob(self, value: torch.Tensor) -> torch.Tensor:
        """-log(high - low) inside, -inf outside."""
        if self._validate_args:
            self._validate_sample(value)
        above = self.low.le(value).type_as(self.low)
        below = self.high.gt(value).type_as(self.low)
        return torch.log(above * below) - torch.log(self.high - self.low)

    def cdf(self, value: torch.Tensor) -> torch.Tensor:
        """The share of the interval up to ``value``."""
        if self._validate_args:
            self._validate_sample(value)
        return ((value - self.low) / (self.high - self.low)).clamp(min=0, max=1)

    def icdf(self, value: torch.Tensor) -> torch.Tensor:
        """The point where this share is reached."""
        return value * (self.high - self.low) + self.low

    def entropy(self) -> torch.Tensor:
        """log(high - low)."""
        return torch.log(self.high - self.low)
