"""What stands where a mask leaves an element out: the value that changes nothing (the identity)."""

from typing import Any

from rushlight import _api as torch

Dims = int | tuple[int, ...] | None

# What the lowest or the highest value does not change.
_LEAST = {"amax", "argmax", "logsumexp", "logaddexp"}
_GREATEST = {"amin", "argmin"}


def input_mask(input: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """The mask as booleans in the input's shape; IndexError if it has more dimensions."""
    if mask.shape != input.shape and mask.ndim > input.ndim:
        raise IndexError(
            "_input_mask expected broadcastable mask (got mask dimensionality higher than of the "
            "input)"
        )
    return torch.broadcast_to(mask, input.shape).to(torch.bool)


def identity(name: str, dtype: torch.dtype, ord: float | None = 2.0) -> Any:
    """The number that ``name`` ignores; NotImplementedError where the dtype has none."""
    if name in ("sum", "cumsum"):
        return 0
    if name in ("prod", "cumprod"):
        return 1
    if name in _LEAST and (dtype.is_floating_point or _is_integer(dtype)):
        return -torch.inf if dtype.is_floating_point else torch.iinfo(dtype).min
    if name in _GREATEST and (dtype.is_floating_point or _is_integer(dtype)):
        return torch.inf if dtype.is_floating_point else torch.iinfo(dtype).max
    if name in _LEAST and dtype.is_complex and name == "logsumexp":
        return -torch.inf
    if name == "median":
        return torch.nan
    if name == "norm":
        return torch.inf if ord == -torch.inf else 0
    raise NotImplementedError(f"identity of {name} on {dtype} input")


def _is_integer(dtype: torch.dtype) -> bool:
    return not (dtype.is_floating_point or dtype.is_complex or dtype is torch.bool)


def filled(
    name: str, input: torch.Tensor, mask: torch.Tensor | None, ord: float | None = 2.0
) -> torch.Tensor:
    """The input with the identity of ``name`` where the mask says False."""
    if mask is None:
        return input
    value = torch.tensor(identity(name, input.dtype, ord), dtype=input.dtype, device=input.device)
    return torch.where(input_mask(input, mask), input, value)


def wrap_dim(dim: int, ndim: int) -> int:
    """A dimension counted from the front; IndexError where there is none."""
    size = max(ndim, 1)
    if not -size <= dim < size:
        raise IndexError(
            f"Dimension out of range (expected to be in range of [{-size}, {size - 1}], but got "
            f"{dim})"
        )
    return dim % size


def wrap_dims(dim: Dims, ndim: int) -> tuple[int, ...]:
    """The dimensions to reduce, in order; all of them for None and for an empty tuple."""
    if dim is None or (isinstance(dim, tuple | list) and not dim):
        return tuple(range(ndim))
    found: list[int] = []
    for d in dim if isinstance(dim, tuple | list) else (dim,):
        d = wrap_dim(d, ndim)
        if d in found:
            raise RuntimeError(f"dim={d} appears multiple times in the list of dims")
        found.append(d)
    return tuple(sorted(found))


def to_int64(dtype: torch.dtype) -> torch.dtype:
    """The dtype sums and products have: integers and booleans become int64."""
    return dtype if dtype.is_floating_point or dtype.is_complex else torch.int64
