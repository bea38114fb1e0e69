"""Stores: keys and values that the processes of a job share, to find each other and to agree."""

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from datetime import timedelta

from rushlight.distributed.errors import DistStoreError, QueueEmptyError

__all__ = ["HashStore", "PrefixStore", "Store"]

DEFAULT_TIMEOUT = timedelta(seconds=300)


def to_bytes(value: str | bytes) -> bytes:
    """A value as it is stored; TypeError if it is neither text nor bytes."""
    if isinstance(value, str):
        return value.encode()
    if isinstance(value, bytes):
        return value
    raise TypeError(f"set(): a value must be str or bytes, not {type(value).__name__}")


def milliseconds(timeout: timedelta) -> int:
    """A timeout as a whole number."""
    return int(timeout.total_seconds() * 1000)


class Store:
    """Keys and values that the processes of a job share.

    A subclass written in Python implements ``set``, ``get``, ``add``, ``wait`` and whatever else is
    to work; the rest raises NotImplementedError.

    >>> store = torch.distributed.HashStore()
    >>> store.set("answer", "42"); store.get("answer")
    b'42'
    """

    def __init__(self) -> None:
        self._timeout = DEFAULT_TIMEOUT

    @property
    def timeout(self) -> timedelta:
        """How long ``get`` and ``wait`` wait at most."""
        return self._timeout

    def set_timeout(self, timeout: timedelta) -> None:
        """Set how long ``get`` and ``wait`` wait at most."""
        self._timeout = timeout

    def set(self, key: str, value: str | bytes) -> None:
        """Put a value under a key."""
        raise NotImplementedError("set support is not implemented.")

    def get(self, key: str) -> bytes:
        """The value of a key; waits until there is one, DistStoreError after the timeout."""
        raise NotImplementedError("get support is not implemented.")

    def add(self, key: str, amount: int) -> int:
        """Add to the number under a key (0 if there is none) and return the sum."""
        raise NotImplementedError("add support is not implemented.")

    def compare_set(self, key: str, expected_value: str, desired_value: str) -> bytes:
        """Set the key if its value is the one expected; return the value it has then."""
        raise NotImplementedError("compareSet support is not implemented.")

    def check(self, keys: Sequence[str]) -> bool:
        """Whether all keys are there."""
        raise NotImplementedError("check support is not implemented.")

    def wait(self, keys: Sequence[str], timeout: timedelta | None = None) -> None:
        """Wait until all keys are there; DistStoreError after the timeout."""
        raise NotImplementedError("wait support is not implemented.")

    def delete_key(self, key: str) -> bool:
        """Remove a key; whether there was one."""
        raise NotImplementedError("deleteKey support is not implemented.")

    def num_keys(self) -> int:
        """How many keys there are."""
        raise NotImplementedError("getNumKeys support is not implemented.")

    def list_keys(self) -> list[str]:
        """All keys."""
        raise NotImplementedError("listKeys support is not implemented.")

    def append(self, key: str, value: str | bytes) -> None:
        """Add to the end of the value of a key."""
        raise NotImplementedError("append support is not implemented.")

    def multi_get(self, keys: Sequence[str]) -> list[bytes]:
        """The values of several keys; waits until all are there."""
        return [self.get(key) for key in keys]

    def multi_set(self, keys: Sequence[str], values: Sequence[str | bytes]) -> None:
        """Set several keys."""
        for key, value in zip(keys, values, strict=True):
            self.set(key, value)

    def queue_push(self, key: str, value: str | bytes) -> None:
        """Put a value at the end of a queue."""
        raise NotImplementedError("queue support is not implemented.")

    def queue_pop(self, key: str, block: bool = True) -> bytes:
        """Take the first value of a queue; waits for one, or QueueEmptyError without ``block``."""
        raise NotImplementedError("queue support is not implemented.")

    def queue_len(self, key: str) -> int:
        """How many values a queue holds."""
        raise NotImplementedError("queue support is not implemented.")

    def has_extended_api(self) -> bool:
        """Whether append, multi_get and multi_set are one step each."""
        return False

    def clone(self) -> "Store":
        """Another handle of the same store."""
        raise NotImplementedError("clone support is not implemented.")

    def barrier(self, key: str, world_size: int, timeout: timedelta | None = None) -> None:
        """Wait until ``world_size`` callers have come here with this key."""
        if self.add(f"{key}/arrived", 1) % world_size == 0:
            self.set(f"{key}/done", b"1")
        self.wait([f"{key}/done"], self.timeout if timeout is None else timeout)


