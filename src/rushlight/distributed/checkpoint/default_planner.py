"""torch.distributed.checkpoint.default_planner: how a nested state becomes items in a folder."""

import io
import logging
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import islice
from math import prod
from typing import Any

from rushlight import _api as torch
from rushlight import serialization
from rushlight.distributed.checkpoint._nested_dict import Path, flatten_state_dict, set_element
from rushlight.distributed.checkpoint.metadata import (
    BytesStorageMetadata,
    ChunkStorageMetadata,
    Metadata,
    MetadataIndex,
    StorageMeta,
    TensorStorageMetadata,
)
from rushlight.distributed.checkpoint.planner import (
    LoadPlan,
    LoadPlanner,
    ReadItem,
    SavePlan,
    SavePlanner,
    WriteItem,
    WriteItemType,
)
from rushlight.distributed.checkpoint.planner_helpers import (
    common_box,
    find_state_dict_object,
    narrowed,
    read_items,
    write_items,
)

__all__ = [
    "DefaultLoadPlanner",
    "DefaultSavePlanner",
    "create_default_global_load_plan",
    "create_default_global_save_plan",
    "create_default_local_load_plan",
    "create_default_local_save_plan",
]

_log = logging.getLogger(__name__)


class DefaultSavePlanner(SavePlanner):
    """DefaultSavePlanner(flatten_state_dict=True, flatten_sharded_tensors=True,
    dedup_replicated_tensors=None, dedup_save_to_lowest_rank=False, enable_plan_caching=False)

    Tensors are saved in the parts that the processes hold. What several processes hold is written
    by the one that has least to write, or with ``dedup_save_to_lowest_rank`` by the first of them.
    Plans are quickly made: they are made anew each time, ``enable_plan_caching`` or not.

    A derived class may rename values in ``set_up_planner``, or change what is written in
    ``transform_object(write_item, object)``.

    ValueError, when saving, if the parts of a tensor overlap or are not all of it.

    >>> import tempfile
    >>> from rushlight.distributed import checkpoint
    >>> class Prefixed(checkpoint.DefaultSavePlanner):
    ...     def set_up_planner(self, state_dict, storage_meta=None, is_coordinator=False):
    ...         renamed = {"my_" + k: v for k, v in state_dict.items()}
    ...         super().set_up_planner(renamed, storage_meta, is_coordinator)
    >>> folder, state = tempfile.mkdtemp(), {"w": torch.ones(2)}
    >>> list(checkpoint.save(state, checkpoint_id=folder, planner=Prefixed()).state_dict_metadata)
    ['my_w']
    """

    mappings: dict[str, Path]

    def __init__(
        self,
        flatten_state_dict: bool = True,
        flatten_sharded_tensors: bool = True,
        dedup_replicated_tensors: bool | None = None,
        dedup_save_to_lowest_rank: bool = False,
        enable_plan_caching: bool = False,
    ) -> None:
        self.flatten_state_dict = flatten_state_dict
        self.flatten_sharded_tensors = flatten_sharded_tensors
        self.dedup_save_to_lowest_rank = dedup_save_to_lowest_rank
        self.mappings = {}
        if dedup_replicated_tensors is not None:
            _log.warning(
                "DefaultSavePlanner's `dedup_replicated_tensors` argument is being "
                "deprecated, and no longer has any effect. Please remove this argument "
                "from your call."
            )

    def set_up_planner(
        self,
        state_dict: dict[str, Any],
        storage_meta: StorageMeta | None = None,
        is_coordinator: bool = False,
    ) -> None:
        """The state that is to be saved."""
        if self.flatten_state_dict:
            state_dict, self.mappings = flatten_state_dict(state_dict)
        self.state_dict = state_dict
        self.is_coordinator = is_coordinator

    def create_local_plan(self) -> SavePlan:
        """All that this process holds."""
        self.plan = create_default_local_save_plan(self.state_dict, self.is_coordinator)
        if self.flatten_state_dict:
            self.plan = replace(self.plan, planner_data=self.mappings)
        return self.plan

    def create_global_plan(self, all_plans: list[SavePlan]) -> tuple[list[SavePlan], Metadata]:
        """Each item once, and the list of the checkpoint with the ways to the names."""
        plans, metadata = create_default_global_save_plan(self._dedup_save_plans(all_plans))
        if self.flatten_state_dict:
            merged: dict[str, Path] = {}
            for plan in reversed(plans):
                merged |= plan.planner_data or {}
            metadata = replace(metadata, planner_data=merged)
        problems = list(_problems(metadata, len(plans)))
        if problems:
            text = "; ".join(problems)
            text = text if len(text) <= 500 else text[:500] + "... (truncated)"
            raise ValueError(f"Failed to validate global plan: {text}")
        self.global_plan, self.metadata = plans, metadata
        return plans, metadata

    def _dedup_save_plans(self, all_plans: list[SavePlan]) -> list[SavePlan]:
        return without_copies(all_plans, self.dedup_save_to_lowest_rank)

    def finish_plan(self, new_plan: SavePlan) -> SavePlan:
        """The plan as the first process has decided it."""
        self.plan = new_plan
        return new_plan

    def resolve_data(self, write_item: WriteItem) -> torch.Tensor | io.BytesIO:
        """``transform_object`` of ``lookup_object``."""
        found: torch.Tensor | io.BytesIO = self.transform_object(
            write_item, self.lookup_object(write_item.index)
        )
        return found

    def lookup_object(self, index: MetadataIndex) -> Any:
        """The value of the state; of a DTensor the part of this process."""
        return find_state_dict_object(self.state_dict, index)

    def transform_object(self, write_item: WriteItem, object: Any) -> Any:
        """Tensors as they are, others as what ``torch.save`` writes."""
        if write_item.type is not WriteItemType.BYTE_IO:
            return object
        buffer = io.BytesIO()
        serialization.save(object, buffer)
        return buffer


