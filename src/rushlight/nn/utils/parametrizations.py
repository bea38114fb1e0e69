"""Ready parametrizations: weight norm, spectral norm, orthogonal matrices."""

from typing import Any

from rushlight import _api as torch
from rushlight.nn import functional as F
from rushlight.nn.modules.module import Module
from rushlight.nn.utils import parametrize
from rushlight.nn.utils.spectral_norm import output_dim
from rushlight.nn.utils.weight_norm import norm_except_dim, normalized

__all__ = ["orthogonal", "spectral_norm", "weight_norm"]


class _WeightNorm(Module):
    """original0 is the magnitude, original1 the direction."""

    def __init__(self, dim: int | None = 0) -> None:
        super().__init__()
        self.dim = -1 if dim is None else dim

    def forward(self, weight_g: Any, weight_v: Any) -> Any:
        """The weight."""
        return normalized(weight_v, weight_g, self.dim)

    def right_inverse(self, weight: Any) -> tuple:
        """right_inverse(weight): its magnitude and itself."""
        return norm_except_dim(weight, self.dim), weight


def weight_norm(module: Module, name: str = "weight", dim: int = 0) -> Module:
    """weight_norm(module, name='weight', dim=0): split a parameter into magnitude and direction.

    States saved with the older torch.nn.utils.weight_norm load too.

    >>> m = torch.nn.utils.parametrizations.weight_norm(torch.nn.Linear(3, 4))
    >>> m.parametrizations.weight.original0.shape, m.parametrizations.weight.original1.shape
    (torch.Size([4, 1]), torch.Size([4, 3]))
    """
    parametrize.register_parametrization(module, name, _WeightNorm(dim), unsafe=True)

    def accept_old_names(state_dict: dict, prefix: str, *rest: Any) -> None:
        old = [f"{prefix}{name}_{part}" for part in "gv"]
        if all(key in state_dict for key in old):
            for i, key in enumerate(old):
                state_dict[f"{prefix}parametrizations.{name}.original{i}"] = state_dict.pop(key)

    module._register_load_state_dict_pre_hook(accept_old_names)
    return module


class _SpectralNorm(Module):
    """The weight divided by its largest singular value, which power iteration estimates."""

    def __init__(
        self, weight: Any, n_power_iterations: int = 1, dim: int = 0, eps: float = 1e-12
    ) -> None:
        super().__init__()
        ndim = weight.ndim
        if not -ndim <= dim < ndim:
            raise IndexError(
                "Dimension out of range (expected to be in range of "
                f"[-{ndim}, {ndim - 1}] but got {dim})"
            )
        if n_power_iterations <= 0:
            raise ValueError(
                "Expected n_power_iterations to be positive, but "
                f"got n_power_iterations={n_power_iterations}"
            )
        self.dim = dim % ndim
        self.eps = eps
        if ndim > 1:  # a vector's norm needs no iteration
            self.n_power_iterations = n_power_iterations
            matrix = self._reshape_weight_to_matrix(weight)
            height, width = matrix.size()
            u = matrix.new_empty(height).normal_(0, 1)
            v = matrix.new_empty(width).normal_(0, 1)
            self.register_buffer("_u", F.normalize(u, dim=0, eps=eps))
            self.register_buffer("_v", F.normalize(v, dim=0, eps=eps))
            self._power_method(matrix, 15)

    def _reshape_weight_to_matrix(self, weight: Any) -> Any:
        if self.dim != 0:
            others = (d for d in range(weight.dim()) if d != self.dim)
            weight = weight.permute(self.dim, *others)
        return weight.flatten(1)

    def _power_method(self, matrix: Any, n_power_iterations: int) -> None:
        with torch.no_grad():
            for _ in range(n_power_iterations):
                u = F.normalize(torch.mv(matrix, self._v), dim=0, eps=self.eps)
                self._u.copy_(u)
                v = F.normalize(torch.mv(matrix.t().conj(), self._u), dim=0, eps=self.eps)
                self._v.copy_(v)

    def forward(self, weight: Any) -> Any:
        """The normalized weight; in training the estimate is improved first."""
        if weight.ndim == 1:
            return F.normalize(weight, dim=0, eps=self.eps)
        matrix = self._reshape_weight_to_matrix(weight)
        if self.training:
            self._power_method(matrix, self.n_power_iterations)
        u, v = self._u.clone(), self._v.clone()
        sigma = torch.vdot(u, torch.mv(matrix, v))
        return weight / sigma

    def right_inverse(self, value: Any) -> Any:
        """right_inverse(value): the value itself; it is assumed to be normalized."""
        return value


