"""torch.distributed.checkpoint.filesystem: a checkpoint as a folder of files, in PyTorch's format.

``.metadata`` is a pickle of :class:`Metadata`; ``__0_0.distcp`` and the like hold, one after the
other, what ``torch.save`` writes for each part of a tensor and each other value. The list says in
which file and where. Both ways: PyTorch reads what is written here, and the other way round.
"""

import io
import os
import pickle
import sys
import uuid
import warnings
from abc import ABC, abstractmethod
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, is_dataclass, replace
from enum import Enum
from pathlib import Path, PurePath
from typing import IO, Any

from rushlight import _api as torch
from rushlight import serialization
from rushlight.distributed.checkpoint.metadata import Metadata, MetadataIndex, StorageMeta
from rushlight.distributed.checkpoint.planner import (
    LoadItemType,
    LoadPlan,
    LoadPlanner,
    ReadItem,
    SavePlan,
    SavePlanner,
    WriteItem,
    WriteItemType,
)
from rushlight.distributed.checkpoint.planner_helpers import narrowed
from rushlight.distributed.checkpoint.staging import BlockingAsyncStager
from rushlight.distributed.checkpoint.storage import StorageReader, StorageWriter, WriteResult
from rushlight.futures import Future
from rushlight.serialization.pickler import StorageTable, pickle_object
from rushlight.serialization.unpickler import full_unpickler

__all__ = [
    "FileSystem",
    "FileSystemBase",
    "FileSystemReader",
    "FileSystemWriter",
    "SerializationFormat",
]

LIST = ".metadata"
SUFFIX = ".distcp"
VERSION = "1.0.0"
# What a list is made of besides classes of data; nothing else is loaded from it.
_SAFE = {
    ("collections", "OrderedDict"),
    ("torch.serialization", "_get_layout"),
    ("torch", "Size"),
}

AnyPath = str | os.PathLike


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


class SerializationFormat(Enum):
    """How tensors are written.

    >>> from rushlight.distributed.checkpoint.filesystem import SerializationFormat
    >>> SerializationFormat.TORCH_SAVE.value
    'torch_save'
    """

    TORCH_SAVE = "torch_save"
    SAFETENSORS = "safetensors"


class FileSystemBase(ABC):
    """What FileSystemWriter and FileSystemReader do with files, for storage of another kind:
    derive from both, and set ``fs`` to an object of your class.

    >>> from rushlight.distributed.checkpoint.filesystem import FileSystem, FileSystemBase
    >>> issubclass(FileSystem, FileSystemBase)
    True
    """

    @abstractmethod
    def create_stream(self, path: AnyPath, mode: str) -> AbstractContextManager[IO[bytes]]:
        """Open a file, for a with statement."""

    @abstractmethod
    def concat_path(self, path: AnyPath, suffix: str) -> AnyPath:
        """The path of a file in a folder."""

    @abstractmethod
    def rename(self, path: AnyPath, new_path: AnyPath) -> None:
        """Give a file another name."""

    @abstractmethod
    def init_path(self, path: AnyPath) -> AnyPath:
        """A path of the kind that the other methods are given."""

    @abstractmethod
    def mkdir(self, path: AnyPath) -> None:
        """Make a folder, if it is not there."""

    @classmethod
    @abstractmethod
    def validate_checkpoint_id(cls, checkpoint_id: AnyPath) -> bool:
        """Whether a checkpoint can be there."""

    @abstractmethod
    def exists(self, path: AnyPath) -> bool:
        """Whether there is a file."""

    @abstractmethod
    def rm_file(self, path: AnyPath) -> None:
        """Remove a file."""


