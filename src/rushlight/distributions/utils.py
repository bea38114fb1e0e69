"""What the families share: broadcasting parameters, probabilities and log odds, lazy values."""

from collections.abc import Callable, Sequence
from typing import Any

from rushlight import _api as torch
from rushlight.nn import functional as F

__all__ = [
    "broadcast_all",
    "clamp_probs",
    "lazy_property",
    "logits_to_probs",
    "probs_to_logits",
    "tril_matrix_to_vec",
    "vec_to_tril_matrix",
]

Number = int | float | bool
Parameter = torch.Tensor | int | float | bool
euler_constant = 0.57721566490153286060


def broadcast_all(*values: Parameter) -> tuple[torch.Tensor, ...]:
    """broadcast_all(*values) -> tuple of Tensors

    The values as tensors of one shape; numbers take dtype and device of the first tensor, or the
    default dtype. ValueError for what is neither a number nor a tensor.

    >>> torch.distributions.utils.broadcast_all(torch.tensor([1.0, 2.0]), 3)
    (tensor([1., 2.]), tensor([3., 3.]))
    """
    if not all(isinstance(v, torch.Tensor | Number) for v in values):
        raise ValueError(
            "Input arguments must all be instances of Number, torch.Tensor or objects "
            "implementing __torch_function__."
        )
    like = next((v for v in values if isinstance(v, torch.Tensor)), None)
    if like is None:
        options: dict[str, Any] = {"dtype": torch.get_default_dtype()}
    else:
        options = {"dtype": like.dtype, "device": like.device}
    tensors = [v if isinstance(v, torch.Tensor) else torch.tensor(v, **options) for v in values]
    if all(t.shape == tensors[0].shape for t in tensors):
        return tuple(tensors)  # the parameters themselves, not views of them
    return tuple(torch.broadcast_tensors(*tensors))


def _standard_normal(
    shape: Sequence[int], dtype: torch.dtype | None, device: Any = None
) -> torch.Tensor:
    """Standard normal numbers, drawn as ``torch.normal`` draws them."""
    return torch.normal(
        torch.zeros(shape, dtype=dtype, device=device),
        torch.ones(shape, dtype=dtype, device=device),
    )


def _sum_rightmost(value: torch.Tensor, dim: int) -> torch.Tensor:
    """The sum over the last ``dim`` dimensions."""
    if dim == 0:
        return value
    return value.reshape((*value.shape[:-dim], -1)).sum(-1)


def logits_to_probs(logits: torch.Tensor, is_binary: bool = False) -> torch.Tensor:
    """logits_to_probs(logits, is_binary=False) -> Tensor

    Probabilities of log odds: the sigmoid, or the softmax over the last dimension.

    >>> torch.distributions.utils.logits_to_probs(torch.tensor([0.0, 0.0]))
    tensor([0.5000, 0.5000])
    >>> torch.distributions.utils.logits_to_probs(torch.tensor([0.0, 0.0]), is_binary=True)
    tensor([0.5000, 0.5000])
    """
    return torch.sigmoid(logits) if is_binary else F.softmax(logits, dim=-1)


def clamp_probs(probs: torch.Tensor) -> torch.Tensor:
    """clamp_probs(probs) -> Tensor

    ``probs`` kept away from 0 and 1 by the dtype's epsilon.

    >>> torch.distributions.utils.clamp_probs(torch.tensor([0.0, 0.5]))
    tensor([1.1921e-07, 5.0000e-01])
    """
    eps = torch.finfo(probs.dtype).eps
    return probs.clamp(min=eps, max=1 - eps)


def probs_to_logits(probs: torch.Tensor, is_binary: bool = False) -> torch.Tensor:
    """probs_to_logits(probs, is_binary=False) -> Tensor

    The inverse of ``logits_to_probs``, of clamped probabilities.

    >>> torch.distributions.utils.probs_to_logits(torch.tensor([0.5, 0.5]))
    tensor([-0.6931, -0.6931])
    >>> torch.distributions.utils.probs_to_logits(torch.tensor([0.5, 0.5]), is_binary=True)
    tensor([0., 0.])
    """
    clamped = clamp_probs(probs)
    if is_binary:
        return torch.log(clamped) - torch.log1p(-clamped)
    return torch.log(clamped)


class lazy_property:
    """lazy_property(wrapped) -> descriptor

    A method's value as an attribute, computed (with gradients) when first read and kept.

    >>> class Square:
    ...     @torch.distributions.utils.lazy_property
    ...     def area(self):
    ...         print('computed')
    ...         return 4
    >>> s = Square()
    >>> s.area
    computed
    4
    >>> s.area
    4
    """

    def __init__(self, wrapped: Callable[[Any], Any]) -> None:
        self.wrapped = wrapped
        self.__doc__ = wrapped.__doc__
        self.__name__ = wrapped.__name__

    def __get__(self, instance: Any, obj_type: Any = None) -> Any:
        if instance is None:
            return _lazy_property_and_property(self.wrapped)
        with torch.enable_grad():
            value = self.wrapped(instance)
        setattr(instance, self.wrapped.__name__, value)
        return value


class _lazy_property_and_property(lazy_property, property):
    """What the class, rather than an instance, shows: documentation tools look for a property."""

    def __init__(self, wrapped: Callable[[Any], Any]) -> None:
        property.__init__(self, wrapped)


def tril_matrix_to_vec(mat: torch.Tensor, diag: int = 0) -> torch.Tensor:
    """tril_matrix_to_vec(mat, diag=0) -> Tensor

    The elements of (..., D, D) on and below diagonal ``diag``, row by row.

    >>> torch.distributions.utils.tril_matrix_to_vec(torch.tensor([[1, 0], [2, 3]]))
    tensor([1, 2, 3])
    """
    n = mat.shape[-1]
    if not -n <= diag < n:
        raise ValueError(f"diag ({diag}) provided is outside [{-n}, {n - 1}].")
    rows, columns = torch.tril_indices(n, n, diag, device=mat.device)
    return mat[..., rows, columns]


def vec_to_tril_matrix(vec: torch.Tensor, diag: int = 0) -> torch.Tensor:
    """vec_to_tril_matrix(vec, diag=0) -> Tensor

    The matrices (..., D, D) whose elements on and below diagonal ``diag`` are (..., L), row by row.
    ValueError if no D fits L.

    >>> torch.distributions.utils.vec_to_tril_matrix(torch.tensor([1.0, 2.0, 3.0]))
    tensor([[1., 0.],
            [2., 3.]])
    """
    length = vec.shape[-1]
    n = (
        -(1 + 2 * diag) + ((1 + 2 * diag) ** 2 + 8 * length + 4 * abs(diag) * (diag + 1)) ** 0.5
    ) / 2
    if round(n) - n > torch.finfo(vec.dtype).eps:
        raise ValueError(
            f"The size of last dimension is {length} which cannot be expressed as "
            "the lower triangular part of a square D x D matrix."
        )
    size = round(n)
    mat = vec.new_zeros((*vec.shape[:-1], size, size))
    rows, columns = torch.tril_indices(size, size, diag, device=vec.device)
    mat[..., rows, columns] = vec
    return mat


def check_one_given(probs: object, logits: object) -> None:
    """ValueError unless exactly one of the two is there."""
    if (probs is None) == (logits is None):
        raise ValueError("Either `probs` or `logits` must be specified, but not both.")


def log_abs(value: torch.Tensor) -> torch.Tensor:
    """log |value|."""
    return value.abs().log()
