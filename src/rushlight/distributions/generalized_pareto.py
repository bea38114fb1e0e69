"""GeneralizedPareto."""

from typing import Any

from rushlight import _api as torch
from rushlight.distributions import constraints
from rushlight.distributions.distribution import Distribution
from rushlight.distributions.utils import Parameter, broadcast_all

__all__ = ["GeneralizedPareto"]


class GeneralizedPareto(Distribution):
    """GeneralizedPareto(loc, scale, concentration, validate_args=None)

    The distribution of excesses over a high threshold; exponential for concentration 0.

    >>> from rushlight.distributions import GeneralizedPareto
    >>> GeneralizedPareto(0.0, 1.0, 0.5).mean
    tensor(2.)
    """

    arg_constraints = {
        "loc": constraints.real,
        "scale": constraints.positive,
        "concentration": constraints.real,
    }
    has_rsample = True

    def __init__(
        self,
        loc: Parameter,
        scale: Parameter,
        concentration: Parameter,
        validate_args: bool | None = None,
    ) -> None:
        self.loc, self.scale, self.concentration = broadcast_all(loc, scale, concentration)
        super().__init__(self.loc.size(), validate_args=validate_args)

    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        """The same with its parameters expanded."""
        names = ("loc", "scale", "concentration")
        return self._expanded(GeneralizedPareto, _instance, batch_shape, names)

    def rsample(self, sample_shape: Any = torch.Size()) -> torch.Tensor:
        """The quantiles of uniform numbers."""
        shape = self._extended_shape(sample_shape)
        return self.icdf(torch.rand(shape, dtype=self.loc.dtype, device=self.loc.device))

    def _shape_parameter(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Where the concentration is 0, and one that can be divided by."""
        zero = torch.isclose(self.concentration, self.concentration.new_zeros(()))
        safe = torch.where(zero, torch.ones_like(self.concentration), self.concentration)
        return zero, safe

    def log_prob(self, value: torch.Tensor) -> torch.Tensor:
        """The log density."""
        if self._validate_args:
            self._validate_sample(value)
        z = self._z(value)
        zero, k = self._shape_parameter()
        power = 1 / k + torch.ones_like(z)
        curve = torch.where(power == 0, power, power * torch.log1p(k * z))
        return -self.scale.log() - torch.where(zero, z, curve)

    def log_survival_function(self, value: torch.Tensor) -> torch.Tensor:
        """log(1 - cdf)."""
        if self._validate_args:
            self._validate_sample(value)
        z = self._z(value)
        zero, k = self._shape_parameter()
        return -torch.where(zero, z, torch.log1p(k * z) / k)

    def log_cdf(self, value: torch.Tensor) -> torch.Tensor:
        """log(cdf)."""
        if self._validate_args:
            self._validate_sample(value)
        return torch.log1p(-torch.exp(self.log_survival_function(value)))

    def cdf(self, value: torch.Tensor) -> torch.Tensor:
        """In closed form."""
        if self._validate_args:
            self._validate_sample(value)
        return torch.exp(self.log_cdf(value))

    def icdf(self, value: torch.Tensor) -> torch.Tensor:
        """In closed form."""
        zero, k = self._shape_parameter()
        log_rest = torch.log1p(-value)
        curve = self.loc + self.scale / k * torch.expm1(-k * log_rest)
        return torch.where(zero, self.loc - self.scale * log_rest, curve)

    def _z(self, x: torch.Tensor) -> torch.Tensor:
        return (x - self.loc) / self.scale

    @property
    def mean(self) -> torch.Tensor:
        """inf for concentrations from 1."""
        valid = self.concentration < 1
        k = torch.where(valid, self.concentration, 0.5)
        return torch.where(valid, self.loc + self.scale / (1 - k), torch.full_like(k, torch.inf))

    @property
    def variance(self) -> torch.Tensor:
        """inf for concentrations from 1/2."""
        valid = self.concentration < 0.5
        k = torch.where(valid, self.concentration, 0.25)
        result = self.scale**2 / ((1 - k) ** 2 * (1 - 2 * k))
        return torch.where(valid, result, torch.full_like(k, torch.inf))

    def entropy(self) -> torch.Tensor:
        """log(scale) + concentration + 1."""
        return torch.broadcast_to(self.scale.log() + self.concentration + 1, self._batch_shape)

    @property
    def mode(self) -> torch.Tensor:
        """loc."""
        return self.loc

    @constraints.dependent_property(is_discrete=False, event_dim=0)
    def support(self) -> Any:
        """From loc upwards; for negative concentrations up to loc - scale / concentration."""
        upper = torch.where(
            self.concentration < 0, self.loc - self.scale / self.concentration, torch.inf
        )
        return constraints.interval(self.loc, upper)
