"""torch.distributed.checkpoint.storage: where a checkpoint is written to and read from."""

import abc
import os
from dataclasses import dataclass
from typing import Any

from rushlight.distributed.checkpoint.metadata import Metadata, MetadataIndex, StorageMeta
from rushlight.distributed.checkpoint.planner import LoadPlan, LoadPlanner, SavePlan, SavePlanner
from rushlight.futures import Future

__all__ = ["StorageReader", "StorageWriter", "WriteResult"]


@dataclass(frozen=True)
class WriteResult:
    """WriteResult(index, size_in_bytes, storage_data): an item was written, and where it is.

    >>> from rushlight.distributed.checkpoint.metadata import MetadataIndex
    >>> from rushlight.distributed.checkpoint.storage import WriteResult
    >>> WriteResult(MetadataIndex("w"), 4, "anything").size_in_bytes
    4
    """

    index: MetadataIndex
    size_in_bytes: int
    storage_data: Any


class StorageWriter(abc.ABC):
    """What ``save`` writes to. It calls ``reset``, then in all processes ``set_up_storage_writer``
    and ``prepare_local_plan``, in the first ``prepare_global_plan``, in all ``write_data``, and in
    the first ``finish``.

    >>> from rushlight.distributed.checkpoint import FileSystemWriter, StorageWriter
    >>> issubclass(FileSystemWriter, StorageWriter)
    True
    """

    @abc.abstractmethod
    def reset(self, checkpoint_id: str | os.PathLike | None = None) -> None:
        """A new checkpoint begins: its name, for instance a folder."""

    @abc.abstractmethod
    def set_up_storage_writer(self, is_coordinator: bool, *args: Any, **kwargs: Any) -> None:
        """Whether this is the first process."""

    @abc.abstractmethod
    def prepare_local_plan(self, plan: SavePlan) -> SavePlan:
        """This process's plan, with ``storage_data`` if the writer needs some."""

    @abc.abstractmethod
    def prepare_global_plan(self, plans: list[SavePlan]) -> list[SavePlan]:
        """All plans, with ``storage_data``."""

    @abc.abstractmethod
    def write_data(self, plan: SavePlan, planner: SavePlanner) -> Future[list[WriteResult]]:
        """Write what ``planner.resolve_data`` gives for each item; a future of the results."""

    @abc.abstractmethod
    def finish(self, metadata: Metadata, results: list[list[WriteResult]]) -> None:
        """Write the list: after this, and not before, the checkpoint is there."""

    @classmethod
    @abc.abstractmethod
    def validate_checkpoint_id(cls, checkpoint_id: str | os.PathLike) -> bool:
        """Whether this kind of storage can take a checkpoint of that name."""

    def storage_meta(self) -> StorageMeta | None:
        """What ``SavePlanner.set_up_planner`` is told about the storage."""
        return None


class StorageReader(abc.ABC):
    """What ``load`` reads from. It calls ``reset``, then in all processes ``read_metadata``,
    ``set_up_storage_reader`` and ``prepare_local_plan``, in the first ``prepare_global_plan``, and
    in all ``read_data``.

    >>> from rushlight.distributed.checkpoint import FileSystemReader, StorageReader
    >>> issubclass(FileSystemReader, StorageReader)
    True
    """

    @abc.abstractmethod
    def reset(self, checkpoint_id: str | os.PathLike | None = None) -> None:
        """Another checkpoint: its name, for instance a folder."""

    @abc.abstractmethod
    def read_metadata(self, *args: Any, **kwargs: Any) -> Metadata:
        """The list of what is in the checkpoint."""

    @abc.abstractmethod
    def set_up_storage_reader(
        self, metadata: Metadata, is_coordinator: bool, *args: Any, **kwargs: Any
    ) -> None:
        """The list, and whether this is the first process."""

    @abc.abstractmethod
    def prepare_local_plan(self, plan: LoadPlan) -> LoadPlan:
        """This process's plan, with ``storage_data`` if the reader needs some."""

    @abc.abstractmethod
    def prepare_global_plan(self, plans: list[LoadPlan]) -> list[LoadPlan]:
        """All plans, with ``storage_data``."""

    @abc.abstractmethod
    def read_data(self, plan: LoadPlan, planner: LoadPlanner) -> Future[None]:
        """Read all items and give them to the planner; a future of the end."""

    @classmethod
    @abc.abstractmethod
    def validate_checkpoint_id(cls, checkpoint_id: str | os.PathLike) -> bool:
        """Whether this kind of storage can have a checkpoint of that name."""
