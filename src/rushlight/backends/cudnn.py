"""torch.backends.cudnn: flags are kept, and have no effect without a GPU."""

import contextlib
from collections.abc import Iterator

enabled = True
benchmark = False
benchmark_limit = 10
deterministic = False
allow_tf32 = True


def is_available() -> bool:
    """is_available() -> bool: False without a GPU.

    >>> torch.backends.cudnn.is_available()
    False
    """
    return False


def version() -> int | None:
    """version() -> int or None: None without cuDNN.

    >>> print(torch.backends.cudnn.version())
    None
    """
    return None


@contextlib.contextmanager
def flags(
    enabled: bool = False,
    benchmark: bool = False,
    benchmark_limit: int = 10,
    deterministic: bool = False,
    allow_tf32: bool = True,
) -> Iterator[None]:
    """flags(...): set the flags inside a ``with``.

    >>> with torch.backends.cudnn.flags(enabled=True, benchmark=True):
    ...     torch.backends.cudnn.benchmark
    True
    >>> torch.backends.cudnn.benchmark
    False
    """
    new = {
        "enabled": enabled,
        "benchmark": benchmark,
        "benchmark_limit": benchmark_limit,
        "deterministic": deterministic,
        "allow_tf32": allow_tf32,
    }
    old = {name: globals()[name] for name in new}
    globals().update(new)
    try:
        yield
    finally:
        globals().update(old)