class FileSystem(FileSystemBase):
    """FileSystem(): the files of this machine.

    >>> import tempfile
    >>> from rushlight.distributed.checkpoint.filesystem import FileSystem
    >>> files = FileSystem()
    >>> files.exists(files.concat_path(tempfile.mkdtemp(), "a"))
    False
    """

    @contextmanager
    def create_stream(self, path: AnyPath, mode: str) -> Iterator[IO[bytes]]:
        """Open a file, for a with statement."""
        with Path(path).open(mode) as stream:
            yield stream

    def concat_path(self, path: AnyPath, suffix: str) -> AnyPath:
        """The path of a file in a folder."""
        return Path(path) / suffix

    def init_path(self, path: AnyPath) -> AnyPath:
        """The same as a Path."""
        return Path(path)

    def rename(self, path: AnyPath, new_path: AnyPath) -> None:
        """Give a file another name; one that has it already is replaced."""
        Path(path).replace(new_path)

    def mkdir(self, path: AnyPath) -> None:
        """Make a folder and those above it."""
        Path(path).mkdir(parents=True, exist_ok=True)

    @classmethod
    def validate_checkpoint_id(cls, checkpoint_id: AnyPath) -> bool:
        """Whether it looks like a folder that could be written."""
        if isinstance(checkpoint_id, Path):
            return True
        if "://" in str(checkpoint_id):
            return False
        return any(p.exists() and os.access(p, os.W_OK) for p in Path(checkpoint_id).parents)

    def exists(self, path: AnyPath) -> bool:
        """Whether there is a file."""
        return Path(path).exists()

    def rm_file(self, path: AnyPath) -> None:
        """Remove a file."""
        Path(path).unlink()

    def ls(self, path: AnyPath) -> list[str]:
        """What is in a folder."""
        return [str(p) for p in Path(path).iterdir()]


def _list_name(rank: int | None) -> str:
    return LIST if rank is None else f"__{rank}{LIST}"


