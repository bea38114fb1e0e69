"""torch.distributed.checkpoint.state_dict_loader: load."""

import os
from pathlib import Path
from typing import Any

from rushlight import _api as torch
from rushlight.distributed.checkpoint.default_planner import (
    DefaultLoadPlanner,
    checked,
    flattened,
    name_of,
    put,
)
from rushlight.distributed.checkpoint.filesystem import FileSystemReader, Input, read_list
from rushlight.distributed.checkpoint.metadata import (
    BytesStorageMetadata,
    Metadata,
    MetadataIndex,
    TensorStorageMetadata,
)
from rushlight.distributed.checkpoint.state_dict_saver import box_of, local_part, states_of
from rushlight.distributed.checkpoint.stateful import Stateful
from rushlight.distributed.process_group import ProcessGroup

__all__ = ["load", "load_state_dict"]


def _folder(checkpoint_id: Any, storage: Any) -> Path:
    if checkpoint_id is not None:
        return Path(checkpoint_id)
    if storage is None:
        raise ValueError("name a folder: checkpoint_id=...")
    if not isinstance(storage, FileSystemReader):
        raise NotImplementedError("only FileSystemReader is supported as storage_reader")
    return storage.path


def load(
    state_dict: dict[str, Any],
    *,
    checkpoint_id: str | os.PathLike | None = None,
    storage_reader: Any = None,
    planner: Any = None,
    process_group: ProcessGroup | None = None,
    no_dist: bool = False,
) -> None:
    """load(state_dict, *, checkpoint_id=None, storage_reader=None, planner=None,
    process_group=None, no_dist=False)

    Fill the tensors of a state, in place, and replace its other values. Each process reads what it
    holds; the number of processes and the placements may be others than those at saving, and the
    checkpoint may be one of PyTorch's. Values that are no tensors are pickles: load what you trust.

    RuntimeError if something is not in the checkpoint, ValueError if it has another shape there.

    >>> import tempfile
    >>> from rushlight.distributed import checkpoint
    >>> folder, model = tempfile.mkdtemp(), torch.nn.Linear(2, 1)
    >>> _ = checkpoint.save({"model": model, "epoch": 3}, checkpoint_id=folder)
    >>> state = {"model": torch.nn.Linear(2, 1), "epoch": 0}
    >>> checkpoint.load(state, checkpoint_id=folder)
    >>> state["epoch"], state["model"].weight.equal(model.weight)
    (3, True)
    """
    chosen = checked(planner, DefaultLoadPlanner)
    folder = _folder(checkpoint_id, storage_reader)
    metadata = read_list(folder)
    states = states_of(state_dict)
    _fill(states, metadata, folder, chosen.allow_partial_load)
    for key, value in state_dict.items():
        if isinstance(value, Stateful):
            value.load_state_dict(states[key])
        else:
            state_dict[key] = states[key]


def load_state_dict(
    state_dict: dict[str, Any],
    storage_reader: Any,
    process_group: ProcessGroup | None = None,
    coordinator_rank: int = 0,
    no_dist: bool = False,
    planner: Any = None,
) -> None:
    """load_state_dict(state_dict, storage_reader, process_group=None, coordinator_rank=0,
    no_dist=False, planner=None): the older name of :func:`load`.

    >>> import tempfile
    >>> from rushlight.distributed import checkpoint
    >>> folder, state = tempfile.mkdtemp(), {"a": 1}
    >>> _ = checkpoint.save({"a": 2}, checkpoint_id=folder)
    >>> checkpoint.load_state_dict(state, checkpoint.FileSystemReader(folder)); state
    {'a': 2}
    """
    load(state_dict, storage_reader=storage_reader, planner=planner)


def _fill(state: dict[str, Any], metadata: Metadata, folder: Path, partial: bool) -> None:
    files = Input(folder, metadata)
    try:
        for way, value in list(flattened(state)):
            name = name_of(way)
            known = metadata.state_dict_metadata.get(name)
            if known is None:
                if not partial:
                    raise RuntimeError(f"Missing key in checkpoint state_dict: {name}.")
            elif isinstance(known, BytesStorageMetadata):
                put(state, way, files.value(MetadataIndex(name), False))
            elif isinstance(value, torch.Tensor):
                _fill_tensor(name, value, known, files)
            else:
                raise ValueError(f"{name} is a tensor in the checkpoint, not {type(value)}")
    finally:
        files.close()


def _fill_tensor(name: str, t: torch.Tensor, known: TensorStorageMetadata, files: Input) -> None:
    if tuple(t.shape) != tuple(known.size):
        raise ValueError(
            f"Size mismatch between saved {known.size} and current: {t.shape} for {name}"
        )
    (starts, sizes), _ = box_of(t)
    target = local_part(t)
    with torch.no_grad():
        for chunk in known.chunks:
            ours, theirs = [], []
            for a, n, b, m in zip(starts, sizes, chunk.offsets, chunk.sizes, strict=True):
                low, high = max(a, b), min(a + n, b + m)
                ours.append(slice(low - a, max(high - a, low - a)))
                theirs.append(slice(low - b, max(high - b, low - b)))
            if all(s.stop > s.start for s in ours):
                part = files.value(MetadataIndex(name, chunk.offsets), True)
                target[tuple(ours)].copy_(part[tuple(theirs)])


def everything(folder: Path) -> dict[str, Any]:
    """The whole state of a checkpoint, without one to fill."""
    metadata = read_list(folder)
    state: dict[str, Any] = {}
    for name, known in metadata.state_dict_metadata.items():
        value = None
        if isinstance(known, TensorStorageMetadata):
            value = torch.empty(known.size, dtype=known.properties.dtype)
        put(state, (metadata.planner_data or {}).get(name, (name,)), value)
    _fill(state, metadata, folder, False)
    return state
