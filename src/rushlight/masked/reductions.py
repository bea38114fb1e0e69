"""Reductions over the elements where a mask is True."""

from rushlight import _api as torch
from rushlight import linalg
from rushlight.masked.fill import Dims, filled, input_mask, to_int64, wrap_dim, wrap_dims

Mask = torch.Tensor | None
Dtype = torch.dtype | None


def sum(
    input: torch.Tensor,
    dim: Dims = None,
    *,
    keepdim: bool | None = False,
    dtype: Dtype = None,
    mask: Mask = None,
) -> torch.Tensor:
    """sum(input, dim=None, *, keepdim=False, dtype=None, mask=None) -> Tensor

    Sums of the elements where ``mask`` is True, over ``dim`` (None: all dimensions); 0 where it is
    True nowhere.

    >>> torch.masked.sum(torch.tensor([1, 2, 3]), mask=torch.tensor([True, False, True]))
    tensor(4)
    """
    dtype = to_int64(input.dtype) if dtype is None else dtype
    dims = wrap_dims(dim, input.ndim)
    return torch.sum(filled("sum", input, mask), dims, bool(keepdim), dtype=dtype)


def prod(
    input: torch.Tensor,
    dim: Dims = None,
    *,
    keepdim: bool | None = False,
    dtype: Dtype = None,
    mask: Mask = None,
) -> torch.Tensor:
    """prod(input, dim=None, *, keepdim=False, dtype=None, mask=None) -> Tensor

    Products of the elements where ``mask`` is True; 1 where it is True nowhere.

    >>> mask = torch.tensor([True, False, True])
    >>> torch.masked.prod(torch.tensor([3.0, 9.0, 1.0]), mask=mask)
    tensor(3.)
    """
    dtype = to_int64(input.dtype) if dtype is None else dtype
    dims = wrap_dims(dim, input.ndim)
    result = filled("prod", input, mask)
    for d in reversed(dims):
        result = result.prod(d, bool(keepdim))
    return result.to(dtype)


def amax(
    input: torch.Tensor,
    dim: Dims = None,
    *,
    keepdim: bool | None = False,
    dtype: Dtype = None,
    mask: Mask = None,
) -> torch.Tensor:
    """amax(input, dim=None, *, keepdim=False, dtype=None, mask=None) -> Tensor

    The largest of the elements where ``mask`` is True; -inf, or the least integer, if there
    is none.

    >>> mask = torch.tensor([True, False, True])
    >>> torch.masked.amax(torch.tensor([3.0, 9.0, 1.0]), mask=mask)
    tensor(3.)
    """
    return _extreme("amax", torch.amax, input, dim, keepdim, dtype, mask)


def amin(
    input: torch.Tensor,
    dim: Dims = None,
    *,
    keepdim: bool | None = False,
    dtype: Dtype = None,
    mask: Mask = None,
) -> torch.Tensor:
    """amin(input, dim=None, *, keepdim=False, dtype=None, mask=None) -> Tensor

    The smallest of the elements where ``mask`` is True; inf, or the greatest integer, if there is
    none.

    >>> mask = torch.tensor([True, False, True])
    >>> torch.masked.amin(torch.tensor([3.0, 9.0, 1.0]), mask=mask)
    tensor(1.)
    """
    return _extreme("amin", torch.amin, input, dim, keepdim, dtype, mask)


def _extreme(name, reduce, input, dim, keepdim, dtype, mask):
    dtype = input.dtype if dtype is None else dtype
    x = filled(name, input, mask)
    return reduce(x, wrap_dims(dim, x.ndim), bool(keepdim)).to(dtype)