class _FileSystemWriter(StorageWriter):
    """Writes folders."""

    fs: FileSystemBase

    def __init__(
        self,
        path: AnyPath,
        single_file_per_rank: bool = True,
        sync_files: bool = True,
        thread_count: int = 1,
        per_thread_copy_ahead: int = 10_000_000,
        overwrite: bool = True,
        _extensions: Any = None,
        serialization_format: SerializationFormat = SerializationFormat.TORCH_SAVE,
        *args: Any,
        **kwargs: Any,
    ) -> None:
        super().__init__()
        if _extensions or serialization_format is not SerializationFormat.TORCH_SAVE:
            raise NotImplementedError(
                "_extensions and SAFETENSORS are not supported: leave them out, tensors are "
                "written as torch.save writes them"
            )
        self.fs = FileSystem()
        self.path = self.fs.init_path(path)
        self.single_file_per_rank, self.sync_files = single_file_per_rank, sync_files
        self.thread_count, self.per_thread_copy_ahead = thread_count, per_thread_copy_ahead
        self.overwrite = overwrite
        self.save_id = str(uuid.uuid4())
        self.rank: int | None = None
        self.use_collectives = True

    def reset(self, checkpoint_id: AnyPath | None = None) -> None:
        """The folder of the next checkpoint."""
        if checkpoint_id:
            self.path = self.fs.init_path(checkpoint_id)
        self.save_id = str(uuid.uuid4())

    def set_up_storage_writer(self, is_coordinator: bool, *args: Any, **kwargs: Any) -> None:
        """``rank`` and ``use_collectives``, as keywords."""
        self.rank = kwargs.get("rank")
        self.use_collectives = kwargs.get("use_collectives", True)

    def _alone(self) -> int | None:
        """The rank, if each process writes a checkpoint of its own."""
        return None if self.use_collectives else self.rank

    def prepare_local_plan(self, plan: SavePlan) -> SavePlan:
        """Make the folder; RuntimeError if it has a checkpoint that is not to be overwritten."""
        self.fs.mkdir(self.path)
        first = _list_name(None if self.use_collectives else 0)
        if self.fs.exists(self.fs.concat_path(self.path, first)):
            if not self.overwrite:
                raise RuntimeError(f"Checkpoint already exists and {self.overwrite=}.")
            warnings.warn(
                f"Detected an existing checkpoint in {self.path}, overwriting since "
                f"{self.overwrite=}. Past version 2.5 of PyTorch, `overwrite` will default to "
                "False. Set this variable to True to maintain this functionality or False to "
                "raise when an existing checkpoint is found.",
                stacklevel=2,
            )
        if self._alone() is not None:
            plan = replace(plan, storage_data=_StoragePrefix(f"__{self.rank}_"))
        return plan

    def prepare_global_plan(self, plans: list[SavePlan]) -> list[SavePlan]:
        """How each process's files are called."""
        return [
            replace(plan, storage_data=_StoragePrefix(f"__{i}_"))
            if plan.storage_data is None
            else plan
            for i, plan in enumerate(plans)
        ]

    def write_data(self, plan: SavePlan, planner: SavePlanner) -> Future[list[WriteResult]]:
        """Write the files of this process, with ``thread_count`` threads."""
        parts = [[item] for item in plan.items]
        if self.single_file_per_rank:
            parts = _shared_out(plan.items, self.thread_count)
        names = self._free_names(plan.storage_data.prefix)
        jobs = [(next(names), items) for items in parts]

        def write(job: tuple[str, list[WriteItem]]) -> list[WriteResult]:
            return self._write_file(*job, planner)

        if self.thread_count > 1:
            with ThreadPoolExecutor(self.thread_count) as pool:
                written = list(pool.map(write, jobs))
        else:
            written = [write(job) for job in jobs]
        future: Future[list[WriteResult]] = Future()
        future.set_result([result for results in written for result in results])
        return future

    def _free_names(self, prefix: str) -> Iterator[str]:
        """Names of new files: an older checkpoint stays whole until the new one is there."""
        number = 0
        while True:
            name = f"{prefix}{number}{SUFFIX}"
            if not self.fs.exists(self.fs.concat_path(self.path, name)):
                yield name
            number += 1

    def _write_file(
        self, name: str, items: list[WriteItem], planner: SavePlanner
    ) -> list[WriteResult]:
        results = []
        ordered = sorted(items, key=lambda item: item.type is not WriteItemType.BYTE_IO)
        with self.fs.create_stream(self.fs.concat_path(self.path, name), "wb") as stream:
            for item in ordered:
                data = _bytes_of(planner.resolve_data(item))
                place = _StorageInfo(name, stream.tell(), len(data))
                stream.write(data)
                results.append(WriteResult(item.index, len(data), place))
            self._sync(stream)
        return results

    def _sync(self, stream: IO[bytes]) -> None:
        if not self.sync_files:
            return
        stream.flush()
        try:
            os.fsync(stream.fileno())
        except (AttributeError, io.UnsupportedOperation):
            os.sync()

    def finish(self, metadata: Metadata, results: list[list[WriteResult]]) -> None:
        """Replace the list in one step, then remove the files of an older checkpoint."""
        metadata.version = VERSION
        metadata.storage_data = {r.index: r.storage_data for part in results for r in part}
        metadata.storage_meta = self.storage_meta()
        name = _list_name(self._alone())
        new = self.fs.concat_path(self.path, f"{name}.tmp")
        with self.fs.create_stream(new, "wb") as stream:
            stream.write(pickle_object(metadata, StorageTable(), pickle, 4))
            self._sync(stream)
        path = self.fs.concat_path(self.path, name)
        if not isinstance(self.fs, FileSystem) and self.fs.exists(path):
            self.fs.rm_file(path)
        self.fs.rename(new, path)
        self._remove_others({r.storage_data.relative_path for part in results for r in part})

    def _remove_others(self, used: set[str]) -> None:
        """Files that no list names any more, where folders can be listed."""
        if not isinstance(self.fs, FileSystem):
            return
        prefix = "__" if self._alone() is None else f"__{self.rank}_"
        for path in map(Path, self.fs.ls(self.path)):
            named = path.name.startswith(prefix) and path.name.endswith(SUFFIX)
            if named and path.name not in used:
                path.unlink(missing_ok=True)

    def storage_meta(self) -> StorageMeta | None:
        """The folder, and a number of this saving."""
        return StorageMeta(checkpoint_id=str(self.checkpoint_id), save_id=self.save_id)

    @property
    def checkpoint_id(self) -> AnyPath:
        """The folder."""
        return self.path

    @classmethod
    def validate_checkpoint_id(cls, checkpoint_id: AnyPath) -> bool:
        """Whether it looks like a folder."""
        return FileSystem.validate_checkpoint_id(checkpoint_id)


