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
    """is_available() -> bool: True.

    >>> torch.cpu.is_available()
    True
    """
    return True


def is_initialized() -> bool:
    """is_initialized() -> bool: True.

    >>> torch.cpu.is_initialized()
    True
    """
    return True


def device_count() -> int:
    """device_count() -> int: 1.

    >>> torch.cpu.device_count()
    1
    """
    return 1


def current_device() -> str:
    """current_device() -> str: 'cpu'.

    >>> torch.cpu.current_device()
    'cpu'
    """
    return "cpu"


def set_device(device: Any) -> None:
    """set_device(device) -> None: there is one CPU, nothing changes.

    >>> torch.cpu.set_device('cpu')
    >>> torch.cpu.current_device()
    'cpu'
    """


def synchronize(device: Any = None) -> None:
    """synchronize(device=None) -> None: nothing is ever pending.

    >>> torch.cpu.synchronize()
    >>> torch.cpu.device_count()
    1
    """


_current: list[Stream] = [Stream("cpu")]


def current_stream(device: Any = None) -> Stream:
    """current_stream(device=None) -> Stream: the one that ``stream`` made current.

    >>> torch.cpu.current_stream() == torch.cpu.current_stream()
    True
    """
    return _current[-1]


class StreamContext:
    """StreamContext(stream): a context in which a stream is current; None changes nothing.

    >>> with torch.cpu.StreamContext(None):
    ...     torch.ones(2) + 1
    tensor([2., 2.])
    """

    def __init__(self, stream: Stream | None) -> None:
        self.stream = stream

    def __enter__(self) -> None:
        if self.stream is not None:
            _current.append(self.stream)

    def __exit__(self, *exc: object) -> None:
        if self.stream is not None:
            _current.pop()


def stream(stream: Stream | None) -> StreamContext:
    """stream(stream) -> StreamContext

    >>> with torch.cpu.stream(None):
    ...     torch.ones(2) + 1
    tensor([2., 2.])
    """
    return StreamContext(stream)


def __getattr__(name: str) -> Any:
    if name == "amp":  # loaded when first named
        return importlib.import_module(f"{__name__}.amp")
    raise AttributeError(f"module 'torch.cpu' has no attribute '{name}'")
