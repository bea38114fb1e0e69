"""torch.cpu: the CPU in the words of accelerators. Work is done when it is asked for."""

import importlib
from typing import Any

from rushlight._core.stream import Event as Event
from rushlight._core.stream import Stream as Stream

__all__ = [
    "Event",
    "Stream",
    "StreamContext",
    "current_device",
    "current_stream",
    "device_count",
    "is_available",
    "is_initialized",
    "set_device",
    "stream",
    "synchronize",
]


def is_available() -> bool:
    """is_available() -> bool: True."""
    return True


def is_initialized() -> bool:
    """is_initialized() -> bool: True."""
    return True


def device_count() -> int:
    """device_count() -> int: 1."""
    return 1


def current_device() -> str:
    """current_device() -> str: 'cpu'."""
    return "cpu"


def set_device(device: Any) -> None:
    """set_device(device) -> None: there is one CPU, nothing changes."""


def synchronize(device: Any = None) -> None:
    """synchronize(device=None) -> None: nothing is ever pending."""


_current: list[Stream] = [Stream("cpu")]


def current_stream(device: Any = None) -> Stream:
    """current_stream(device=None) -> Stream: the one that ``stream`` made current."""
    return _current[-1]


class StreamContext:
    """StreamContext(stream): a context in which a stream is current; None changes nothing."""

    def __init__(self, stream: Stream | None) -> None:
        self.stream = stream

    def __enter__(self) -> None:
        if self.stream is not None:
            _current.append(self.stream)

    def __exit__(self, *exc: object) -> None:
        if self.stream is not None:
            _current.pop()


def stream(stream: Stream | None) -> StreamContext:
    """stream(stream) -> StreamContext"""
    return StreamContext(stream)


def __getattr__(name: str) -> Any:
    if name == "amp":  # loaded when first named
        return importlib.import_module(f"{__name__}.amp")
    raise AttributeError(f"module 'torch.cpu' has no attribute '{name}'")
