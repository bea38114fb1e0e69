"""HalfCauchy."""

import math
from typing import Any

from rushlight import _api as torch
from rushlight.distributions import constraints
from rushlight.distributions.cauchy import Cauchy
from rushlight.distributions.transformed_distribution import TransformedDistribution
from rushlight.distributions.transforms import AbsTransform
from rushlight.distributions.utils import Parameter

__all__ = ["HalfCauchy"]


class HalfCauchy(TransformedDistribution):
    """HalfCauchy(scale, validate_args=None)

    The distribution of |x| for x Cauchy of median 0.

    >>> from rushlight.distributions import HalfCauchy
    >>> HalfCauchy(1.0).cdf(torch.tensor(1.0))
    tensor(0.5000)
    """

    arg_constraints = {"scale": constraints.positive}
    support = constraints.nonnegative
    has_rsample = True
    base_dist: Cauchy

    def __init__(self, scale: Parameter, validate_args: bool | None = None) -> None:
        base = Cauchy(0, scale, validate_args=False)
        super().__init__(base, AbsTransform(), validate_args=validate_args)

    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        """The same with its parameter expanded."""
        new = self._get_checked_instance(HalfCauchy, _instance)
        return super().expand(batch_shape, _instance=new)

    @property
    def scale(self) -> torch.Tensor:
        """The half width of x."""
        return self.base_dist.scale

    @property
    def mean(self) -> torch.Tensor:
        """inf."""
        return torch.full(
            self._extended_shape(), math.inf, dtype=self.scale.dtype, device=self.scale.device
        )

    @property
    def mode(self) -> torch.Tensor:
        """0."""
        return torch.zeros_like(self.scale)

    @property
    def variance(self) -> torch.Tensor:
        """inf."""
        return self.base_dist.variance

    def log_prob(self, value: torch.Tensor) -> torch.Tensor:
        """The Cauchy log density and log 2; -inf below 0."""
        if self._validate_args:
            self._validate_sample(value)
        value = torch.as_tensor(
            value, dtype=self.base_dist.scale.dtype, device=self.base_dist.scale.device
        )
        return torch.where(value >= 0, self.base_dist.log_prob(value) + math.log(2), -torch.inf)

    def cdf(self, value: torch.Tensor) -> torch.Tensor:
        """2 F(value) - 1."""
        if self._validate_args:
            self._validate_sample(value)
        return 2 * self.base_dist.cdf(value) - 1

    def icdf(self, prob: torch.Tensor) -> torch.Tensor:
        """The Cauchy quantile of (prob + 1) / 2."""
        return self.base_dist.icdf((prob + 1) / 2)

    def entropy(self) -> torch.Tensor:
        """The Cauchy one less log 2."""
        return self.base_dist.entropy() - math.log(2)
