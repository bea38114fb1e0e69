"""Work: a collective that is under way."""

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from datetime import timedelta
from typing import Any

from rushlight import _api as torch
from rushlight.distributed.errors import DistBackendError
from rushlight.futures import Future

__all__ = ["Work"]


class Work:
    """A collective that is under way: what a call with ``async_op=True`` returns.

    >>> dist = torch.distributed
    >>> dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    >>> work = dist.all_reduce(torch.ones(2), async_op=True)
    >>> work.wait(), work.is_success()
    (True, True)
    >>> dist.destroy_process_group()
    """

    def __init__(self, name: str, result: list[torch.Tensor], timeout: float) -> None:
        self.name = name
        self._result = result
        self._timeout = timeout
        self._done = threading.Event()
        self._error: BaseException | None = None
        self._late: Callable[[], BaseException] | None = None  # the error when time is up
        self._hold: Callable[[], AbstractContextManager[None]] = nullcontext  # around waiting
        self._future: Future | None = None
        self._lock = threading.Lock()
        self._source = -1

    def _settle(self, error: BaseException | None = None) -> None:
        """It is over; what comes later does not count."""
        with self._lock:
            if self._done.is_set():
                return
            self._error = error
            self._done.set()
            future = self._future
        if future is not None:
            _settle_future(future, self._result, error)

    def _wait_for_end(self, seconds: float) -> None:
        if self._done.is_set():
            return
        with self._hold():
            ended = self._done.wait(min(seconds, threading.TIMEOUT_MAX))
        if not ended:
            error = self._late() if self._late is not None else DistBackendError("timed out")
            self._settle(error)

    def wait(self, timeout: timedelta = timedelta(0)) -> bool:
        """Wait until it is done; raise what it failed with. A timeout of 0 is that of the group.

        RuntimeError if it failed, or a process of the group has died, or the time is up.
        """
        seconds = timeout.total_seconds()
        self._wait_for_end(seconds if seconds > 0 else self._timeout)
        if self._error is not None:
            raise self._error
        return True

    def synchronize(self) -> None:
        """The same as :meth:`wait`."""
        self.wait()

    def block_current_stream(self) -> None:
        """The same as :meth:`wait`: a CPU has no streams."""
        self.wait()

    def is_completed(self) -> bool:
        """Whether it is over, with or without success."""
        return self._done.is_set()

    def is_success(self) -> bool:
        """Whether it is over and went well."""
        return self._done.is_set() and self._error is None

    def exception(self) -> BaseException | None:
        """What it failed with."""
        return self._error

    def result(self) -> list[torch.Tensor]:
        """The tensors that were written."""
        return self._result

    def source_rank(self) -> int:
        """The rank a message was received from."""
        return self._source

    def _source_rank(self) -> int:
        return self._source

    def get_future(self) -> Future:
        """A future of the tensors that are written."""
        with self._lock:
            if self._future is None:
                self._future = Future()
                over = self._done.is_set()
            else:
                over = False
            future = self._future
        if over:
            _settle_future(future, self._result, self._error)
        return future


def _settle_future(future: Future, result: Any, error: BaseException | None) -> None:
    if error is None:
        future.set_result(result)
    else:
        future.set_exception(error)


class MessageWork(Work):
    """A send or receive that is under way; who waits for it keeps MPI going."""

    def __init__(
        self,
        name: str,
        result: list[torch.Tensor],
        timeout: float,
        message: Any,
        watch: Any,
        finish: Callable[["MessageWork"], None],
    ) -> None:
        super().__init__(name, result, timeout)
        self.peer = ""  # 'rank N', or nothing if it may be any
        self._message, self._watch, self._finish = message, watch, finish

    def _wait_for_end(self, seconds: float) -> None:
        if not self._done.is_set():
            self._watch(self._message.done, seconds, self)
            self._end()

    def _end(self) -> None:
        if self._message.done() and not self._done.is_set():
            self._finish(self)
            self._settle()

    def is_completed(self) -> bool:
        """Whether it is over."""
        if not self._done.is_set() and self._message.done():
            self._end()
        return self._done.is_set()

    def get_future(self) -> Future:
        """A future of the tensors; waits for the message."""
        self.wait()
        return super().get_future()


class LaunchedWork(Work):
    """A collective on a GPU's stream; waiting makes the current stream wait, not the processor."""

    def __init__(
        self, name: str, result: list[torch.Tensor], timeout: float, engine: Any, event: Any
    ) -> None:
        super().__init__(name, result, timeout)
        self._engine, self._event = engine, event

    def _wait_for_end(self, seconds: float) -> None:
        failure = self._engine.watch.failure
        if failure is None:
            self._engine.check()
            self._engine.wait(self._event)
        self._settle(failure)

    def is_completed(self) -> bool:
        """Whether the GPU has done it."""
        return bool(self._event.done)

    def get_future(self) -> Future:
        """A future of the tensors, to be used on the current stream."""
        self.wait()
        return super().get_future()
