"""Streams and events: on the CPU there is one stream, and everything in it is done at once."""

import importlib
from typing import Any

from rushlight._core import device as devices
from rushlight._core import gpu


class AcceleratorError(RuntimeError):
    """An error that an accelerator's driver reports.

    >>> issubclass(torch.AcceleratorError, RuntimeError)
    True
    """


class OutOfMemoryError(RuntimeError):
    """A device has not enough memory left.

    >>> issubclass(torch.OutOfMemoryError, RuntimeError)
    True
    """


NO_EVENTS = "{} backend doesn't support events."


def _class_for(cls: type, own: type, device: Any, name: str) -> type:
    """What ``own(device)`` makes: a class of torch.cuda's for a GPU."""
    if cls is not own or not gpu.is_available():
        return cls
    place = None if device is None else devices.device(device)
    if place is not None and place.type != "cuda":
        return cls
    return getattr(importlib.import_module("rushlight.cuda.streams"), name)


def _device(device: Any) -> "devices.device":
    made = devices.CPU if device is None else devices.device(device)
    if made.type != "cpu":
        raise RuntimeError(f"PyTorch is not linked with support for {made.type} devices")
    return made


class Event:
    """Event(device=None, *, enable_timing=False, blocking=False, interprocess=False)

    A point in a stream. With a GPU it is a :class:`torch.cuda.Event`, unless ``device`` is another.
    On the CPU it is always reached; ``record`` raises RuntimeError, as PyTorch's does.

    >>> torch.Event("cpu").query()
    True
    """

    def __new__(cls, device: Any = None, *args: Any, **kw: Any) -> "Event":
        return object.__new__(_class_for(cls, Event, device, "EventOf"))

    def __init__(
        self,
        device: Any = None,
        *,
        enable_timing: bool = False,
        blocking: bool = False,
        interprocess: bool = False,
    ) -> None:
        self._place = _device(device)
        self.event_id = 0
        self._flag = int(enable_timing)

    @property
    def device(self) -> Any:
        """The CPU."""
        return self._place

    def query(self) -> bool:
        """query() -> bool: whether all before it is done."""
        return True

    def synchronize(self) -> None:
        """synchronize() -> None: wait until it is reached."""

    def wait(self, stream: Any = None) -> None:
        """wait(stream=None) -> None: let a stream wait for it."""

    def record(self, stream: Any = None) -> None:
        """record(stream=None): RuntimeError, the CPU has no events."""
        raise RuntimeError(NO_EVENTS.format(self.device.type))

    def elapsed_time(self, other: Any) -> float:
        """elapsed_time(other): RuntimeError, the CPU has no events."""
        if not (self._flag and other._flag):
            raise ValueError("Both events must be created with argument 'enable_timing=True'.")
        raise RuntimeError(NO_EVENTS.format(self.device.type))

    def __repr__(self) -> str:
        return (
            f"torch.Event device_type={self.device.type}, device_index=-1, "
            f"event_flag={self._flag}, event_id={self.event_id}"
        )


class Stream:
    """Stream(device=None, *, priority=0)

    A queue of work. With a GPU it is a :class:`torch.cuda.Stream`, unless ``device`` is another. On
    the CPU work is done when it is asked for: nothing waits.

    >>> torch.Stream("cpu")
    torch.Stream device_type=cpu, device_index=-1, stream_id=0
    """

    def __new__(cls, device: Any = None, *args: Any, **kw: Any) -> "Stream":
        return object.__new__(_class_for(cls, Stream, device, "Stream"))

    def __init__(self, device: Any = None, *, priority: int = 0) -> None:
        self.device = _device(device)
        self.device_index, self.device_type, self.stream_id = -1, 0, 0

    def query(self) -> bool:
        """query() -> bool: whether all work is done."""
        return True

    def synchronize(self) -> None:
        """synchronize() -> None: wait until all work is done."""

    def wait_event(self, event: Any) -> None:
        """wait_event(event) -> None: later work waits for it."""

    def wait_stream(self, stream: Any) -> None:
        """wait_stream(stream) -> None: later work waits for that of another stream."""

    def record_event(self, event: Any = None) -> Any:
        """record_event(event=None): RuntimeError, the CPU has no events."""
        raise RuntimeError(NO_EVENTS.format(self.device.type))

    def __enter__(self) -> "Stream":
        return self

    def __exit__(self, *exc: object) -> None:
        return None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Stream) and other.stream_id == self.stream_id

    def __hash__(self) -> int:
        return hash((self.device_index, self.device_type, self.stream_id))

    def __repr__(self) -> str:
        return f"torch.Stream device_type={self.device.type}, device_index=-1, stream_id=0"


for _class in (AcceleratorError, OutOfMemoryError, Event, Stream):
    _class.__module__ = "torch"
