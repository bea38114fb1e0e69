"""Reading PyTorch's zip archives, whoever wrote them: entries stored or deflated."""

import struct
import zlib
from typing import BinaryIO, NamedTuple

import numpy as np

from rushlight._core import memory
from rushlight.serialization import sources
from rushlight.serialization.checksum import crc32

_U32 = 0xFFFFFFFF
_TAIL = 22 + 0xFFFF  # the end record and the longest comment after it
_LARGE = 32 << 20  # bytes that a record may unpack to, whatever its ratio
_BYTE = np.dtype(np.uint8)
_OLDEST, _NEWEST = 1, 10  # archive versions that can be read


class Record(NamedTuple):
    """Where one record is: `header` is the offset of its local entry."""

    header: int
    packed: int
    size: int
    crc: int
    method: int


def is_zip(file: BinaryIO) -> bool:
    """Whether a local zip entry begins where `file` stands; the position is kept."""
    start = file.tell()
    magic = file.read(4)
    file.seek(start)
    return magic == b"PK\3\4"


class ZipReader:
    """ZipReader(file, *, check_crc=True)

    The archive in `file`, from its present position to its end.
    """

    def __init__(self, file: BinaryIO, *, check_crc: bool = True) -> None:
        self._source = sources.source(file)
        self._size = self._source.size
        self._check_crc = check_crc
        self._records: dict[str, Record] = {}
        self._read_directory()
        self._folder = self._top_folder()
        self._check_version()

    def names(self) -> list[str]:
        """The records' names without the top folder."""
        return [name[len(self._folder) + 1 :] for name in self._records]

    def has_record(self, name: str) -> bool:
        """Whether there is a record of that name."""
        return f"{self._folder}/{name}" in self._records

    def get_record(self, name: str) -> bytes:
        """The content of a record; RuntimeError if it is missing or damaged."""
        return self.get_array(name).tobytes()

    def get_array(self, name: str) -> np.ndarray:
        """The content of a record in fresh memory, as an array of bytes."""
        record = self._find(name)
        if record.packed > self._size:  # do not allocate what cannot be there
            raise _broken("an entry lies outside the file")
        place = self._data_offset(record, name)
        raw, checked = memory.empty((record.packed,), _BYTE), self._check_crc and record.crc != 0
        crc = self._read_into(place, raw, checked and not record.method)
        if record.method:
            _refuse_bomb(record, name)
            raw = np.frombuffer(bytearray(_inflate(raw, record.size, name)), np.uint8)
            crc = crc32(raw) if checked else 0
        elif record.packed != record.size:
            raise _broken(f"the sizes of {name} disagree")
        if checked and crc != record.crc:
            raise _broken("CRC-32 check failed", f"reading file {name}")
        return raw

    def record_size(self, name: str) -> int:
        """The size of a record in bytes."""
        return self._find(name).size

    def record_offset(self, name: str) -> int | None:
        """Where a record's bytes begin in the file; None if they are compressed."""
        record = self._find(name)
        return None if record.method else self._source.start + self._data_offset(record, name)

    def _find(self, name):
        try:
            return self._records[f"{self._folder}/{name}"]
        except KeyError:
            raise _broken("file not found", f"locating file {name}") from None

    def _read(self, offset, size, *, ahead=True):
        self._check_range(offset, max(size, 0))
        try:
            return self._source.read(offset, max(size, 0), ahead=ahead)
        except EOFError:
            raise _broken("the file ends early") from None

    def _read_into(self, offset, array, checked):
        self._check_range(offset, array.size)
        try:
            return self._source.read_into(offset, array, checked)
        except EOFError:
            raise _broken("the file ends early") from None

    def _check_range(self, offset, size):
        if not 0 <= offset <= self._size - size:
            raise _broken("an entry lies outside the file")

    def _read_directory(self):
        count, size, offset = self._directory_place()
        directory = self._read(offset, size)
        at = 0
        for _ in range(count):
            if directory[at : at + 4] != b"PK\1\2" or at + 46 > size:
                raise _broken("invalid header or archive is corrupted")
            fields = struct.unpack_from("<4s6H3I5H2I", directory, at)
            at = self._add_entry(directory, at, fields)
        if sum(record.packed for record in self._records.values()) > self._size:
            raise _broken("entries overlap: together they are larger than the file")

    def _add_entry(self, directory, at, fields):
        """Note the directory entry at `at`; returns where the next one begins."""
        method, crc, packed, size = fields[4], fields[7], fields[8], fields[9]
        name_length, extra_length, comment_length = fields[10:13]
        header = fields[16]
        name = directory[at + 46 : at + 46 + name_length].decode("utf-8", "replace")
        end = at + 46 + name_length + extra_length
        wide = iter(_zip64_numbers(directory[at + 46 + name_length : end]))
        size = next(wide, size) if size == _U32 else size
        packed = next(wide, packed) if packed == _U32 else packed
        header = next(wide, header) if header == _U32 else header
        if method not in (0, 8):
            raise _broken(f"unsupported compression of {name}")
        self._records[name] = Record(header, packed, size, crc, method)
        return end + comment_length

    def _directory_place(self):
        """How many entries the directory has, its size, and where it begins."""
        if self._size < 22:
            raise _broken("not a ZIP archive")
        tail = self._read(max(0, self._size - _TAIL), min(self._size, _TAIL))
        at = tail.rfind(b"PK\5\6")
        if at < 0 or at + 22 > len(tail):
            raise _broken("failed finding central directory")
        count, size, offset = struct.unpack_from("<HII", tail, at + 10)
        if at >= 20 and tail[at - 20 : at - 16] == b"PK\6\7":
            (where,) = struct.unpack_from("<Q", tail, at - 12)
            end = self._read(where, 56)
            if end[:4] != b"PK\6\6":
                raise _broken("invalid header or archive is corrupted")
            count, size, offset = struct.unpack_from("<QQQ", end, 32)
        if offset + size > self._size:
            raise _broken("invalid header or archive is corrupted")
        return count, size, offset

    def _data_offset(self, record, name):
        header = self._read(record.header, 30, ahead=record.packed < sources.LARGE)
        if header[:4] != b"PK\3\4":
            raise _broken(f"invalid header of {name}, or archive is corrupted")
        name_length, extra_length = struct.unpack_from("<HH", header, 26)
        return record.header + 30 + name_length + extra_length

    def _top_folder(self):
        """The one folder all records lie under; its name is free."""
        if not self._records:
            raise RuntimeError("PytorchStreamReader got no files in the archive")
        first = next(iter(self._records))
        folder, slash, _ = first.partition("/")
        if not slash:
            raise RuntimeError(f"file in archive is not in a subdirectory: {first}")
        return folder

    def _check_version(self):
        name = next((n for n in (".data/version", "version") if self.has_record(n)), None)
        if name is None:
            raise RuntimeError('Expected hasRecord("version") to be true, but got false.')
        text = self.get_record(name).strip()
        version = int(text) if text.isdigit() else -1
        if version < _OLDEST:
            raise RuntimeError(
                f"Attempted to read a PyTorch file with version {text.decode(errors='replace')}, "
                f"but the minimum supported version for reading is {_OLDEST}."
            )
        if version > _NEWEST:
            raise RuntimeError(
                f"Attempted to read a PyTorch file with version {version}, but the maximum "
                f"supported version for reading is {_NEWEST}. The version of your PyTorch "
                "installation may be too old, please upgrade PyTorch to latest version to "
                "mitigate this issue."
            )


