"""torch.distributed.checkpoint.state_dict_saver: save, async_save."""

import os
import threading
from collections.abc import Mapping
from concurrent.futures import Future
from copy import deepcopy
from pathlib import Path
from typing import Any

from rushlight import _api as torch
from rushlight.distributed.checkpoint.default_planner import (
    DefaultSavePlanner,
    checked,
    flattened,
    name_of,
)
from rushlight.distributed.checkpoint.filesystem import FileSystemWriter, Output, write_list
from rushlight.distributed.checkpoint.metadata import (
    BytesStorageMetadata,
    ChunkStorageMetadata,
    Metadata,
    MetadataIndex,
    TensorProperties,
    TensorStorageMetadata,
)
from rushlight.distributed.checkpoint.stateful import Stateful
from rushlight.distributed.errors import DistError
from rushlight.distributed.groups import default_group, is_initialized, new_group
from rushlight.distributed.objects import all_gather_object, broadcast_object_list
from rushlight.distributed.process_group import ProcessGroup
from rushlight.distributed.tensor._utils import compute_local_shape_and_global_offset
from rushlight.distributed.tensor.dtensor import DTensor, part_of
from rushlight.distributed.tensor.placement_types import Partial, Shard

__all__ = ["async_save", "save", "save_state_dict"]

Box = tuple[tuple[int, ...], tuple[int, ...]]  # where a part begins in the whole, and its sizes


def box_of(t: torch.Tensor, rank: int = 0) -> tuple[Box, bool]:
    """Which part of the whole this process has, and whether it is the one to write it."""
    if not isinstance(t, DTensor):
        return ((0,) * t.ndim, tuple(t.shape)), rank == 0
    if any(isinstance(p, Partial) for p in t.placements):
        raise NotImplementedError("a Partial tensor cannot be saved: redistribute it first")
    sizes, starts = compute_local_shape_and_global_offset(t.shape, t.device_mesh, t.placements)
    copies = [d for d, p in enumerate(t.placements) if not isinstance(p, Shard)]
    first = all(t.device_mesh.get_group(d).rank() == 0 for d in copies)
    writes = first and t.device_mesh.is_first_slice() and 0 not in sizes
    return (starts, tuple(sizes)), writes


def local_part(t: torch.Tensor) -> torch.Tensor:
    """The memory of this process's part."""
    return part_of(t) if isinstance(t, DTensor) else t.detach()


def the_group(process_group: ProcessGroup | None, no_dist: bool) -> ProcessGroup | None:
    """The processes that save or load together; None: this one alone."""
    if no_dist or not is_initialized():
        return None
    return default_group() if process_group is None else process_group


def states_of(state_dict: Mapping[str, Any]) -> dict[str, Any]:
    """The state, with the states of the objects that know them."""
    return {k: v.state_dict() if isinstance(v, Stateful) else v for k, v in state_dict.items()}


def _writer(checkpoint_id: Any, storage: Any) -> FileSystemWriter:
    if storage is None:
        if checkpoint_id is None:
            raise ValueError("name a folder: checkpoint_id=...")
        return FileSystemWriter(checkpoint_id)
    if not isinstance(storage, FileSystemWriter):
        raise NotImplementedError("only FileSystemWriter is supported as storage_writer")
    if checkpoint_id is not None:
        storage.path = Path(checkpoint_id)
    return storage


class _Snapshot:
    """What one process is to write, and the list's entries without their places in files."""

    def __init__(self, state_dict: Mapping[str, Any], rank: int, copy: bool) -> None:
        self.rank = rank
        self.tensors: dict[str, TensorStorageMetadata] = {}
        self.ways: dict[str, tuple] = {}
        self.items: list[tuple[MetadataIndex, Any]] = []
        for way, value in flattened(states_of(state_dict)):
            name = name_of(way)
            self.ways[name] = way
            if isinstance(value, torch.Tensor):
                self._add_tensor(name, value, copy)
            elif rank == 0:
                self.items.append((MetadataIndex(name), deepcopy(value) if copy else value))

    def _add_tensor(self, name: str, value: torch.Tensor, copy: bool) -> None:
        (starts, sizes), writes = box_of(value, self.rank)
        if not writes:
            return
        part = local_part(value)
        chunk = ChunkStorageMetadata(torch.Size(starts), torch.Size(sizes))
        properties = TensorProperties.create_from_tensor(value)
        self.tensors[name] = TensorStorageMetadata(properties, torch.Size(value.shape), [chunk])
        # A part is saved without the rest of the memory that it may be a part of.
        whole = part.numel() * part.element_size() == part.untyped_storage().nbytes()
        kept = part.cpu() if whole and not copy else part.detach().clone().cpu()
        self.items.append((MetadataIndex(name, starts), kept))


def _write(snapshot: _Snapshot, writer: FileSystemWriter, group: ProcessGroup | None) -> Metadata:
    mine = _written(snapshot, writer)
    everything: list[Any] = [mine]
    if group is not None:
        everything = [None] * group.size()
        all_gather_object(everything, mine, group)
    problems = [f"rank {r}: {part[-1]}" for r, part in enumerate(everything) if part[-1]]
    if problems:
        raise DistError(f"saving to {writer.path} failed: {'; '.join(problems)}")
    metadata = _joined(everything)
    if group is None or group.rank() == 0:
        write_list(metadata, writer)
    if group is not None:
        broadcast_object_list([None], group=group, group_src=0)
    return metadata