class DefaultLoadPlanner(LoadPlanner):
    """DefaultLoadPlanner(flatten_state_dict=True, flatten_sharded_tensors=True,
    allow_partial_load=False)

    Every value of the state is looked for in the checkpoint; with ``allow_partial_load`` what is
    not there stays as it is. A derived class may rename values in ``set_up_planner``, or change
    where they go in ``resolve_tensor``, ``commit_tensor`` and ``load_bytes``.

    >>> from rushlight.distributed.checkpoint import DefaultLoadPlanner
    >>> DefaultLoadPlanner(allow_partial_load=True).allow_partial_load
    True
    """

    original_state_dict: dict[str, Any]
    mappings: dict[str, Path]

    def __init__(
        self,
        flatten_state_dict: bool = True,
        flatten_sharded_tensors: bool = True,
        allow_partial_load: bool = False,
    ) -> None:
        self.flatten_state_dict = flatten_state_dict
        self.flatten_sharded_tensors = flatten_sharded_tensors
        self.original_state_dict = {}
        self.mappings = {}
        self.allow_partial_load = allow_partial_load

    def set_up_planner(
        self,
        state_dict: dict[str, Any],
        metadata: Metadata | None = None,
        is_coordinator: bool = False,
    ) -> None:
        """The state that is to be filled: tensors without memory get some."""
        _materialize(state_dict)
        self.original_state_dict = state_dict
        if self.flatten_state_dict:
            state_dict, self.mappings = flatten_state_dict(state_dict)
        self.state_dict = state_dict
        self.metadata = metadata
        self.is_coordinator = is_coordinator

    def create_local_plan(self) -> LoadPlan:
        """What this process holds; RuntimeError or ValueError if the checkpoint does not fit."""
        if self.metadata is None:
            raise AssertionError("self.metadata is not None")
        return create_default_local_load_plan(
            self.state_dict, self.metadata, not self.allow_partial_load
        )

    def create_global_plan(self, global_plan: list[LoadPlan]) -> list[LoadPlan]:
        """The plans as they are."""
        return create_default_global_load_plan(global_plan)

    def finish_plan(self, new_plan: LoadPlan) -> LoadPlan:
        """The plan as it is."""
        return new_plan

    def load_bytes(self, read_item: ReadItem, value: io.BytesIO) -> None:
        """Unpickle a value and put it into the state."""
        name = read_item.dest_index.fqn
        found = serialization.load(value, weights_only=False)
        if self.flatten_state_dict:
            set_element(self.original_state_dict, self.mappings[name], found)
        else:
            self.state_dict[name] = found

    def resolve_tensor(self, read_item: ReadItem) -> torch.Tensor:
        """``transform_tensor`` of ``lookup_tensor``."""
        return self.transform_tensor(read_item, self.lookup_tensor(read_item.dest_index))

    def commit_tensor(self, read_item: ReadItem, tensor: torch.Tensor) -> None:
        """Nothing: the tensor is a view of the state's."""

    def lookup_tensor(self, index: MetadataIndex) -> torch.Tensor:
        """The tensor of the state; of a DTensor the part of this process."""
        found: torch.Tensor = find_state_dict_object(self.state_dict, index)
        return found

    def transform_tensor(self, read_item: ReadItem, tensor: torch.Tensor) -> torch.Tensor:
        """The box that an item is for."""
        return narrowed(tensor, read_item.dest_offsets, read_item.lengths)


