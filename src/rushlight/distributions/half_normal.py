"""HalfNormal."""

import math
from typing import Any

from rushlight import _api as torch
from rushlight.distributions.half import Half
from rushlight.distributions.normal import Normal
from rushlight.distributions.utils import Parameter

__all__ = ["HalfNormal"]


class HalfNormal(Half):
    """HalfNormal(scale, validate_args=None)

    The distribution of |x| for x normal of mean 0.

    >>> from rushlight.distributions import HalfNormal
    >>> HalfNormal(1.0).mean
    tensor(0.7979)
    """

    base_dist: Normal

    def __init__(self, scale: Parameter, validate_args: bool | None = None) -> None:
        super().__init__(Normal(0, scale, validate_args=False), validate_args)

    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        """The same with its parameter expanded."""
        new = self._get_checked_instance(HalfNormal, _instance)
        return super().expand(batch_shape, _instance=new)

    @property
    def mean(self) -> torch.Tensor:
        """scale sqrt(2 / π)."""
        return self.scale * math.sqrt(2 / math.pi)

    @property
    def variance(self) -> torch.Tensor:
        """scale² (1 - 2 / π)."""
        return self.scale.pow(2) * (1 - 2 / math.pi)
