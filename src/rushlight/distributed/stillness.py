"""Does this process stand still? What a hang looks like from outside, on Linux.

A process stands still while it uses no processor time and all its threads sleep or wait for each
other. One that computes does not, one that waits for a file, a socket, a pipe, a signal, a lock of
several processes or a process that it has started does not, and one of which a thread wakes within
``PAUSE`` seconds goes on: that may look for a file, or ask another process, or wake the others. A
process whose main thread is in a loop that cannot end (``loops.py``) stands still whether it
computes or sleeps there.
"""

import contextlib
import os
import platform
import signal
import struct
import sys
import threading
import time
from collections.abc import Collection
from pathlib import Path
from types import FrameType

from rushlight.distributed.loops import LoopWatch, of_program

# A sleep that ends within so many seconds is a pause.
PAUSE = 30.0
# The share of a processor that waiting in a loop may take.
_IDLE = 0.05
_TASKS = Path("/proc/self/task")

# Numbers of system calls in which a thread waits for other threads, or for nothing.
_WAITS = {
    "x86_64": {"futex": 202, "nanosleep": 35, "clock_nanosleep": 230, "pause": 34}
    | {"rt_sigsuspend": 130, "rt_sigtimedwait": 128},
    "aarch64": {"futex": 98, "nanosleep": 101, "clock_nanosleep": 115}
    | {"rt_sigsuspend": 133, "rt_sigtimedwait": 137},
}.get(platform.machine(), {})
_SLEEPS = {_WAITS.get("nanosleep", -1): 0, _WAITS.get("clock_nanosleep", -1): 2}
_FUTEX = _WAITS.get("futex", -1)
_FUTEX_WAIT, _FUTEX_WAIT_BITSET, _FUTEX_PRIVATE, _FUTEX_REALTIME = 0, 9, 128, 256
# Threads of these packages wake again and again and have nothing to do with what a program does.
_TICKERS = frozenset({"rushlight", "tqdm", "tensorboard", "tensorboardX"})


def supported() -> bool:
    """Whether the system tells what threads wait for."""
    return bool(_WAITS) and _call_of(threading.get_native_id()) is not None


def _threads() -> list[int]:
    return [int(name) for name in os.listdir(_TASKS)]  # noqa: PTH208 (names only)


def _call_of(thread: int) -> list[str] | None:
    """The system call a thread is in, and its arguments; ['running'], or None if nobody tells."""
    try:
        return (_TASKS / str(thread) / "syscall").read_text(encoding="ascii").split()
    except OSError:
        return None


def _wakes_at(call: list[str]) -> float:
    """When a thread's system call ends by itself, by ``time.monotonic``; 0 if it does not."""
    if not call[0].isdigit():
        return 0.0
    number, words = int(call[0]), [int(word, 16) for word in call[1:5]]
    if number in _SLEEPS:
        at = _SLEEPS[number]
        absolute = at > 0 and bool(words[1] & 1)
        realtime = at > 0 and words[0] == time.CLOCK_REALTIME
        return _time_there(words[at], absolute, realtime)
    if number == _FUTEX and words[3] and words[1] & 127 in (_FUTEX_WAIT, _FUTEX_WAIT_BITSET):
        absolute = words[1] & 127 == _FUTEX_WAIT_BITSET
        return _time_there(words[3], absolute, bool(words[1] & _FUTEX_REALTIME))
    return 0.0


def _time_there(address: int, absolute: bool, realtime: bool) -> float:
    """A time in the memory of this process, where it is at most; now, if the thread is gone."""
    now = time.monotonic()
    try:
        with open("/proc/self/mem", "rb", buffering=0) as memory:  # noqa: PTH123
            seconds, nanoseconds = struct.unpack("@ll", os.pread(memory.fileno(), 16, address))
    except (OSError, struct.error, OverflowError):
        return now + 1e-3
    at = float(seconds + nanoseconds * 1e-9)
    if not absolute:
        return now + at
    return at - time.time() + now if realtime else at


def _tickers() -> set[int]:
    """Threads that wake for nothing that a program waits for."""
    return {
        t.native_id or 0
        for t in threading.enumerate()
        if t.name.startswith("rushlight") or type(t).__module__.split(".")[0] in _TICKERS
    }


def _will_be_called() -> bool:
    """Does something in this process wait for its time? An alarm, or a Timer."""
    if signal.getitimer(signal.ITIMER_REAL)[0]:
        return True
    return any(isinstance(t, threading.Timer) for t in threading.enumerate())