class _EmptyStateDictLoadPlanner(DefaultLoadPlanner):
    """Fills an empty dict with the whole checkpoint, or with some names and what is below them."""

    def __init__(self, keys: Iterable[str] | None = None, *args: Any, **kwargs: Any) -> None:
        self.keys = keys
        super().__init__(*args, **kwargs)

    def set_up_planner(
        self,
        state_dict: dict[str, Any],
        metadata: Metadata | None = None,
        is_coordinator: bool = False,
    ) -> None:
        """Make what the list says."""
        if state_dict:
            raise AssertionError("not state_dict")
        if metadata is None:
            raise AssertionError("metadata is not None")
        ways = metadata.planner_data or {}
        for name, known in metadata.state_dict_metadata.items():
            way = ways.get(name, (name,))
            if not self._wanted(name, way):
                continue
            value: Any = known
            if isinstance(known, TensorStorageMetadata):
                value = torch.empty(known.size, dtype=known.properties.dtype)
            set_element(state_dict, way, value)
        super().set_up_planner(state_dict, metadata, is_coordinator)

    def _wanted(self, name: str, way: Path) -> bool:
        if self.keys is None:
            return True
        above = {".".join(map(str, way[: i + 1])) for i in range(len(way))}
        return name in self.keys or not above.isdisjoint(self.keys)


def _materialize(container: Any) -> None:
    """Tensors without memory in nested dicts and lists get some."""
    if not isinstance(container, (dict, list)):
        return
    entries = container.items() if isinstance(container, dict) else enumerate(container)
    for key, value in list(entries):
        if isinstance(value, torch.Tensor) and value.device.type == "meta":
            container[key] = torch.empty_like(value, device="cpu")
        else:
            _materialize(value)


def create_default_local_load_plan(
    state_dict: dict[str, Any], metadata: Metadata, strict: bool = True
) -> LoadPlan:
    """create_default_local_load_plan(state_dict, metadata, strict=True): what has to be read for a
    flat state.

    RuntimeError if a name is not in the checkpoint, unless ``strict`` is False; ValueError if a
    tensor has another shape there.

    >>> from rushlight.distributed.checkpoint import Metadata
    >>> from rushlight.distributed.checkpoint.default_planner import create_default_local_load_plan
    >>> create_default_local_load_plan({"a": 1}, Metadata({}), strict=False)
    LoadPlan(items=[], storage_data=None, planner_data=None)
    """
    items: list[ReadItem] = []
    for name, value in state_dict.items():
        known = metadata.state_dict_metadata.get(name)
        if known is None:
            if strict:
                raise RuntimeError(f"Missing key in checkpoint state_dict: {name}.")
            continue
        shape = getattr(value, "shape", None)
        if isinstance(known, TensorStorageMetadata) and shape not in (None, known.size):
            raise ValueError(
                f"Size mismatch between saved {known.size} and current: {shape} for {name}"
            )
        items += read_items(name, known, value)
    return LoadPlan(items)


def create_default_global_load_plan(all_plans: list[LoadPlan]) -> list[LoadPlan]:
    """create_default_global_load_plan(all_plans): the plans as they are.

    >>> from rushlight.distributed.checkpoint.default_planner import create_default_global_load_plan
    >>> create_default_global_load_plan([])
    []
    """
    return all_plans


def create_default_local_save_plan(state_dict: dict[str, Any], is_coordinator: bool) -> SavePlan:
    """create_default_local_save_plan(state_dict, is_coordinator): all that this process holds of a
    flat state.

    >>> from rushlight.distributed.checkpoint.default_planner import create_default_local_save_plan
    >>> create_default_local_save_plan({"w": torch.ones(2)}, True).items[0].index.fqn
    'w'
    """
    return SavePlan(
        [item for name, value in state_dict.items() for item in write_items(name, value)]
    )


