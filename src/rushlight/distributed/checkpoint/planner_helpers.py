"""torch.distributed.checkpoint.planner_helpers: values as items to write and to read."""

from collections.abc import Sequence
from typing import Any

from rushlight import _api as torch
from rushlight.distributed.checkpoint.metadata import (
    BytesStorageMetadata,
    ChunkStorageMetadata,
    MetadataIndex,
    TensorProperties,
    TensorStorageMetadata,
)
from rushlight.distributed.checkpoint.planner import (
    LoadItemType,
    ReadItem,
    TensorWriteData,
    WriteItem,
    WriteItemType,
)
from rushlight.distributed.tensor._utils import compute_local_shape_and_global_offset
from rushlight.distributed.tensor.dtensor import DTensor, part_of
from rushlight.distributed.tensor.placement_types import Partial

__all__ = ["create_read_items_for_chunk_list"]


def chunk_of(t: torch.Tensor) -> ChunkStorageMetadata | None:
    """The part of the whole tensor that this process has; None if it has none of it."""
    if not isinstance(t, DTensor):
        return ChunkStorageMetadata(torch.Size([0] * t.ndim), torch.Size(t.shape))
    if any(isinstance(p, Partial) for p in t.placements):
        raise NotImplementedError("a Partial tensor cannot be saved: redistribute it first")
    if t.device_mesh.get_coordinate() is None:
        return None
    sizes, starts = compute_local_shape_and_global_offset(t.shape, t.device_mesh, t.placements)
    if 0 in sizes and 0 not in t.shape:
        return None
    return ChunkStorageMetadata(torch.Size(starts), torch.Size(sizes))


def write_items(name: str, value: Any) -> list[WriteItem]:
    """What this process could write of a value; others may have the same."""
    if hasattr(value, "__create_write_items__"):  # a class of tensors that knows it
        items: list[WriteItem] = value.__create_write_items__(name, value)
        return items
    if not isinstance(value, torch.Tensor):
        return [WriteItem(MetadataIndex(name), WriteItemType.BYTE_IO)]
    chunk = chunk_of(value)
    if chunk is None:
        return []
    part = part_of(value) if isinstance(value, DTensor) else value
    properties = TensorProperties.create_from_tensor(part)
    kind = WriteItemType.SHARD if isinstance(value, DTensor) else WriteItemType.TENSOR
    data = TensorWriteData(chunk, properties, torch.Size(value.shape))
    return [WriteItem(MetadataIndex(name, chunk.offsets), kind, tensor_data=data)]


def chunks_of(value: Any) -> list[ChunkStorageMetadata]:
    """The parts of a tensor that this process has."""
    if hasattr(value, "__create_chunk_list__"):
        chunks: list[ChunkStorageMetadata] = value.__create_chunk_list__()
        return chunks
    if not isinstance(value, torch.Tensor):
        raise ValueError(
            "Unsupported Type, expecting one of [Tensor, DTensor, ShardedTensor] "
            f",but got {type(value)}"
        )
    chunk = chunk_of(value)
    return [] if chunk is None else [chunk]


def read_items(
    name: str, known: TensorStorageMetadata | BytesStorageMetadata, value: Any
) -> list[ReadItem]:
    """What this process has to read for a value."""
    if isinstance(known, BytesStorageMetadata):
        index, zero = MetadataIndex(name), torch.Size([0])
        return [ReadItem(LoadItemType.BYTE_IO, index, zero, index, zero, zero)]
    try:
        chunks = chunks_of(value)
    except ValueError as error:
        raise ValueError(
            f"Invalid checkpoint metadata for {name}, "
            f"expected BytesStorageMetadata but found {type(known)}"
        ) from error
    return create_read_items_for_chunk_list(name, known, chunks)


def create_read_items_for_chunk_list(
    fqn: str, checkpoint_md: TensorStorageMetadata, local_chunks: list[ChunkStorageMetadata]
) -> list[ReadItem]:
    """create_read_items_for_chunk_list(fqn, checkpoint_md, local_chunks): what has to be read of
    a saved tensor to fill some parts of it, which may be cut otherwise.

    >>> from rushlight.distributed.checkpoint import ChunkStorageMetadata, TensorStorageMetadata
    >>> from rushlight.distributed.checkpoint.metadata import TensorProperties
    >>> from rushlight.distributed.checkpoint.planner_helpers import (
    ...     create_read_items_for_chunk_list,
    ... )
    >>> Size = torch.Size
    >>> halves = [ChunkStorageMetadata(Size([i]), Size([3])) for i in (0, 3)]
    >>> saved = TensorStorageMetadata(TensorProperties(), Size([6]), halves)
    >>> middle = ChunkStorageMetadata(Size([2]), Size([2]))
    >>> for item in create_read_items_for_chunk_list("w", saved, [middle]):
    ...     print(item.storage_index.offset, item.storage_offsets, item.lengths)
    torch.Size([0]) torch.Size([2]) torch.Size([1])
    torch.Size([3]) torch.Size([0]) torch.Size([1])
    """
    items = []
    for i, ours in enumerate(local_chunks):
        for j, theirs in enumerate(checkpoint_md.chunks):
            box = common_box(ours, theirs)
            if box is None:
                continue
            starts, lengths = box
            items.append(
                ReadItem(
                    LoadItemType.TENSOR,
                    MetadataIndex(fqn, ours.offsets, i),
                    _minus(starts, ours.offsets),
                    MetadataIndex(fqn, theirs.offsets, j),
                    _minus(starts, theirs.offsets),
                    torch.Size(lengths),
                )
            )
    return items


def common_box(
    a: ChunkStorageMetadata, b: ChunkStorageMetadata
) -> tuple[list[int], list[int]] | None:
    """Where two boxes overlap: start and lengths, or None."""
    starts = [max(x, y) for x, y in zip(a.offsets, b.offsets, strict=True)]
    ends = [
        min(x + m, y + n) for x, m, y, n in zip(a.offsets, a.sizes, b.offsets, b.sizes, strict=True)
    ]
    if any(end <= start for start, end in zip(starts, ends, strict=True)):
        return None
    return starts, [end - start for start, end in zip(starts, ends, strict=True)]


def _minus(a: Sequence[int], b: Sequence[int]) -> torch.Size:
    return torch.Size([x - y for x, y in zip(a, b, strict=True)])


def narrowed(t: torch.Tensor, offsets: Sequence[int], sizes: Sequence[int]) -> torch.Tensor:
    """A box of a tensor: a view."""
    return t[tuple(slice(a, a + n) for a, n in zip(offsets, sizes, strict=True))]


def find_state_dict_object(state: dict[str, Any], index: MetadataIndex) -> Any:
    """A value of a flat state, of a DTensor the part of this process; ValueError if it is not
    there.
    """
    name, where = index.fqn, index.offset
    if name not in state:
        raise ValueError(f"Could not find FQN: '{name}'")
    value = state[name]
    if hasattr(value, "__get_tensor_shard__"):
        return value.__get_tensor_shard__(index)
    if isinstance(value, DTensor):
        return part_of(value)
    at_origin = isinstance(value, torch.Tensor) and where == torch.Size([0] * value.ndim)
    if where is not None and not at_origin:
        raise ValueError(f"FQN: '{name}' is not a ShardedTensor, can't find by offset: '{where}'")
    return value