class Stillness:
    """How long this process has stood still; ``look`` is called several times in a second.

    ``not_counted`` are process ids of children that do not matter.
    """

    def __init__(self, not_counted: Collection[int] = ()) -> None:
        self.not_counted = set(not_counted)
        self.since: float | None = None  # when it began to stand still
        self._main = os.getpid()  # its number; after a fork Python tells the parent's
        self._libraries: set[int] = set()  # threads that do not matter
        self._woken = False
        self._loop = LoopWatch()
        self._disturbed = 0  # looks, one after the other, that found something else at work
        self._running = 0  # looks, one after the other, that found a thread running
        self._at = time.monotonic()
        self._own, self._below = _own_time(), self._time_of_children()

    def ignore_libraries(self) -> None:
        """Threads that now are there and are not Python's belong to MPI: they wait for sockets."""
        python = {t.native_id for t in threading.enumerate()}
        self._libraries = set(_threads()) - python - {self._main}

    def look(self) -> float:
        """Seconds since the process stands still; 0 if it does not."""
        now = time.monotonic()
        own, below = self._processor_time()
        allowed = _IDLE * (now - self._at) + 0.005
        self._at, self._woken = now, False
        uncounted = {threading.get_native_id(), self._main, *self._libraries}
        calls = {t: _call_of(t) for t in _threads() if t not in uncounted}
        tickers = _tickers()
        ends = [_wakes_at(call) for t, call in calls.items() if call and t not in tickers]
        main = _call_of(self._main)
        wakes = 0.0 if main is None else _wakes_at(main)
        wait = all([self._waits(call) for call in calls.values()])
        idle = own + below <= allowed
        loops = self._loops_for(now, wakes, wait and below <= allowed, any(ends))
        stands = wait and self._waits(main) and not _for_others(main)
        stands = stands and not any(0 < at - now < PAUSE for at in (wakes, *ends))
        still = self._still_for(now, idle, stands)
        if _will_be_called():  # what it is called for takes effect a moment after the call
            self._loop.restart(now)
            self.since = None
            return 0.0
        return max(loops, still)

    def _loops_for(self, now: float, wakes: float, alone: bool, others_wake: bool) -> float:
        """Seconds in a loop that cannot end while nothing else happens in this process."""
        seconds = self._loop.look(_main_frame(), now, wakes)
        if self._loop.has_end() and others_wake:  # one that wakes may end it
            alone = False
        self._disturbed = 0 if alone else self._disturbed + 1
        if self._disturbed > 1:
            self._loop.restart(now)
            return 0.0
        return seconds

    def _still_for(self, now: float, idle: bool, stands: bool) -> float:
        """Seconds without processor time in which all threads waited."""
        self._running = 0 if stands else self._running + 1
        # On a machine that is full a thread that wakes for a moment may be seen waiting its turn.
        tolerated = 1 if self._woken and self.since is not None else 0
        if not idle or self._running > tolerated:
            self.since = None
            return 0.0
        if self.since is None:
            self.since = now
        return now - self.since

    def _processor_time(self) -> tuple[float, float]:
        """What this process and those below it have used since the last look."""
        own, below = _own_time(), self._time_of_children()
        used = own - self._own, below - self._below
        self._own, self._below = own, below
        return used

    def _time_of_children(self) -> float:
        return sum(map(_ticks, self._children())) / os.sysconf("SC_CLK_TCK")

    def _children(self) -> set[int]:
        """The processes below this one."""
        found: set[int] = set()
        new = [os.getpid()]
        while new:
            pid = new.pop()
            for path in Path(f"/proc/{pid}/task").glob("*/children"):
                with contextlib.suppress(OSError):
                    below = set(map(int, path.read_text(encoding="ascii").split()))
                    below -= found | self.not_counted
                    new += below
                    found |= below
        return found

    def _waits(self, call: list[str] | None) -> bool:
        self._woken |= call == ["running"]
        return call is not None and call[0].isdigit() and int(call[0]) in _WAITS.values()


def _for_others(call: list[str] | None) -> bool:
    """Does a thread wait for another process: for a signal, or a lock that processes share?"""
    if call is None or not call[0].isdigit():
        return False
    if int(call[0]) == _FUTEX:
        return not int(call[2], 16) & _FUTEX_PRIVATE
    return int(call[0]) not in _SLEEPS


def _own_time() -> float:
    """What this process has used, but for the thread that asks."""
    return time.process_time() - time.thread_time()


def _ticks(pid: int) -> int:
    """Processor time of another process."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return 0
    words = text.rpartition(")")[2].split()
    return int(words[11]) + int(words[12])


def _main_frame() -> FrameType | None:
    return sys._current_frames().get(threading.main_thread().ident or 0)


def place() -> str:
    """Where the main thread is: function, file and line, of the program."""
    innermost = _main_frame()
    if innermost is None:
        return "somewhere"
    frame = of_program(innermost)
    return f"{frame.f_code.co_name} ({frame.f_code.co_filename}:{frame.f_lineno})"