def argmax(
    input: torch.Tensor,
    dim: int | None = None,
    *,
    keepdim: bool | None = False,
    dtype: Dtype = None,
    mask: Mask = None,
) -> torch.Tensor:
    """argmax(input, dim=None, *, keepdim=False, dtype=None, mask=None) -> Tensor

    The place of the largest of the elements where ``mask`` is True, in the input's dtype, as
    PyTorch has it.

    >>> mask = torch.tensor([True, False, True])
    >>> torch.masked.argmax(torch.tensor([3.0, 9.0, 1.0]), mask=mask)
    tensor(0.)
    """
    dtype = input.dtype if dtype is None else dtype
    return torch.argmax(filled("argmax", input, mask), dim, bool(keepdim)).to(dtype)


def argmin(
    input: torch.Tensor,
    dim: int | None = None,
    *,
    keepdim: bool | None = False,
    dtype: Dtype = None,
    mask: Mask = None,
) -> torch.Tensor:
    """argmin(input, dim=None, *, keepdim=False, dtype=None, mask=None) -> Tensor

    The place of the smallest of the elements where ``mask`` is True, in the input's dtype, as
    PyTorch has it.

    >>> mask = torch.tensor([True, False, True])
    >>> torch.masked.argmin(torch.tensor([3.0, 9.0, 1.0]), mask=mask)
    tensor(2.)
    """
    dtype = input.dtype if dtype is None else dtype
    return torch.argmin(filled("argmin", input, mask), dim, bool(keepdim)).to(dtype)


def logsumexp(
    input: torch.Tensor,
    dim: Dims = None,
    *,
    keepdim: bool = False,
    dtype: Dtype = None,
    mask: Mask = None,
) -> torch.Tensor:
    """logsumexp(input, dim=None, *, keepdim=False, dtype=None, mask=None) -> Tensor

    log(Σ exp(x)) of the elements where ``mask`` is True; -inf where it is True nowhere.

    >>> mask = torch.tensor([True, False, True])
    >>> torch.masked.logsumexp(torch.tensor([3.0, 9.0, 1.0]), 0, mask=mask)
    tensor(3.1269)
    """
    dtype = input.dtype if dtype is None else dtype
    dims = wrap_dims(dim, input.ndim)
    return torch.logsumexp(filled("logsumexp", input, mask), dims, bool(keepdim)).to(dtype)


def mean(
    input: torch.Tensor,
    dim: Dims = None,
    *,
    keepdim: bool | None = False,
    dtype: Dtype = None,
    mask: Mask = None,
) -> torch.Tensor:
    """mean(input, dim=None, *, keepdim=False, dtype=None, mask=None) -> Tensor

    Means of the elements where ``mask`` is True; nan where it is True nowhere. Integers need a
    ``dtype`` of floating point.

    >>> torch.masked.mean(torch.tensor([1.0, 2.0, 6.0]), mask=torch.tensor([True, True, False]))
    tensor(1.5000)
    """
    if dtype is None:
        if not (input.is_floating_point() or input.is_complex()):
            raise ValueError(
                "mean(): Could not infer output dtype. Input dtype must be either a floating point "
                f"or complex dtype. Got: {input.dtype}"
            )
        dtype = input.dtype
    total = sum(input, dim, keepdim=keepdim, dtype=dtype, mask=mask)
    return total / _count(input, dim, keepdim, mask)


def _count(input, dim, keepdim, mask):
    """How many elements each result is made of."""
    if mask is None:
        ones = torch.ones(input.shape, dtype=torch.int64, device=input.device)
        return sum(ones, dim, keepdim=keepdim)
    return sum(input_mask(input, mask), dim, keepdim=keepdim)


def median(
    input: torch.Tensor,
    dim: int = -1,
    *,
    keepdim: bool = False,
    dtype: Dtype = None,
    mask: Mask = None,
) -> torch.Tensor:
    """median(input, dim=-1, *, keepdim=False, dtype=None, mask=None) -> Tensor

    The lower median of the elements where ``mask`` is True; nan where it is True nowhere (of
    integers: ValueError).

    >>> mask = torch.tensor([True, False, True])
    >>> torch.masked.median(torch.tensor([3.0, 9.0, 1.0]), 0, mask=mask)
    tensor(1.)
    """
    dtype = input.dtype if dtype is None else dtype
    of_floats = input.is_floating_point()
    dim = wrap_dim(dim, input.ndim)
    x = filled("median", input if of_floats else input.to(torch.float), mask)
    found = torch.nanmedian(x, dim, bool(keepdim)).values
    if of_floats:
        return found
    if found.isnan().any():
        raise ValueError(
            "masked median expects no fully masked out rows if dtype is not floating point"
        )
    return found.to(dtype)


