"""torch.distributed.checkpoint.planner: what is to be written or read, and who decides it."""

import abc
import io
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

from rushlight import _api as torch
from rushlight.distributed.checkpoint.metadata import (
    ChunkStorageMetadata,
    Metadata,
    MetadataIndex,
    StorageMeta,
    TensorProperties,
)

__all__ = [
    "BytesIOWriteData",
    "LoadItemType",
    "LoadPlan",
    "LoadPlanner",
    "ReadItem",
    "SavePlan",
    "SavePlanner",
    "TensorWriteData",
    "WriteItem",
    "WriteItemType",
]


class WriteItemType(Enum):
    """What a WriteItem is: a whole tensor, a part of one, or something else as bytes.

    >>> from rushlight.distributed.checkpoint.planner import WriteItemType
    >>> [kind.name for kind in WriteItemType]
    ['TENSOR', 'SHARD', 'BYTE_IO']
    """

    TENSOR = auto()
    SHARD = auto()
    BYTE_IO = auto()


class LoadItemType(Enum):
    """What a ReadItem is: (a part of) a tensor, or bytes.

    >>> from rushlight.distributed.checkpoint.planner import LoadItemType
    >>> [kind.name for kind in LoadItemType]
    ['TENSOR', 'BYTE_IO']
    """

    TENSOR = auto()
    BYTE_IO = auto()


@dataclass(frozen=True)
class BytesIOWriteData:
    """BytesIOWriteData(nbytes): how many bytes a WriteItem has.

    >>> from rushlight.distributed.checkpoint.planner import BytesIOWriteData
    >>> BytesIOWriteData(3)
    BytesIOWriteData(nbytes=3)
    """

    nbytes: int


@dataclass(frozen=True)
class TensorWriteData:
    """TensorWriteData(chunk, properties, size): which part of a tensor of which size it is.

    >>> from rushlight.distributed.checkpoint import ChunkStorageMetadata
    >>> from rushlight.distributed.checkpoint.metadata import TensorProperties
    >>> from rushlight.distributed.checkpoint.planner import TensorWriteData
    >>> upper = ChunkStorageMetadata(torch.Size([0]), torch.Size([2]))
    >>> TensorWriteData(upper, TensorProperties(), torch.Size([4])).chunk.sizes
    torch.Size([2])
    """

    chunk: ChunkStorageMetadata
    properties: TensorProperties
    size: torch.Size


@dataclass(frozen=True)
class WriteItem:
    """WriteItem(index, type, bytes_io_data=None, tensor_data=None): something to write.

    >>> from rushlight.distributed.checkpoint import WriteItem
    >>> from rushlight.distributed.checkpoint.metadata import MetadataIndex
    >>> from rushlight.distributed.checkpoint.planner import WriteItemType
    >>> WriteItem(MetadataIndex("step"), WriteItemType.BYTE_IO).tensor_storage_size() is None
    True
    """

    index: MetadataIndex
    type: WriteItemType
    bytes_io_data: BytesIOWriteData | None = None
    tensor_data: TensorWriteData | None = None

    def tensor_storage_size(self) -> int | None:
        """The bytes of the whole tensor; None for what is no tensor."""
        if self.tensor_data is None:
            return None
        return (
            torch.Size(self.tensor_data.size).numel() * self.tensor_data.properties.dtype.itemsize
        )


@dataclass(frozen=True)
class ReadItem:
    """ReadItem(type, dest_index, dest_offsets, storage_index, storage_offsets, lengths): which box
    of what is in the checkpoint goes where in the state.

    >>> from rushlight.distributed.checkpoint import ReadItem
    >>> from rushlight.distributed.checkpoint.metadata import MetadataIndex
    >>> from rushlight.distributed.checkpoint.planner import LoadItemType
    >>> w, box = MetadataIndex("w"), torch.Size([2])
    >>> ReadItem(LoadItemType.TENSOR, w, torch.Size([0]), w, torch.Size([0]), box).lengths
    torch.Size([2])
    """

    type: LoadItemType
    dest_index: MetadataIndex
    dest_offsets: torch.Size
    storage_index: MetadataIndex
    storage_offsets: torch.Size
    lengths: torch.Size


