"""Writing PyTorch's zip archives: stored entries, each beginning at a multiple of the alignment.

The layout of every byte is PyTorch's, so that the same objects give the same file.
"""

import struct
from dataclasses import dataclass
from typing import Any

from rushlight.serialization.serialization_id import serialization_id
from rushlight.serialization.sources import sink

_U32 = 0xFFFFFFFF
_DESCRIPTOR, _UTF8 = 0x0008, 0x0800  # flag bits: sizes follow the data; names are UTF-8
VERSION = b"3\n"


@dataclass
class Entry:
    """What the central directory says about one record."""

    name: bytes
    offset: int
    size: int
    crc: int
    flags: int


class ZipWriter:
    """ZipWriter(file, folder, *, compute_crc=True, alignment=64)

    Writes an archive to `file`; all records lie under `folder`.
    """

    def __init__(
        self, file: Any, folder: str, *, compute_crc: bool = True, alignment: int = 64
    ) -> None:
        self._write = file.write
        self._write_content = sink(file)
        self._folder = folder
        self._compute_crc = compute_crc
        self._alignment = alignment
        self._entries: list[Entry] = []
        self._position = 0

    def write_record(self, name: str, data: Any) -> None:
        """Append a record; `data` is bytes or anything with the buffer protocol."""
        view = memoryview(data).cast("B") if memoryview(data).nbytes else memoryview(b"")
        size = view.nbytes
        entry = Entry(
            name=f"{self._folder}/{name}".encode(),
            offset=self._position,
            size=size,
            crc=0,
            flags=_UTF8 | _DESCRIPTOR if size else _UTF8,
        )
        self._put(self._local_header(entry))
        if size:
            entry.crc = self._write_content(view, self._compute_crc)
            self._position += size
            self._put(self._descriptor(entry))
        self._entries.append(entry)

    def finish(self) -> None:
        """Append the version, the serialization id and the directory."""
        self.write_record("version", VERSION)
        skip = len(self._folder.encode()) + 1
        names = [entry.name[skip:].decode() for entry in self._entries]
        checksums = [entry.crc for entry in self._entries if entry.size]
        self.write_record(".data/serialization_id", serialization_id(names, checksums).encode())
        start = self._position
        for entry in self._entries:
            self._put(self._directory_entry(entry))
        self._put(self._end(start, self._position - start))

    def _put(self, data):
        self._write(data)
        self._position += len(data)

    def _local_header(self, entry):
        extra = _zip64(entry, packed=0)  # as if the packed size were not known yet
        used = self._position + 30 + len(entry.name) + len(extra) + 4
        pad = -used % self._alignment
        extra += struct.pack("<2sH", b"FB", pad) + b"Z" * pad
        fixed = (b"PK\3\4", 0, entry.flags, 0, 0, 0, 0, 0, 0, len(entry.name), len(extra))
        return struct.pack("<4s5H3I2H", *fixed) + entry.name + extra

    def _descriptor(self, entry):
        sizes = "QQ" if _zip64(entry) else "II"
        return struct.pack(f"<4sI{sizes}", b"PK\7\x08", entry.crc, entry.size, entry.size)

    def _directory_entry(self, entry):
        extra = _zip64(entry)
        size, offset = min(entry.size, _U32), min(entry.offset, _U32)
        fixed = (b"PK\1\2", 0, 0, entry.flags, 0, 0, 0, entry.crc, size, size)
        rest = (len(entry.name), len(extra), 0, 0, 0, 0, offset)
        return struct.pack("<4s6H3I5H2I", *fixed, *rest) + entry.name + extra

    def _end(self, start, size):
        count = len(self._entries)
        zip64 = struct.pack(
            "<4sQHHIIQQQQ", b"PK\6\6", 44, 0x031E, 0x002D, 0, 0, count, count, size, start
        )
        locator = struct.pack("<4sIQI", b"PK\6\7", 0, start + size, 1)
        few, small, near = min(count, 0xFFFF), min(size, _U32), min(start, _U32)
        return zip64 + locator + struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, few, few, small, near, 0)


def _zip64(entry, packed=None):
    """The extra field for sizes and offsets that do not fit into 32 bits."""
    numbers = []
    if entry.size >= _U32:
        numbers = [entry.size, entry.size if packed is None else packed]
    if entry.offset >= _U32:
        numbers.append(entry.offset)
    if not numbers:
        return b""
    return struct.pack(f"<HH{len(numbers)}Q", 1, 8 * len(numbers), *numbers)
