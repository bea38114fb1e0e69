"""Normal."""

import math
from typing import Any

from rushlight import _api as torch
from rushlight.distributions import constraints
from rushlight.distributions.exp_family import ExponentialFamily
from rushlight.distributions.utils import Parameter, _standard_normal, broadcast_all

__all__ = ["Normal"]


class Normal(ExponentialFamily):
    """Normal(loc, scale, validate_args=None)

    The normal distribution of mean ``loc`` and standard deviation ``scale``.

    >>> from rushlight.distributions import Normal
    >>> Normal(0.0, 1.0).log_prob(torch.tensor(0.0))
    tensor(-0.9189)
    """

    arg_constraints = {"loc": constraints.real, "scale": constraints.positive}
    support = constraints.real
    has_rsample = True
    _mean_carrier_measure = 0

    def __init__(self, loc: Parameter, scale: Parameter, validate_args: bool | None = None) -> None:
        self.loc, self.scale = broadcast_all(loc, scale)
        super().__init__(self.loc.size(), validate_args=validate_args)

    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        """The same with its parameters expanded."""
        return self._expanded(Normal, _instance, batch_shape, ("loc", "scale"))

    @property
    def mean(self) -> torch.Tensor:
        """loc."""
        return self.loc

    @property
    def mode(self) -> torch.Tensor:
        """loc."""
        return self.loc

    @property
    def stddev(self) -> torch.Tensor:
        """scale."""
        return self.scale

    @property
    def variance(self) -> torch.Tensor:
        """scale²."""
        return self.stddev.pow(2)

    def sample(self, sample_shape: Any = torch.Size()) -> torch.Tensor:
        """Normal numbers, as ``torch.normal`` draws them."""
        shape = self._extended_shape(sample_shape)
        with torch.no_grad():
            return torch.normal(self.loc.expand(shape), self.scale.expand(shape))

    def rsample(self, sample_shape: Any = torch.Size()) -> torch.Tensor:
        """loc + scale times standard normal numbers."""
        shape = self._extended_shape(sample_shape)
        eps = _standard_normal(shape, dtype=self.loc.dtype, device=self.loc.device)
        return self.loc + eps * self.scale

    def log_prob(self, value: torch.Tensor) -> torch.Tensor:
        """The log density."""
        if self._validate_args:
            self._validate_sample(value)
        var = self.scale**2
        distance = (value - self.loc) ** 2
        return -distance / (2 * var) - self.scale.log() - math.log(math.sqrt(2 * math.pi))

    def cdf(self, value: torch.Tensor) -> torch.Tensor:
        """By the error function."""
        if self._validate_args:
            self._validate_sample(value)
        z = (value - self.loc) * self.scale.reciprocal()
        return 0.5 * (1 + torch.erf(z / math.sqrt(2)))

    def icdf(self, value: torch.Tensor) -> torch.Tensor:
        """By the inverse error function."""
        return self.loc + self.scale * torch.erfinv(2 * value - 1) * math.sqrt(2)

    def entropy(self) -> torch.Tensor:
        """log(scale sqrt(2πe))."""
        return 0.5 + 0.5 * math.log(2 * math.pi) + torch.log(self.scale)

    @property
    def _natural_params(self) -> tuple[torch.Tensor, ...]:
        precision = self.scale.pow(2).reciprocal()
        return (self.loc / self.scale.pow(2), -0.5 * precision)

    def _log_normalizer(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return -0.25 * x.pow(2) / y + 0.5 * torch.log(-math.pi / y)
