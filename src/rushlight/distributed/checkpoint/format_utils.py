"""torch.distributed.checkpoint.format_utils: from a checkpoint's folder to one file, and back."""

import os
from pathlib import Path
from typing import Any

from rushlight import _api as torch
from rushlight import serialization
from rushlight.distributed.checkpoint._nested_dict import flatten_state_dict
from rushlight.distributed.checkpoint.default_planner import DefaultLoadPlanner
from rushlight.distributed.checkpoint.filesystem import FileSystemReader, FileSystemWriter
from rushlight.distributed.checkpoint.metadata import (
    Metadata,
    TensorProperties,
    TensorStorageMetadata,
)
from rushlight.distributed.checkpoint.planner import LoadItemType, LoadPlan, LoadPlanner
from rushlight.distributed.checkpoint.planner_helpers import chunks_of, narrowed
from rushlight.distributed.checkpoint.state_dict_loader import everything
from rushlight.distributed.checkpoint.state_dict_saver import save_without_asking
from rushlight.distributed.checkpoint.storage import StorageReader
from rushlight.distributed.collectives import broadcast
from rushlight.distributed.groups import is_initialized
from rushlight.futures import Future

__all__ = [
    "BroadcastingTorchSaveReader",
    "DynamicMetaLoadPlanner",
    "dcp_to_torch_save",
    "torch_save_to_dcp",
]

_ONLY_TENSORS = "Non-tensor value identified at {}. At this time {} only supports loading Tensors."


class BroadcastingTorchSaveReader(StorageReader):
    """BroadcastingTorchSaveReader(checkpoint_id=None, coordinator_rank=0): a file of
    ``torch.save``, read by one process, which sends each tensor to the others. To be used with
    DynamicMetaLoadPlanner.

    RuntimeError for what is no tensor.

    >>> import tempfile
    >>> from rushlight.distributed import checkpoint
    >>> from rushlight.distributed.checkpoint import format_utils
    >>> file = tempfile.mkdtemp() + "/state.pt"
    >>> torch.save({"w": torch.ones(2)}, file)
    >>> state = {"w": torch.zeros(2)}
    >>> reader = format_utils.BroadcastingTorchSaveReader()
    >>> planner = format_utils.DynamicMetaLoadPlanner()
    >>> checkpoint.load(state, checkpoint_id=file, storage_reader=reader, planner=planner); state
    {'w': tensor([1., 1.])}
    """

    def __init__(
        self, checkpoint_id: str | os.PathLike | None = None, coordinator_rank: int = 0
    ) -> None:
        self.checkpoint_id, self.coordinator_rank = checkpoint_id, coordinator_rank

    def read_metadata(self, *args: Any, **kwargs: Any) -> Metadata:
        """Nothing: the planner makes the list of the state."""
        return Metadata(state_dict_metadata={})

    def set_up_storage_reader(
        self, metadata: Metadata, is_coordinator: bool, *args: Any, **kwargs: Any
    ) -> None:
        """Whether this is the process that reads."""
        self.is_coordinator = is_coordinator
        if self.checkpoint_id is None:
            raise AssertionError("checkpoint_id must be set before setting up storage reader")

    def prepare_local_plan(self, plan: LoadPlan) -> LoadPlan:
        """The plan as it is."""
        return plan

    def prepare_global_plan(self, plans: list[LoadPlan]) -> list[LoadPlan]:
        """The plans as they are."""
        return plans

    def read_data(self, plan: LoadPlan, planner: LoadPlanner) -> Future[None]:
        """Read, send, and take from each tensor what this process holds."""
        values: dict[str, Any] = {}
        own: Any = planner
        if self.is_coordinator:
            found: Any = serialization.load(str(self.checkpoint_id), "cpu", weights_only=False)
            values = flatten_state_dict(found)[0] if own.flatten_state_dict else found
        for item in plan.items:
            name = item.storage_index.fqn
            if item.type is LoadItemType.BYTE_IO:
                raise RuntimeError(_ONLY_TENSORS.format(name, type(self).__name__))
            like = own.state_dict[name]
            tensor = values[name] if values else torch.empty(like.shape, dtype=like.dtype)
            if is_initialized():
                broadcast(tensor, src=self.coordinator_rank)
            target = planner.resolve_tensor(item).detach()
            target.copy_(narrowed(tensor, item.storage_offsets, item.lengths))
            planner.commit_tensor(item, target)
        future: Future[None] = Future()
        future.set_result(None)
        return future

    def reset(self, checkpoint_id: str | os.PathLike | None = None) -> None:
        """Another file."""
        self.checkpoint_id = checkpoint_id

    @classmethod
    def validate_checkpoint_id(cls, checkpoint_id: str | os.PathLike) -> bool:
        """Whether it is a file."""
        return Path(checkpoint_id).is_file()