class FileSystemWriter(_FileSystemWriter, BlockingAsyncStager):
    """FileSystemWriter(path, single_file_per_rank=True, sync_files=True, thread_count=1,
    per_thread_copy_ahead=10000000, cache_staged_state_dict=False, overwrite=True, ...): the folder
    to save to.

    RuntimeError, when saving, if there is a checkpoint already and ``overwrite`` is False.
    Derived classes may set ``fs`` to a FileSystemBase of their own.

    >>> from rushlight.distributed.checkpoint import FileSystemWriter
    >>> FileSystemWriter("folder").path.name
    'folder'
    """

    def __init__(
        self,
        path: AnyPath,
        single_file_per_rank: bool = True,
        sync_files: bool = True,
        thread_count: int = 1,
        per_thread_copy_ahead: int = 10_000_000,
        cache_staged_state_dict: bool = False,
        overwrite: bool = True,
        _extensions: Any = None,
        serialization_format: SerializationFormat = SerializationFormat.TORCH_SAVE,
    ) -> None:
        _FileSystemWriter.__init__(
            self,
            path,
            single_file_per_rank,
            sync_files,
            thread_count,
            per_thread_copy_ahead,
            overwrite,
            _extensions,
            serialization_format,
        )
        BlockingAsyncStager.__init__(self, cache_staged_state_dict)


def _shared_out(items: list[WriteItem], count: int) -> list[list[WriteItem]]:
    """Items for some files of about the same size."""
    if count == 1:
        return [items]
    files: list[list[WriteItem]] = [[] for _ in range(count)]
    sizes = [0] * count
    for item in sorted(items, key=lambda item: -(item.tensor_storage_size() or 0)):
        least = sizes.index(min(sizes))
        files[least].append(item)
        sizes[least] += item.tensor_storage_size() or 1
    return files


def _bytes_of(data: torch.Tensor | io.BytesIO) -> memoryview:
    """What is written for an item."""
    if isinstance(data, io.BytesIO):
        return data.getbuffer()
    t = data.detach().cpu()
    if t.untyped_storage().nbytes() != t.numel() * t.element_size():
        t = t.clone()  # without the rest of the memory that it may be a part of
    buffer = io.BytesIO()
    serialization.save(t, buffer)
    return buffer.getbuffer()


# ---- reading -------------------------------------------------------------------------------------


class _ListUnpickler(full_unpickler(pickle)):  # type: ignore[misc]  # a class made for a module
    def find_class(self, module: str, name: str) -> Any:
        """Classes of data, and what a list is made of."""
        loaded = module in sys.modules
        found = super().find_class(module, name)
        if isinstance(found, torch.dtype) or (module, name) in _SAFE:
            return found
        if isinstance(found, type):
            ours = module.startswith("torch.distributed.checkpoint.")
            data = loaded and (is_dataclass(found) or issubclass(found, Enum))
            if ours or data or issubclass(found, PurePath):
                return found
        raise pickle.UnpicklingError(f"a checkpoint's list does not name {module}.{name}")


