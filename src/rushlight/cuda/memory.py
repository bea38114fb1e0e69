"""torch.cuda.memory: what CuPy's pool of device memory holds."""

from collections import OrderedDict
from typing import Any

from rushlight._core import gpu
from rushlight.cuda._devices import index_of

_peak: dict[int, int] = {}  # device -> the most that was seen in use
_held: dict[int, int] = {}  # device -> the most that the pool held when somebody asked
_hooks: list[Any] = []  # what counts every allocation, once somebody asked for the peak anew


def _count_from_now() -> None:
    """Count each allocation of this thread from now on, so that the peak is exact."""
    base = getattr(gpu.engine().cuda, "MemoryHook", None)
    if _hooks or base is None:
        return

    class Counter(base):  # type: ignore[misc, valid-type]  # CuPy's class is not known before
        """A hook of CuPy's: called after each allocation of its pool."""

        name = "rushlight.peak"

        def malloc_postprocess(self, **facts: Any) -> None:
            index = int(facts["device_id"])
            used = int(gpu.engine().get_default_memory_pool().used_bytes())
            _peak[index] = max(_peak.get(index, 0), used)

    _hooks.append(Counter())
    _hooks[0].__enter__()


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

    The most bytes in use since :func:`reset_peak_memory_stats`, which begins to count every
    allocation of its thread; before it was first called, whenever somebody asked.

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
    """reset_peak_memory_stats(device=None) -> None: let ``max_memory_allocated`` begin anew, and
    count every allocation from now on.

    >>> torch.cuda.reset_peak_memory_stats()
    Traceback (most recent call last):
        ...
    AssertionError: Torch not compiled with CUDA enabled
    """
    gpu.engine()
    index = index_of(device)
    _peak[index] = _of_pool(index, "used_bytes")
    _held[index] = _of_pool(index, "total_bytes")
    _count_from_now()


def max_memory_reserved(device: Any = None) -> int:
    """max_memory_reserved(device=None) -> int: the most bytes that the pool held when asked.

    >>> torch.cuda.max_memory_reserved()
    0
    """
    held = memory_reserved(device)
    if not gpu.is_available():
        return held
    index = index_of(device)
    _held[index] = max(_held.get(index, 0), held)
    return _held[index]


def reset_accumulated_memory_stats(device: Any = None) -> None:
    """reset_accumulated_memory_stats(device=None) -> None: nothing is accumulated here.

    >>> torch.cuda.reset_accumulated_memory_stats()
    Traceback (most recent call last):
        ...
    AssertionError: Torch not compiled with CUDA enabled
    """
    gpu.engine()


def memory_stats(device: Any = None) -> dict[str, int]:
    """memory_stats(device=None) -> dict: what is known of the pool, by PyTorch's names.

    >>> torch.cuda.memory_stats()
    OrderedDict()
    """
    made: OrderedDict[str, int] = OrderedDict()
    if not gpu.is_available():
        return made
    current, peak = memory_allocated(device), max_memory_allocated(device)
    held, most = memory_reserved(device), max_memory_reserved(device)
    for name, now, top in (("allocated", current, peak), ("reserved", held, most)):
        made[f"{name}_bytes.all.current"], made[f"{name}_bytes.all.peak"] = now, top
    made["inactive_split_bytes.all.current"] = held - current
    return made


def set_per_process_memory_fraction(fraction: float, device: Any = None) -> None:
    """set_per_process_memory_fraction(fraction, device=None) -> None

    Let the pool hold at most this fraction, from 0 to 1, of a device's memory.

    >>> torch.cuda.set_per_process_memory_fraction(0.5)
    Traceback (most recent call last):
        ...
    AssertionError: Torch not compiled with CUDA enabled
    """
    engine = gpu.engine()
    if not isinstance(fraction, float):
        raise TypeError("Invalid type for fraction argument, must be `float`")
    if not 0 <= fraction <= 1:
        raise ValueError(f"Invalid fraction value: {fraction}. Allowed range: 0~1")
    with gpu.on(index_of(device)):
        engine.get_default_memory_pool().set_limit(fraction=fraction)


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