def _written(snapshot: _Snapshot, writer: FileSystemWriter) -> tuple:
    """Write the own part: tensors, ways and places of the list, and what went wrong."""
    places = {}
    try:
        writer.path.mkdir(parents=True, exist_ok=True)
        if not writer.overwrite and (writer.path / ".metadata").exists():
            return {}, {}, {}, f"Checkpoint already exists and {writer.overwrite=}."
        output = Output(writer, snapshot.rank)
        for index, value in snapshot.items:
            places[index] = output.add(value)
        output.close()
    except OSError as error:
        return {}, {}, {}, str(error)
    return snapshot.tensors, snapshot.ways, places, ""


def _joined(parts: list[tuple]) -> Metadata:
    """The whole list."""
    metadata = Metadata({}, {}, {})
    found: dict[str, TensorStorageMetadata] = {}
    for tensors, ways, places, _ in parts:
        metadata.planner_data.update(ways)
        metadata.storage_data.update(places)
        for name, entry in tensors.items():
            known = found.setdefault(name, entry)
            if known is not entry:
                known.chunks.extend(c for c in entry.chunks if c not in known.chunks)
        for index in places:
            if index.offset is None:
                metadata.state_dict_metadata[index.fqn] = BytesStorageMetadata()
    metadata.state_dict_metadata.update(found)
    return metadata


def save(
    state_dict: dict[str, Any],
    *,
    checkpoint_id: str | os.PathLike | None = None,
    storage_writer: Any = None,
    planner: Any = None,
    process_group: ProcessGroup | None = None,
    no_dist: bool = False,
    use_collectives: bool = True,
) -> Metadata:
    """save(state_dict, *, checkpoint_id=None, storage_writer=None, planner=None,
    process_group=None, no_dist=False, use_collectives=True) -> Metadata

    Save a state to a folder, in PyTorch's format. All processes call it; each writes the parts it
    holds, rank 0 what is the same everywhere. The list of what is where is written last, and at
    once: a folder either has a whole checkpoint or none.

    DistError if a process cannot write.

    >>> import tempfile
    >>> from rushlight.distributed import checkpoint
    >>> folder, state = tempfile.mkdtemp(), {"w": torch.ones(2)}
    >>> _ = checkpoint.save(state, checkpoint_id=folder)
    >>> state["w"].zero_(); checkpoint.load(state, checkpoint_id=folder); state["w"]
    tensor([0., 0.])
    tensor([1., 1.])
    """
    checked(planner, DefaultSavePlanner)
    if not use_collectives:
        raise NotImplementedError("use_collectives=False is not supported: leave it out")
    writer = _writer(checkpoint_id, storage_writer)
    group = the_group(process_group, no_dist)
    rank = 0 if group is None else group.rank()
    return _write(_Snapshot(state_dict, rank, False), writer, group)


def save_state_dict(
    state_dict: dict[str, Any],
    storage_writer: Any,
    process_group: ProcessGroup | None = None,
    coordinator_rank: int = 0,
    no_dist: bool = False,
    planner: Any = None,
) -> Metadata:
    """save_state_dict(state_dict, storage_writer, process_group=None, coordinator_rank=0,
    no_dist=False, planner=None): the older name of :func:`save`.

    >>> import tempfile
    >>> from rushlight.distributed import checkpoint
    >>> writer = checkpoint.FileSystemWriter(tempfile.mkdtemp())
    >>> list(checkpoint.save_state_dict({"a": 1}, writer).state_dict_metadata)
    ['a']
    """
    if coordinator_rank != 0:
        raise NotImplementedError("coordinator_rank other than 0 is not supported")
    return save(
        state_dict,
        storage_writer=storage_writer,
        planner=planner,
        process_group=process_group,
        no_dist=no_dist,
    )


_background: list[tuple[ProcessGroup, ProcessGroup]] = []  # the group of all, and its twin


def _twin() -> ProcessGroup:
    """A group of all processes that nothing else uses; made once, by all of them."""
    whole = default_group()
    if not _background or _background[0][0] is not whole:
        _background[:] = [(whole, new_group(group_desc="async_save"))]
    return _background[0][1]


def async_save(
    state_dict: dict[str, Any],
    *,
    checkpoint_id: str | os.PathLike | None = None,
    storage_writer: Any = None,
    planner: Any = None,
    process_group: ProcessGroup | None = None,
    **options: Any,
) -> Future:
    """async_save(state_dict, *, checkpoint_id=None, storage_writer=None, planner=None,
    process_group=None) -> Future

    Copy the state now and write it in a thread; a future that is done when it is written. The
    processes agree by a group of its own, or by ``process_group``, which must then be used for
    nothing else meanwhile.

    >>> import tempfile
    >>> from rushlight.distributed import checkpoint
    >>> future = checkpoint.async_save({"w": torch.ones(2)}, checkpoint_id=tempfile.mkdtemp())
    >>> list(future.result().state_dict_metadata)
    ['w']
    """
    if options:
        raise NotImplementedError(f"not supported, leave out: {', '.join(sorted(options))}")
    checked(planner, DefaultSavePlanner)
    writer = _writer(checkpoint_id, storage_writer)
    group = process_group
    if group is None and is_initialized():
        group = _twin()
    snapshot = _Snapshot(state_dict, 0 if group is None else group.rank(), True)
    future: Future = Future()

    def run() -> None:
        try:
            metadata = _write(snapshot, writer, group)
        except Exception as error:
            future.set_exception(error)
        else:
            future.set_result(metadata)

    threading.Thread(target=run, name="rushlight-async-save").start()
    return future
