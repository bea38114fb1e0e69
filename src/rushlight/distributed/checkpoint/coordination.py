"""Steps of a checkpoint that all processes take together: if one fails, all learn why."""

import pickle
import traceback
from collections.abc import Callable
from typing import Any, TypeVar

from rushlight.distributed.checkpoint.api import CheckpointException, Failure
from rushlight.distributed.collectives import barrier
from rushlight.distributed.groups import default_group, is_initialized
from rushlight.distributed.objects import (
    all_gather_object,
    broadcast_object_list,
    gather_object,
    scatter_object_list,
)
from rushlight.distributed.process_group import ProcessGroup

__all__ = ["Coordination"]

T = TypeVar("T")
R = TypeVar("R")


class _Failed:
    """What is sent instead of a result: who failed, and how."""

    def __init__(self, failures: dict[int, Failure]) -> None:
        self.failures = failures


def _failure(error: Exception) -> Failure:
    """An exception and its stack, as they can be sent."""
    frames = traceback.extract_tb(error.__traceback__)
    stack = [(f.filename, f.lineno or 0, f.name, f.line) for f in frames]
    return _sendable(error), traceback.StackSummary.from_list(stack)


def _sendable(error: Exception) -> Exception:
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error


class Coordination:
    """The processes of a group, one of which decides; or one process alone."""

    def __init__(
        self, group: ProcessGroup | None, no_dist: bool, coordinator_rank: int = 0
    ) -> None:
        self.group: ProcessGroup | None = None
        if not no_dist and is_initialized():
            self.group = default_group() if group is None else group
        self.first = coordinator_rank if self.group is not None else 0
        self.rank = 0 if self.group is None else self.group.rank()
        self.is_coordinator = self.rank == self.first

    def scatter(self, step: str, work: Callable[[], T], decide: Callable[[list[T]], list[R]]) -> R:
        """What one process decides about all processes' results: for each its own."""
        found = self._decided(self._tried(work), decide)
        if self.group is not None:
            answer: list[Any] = [None]
            size = self.group.size()
            everyone = [found] * size if isinstance(found, _Failed) else found
            scatter_object_list(answer, everyone, group=self.group, group_src=self.first)
            return _result(step, answer[0])
        return _result(step, found if isinstance(found, _Failed) or found is None else found[0])

    def reduce(self, step: str, work: Callable[[], T], decide: Callable[[list[T]], R]) -> R:
        """What one process makes of all processes' results: the same for all."""
        found = self._decided(self._tried(work), decide)
        if self.group is not None:
            answer: list[Any] = [found]
            broadcast_object_list(answer, group=self.group, group_src=self.first)
            found = answer[0]
        return _result(step, found)

    def together(self, step: str, work: Callable[[], T]) -> list[T]:
        """All processes' results."""
        results: list[Any] = [self._tried(work)]
        if self.group is not None:
            mine, results = results[0], [None] * self.group.size()
            all_gather_object(results, mine, self.group)
        failed = _all_failed(results)
        return results if failed is None else _result(step, failed)

    def barrier(self) -> None:
        """Wait for all."""
        if self.group is not None:
            barrier(self.group)

    def _tried(self, work: Callable[[], T]) -> T | _Failed:
        try:
            return work()
        except Exception as error:
            return _Failed({self.rank: _failure(error)})

    def _decided(self, mine: Any, decide: Callable[[list[Any]], R]) -> R | _Failed | None:
        """The decision in the first process, None in the others."""
        everything: list[Any] = [mine]
        if self.group is not None:
            found = [None] * self.group.size() if self.is_coordinator else None
            gather_object(mine, found, group=self.group, group_dst=self.first)
            if found is None:
                return None
            everything = found
        failed = _all_failed(everything)
        return self._tried(lambda: decide(everything)) if failed is None else failed


def _all_failed(results: list[Any]) -> _Failed | None:
    failures: dict[int, Failure] = {}
    for result in results:
        failures |= result.failures if isinstance(result, _Failed) else {}
    return _Failed(failures) if failures else None


def _result(step: str, found: Any) -> Any:
    if isinstance(found, _Failed):
        raise CheckpointException(step, found.failures)
    return found
