"""torch.cuda without a GPU: seeds and queries are accepted, everything that needs a device raises
PyTorch's error.
"""

import importlib
from typing import Any

from rushlight import _api as torch

MESSAGE = "Torch not compiled with CUDA enabled"


def is_available() -> bool:
    """is_available() -> bool: False, this build computes on the CPU.

    >>> torch.cuda.is_available()
    False
    """
    return False


def is_initialized() -> bool:
    """is_initialized() -> bool: False.

    >>> torch.cuda.is_initialized()
    False
    """
    return False


def is_bf16_supported(including_emulation: bool = True) -> bool:
    """is_bf16_supported() -> bool: False.

    >>> torch.cuda.is_bf16_supported()
    False
    """
    return False


def device_count() -> int:
    """device_count() -> int: 0.

    >>> torch.cuda.device_count()
    0
    """
    return 0


def manual_seed(seed: int) -> None:
    """manual_seed(seed) -> None: accepted and ignored, as PyTorch does without a GPU.

    >>> torch.cuda.manual_seed(0)  # without a GPU, nothing happens
    """
    int(seed)


def manual_seed_all(seed: int) -> None:
    """manual_seed_all(seed) -> None: accepted and ignored, as PyTorch does without a GPU.

    >>> torch.cuda.manual_seed_all(0)  # without a GPU, nothing happens
    """
    int(seed)


def seed() -> None:
    """seed() -> None: accepted and ignored without a GPU.

    >>> torch.cuda.seed()  # without a GPU, nothing happens
    """


def seed_all() -> None:
    """seed_all() -> None: accepted and ignored without a GPU.

    >>> torch.cuda.seed_all()  # without a GPU, nothing happens
    """


def empty_cache() -> None:
    """empty_cache() -> None: there is no cache to empty.

    >>> torch.cuda.empty_cache()
    >>> torch.cuda.memory_reserved()
    0
    """


def memory_allocated(device: object = None) -> int:
    """memory_allocated(device=None) -> int: 0 bytes.

    >>> torch.cuda.memory_allocated()
    0
    """
    return 0


def max_memory_allocated(device: object = None) -> int:
    """max_memory_allocated(device=None) -> int: 0 bytes.

    >>> torch.cuda.max_memory_allocated()
    0
    """
    return 0


def memory_reserved(device: object = None) -> int:
    """memory_reserved(device=None) -> int: 0 bytes.

    >>> torch.cuda.memory_reserved()
    0
    """
    return 0


def get_rng_state_all() -> list:
    """get_rng_state_all() -> list: no device, no state.

    >>> torch.cuda.get_rng_state_all()
    []
    """
    return []


def _needs_gpu(name: str) -> object:
    def call(*args: object, **kw: object) -> None:
        raise AssertionError(MESSAGE)

    call.__name__ = call.__qualname__ = name
    given = "0" if name.startswith("set_") else ""
    call.__doc__ = f"""{name}(...): needs a GPU; raises AssertionError, as PyTorch's CPU build does.

    >>> torch.cuda.{name}({given})
    Traceback (most recent call last):
        ...
    AssertionError: Torch not compiled with CUDA enabled
    """
    return call


for _name in (
    "current_device",
    "set_device",
    "get_device_name",
    "get_device_properties",
    "get_device_capability",
    "synchronize",
    "current_stream",
    "get_rng_state",
    "set_rng_state",
    "initial_seed",
    "reset_peak_memory_stats",
    "mem_get_info",
):
    globals()[_name] = _needs_gpu(_name)


class device:
    """device(index)

    A context in which a GPU is current; None or a negative index changes nothing.

    >>> with torch.cuda.device(None):
    ...     torch.ones(1).device
    device(type='cpu')
    """

    def __init__(self, device: object) -> None:
        self.index = -1 if device is None else getattr(torch.device(device), "index", -1)

    def __enter__(self) -> None:
        if self.index is not None and self.index >= 0:
            raise AssertionError(MESSAGE)

    def __exit__(self, *exc: object) -> None:
        return None


def __getattr__(name: str) -> Any:
    if name == "amp":  # loaded when first named
        return importlib.import_module(f"{__name__}.amp")
    raise AttributeError(f"module 'torch.cuda' has no attribute '{name}'")
