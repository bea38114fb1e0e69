"""torch.futures: a value that will be there later."""

import threading
from collections.abc import Callable
from typing import Any, Generic, TypeVar

__all__ = ["Future", "collect_all", "wait_all"]

T = TypeVar("T")


class Future(Generic[T]):
    """Future(*, devices=None): a value that will be there later, and what is to happen then.

    >>> future = torch.futures.Future()
    >>> doubled = future.then(lambda f: 2 * f.value())
    >>> future.set_result(21); doubled.wait()
    42
    """

    def __init__(self, *, devices: list | None = None) -> None:
        self._done = threading.Event()
        self._lock = threading.Lock()
        self._value: Any = None
        self._error: BaseException | None = None
        self._callbacks: list[Callable[[Any], object]] = []

    def done(self) -> bool:
        """Whether the value, or an exception, is there."""
        return self._done.is_set()

    def wait(self) -> T:
        """Wait for the value and return it, or raise what was set instead."""
        self._done.wait()
        return self.value()

    def value(self) -> T:
        """The value; RuntimeError if it is not there yet."""
        if not self._done.is_set():
            raise RuntimeError("value() called on an uncompleted future")
        if self._error is not None:
            raise self._error
        return self._value

    def _settle(self, value: Any, error: BaseException | None) -> None:
        with self._lock:
            if self._done.is_set():
                raise RuntimeError(
                    "Attempting to mark a completed Future as complete again. Note that a Future "
                    "can only be marked completed once."
                )
            self._value, self._error = value, error
            self._done.set()
            callbacks, self._callbacks = self._callbacks, []
        for callback in callbacks:
            callback(self)

    def set_result(self, result: T) -> None:
        """Set the value and do what is to happen then."""
        self._settle(result, None)

    def set_exception(self, result: BaseException) -> None:
        """Set an exception in its place; AssertionError if it is none."""
        if not isinstance(result, Exception):
            raise AssertionError(f"{result} is of type {type(result)}, not an Exception.")
        self._settle(None, result)

    def add_done_callback(self, callback: Callable[["Future[T]"], None]) -> None:
        """Call ``callback(future)`` when it is done: at once if it is."""
        with self._lock:
            if not self._done.is_set():
                self._callbacks.append(callback)
                return
        callback(self)

    def then(self, callback: Callable[["Future[T]"], Any]) -> "Future[Any]":
        """A future of what ``callback(self)`` will return."""
        result: Future[Any] = Future()

        def run(done: Any) -> None:
            try:
                value = callback(done)
            except Exception as error:
                result.set_exception(error)
            else:
                result.set_result(value)

        self.add_done_callback(run)
        return result


def collect_all(futures: list[Future]) -> Future[list[Future]]:
    """A future of the list of futures, done when all of them are.

    >>> a, b = torch.futures.Future(), torch.futures.Future()
    >>> both = torch.futures.collect_all([a, b])
    >>> a.set_result(1)
    >>> both.done()
    False
    >>> b.set_result(2)
    >>> [f.value() for f in both.wait()]
    [1, 2]
    """
    result: Future[list[Future]] = Future()
    left = len(futures)
    lock = threading.Lock()

    def count(_: Future) -> None:
        nonlocal left
        with lock:
            left -= 1
            last = left == 0
        if last:
            result.set_result(futures)

    for future in futures:
        future.add_done_callback(count)
    if not futures:
        result.set_result(futures)
    return result


def wait_all(futures: list[Future]) -> list:
    """Wait for all futures and return their values, or raise the first exception.

    >>> a, b = torch.futures.Future(), torch.futures.Future()
    >>> a.set_result(1)
    >>> b.set_result(2)
    >>> torch.futures.wait_all([a, b])
    [1, 2]
    """
    return [future.wait() for future in collect_all(futures).wait()]
