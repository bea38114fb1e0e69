"""torch.cuda.memory: what CuPy's pool of device memory holds."""

from typing import Any

from rushlight._core import gpu
from rushlight.cuda._devices import index_of

_peak: dict[int, int] = {}  # device -> the most that was seen in use when somebody asked


def _of_pool(device: Any, question: str) -> int:
    """What the pool of a device answers; 0 where there is no device."""
    if not gpu.is_available():
        return 0
    with gpu.on(index_of(device)):
        return int(getattr(gpu.engine().get_default_memory_pool(), question)())


def empty_cache() -> None:
    """empty_cache() -> None: give memory that is not in use back to the driver.

    >>> torch.cuda.empty_cache()
    >>> torch.cuda.memory_reserved()
    0
    """
    if gpu.is_available():
        gpu.engine().get_default_memory_pool().free_all_blocks()
        gpu.engine().get_default_pinned_memory_pool().free_all_blocks()


def memory_allocated(device: Any = None) -> int:
    """memory_allocated(device=None) -> int: bytes that arrays use.

    >>> torch.cuda.memory_allocated()
    0
    """
    used = _of_pool(device, "used_bytes")
    if gpu.is_available():
        index = index_of(device)
        _peak[index] = max(_peak.get(index, 0), used)
    return used


def max_memory_allocated(device: Any = None) -> int:
    """max_memory_allocated(device=None) -> int

    The most bytes in use whenever ``memory_allocated`` or this was called: CuPy's pool keeps no
    peak of its own, so this is a lower bound of PyTorch's number.

    >>> torch.cuda.max_memory_allocated()
    0
    """
    used = memory_allocated(device)
    return _peak[index_of(device)] if gpu.is_available() else used


def memory_reserved(device: Any = None) -> int:
    """memory_reserved(device=None) -> int: bytes that the pool holds, in use or not.

    >>> torch.cuda.memory_reserved()
    0
    """
    return _of_pool(device, "total_bytes")


def reset_peak_memory_stats(device: Any = None) -> None:
    """reset_peak_memory_stats(device=None) -> None: let ``max_memory_allocated`` begin anew.

    >>> torch.cuda.reset_peak_memory_stats()
    Traceback (most recent call last):
        ...
    AssertionError: Torch not compiled with CUDA enabled
    """
    gpu.engine()
    _peak.pop(index_of(device), None)


def mem_get_info(device: Any = None) -> tuple[int, int]:
    """mem_get_info(device=None) -> (free, total) bytes of a device.

    >>> torch.cuda.mem_get_info()
    Traceback (most recent call last):
        ...
    AssertionError: Torch not compiled with CUDA enabled
    """
    gpu.engine()
    with gpu.on(index_of(device)):
        free, total = gpu.engine().cuda.runtime.memGetInfo()
    return free, total


def memory_summary(device: Any = None, abbreviated: bool = False) -> str:
    """memory_summary(device=None) -> str: what is in use and reserved, for people to read.

    >>> torch.cuda.memory_summary()
    'CUDA memory: 0 bytes in use, 0 bytes reserved'
    """
    used, held = memory_allocated(device), memory_reserved(device)
    return f"CUDA memory: {used} bytes in use, {held} bytes reserved"
