"""The ``reduction`` of losses, and its two old forms."""

import warnings
from typing import Any

_NUMBERS = {"none": 0, "mean": 1, "elementwise_mean": 1, "sum": 2}


def get_enum(reduction: str) -> int:
    """get_enum(reduction): 'none', 'mean', 'sum' as 0, 1, 2."""
    if reduction == "elementwise_mean":
        warnings.warn(
            "reduction='elementwise_mean' is deprecated. Please use reduction='mean' instead.",
            stacklevel=2,
        )
    if reduction not in _NUMBERS:
        raise ValueError(f"{reduction} is not a valid value for reduction")
    return _NUMBERS[reduction]


def legacy_get_string(size_average: Any, reduce: Any, emit_warning: bool = True) -> str:
    """legacy_get_string(size_average, reduce): the reduction that two old flags mean."""
    if reduce is not None and not reduce:
        reduction = "none"
    else:
        reduction = "mean" if size_average is None or size_average else "sum"
    if emit_warning:
        warnings.warn(
            "size_average and reduce args will be deprecated, "
            f"please use reduction='{reduction}' instead.",
            stacklevel=2,
        )
    return reduction


def legacy_get_enum(size_average: Any, reduce: Any, emit_warning: bool = True) -> int:
    """legacy_get_enum(size_average, reduce): the same, as a number."""
    return get_enum(legacy_get_string(size_average, reduce, emit_warning))