class FileSystemReader(StorageReader):
    """FileSystemReader(path): the folder to load from.

    Derived classes may set ``fs`` to a FileSystemBase of their own.

    >>> from rushlight.distributed.checkpoint import FileSystemReader
    >>> FileSystemReader("folder").path.name
    'folder'
    """

    fs: FileSystemBase

    def __init__(self, path: AnyPath, _extension_registry: Any = None) -> None:
        super().__init__()
        if _extension_registry is not None:
            raise NotImplementedError("_extension_registry is not supported: leave it out")
        self.fs = FileSystem()
        self.path = self.fs.init_path(path)
        self.storage_data: dict[MetadataIndex, Any] = {}
        self.load_id = str(uuid.uuid4())
        self.rank: int | None = None
        self.use_collectives = True

    def reset(self, checkpoint_id: AnyPath | None = None) -> None:
        """Another folder."""
        self.storage_data = {}
        if checkpoint_id:
            self.path = self.fs.init_path(checkpoint_id)
        self.load_id = str(uuid.uuid4())

    def read_metadata(self, *args: Any, **kwargs: Any) -> Metadata:
        """The list of what is in the folder, or with ``rank`` what that process has written there;
        FileNotFoundError if there is none.
        """
        path = self.fs.concat_path(self.path, _list_name(kwargs.get("rank")))
        with self.fs.create_stream(path, "rb") as stream:
            found: Any = _ListUnpickler(io.BytesIO(stream.read())).load()
        if not isinstance(found, Metadata):
            raise RuntimeError(f"{path} is not the list of a checkpoint")
        meta = getattr(found, "storage_meta", None) or StorageMeta()
        meta.load_id = self.load_id
        found.storage_meta = meta
        return found

    def set_up_storage_reader(
        self, metadata: Metadata, is_coordinator: bool, *args: Any, **kwargs: Any
    ) -> None:
        """The list; ``rank`` and ``use_collectives`` as keywords."""
        self.storage_data = metadata.storage_data
        self.rank = kwargs.get("rank")
        self.use_collectives = kwargs.get("use_collectives", True)
        if self.storage_data is None:
            raise AssertionError("storage_data must not be None in metadata")

    def prepare_local_plan(self, plan: LoadPlan) -> LoadPlan:
        """The plan as it is."""
        return plan

    def prepare_global_plan(self, plans: list[LoadPlan]) -> list[LoadPlan]:
        """The plans as they are."""
        return plans

    def read_data(self, plan: LoadPlan, planner: LoadPlanner) -> Future[None]:
        """Read all items, file by file."""
        files: dict[str, list[ReadItem]] = {}
        for item in plan.items:
            files.setdefault(self.storage_data[item.storage_index].relative_path, []).append(item)
        for name, items in files.items():
            with self.fs.create_stream(self.fs.concat_path(self.path, name), "rb") as stream:
                self._read_file(stream, items, planner)
        future: Future[None] = Future()
        future.set_result(None)
        return future

    def _read_file(self, stream: IO[bytes], items: list[ReadItem], planner: LoadPlanner) -> None:
        items = sorted(items, key=lambda item: self.storage_data[item.storage_index].offset)
        last: MetadataIndex | None = None
        tensor: Any = None  # one part may be read for several boxes
        for item in items:
            place: _StorageInfo = self.storage_data[item.storage_index]
            if item.type is LoadItemType.BYTE_IO:
                planner.load_bytes(item, _slice(stream, place))
                continue
            if item.storage_index != last:
                last = item.storage_index
                data = _slice(stream, place)
                tensor = serialization.load(data, map_location="cpu", weights_only=True)
            box = narrowed(tensor, item.storage_offsets, item.lengths)
            target = planner.resolve_tensor(item).detach()
            if target.shape != box.shape:
                raise AssertionError(
                    f"req {item.storage_index} mismatch sizes {target.shape} vs {box.shape}"
                )
            target.copy_(box)
            planner.commit_tensor(item, target)

    @property
    def checkpoint_id(self) -> AnyPath:
        """The folder."""
        return self.path

    @classmethod
    def validate_checkpoint_id(cls, checkpoint_id: AnyPath) -> bool:
        """Whether it looks like a folder."""
        return FileSystem.validate_checkpoint_id(checkpoint_id)


def _slice(stream: IO[bytes], place: _StorageInfo) -> io.BytesIO:
    if getattr(place, "transform_descriptors", None):
        raise NotImplementedError("a checkpoint written with stream extensions is not read")
    stream.seek(place.offset)
    return io.BytesIO(stream.read(place.length))
