"""autocast, and the decorators of Functions that know about it."""

import functools
import warnings
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal

from rushlight import _api as torch
from rushlight._core import gpu
from rushlight.amp import _state
from rushlight.amp._cast import DTYPES, LOW, eligible

__all__ = ["autocast", "autocast_decorator", "custom_bwd", "custom_fwd", "is_autocast_available"]


def is_autocast_available(device_type: str) -> bool:
    """is_autocast_available(device_type) -> bool: whether PyTorch has autocast for such devices.

    >>> torch.amp.is_autocast_available("cpu")
    True
    """
    return _state.device_kind("_is_autocast_available", device_type) in DTYPES


def autocast_decorator(autocast_instance: "autocast", func: Callable) -> Callable:
    """autocast_decorator(autocast_instance, func) -> function: ``func``, run inside."""

    @functools.wraps(func)
    def decorated(*args: Any, **kwargs: Any) -> Any:
        with autocast_instance:
            return func(*args, **kwargs)

    return decorated


class autocast:
    """autocast(device_type, dtype=None, enabled=True, cache_enabled=None)

    Inside, matrix products and convolutions compute in ``dtype`` (on the CPU bfloat16, or float16),
    operators that need range or accuracy in float32, and the rest in what their inputs have. A
    context manager and a decorator; regions nest, and ``enabled=False`` makes one without casts.
    Weights are cast once and kept until the outermost region ends, unless ``cache_enabled=False``.

    Leave it before ``backward()``.

    Raises:
        RuntimeError: ``device_type`` is no kind of device with autocast.

    >>> layer = torch.nn.Linear(2, 2)
    >>> with torch.autocast("cpu"):
    ...     y = layer(torch.ones(1, 2))
    >>> y.dtype, layer.weight.dtype
    (torch.bfloat16, torch.float32)
    """

    def __init__(
        self,
        device_type: str,
        dtype: torch.dtype | None = None,
        enabled: bool = True,
        cache_enabled: bool | None = None,
    ) -> None:
        if not isinstance(device_type, str):
            raise ValueError(f"Expected `device_type` of type `str`, got: `{type(device_type)}`")
        self.fast_dtype = _state.get_autocast_dtype(device_type) if dtype is None else dtype
        if not is_autocast_available(device_type):
            raise RuntimeError(
                f"User specified an unsupported autocast device_type '{device_type}'"
            )
        self.device = device_type
        cache = _state.is_autocast_cache_enabled() if cache_enabled is None else cache_enabled
        self._cache_enabled = cache
        self._enabled = enabled and self._possible()

    def _possible(self) -> bool:
        """Can it be enabled? A warning if not."""
        if torch.device(self.device).type == "cpu" and self.fast_dtype not in LOW:
            warnings.warn(
                "In CPU autocast, but the target dtype is not supported. Disabling autocast.\n"
                "CPU Autocast only supports dtypes of torch.bfloat16, torch.float16 currently.",
                stacklevel=3,
            )
            return False
        if self.device == "cuda" and not gpu.is_available():
            warnings.warn(
                "CUDA is not available or torch_xla is imported. Disabling autocast.", stacklevel=3
            )
            return False
        return True

    def __enter__(self) -> "autocast":
        self.prev_cache_enabled = _state.is_autocast_cache_enabled()
        self.prev = _state.is_autocast_enabled(self.device)
        self.prev_fastdtype = _state.get_autocast_dtype(self.device)
        _state.set_autocast_dtype(self.device, self.fast_dtype)
        _state.set_autocast_enabled(self.device, self._enabled)
        _state.autocast_increment_nesting()
        _state.set_autocast_cache_enabled(self._cache_enabled)
        return self

    def __exit__(self, *exc: object) -> Literal[False]:
        if _state.autocast_decrement_nesting() == 0:
            _state.clear_autocast_cache()
        _state.set_autocast_enabled(self.device, self.prev)
        _state.set_autocast_dtype(self.device, self.prev_fastdtype)
        _state.set_autocast_cache_enabled(self.prev_cache_enabled)
        return False

    def __call__(self, func: Callable) -> Callable:
        return autocast_decorator(self, func)


def _enter_autocast(*args: Any) -> autocast:
    """A region of autocast entered here; ``_exit_autocast`` ends it."""
    mode = autocast(*args)
    mode.__enter__()
    return mode


