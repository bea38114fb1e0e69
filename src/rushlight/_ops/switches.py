"""Questions about a tensor or the process, and switches, that are functions of torch."""

import importlib

from rushlight._core import device as devices
from rushlight._core import gpu
from rushlight._core.errors import not_a_tensor
from rushlight._core.once import always, set_always
from rushlight._core.op import public
from rushlight._core.tensor import Tensor
from rushlight._ops.toplevel import (
    are_deterministic_algorithms_enabled,
    is_deterministic_algorithms_warn_only_enabled,
    use_deterministic_algorithms,
)


def _tensor(name, value):
    if not isinstance(value, Tensor):
        raise not_a_tensor(name, "input", 1, value)
    return value


@public("torch", out=False)
def get_device(input):
    """get_device(input) -> int: the number of its GPU, -1 on the CPU.

    >>> torch.get_device(torch.ones(1))
    -1
    """
    return _tensor("get_device", input).get_device()


@public("torch", out=False)
def is_signed(input):
    """is_signed(input) -> bool: whether its dtype has negative numbers.

    >>> torch.is_signed(torch.tensor(1)), torch.is_signed(torch.tensor(True))
    (True, False)
    """
    return _tensor("is_signed", input).is_signed()


@public("torch", out=False)
def is_inference(input):
    """is_inference(input) -> bool: was it made under ``inference_mode``?

    >>> torch.is_inference(torch.ones(1))
    False
    """
    return _tensor("is_inference", input).is_inference()


@public("torch", out=False)
def compiled_with_cxx11_abi():
    """compiled_with_cxx11_abi() -> bool: True, as PyTorch's builds.

    >>> torch.compiled_with_cxx11_abi()
    True
    """
    return True


_DEBUG = {"default": 0, "warn": 1, "error": 2}


@public("torch", out=False)
def set_deterministic_debug_mode(debug_mode):
    """set_deterministic_debug_mode(debug_mode) -> None

    'default' or 0, 'warn' or 1, 'error' or 2: another form of ``use_deterministic_algorithms``.

    >>> torch.set_deterministic_debug_mode("warn")
    >>> torch.get_deterministic_debug_mode()
    1
    >>> torch.set_deterministic_debug_mode(0)
    """
    if not isinstance(debug_mode, str | int):
        raise TypeError(f"debug_mode must be str or int, but got {type(debug_mode)}")
    if isinstance(debug_mode, str):
        if debug_mode not in _DEBUG:
            raise RuntimeError(
                "invalid value of debug_mode, expected one of `default`, `warn`, `error`, but got "
                f"{debug_mode}"
            )
        debug_mode = _DEBUG[debug_mode]
    if debug_mode not in (0, 1, 2):
        raise RuntimeError(
            f"invalid value of debug_mode, expected 0, 1, or 2, but got {debug_mode}"
        )
    use_deterministic_algorithms(debug_mode > 0, warn_only=debug_mode == 1)


@public("torch", out=False)
def get_deterministic_debug_mode():
    """get_deterministic_debug_mode() -> int: 0 default, 1 warn, 2 error.

    >>> torch.get_deterministic_debug_mode()
    0
    """
    if not are_deterministic_algorithms_enabled():
        return 0
    return 1 if is_deterministic_algorithms_warn_only_enabled() else 2


@public("torch", out=False)
def set_warn_always(b, /):
    """set_warn_always(b) -> None

    Whether warnings that are given once in a process are given each time.

    >>> torch.set_warn_always(False)
    """
    if not isinstance(b, bool):
        raise RuntimeError(f"setWarnOnlyOnce expects a bool, but got {type(b).__name__}")
    set_always(b)


@public("torch", out=False)
def is_warn_always_enabled():
    """is_warn_always_enabled() -> bool: what ``set_warn_always`` was told.

    >>> torch.is_warn_always_enabled()
    False
    """
    return always()


@public("torch", out=False)
def get_device_module(device=None):
    """get_device_module(device=None) -> module

    ``torch.cpu`` or ``torch.cuda``; without a device that of the accelerator, if there is one.

    >>> torch.get_device_module("cpu").device_count()
    1
    """
    if device is None:
        kind = "cuda" if gpu.is_available() else "cpu"
    elif isinstance(device, str | devices.device):
        kind = devices.device(device).type
    else:
        raise RuntimeError(f"Invalid value of device '{device}', expect torch.device, str, or None")
    if kind not in ("cpu", "cuda"):
        raise RuntimeError(
            f"Device '{kind}' does not have a corresponding module registered as 'torch.{kind}'."
        )
    return importlib.import_module(f"{__name__.split('.')[0]}.{kind}")