def _zip64_numbers(extra):
    """The 64-bit numbers in a directory entry's extra field."""
    at = 0
    while at + 4 <= len(extra):
        kind, length = struct.unpack_from("<HH", extra, at)
        if kind == 1 and at + 4 + length <= len(extra):
            return struct.unpack_from(f"<{length // 8}Q", extra, at + 4)
        at += 4 + length
    return ()


def _refuse_bomb(record, name):
    """RuntimeError for a record that would unpack to a hundred times its size and much memory."""
    if record.size > _LARGE and record.size > 100 * record.packed:
        raise RuntimeError(
            f"the record {name} would grow from {record.packed} to {record.size} bytes: the file "
            "looks like a zip bomb. If you trust it, unzip it and zip it again without compression."
        )


def _inflate(packed, size, name):
    """Unpack a deflated record, which may not be longer than the directory says."""
    try:
        engine = zlib.decompressobj(-15)
        data = engine.decompress(packed.tobytes(), size + 1)
    except zlib.error:
        raise _broken("decompression failed", f"reading file {name}") from None
    if len(data) != size:
        raise _broken("decompression failed", f"reading file {name}")
    return data


def _broken(what, doing="reading zip archive"):
    return RuntimeError(
        f"PytorchStreamReader failed {doing}: {what}. This is an internal miniz error. If you are "
        "seeing this error, there is a high likelihood that your checkpoint file is corrupted. "
        "This can happen if the checkpoint was not saved properly, was transferred incorrectly, "
        "or the file was modified after saving."
    )