def _exit_autocast(mode: autocast) -> None:
    """The end of a region that ``_enter_autocast`` entered."""
    mode.__exit__(None, None, None)


# ---- Functions -----------------------------------------------------------------------------------


def _cast(value: Any, device_type: str, dtype: torch.dtype) -> Any:
    """Floating tensors of a kind of device, also inside containers, in a dtype."""
    if isinstance(value, torch.Tensor):
        return value.to(dtype) if eligible(value, device_type) else value
    if isinstance(value, str | bytes):
        return value
    if isinstance(value, Mapping):
        return {
            _cast(k, device_type, dtype): _cast(v, device_type, dtype) for k, v in value.items()
        }
    if isinstance(value, Iterable):
        items = [_cast(v, device_type, dtype) for v in value]
        return type(value)(items) if isinstance(value, list | tuple) else iter(items)
    return value


def _check_device_type(device_type: object) -> None:
    if not isinstance(device_type, str):
        raise ValueError(f"Expected `device_type` of type `str`, got: `{type(device_type)}`")


def custom_fwd(
    fwd: Callable | None = None,
    *,
    device_type: str,
    cast_inputs: torch.dtype | None = None,
) -> Callable:
    """custom_fwd(fwd=None, *, device_type, cast_inputs=None) -> function

    A decorator for ``forward`` of an ``autograd.Function`` that is used under autocast. It notes
    for :func:`custom_bwd` whether autocast is on. With ``cast_inputs``, a dtype, floating inputs
    are cast to it and ``forward`` runs with autocast off.

    >>> class Double(torch.autograd.Function):
    ...     @staticmethod
    ...     @torch.amp.custom_fwd(device_type="cpu", cast_inputs=torch.float32)
    ...     def forward(ctx, x):
    ...         return x * 2
    ...     @staticmethod
    ...     @torch.amp.custom_bwd(device_type="cpu")
    ...     def backward(ctx, g):
    ...         return g * 2
    >>> with torch.autocast("cpu"):
    ...     Double.apply(torch.ones(1, dtype=torch.bfloat16)).dtype
    torch.float32
    """
    _check_device_type(device_type)
    if fwd is None:
        return functools.partial(custom_fwd, device_type=device_type, cast_inputs=cast_inputs)
    forward = fwd

    @functools.wraps(forward)
    def decorated(ctx: Any, *args: Any, **kwargs: Any) -> Any:
        ctx._dtype = _state.get_autocast_dtype(device_type)
        on = _state.is_autocast_enabled(device_type)
        if cast_inputs is None or not on:
            ctx._fwd_used_autocast = on
            return forward(ctx, *args, **kwargs)
        ctx._fwd_used_autocast = False
        args = _cast(args, device_type, cast_inputs)
        kwargs = _cast(kwargs, device_type, cast_inputs)
        with autocast(device_type=device_type, enabled=False):
            return forward(ctx, *args, **kwargs)

    return decorated


def custom_bwd(bwd: Callable | None = None, *, device_type: str) -> Callable:
    """custom_bwd(bwd=None, *, device_type) -> function

    A decorator for ``backward`` of a Function whose forward has :func:`custom_fwd`: it runs with
    autocast as ``forward`` did.

    >>> class Double(torch.autograd.Function):
    ...     @staticmethod
    ...     @torch.amp.custom_fwd(device_type='cpu', cast_inputs=torch.float32)
    ...     def forward(ctx, x):
    ...         return 2 * x
    ...     @staticmethod
    ...     @torch.amp.custom_bwd(device_type='cpu')
    ...     def backward(ctx, g):
    ...         return 2 * g
    >>> x = torch.ones(2, requires_grad=True)
    >>> Double.apply(x).sum().backward()
    >>> x.grad
    tensor([2., 2.])
    """
    _check_device_type(device_type)
    if bwd is None:
        return functools.partial(custom_bwd, device_type=device_type)
    backward = bwd

    @functools.wraps(backward)
    def decorated(ctx: Any, *args: Any, **kwargs: Any) -> Any:
        with autocast(device_type, enabled=ctx._fwd_used_autocast, dtype=ctx._dtype):
            return backward(ctx, *args, **kwargs)

    return decorated
