"""The shared memory in which a worker hands over its batches, used again and again.

A worker fills segments (nameless files, see `_core/shared.py`) and sends their numbers; the
descriptor of a segment is sent once, with the first batch in it. The loader maps it and lends it to
the tensors of the batch. When the last of them is gone, the loader says so with its next request,
and the worker writes the next batch there: no memory is made, zeroed or mapped in the long run.
What one of two processes alone still looks at is never written to:

- the worker takes a segment again only if nobody in the worker looks at it;
- what was lent when the loader's process forked is not used again, for the fork may look at it.
"""

import os
import sys
from collections import OrderedDict, deque
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from rushlight._core import shared

PAGE = 4096  # bytes; less than that is better sent as a message
MAX_LENT = 64  # segments that a worker waits for; more are given away for good
MAX_FREE = 64 << 20  # bytes of segments that wait for a batch of their size
MAX_LEASES = 16384  # mappings at a time; the system allows 65530 to a process


def capacity_for(nbytes: int) -> int:
    """The size of a segment for this many bytes: in steps of a quarter, so that sizes repeat."""
    step = max(PAGE, 1 << max(0, nbytes.bit_length() - 3))
    return -(-nbytes // step) * step


class Entry(NamedTuple):
    """What a message says of a segment: its number, the bytes used, its size, whether its
    descriptor follows, and whether the worker wants it back.
    """

    number: int
    used: int
    capacity: int
    new: bool
    returns: bool


class Segment:
    """A segment as its worker sees it; the descriptor is there until it has been sent."""

    __slots__ = ("_alone", "capacity", "fd", "number", "root")

    def __init__(self, number: int, capacity: int) -> None:
        self.number, self.capacity = number, capacity
        self.fd = shared.new_file()
        try:
            os.ftruncate(self.fd, capacity)
            self.root = shared.Mapping(self.fd, capacity, populate=True).array()
        except BaseException:
            os.close(self.fd)
            raise
        self._alone = self._references()

    def _references(self) -> int:
        return sys.getrefcount(self.root)

    def is_looked_at(self) -> bool:
        return self._references() > self._alone

    @property
    def address(self) -> int:
        return address_of(self.root)


def address_of(array: np.ndarray) -> int:
    return array.__array_interface__["data"][0]


class Outbox:
    """The segments of a worker: free, taken for the batch that it makes, or lent to the loader."""

    def __init__(self) -> None:
        self._count = 0
        self._free: OrderedDict[int, Segment] = OrderedDict()
        self._taken: dict[int, Segment] = {}  # by address
        self._lent: dict[int, Segment] = {}
        self.dropped: list[int] = []  # numbers that the loader need not remember

    def take(self, nbytes: int) -> np.ndarray:
        """The root of a segment that holds this many bytes and that nobody looks at."""
        segment = self._find(capacity_for(nbytes))
        self._taken[segment.address] = segment
        return segment.root

    def _find(self, capacity: int) -> Segment:
        for number, segment in self._free.items():
            if segment.capacity == capacity and not segment.is_looked_at():
                return self._free.pop(number)
        self._shrink()
        self._count += 1
        return Segment(self._count, capacity)

    def _shrink(self) -> None:
        total = sum(segment.capacity for segment in self._free.values())
        while total > MAX_FREE:
            _, segment = self._free.popitem(last=False)
            total -= segment.capacity
            self._drop(segment)

    def _drop(self, segment: Segment) -> None:
        self.dropped.append(segment.number)
        if segment.fd >= 0:
            os.close(segment.fd)
            segment.fd = -1

    def holding(self, array: np.ndarray) -> Segment:
        """The taken segment that begins with these bytes; they are copied to one if none does."""
        segment = self._taken.get(address_of(array))
        if segment is None or array.nbytes > segment.capacity:
            root = self.take(array.nbytes)
            root[: array.nbytes] = array
            segment = self._taken[address_of(root)]
        return segment

    def lend(self, segment: Segment, used: int) -> tuple[Entry, int]:
        """What to send for it, with its descriptor (-1 if that has been sent)."""
        del self._taken[segment.address]
        returns = len(self._lent) < MAX_LENT
        if returns:
            self._lent[segment.number] = segment
        fd, segment.fd = segment.fd, -1
        new = fd >= 0
        if not returns and not new:
            self.dropped.append(segment.number)  # the loader has it mapped, and may forget it
        return Entry(segment.number, used, segment.capacity, new, returns), fd

    def tidy(self) -> None:
        """What was taken and not sent is free."""
        for segment in self._taken.values():
            self._free[segment.number] = segment
        self._taken.clear()

    def give_back(self, returned: Iterable[tuple[int, bool]]) -> None:
        """The loader has done with these; with some of them for good."""
        for number, usable in returned:
            segment = self._lent.pop(number, None)
            if segment is None:
                continue
            if usable:
                self._free[number] = segment
            else:
                self._drop(segment)


# ---- the loader's side ---------------------------------------------------------------------------

_forks = [0]  # how often this process has forked, or is a fork


def _count_fork() -> None:
    _forks[0] += 1


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_parent=_count_fork, after_in_child=_count_fork)


class Lease(shared.Mapping):
    """The part of a segment that a batch uses; to be returned when no tensor looks at it."""

    __slots__ = ("entry", "forks", "mapping", "returned")

    def __init__(self, mapping: shared.Mapping, entry: Entry, returned: deque | None) -> None:
        self.mapping, self.entry, self.returned = mapping, entry, returned
        self.fd = self.name = None
        self.forks = _forks[0]
        self.__array_interface__ = {**mapping.__array_interface__, "shape": (entry.used,)}
        _leases[0] += 1

    def __del__(self) -> None:
        if hasattr(self, "forks"):
            _leases[0] -= 1
            if self.returned is not None:
                self.returned.append((self.entry.number, self.forks == _forks[0]))


_leases = [0]  # how many there are


class Inbox:
    """The segments of one worker that the loader has mapped."""

    def __init__(self) -> None:
        self._mappings: dict[int, shared.Mapping] = {}
        self._returned: deque[tuple[int, bool]] = deque()

    def borrow(self, entry: Entry, fd: int) -> np.ndarray:
        """The bytes of a segment, for as long as somebody looks at them. `fd` is closed."""
        mapping = self._mapping(entry, fd)
        if _leases[0] >= MAX_LEASES:
            copy = mapping.array()[: entry.used].copy()
            if entry.returns:
                self._returned.append((entry.number, True))
            return copy
        return Lease(mapping, entry, self._returned if entry.returns else None).array()

    def _mapping(self, entry: Entry, fd: int) -> shared.Mapping:
        if not entry.new:
            return self._mappings[entry.number]
        try:
            mapping = shared.Mapping(fd, entry.capacity, populate=True)
        finally:
            os.close(fd)
        if entry.returns:
            self._mappings[entry.number] = mapping
        return mapping

    def forget(self, numbers: Iterable[int]) -> None:
        """The worker does not use these any more."""
        for number in numbers:
            self._mappings.pop(number, None)

    def returns(self) -> list[tuple[int, bool]]:
        """What has come free since the last time."""
        found = []
        while self._returned:
            found.append(self._returned.popleft())
        return found
