"""make_tensor: random inputs of any dtype."""

import math
import warnings
from typing import Any

from rushlight import _api as torch


def _limits(dtype: Any) -> tuple[Any, Any, Any, Any]:
    """The smallest value of a dtype, the bound above its largest, and the default range."""
    if dtype is torch.bool:
        return 0, 2, 0, 2
    if dtype.is_floating_point or dtype.is_complex:
        real = torch.finfo(dtype)
        return real.min, real.max, -9, 9
    info = torch.iinfo(dtype)
    highest = info.max + (dtype is not torch.int64)  # randint's bound must be an int64 itself
    return info.min, highest, (0 if dtype is torch.uint8 else -9), 10


def _range(dtype: Any, low: Any, high: Any) -> tuple[Any, Any]:
    """``low`` and ``high`` with their defaults, inside what the dtype holds."""
    lowest, highest, default_low, default_high = _limits(dtype)
    low = default_low if low is None else low
    high = default_high if high is None else high
    real = dtype.is_floating_point or dtype.is_complex
    if math.isnan(low) or math.isnan(high):
        raise ValueError(f"`low` and `high` cannot be NaN, but got low={low} and high={high}")
    if low == high and real:
        warnings.warn(
            "Passing `low==high` to `torch.testing.make_tensor` for floating or complex types is "
            "deprecated since 2.1 and will be removed in 2.3. Use `torch.full(...)` instead.",
            FutureWarning,
            stacklevel=4,
        )
    elif low >= high:
        raise ValueError(f"`low` must be less than `high`, but got {low} >= {high}")
    elif high < lowest or low >= highest:
        raise ValueError(
            f"The value interval specified by `low` and `high` is [{low}, {high}), but {dtype} "
            f"only supports [{lowest}, {highest})"
        )
    low, high = max(lowest, min(low, highest)), max(lowest, min(high, highest))
    return (low, high) if real else (math.ceil(low), math.ceil(high))


def _uniform(shape: tuple, dtype: Any, low: float, high: float) -> Any:
    made = torch.empty(shape, dtype=dtype)
    real = torch.view_as_real(made) if dtype.is_complex else made
    if high - low > torch.finfo(dtype).max:  # uniform_ refuses a range that wide
        real.uniform_(low / 2, high / 2).mul_(2)
    else:
        real.uniform_(low, high)
    return made


def make_tensor(
    *shape: Any,
    dtype: Any,
    device: Any,
    low: float | None = None,
    high: float | None = None,
    requires_grad: bool = False,
    noncontiguous: bool = False,
    exclude_zero: bool = False,
    memory_format: Any = None,
) -> Any:
    """make_tensor(*shape, dtype, device, low=None, high=None, requires_grad=False,
    noncontiguous=False, exclude_zero=False, memory_format=None) -> Tensor

    A tensor of values drawn uniformly from [``low``, ``high``), by default [-9, 9) or what of it
    the dtype holds. ``exclude_zero`` replaces zeros by the smallest positive value.

    >>> x = torch.testing.make_tensor(2, 3, dtype=torch.float32, device="cpu", low=0, high=1)
    >>> x.shape, bool((x < 1).all())
    (torch.Size([2, 3]), True)
    """
    size = tuple(shape[0]) if len(shape) == 1 and not isinstance(shape[0], int) else shape
    real = dtype.is_floating_point or dtype.is_complex
    if requires_grad and not real:
        raise ValueError(
            "`requires_grad=True` is not supported for boolean and integral dtypes, but got "
            f"{dtype=}"
        )
    if noncontiguous and memory_format is not None:
        raise ValueError(
            "The parameters `noncontiguous` and `memory_format` are mutually exclusive, but got "
            f"{noncontiguous=} and {memory_format=}"
        )
    low, high = _range(dtype, low, high)
    spread = noncontiguous and bool(size) and math.prod(size) > 1
    drawn = (*size[:-1], 2 * size[-1]) if spread else size
    if real:
        made = _uniform(drawn, dtype, low, high)
    else:
        made = torch.randint(low, high, drawn, dtype=dtype)
    if spread:
        made = made[..., 1::2]
    elif memory_format is not None:
        made = made.clone(memory_format=memory_format)
    if exclude_zero:
        made[made == 0] = torch.finfo(dtype).tiny if real else 1
    made = made.to(device)
    return made.requires_grad_() if requires_grad else made
