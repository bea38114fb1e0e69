"""InverseGamma."""

from typing import Any

from rushlight import _api as torch
from rushlight.distributions import constraints
from rushlight.distributions.gamma import Gamma
from rushlight.distributions.transformed_distribution import TransformedDistribution
from rushlight.distributions.transforms import PowerTransform
from rushlight.distributions.utils import Parameter

__all__ = ["InverseGamma"]


class InverseGamma(TransformedDistribution):
    """InverseGamma(concentration, rate, validate_args=None)

    The distribution of 1 / x for x of Gamma(concentration, rate).

    >>> from rushlight.distributions import InverseGamma
    >>> InverseGamma(3.0, 1.0).mean
    tensor(0.5000)
    """

    arg_constraints = {"concentration": constraints.positive, "rate": constraints.positive}
    support = constraints.positive
    has_rsample = True
    base_dist: Gamma

    def __init__(
        self, concentration: Parameter, rate: Parameter, validate_args: bool | None = None
    ) -> None:
        base = Gamma(concentration, rate, validate_args=validate_args)
        inversion = PowerTransform(exponent=-base.rate.new_ones(()))
        super().__init__(base, inversion, validate_args=validate_args)

    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        """The same with its parameters expanded."""
        new = self._get_checked_instance(InverseGamma, _instance)
        return super().expand(batch_shape, _instance=new)

    @property
    def concentration(self) -> torch.Tensor:
        """The shape of x."""
        return self.base_dist.concentration

    @property
    def rate(self) -> torch.Tensor:
        """The rate of x."""
        return self.base_dist.rate

    @property
    def mean(self) -> torch.Tensor:
        """rate / (concentration - 1); inf for concentrations up to 1."""
        result = self.rate / (self.concentration - 1)
        return torch.where(self.concentration > 1, result, torch.inf)

    @property
    def mode(self) -> torch.Tensor:
        """rate / (concentration + 1)."""
        return self.rate / (self.concentration + 1)

    @property
    def variance(self) -> torch.Tensor:
        """inf for concentrations up to 2."""
        k = self.concentration
        result = self.rate.square() / ((k - 1).square() * (k - 2))
        return torch.where(k > 2, result, torch.inf)

    def entropy(self) -> torch.Tensor:
        """In closed form, by lgamma and digamma."""
        k = self.concentration
        return k + self.rate.log() + k.lgamma() - (1 + k) * k.digamma()
