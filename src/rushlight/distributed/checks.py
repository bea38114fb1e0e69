"""What the arguments of collectives must be."""

from collections.abc import Sequence
from typing import Any

from rushlight import _api as torch
from rushlight.distributed.groups import get_global_rank, get_group_rank, the_group
from rushlight.distributed.process_group import ProcessGroup


def single(param: Any, name: str) -> None:
    """TypeError unless it is a tensor."""
    if not isinstance(param, torch.Tensor):
        raise TypeError(
            f"""Invalid function argument. Expected parameter `{name}` of type torch.Tensor
             but got {type(param)} instead."""
        )


def several(param: Any, name: str) -> None:
    """TypeError unless it is a list of tensors."""
    start = f"Invalid function argument. Expected parameter `{name}` of type List[torch.Tensor]"
    if not isinstance(param, (list, tuple)):
        raise TypeError(
            f"""{start}
             but got {type(param)} instead."""
        )
    if not all(isinstance(p, torch.Tensor) for p in param):
        raise TypeError(
            f"""{start}
             but got {type(param)} with elements of type {[type(p) for p in param]}."""
        )


def _all_tensors(values: Sequence[Any]) -> list[torch.Tensor]:
    found: list[torch.Tensor] = []
    for value in values:
        found += _all_tensors(value) if isinstance(value, (list, tuple)) else [value]
    return found


def same_dtype(*values: Any) -> None:
    """ValueError unless all tensors have one dtype."""
    found = _all_tensors(values)
    for t in found[1:]:
        if t.dtype != found[0].dtype:
            raise ValueError(
                "Invalid usage of tensors with different dtypes"
                f"Found {found[0].dtype} and  {t.dtype}"
            )


def reachable(*values: Any) -> None:
    """RuntimeError for tensors that no backend has a way to."""
    for t in _all_tensors(values):
        if t.device.type not in ("cpu", "cuda"):
            raise RuntimeError(
                f"No backend type associated with device type {t.device.type}: "
                "copy the tensor to the CPU first"
            )


def group_rank(
    group: ProcessGroup, global_rank: int | None, rank_in_group: int | None, default: int | None
) -> int:
    """The rank in the group that a pair of arguments (src, group_src) means."""
    if rank_in_group is not None:
        if global_rank is not None:
            raise ValueError("Can't specify both group_rank and global_rank")
        get_global_rank(group, rank_in_group)
        return rank_in_group
    if global_rank is None:
        if default is None:
            raise ValueError("Must specify global_rank or group_rank")
        return default
    return get_group_rank(group, global_rank)


def root(group: ProcessGroup, rank: int, name: str) -> int:
    """RuntimeError if there is no such rank."""
    if not 0 <= rank < group.size():
        raise RuntimeError(f"ProcessGroupGloo::{name}: invalid root rank: {rank}")
    return rank


def not_self(group: ProcessGroup, rank: int, kind: str) -> int:
    """ValueError for a message to oneself."""
    if rank == the_group(group).rank():
        raise ValueError(
            f"Invalid {kind} rank: {kind} rank should not be the same as "
            "the rank of the current process."
        )
    return rank


def sizes(outs: Sequence[torch.Tensor], like: torch.Tensor, name: str) -> None:
    """RuntimeError unless all have the shape and dtype of the other."""
    for i, out in enumerate(outs):
        if out.shape != like.shape:
            expected = ", ".join(map(str, like.shape))
            got = ", ".join(map(str, out.shape))
            raise RuntimeError(
                f"ProcessGroupGloo::{name}: invalid tensor size at index {i} "
                f"(expected ({expected}), got ({got}))"
            )


def length(outs: Sequence[Any], size: int, name: str) -> None:
    """RuntimeError unless there is one for each rank."""
    if len(outs) != size:
        raise RuntimeError(
            f"ProcessGroupGloo::{name}: invalid output tensor list at index 0 "
            f"(expected length {size}, got {len(outs)})"
        )


def text(*tensors: torch.Tensor) -> str:
    """Shapes and dtypes, for comparison between processes."""
    return ", ".join(f"{list(t.shape)} {t.dtype}" for t in tensors)