class HashStore(Store):
    """HashStore(): a store inside one process, shared by its threads.

    >>> torch.distributed.HashStore().add("count", 3)
    3
    """

    def __init__(self) -> None:
        super().__init__()
        self._values: dict[str, bytes] = {}
        self._queues: dict[str, deque[bytes]] = {}
        self._changed = threading.Condition()

    def _until(self, there: Callable[[], bool], timeout: timedelta | None = None) -> None:
        """Wait, with the lock held, until a condition holds."""
        seconds = (self.timeout if timeout is None else timeout).total_seconds()
        if not self._changed.wait_for(there, seconds):
            raise DistStoreError("Wait timeout")

    def set(self, key: str, value: str | bytes) -> None:
        """Put a value under a key."""
        with self._changed:
            self._values[key] = to_bytes(value)
            self._changed.notify_all()

    def get(self, key: str) -> bytes:
        """The value of a key; waits until there is one."""
        with self._changed:
            self._until(lambda: key in self._values)
            return self._values[key]

    def add(self, key: str, amount: int) -> int:
        """Add to the number under a key and return the sum."""
        with self._changed:
            try:
                value = int(self._values.get(key, b"0")) + amount
            except ValueError:
                raise ValueError("stoll") from None
            self._values[key] = b"%d" % value
            self._changed.notify_all()
            return value

    def compare_set(self, key: str, expected_value: str, desired_value: str) -> bytes:
        """Set the key if its value is the one expected; return the value it has then."""
        expected, desired = to_bytes(expected_value), to_bytes(desired_value)
        with self._changed:
            if key not in self._values and expected:
                return expected
            if self._values.get(key, b"") == expected:
                self._values[key] = desired
                self._changed.notify_all()
            return self._values[key]

    def check(self, keys: Sequence[str]) -> bool:
        """Whether all keys are there."""
        with self._changed:
            return all(key in self._values for key in keys)

    def wait(self, keys: Sequence[str], timeout: timedelta | None = None) -> None:
        """Wait until all keys are there."""
        with self._changed:
            self._until(lambda: all(key in self._values for key in keys), timeout)

    def delete_key(self, key: str) -> bool:
        """Remove a key; whether there was one."""
        with self._changed:
            return self._values.pop(key, None) is not None

    def num_keys(self) -> int:
        """How many keys there are."""
        return len(self._values)

    def list_keys(self) -> list[str]:
        """All keys."""
        with self._changed:
            return list(self._values)

    def append(self, key: str, value: str | bytes) -> None:
        """Add to the end of the value of a key."""
        with self._changed:
            self._values[key] = self._values.get(key, b"") + to_bytes(value)
            self._changed.notify_all()

    def queue_push(self, key: str, value: str | bytes) -> None:
        """Put a value at the end of a queue."""
        with self._changed:
            self._queues.setdefault(key, deque()).append(to_bytes(value))
            self._changed.notify_all()

    def queue_pop(self, key: str, block: bool = True) -> bytes:
        """Take the first value of a queue."""
        with self._changed:
            if block:
                self._until(lambda: bool(self._queues.get(key)))
            elif not self._queues.get(key):
                raise QueueEmptyError("queue is empty")
            return self._queues[key].popleft()

    def queue_len(self, key: str) -> int:
        """How many values a queue holds."""
        return len(self._queues.get(key, ()))

    def has_extended_api(self) -> bool:
        """append, multi_get and multi_set are there."""
        return True

    def clone(self) -> "HashStore":
        """The store itself: its threads share it."""
        return self


