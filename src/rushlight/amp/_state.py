"""The questions and switches of autocast that are functions of torch itself, for this thread."""

import threading
import warnings
from typing import Any

from rushlight import _api as torch
from rushlight.amp._cast import DTYPES, Caster

_local = threading.local()


def caster() -> Caster:
    """This thread's autocast."""
    try:
        found: Caster = _local.caster
    except AttributeError:
        found = _local.caster = Caster()
    return found


def device_kind(function: str, device_type: object) -> str:
    """The kind of a device type string such as 'cpu' or 'cuda:0'."""
    if not isinstance(device_type, str):
        raise TypeError(
            f"{function}(): argument 'device_type' (position 1) must be str, not "
            f"{type(device_type).__name__}"
        )
    return torch.device(device_type).type


def check(function: str, argument: str, at: int, value: object, kind: type) -> None:
    """Refuse an argument of another type, in PyTorch's words."""
    if not isinstance(value, kind):
        name = "torch.dtype" if kind is torch.dtype else kind.__name__
        raise TypeError(
            f"{function}(): argument '{argument}' (position {at}) must be {name}, not "
            f"{type(value).__name__}"
        )


def is_autocast_enabled(device_type: str = "cuda") -> bool:
    """is_autocast_enabled(device_type='cuda') -> bool

    Whether autocast is on in this thread for a kind of device.

    >>> with torch.autocast("cpu"):
    ...     torch.is_autocast_enabled("cpu"), torch.is_autocast_enabled()
    (True, False)
    """
    kind = device_kind("is_autocast_enabled", device_type)
    if kind not in DTYPES:
        raise RuntimeError(
            "unknown device type for autocast in get_autocast_dispatch_key_from_device_type"
        )
    return caster().enabled.get(kind, False)


def set_autocast_enabled(device_type: Any, enabled: Any = None) -> None:
    """set_autocast_enabled(device_type, enabled) -> None

    Turn autocast on or off in this thread for a kind of device; with one argument, for 'cuda'.
    ``torch.autocast`` does it for the length of a ``with``.

    >>> torch.set_autocast_enabled('cpu', True)
    >>> torch.is_autocast_enabled('cpu')
    True
    >>> torch.set_autocast_enabled('cpu', False)
    """
    if enabled is None and not isinstance(device_type, str):
        check("set_autocast_enabled", "enabled", 1, device_type, bool)
        device_type, enabled = "cuda", device_type
    kind = device_kind("set_autocast_enabled", device_type)
    check("set_autocast_enabled", "enabled", 2, enabled, bool)
    caster().enable(kind, enabled)


def get_autocast_dtype(device_type: str) -> torch.dtype:
    """get_autocast_dtype(device_type) -> dtype

    The dtype that autocast computes matrix products in.

    >>> torch.get_autocast_dtype("cpu")
    torch.bfloat16
    """
    kind = device_kind("get_autocast_dtype", device_type)
    if kind not in DTYPES:
        raise RuntimeError("unsupported scalarType")
    return caster().dtypes[kind]


def set_autocast_dtype(device_type: str, dtype: torch.dtype) -> None:
    """set_autocast_dtype(device_type, dtype) -> None: the dtype for matrix products from here.

    >>> torch.set_autocast_dtype('cpu', torch.float16)
    >>> torch.get_autocast_dtype('cpu')
    torch.float16
    >>> torch.set_autocast_dtype('cpu', torch.bfloat16)
    """
    kind = device_kind("set_autocast_dtype", device_type)
    check("set_autocast_dtype", "dtype", 2, dtype, torch.dtype)
    caster().dtypes[kind] = dtype


def is_autocast_cache_enabled() -> bool:
    """is_autocast_cache_enabled() -> bool: whether cast weights are kept until autocast ends.

    >>> torch.is_autocast_cache_enabled()
    True
    """
    return caster().cache_enabled


def set_autocast_cache_enabled(enabled: bool) -> None:
    """set_autocast_cache_enabled(enabled) -> None: keep cast weights, or cast them each time.

    >>> torch.set_autocast_cache_enabled(False)
    >>> torch.is_autocast_cache_enabled()
    False
    >>> torch.set_autocast_cache_enabled(True)
    """
    if not isinstance(enabled, bool):
        raise TypeError(f"enabled must be a bool (got {type(enabled).__name__})")
    caster().cache_enabled = enabled


