"""LKJCholesky."""

import math
from typing import Any

from rushlight import _api as torch
from rushlight.distributions import constraints
from rushlight.distributions.beta import Beta
from rushlight.distributions.distribution import Distribution
from rushlight.distributions.utils import Parameter, broadcast_all

__all__ = ["LKJCholesky"]


class LKJCholesky(Distribution):
    """LKJCholesky(dim, concentration=1.0, validate_args=None)

    Cholesky factors of random correlation matrices (Lewandowski, Kurowicka and Joe 2009, the onion
    method); for concentration 1 all correlation matrices are equally probable.

    >>> from rushlight.distributions import LKJCholesky
    >>> LKJCholesky(3, 0.5).sample().shape
    torch.Size([3, 3])
    """

    arg_constraints = {"concentration": constraints.positive}
    support = constraints.corr_cholesky

    def __init__(
        self, dim: int, concentration: Parameter = 1.0, validate_args: bool | None = None
    ) -> None:
        if dim < 2:
            raise ValueError(
                f"Expected dim to be an integer greater than or equal to 2. Found dim={dim}."
            )
        self.dim = dim
        (self.concentration,) = broadcast_all(concentration)
        batch_shape = self.concentration.size()
        marginal = self.concentration + 0.5 * (self.dim - 2)
        options = {"dtype": self.concentration.dtype, "device": self.concentration.device}
        offset = torch.arange(self.dim - 1, **options)
        offset = torch.cat([offset.new_zeros((1,)), offset])
        self._beta = Beta(offset + 0.5, marginal.unsqueeze(-1) - 0.5 * offset)
        super().__init__(batch_shape, torch.Size((dim, dim)), validate_args)

    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        """The same with its parameter expanded."""
        new = self._expanded(LKJCholesky, _instance, batch_shape, ("concentration",))
        new.dim = self.dim
        new._beta = self._beta.expand((*new._batch_shape, self.dim))
        return new

    def sample(self, sample_shape: Any = torch.Size()) -> torch.Tensor:
        """Row by row: a beta number for the squared length, a direction, the rest for the
        diagonal.
        """
        y = self._beta.sample(sample_shape).unsqueeze(-1)
        normal = torch.randn(
            self._extended_shape(sample_shape), dtype=y.dtype, device=y.device
        ).tril(-1)
        directions = normal / normal.norm(dim=-1, keepdim=True)
        directions[..., 0, :].fill_(0.0)  # the first row has no elements below the diagonal
        w = torch.sqrt(y) * directions
        tiny = torch.finfo(w.dtype).tiny
        rest = torch.clamp(1 - torch.sum(w**2, dim=-1), min=tiny).sqrt()
        return w + torch.diag_embed(rest)

    def log_prob(self, value: torch.Tensor) -> torch.Tensor:
        """The log density of the factor."""
        if self._validate_args:
            self._validate_sample(value)
        diagonal = value.diagonal(dim1=-1, dim2=-2)[..., 1:]
        order = torch.arange(2, self.dim + 1, device=self.concentration.device)
        order = 2 * (self.concentration - 1).unsqueeze(-1) + self.dim - order
        unnormalized = torch.sum(order * diagonal.log(), dim=-1)
        m = self.dim - 1
        alpha = self.concentration + 0.5 * m
        denominator = torch.lgamma(alpha) * m
        numerator = torch.mvlgamma(alpha - 0.5, m)
        return unnormalized - (0.5 * m * math.log(math.pi) + numerator - denominator)
