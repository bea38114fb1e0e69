"""Shared memory known by a file name: the strategy "file_system".

A storage's file has one name in each process that has it, removed with the storage. Whoever sends
it gives the file another name (a link), which becomes the receiver's. So nobody counts, and the
sender may let go of the tensor while its message is under way. Names that are left when the process
and its forks have died are removed by a process that does nothing else.
"""

import os
import secrets
import sys
import tempfile
from contextlib import suppress
from itertools import count
from multiprocessing.util import Finalize, register_after_fork
from pathlib import Path
from weakref import WeakSet

import numpy as np

from rushlight._core import shared

_FOLDER = "/dev/shm" if os.access("/dev/shm", os.W_OK) else tempfile.gettempdir()
_CLEANER = """
import os, sys
sys.stdin.buffer.read()
folder, prefix = sys.argv[1:]
for name in os.listdir(folder):
    if name.startswith(prefix):
        try:
            os.unlink(os.path.join(folder, name))
        except OSError:
            pass
"""

_numbers = count()
_prefix: list[str] = []  # of our names, once the cleaner runs
_live: WeakSet["NamedMapping"] = WeakSet()
_lifelines: list[int] = []  # open as long as this process or a fork of it lives


class NamedMapping(shared.Mapping):
    """Mapped pages of a file with a name, which goes with them (not with a fork's copy)."""

    __slots__ = ("owner",)

    def __init__(self, fd: int, nbytes: int, name: str) -> None:
        super().__init__(fd, nbytes)
        self.name, self.owner = name, os.getpid()
        _live.add(self)

    def _is_ours(self) -> bool:
        return self.owner == os.getpid()


def _remove_names() -> None:
    for mapping in _live:
        if mapping.name is not None and mapping._is_ours():
            with suppress(OSError):
                Path(mapping.name).unlink()
            mapping.name = None


def _tidy_at_exit(_: object = None) -> None:
    """A process of multiprocessing ends without freeing its objects, so their names go before."""
    Finalize(None, _remove_names, exitpriority=0)


_tidy_at_exit()
register_after_fork(_live, _tidy_at_exit)


def named(nbytes: int) -> np.ndarray:
    """Fresh shared memory whose file is known by a name."""
    name = _new_name()
    fd = os.open(name, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        os.ftruncate(fd, max(nbytes, 1))
        return shared.remembered(shared.file_key(os.fstat(fd)), NamedMapping(fd, nbytes, name))
    except BaseException:
        Path(name).unlink()
        raise
    finally:
        os.close(fd)


def link(mapping: shared.Mapping) -> str:
    """A new name of its file, for whoever receives it."""
    assert mapping.name is not None
    name = _new_name()
    os.link(mapping.name, name)
    return name


def opened(name: str, nbytes: int) -> np.ndarray:
    """The root over the file that a process sent; its name is ours from now on."""
    fd = os.open(name, os.O_RDWR | os.O_CLOEXEC)
    try:
        key = shared.file_key(os.fstat(fd))
        root = shared.known(key)
        if root is None:
            return shared.remembered(key, NamedMapping(fd, nbytes, name))
        Path(name).unlink()
        return root
    finally:
        os.close(fd)


def _new_name() -> str:
    if not _prefix:
        _start_cleaner()
    return str(Path(_FOLDER, f"{_prefix[0]}_{os.getpid()}_{next(_numbers)}"))


def _start_cleaner() -> None:
    """Start the process that waits for the end of this one, and removes what has its prefix."""
    prefix = f"torch_{secrets.token_hex(6)}"
    theirs, ours = os.pipe()
    try:
        os.posix_spawn(
            sys.executable,
            [sys.executable, "-I", "-S", "-c", _CLEANER, _FOLDER, prefix],
            os.environ,
            file_actions=[
                (os.POSIX_SPAWN_DUP2, theirs, 0),
                (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
                (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0),
            ],
            setpgroup=0,  # what is sent to our process group does not reach it
        )
    finally:
        os.close(theirs)
    _lifelines.append(ours)
    _prefix.append(prefix)
