"""torch.cuda.streams: queues of work on a device, and points in them."""

from typing import Any

from rushlight import _api as torch
from rushlight._core import gpu
from rushlight.cuda._devices import index_of


class Event:
    """Event(enable_timing=False, blocking=False, interprocess=False)

    A point in a stream that can be waited for; two with timing tell the time between them.

    >>> torch.cuda.Event(enable_timing=True)
    Traceback (most recent call last):
        ...
    AssertionError: Torch not compiled with CUDA enabled
    """

    def __init__(
        self, enable_timing: bool = False, blocking: bool = False, interprocess: bool = False
    ) -> None:
        if interprocess:
            raise NotImplementedError("Event(interprocess=True): events of one process only")
        self._timing = enable_timing
        self._event = gpu.engine().cuda.Event(block=blocking, disable_timing=not enable_timing)
        self._recorded = False

    def record(self, stream: "Stream | None" = None) -> None:
        """record(stream=None) -> None: put it at the end of a stream's work."""
        self._event.record((stream or current_stream())._stream)
        self._recorded = True

    def wait(self, stream: "Stream | None" = None) -> None:
        """wait(stream=None) -> None: later work of a stream waits for it."""
        (stream or current_stream()).wait_event(self)

    def query(self) -> bool:
        """query() -> bool: is all before it done?"""
        return not self._recorded or bool(self._event.done)

    def synchronize(self) -> None:
        """synchronize() -> None: wait until all before it is done."""
        self._event.synchronize()

    def elapsed_time(self, end_event: "Event") -> float:
        """elapsed_time(end_event) -> float: milliseconds from this to a later event."""
        if not (self._timing and end_event._timing):
            raise ValueError("Both events must be created with argument 'enable_timing=True'.")
        if not (self._recorded and end_event._recorded):
            raise ValueError("Both events must be recorded before calculating elapsed time.")
        return float(gpu.engine().cuda.get_elapsed_time(self._event, end_event._event))


class Stream:
    """Stream(device=None, priority=0)

    A queue of work on a device. Streams run beside each other.

    >>> torch.cuda.Stream()
    Traceback (most recent call last):
        ...
    AssertionError: Torch not compiled with CUDA enabled
    """

    def __init__(self, device: Any = None, priority: int = 0) -> None:
        self._open(index_of(device), None, priority)

    def _open(self, index: int, stream: Any, priority: int = 0) -> None:
        self.device_index, self.priority = index, priority
        self.device = torch.device("cuda", index)
        with gpu.on(index):
            make = gpu.engine().cuda.Stream
            self._stream = make(non_blocking=True, priority=priority) if stream is None else stream

    @property
    def cuda_stream(self) -> int:
        """The driver's handle."""
        return int(self._stream.ptr)

    def query(self) -> bool:
        """query() -> bool: is all work done?"""
        return bool(self._stream.done)

    def synchronize(self) -> None:
        """synchronize() -> None: wait until all work is done."""
        self._stream.synchronize()

    def wait_event(self, event: Event) -> None:
        """wait_event(event) -> None: later work waits for it."""
        self._stream.wait_event(event._event)

    def wait_stream(self, stream: "Stream") -> None:
        """wait_stream(stream) -> None: later work waits for what another stream was given."""
        self.wait_event(stream.record_event())

    def record_event(self, event: Event | None = None) -> Event:
        """record_event(event=None) -> Event: put an event at the end of the work."""
        made = Event() if event is None else event
        made.record(self)
        return made

    def __enter__(self) -> "Stream":
        self._context = StreamContext(self)
        self._context.__enter__()
        return self

    def __exit__(self, *exc: object) -> None:
        self._context.__exit__(*exc)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Stream) and self.cuda_stream == other.cuda_stream

    def __hash__(self) -> int:
        return hash((self.cuda_stream, self.device))

    def __repr__(self) -> str:
        return f"<torch.cuda.Stream device={self.device} cuda_stream={self.cuda_stream:#x}>"


class _Foreign:
    """A handle in the form in which CuPy takes one."""

    def __init__(self, pointer: int) -> None:
        self.pointer = int(pointer)

    def __cuda_stream__(self) -> tuple[int, int]:
        return 0, self.pointer


class ExternalStream(Stream):
    """ExternalStream(stream_ptr, device=None)

    A stream that another library made, by its handle.

    >>> torch.cuda.ExternalStream(1)
    Traceback (most recent call last):
        ...
    AssertionError: Torch not compiled with CUDA enabled
    """

    def __init__(self, stream_ptr: int, device: Any = None) -> None:
        self._open(index_of(device), gpu.engine().cuda.Stream.from_external(_Foreign(stream_ptr)))


def current_stream(device: Any = None) -> Stream:
    """current_stream(device=None) -> Stream: where work goes now.

    >>> torch.cuda.current_stream()
    Traceback (most recent call last):
        ...
    AssertionError: Torch not compiled with CUDA enabled
    """
    index = index_of(device)
    made = object.__new__(Stream)
    made._open(index, gpu.engine().cuda.get_current_stream(index))
    return made


def default_stream(device: Any = None) -> Stream:
    """default_stream(device=None) -> Stream: where work goes if nothing is said.

    >>> torch.cuda.default_stream()
    Traceback (most recent call last):
        ...
    AssertionError: Torch not compiled with CUDA enabled
    """
    index = index_of(device)
    made = object.__new__(Stream)
    made._open(index, gpu.engine().cuda.Stream.null)
    return made


class StreamContext:
    """StreamContext(stream): inside, work goes to the stream; None changes nothing.

    >>> with torch.cuda.StreamContext(None):
    ...     torch.ones(1)
    tensor([1.])
    """

    def __init__(self, stream: Stream | None) -> None:
        self.stream = stream

    def __enter__(self) -> None:
        if self.stream is not None:
            self._device = gpu.on(self.stream.device_index)
            self._device.__enter__()
            self.stream._stream.__enter__()

    def __exit__(self, *exc: object) -> None:
        if self.stream is not None:
            self.stream._stream.__exit__(*exc)
            self._device.__exit__(*exc)


def stream(stream: Stream | None) -> StreamContext:
    """stream(stream): a context in which work goes to the stream.

    >>> with torch.cuda.stream(None):
    ...     torch.ones(1)
    tensor([1.])
    """
    return StreamContext(stream)


def set_stream(stream: Stream | None) -> None:
    """set_stream(stream) -> None: from now on work goes to the stream; None changes nothing.

    >>> torch.cuda.set_stream(None)
    """
    if stream is not None:
        gpu.engine().cuda.runtime.setDevice(stream.device_index)
        stream._stream.use()