class DynamicMetaLoadPlanner(DefaultLoadPlanner):
    """DynamicMetaLoadPlanner(): for storage without a list: makes it of the state that is to be
    filled.

    RuntimeError for what is no tensor.

    >>> from rushlight.distributed.checkpoint.format_utils import DynamicMetaLoadPlanner
    >>> planner = DynamicMetaLoadPlanner()
    >>> planner.set_up_planner({"w": torch.ones(2)})
    >>> planner.metadata.state_dict_metadata["w"].size
    torch.Size([2])
    """

    def set_up_planner(
        self,
        state_dict: dict[str, Any],
        metadata: Metadata | None = None,
        is_coordinator: bool = False,
    ) -> None:
        """The state, whose tensors are in the storage."""
        super().set_up_planner(state_dict, metadata, is_coordinator)
        self.metadata = Metadata({})
        for name, value in self.state_dict.items():
            if not isinstance(value, torch.Tensor):
                raise RuntimeError(_ONLY_TENSORS.format(name, type(self).__name__))
            whole = TensorProperties(dtype=value.dtype), torch.Size(value.shape)
            entry = TensorStorageMetadata(*whole, chunks_of(value))
            self.metadata.state_dict_metadata[name] = entry


def dcp_to_torch_save(
    dcp_checkpoint_dir: str | os.PathLike, torch_save_path: str | os.PathLike
) -> None:
    """dcp_to_torch_save(dcp_checkpoint_dir, torch_save_path): a folder's state as one file of
    ``torch.save``, by one process.

    >>> import tempfile
    >>> from rushlight.distributed import checkpoint
    >>> from rushlight.distributed.checkpoint.format_utils import dcp_to_torch_save
    >>> folder = tempfile.mkdtemp()
    >>> _ = checkpoint.save({"a": {"w": torch.ones(2)}}, checkpoint_id=folder)
    >>> dcp_to_torch_save(folder, folder + "/state.pt"); torch.load(folder + "/state.pt")
    {'a': {'w': tensor([1., 1.])}}
    """
    serialization.save(everything(FileSystemReader(dcp_checkpoint_dir)), torch_save_path)


def torch_save_to_dcp(
    torch_save_path: str | os.PathLike, dcp_checkpoint_dir: str | os.PathLike
) -> None:
    """torch_save_to_dcp(torch_save_path, dcp_checkpoint_dir): a file of ``torch.save`` as a folder
    that ``load`` reads, by one process.

    >>> import tempfile
    >>> from rushlight.distributed.checkpoint.format_utils import torch_save_to_dcp
    >>> folder = tempfile.mkdtemp()
    >>> torch.save({"w": torch.ones(2)}, folder + "/state.pt")
    >>> torch_save_to_dcp(folder + "/state.pt", folder + "/state")
    >>> state = {"w": torch.zeros(2)}
    >>> torch.distributed.checkpoint.load(state, checkpoint_id=folder + "/state"); state
    {'w': tensor([1., 1.])}
    """
    state = serialization.load(torch_save_path, map_location="cpu", weights_only=False)
    if not isinstance(state, dict):
        raise ValueError(f"{torch_save_path} holds no dict, but {type(state).__name__}")
    save_without_asking(state, FileSystemWriter(dcp_checkpoint_dir))
