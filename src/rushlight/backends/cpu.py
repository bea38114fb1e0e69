"""torch.backends.cpu: what the processor offers; the memory of arrays (rushlight's own)."""

from rushlight._core.extension import C as _C


def get_cpu_capability() -> str:
    """get_cpu_capability() -> str

    The instruction set that the native kernels use, or 'DEFAULT' without them.

    >>> torch.backends.cpu.get_cpu_capability() in ('DEFAULT', 'AVX2', 'AVX512')
    True
    """
    names = {"v4": "AVX512", "v3": "AVX2"}
    return names.get(_C.isa(), "DEFAULT") if _C else "DEFAULT"


def memory_stats() -> dict[str, int]:
    """memory_stats() -> dict

    What the allocator of the native extension holds, in bytes: ``allocated_bytes`` (in living
    arrays, rounded up to its sizes), ``reserved_bytes`` (also what is kept for new ones), the peak
    of each, ``cache_limit_bytes``; and how many blocks live, were ever asked for, and came from the
    cache. Empty without the extension. Arrays that NumPy makes itself, and those of at most 2 KB,
    are not counted. PyTorch has no such function for the CPU.

    >>> before = torch.backends.cpu.memory_stats().get("allocated_bytes", 0)
    >>> x = torch.zeros(1024)
    >>> torch.backends.cpu.memory_stats().get("allocated_bytes", 4096) - before
    4096
    """
    return dict(_C.memory_stats()) if _C else {}


def reset_peak_memory_stats() -> None:
    """reset_peak_memory_stats() -> None

    Start the peaks of ``memory_stats`` again from what is held now.

    >>> torch.backends.cpu.reset_peak_memory_stats()
    """
    if _C:
        _C.reset_peak_memory_stats()


def empty_cache() -> None:
    """empty_cache() -> None

    Give the memory that is kept for new arrays back to the system.

    >>> torch.backends.cpu.empty_cache()
    """
    if _C:
        _C.empty_cache()


def set_cache_limit(bytes: int) -> None:
    """set_cache_limit(bytes) -> None

    Keep at most so many bytes of freed memory for new arrays: 0 keeps none. At first it is 1 GB, or
    an eighth of the machine's memory if that is less.

    >>> torch.backends.cpu.set_cache_limit(2**30)
    """
    if bytes < 0:
        raise ValueError(f"set_cache_limit expects a number of bytes, got {bytes}")
    if _C:
        _C.set_cache_limit(bytes)
