"""FileStore: a store in a file that all processes can write to."""

import contextlib
import os
import struct
from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path

from rushlight.distributed.errors import DistStoreError
from rushlight.distributed.store import Store, milliseconds, poll, to_bytes

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

__all__ = ["FileStore"]

_USERS = "refcount/"


class FileStore(Store):
    """FileStore(file_name, world_size=-1): a store in a file on a disk that all processes share.

    The file is a journal: each change is appended, and each process reads what is new. With
    ``world_size`` > 0 the last of so many processes to end removes it.

    >>> import tempfile, os
    >>> store = torch.distributed.FileStore(os.path.join(tempfile.mkdtemp(), "store"), 1)
    >>> store.set("a", "1"); store.get("a")
    b'1'
    """

    def __init__(self, file_name: str, world_size: int = -1) -> None:
        super().__init__()
        if fcntl is None:
            raise NotImplementedError("FileStore needs file locks: use TCPStore on this system")
        self._path = Path(file_name)
        self._world_size = world_size
        self._values: dict[str, bytes] = {}
        self._read_to = 0
        self.add(_USERS, 1)

    def __del__(self) -> None:
        with contextlib.suppress(Exception):
            if self.add(_USERS, -1) == 0 and self._world_size > 0:
                self._path.unlink()

    @property
    def path(self) -> str:
        """The file."""
        return str(self._path)

    @contextlib.contextmanager
    def _locked(self) -> Iterator[int]:
        """The file, ours alone, with all changes read."""
        fd = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
            self._catch_up(fd)
            yield fd
        finally:
            os.close(fd)

    def _catch_up(self, fd: int) -> None:
        """Read what was appended since the last time."""
        size = os.fstat(fd).st_size
        data = os.pread(fd, size - self._read_to, self._read_to)
        at = 0
        while at < len(data):
            n_key, n_value = struct.unpack_from("<qq", data, at)
            at += 16
            key = data[at : at + n_key].decode()
            at += n_key
            if n_value < 0:
                self._values.pop(key, None)
                continue
            self._values[key] = data[at : at + n_value]
            at += n_value
        self._read_to += at

    def _append(self, fd: int, key: str, value: bytes | None) -> None:
        name = key.encode()
        size = -1 if value is None else len(value)
        record = struct.pack("<qq", len(name), size) + name + (value or b"")
        os.pwrite(fd, record, self._read_to)
        self._catch_up(fd)

    def set(self, key: str, value: str | bytes) -> None:
        """Put a value under a key."""
        with self._locked() as fd:
            self._append(fd, key, to_bytes(value))

    def get(self, key: str) -> bytes:
        """The value of a key; waits until there is one."""
        if not poll(lambda: self.check([key]), self.timeout):
            raise RuntimeError(
                f"Timeout waiting for key: {key} after {milliseconds(self.timeout)} ms"
            )
        return self._values[key]

    def add(self, key: str, amount: int) -> int:
        """Add to the number under a key and return the sum."""
        with self._locked() as fd:
            value = int(self._values.get(key, b"0")) + amount
            self._append(fd, key, b"%d" % value)
            return value

    def compare_set(self, key: str, expected_value: str, desired_value: str) -> bytes:
        """Set the key if its value is the one expected; return the value it has then."""
        expected = to_bytes(expected_value)
        with self._locked() as fd:
            if key not in self._values and expected:
                return expected
            if self._values.get(key, b"") == expected:
                self._append(fd, key, to_bytes(desired_value))
            return self._values[key]

    def check(self, keys: Sequence[str]) -> bool:
        """Whether all keys are there."""
        with self._locked():
            return all(key in self._values for key in keys)

    def wait(self, keys: Sequence[str], timeout: timedelta | None = None) -> None:
        """Wait until all keys are there; DistStoreError after the timeout."""
        if not poll(lambda: self.check(keys), self.timeout if timeout is None else timeout):
            raise DistStoreError("Wait timeout")

    def delete_key(self, key: str) -> bool:
        """Remove a key; whether there was one."""
        with self._locked() as fd:
            found = key in self._values
            if found:
                self._append(fd, key, None)
            return found

    def num_keys(self) -> int:
        """How many keys there are, the count of users among them."""
        with self._locked():
            return len(self._values)

    def list_keys(self) -> list[str]:
        """All keys."""
        with self._locked():
            return list(self._values)

    def append(self, key: str, value: str | bytes) -> None:
        """Add to the end of the value of a key."""
        with self._locked() as fd:
            self._append(fd, key, self._values.get(key, b"") + to_bytes(value))

    def clone(self) -> "FileStore":
        """Another handle of the same file."""
        return FileStore(self.path, self._world_size)
