"""torch.cuda.nvtx: named ranges and marks in the timelines of NVIDIA's profilers."""

import contextlib
import threading
from collections.abc import Iterator
from typing import Any

from rushlight._core import gpu

__all__ = ["mark", "range", "range_end", "range_pop", "range_push", "range_start"]

_open = threading.local()  # how many ranges each thread has pushed


def _nvtx() -> Any:
    found = getattr(gpu.load().module, "cuda", None)
    found = getattr(found, "nvtx", None)
    if found is None or not found.available:
        raise RuntimeError("NVTX functions not installed. Are you sure you have a CUDA build?")
    return found


def range_push(msg: str) -> int:
    """range_push(msg) -> int: begin a range inside those that this thread has open; its depth, from
    0.

    >>> torch.cuda.nvtx.range_push("forward")
    Traceback (most recent call last):
        ...
    RuntimeError: NVTX functions not installed. Are you sure you have a CUDA build?
    """
    _nvtx().RangePush(msg)
    depth: int = getattr(_open, "depth", 0)
    _open.depth = depth + 1
    return depth


def range_pop() -> int:
    """range_pop() -> int: end the range begun last; its depth.

    >>> torch.cuda.nvtx.range_pop()
    Traceback (most recent call last):
        ...
    RuntimeError: NVTX functions not installed. Are you sure you have a CUDA build?
    """
    _nvtx().RangePop()
    depth: int = getattr(_open, "depth", 0) - 1
    _open.depth = max(depth, 0)
    return depth


def range_start(msg: str) -> int:
    """range_start(msg) -> int: begin a range that any thread may end by its number.

    >>> torch.cuda.nvtx.range_start("loading")
    Traceback (most recent call last):
        ...
    RuntimeError: NVTX functions not installed. Are you sure you have a CUDA build?
    """
    return int(_nvtx().RangeStart(msg, 0))


def range_end(range_id: int) -> None:
    """range_end(range_id) -> None: end a range that ``range_start`` began.

    >>> torch.cuda.nvtx.range_end(1)
    Traceback (most recent call last):
        ...
    RuntimeError: NVTX functions not installed. Are you sure you have a CUDA build?
    """
    _nvtx().RangeEnd(range_id)


def mark(msg: str) -> None:
    """mark(msg) -> None: mark this moment.

    >>> torch.cuda.nvtx.mark("loss")
    Traceback (most recent call last):
        ...
    RuntimeError: NVTX functions not installed. Are you sure you have a CUDA build?
    """
    _nvtx().Mark(msg)


@contextlib.contextmanager
def range(msg: str, *args: Any, **kwargs: Any) -> Iterator[None]:
    """range(msg, *args, **kwargs): a context that is a range, named ``msg.format(...)``.

    >>> with torch.cuda.nvtx.range("step {}", 3):
    ...     pass
    Traceback (most recent call last):
        ...
    RuntimeError: NVTX functions not installed. Are you sure you have a CUDA build?
    """
    range_push(msg.format(*args, **kwargs))
    try:
        yield
    finally:
        range_pop()
