"""HalfCauchy."""

import math
from typing import Any

from rushlight import _api as torch
from rushlight.distributions.cauchy import Cauchy
from rushlight.distributions.half import Half
from rushlight.distributions.utils import Parameter

__all__ = ["HalfCauchy"]


class HalfCauchy(Half):
    """HalfCauchy(scale, validate_args=None)

    The distribution of |x| for x Cauchy of median 0.

    >>> from rushlight.distributions import HalfCauchy
    >>> HalfCauchy(1.0).cdf(torch.tensor(1.0))
    tensor(0.5000)
    """

    base_dist: Cauchy

    def __init__(self, scale: Parameter, validate_args: bool | None = None) -> None:
        super().__init__(Cauchy(0, scale, validate_args=False), validate_args)

    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        """The same with its parameter expanded."""
        new = self._get_checked_instance(HalfCauchy, _instance)
        return super().expand(batch_shape, _instance=new)

    @property
    def mean(self) -> torch.Tensor:
        """inf."""
        return torch.full(
            self._extended_shape(), math.inf, dtype=self.scale.dtype, device=self.scale.device
        )

    @property
    def variance(self) -> torch.Tensor:
        """inf."""
        return self.base_dist.variance
