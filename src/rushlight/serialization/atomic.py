"""Writing a file so that nobody ever sees half of it."""

import contextlib
import os
import stat
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from rushlight._core.extension import C

_LARGE = 16 << 20  # bytes


@contextlib.contextmanager
def atomic_writer(path: "str | os.PathLike") -> Iterator[BinaryIO]:
    """atomic_writer(path)

    Context manager: a file to write to, which takes the place of `path` when the block ends.

    Until then, and after an error or a kill, `path` is what it was before. Something that is not an
    ordinary file (a pipe, a device), or a directory in which no file can be made, is written
    directly.
    """
    target = Path(os.path.realpath(path))
    if target.exists() and not target.is_file():
        with target.open("wb") as file:
            yield file
        return
    draft = target.with_name(f".{target.name[:200]}.{uuid.uuid4().hex[:12]}.tmp")
    try:
        file = draft.open("xb")
    except PermissionError:
        with target.open("wb") as file:
            yield file
        return
    try:
        with file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        if target.exists():
            draft.chmod(stat.S_IMODE(target.stat().st_mode))
        _replace(draft, target)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    _sync_directory(target.parent)


def _replace(draft, target):
    """Rename a file over another. A thread frees the memory of a large one: that takes time."""
    old = -1
    with contextlib.suppress(OSError):
        if hasattr(C, "close_later") and target.stat().st_size >= _LARGE:
            old = os.open(target, os.O_RDONLY)
    try:
        draft.replace(target)
    finally:
        if old >= 0:
            C.close_later(old)


def _sync_directory(folder):
    """Make the renaming durable, where directories can be synchronised."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