def clear_autocast_cache() -> None:
    """clear_autocast_cache() -> None

    Forget the cast weights; needed inside autocast only after a weight was written to.

    >>> torch.clear_autocast_cache()
    """
    caster().cache.clear()


def autocast_increment_nesting() -> int:
    """autocast_increment_nesting() -> int: one more region of autocast is open; how many are.

    >>> torch.autocast_increment_nesting()
    1
    >>> torch.autocast_decrement_nesting()
    0
    """
    caster().nesting += 1
    return caster().nesting


def autocast_decrement_nesting() -> int:
    """autocast_decrement_nesting() -> int: one region fewer is open; how many are.

    >>> torch.autocast_increment_nesting()
    1
    >>> torch.autocast_decrement_nesting()
    0
    """
    caster().nesting -= 1
    return caster().nesting


def _deprecated(old: str, new: str) -> None:
    warnings.warn(
        f"torch.{old} is deprecated. Please use torch.{new} instead.",
        DeprecationWarning,
        stacklevel=3,
    )


def is_autocast_cpu_enabled() -> bool:
    """is_autocast_cpu_enabled() -> bool: old for ``is_autocast_enabled('cpu')``.

    >>> torch.is_autocast_cpu_enabled()
    False
    """
    _deprecated("is_autocast_cpu_enabled()", "is_autocast_enabled('cpu')")
    return is_autocast_enabled("cpu")


def set_autocast_cpu_enabled(enabled: bool) -> None:
    """set_autocast_cpu_enabled(enabled) -> None: old for ``set_autocast_enabled('cpu', ...)``.

    >>> torch.set_autocast_cpu_enabled(True)
    >>> torch.is_autocast_enabled('cpu')
    True
    >>> torch.set_autocast_cpu_enabled(False)
    """
    _deprecated("set_autocast_cpu_enabled(enabled)", "set_autocast_enabled('cpu', enabled)")
    set_autocast_enabled("cpu", enabled)


def get_autocast_cpu_dtype() -> torch.dtype:
    """get_autocast_cpu_dtype() -> dtype: old for ``get_autocast_dtype('cpu')``.

    >>> torch.get_autocast_cpu_dtype()
    torch.bfloat16
    """
    _deprecated("get_autocast_cpu_dtype()", "get_autocast_dtype('cpu')")
    return get_autocast_dtype("cpu")


def set_autocast_cpu_dtype(dtype: torch.dtype) -> None:
    """set_autocast_cpu_dtype(dtype) -> None: old for ``set_autocast_dtype('cpu', dtype)``.

    >>> torch.set_autocast_cpu_dtype(torch.float16)
    >>> torch.get_autocast_dtype('cpu')
    torch.float16
    >>> torch.set_autocast_cpu_dtype(torch.bfloat16)
    """
    _deprecated("set_autocast_cpu_dtype(dtype)", "set_autocast_dtype('cpu', dtype)")
    set_autocast_dtype("cpu", dtype)


def get_autocast_gpu_dtype() -> torch.dtype:
    """get_autocast_gpu_dtype() -> dtype: old for ``get_autocast_dtype('cuda')``.

    >>> torch.get_autocast_gpu_dtype()
    torch.float16
    """
    _deprecated("get_autocast_gpu_dtype()", "get_autocast_dtype('cuda')")
    return get_autocast_dtype("cuda")


def set_autocast_gpu_dtype(dtype: torch.dtype) -> None:
    """set_autocast_gpu_dtype(dtype) -> None: old for ``set_autocast_dtype('cuda', dtype)``.

    >>> torch.set_autocast_gpu_dtype(torch.bfloat16)
    >>> torch.get_autocast_dtype('cuda')
    torch.bfloat16
    >>> torch.set_autocast_gpu_dtype(torch.float16)
    """
    _deprecated("set_autocast_gpu_dtype(dtype)", "set_autocast_dtype('cuda', dtype)")
    set_autocast_dtype("cuda", dtype)
