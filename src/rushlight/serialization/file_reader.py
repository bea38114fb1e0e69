"""The records of a file that ``torch.save`` wrote, one by one."""

import os
from pathlib import Path
from typing import IO, Any

from rushlight import _api as torch
from rushlight._core.storage import UntypedStorage
from rushlight.serialization.unpickler import check_size
from rushlight.serialization.zip_reader import ZipReader


class PyTorchFileReader:
    """PyTorchFileReader(name_or_buffer): the archive in a file, for programs that load its parts
    themselves.

    >>> import io
    >>> file = io.BytesIO()
    >>> torch.save({'a': torch.arange(3.0)}, file)
    >>> _ = file.seek(0)
    >>> reader = torch.PyTorchFileReader(file)
    >>> reader.has_record('data/0'), reader.get_record('version')
    (True, b'3\\n')
    """

    def __init__(self, name_or_buffer: "str | os.PathLike | IO[bytes]") -> None:
        self._own: IO[bytes] | None = None
        if isinstance(name_or_buffer, (str, os.PathLike)):
            self._own = Path(name_or_buffer).open("rb")  # noqa: SIM115 # read as long as this is
        file: Any = name_or_buffer if self._own is None else self._own
        self._archive = ZipReader(file)

    def __del__(self) -> None:
        if self._own is not None:
            self._own.close()

    def get_all_records(self) -> list[str]:
        """The names of the records."""
        return list(self._archive.names())

    def has_record(self, name: str) -> bool:
        """Whether there is a record of this name."""
        return self._archive.has_record(name)

    def get_record(self, name: str) -> bytes:
        """The bytes of a record; RuntimeError if there is none of this name."""
        return self._archive.get_record(name)

    def get_record_size(self, name: str) -> int:
        """The size of a record in bytes."""
        return self._archive.record_size(name)

    def get_record_offset(self, name: str) -> int | None:
        """Where the record's bytes begin in the file."""
        return self._archive.record_offset(name)

    def get_storage_from_record(self, name: str, numel: int, dtype: Any) -> "torch.Tensor":
        """An empty tensor whose storage holds the record: ``numel`` elements of ``dtype``, bytes
        for ``torch.UntypedStorage``.
        """
        kind = torch.uint8 if dtype is UntypedStorage else dtype
        check_size(self._archive.record_size(name), numel * kind.itemsize)
        storage = UntypedStorage._over(self._archive.get_array(name))
        return torch.empty(0, dtype=kind).set_(storage, 0, (0,))

    def serialization_id(self) -> str:
        """What tells this file from others."""
        name = ".data/serialization_id"
        return self.get_record(name).decode() if self.has_record(name) else ""