class PrefixStore(Store):
    """PrefixStore(prefix, store): the store, with a prefix before each key.

    >>> store = torch.distributed.HashStore()
    >>> torch.distributed.PrefixStore("mine", store).set("a", "1")
    >>> store.get("mine/a")
    b'1'
    """

    def __init__(self, prefix: str, store: Store) -> None:
        super().__init__()
        self._prefix, self._store = prefix, store

    @property
    def underlying_store(self) -> Store:
        """The store that keeps the values."""
        return self._store

    @property
    def _underlying_non_prefix_store(self) -> Store:
        """The same, below all prefixes."""
        inner = self._store
        return inner._underlying_non_prefix_store if isinstance(inner, PrefixStore) else inner

    @property
    def timeout(self) -> timedelta:
        """That of the store below."""
        return self._store.timeout

    def set_timeout(self, timeout: timedelta) -> None:
        """Set that of the store below."""
        self._store.set_timeout(timeout)

    def _name(self, key: str) -> str:
        return f"{self._prefix}/{key}"

    def set(self, key: str, value: str | bytes) -> None:
        """Put a value under a key."""
        self._store.set(self._name(key), value)

    def get(self, key: str) -> bytes:
        """The value of a key; waits until there is one."""
        return self._store.get(self._name(key))

    def add(self, key: str, amount: int) -> int:
        """Add to the number under a key and return the sum."""
        return self._store.add(self._name(key), amount)

    def compare_set(self, key: str, expected_value: str, desired_value: str) -> bytes:
        """Set the key if its value is the one expected; return the value it has then."""
        return self._store.compare_set(self._name(key), expected_value, desired_value)

    def check(self, keys: Sequence[str]) -> bool:
        """Whether all keys are there."""
        return self._store.check([self._name(key) for key in keys])

    def wait(self, keys: Sequence[str], timeout: timedelta | None = None) -> None:
        """Wait until all keys are there."""
        self._store.wait([self._name(key) for key in keys], timeout)

    def delete_key(self, key: str) -> bool:
        """Remove a key; whether there was one."""
        return self._store.delete_key(self._name(key))

    def num_keys(self) -> int:
        """How many keys the store below has."""
        return self._store.num_keys()

    def list_keys(self) -> list[str]:
        """The keys with this prefix, without it."""
        start = self._prefix + "/"
        return [k.removeprefix(start) for k in self._store.list_keys() if k.startswith(start)]

    def append(self, key: str, value: str | bytes) -> None:
        """Add to the end of the value of a key."""
        self._store.append(self._name(key), value)

    def multi_get(self, keys: Sequence[str]) -> list[bytes]:
        """The values of several keys."""
        return self._store.multi_get([self._name(key) for key in keys])

    def multi_set(self, keys: Sequence[str], values: Sequence[str | bytes]) -> None:
        """Set several keys."""
        self._store.multi_set([self._name(key) for key in keys], values)

    def queue_push(self, key: str, value: str | bytes) -> None:
        """Put a value at the end of a queue."""
        self._store.queue_push(self._name(key), value)

    def queue_pop(self, key: str, block: bool = True) -> bytes:
        """Take the first value of a queue."""
        return self._store.queue_pop(self._name(key), block)

    def queue_len(self, key: str) -> int:
        """How many values a queue holds."""
        return self._store.queue_len(self._name(key))

    def has_extended_api(self) -> bool:
        """As the store below."""
        return self._store.has_extended_api()

    def clone(self) -> "PrefixStore":
        """Another handle of the same store."""
        return PrefixStore(self._prefix, self._store.clone())


def poll(there: Callable[[], bool], timeout: timedelta) -> bool:
    """Ask every few milliseconds until it is so; False after the timeout."""
    end = time.monotonic() + timeout.total_seconds()
    while not there():
        if time.monotonic() > end:
            return False
        time.sleep(0.005)
    return True
