"""torch.cuda.streams: queues of work on a device, and points in them."""

import sys
from typing import Any

from rushlight import _api as torch
from rushlight._core import gpu
from rushlight._core import stream as generic
from rushlight.cuda._devices import index_of


class Event(generic.Event):
    """Event(enable_timing=False, blocking=False, interprocess=False, external=False)

    A point in a stream that can be waited for; two with timing tell the time between them. It is
    made when first recorded, on the stream's device, or when its handle is asked for.

    >>> torch.cuda.Event(enable_timing=True)
    Traceback (most recent call last):
        ...
    AssertionError: Torch not compiled with CUDA enabled
    """

    def __init__(
        self,
        enable_timing: bool = False,
        blocking: bool = False,
        interprocess: bool = False,
        external: bool = False,
    ) -> None:
        gpu.engine()
        if external:
            raise NotImplementedError(
                "Event(external=True): CuPy records events without flags; use an event of the "
                "stream that the graph is recorded on"
            )
        if interprocess and enable_timing:
            raise ValueError("Event(interprocess=True): such an event cannot have timing")
        self._how = {"block": blocking, "disable_timing": not enable_timing}
        if interprocess:
            self._how["interprocess"] = True
        self._event: Any = None
        self._index: int | None = None
        self._recorded = False

    @classmethod
    def from_ipc_handle(cls, device: Any, handle: bytes) -> "Event":
        """from_ipc_handle(device, handle) -> Event: the event of another process."""
        made = cls(interprocess=True)
        made._index = index_of(device)
        with gpu.on(made._index):
            made._event = _Opened(gpu.engine().cuda.runtime.ipcOpenEventHandle(bytes(handle)))
        made._recorded = True
        return made

    def ipc_handle(self) -> bytes:
        """ipc_handle() -> bytes: what another process opens it by."""
        if not self._how.get("interprocess"):
            raise RuntimeError("ipc_handle: the event must be made with interprocess=True")
        return bytes(gpu.engine().cuda.runtime.ipcGetEventHandle(self._made(gpu.current()).ptr))

    def __reduce__(self) -> tuple:
        handle = self.ipc_handle()
        return Event.from_ipc_handle, (self._index, handle)

    def _made(self, index: int) -> Any:
        """The driver's event, made on a device if it is not there yet."""
        if self._event is None:
            self._index = index
            with gpu.on(index):
                self._event = gpu.engine().cuda.Event(**self._how)
        return self._event

    @property
    def cuda_event(self) -> int:
        """The driver's handle; 0 before it is made."""
        return 0 if self._event is None else int(self._event.ptr)

    @property
    def device(self) -> Any:
        """The device it was made on; None before."""
        return None if self._index is None else torch.device("cuda", self._index)

    def record(self, stream: "Stream | None" = None) -> None:
        """record(stream=None) -> None: put it at the end of a stream's work."""
        stream = current_stream() if stream is None else stream
        event = self._made(stream.device_index)
        if self._index != stream.device_index:
            raise RuntimeError(
                f"Event device {self._index} does not match recording stream's device "
                f"{stream.device_index}."
            )
        with gpu.on(stream.device_index):
            event.record(stream._stream)
        self._recorded = True

    def wait(self, stream: "Stream | None" = None) -> None:
        """wait(stream=None) -> None: later work of a stream waits for it."""
        (stream or current_stream()).wait_event(self)

    def query(self) -> bool:
        """query() -> bool: is all before it done?"""
        return not self._recorded or bool(self._event.done)

    def synchronize(self) -> None:
        """synchronize() -> None: wait until all before it is done."""
        if self._recorded:
            self._event.synchronize()

    def elapsed_time(self, end_event: "Event") -> float:
        """elapsed_time(end_event) -> float: milliseconds from this to a later event."""
        if self._how["disable_timing"] or end_event._how["disable_timing"]:
            raise ValueError("Both events must be created with argument 'enable_timing=True'.")
        if not (self._recorded and end_event._recorded):
            raise ValueError("Both events must be recorded before calculating elapsed time.")
        return float(gpu.engine().cuda.get_elapsed_time(self._event, end_event._event))

    def __repr__(self) -> str:
        shown = f"{self.cuda_event:#x}" if self.cuda_event else "uninitialized"
        return f"<torch.cuda.Event {shown}>"


class EventOf(Event):
    """What ``torch.Event(device)`` makes for a GPU."""

    def __init__(
        self,
        device: Any = None,
        *,
        enable_timing: bool = False,
        blocking: bool = False,
        interprocess: bool = False,
    ) -> None:
        super().__init__(enable_timing, blocking, interprocess)
        self._index = None if device is None else index_of(device)


class _Opened:
    """An event of another process, as CuPy's events answer."""

    def __init__(self, pointer: int) -> None:
        self.ptr = pointer
        self._runtime = gpu.engine().cuda.runtime

    @property
    def done(self) -> bool:
        """Is all before it done?"""
        return bool(self._runtime.eventQuery(self.ptr) == 0)

    def record(self, stream: Any) -> None:
        """Put it at the end of a stream's work."""
        self._runtime.eventRecord(self.ptr, stream.ptr)

    def synchronize(self) -> None:
        """Wait until all before it is done."""
        self._runtime.eventSynchronize(self.ptr)

    def __del__(self) -> None:
        if not sys.is_finalizing():
            self._runtime.eventDestroy(self.ptr)


STREAMS = 32  # of a device and a priority: more share them, as PyTorch's do


def _pooled(index: int, priority: int) -> Any:
    """The next of a device's streams, which are made when first asked for and kept."""
    pool, turn = gpu.cuda.handles.setdefault(("streams", index, priority), ([], [0]))
    turn[0] += 1
    if len(pool) < STREAMS:
        pool.append(gpu.engine().cuda.Stream(non_blocking=True, priority=priority))
        return pool[-1]
    return pool[turn[0] % STREAMS]


class Stream(generic.Stream):
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
            self._stream = _pooled(index, priority) if stream is None else stream

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
        if event._recorded:  # else there is nothing to wait for
            with gpu.on(self.device_index):
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


def get_stream_from_external(data_ptr: int, device: Any = None) -> Stream:
    """get_stream_from_external(data_ptr, device=None) -> Stream: another library's, by its handle.

    >>> torch.cuda.get_stream_from_external(1)
    Traceback (most recent call last):
        ...
    AssertionError: Torch not compiled with CUDA enabled
    """
    return ExternalStream(data_ptr, device)


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