def _tensor(module: Module, name: str) -> Any:
    weight = getattr(module, name, None)
    if not isinstance(weight, torch.Tensor):
        raise ValueError(f"Module '{module}' has no parameter or buffer with name '{name}'")
    return weight


def spectral_norm(
    module: Module,
    name: str = "weight",
    n_power_iterations: int = 1,
    eps: float = 1e-12,
    dim: int | None = None,
) -> Module:
    """spectral_norm(module, name='weight', n_power_iterations=1, eps=1e-12, dim=None)

    Divide by the spectral norm.

    Miyato et al. (2018), by power iteration.

    >>> m = torch.nn.Linear(3, 4)
    >>> m = torch.nn.utils.parametrizations.spectral_norm(m, n_power_iterations=50)
    >>> torch.linalg.matrix_norm(m.weight, 2).round(decimals=3).item()
    1.0
    >>> list(m.state_dict())[:2]
    ['bias', 'parametrizations.weight.original']
    """
    weight = _tensor(module, name)
    dim = output_dim(module) if dim is None else dim
    parametrization = _SpectralNorm(weight, n_power_iterations, dim, eps)
    return parametrize.register_parametrization(module, name, parametrization)


_MAPS = ("matrix_exp", "cayley", "householder")


def _is_orthogonal(q: Any) -> bool:
    n, k = q.size(-2), q.size(-1)
    identity = torch.eye(k, dtype=q.dtype, device=q.device)
    eps = 10.0 * n * torch.finfo(q.dtype).eps
    return torch.allclose(q.transpose(-2, -1).conj() @ q, identity, atol=eps)


def _make_orthogonal(a: Any) -> Any:
    """Q of a tall matrix A = Q R, with the diagonal of R real and not negative."""
    packed, tau = torch.geqrf(a)
    signs = packed.diagonal(dim1=-2, dim2=-1).sgn().unsqueeze(-2)
    return torch.orgqr(packed, tau) * signs


