"""Where the bytes of an archive come from and go to: files of the system, or objects like files."""

import io
import os
import stat
from collections.abc import Callable
from typing import Any

import numpy as np

from rushlight._core.extension import C
from rushlight.serialization.checksum import crc32

WINDOW = 1 << 16  # bytes read ahead for small records
LARGE = 1 << 16  # bytes that are worth a call of their own
_MOST = 1 << 28  # bytes moved before signals (Control-C) are looked at


class Source:
    """The bytes from the present position of an object like a file to its end.

    EOFError where the file has fewer than it said.
    """

    def __init__(self, file: Any) -> None:
        self._file = file
        self.start = file.tell()
        self.size = file.seek(0, 2) - self.start

    def read(self, offset: int, size: int, *, ahead: bool = True) -> bytes:
        """So many bytes from there; ``ahead`` if what follows will be wanted too."""
        data = np.empty(size, np.uint8)
        self._fill(offset, data)
        return data.tobytes()

    def read_into(self, offset: int, array: np.ndarray, checked: bool) -> int:
        """Fill an array of bytes from there; its CRC-32 if it is to be ``checked``."""
        self._fill(offset, array)
        return crc32(array) if checked else 0

    def _fill(self, offset, array):
        self._file.seek(self.start + offset)
        view, done = memoryview(array), 0
        while done < array.size:
            got = self._some(view[done:])
            if not got:
                raise EOFError
            done += got

    def _some(self, view):
        if hasattr(self._file, "readinto"):
            return self._file.readinto(view)
        data = self._file.read(view.nbytes)
        view[: len(data)] = data
        return len(data)


class FileSource(Source):
    """A file of the system: large pieces are read by several threads straight to where they go."""

    def __init__(self, file: Any) -> None:
        super().__init__(file)
        file.seek(self.start)
        self._descriptor = file.fileno()
        self._window, self._from = b"", 0

    def read(self, offset: int, size: int, *, ahead: bool = True) -> bytes:
        """So many bytes from there; ``ahead`` if what follows will be wanted too."""
        at = offset - self._from
        if at < 0 or at + size > len(self._window):
            self._from, at = offset, 0
            wanted = max(size, WINDOW) if ahead else size
            self._window = os.pread(self._descriptor, wanted, self.start + offset)
            if len(self._window) < size:
                raise EOFError
        return self._window[at : at + size]

    def read_into(self, offset: int, array: np.ndarray, checked: bool) -> int:
        """Fill an array of bytes from there; its CRC-32 if it is to be ``checked``."""
        if array.size < LARGE:
            data = self.read(offset, array.size)
            array[:] = np.frombuffer(data, np.uint8)
            return crc32(data) if checked else 0
        crc: int | None = 0 if checked else None
        for i in range(0, array.size, _MOST):
            place = self.start + offset + i
            crc = C.read_file(self._descriptor, place, array[i : i + _MOST], crc)
        return crc or 0


def source(file: Any) -> Source:
    """Where the bytes of a file come from."""
    if hasattr(C, "read_file") and type(file) is io.BufferedReader and _is_regular(file):
        return FileSource(file)
    return Source(file)


def _is_regular(file):
    try:
        return type(file.raw) is io.FileIO and stat.S_ISREG(os.fstat(file.fileno()).st_mode)
    except OSError:
        return False


def sink(file: Any) -> Callable[[Any, bool], int]:
    """The function (bytes, checked) that writes to a file, and gives the CRC-32 if asked to."""
    plain = type(file) is io.BufferedWriter and _is_regular(file) and file.mode in ("wb", "xb")
    if plain and hasattr(C, "write_file"):
        return _file_sink(file)

    def write(data, checked):
        crc = crc32(data) if checked else 0
        file.write(data)
        return crc

    return write


def _file_sink(file):
    """That of a file of the system: large pieces are written by several threads."""

    def write(data, checked):
        view = memoryview(data)
        if view.nbytes < LARGE:
            file.write(view)
            return crc32(view) if checked else 0
        file.flush()
        start, crc = file.tell(), 0 if checked else None
        for i in range(0, view.nbytes, _MOST):
            crc = C.write_file(file.fileno(), start + i, view[i : i + _MOST], crc)
        file.seek(start + view.nbytes)
        return crc or 0

    return write
