"""profile: a mode that measures every operation that runs inside."""

import contextlib
import enum
import functools
import os
import socket
import threading
import time
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from rushlight import cuda
from rushlight._core.dispatch import flat, general
from rushlight._core.inplace import InPlace
from rushlight._core.state import S
from rushlight._core.tensor import Tensor
from rushlight.profiler.events import Event, EventList

now = time.perf_counter_ns


class ProfilerAction(enum.Enum):
    """What a profile does in a step.

    >>> schedule = torch.profiler.schedule(wait=1, warmup=1, active=2)
    >>> [schedule(step).name for step in range(4)]
    ['NONE', 'WARMUP', 'RECORD', 'RECORD_AND_SAVE']
    """

    NONE = 0
    WARMUP = 1
    RECORD = 2
    RECORD_AND_SAVE = 3


class ProfilerActivity(enum.Enum):
    """What can be recorded; of these rushlight has the CPU.

    >>> torch.profiler.ProfilerActivity.CPU.name
    'CPU'
    """

    CPU = 0
    XPU = 1
    MTIA = 2
    CUDA = 3


def supported_activities() -> set[ProfilerActivity]:
    """supported_activities() -> set: the CPU's operations.

    >>> torch.profiler.ProfilerActivity.CPU in torch.profiler.supported_activities()
    True
    """
    return {ProfilerActivity.CPU} | ({ProfilerActivity.CUDA} if cuda.is_available() else set())


def kineto_available() -> bool:
    """kineto_available() -> bool: False, PyTorch's tracing library is not used.

    >>> torch.profiler.kineto_available()
    False
    """
    return False


def _default_schedule_fn(_: int) -> ProfilerAction:
    """The schedule of a profile without one: every step is recorded."""
    return ProfilerAction.RECORD


def schedule(
    *,
    wait: int,
    warmup: int,
    active: int,
    repeat: int = 0,
    skip_first: int = 0,
    skip_first_wait: int = 0,
) -> Callable[[int], ProfilerAction]:
    """schedule(*, wait, warmup, active, repeat=0, skip_first=0, skip_first_wait=0) -> function

    A function from the step to what is done in it: after ``skip_first`` steps, cycles of ``wait``
    idle ones, ``warmup`` and ``active`` recorded ones, ``repeat`` times (0: for ever).

    >>> plan = torch.profiler.schedule(wait=1, warmup=1, active=2)
    >>> [plan(i).name for i in range(4)]
    ['NONE', 'WARMUP', 'RECORD', 'RECORD_AND_SAVE']
    """
    if min(wait, warmup, repeat, skip_first) < 0 or active < 1:
        raise AssertionError("Invalid profiler schedule arguments")

    def action(step: int) -> ProfilerAction:
        if step < skip_first:
            return ProfilerAction.NONE
        step -= skip_first
        if skip_first_wait:
            step += wait
        cycle, at = divmod(step, wait + warmup + active)
        if (repeat and cycle >= repeat) or at < wait:
            return ProfilerAction.NONE
        if at < wait + warmup:
            return ProfilerAction.WARMUP
        last = at == wait + warmup + active - 1
        return ProfilerAction.RECORD_AND_SAVE if last else ProfilerAction.RECORD

    return action


def tensorboard_trace_handler(
    dir_name: str,
    worker_name: str | None = None,
    use_gzip: bool = False,
    use_python_export: bool = False,
) -> Callable[["profile"], None]:
    """tensorboard_trace_handler(dir_name, worker_name=None, use_gzip=False) -> function

    An ``on_trace_ready`` that writes each trace to a file of its own in ``dir_name``.

    >>> import pathlib, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     handler = torch.profiler.tensorboard_trace_handler(folder, worker_name='me')
    ...     with torch.profiler.profile(on_trace_ready=handler):
    ...         _ = torch.ones(2).exp()
    ...     [path.name.split('.')[0] for path in pathlib.Path(folder).iterdir()]
    ['me']
    """

    def handler(prof: "profile") -> None:
        folder = Path(dir_name)
        folder.mkdir(parents=True, exist_ok=True)
        worker = worker_name or f"{socket.gethostname()}_{os.getpid()}"
        ending = ".pt.trace.json.gz" if use_gzip else ".pt.trace.json"
        prof.export_chrome_trace(folder / f"{worker}.{time.time_ns()}{ending}")

    return handler


