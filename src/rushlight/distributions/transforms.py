"""Transforms of tensors, with their inverses and the log of their Jacobian's determinant."""

import math
from typing import Any

from rushlight import _api as torch
from rushlight import linalg
from rushlight.distributions import constraints
from rushlight.distributions.distribution import Distribution
from rushlight.distributions.transform_base import ComposeTransform as ComposeTransform
from rushlight.distributions.transform_base import IndependentTransform as IndependentTransform
from rushlight.distributions.transform_base import (
    PlainTransform,
    Shape,
    drop_last,
    same_number,
)
from rushlight.distributions.transform_base import Transform as Transform
from rushlight.distributions.transform_base import _InverseTransform as _InverseTransform
from rushlight.distributions.transform_pieces import CatTransform as CatTransform
from rushlight.distributions.transform_pieces import StackTransform as StackTransform
from rushlight.distributions.utils import (
    _sum_rightmost,
    lazy_property,
    tril_matrix_to_vec,
    vec_to_tril_matrix,
)
from rushlight.nn import functional as F

__all__ = [
    "AbsTransform",
    "AffineTransform",
    "CatTransform",
    "ComposeTransform",
    "CorrCholeskyTransform",
    "CumulativeDistributionTransform",
    "ExpTransform",
    "IndependentTransform",
    "LowerCholeskyTransform",
    "PositiveDefiniteTransform",
    "PowerTransform",
    "ReshapeTransform",
    "SigmoidTransform",
    "SoftmaxTransform",
    "SoftplusTransform",
    "StackTransform",
    "StickBreakingTransform",
    "TanhTransform",
    "Transform",
    "identity_transform",
]

identity_transform = ComposeTransform([])


# ---- element by element --------------------------------------------------------------------------