def norm(
    input: torch.Tensor,
    ord: float | None = 2.0,
    dim: Dims = None,
    *,
    keepdim: bool | None = False,
    dtype: Dtype = None,
    mask: Mask = None,
) -> torch.Tensor:
    """norm(input, ord=2.0, dim=None, *, keepdim=False, dtype=None, mask=None) -> Tensor

    The ``ord``-norm of the elements where ``mask`` is True.

    >>> mask = torch.tensor([True, False, True])
    >>> torch.masked.norm(torch.tensor([3.0, 9.0, 1.0]), 2.0, 0, mask=mask)
    tensor(3.1623)
    """
    x = filled("norm", input, mask, ord)
    return linalg.vector_norm(x, ord, wrap_dims(dim, x.ndim), bool(keepdim), dtype=dtype)


def var(
    input: torch.Tensor,
    dim: Dims = None,
    unbiased: bool | None = None,
    *,
    correction: float | None = None,
    keepdim: bool | None = False,
    dtype: Dtype = None,
    mask: Mask = None,
) -> torch.Tensor:
    """var(input, dim=None, unbiased=None, *, correction=1, keepdim=False, dtype=None, mask=None)
    -> Tensor

    Variances of the elements where ``mask`` is True.

    >>> mask = torch.tensor([True, False, True])
    >>> torch.masked.var(torch.tensor([3.0, 9.0, 1.0]), 0, unbiased=True, mask=mask)
    tensor(2.)
    """
    return _variance(input, dim, unbiased, correction, keepdim, dtype, mask)[0]


def std(
    input: torch.Tensor,
    dim: Dims = None,
    unbiased: bool | None = None,
    *,
    correction: int | None = None,
    keepdim: bool | None = False,
    dtype: Dtype = None,
    mask: Mask = None,
) -> torch.Tensor:
    """std(input, dim=None, unbiased=None, *, correction=1, keepdim=False, dtype=None, mask=None)
    -> Tensor

    Standard deviations of the elements where ``mask`` is True.

    >>> mask = torch.tensor([True, False, True])
    >>> torch.masked.std(torch.tensor([3.0, 9.0, 1.0]), 0, unbiased=True, mask=mask)
    tensor(1.4142)
    """
    variance, dtype = _variance(input, dim, unbiased, correction, keepdim, dtype, mask)
    return torch.sqrt(variance.to(dtype))


def _variance(input, dim, unbiased, correction, keepdim, dtype, mask):
    """The variance, and the dtype asked for."""
    if unbiased is not None and correction is not None:
        raise AssertionError("Only one of unbiased and correction may be given")
    if correction is None:
        correction = 1.0 if unbiased is None else float(unbiased)
    dtype = input.dtype if dtype is None else dtype
    if not (dtype.is_floating_point or dtype.is_complex):
        dtype = torch.float32
    total = sum(input, dim, keepdim=True, dtype=dtype, mask=mask)
    count = _count(input, dim, True, mask)
    x = torch.subtract(input, torch.divide(total, count))
    squares = sum(x * x.conj(), dim, keepdim=keepdim, dtype=dtype, mask=mask)
    if not keepdim:
        count = count.reshape(squares.shape)
    if correction != 0:
        real = {torch.complex64: torch.float32, torch.complex128: torch.float64}.get(dtype, dtype)
        count = torch.subtract(count.to(real), correction).clamp(min=0)
    return torch.divide(squares, count).to(dtype), dtype
