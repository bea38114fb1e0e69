"""save and load: a folder with a file of each process and a list of what is where.

A tensor is stored in boxes (offsets and sizes in the whole). ``load`` reads, for each tensor of the
state it is given, whatever boxes overlap with the part that this process holds: so a state may be
loaded by another number of processes, or with other placements, than it was saved with.

The files hold what ``torch.save`` writes; the list (``.metadata``) is a pickle of plain dicts. They
are not the files of PyTorch's own checkpoints.
"""

import os
import pickle
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rushlight import _api as torch
from rushlight import serialization
from rushlight.distributed.errors import DistError
from rushlight.distributed.groups import default_group, is_initialized
from rushlight.distributed.objects import all_gather_object, broadcast_object_list
from rushlight.distributed.process_group import ProcessGroup
from rushlight.distributed.tensor.dtensor import DTensor, part_of
from rushlight.distributed.tensor.placement_types import Partial, Shard
from rushlight.futures import Future

__all__ = ["FileSystemReader", "FileSystemWriter", "async_save", "load", "save"]

Box = tuple[tuple[int, ...], tuple[int, ...]]  # where a part begins in the whole, and its sizes


class FileSystemWriter:
    """FileSystemWriter(path): where to save."""

    def __init__(self, path: str | os.PathLike, **_: Any) -> None:
        self.path = Path(path)


class FileSystemReader:
    """FileSystemReader(path): where to load from."""

    def __init__(self, path: str | os.PathLike, **_: Any) -> None:
        self.path = Path(path)


