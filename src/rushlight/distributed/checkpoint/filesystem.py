"""torch.distributed.checkpoint.filesystem: a checkpoint as a folder of files, in PyTorch's format.

``.metadata`` is a pickle of :class:`Metadata`; ``__0_0.distcp`` and the like hold, one after the
other, what ``torch.save`` writes for each part of a tensor and each other value. The list says in
which file and where. Both ways: PyTorch reads what is written here, and the other way round.
"""

import io
import os
import pickle
import uuid
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import IO, Any

from rushlight import _api as torch
from rushlight import serialization
from rushlight.distributed.checkpoint.metadata import Metadata, MetadataIndex, StorageMeta
from rushlight.serialization.pickler import StorageTable, pickle_object
from rushlight.serialization.unpickler import full_unpickler

__all__ = ["FileSystemReader", "FileSystemWriter"]

LIST = ".metadata"
VERSION = "1.0.0"
# What a list is made of; nothing else is loaded from it.
_SAFE = {
    ("collections", "OrderedDict"),
    ("torch.serialization", "_get_layout"),
    ("torch", "Size"),
}


@dataclass
class _StorageInfo:
    """Where a part is: its file, where it begins there, and how long it is, in bytes."""

    relative_path: str
    offset: int
    length: int
    transform_descriptors: Any = None

    def __getstate__(self) -> dict[str, Any]:
        return {k: v for k, v in self.__dict__.items() if v is not None}


@dataclass
class _StoragePrefix:
    """The beginning of the names of a process's files."""

    prefix: str


class FileSystemWriter:
    """FileSystemWriter(path, single_file_per_rank=True, sync_files=True, thread_count=1,
    per_thread_copy_ahead=10000000, overwrite=True): the folder to save to.

    RuntimeError, when saving, if there is a checkpoint already and ``overwrite`` is False.

    >>> from rushlight.distributed.checkpoint import FileSystemWriter
    >>> FileSystemWriter("folder").path.name
    'folder'
    """

    def __init__(
        self,
        path: str | os.PathLike,
        single_file_per_rank: bool = True,
        sync_files: bool = True,
        thread_count: int = 1,
        per_thread_copy_ahead: int = 10_000_000,
        cache_staged_state_dict: bool = False,
        overwrite: bool = True,
        **options: Any,
    ) -> None:
        if options:
            raise NotImplementedError(f"not supported, leave out: {', '.join(sorted(options))}")
        self.path = Path(path)
        self.single_file_per_rank = single_file_per_rank
        self.sync_files, self.overwrite = sync_files, overwrite

    @property
    def checkpoint_id(self) -> Path:
        """The folder."""
        return self.path


class FileSystemReader:
    """FileSystemReader(path): the folder to load from.

    >>> from rushlight.distributed.checkpoint import FileSystemReader
    >>> FileSystemReader("folder").path.name
    'folder'
    """

    def __init__(self, path: str | os.PathLike) -> None:
        self.path = Path(path)

    @property
    def checkpoint_id(self) -> Path:
        """The folder."""
        return self.path

    def read_metadata(self) -> Metadata:
        """The list of what is in the folder; RuntimeError if there is none."""
        return read_list(self.path)


# ---- writing -------------------------------------------------------------------------------------


class Output:
    """The files of one process: one, or one for each part."""

    def __init__(self, writer: FileSystemWriter, rank: int) -> None:
        self.writer, self.rank = writer, rank
        self.number = first_free(writer.path, rank)
        self.file: IO[bytes] | None = None
        self.name = ""

    def add(self, value: Any) -> _StorageInfo:
        """Write a value; where it is."""
        if self.file is None or not self.writer.single_file_per_rank:
            self._next()
        assert self.file is not None
        buffer = io.BytesIO()
        serialization.save(value, buffer)
        start = self.file.tell()
        self.file.write(buffer.getbuffer())
        return _StorageInfo(self.name, start, self.file.tell() - start)

    def _next(self) -> None:
        self.close()
        self.name = f"__{self.rank}_{self.number}.distcp"
        self.number += 1
        self.file = (self.writer.path / self.name).open("wb")

    def close(self) -> None:
        """All is in the files."""
        if self.file is not None:
            self.file.flush()
            if self.writer.sync_files:
                os.fsync(self.file.fileno())
            self.file.close()
        self.file = None


def first_free(folder: Path, rank: int) -> int:
    """The number of a process's next file: an older checkpoint there stays whole until the new one
    is.
    """
    taken = [path.stem.rpartition("_")[2] for path in folder.glob(f"__{rank}_*.distcp")]
    return 1 + max((int(number) for number in taken if number.isdigit()), default=-1)


def write_list(metadata: Metadata, writer: FileSystemWriter) -> None:
    """Replace the list in one step, then remove the files of an older checkpoint."""
    folder = writer.path
    metadata.version = VERSION
    metadata.storage_meta = StorageMeta(str(folder), str(uuid.uuid4()))
    new = folder / f"{LIST}.tmp"
    with new.open("wb") as file:
        file.write(pickle_object(metadata, StorageTable(), pickle, 4))
        if writer.sync_files:
            file.flush()
            os.fsync(file.fileno())
    new.replace(folder / LIST)
    used = {info.relative_path for info in metadata.storage_data.values()}
    for old in folder.glob("__*.distcp"):
        if old.name not in used:
            old.unlink(missing_ok=True)


# ---- reading -------------------------------------------------------------------------------------


class _ListUnpickler(full_unpickler(pickle)):  # type: ignore[misc]  # a class made for a module
    def find_class(self, module: str, name: str) -> Any:
        found = super().find_class(module, name)
        ours = isinstance(found, type) and module.startswith("torch.distributed.checkpoint.")
        path = isinstance(found, type) and issubclass(found, PurePath)
        if not (ours or path or (module, name) in _SAFE or isinstance(found, torch.dtype)):
            raise pickle.UnpicklingError(f"a checkpoint's list does not name {module}.{name}")
        return found


def read_list(folder: Path) -> Metadata:
    """The list of a checkpoint; RuntimeError if there is none."""
    try:
        data = (folder / LIST).read_bytes()
    except FileNotFoundError:
        raise RuntimeError(f"no checkpoint in {folder}: there is no file {LIST}") from None
    found: Any = _ListUnpickler(io.BytesIO(data)).load()
    if not isinstance(found, Metadata):
        raise RuntimeError(f"{folder / LIST} is not the list of a checkpoint")
    return found


class Input:
    """The files of a checkpoint, opened when needed."""

    def __init__(self, folder: Path, metadata: Metadata) -> None:
        self.folder, self.places = folder, metadata.storage_data
        self.open: dict[str, IO[bytes]] = {}
        self.read: dict[MetadataIndex, Any] = {}

    def value(self, index: MetadataIndex, weights_only: bool) -> Any:
        """A value, or a part of a tensor."""
        if index not in self.read:
            place: _StorageInfo = self.places[index]
            if getattr(place, "transform_descriptors", None):
                raise NotImplementedError("a checkpoint written with stream extensions is not read")
            if place.relative_path not in self.open:
                self.open[place.relative_path] = (self.folder / place.relative_path).open("rb")
            file = self.open[place.relative_path]
            file.seek(place.offset)
            data = io.BytesIO(file.read(place.length))
            value = serialization.load(data, map_location="cpu", weights_only=weights_only)
            self.read = {index: value}
        return self.read[index]

    def close(self) -> None:
        """Close the files."""
        for file in self.open.values():
            file.close()
