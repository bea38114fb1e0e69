"""Does this process stand still? What a hang looks like from outside, on Linux.

A process stands still while it uses no processor time and all its threads sleep or wait for each
other. One that computes does not, one that waits for a file, a socket, a pipe or a process that it
has started does not, and one in a single ``time.sleep`` of less than ``PAUSE`` seconds goes on by
itself.
"""

import contextlib
import ctypes
import os
import platform
import sys
import threading
import time
from collections.abc import Collection
from pathlib import Path

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
_LIBRARY = str(Path(threading.__file__).parent / "threading")
_SLEEP = _WAITS.get("clock_nanosleep", -1)


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


def _sleeps_until(call: list[str]) -> float:
    """When a thread's sleep ends, by ``time.monotonic``; 0 if that is not known."""
    clock, absolute, address = (int(word, 16) for word in call[1:4])
    if clock != time.CLOCK_MONOTONIC or absolute != 1:
        return 0.0
    seconds, nanoseconds = (ctypes.c_long * 2).from_address(address)
    return seconds + nanoseconds * 1e-9


class Stillness:
    """How long this process has stood still; ``look`` is called several times in a second.

    ``not_counted`` are process ids of children that do not matter.
    """

    def __init__(self, not_counted: Collection[int] = ()) -> None:
        self.not_counted = set(not_counted)
        self.since: float | None = None  # when it began to stand still
        self._main = os.getpid()  # its number; after a fork Python tells the parent's
        self._libraries: set[int] = set()  # threads that do not matter
        self._wakes: float | None = None  # the end of the main thread's sleep
        self._sleeps = 0  # since it was last busy
        self._woken = False
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
        busy = self._is_busy(_IDLE * (now - self._at) + 0.005)
        self._at = now
        waiting = self._threads_wait(now)
        self._running = 0 if waiting else self._running + 1
        if busy:
            self._sleeps = 0
        # On a machine that is full a thread that wakes for a moment may be seen waiting its turn.
        tolerated = 1 if self._woken and self.since is not None else 0
        if busy or self._running > tolerated:
            self.since = None
            return 0.0
        if self.since is None:
            self.since = now
        return now - self.since

    def _is_busy(self, allowed: float) -> bool:
        """Was more processor time used than allowed, here or by the children?"""
        before, self._own = self._own, _own_time()
        allowed -= self._own - before
        if allowed < 0:
            return True
        before, self._below = self._below, self._time_of_children()
        return self._below - before > allowed

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

    def _threads_wait(self, now: float) -> bool:
        uncounted = {threading.get_native_id(), *self._libraries}
        return all(t in uncounted or self._waits(t, now) for t in _threads())

    def _waits(self, thread: int, now: float) -> bool:
        call = _call_of(thread)
        self._woken = call == ["running"]
        if call is None or not call[0].isdigit() or int(call[0]) not in _WAITS.values():
            return False
        if thread != self._main or int(call[0]) != _SLEEP:
            return True
        return not self._is_pause(_sleeps_until(call), now)

    def _is_pause(self, wakes: float, now: float) -> bool:
        """One short sleep goes on by itself; one after the other do not."""
        if wakes != self._wakes:
            self._wakes = wakes
            self._sleeps += 1
        return 0 < wakes - now < PAUSE and self._sleeps <= 1


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


def place() -> str:
    """Where the main thread is: function, file and line, of the program."""
    frame = sys._current_frames().get(threading.main_thread().ident or 0)
    while frame is not None and frame.f_code.co_filename.startswith(_LIBRARY) and frame.f_back:
        frame = frame.f_back
    if frame is None:
        return "somewhere"
    code = frame.f_code
    return f"{code.co_name} ({code.co_filename}:{frame.f_lineno})"