def flattened(state: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """The values of nested dicts and lists, with the ways to them."""
    if isinstance(state, dict):
        for key, value in state.items():
            yield from flattened(value, f"{prefix}.{key}" if prefix else str(key))
    elif isinstance(state, (list, tuple)) and any(
        isinstance(v, (torch.Tensor, dict, list)) for v in state
    ):
        for i, value in enumerate(state):
            yield from flattened(value, f"{prefix}.{i}")
    else:
        yield prefix, state


def box_of(t: torch.Tensor) -> tuple[Box, bool]:
    """Which part of the whole this process has, and whether it is the one to write it."""
    if not isinstance(t, DTensor):
        return (
            ((0,) * t.ndim),
            tuple(t.shape),
        ), not is_initialized() or default_group().rank() == 0
    sizes, starts = list(t.shape), [0] * t.ndim
    writes = True
    for d, p in enumerate(t.placements):
        group = t.device_mesh.get_group(d)
        if isinstance(p, Shard):
            find = Shard.local_shard_size_and_offset
            size, start = find(sizes[p.dim], group.size(), group.rank())
            starts[p.dim] += start
            sizes[p.dim] = size
        elif isinstance(p, Partial):
            raise NotImplementedError("a Partial tensor cannot be saved: redistribute it first")
        elif group.rank() != 0:
            writes = False
    return (tuple(starts), tuple(sizes)), writes


def local_part(t: torch.Tensor) -> torch.Tensor:
    """The memory of this process's part."""
    return part_of(t) if isinstance(t, DTensor) else t.detach()


def _group(process_group: ProcessGroup | None, no_dist: bool) -> ProcessGroup | None:
    if no_dist or not is_initialized():
        return None
    return default_group() if process_group is None else process_group


def _place(checkpoint_id: Any, storage: Any) -> Path:
    if storage is not None and hasattr(storage, "path"):
        return Path(storage.path)
    if checkpoint_id is None:
        raise ValueError("name a folder: checkpoint_id=...")
    return Path(checkpoint_id)


def save(
    state_dict: dict[str, Any],
    *,
    checkpoint_id: str | os.PathLike | None = None,
    storage_writer: Any = None,
    planner: Any = None,
    process_group: ProcessGroup | None = None,
    no_dist: bool = False,
    use_collectives: bool = True,
) -> None:
    """save(state_dict, *, checkpoint_id=None, storage_writer=None, process_group=None,
    no_dist=False)

    Save a state to a folder. All processes call it; each writes the parts it holds, rank 0 what is
    the same everywhere. The list of what is where is written last, and at once: a folder either has
    a whole checkpoint or none.

    >>> import tempfile
    >>> from rushlight.distributed import checkpoint
    >>> folder, state = tempfile.mkdtemp(), {"w": torch.ones(2)}
    >>> checkpoint.save(state, checkpoint_id=folder)
    >>> state["w"].zero_(); checkpoint.load(state, checkpoint_id=folder); state["w"]
    tensor([0., 0.])
    tensor([1., 1.])
    """
    if planner is not None:
        raise NotImplementedError("planners are not supported: leave planner out")
    folder = _place(checkpoint_id, storage_writer)
    group = _group(process_group, no_dist)
    _write(_collected(state_dict, 0 if group is None else group.rank()), folder, group)


def _collected(state_dict: dict[str, Any], rank: int) -> tuple[dict, list[dict], str]:
    """What this process writes, copied; and the entries of the list for it."""
    name = f"__{rank}_{uuid.uuid4().hex[:8]}.distcp"
    tensors: dict[str, torch.Tensor] = {}
    entries: list[dict] = []
    for key, value in flattened(state_dict):
        if not isinstance(value, torch.Tensor):
            if rank == 0:
                entries.append({"key": key, "object": value})
            continue
        box, writes = box_of(value)
        if writes:
            tensors[key] = local_part(value).clone()
            entries.append({"key": key, "shape": tuple(value.shape), "box": box, "file": name})
    return tensors, entries, name


def _write(collected: tuple[dict, list[dict], str], folder: Path, group: Any) -> None:
    tensors, entries, name = collected
    folder.mkdir(parents=True, exist_ok=True)
    problem = None
    try:
        serialization.save(tensors, folder / name)
    except OSError as error:
        problem = str(error)
    everything: list[Any] = [(entries, problem)]
    if group is not None:
        everything = [None] * group.size()
        all_gather_object(everything, (entries, problem), group)
    problems = [f"rank {r}: {p}" for r, (_, p) in enumerate(everything) if p is not None]
    if problems:
        raise DistError(f"saving to {folder} failed: {'; '.join(problems)}")
    if group is None or group.rank() == 0:
        _write_list([entry for part, _ in everything for entry in part], folder)
    if group is not None:
        broadcast_object_list([None], group=group, group_src=0)


def _write_list(entries: list[dict], folder: Path) -> None:
    """Replace the list in one step, then remove the files of an older checkpoint."""
    new = folder / ".metadata.tmp"
    new.write_bytes(pickle.dumps({"version": 1, "entries": entries}))
    new.replace(folder / ".metadata")
    used = {entry.get("file") for entry in entries}
    for old in folder.glob("__*.distcp"):
        if old.name not in used:
            old.unlink(missing_ok=True)


def async_save(
    state_dict: dict[str, Any],
    *,
    checkpoint_id: str | os.PathLike | None = None,
    storage_writer: Any = None,
    planner: Any = None,
    process_group: ProcessGroup | None = None,
    **_: Any,
) -> Future:
    """async_save(state_dict, *, checkpoint_id=None, storage_writer=None, process_group=None)

    Copy the state now and write it in a thread; a future that is done when it is written.
    ``process_group`` must be one that is used for nothing else meanwhile.
    """
    if planner is not None:
        raise NotImplementedError("planners are not supported: leave planner out")
    folder = _place(checkpoint_id, storage_writer)
    group = _group(process_group, False)
    if group is not None and group.size() > 1 and process_group is None:
        raise ValueError(
            "async_save talks to the other processes in the background: give it a group of its "
            "own, process_group=torch.distributed.new_group()"
        )
    collected = _collected(state_dict, 0 if group is None else group.rank())
    future: Future = Future()

    def run() -> None:
        try:
            _write(collected, folder, group)
        except Exception as error:
            future.set_exception(error)
        else:
            future.set_result(None)

    threading.Thread(target=run, name="rushlight-async-save").start()
    return future


# ---- loading -------------------------------------------------------------------------------------


class _Files:
    """The files of a checkpoint, each read once."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.read: dict[str, dict[str, torch.Tensor]] = {}

    def tensor(self, entry: dict) -> torch.Tensor:
        """The tensor of an entry of the list."""
        name = entry["file"]
        if name not in self.read:
            tensors: Any = serialization.load(self.folder / name, weights_only=True)
            self.read[name] = tensors
        return self.read[name][entry["key"]]


def load(
    state_dict: dict[str, Any],
    *,
    checkpoint_id: str | os.PathLike | None = None,
    storage_reader: Any = None,
    planner: Any = None,
    process_group: ProcessGroup | None = None,
    no_dist: bool = False,
) -> None:
    """load(state_dict, *, checkpoint_id=None, storage_reader=None, process_group=None,
    no_dist=False)

    Fill the tensors of a state, in place, and replace its other values. Each process reads what it
    holds; the number of processes and the placements may be others than those at saving.

    RuntimeError if something is not in the checkpoint or has another shape there.
    """
    if planner is not None:
        raise NotImplementedError("planners are not supported: leave planner out")
    folder = _place(checkpoint_id, storage_reader)
    # Written by save, and a pickle: load what you trust, as with torch.load(weights_only=False).
    entries = pickle.loads((folder / ".metadata").read_bytes())["entries"]
    by_key: dict[str, list[dict]] = {}
    for entry in entries:
        by_key.setdefault(entry["key"], []).append(entry)
    _fill(state_dict, "", by_key, _Files(folder))


def _fill(state: Any, prefix: str, by_key: dict[str, list[dict]], files: _Files) -> None:
    pairs = state.items() if isinstance(state, dict) else enumerate(state)
    for key, value in list(pairs):
        name = f"{prefix}.{key}" if prefix else str(key)
        if isinstance(value, torch.Tensor):
            _fill_tensor(name, value, by_key, files)
        elif isinstance(value, dict) or (
            isinstance(value, (list, tuple))
            and any(isinstance(v, (torch.Tensor, dict, list)) for v in value)
        ):
            _fill(value, name, by_key, files)
        else:
            found = by_key.get(name)
            if found is None:
                raise RuntimeError(f"Missing key in checkpoint state_dict: {name}.")
            if "object" in found[0]:
                state[key] = found[0]["object"]


def _fill_tensor(name: str, t: torch.Tensor, by_key: dict[str, list[dict]], files: _Files) -> None:
    found = by_key.get(name)
    if found is None:
        raise RuntimeError(f"Missing key in checkpoint state_dict: {name}.")
    if tuple(t.shape) != found[0].get("shape"):
        raise ValueError(
            f"Size mismatch between saved {found[0].get('shape')} and current: {tuple(t.shape)} "
            f"for {name}"
        )
    (starts, sizes), _ = box_of(t)
    target = local_part(t)
    with torch.no_grad():
        for entry in found:
            other_starts, other_sizes = entry["box"]
            ours, theirs = [], []
            for a, n, b, m in zip(starts, sizes, other_starts, other_sizes, strict=True):
                low, high = max(a, b), min(a + n, b + m)
                ours.append(slice(low - a, max(high - a, low - a)))
                theirs.append(slice(low - b, max(high - b, low - b)))
            if all(s.stop > s.start for s in ours):
                target[tuple(ours)].copy_(files.tensor(entry)[tuple(theirs)])
