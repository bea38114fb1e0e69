"""Poisson."""

from typing import Any

from rushlight import _api as torch
from rushlight.distributions import constraints
from rushlight.distributions.exp_family import ExponentialFamily
from rushlight.distributions.utils import Parameter, broadcast_all

__all__ = ["Poisson"]


class Poisson(ExponentialFamily):
    """Poisson(rate, validate_args=None)

    Counts of independent events, ``rate`` on average.

    >>> from rushlight.distributions import Poisson
    >>> Poisson(2.0).log_prob(torch.tensor(0.0))
    tensor(-2.)
    """

    arg_constraints = {"rate": constraints.nonnegative}
    support = constraints.nonnegative_integer

    def __init__(self, rate: Parameter, validate_args: bool | None = None) -> None:
        (self.rate,) = broadcast_all(rate)
        super().__init__(self.rate.size(), validate_args=validate_args)

    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        """The same with its parameter expanded."""
        return self._expanded(Poisson, _instance, batch_shape, ("rate",))

    @property
    def mean(self) -> torch.Tensor:
        """rate."""
        return self.rate

    @property
    def mode(self) -> torch.Tensor:
        """floor(rate)."""
        return self.rate.floor()

    @property
    def variance(self) -> torch.Tensor:
        """rate."""
        return self.rate

    def sample(self, sample_shape: Any = torch.Size()) -> torch.Tensor:
        """Counts."""
        shape = self._extended_shape(sample_shape)
        with torch.no_grad():
            return torch.poisson(self.rate.expand(shape))

    def log_prob(self, value: torch.Tensor) -> torch.Tensor:
        """value log(rate) - rate - log(value!)."""
        if self._validate_args:
            self._validate_sample(value)
        rate, value = broadcast_all(self.rate, value)
        return value.xlogy(rate) - rate - (value + 1).lgamma()

    @property
    def _natural_params(self) -> tuple[torch.Tensor, ...]:
        return (torch.log(self.rate),)

    def _log_normalizer(self, x: torch.Tensor) -> torch.Tensor:
        return torch.exp(x)
