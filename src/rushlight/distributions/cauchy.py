"""Cauchy."""

import math
from typing import Any

from rushlight import _api as torch
from rushlight.distributions import constraints
from rushlight.distributions.distribution import Distribution
from rushlight.distributions.utils import Parameter, broadcast_all

__all__ = ["Cauchy"]


class Cauchy(Distribution):
    """Cauchy(loc, scale, validate_args=None)

    The Cauchy (Lorentz) distribution of median ``loc`` and half width ``scale``.

    >>> from rushlight.distributions import Cauchy
    >>> Cauchy(0.0, 1.0).cdf(torch.tensor(1.0))
    tensor(0.7500)
    """

    arg_constraints = {"loc": constraints.real, "scale": constraints.positive}
    support = constraints.real
    has_rsample = True

    def __init__(self, loc: Parameter, scale: Parameter, validate_args: bool | None = None) -> None:
        self.loc, self.scale = broadcast_all(loc, scale)
        super().__init__(self.loc.size(), validate_args=validate_args)

    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        """The same with its parameters expanded."""
        return self._expanded(Cauchy, _instance, batch_shape, ("loc", "scale"))

    @property
    def mean(self) -> torch.Tensor:
        """nan: there is none."""
        return torch.full(
            self._extended_shape(), torch.nan, dtype=self.loc.dtype, device=self.loc.device
        )

    @property
    def mode(self) -> torch.Tensor:
        """loc."""
        return self.loc

    @property
    def variance(self) -> torch.Tensor:
        """inf."""
        return torch.full(
            self._extended_shape(), torch.inf, dtype=self.loc.dtype, device=self.loc.device
        )

    def rsample(self, sample_shape: Any = torch.Size()) -> torch.Tensor:
        """loc + scale times standard Cauchy numbers."""
        shape = self._extended_shape(sample_shape)
        return self.loc + self.loc.new_empty(shape).cauchy_() * self.scale

    def log_prob(self, value: torch.Tensor) -> torch.Tensor:
        """The log density."""
        if self._validate_args:
            self._validate_sample(value)
        z = (value - self.loc) / self.scale
        return -math.log(math.pi) - self.scale.log() - (z**2).log1p()

    def cdf(self, value: torch.Tensor) -> torch.Tensor:
        """By the arc tangent."""
        if self._validate_args:
            self._validate_sample(value)
        return torch.atan((value - self.loc) / self.scale) / math.pi + 0.5

    def icdf(self, value: torch.Tensor) -> torch.Tensor:
        """By the tangent."""
        return torch.tan(math.pi * (value - 0.5)) * self.scale + self.loc

    def entropy(self) -> torch.Tensor:
        """log(4π scale)."""
        return math.log(4 * math.pi) + self.scale.log()
