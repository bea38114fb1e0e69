"""Waiting for other processes without taking the processor from those that compute."""

import time
from collections.abc import Callable

# How often to look again at once; after that, pauses that grow from _FIRST to _LAST seconds, and
# after some thousands of these to _LONG.
_SPINS, _FIRST, _LAST, _LONG = 60, 20e-6, 5e-4, 1.5e-3
_MANY = 4000


class AbandonedError(Exception):
    """What was waited for will not come: a process has died, or the time is up."""


class Watch:
    """What ends the waiting of one group: a failure of the job, or a deadline."""

    def __init__(self) -> None:
        self.failure: BaseException | None = None
        self.deadline = float("inf")

    def check(self) -> None:
        """AbandonedError if there is nothing to wait for any more."""
        if self.failure is not None or time.monotonic() > self.deadline:
            raise AbandonedError

    def until(self, ready: Callable[[], bool]) -> None:
        """Return when it is so; AbandonedError if it will not be."""
        sleep = time.sleep
        for _ in range(_SPINS):
            if ready():
                return
            sleep(0)  # lets other threads have the interpreter
        pause, count = _FIRST, 0
        while not ready():
            self.check()
            sleep(pause)
            count += 1
            pause = min(pause * 1.2, _LAST) if count < _MANY else _LONG