class _Orthogonal(Module):
    """A matrix with orthonormal columns (or rows, if it is wide), made from any matrix.

    With ``base`` the map is around that matrix, so that any orthogonal matrix can be assigned.
    """

    def __init__(self, weight: Any, orthogonal_map: str, *, use_trivialization: bool) -> None:
        super().__init__()
        if weight.is_complex() and orthogonal_map == "householder":
            raise ValueError("The householder parametrization does not support complex tensors.")
        self.shape = weight.shape
        self.orthogonal_map = orthogonal_map
        if use_trivialization:
            self.register_buffer("base", None)

    def forward(self, x: Any) -> Any:
        """The orthogonal matrix."""
        wide = x.size(-2) < x.size(-1)
        if wide:
            x = x.transpose(-2, -1)
        q = self._reflected(x) if self.orthogonal_map == "householder" else self._rotated(x)
        if hasattr(self, "base"):
            q = self.base @ q
        return q.transpose(-2, -1) if wide else q

    def _rotated(self, x: Any) -> Any:
        """By the exponential or the Cayley map of a skew-symmetric matrix."""
        n, k = x.size(-2), x.size(-1)
        x = x.tril()
        if n != k:
            x = torch.cat([x, x.new_zeros((*x.shape[:-1], n - k))], dim=-1)
        a = x - x.transpose(-2, -1).conj()
        if self.orthogonal_map == "matrix_exp":
            q = torch.matrix_exp(a)
        else:
            identity = torch.eye(n, dtype=a.dtype, device=a.device)
            q = torch.inverse(identity - a * 0.5) @ (identity + a * 0.5)
        return q[..., :k]

    def _reflected(self, x: Any) -> Any:
        """By a product of Householder reflections."""
        a = x.tril(-1)
        tau = 2.0 / (1.0 + (a * a).sum(dim=-2))
        # The diagonal only holds signs, which are not learnt.
        signs = x.detach().diagonal(dim1=-2, dim2=-1).to(torch.int32).unsqueeze(-2)
        return torch.orgqr(a, tau) * signs

    def right_inverse(self, q: Any) -> Any:
        """right_inverse(q): what gives the matrix q, made orthogonal first if it is not."""
        with torch.no_grad():
            if q.shape != self.shape:
                raise ValueError(
                    f"Expected a matrix or batch of matrices of shape {self.shape}. "
                    f"Got a tensor of shape {q.shape}."
                )
            wide = q.size(-2) < q.size(-1)
            tall = q.transpose(-2, -1) if wide else q
            if not hasattr(self, "base"):
                original = self._reflections(tall)
                return original.transpose(-2, -1) if wide else original
            n, k = tall.size(-2), tall.size(-1)
            if n == k:
                self.base = tall.clone() if _is_orthogonal(tall) else _make_orthogonal(tall)
            else:  # complete it to a square matrix
                more = torch.randn((*tall.shape[:-2], n, n - k), dtype=q.dtype, device=q.device)
                self.base = _make_orthogonal(torch.cat([tall, more], dim=-1))
            negative = torch.zeros_like(q)  # the reflections of -I give I
            negative.diagonal(dim1=-2, dim2=-1).fill_(-1.0)
            return negative

    def _reflections(self, q: Any) -> Any:
        """The inverse of the Householder map."""
        if self.orthogonal_map != "householder":
            raise NotImplementedError(
                "It is not possible to assign to the matrix exponential "
                "or the Cayley parametrizations when use_trivialization=False."
            )
        packed, tau = torch.geqrf(q)
        diagonal = packed.diagonal(dim1=-2, dim2=-1)
        # LAPACK leaves a reflection out where tau is exactly zero.
        diagonal.copy_(diagonal.sign() * (1.0 - 2.0 * (tau == 0.0).to(q.dtype)))
        return packed


def orthogonal(
    module: Module,
    name: str = "weight",
    orthogonal_map: str | None = None,
    *,
    use_trivialization: bool = True,
) -> Module:
    """orthogonal(module, name='weight', orthogonal_map=None, *, use_trivialization=True): keep a
    matrix orthogonal.

    ``orthogonal_map``: 'matrix_exp' (default for square and complex matrices), 'cayley' or
    'householder'.

    >>> m = torch.nn.utils.parametrizations.orthogonal(torch.nn.Linear(3, 4))
    >>> torch.allclose(m.weight.T @ m.weight, torch.eye(3), atol=1e-6)
    True
    """
    weight = _tensor(module, name)
    if weight.ndim < 2:
        raise ValueError(
            f"Expected a matrix or batch of matrices. Got a tensor of {weight.ndim} dimensions."
        )
    if orthogonal_map is None:
        square = weight.size(-2) == weight.size(-1)
        orthogonal_map = "matrix_exp" if square or weight.is_complex() else "householder"
    if orthogonal_map not in _MAPS:
        raise ValueError(
            'orthogonal_map has to be one of "matrix_exp", "cayley", "householder". '
            f"Got: {orthogonal_map}"
        )
    parametrization = _Orthogonal(weight, orthogonal_map, use_trivialization=use_trivialization)
    return parametrize.register_parametrization(module, name, parametrization, unsafe=True)