class ExpTransform(PlainTransform):
    """y = exp(x).

    >>> t = torch.distributions.ExpTransform()
    >>> t(torch.tensor([0.0, 1.0])), t.inv(torch.tensor([1.0, 2.0]))
    (tensor([1.0000, 2.7183]), tensor([0.0000, 0.6931]))
    """

    domain = constraints.real
    codomain = constraints.positive
    bijective = True
    sign = 1

    def _call(self, x: torch.Tensor) -> torch.Tensor:
        return x.exp()

    def _inverse(self, y: torch.Tensor) -> torch.Tensor:
        return y.log()

    def log_abs_det_jacobian(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        """x."""
        return x


class PowerTransform(Transform):
    """PowerTransform(exponent, cache_size=0): y = x ** exponent, of positive numbers.

    >>> torch.distributions.PowerTransform(torch.tensor(2.0))(torch.tensor([1.0, 3.0]))
    tensor([1., 9.])
    """

    domain = constraints.positive
    codomain = constraints.positive
    bijective = True

    def __init__(self, exponent: torch.Tensor, cache_size: int = 0) -> None:
        super().__init__(cache_size=cache_size)
        self.exponent = exponent

    def with_cache(self, cache_size: int = 1) -> Transform:
        """The same with a cache of this size."""
        if self._cache_size == cache_size:
            return self
        return PowerTransform(self.exponent, cache_size=cache_size)

    @lazy_property
    def sign(self) -> Any:
        """The exponent's."""
        return self.exponent.sign()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PowerTransform) and same_number(self.exponent, other.exponent)

    def _call(self, x: torch.Tensor) -> torch.Tensor:
        return x.pow(self.exponent)

    def _inverse(self, y: torch.Tensor) -> torch.Tensor:
        return y.pow(1 / self.exponent)

    def log_abs_det_jacobian(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        """log |exponent y / x|."""
        return (self.exponent * y / x).abs().log()

    def forward_shape(self, shape: Shape) -> Shape:
        """Broadcast with the exponent."""
        return torch.broadcast_shapes(shape, getattr(self.exponent, "shape", ()))

    def inverse_shape(self, shape: Shape) -> Shape:
        """Broadcast with the exponent."""
        return torch.broadcast_shapes(shape, getattr(self.exponent, "shape", ()))


def _clipped_sigmoid(x: torch.Tensor) -> torch.Tensor:
    """The sigmoid, kept inside (0, 1)."""
    info = torch.finfo(x.dtype)
    return torch.sigmoid(x).clamp(min=info.tiny, max=1.0 - info.eps)


class SigmoidTransform(PlainTransform):
    """y = 1 / (1 + exp(-x)).

    >>> t = torch.distributions.SigmoidTransform()
    >>> t(torch.tensor([0.0, 1.0])), t.inv(torch.tensor(0.5))
    (tensor([0.5000, 0.7311]), tensor(0.))
    """

    domain = constraints.real
    codomain = constraints.unit_interval
    bijective = True
    sign = 1

    def _call(self, x: torch.Tensor) -> torch.Tensor:
        return _clipped_sigmoid(x)

    def _inverse(self, y: torch.Tensor) -> torch.Tensor:
        info = torch.finfo(y.dtype)
        y = y.clamp(min=info.tiny, max=1.0 - info.eps)
        return y.log() - (-y).log1p()

    def log_abs_det_jacobian(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        """-softplus(-x) - softplus(x)."""
        return -F.softplus(-x) - F.softplus(x)


class SoftplusTransform(PlainTransform):
    """y = log(1 + exp(x)).

    >>> torch.distributions.SoftplusTransform()(torch.tensor([-1.0, 0.0, 30.0]))
    tensor([ 0.3133,  0.6931, 30.0000])
    """

    domain = constraints.real
    codomain = constraints.positive
    bijective = True
    sign = 1

    def _call(self, x: torch.Tensor) -> torch.Tensor:
        return F.softplus(x)

    def _inverse(self, y: torch.Tensor) -> torch.Tensor:
        return (-y).expm1().neg().log() + y

    def log_abs_det_jacobian(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        """-softplus(-x)."""
        return -F.softplus(-x)


class TanhTransform(PlainTransform):
    """y = tanh(x).

    >>> t = torch.distributions.TanhTransform()
    >>> t(torch.tensor([0.0, 1.0])), t.log_abs_det_jacobian(torch.tensor(0.0), torch.tensor(0.0))
    (tensor([0.0000, 0.7616]), tensor(0.))
    """

    domain = constraints.real
    codomain = constraints.interval(-1.0, 1.0)
    bijective = True
    sign = 1

    def _call(self, x: torch.Tensor) -> torch.Tensor:
        return x.tanh()

    def _inverse(self, y: torch.Tensor) -> torch.Tensor:
        return torch.atanh(y)

    def log_abs_det_jacobian(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        """log(1 - tanh²(x)), in a form that keeps its digits."""
        return 2.0 * (math.log(2.0) - x - F.softplus(-2.0 * x))


class AbsTransform(PlainTransform):
    """y = |x|; its inverse gives the positive x.

    >>> torch.distributions.AbsTransform()(torch.tensor([-2.0, 3.0]))
    tensor([2., 3.])
    """

    domain = constraints.real
    codomain = constraints.positive

    def _call(self, x: torch.Tensor) -> torch.Tensor:
        return x.abs()

    def _inverse(self, y: torch.Tensor) -> torch.Tensor:
        return y


class AffineTransform(Transform):
    """AffineTransform(loc, scale, event_dim=0, cache_size=0): y = loc + scale x.

    >>> t = torch.distributions.AffineTransform(loc=1.0, scale=2.0)
    >>> x = torch.tensor([0.0, 3.0])
    >>> y = t(x)
    >>> y, t.inv(y), t.log_abs_det_jacobian(x, y)
    (tensor([1., 7.]), tensor([0., 3.]), tensor([0.6931, 0.6931]))
    """

    bijective = True

    def __init__(
        self,
        loc: torch.Tensor | float,
        scale: torch.Tensor | float,
        event_dim: int = 0,
        cache_size: int = 0,
    ) -> None:
        super().__init__(cache_size=cache_size)
        self.loc = loc
        self.scale = scale
        self._event_dim = event_dim

    @property
    def event_dim(self) -> int:
        """As given."""
        return self._event_dim

    @constraints.dependent_property(is_discrete=False)
    def domain(self) -> Any:
        """The real numbers, or vectors of them."""
        if self.event_dim == 0:
            return constraints.real
        return constraints.independent(constraints.real, self.event_dim)

    @constraints.dependent_property(is_discrete=False)
    def codomain(self) -> Any:
        """The real numbers, or vectors of them."""
        if self.event_dim == 0:
            return constraints.real
        return constraints.independent(constraints.real, self.event_dim)

    def with_cache(self, cache_size: int = 1) -> Transform:
        """The same with a cache of this size."""
        if self._cache_size == cache_size:
            return self
        return AffineTransform(self.loc, self.scale, self.event_dim, cache_size=cache_size)

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, AffineTransform)
            and same_number(self.loc, other.loc)
            and same_number(self.scale, other.scale)
        )

    @property
    def sign(self) -> Any:
        """The scale's."""
        if isinstance(self.scale, int | float):
            return 1 if float(self.scale) > 0 else -1 if float(self.scale) < 0 else 0
        return self.scale.sign()

    def _call(self, x: torch.Tensor) -> torch.Tensor:
        return self.loc + self.scale * x

    def _inverse(self, y: torch.Tensor) -> torch.Tensor:
        return (y - self.loc) / self.scale

    def log_abs_det_jacobian(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        """log |scale|, summed over the event."""
        if isinstance(self.scale, int | float):
            result = torch.full_like(x, math.log(abs(self.scale)))
        else:
            result = torch.abs(self.scale).log()
        result = _sum_rightmost(result, self.event_dim)
        return result.expand(x.shape[: x.dim() - self.event_dim])

    def _broadcast(self, shape: Shape) -> Shape:
        parts = (getattr(self.loc, "shape", ()), getattr(self.scale, "shape", ()))
        return torch.broadcast_shapes(shape, *parts)

    def forward_shape(self, shape: Shape) -> Shape:
        """Broadcast with loc and scale."""
        return self._broadcast(shape)

    def inverse_shape(self, shape: Shape) -> Shape:
        """Broadcast with loc and scale."""
        return self._broadcast(shape)


class CumulativeDistributionTransform(Transform):
    """CumulativeDistributionTransform(distribution, cache_size=0)

    y = distribution.cdf(x): samples of the distribution become uniform.

    >>> normal = torch.distributions.Normal(0.0, 1.0)
    >>> torch.distributions.CumulativeDistributionTransform(normal)(torch.tensor([-1.0, 0.0, 1.0]))
    tensor([0.1587, 0.5000, 0.8413])
    """

    bijective = True
    codomain = constraints.unit_interval
    sign = 1

    def __init__(self, distribution: Distribution, cache_size: int = 0) -> None:
        super().__init__(cache_size=cache_size)
        self.distribution = distribution

    @property
    def domain(self) -> Any:
        """The distribution's support."""
        return self.distribution.support

    def _call(self, x: torch.Tensor) -> torch.Tensor:
        return self.distribution.cdf(x)

    def _inverse(self, y: torch.Tensor) -> torch.Tensor:
        return self.distribution.icdf(y)

    def log_abs_det_jacobian(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        """The distribution's log density."""
        return self.distribution.log_prob(x)

    def with_cache(self, cache_size: int = 1) -> Transform:
        """The same with a cache of this size."""
        if self._cache_size == cache_size:
            return self
        return CumulativeDistributionTransform(self.distribution, cache_size=cache_size)


# ---- vectors -------------------------------------------------------------------------------------


class ReshapeTransform(Transform):
    """ReshapeTransform(in_shape, out_shape, cache_size=0): the event in another shape.

    >>> torch.distributions.ReshapeTransform((4,), (2, 2))(torch.arange(4))
    tensor([[0, 1],
            [2, 3]])
    """

    bijective = True

    def __init__(self, in_shape: Any, out_shape: Any, cache_size: int = 0) -> None:
        self.in_shape = torch.Size(in_shape)
        self.out_shape = torch.Size(out_shape)
        if self.in_shape.numel() != self.out_shape.numel():
            raise ValueError("in_shape, out_shape have different numbers of elements")
        super().__init__(cache_size=cache_size)

    @constraints.dependent_property
    def domain(self) -> Any:
        """Real arrays of ``in_shape``."""
        return constraints.independent(constraints.real, len(self.in_shape))

    @constraints.dependent_property
    def codomain(self) -> Any:
        """Real arrays of ``out_shape``."""
        return constraints.independent(constraints.real, len(self.out_shape))

    def with_cache(self, cache_size: int = 1) -> Transform:
        """The same with a cache of this size."""
        if self._cache_size == cache_size:
            return self
        return ReshapeTransform(self.in_shape, self.out_shape, cache_size=cache_size)

    def _call(self, x: torch.Tensor) -> torch.Tensor:
        batch = x.shape[: x.dim() - len(self.in_shape)]
        return x.reshape(batch + self.out_shape)

    def _inverse(self, y: torch.Tensor) -> torch.Tensor:
        batch = y.shape[: y.dim() - len(self.out_shape)]
        return y.reshape(batch + self.in_shape)

    def log_abs_det_jacobian(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        """0."""
        return x.new_zeros(x.shape[: x.dim() - len(self.in_shape)])

    def _exchange(self, shape: Shape, old: torch.Size, new: torch.Size) -> Shape:
        batch = drop_last(shape, len(old))
        event = shape[len(batch) :]
        if tuple(event) != tuple(old):
            raise ValueError(f"Shape mismatch: expected {event} but got {old}")
        return batch + new

    def forward_shape(self, shape: Shape) -> Shape:
        """``out_shape`` for ``in_shape``."""
        return self._exchange(shape, self.in_shape, self.out_shape)

    def inverse_shape(self, shape: Shape) -> Shape:
        """``in_shape`` for ``out_shape``."""
        return self._exchange(shape, self.out_shape, self.in_shape)


class SoftmaxTransform(PlainTransform):
    """y = softmax(x); its inverse, log(y), is one of many, so there is no Jacobian.

    >>> torch.distributions.SoftmaxTransform()(torch.tensor([1.0, 1.0]))
    tensor([0.5000, 0.5000])
    """

    domain = constraints.real_vector
    codomain = constraints.simplex

    def _call(self, x: torch.Tensor) -> torch.Tensor:
        odds = (x - x.max(-1, True)[0]).exp()
        return odds / odds.sum(-1, True)

    def _inverse(self, y: torch.Tensor) -> torch.Tensor:
        return y.log()

    def forward_shape(self, shape: Shape) -> Shape:
        """The same."""
        drop_last(shape, 1)
        return shape

    def inverse_shape(self, shape: Shape) -> Shape:
        """The same."""
        drop_last(shape, 1)
        return shape


class StickBreakingTransform(PlainTransform):
    """K - 1 real numbers become K positive ones of sum 1.

    Each breaks a fraction, its sigmoid shifted so that zeros give equal pieces, off the stick that
    is left.

    >>> torch.distributions.StickBreakingTransform()(torch.zeros(2))
    tensor([0.3333, 0.3333, 0.3333])
    """

    domain = constraints.real_vector
    codomain = constraints.simplex
    bijective = True

    @staticmethod
    def _shift(x: torch.Tensor) -> torch.Tensor:
        """log of the number of pieces still to come after each break."""
        return (x.shape[-1] + 1 - x.new_ones(x.shape[-1]).cumsum(-1)).log()

    def _call(self, x: torch.Tensor) -> torch.Tensor:
        fraction = _clipped_sigmoid(x - self._shift(x))
        left = (1 - fraction).cumprod(-1)
        return F.pad(fraction, [0, 1], value=1) * F.pad(left, [1, 0], value=1)

    def _inverse(self, y: torch.Tensor) -> torch.Tensor:
        pieces = y[..., :-1]
        left = 1 - pieces.cumsum(-1)
        left = left.clamp(min=torch.finfo(y.dtype).tiny)
        return pieces.log() - left.log() + self._shift(pieces)

    def log_abs_det_jacobian(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        """The sum of the logs of each break's slope."""
        x = x - self._shift(x)
        return (-x + F.logsigmoid(x) + y[..., :-1].log()).sum(-1)

    def forward_shape(self, shape: Shape) -> Shape:
        """One element more."""
        return (*drop_last(shape, 1), shape[-1] + 1)

    def inverse_shape(self, shape: Shape) -> Shape:
        """One element less."""
        return (*drop_last(shape, 1), shape[-1] - 1)


# ---- matrices ------------------------------------------------------------------------------------


class CorrCholeskyTransform(Transform):
    """D (D - 1) / 2 real numbers become the Cholesky factor of a D x D correlation matrix.

    Row by row, the tanh of each number takes its share of what is left of the row's unit length.

    >>> factor = torch.distributions.CorrCholeskyTransform()(torch.tensor([0.1, 0.2, 0.3]))
    >>> (factor @ factor.T).diagonal()
    tensor([1.0000, 1.0000, 1.0000])
    """

    domain = constraints.real_vector
    codomain = constraints.corr_cholesky
    bijective = True

    def _call(self, x: torch.Tensor) -> torch.Tensor:
        eps = torch.finfo(x.dtype).eps
        partial = vec_to_tril_matrix(torch.tanh(x).clamp(min=-1 + eps, max=1 - eps), diag=-1)
        left = (1 - partial**2).sqrt().cumprod(-1)
        partial = partial + torch.eye(partial.shape[-1], dtype=x.dtype, device=x.device)
        return partial * F.pad(left[..., :-1], [1, 0], value=1)

    def _inverse(self, y: torch.Tensor) -> torch.Tensor:
        left = F.pad((1 - torch.cumsum(y * y, dim=-1))[..., :-1], [1, 0], value=1)
        below = tril_matrix_to_vec(y, diag=-1)
        partial = below / tril_matrix_to_vec(left, diag=-1).sqrt()
        return (partial.log1p() - partial.neg().log1p()) / 2

    def log_abs_det_jacobian(
        self, x: torch.Tensor, y: torch.Tensor, intermediates: Any = None
    ) -> torch.Tensor:
        """That of the sticks, and of tanh."""
        left = tril_matrix_to_vec(1 - (y * y).cumsum(dim=-1), diag=-2)
        sticks = 0.5 * left.log().sum(-1)
        tanh = -2 * (x + F.softplus(-2 * x) - math.log(2.0)).sum(dim=-1)
        return sticks + tanh

    def forward_shape(self, shape: Shape) -> Shape:
        """From the number of elements below the diagonal to (D, D)."""
        batch = drop_last(shape, 1)
        n = round((0.25 + 2 * shape[-1]) ** 0.5 + 0.5)
        if n * (n - 1) // 2 != shape[-1]:
            raise ValueError("Input is not a flattened lower-diagonal number")
        return (*batch, n, n)

    def inverse_shape(self, shape: Shape) -> Shape:
        """From (D, D) to the number of elements below the diagonal."""
        batch = drop_last(shape, 2)
        if shape[-2] != shape[-1]:
            raise ValueError("Input is not square")
        n = shape[-1]
        return (*batch, n * (n - 1) // 2)


class LowerCholeskyTransform(PlainTransform):
    """Any square matrix becomes lower triangular with a positive diagonal, the exp of its own.

    >>> torch.distributions.LowerCholeskyTransform()(torch.zeros(2, 2))
    tensor([[1., 0.],
            [0., 1.]])
    """

    domain = constraints.independent(constraints.real, 2)
    codomain = constraints.lower_cholesky

    def _call(self, x: torch.Tensor) -> torch.Tensor:
        return x.tril(-1) + x.diagonal(dim1=-2, dim2=-1).exp().diag_embed()

    def _inverse(self, y: torch.Tensor) -> torch.Tensor:
        return y.tril(-1) + y.diagonal(dim1=-2, dim2=-1).log().diag_embed()


class PositiveDefiniteTransform(PlainTransform):
    """Any square matrix becomes positive definite: L Lᵀ of its lower Cholesky transform.

    >>> torch.distributions.PositiveDefiniteTransform()(torch.tensor([[0.0, 9.0], [1.0, 0.0]]))
    tensor([[1., 1.],
            [1., 2.]])
    """

    domain = constraints.independent(constraints.real, 2)
    codomain = constraints.positive_definite

    def _call(self, x: torch.Tensor) -> torch.Tensor:
        factor = LowerCholeskyTransform()(x)
        return factor @ factor.mT

    def _inverse(self, y: torch.Tensor) -> torch.Tensor:
        return LowerCholeskyTransform().inv(linalg.cholesky(y))
