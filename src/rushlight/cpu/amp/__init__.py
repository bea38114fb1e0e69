"""torch.cpu.amp: the older names of torch.amp, each with the warning that PyTorch gives."""

import warnings

from rushlight import _api as torch
from rushlight.amp import GradScaler as _GradScaler
from rushlight.amp import autocast as _autocast

__all__ = ["GradScaler", "autocast"]


def _old(name: str) -> None:
    warnings.warn(
        f"`torch.cpu.amp.{name}(args...)` is deprecated. Please use `torch.amp.{name}('cpu', "
        "args...)` instead.",
        FutureWarning,
        stacklevel=3,
    )


class autocast(_autocast):
    """autocast(enabled=True, dtype=torch.bfloat16, cache_enabled=True): ``autocast('cpu', ...)``

    >>> with torch.cpu.amp.autocast():
    ...     (torch.ones(2, 2) @ torch.ones(2, 2)).dtype
    torch.bfloat16
    """

    def __init__(
        self,
        enabled: bool = True,
        dtype: torch.dtype = torch.bfloat16,
        cache_enabled: bool = True,
    ) -> None:
        _old("autocast")
        super().__init__("cpu", enabled=enabled, dtype=dtype, cache_enabled=cache_enabled)


class GradScaler(_GradScaler):
    """GradScaler(init_scale=65536.0, ...): ``torch.amp.GradScaler('cpu', ...)``

    >>> torch.cpu.amp.GradScaler().get_scale()
    65536.0
    """

    def __init__(
        self,
        init_scale: float = 2.0**16,
        growth_factor: float = 2.0,
        backoff_factor: float = 0.5,
        growth_interval: int = 2000,
        enabled: bool = True,
    ) -> None:
        _old("GradScaler")
        super().__init__("cpu", init_scale, growth_factor, backoff_factor, growth_interval, enabled)
