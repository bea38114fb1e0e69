"""Wishart."""

import math
import warnings
from typing import Any

from rushlight import _api as torch
from rushlight import linalg
from rushlight.distributions import constraints
from rushlight.distributions.chi2 import Chi2
from rushlight.distributions.exp_family import ExponentialFamily
from rushlight.distributions.multivariate_normal import _precision_to_scale_tril
from rushlight.distributions.utils import Parameter, lazy_property

__all__ = ["Wishart"]


_NAMES = ("covariance_matrix", "precision_matrix", "scale_tril")


def _mvdigamma(x: torch.Tensor, p: int) -> torch.Tensor:
    """The derivative of the log of the multivariate gamma function."""
    steps = torch.arange(p, dtype=x.dtype, device=x.device) / 2
    return torch.digamma(x.unsqueeze(-1) - steps.expand((*x.shape, -1))).sum(-1)


def _clamp_above_eps(x: torch.Tensor) -> torch.Tensor:
    return x.clamp(min=torch.finfo(x.dtype).eps)


class Wishart(ExponentialFamily):
    """Wishart(df, covariance_matrix=None, precision_matrix=None, scale_tril=None,
        validate_args=None)

    The distribution of sums of ``df`` outer products of normal vectors, of this covariance.

    >>> from rushlight.distributions import Wishart
    >>> Wishart(torch.tensor([3.0]), torch.eye(2)).mean
    tensor([[[3., 0.],
             [0., 3.]]])
    """

    support = constraints.positive_definite
    has_rsample = True
    _mean_carrier_measure = 0

    @property
    def arg_constraints(self) -> dict[str, constraints.Constraint]:
        """df above the number of dimensions less one; positive definite matrices."""
        return {
            "covariance_matrix": constraints.positive_definite,
            "precision_matrix": constraints.positive_definite,
            "scale_tril": constraints.lower_cholesky,
            "df": constraints.greater_than(self.event_shape[-1] - 1),
        }

    def __init__(
        self,
        df: Parameter,
        covariance_matrix: torch.Tensor | None = None,
        precision_matrix: torch.Tensor | None = None,
        scale_tril: torch.Tensor | None = None,
        validate_args: bool | None = None,
    ) -> None:
        matrices = (covariance_matrix, precision_matrix, scale_tril)
        given = [(n, m) for n, m in zip(_NAMES, matrices, strict=True) if m is not None]
        if len(given) != 1:
            raise AssertionError(
                "Exactly one of covariance_matrix or precision_matrix or scale_tril may be "
                "specified."
            )
        name, matrix = given[0]
        if matrix.dim() < 2:
            raise ValueError(
                "scale_tril must be at least two-dimensional, with optional leading batch "
                "dimensions"
            )
        self._take(df, name, matrix)
        event_shape = matrix.shape[-2:]
        if bool(self.df.le(event_shape[-1] - 1).any()):
            raise ValueError(
                f"Value of df={df} expected to be greater than ndim - 1 = {event_shape[-1] - 1}."
            )
        super().__init__(self._given_batch, event_shape, validate_args=validate_args)
        self._batch_dims = [-(x + 1) for x in range(len(self._batch_shape))]
        if name == "scale_tril":
            self._unbroadcasted_scale_tril = matrix
        elif name == "covariance_matrix":
            self._unbroadcasted_scale_tril = linalg.cholesky(matrix)
        else:
            self._unbroadcasted_scale_tril = _precision_to_scale_tril(matrix)
        if bool(self.df.lt(event_shape[-1]).any()):
            warnings.warn(
                "Low df values detected. Singular samples are highly likely to occur for "
                "ndim - 1 < df < ndim.",
                stacklevel=2,
            )
        self._chi2()

    def _take(self, df: Parameter, name: str, matrix: torch.Tensor) -> None:
        """Broadcast df and the matrix."""
        if isinstance(df, torch.Tensor):
            batch_shape = torch.broadcast_shapes(matrix.shape[:-2], df.shape)
            self.df = df.expand(batch_shape)
        else:
            batch_shape = torch.Size(matrix.shape[:-2])
            self.df = torch.tensor(df, dtype=matrix.dtype, device=matrix.device).expand(batch_shape)
        setattr(self, name, matrix.expand((*batch_shape, -1, -1)))
        self._given_batch = batch_shape

    def _chi2(self) -> None:
        """The distributions of the squared diagonal of Bartlett's factor."""
        p = self._event_shape[-1]
        steps = torch.arange(p, dtype=self.df.dtype, device=self.df.device)
        steps = steps.expand((*self._batch_shape, -1))
        self._dist_chi2 = Chi2(df=self.df.unsqueeze(-1) - steps)

    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        """The same with its parameters expanded."""
        new = self._expanded(Wishart, _instance, batch_shape, ("df", *_NAMES))
        new._unbroadcasted_scale_tril = self._unbroadcasted_scale_tril.expand(new._matrix_shape())
        new._batch_dims = [-(x + 1) for x in range(len(new._batch_shape))]
        new._chi2()
        return new

    def _matrix_shape(self) -> torch.Size:
        return self._batch_shape + self._event_shape

    @lazy_property
    def scale_tril(self) -> torch.Tensor:
        """The Cholesky factor of the covariance matrix."""
        return self._unbroadcasted_scale_tril.expand(self._matrix_shape())

    @lazy_property
    def covariance_matrix(self) -> torch.Tensor:
        """L Lᵀ."""
        factor = self._unbroadcasted_scale_tril
        return (factor @ factor.mT).expand(self._matrix_shape())

    @lazy_property
    def precision_matrix(self) -> torch.Tensor:
        """The inverse of the covariance matrix."""
        identity = torch.eye(
            self._event_shape[-1],
            device=self._unbroadcasted_scale_tril.device,
            dtype=self._unbroadcasted_scale_tril.dtype,
        )
        inverse = torch.cholesky_solve(identity, self._unbroadcasted_scale_tril)
        return inverse.expand(self._matrix_shape())

    @property
    def mean(self) -> torch.Tensor:
        """df times the covariance matrix."""
        return self.df.view((*self._batch_shape, 1, 1)) * self.covariance_matrix

    @property
    def mode(self) -> torch.Tensor:
        """(df - p - 1) times the covariance matrix; nan for smaller df."""
        factor = self.df - self.covariance_matrix.shape[-1] - 1
        factor[factor <= 0] = torch.nan
        return factor.view((*self._batch_shape, 1, 1)) * self.covariance_matrix

    @property
    def variance(self) -> torch.Tensor:
        """df (V² + v vᵀ), with v the diagonal of V."""
        covariance = self.covariance_matrix
        diagonal = covariance.diagonal(dim1=-2, dim2=-1)
        outer = diagonal.unsqueeze(-1) * diagonal.unsqueeze(-2)
        return self.df.view((*self._batch_shape, 1, 1)) * (covariance.pow(2) + outer)

    def _bartlett_sampling(self, sample_shape: Any = torch.Size()) -> torch.Tensor:
        """L A Aᵀ Lᵀ with A lower triangular: chi numbers on the diagonal, normal ones below."""
        p = self._event_shape[-1]
        noise = _clamp_above_eps(self._dist_chi2.rsample(sample_shape).sqrt())
        noise = noise.diag_embed(dim1=-2, dim2=-1)
        i, j = torch.tril_indices(p, p, offset=-1)
        below = torch.randn(
            (*sample_shape, *self._batch_shape, p * (p - 1) // 2),
            dtype=noise.dtype,
            device=noise.device,
        )
        noise[..., i, j] = below
        chol = self._unbroadcasted_scale_tril @ noise
        return chol @ chol.mT

    def rsample(
        self, sample_shape: Any = torch.Size(), max_try_correction: Any = None
    ) -> torch.Tensor:
        """Bartlett's samples, drawn again where PyTorch draws again.

        PyTorch takes the samples that pass the check of positive definiteness for the singular
        ones, so that with the same seed every sample is the second one, and warns of it.
        """
        tries = 10 if max_try_correction is None else max_try_correction
        sample = self._bartlett_sampling(torch.Size(sample_shape))
        redraw = self.support.check(sample)
        if self._batch_shape:
            redraw = redraw.amax(self._batch_dims)
        if not bool(redraw.any()):
            return sample
        warnings.warn("Singular sample detected.", stacklevel=2)
        event_dims = len(self._batch_shape) + 2
        for _ in range(tries):
            again = self._bartlett_sampling(sample[redraw].shape[:-event_dims])
            sample[redraw] = again
            singular = ~self.support.check(again)
            if self._batch_shape:
                singular = singular.amax(self._batch_dims)
            redraw[redraw.clone()] = singular
            if not bool(redraw.any()):
                break
        return sample

    def log_prob(self, value: torch.Tensor) -> torch.Tensor:
        """The log density."""
        if self._validate_args:
            self._validate_sample(value)
        nu = self.df
        p = self._event_shape[-1]
        factor = self._unbroadcasted_scale_tril
        log_det = factor.diagonal(dim1=-2, dim2=-1).log().sum(-1)
        solved = torch.cholesky_solve(value, factor)
        trace = solved.diagonal(dim1=-2, dim2=-1).sum(dim=-1)
        return (
            -nu * (p * math.log(2.0) / 2 + log_det)
            - torch.mvlgamma(nu / 2, p=p)
            + (nu - p - 1) / 2 * linalg.slogdet(value).logabsdet
            - trace / 2
        )

    def entropy(self) -> torch.Tensor:
        """In closed form."""
        nu = self.df
        p = self._event_shape[-1]
        log_det = self._unbroadcasted_scale_tril.diagonal(dim1=-2, dim2=-1).log().sum(-1)
        return (
            (p + 1) * (p * math.log(2.0) / 2 + log_det)
            + torch.mvlgamma(nu / 2, p=p)
            - (nu - p - 1) / 2 * _mvdigamma(nu / 2, p=p)
            + p * nu / 2
        )

    @property
    def _natural_params(self) -> tuple[torch.Tensor, ...]:
        p = self._event_shape[-1]
        return -self.precision_matrix / 2, (self.df - p - 1) / 2

    def _log_normalizer(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        p = self._event_shape[-1]
        half = y + (p + 1) / 2
        log_det = -linalg.slogdet(-2 * x).logabsdet
        return half * (log_det + p * math.log(2.0)) + torch.mvlgamma(half, p=p)
