"""What the half families share: the distribution of |x| for x symmetric about 0."""

import math
from typing import Any

from rushlight import _api as torch
from rushlight.distributions import constraints
from rushlight.distributions.distribution import Distribution
from rushlight.distributions.transformed_distribution import TransformedDistribution
from rushlight.distributions.transforms import AbsTransform


class Half(TransformedDistribution):
    """|x| for x of ``base``, a location-scale family at location 0."""

    arg_constraints = {"scale": constraints.positive}
    support = constraints.nonnegative
    has_rsample = True
    base_dist: Any

    def __init__(self, base: Distribution, validate_args: bool | None) -> None:
        super().__init__(base, AbsTransform(), validate_args=validate_args)

    @property
    def scale(self) -> torch.Tensor:
        """The scale of x."""
        return self.base_dist.scale

    @property
    def mode(self) -> torch.Tensor:
        """0."""
        return torch.zeros_like(self.scale)

    def log_prob(self, value: torch.Tensor) -> torch.Tensor:
        """The log density of x and log 2; -inf below 0."""
        if self._validate_args:
            self._validate_sample(value)
        value = torch.as_tensor(value, dtype=self.scale.dtype, device=self.scale.device)
        return torch.where(value >= 0, self.base_dist.log_prob(value) + math.log(2), -torch.inf)

    def cdf(self, value: torch.Tensor) -> torch.Tensor:
        """2 F(value) - 1, with F of x."""
        if self._validate_args:
            self._validate_sample(value)
        return 2 * self.base_dist.cdf(value) - 1

    def icdf(self, prob: torch.Tensor) -> torch.Tensor:
        """The quantile of x at (prob + 1) / 2."""
        return self.base_dist.icdf((prob + 1) / 2)

    def entropy(self) -> torch.Tensor:
        """The entropy of x less log 2."""
        return self.base_dist.entropy() - math.log(2)
