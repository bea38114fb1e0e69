"""Exponential."""

from typing import Any

from rushlight import _api as torch
from rushlight.distributions import constraints
from rushlight.distributions.exp_family import ExponentialFamily
from rushlight.distributions.utils import Parameter, broadcast_all

__all__ = ["Exponential"]


class Exponential(ExponentialFamily):
    """Exponential(rate, validate_args=None)

    The exponential distribution: waiting times of mean 1 / rate.

    >>> from rushlight.distributions import Exponential
    >>> Exponential(2.0).mean
    tensor(0.5000)
    """

    arg_constraints = {"rate": constraints.positive}
    support = constraints.nonnegative
    has_rsample = True
    _mean_carrier_measure = 0

    def __init__(self, rate: Parameter, validate_args: bool | None = None) -> None:
        (self.rate,) = broadcast_all(rate)
        super().__init__(self.rate.size(), validate_args=validate_args)

    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        """The same with its parameter expanded."""
        return self._expanded(Exponential, _instance, batch_shape, ("rate",))

    @property
    def mean(self) -> torch.Tensor:
        """1 / rate."""
        return self.rate.reciprocal()

    @property
    def mode(self) -> torch.Tensor:
        """0."""
        return torch.zeros_like(self.rate)

    @property
    def stddev(self) -> torch.Tensor:
        """1 / rate."""
        return self.rate.reciprocal()

    @property
    def variance(self) -> torch.Tensor:
        """1 / rate²."""
        return self.rate.pow(-2)

    def rsample(self, sample_shape: Any = torch.Size()) -> torch.Tensor:
        """Standard exponential numbers over rate."""
        shape = self._extended_shape(sample_shape)
        return self.rate.new_empty(shape).exponential_() / self.rate

    def log_prob(self, value: torch.Tensor) -> torch.Tensor:
        """log(rate) - rate value."""
        if self._validate_args:
            self._validate_sample(value)
        return self.rate.log() - self.rate * value

    def cdf(self, value: torch.Tensor) -> torch.Tensor:
        """1 - exp(-rate value)."""
        if self._validate_args:
            self._validate_sample(value)
        return 1 - torch.exp(-self.rate * value)

    def icdf(self, value: torch.Tensor) -> torch.Tensor:
        """-log(1 - value) / rate."""
        return -torch.log1p(-value) / self.rate

    def entropy(self) -> torch.Tensor:
        """1 - log(rate)."""
        return 1.0 - torch.log(self.rate)

    @property
    def _natural_params(self) -> tuple[torch.Tensor, ...]:
        return (-self.rate,)

    def _log_normalizer(self, x: torch.Tensor) -> torch.Tensor:
        return -torch.log(-x)