class _Recorder:
    """The mode that stands in ``S.modes`` while a profile records."""

    def __init__(self, record_shapes: bool, on_device: bool = False) -> None:
        self.record_shapes, self.on_device = record_shapes, on_device
        self.events: list[Event] = []
        self.open: dict[int, list[Event]] = {}  # per thread, what has begun and not ended

    def begin(self, name: str, shapes: list, user: bool = False) -> Event:
        """A new event inside those that are open in this thread."""
        thread = threading.get_ident()
        event = Event(name, now(), thread, shapes, user)
        self.events.append(event)
        around = self.open.setdefault(thread, [])
        event.parent = around[-1] if around else None
        around.append(event)
        event.marks = self.mark()
        return event

    def mark(self) -> Any:
        """A point in the current stream of the device, if its times are wanted."""
        if not self.on_device or cuda.is_current_stream_capturing():
            return None
        made = cuda.Event(enable_timing=True)
        made.record()
        return made

    def finish(self, event: Event) -> None:
        """The event ends here."""
        ended = self.mark() if event.marks is not None else None
        event.marks = None if ended is None else (event.marks, ended)
        event.end = now()
        stack = self.open[event.thread]
        if event in stack:
            del stack[stack.index(event) :]
        if stack:
            stack[-1].inside += event.end - event.start

    def process(self, op: Any, tensors: tuple, params: tuple, out: Any) -> Any:
        """Compute, with a clock on either side."""
        shapes = []
        if self.record_shapes:
            shapes = [list(t.shape) if isinstance(t, Tensor) else [] for t in flat(tensors)]
        event = self.begin("aten::" + op.name, shapes)
        try:
            if isinstance(op, InPlace):
                return op.call(*tensors, *params)
            return general(op, tensors, params, out)
        finally:
            self.finish(event)

    def install(self) -> None:
        S.modes.append(self)
        S.special += 1
        _recorders.append(self)

    def remove(self) -> None:
        S.modes.remove(self)
        S.special -= 1
        _recorders.remove(self)


_recorders: list[_Recorder] = []


class record_function(contextlib.ContextDecorator):
    """record_function(name, args=None)

    Names a stretch of the program in the profile. A context manager and a decorator.

    >>> with torch.profiler.profile() as prof:
    ...     with torch.profiler.record_function("doubling"):
    ...         _ = torch.ones(2) * 2
    >>> [e.key for e in prof.key_averages()]
    ['doubling', 'aten::mul']
    """

    def __init__(self, name: str, args: str | None = None) -> None:
        self.name, self.args = name, args

    def __enter__(self) -> "record_function":
        name = self.name if self.args is None else f"{self.name} | {self.args}"
        self.begun = [(r, r.begin(name, [], True)) for r in _recorders]
        return self

    def __exit__(self, *exc: object) -> None:
        for recorder, event in self.begun:
            recorder.finish(event)

    def __call__(self, function: Any) -> Any:
        @functools.wraps(function)
        def call(*args: Any, **kw: Any) -> Any:
            with record_function(self.name, self.args):
                return function(*args, **kw)

        return call


