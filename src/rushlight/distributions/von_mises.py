"""VonMises."""

import math
from typing import Any

from rushlight import _api as torch
from rushlight import special
from rushlight.distributions import constraints
from rushlight.distributions.distribution import Distribution
from rushlight.distributions.utils import broadcast_all, lazy_property

__all__ = ["VonMises"]


def _log_bessel_i(x: torch.Tensor, order: int) -> torch.Tensor:
    """log of the modified Bessel function of order 0 or 1."""
    scaled = special.i0e(x) if order == 0 else special.i1e(x)
    return scaled.log() + x


def _rejection_sample(
    loc: torch.Tensor, concentration: torch.Tensor, proposal_r: torch.Tensor, x: torch.Tensor
) -> torch.Tensor:
    """Angles by Best and Fisher's rejection from a wrapped Cauchy distribution."""
    done = torch.zeros(x.shape, dtype=torch.bool, device=loc.device)
    while not done.all():
        u1, u2, u3 = torch.rand((3, *x.shape), dtype=loc.dtype, device=loc.device).unbind()
        z = torch.cos(math.pi * u1)
        f = (1 + proposal_r * z) / (proposal_r + z)
        c = concentration * (proposal_r - f)
        accept = ((c * (2 - c) - u2) > 0) | ((c / u2).log() + 1 - c >= 0)
        if accept.any():
            x = torch.where(accept, (u3 - 0.5).sign() * f.acos(), x)
            done = done | accept
    return (x + math.pi + loc) % (2 * math.pi) - math.pi


class VonMises(Distribution):
    """VonMises(loc, concentration, validate_args=None)

    The circular distribution of angles around ``loc``, in radians.

    >>> from rushlight.distributions import VonMises
    >>> VonMises(torch.tensor(1.0), torch.tensor(1.0)).mean
    tensor(1.)
    """

    arg_constraints = {"loc": constraints.real, "concentration": constraints.positive}
    support = constraints.real
    has_rsample = False

    def __init__(
        self, loc: torch.Tensor, concentration: torch.Tensor, validate_args: bool | None = None
    ) -> None:
        self.loc, self.concentration = broadcast_all(loc, concentration)
        super().__init__(self.loc.shape, torch.Size(), validate_args)

    def log_prob(self, value: torch.Tensor) -> torch.Tensor:
        """The log density."""
        if self._validate_args:
            self._validate_sample(value)
        log_prob = self.concentration * torch.cos(value - self.loc)
        return log_prob - math.log(2 * math.pi) - _log_bessel_i(self.concentration, order=0)

    @lazy_property
    def _loc(self) -> torch.Tensor:
        return self.loc.to(torch.double)

    @lazy_property
    def _concentration(self) -> torch.Tensor:
        return self.concentration.to(torch.double)

    @lazy_property
    def _proposal_r(self) -> torch.Tensor:
        kappa = self._concentration
        tau = 1 + (1 + 4 * kappa**2).sqrt()
        rho = (tau - (2 * tau).sqrt()) / (2 * kappa)
        exact = (1 + rho**2) / (2 * rho)
        # The formula loses its digits for small concentrations.
        return torch.where(kappa < 1e-5, 1 / kappa + kappa, exact)

    @torch.no_grad()
    def sample(self, sample_shape: Any = torch.Size()) -> torch.Tensor:
        """Angles from -π to π, computed in float64."""
        shape = self._extended_shape(sample_shape)
        x = torch.empty(shape, dtype=self._loc.dtype, device=self.loc.device)
        angles = _rejection_sample(self._loc, self._concentration, self._proposal_r, x)
        return angles.to(self.loc.dtype)

    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        """The same with its parameters expanded."""
        try:
            return super().expand(batch_shape)
        except NotImplementedError:
            validate_args = self.__dict__.get("_validate_args")
            loc = self.loc.expand(batch_shape)
            concentration = self.concentration.expand(batch_shape)
            return type(self)(loc, concentration, validate_args=validate_args)

    @property
    def mean(self) -> torch.Tensor:
        """loc: the circular mean."""
        return self.loc

    @property
    def mode(self) -> torch.Tensor:
        """loc."""
        return self.loc

    @lazy_property
    def variance(self) -> torch.Tensor:
        """The circular variance."""
        zero, one = (_log_bessel_i(self.concentration, order=k) for k in (0, 1))
        return 1 - (one - zero).exp()