def create_default_global_save_plan(
    all_plans: list[SavePlan], rewrite_index_hints: bool = True
) -> tuple[list[SavePlan], Metadata]:
    """create_default_global_save_plan(all_plans, rewrite_index_hints=True): the list of a
    checkpoint of these plans, and the plans with the numbers of parts.

    >>> from rushlight.distributed.checkpoint.default_planner import (
    ...     create_default_global_save_plan, create_default_local_save_plan,
    ... )
    >>> plan = create_default_local_save_plan({"w": torch.ones(2)}, True)
    >>> create_default_global_save_plan([plan])[1].state_dict_metadata["w"].size
    torch.Size([2])
    """
    known: dict[str, TensorStorageMetadata | BytesStorageMetadata] = {}
    plans = [
        replace(plan, items=[_listed(item, known, rewrite_index_hints) for item in plan.items])
        for plan in all_plans
    ]
    return plans, Metadata(known)


def _listed(
    item: WriteItem,
    known: dict[str, TensorStorageMetadata | BytesStorageMetadata],
    number: bool,
) -> WriteItem:
    """Enter an item into the list; the item with the number of its part."""
    name, data = item.index.fqn, item.tensor_data
    if item.type is not WriteItemType.SHARD and name in known:
        raise AssertionError("item.index.fqn not in md")
    if item.type is WriteItemType.BYTE_IO:
        known[name] = BytesStorageMetadata()
        return item
    if data is None:
        raise AssertionError("item.tensor_data is not None")
    entry = known.setdefault(name, TensorStorageMetadata(data.properties, data.size, []))
    assert isinstance(entry, TensorStorageMetadata)
    entry.chunks.append(data.chunk)
    if not number:
        return item
    return replace(item, index=replace(item.index, index=len(entry.chunks) - 1))


def without_copies(plans: list[SavePlan], to_lowest: bool = False) -> list[SavePlan]:
    """The plans with each item in one of them only: the first, or the one with least to write."""
    holders: dict[MetadataIndex, list[int]] = {}
    items: dict[MetadataIndex, WriteItem] = {}
    for i, plan in enumerate(plans):
        for item in plan.items:
            holders.setdefault(item.index, []).append(i)
            items[item.index] = item
    sizes = [0] * len(plans)
    chosen: dict[MetadataIndex, int] = {}
    for index, among in holders.items():
        i = among[0] if to_lowest else min(among, key=sizes.__getitem__)
        sizes[i] += items[index].tensor_storage_size() or 1
        chosen[index] = i
    return [
        replace(plan, items=[item for item in plan.items if chosen[item.index] == i])
        for i, plan in enumerate(plans)
    ]


def _problems(metadata: Metadata, processes: int) -> Iterable[str]:
    """What is wrong with the parts of tensors."""
    for name, known in metadata.state_dict_metadata.items():
        if isinstance(known, BytesStorageMetadata) or len(known.size) == 0:
            continue
        for chunk in known.chunks:
            ends = [a + n for a, n in zip(chunk.offsets, chunk.sizes, strict=True)]
            below = min(*chunk.offsets, *chunk.sizes) < 0
            if below or any(end > size for end, size in zip(ends, known.size, strict=True)):
                yield f"key:{name} has out of bounds chunk: tensor-size:{known.size} chunk: {chunk}"
        for a, b in _overlaps(known):
            yield f"key:{name} has overlapping chunks: {a} {b}"
        whole, parts = prod(known.size), sum(prod(chunk.sizes) for chunk in known.chunks)
        if processes > 1 and parts != whole:
            yield (f"key:{name} invalid fill tensor-volume: {whole} chunks-volume: {parts}")


def _overlaps(
    known: TensorStorageMetadata,
) -> Iterator[tuple[ChunkStorageMetadata, ChunkStorageMetadata]]:
    """Pairs of parts that overlap: each is compared with those that begin before it ends."""
    longest = max(range(len(known.size)), key=known.size.__getitem__)
    chunks = sorted(known.chunks, key=lambda chunk: chunk.offsets[longest])
    for i, a in enumerate(chunks):
        end = a.offsets[longest] + a.sizes[longest]
        for b in islice(chunks, i + 1, None):
            if b.offsets[longest] >= end:
                break
            if common_box(a, b) is not None:
                yield a, b
