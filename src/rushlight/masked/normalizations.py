"""Results in the input's shape: running sums, softmax, unit norm; masked elements do not count.

What stands in a result where the mask says False has no meaning.
"""

from rushlight import _api as torch
from rushlight.masked.fill import Dims, filled, wrap_dim
from rushlight.masked.reductions import norm

Mask = torch.Tensor | None
Dtype = torch.dtype | None


def cumsum(
    input: torch.Tensor, dim: int, *, dtype: Dtype = None, mask: Mask = None
) -> torch.Tensor:
    """cumsum(input, dim, *, dtype=None, mask=None) -> Tensor

    Running sums along ``dim`` of the elements where ``mask`` is True.

    >>> torch.masked.cumsum(torch.tensor([1, 2, 3]), 0, mask=torch.tensor([True, False, True]))
    tensor([1, 1, 4])
    """
    dtype = input.dtype if dtype is None else dtype
    dim = wrap_dim(dim, input.ndim)
    return torch.cumsum(filled("cumsum", input, mask), dim, dtype=dtype)


def cumprod(
    input: torch.Tensor, dim: int, *, dtype: Dtype = None, mask: Mask = None
) -> torch.Tensor:
    """cumprod(input, dim, *, dtype=None, mask=None) -> Tensor

    Running products along ``dim`` of the elements where ``mask`` is True.

    >>> mask = torch.tensor([True, False, True])
    >>> torch.masked.cumprod(torch.tensor([3.0, 9.0, 1.0]), 0, mask=mask)
    tensor([3., 3., 3.])
    """
    dtype = input.dtype if dtype is None else dtype
    dim = wrap_dim(dim, input.ndim)
    return torch.cumprod(filled("cumprod", input, mask), dim, dtype=dtype)


def softmax(
    input: torch.Tensor, dim: int, *, dtype: Dtype = None, mask: Mask = None
) -> torch.Tensor:
    """softmax(input, dim, *, dtype=None, mask=None) -> Tensor

    Softmax along ``dim`` over the elements where ``mask`` is True; the others get 0. A row without
    any gets nan.

    >>> torch.masked.softmax(torch.zeros(3), 0, mask=torch.tensor([True, False, True]))
    tensor([0.5000, 0.0000, 0.5000])
    """
    dtype = input.dtype if dtype is None else dtype
    dim = wrap_dim(dim, input.ndim)
    return torch.softmax(filled("amax", input, mask), dim, dtype=dtype)


def log_softmax(
    input: torch.Tensor, dim: int, *, dtype: Dtype = None, mask: Mask = None
) -> torch.Tensor:
    """log_softmax(input, dim, *, dtype=None, mask=None) -> Tensor

    Logarithm of :func:`softmax`, computed directly.

    >>> mask = torch.tensor([True, False, True])
    >>> torch.masked.log_softmax(torch.tensor([3.0, 9.0, 1.0]), 0, mask=mask)
    tensor([-0.1269,    -inf, -2.1269])
    """
    dtype = input.dtype if dtype is None else dtype
    dim = wrap_dim(dim, input.ndim)
    return torch.log_softmax(filled("amax", input, mask), dim, dtype=dtype)


def softmin(
    input: torch.Tensor, dim: int, *, dtype: Dtype = None, mask: Mask = None
) -> torch.Tensor:
    """softmin(input, dim, *, dtype=None, mask=None) -> Tensor

    :func:`softmax` of the negated input.

    >>> mask = torch.tensor([True, False, True])
    >>> torch.masked.softmin(torch.tensor([3.0, 9.0, 1.0]), 0, mask=mask)
    tensor([0.1192, 0.0000, 0.8808])
    """
    dtype = input.dtype if dtype is None else dtype
    dim = wrap_dim(dim, input.ndim)
    return torch.softmax(-filled("amin", input, mask), dim, dtype=dtype)


def normalize(
    input: torch.Tensor,
    ord: float,
    dim: Dims,
    *,
    eps: float = 1e-12,
    dtype: Dtype = None,
    mask: Mask = None,
) -> torch.Tensor:
    """normalize(input, ord, dim, *, eps=1e-12, dtype=None, mask=None) -> Tensor

    The input divided by its ``ord``-norm along ``dim``, or by ``eps`` if that is larger.

    >>> mask = torch.tensor([True, False, True])
    >>> torch.masked.normalize(torch.tensor([3.0, 9.0, 1.0]), 1, 0, mask=mask)
    tensor([0.7500, 0.0000, 0.2500])
    """
    dtype = input.dtype if dtype is None else dtype
    length = norm(input, ord, dim, keepdim=True, dtype=dtype, mask=mask)
    return filled("sum", input, mask) / torch.maximum(length, length.new_full((), eps))


def logaddexp(
    input: torch.Tensor,
    other: torch.Tensor,
    *,
    dtype: Dtype = None,
    input_mask: Mask = None,
    other_mask: Mask = None,
) -> torch.Tensor:
    """logaddexp(input, other, *, dtype=None, input_mask=None, other_mask=None) -> Tensor

    log(exp(input) + exp(other)), without the elements that their masks leave out.

    >>> torch.masked.logaddexp(torch.tensor([0.0]), torch.tensor([0.0]))
    tensor([0.6931])
    """
    dtype = input.dtype if dtype is None else dtype
    x, y = filled("logaddexp", input, input_mask), filled("logaddexp", other, other_mask)
    return torch.logaddexp(x, y).to(dtype)


__all__ = [
    "cumprod",
    "cumsum",
    "log_softmax",
    "logaddexp",
    "normalize",
    "softmax",
    "softmin",
]
