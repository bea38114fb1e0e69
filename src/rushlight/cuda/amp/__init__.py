"""torch.cuda.amp: the older names of torch.amp, each with the warning that PyTorch gives."""

import functools
import warnings
from collections.abc import Callable

from rushlight import _api as torch
from rushlight._core import gpu
from rushlight.amp import GradScaler as _GradScaler
from rushlight.amp import autocast as _autocast
from rushlight.amp import custom_bwd as _custom_bwd
from rushlight.amp import custom_fwd as _custom_fwd

__all__ = ["GradScaler", "amp_definitely_not_available", "autocast", "custom_bwd", "custom_fwd"]


def amp_definitely_not_available() -> bool:
    """amp_definitely_not_available() -> bool: is there no GPU?

    >>> torch.cuda.amp.amp_definitely_not_available()
    True
    """
    return not gpu.is_available()


def _old(name: str, new: str) -> None:
    warnings.warn(
        f"`torch.cuda.amp.{name}(args...)` is deprecated. Please use `torch.amp.{new}` instead.",
        FutureWarning,
        stacklevel=3,
    )


class autocast(_autocast):
    """autocast(enabled=True, dtype=torch.float16, cache_enabled=True): ``autocast('cuda', ...)``

    >>> with torch.cuda.amp.autocast():
    ...     torch.is_autocast_enabled('cuda')  # there is no GPU
    False
    """

    def __init__(
        self,
        enabled: bool = True,
        dtype: torch.dtype = torch.float16,
        cache_enabled: bool = True,
    ) -> None:
        _old("autocast", "autocast('cuda', args...)")
        super().__init__("cuda", enabled=enabled, dtype=dtype, cache_enabled=cache_enabled)


class GradScaler(_GradScaler):
    """GradScaler(init_scale=65536.0, ...): ``torch.amp.GradScaler('cuda', ...)``

    >>> torch.cuda.amp.GradScaler().is_enabled()  # there is no GPU
    False
    """

    def __init__(
        self,
        init_scale: float = 2.0**16,
        growth_factor: float = 2.0,
        backoff_factor: float = 0.5,
        growth_interval: int = 2000,
        enabled: bool = True,
    ) -> None:
        _old("GradScaler", "GradScaler('cuda', args...)")
        super().__init__(
            "cuda", init_scale, growth_factor, backoff_factor, growth_interval, enabled
        )


def custom_fwd(fwd: Callable | None = None, *, cast_inputs: torch.dtype | None = None) -> Callable:
    """custom_fwd(fwd=None, *, cast_inputs=None): ``torch.amp.custom_fwd(device_type='cuda')``

    >>> @torch.cuda.amp.custom_fwd
    ... def forward(ctx, x):
    ...     return 2 * x
    >>> callable(forward)
    True
    """
    _old("custom_fwd", "custom_fwd(args..., device_type='cuda')")
    return functools.partial(_custom_fwd, device_type="cuda")(fwd=fwd, cast_inputs=cast_inputs)


def custom_bwd(bwd: Callable) -> Callable:
    """custom_bwd(bwd): ``torch.amp.custom_bwd(device_type='cuda')``

    >>> @torch.cuda.amp.custom_bwd
    ... def backward(ctx, g):
    ...     return 2 * g
    >>> callable(backward)
    True
    """
    _old("custom_bwd", "custom_bwd(args..., device_type='cuda')")
    return functools.partial(_custom_bwd, device_type="cuda")(bwd)