@dataclass(frozen=True)
class SavePlan:
    """SavePlan(items, storage_data=None, planner_data=None, usable=True): what a process writes.

    >>> from rushlight.distributed.checkpoint import SavePlan
    >>> SavePlan([]).usable
    True
    """

    items: list[WriteItem]
    storage_data: Any = None
    planner_data: Any = None
    usable: bool = True


@dataclass
class LoadPlan:
    """LoadPlan(items, storage_data=None, planner_data=None): what a process reads.

    >>> from rushlight.distributed.checkpoint import LoadPlan
    >>> LoadPlan([]).items
    []
    """

    items: list[ReadItem]
    storage_data: Any = None
    planner_data: Any = None


class SavePlanner(abc.ABC):
    """Decides what ``save`` writes. ``save`` calls, in this order, ``set_up_planner`` and
    ``create_local_plan`` in all processes, ``create_global_plan`` in the first, ``finish_plan`` in
    all, and ``resolve_data`` for each item that is written. Programs derive from
    DefaultSavePlanner.

    >>> from rushlight.distributed.checkpoint import DefaultSavePlanner, SavePlanner
    >>> issubclass(DefaultSavePlanner, SavePlanner)
    True
    """

    @abc.abstractmethod
    def set_up_planner(
        self,
        state_dict: dict[str, Any],
        storage_meta: StorageMeta | None = None,
        is_coordinator: bool = False,
    ) -> None:
        """The beginning: the state that is to be saved."""

    @abc.abstractmethod
    def create_local_plan(self) -> SavePlan:
        """What this process has to write."""

    @abc.abstractmethod
    def create_global_plan(self, all_plans: list[SavePlan]) -> tuple[list[SavePlan], Metadata]:
        """In the first process: all plans, as they are to be, and the list of the checkpoint."""

    @abc.abstractmethod
    def finish_plan(self, new_plan: SavePlan) -> SavePlan:
        """The last word about this process's plan."""

    @abc.abstractmethod
    def resolve_data(self, write_item: WriteItem) -> torch.Tensor | io.BytesIO:
        """What an item's bytes are; may be called by several threads, and more than once."""


class LoadPlanner:
    """Decides what ``load`` reads, and where to. ``load`` calls ``set_up_planner`` and
    ``create_local_plan`` in all processes, ``create_global_plan`` in the first, ``finish_plan`` in
    all; then for each item ``load_bytes``, or ``resolve_tensor`` and ``commit_tensor``. Programs
    derive from DefaultLoadPlanner.

    >>> from rushlight.distributed.checkpoint import DefaultLoadPlanner, LoadPlanner
    >>> issubclass(DefaultLoadPlanner, LoadPlanner)
    True
    """

    @abc.abstractmethod
    def set_up_planner(
        self,
        state_dict: dict[str, Any],
        metadata: Metadata | None = None,
        is_coordinator: bool = False,
    ) -> None:
        """The beginning: the state to fill, and the list of the checkpoint."""

    @abc.abstractmethod
    def create_local_plan(self) -> LoadPlan:
        """What this process has to read."""

    @abc.abstractmethod
    def create_global_plan(self, global_plan: list[LoadPlan]) -> list[LoadPlan]:
        """In the first process: all plans, as they are to be."""

    @abc.abstractmethod
    def finish_plan(self, central_plan: LoadPlan) -> LoadPlan:
        """The last word about this process's plan."""

    @abc.abstractmethod
    def load_bytes(self, read_item: ReadItem, value: io.BytesIO) -> None:
        """Put what is no tensor into the state."""

    def resolve_bytes(self, read_item: ReadItem) -> io.BytesIO:
        """Where to put bytes, for readers that ask; NotImplementedError unless overridden."""
        raise NotImplementedError("LoadPlanner.resolve_bytes is not implemented")

    @abc.abstractmethod
    def resolve_tensor(self, read_item: ReadItem) -> torch.Tensor:
        """The tensor that an item's box is to be copied to."""

    @abc.abstractmethod
    def commit_tensor(self, read_item: ReadItem, tensor: torch.Tensor) -> None:
        """The tensor of ``resolve_tensor`` has its values."""
