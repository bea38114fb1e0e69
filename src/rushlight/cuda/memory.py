"""torch.cuda.memory: what CuPy's pool of device memory holds."""

import warnings
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
    kinds = ("allocated", current, peak), ("active", current, peak), ("reserved", held, most)
    for name, now, top in kinds:
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


def memory_stats_as_nested_dict(device: Any = None) -> dict[str, Any]:
    """memory_stats_as_nested_dict(device=None) -> dict: the same, a dictionary for each dot.

    >>> torch.cuda.memory_stats_as_nested_dict()
    {}
    """
    made: dict[str, Any] = {}
    for name, value in memory_stats(device).items():
        *path, last = name.split(".")
        inner = made
        for part in path:
            inner = inner.setdefault(part, {})
        inner[last] = value
    return made


def _renamed(old: str, new: str) -> None:
    text = f"`torch.cuda.{old}` has been renamed to `torch.cuda.{new}`"
    warnings.warn(text, FutureWarning, stacklevel=3)


def memory_cached(device: Any = None) -> int:
    """memory_cached(device=None) -> int: old for :func:`memory_reserved`.

    >>> torch.cuda.memory_cached()
    0
    """
    _renamed("memory_cached", "memory_reserved")
    return memory_reserved(device)


def max_memory_cached(device: Any = None) -> int:
    """max_memory_cached(device=None) -> int: old for :func:`max_memory_reserved`.

    >>> torch.cuda.max_memory_cached()
    0
    """
    _renamed("max_memory_cached", "max_memory_reserved")
    return max_memory_reserved(device)


def _resets_all(name: str) -> None:
    text = (
        f"torch.cuda.{name} now calls torch.cuda.reset_peak_memory_stats, which resets /all/ peak "
        "memory stats."
    )
    warnings.warn(text, FutureWarning, stacklevel=3)


def reset_max_memory_allocated(device: Any = None) -> None:
    """reset_max_memory_allocated(device=None) -> None: old for :func:`reset_peak_memory_stats`.

    >>> torch.cuda.reset_max_memory_allocated()
    Traceback (most recent call last):
        ...
    AssertionError: Torch not compiled with CUDA enabled
    """
    _resets_all("reset_max_memory_allocated")
    reset_peak_memory_stats(device)


def reset_max_memory_cached(device: Any = None) -> None:
    """reset_max_memory_cached(device=None) -> None: old for :func:`reset_peak_memory_stats`.

    >>> torch.cuda.reset_max_memory_cached()
    Traceback (most recent call last):
        ...
    AssertionError: Torch not compiled with CUDA enabled
    """
    _resets_all("reset_max_memory_cached")
    reset_peak_memory_stats(device)


def get_per_process_memory_fraction(device: Any = None) -> float:
    """get_per_process_memory_fraction(device=None) -> float

    The share of a device's memory that the pool may hold; 1.0 without a limit.

    >>> torch.cuda.get_per_process_memory_fraction()
    Traceback (most recent call last):
        ...
    AssertionError: Torch not compiled with CUDA enabled
    """
    engine = gpu.engine()
    with gpu.on(index_of(device)):
        limit = int(engine.get_default_memory_pool().get_limit())
        return limit / int(engine.cuda.runtime.memGetInfo()[1]) if limit else 1.0


def memory_snapshot(mempool_id: Any = None) -> list:
    """memory_snapshot(): every block of the allocator; NotImplementedError.

    >>> torch.cuda.memory_snapshot()
    Traceback (most recent call last):
        ...
    NotImplementedError: memory_snapshot: CuPy's pool does not tell its blocks. memory_stats() ...
    """
    raise NotImplementedError(
        "memory_snapshot: CuPy's pool does not tell its blocks. memory_stats() has their sums; "
        "`with cupy.cuda.memory_hooks.LineProfileHook() as hook` says which lines asked for memory"
    )


def memory_summary(device: Any = None, abbreviated: bool = False) -> str:
    """memory_summary(device=None, abbreviated=False) -> str

    What is in use and reserved, as a table for people to read. ``abbreviated`` changes nothing:
    these are all the numbers there are. Without a device KeyError, as in PyTorch.

    >>> torch.cuda.memory_summary()
    Traceback (most recent call last):
        ...
    KeyError: 'allocated_bytes.all.current'
    """
    stats = memory_stats(device)
    rows = [
        ("Allocated memory", "allocated_bytes.all"),
        ("GPU reserved memory", "reserved_bytes.all"),
    ]
    lines = [
        f"| CUDA memory of CuPy's pool, device ID {{}} {'':24} |",
        f"| {'Metric':20} | {'Cur Usage':>12} | {'Peak Usage':>12} |",
    ]
    for title, name in rows:
        now, most = stats[f"{name}.current"], stats[f"{name}.peak"]
        lines.append(f"| {title:20} | {_amount(now):>12} | {_amount(most):>12} |")
    free = stats["inactive_split_bytes.all.current"]
    lines.append(f"| {'Reserved, not in use':20} | {_amount(free):>12} | {'':>12} |")
    lines[0] = lines[0].format(index_of(device))
    width = max(map(len, lines))
    rule = "|" + "-" * (width - 2) + "|"
    lines = [f"{line[:-1].ljust(width - 1)}|" for line in lines]
    return "\n".join([rule, lines[0], rule, lines[1], rule, *lines[2:], rule]) + "\n"


def _amount(count: int) -> str:
    """Bytes in the largest unit of which there are at least ten."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if count < 10 * 1024 or unit == "GiB":
            return f"{count} {unit}"
        count //= 1024
    return ""