class profile:
    """profile(*, activities=None, schedule=None, on_trace_ready=None, record_shapes=False)

    Records the time of every operation that runs inside, also those of backward. With a
    ``schedule``, call ``step()`` after each step of the program; ``on_trace_ready(profile)`` gets
    each finished recording. Operations take a few microseconds longer while they are recorded.

    With ``ProfilerActivity.CUDA`` (a GPU is recorded unless ``activities`` leave it out) each
    event has ``device_time_total`` too: microseconds between its beginning and its end on the
    current stream, waiting for the host included.

    >>> with torch.profiler.profile(record_shapes=True) as prof:
    ...     _ = torch.ones(2, 3).exp()
    >>> prof.events()[0].name, prof.events()[0].input_shapes
    ('aten::exp', [[2, 3]])
    """

    def __init__(
        self,
        *,
        activities: Iterable[ProfilerActivity] | None = None,
        schedule: Callable[[int], ProfilerAction] | None = None,
        on_trace_ready: Callable[["profile"], Any] | None = None,
        record_shapes: bool = False,
        profile_memory: bool = False,
        with_stack: bool = False,
        with_flops: bool = False,
        with_modules: bool = False,
        acc_events: bool = False,
    ) -> None:
        refused = {
            "profile_memory": profile_memory,
            "with_stack": with_stack,
            "with_flops": with_flops,
            "with_modules": with_modules,
        }
        for name, given in refused.items():
            if given:
                raise NotImplementedError(f"{name}=True: leave it out, times are recorded without")
        wanted = supported_activities() if activities is None else set(activities)
        if ProfilerActivity.CUDA in wanted and not cuda.is_available():
            warnings.warn("CUDA is not available, disabling CUDA profiling", stacklevel=2)
            wanted = wanted - {ProfilerActivity.CUDA}
        if not wanted:
            raise AssertionError("No activities specified for the profiler")
        if not wanted <= {ProfilerActivity.CPU, ProfilerActivity.CUDA}:
            raise NotImplementedError("ProfilerActivity.CPU and CUDA can be recorded")
        self._on_device = ProfilerActivity.CUDA in wanted
        self.schedule, self.on_trace_ready = schedule, on_trace_ready
        self.record_shapes, self.acc_events = record_shapes, acc_events
        self.step_num = 0
        self._recorder: _Recorder | None = None
        self._events = EventList()

    @property
    def current_action(self) -> ProfilerAction:
        """What this step does."""
        return ProfilerAction.RECORD if self.schedule is None else self.schedule(self.step_num)

    def start(self) -> None:
        """Begin to record, if the schedule says so."""
        if self.current_action in (ProfilerAction.RECORD, ProfilerAction.RECORD_AND_SAVE):
            self._record()

    def stop(self) -> None:
        """End the recording and hand it to ``on_trace_ready``."""
        if self._recorder is not None:
            self._save()

    def step(self) -> None:
        """The program's next step begins."""
        ended = self.current_action
        self.step_num += 1
        if ended is ProfilerAction.RECORD_AND_SAVE and self._recorder is not None:
            self._save()
        if self._recorder is None:
            self.start()
        elif self.current_action is ProfilerAction.NONE:
            self._save()

    def _record(self) -> None:
        self._recorder = _Recorder(self.record_shapes, self._on_device)
        self._recorder.install()

    def _save(self) -> None:
        recorder, self._recorder = self._recorder, None
        if recorder is None:
            return
        recorder.remove()
        if recorder.on_device:
            cuda.synchronize()
            for event in recorder.events:
                event.measure()
        before = self._events if self.acc_events else []
        self._events = EventList([*before, *recorder.events])
        if self.on_trace_ready is not None:
            self.on_trace_ready(self)

    def __enter__(self) -> "profile":
        self.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()

    def events(self) -> EventList:
        """Every event of the last recording, in the order in which they began."""
        return self._events

    def key_averages(self, group_by_input_shape: bool = False) -> EventList:
        """The events summed up by name (and by input shapes, if asked)."""
        return self._events.key_averages(group_by_input_shape)

    def export_chrome_trace(self, path: str | os.PathLike) -> None:
        """Write the last recording for chrome://tracing or Perfetto."""
        self._events.export_chrome_trace(path)
