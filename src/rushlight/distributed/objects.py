"""Collectives for any objects that can be pickled."""

import pickle
from typing import Any

from rushlight import _api as torch
from rushlight.distributed import checks
from rushlight.distributed.collectives import all_gather, all_gather_into_tensor, broadcast, scatter
from rushlight.distributed.groups import not_in_group, the_group, warn_not_in_group
from rushlight.distributed.messages import recv, send
from rushlight.distributed.process_group import ProcessGroup

__all__ = [
    "all_gather_object",
    "broadcast_object_list",
    "gather_object",
    "recv_object_list",
    "scatter_object_list",
    "send_object_list",
]


def packed(obj: Any) -> torch.Tensor:
    """An object as a tensor of bytes."""
    return torch.frombuffer(bytearray(pickle.dumps(obj)), dtype=torch.uint8)


def unpacked(data: torch.Tensor, size: int) -> Any:
    """The object of the first bytes."""
    return pickle.loads(data.numpy()[:size].tobytes())


def _exchange(pg: ProcessGroup, obj: Any) -> tuple[list[int], list[torch.Tensor]]:
    """The objects of all, as bytes, and how many bytes each is."""
    data = packed(obj)
    sizes = torch.zeros(pg.size(), dtype=torch.int64)
    all_gather_into_tensor(sizes, torch.tensor([data.numel()]), group=pg)
    longest = int(sizes.max())
    padded = torch.zeros(longest, dtype=torch.uint8)
    padded[: data.numel()] = data
    outs = [torch.zeros(longest, dtype=torch.uint8) for _ in range(pg.size())]
    all_gather(outs, padded, group=pg)
    return sizes.tolist(), outs


def all_gather_object(object_list: list[Any], obj: Any, group: Any = None) -> None:
    """all_gather_object(object_list, obj, group=None)

    The objects of all processes are put into the list. They are pickled: trust the processes.

    >>> dist = torch.distributed
    >>> dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    >>> found = [None]; dist.all_gather_object(found, {"a": 1}); found
    [{'a': 1}]
    >>> dist.destroy_process_group()
    """
    if not_in_group(group):
        warn_not_in_group("all_gather_object")
        return
    pg = the_group(group)
    sizes, outs = _exchange(pg, obj)
    for i, (size, out) in enumerate(zip(sizes, outs, strict=True)):
        object_list[i] = unpacked(out, size)


def gather_object(
    obj: Any,
    object_gather_list: list[Any] | None = None,
    dst: int | None = None,
    group: Any = None,
    group_dst: int | None = None,
) -> None:
    """gather_object(obj, object_gather_list=None, dst=None, group=None, group_dst=None)

    The objects of all processes are put into the list of rank ``dst`` (0).

    >>> dist = torch.distributed
    >>> dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    >>> found = [None]; dist.gather_object('a', found, dst=0); found
    ['a']
    >>> dist.destroy_process_group()
    """
    if not_in_group(group):
        warn_not_in_group("gather_object")
        return
    pg = the_group(group)
    root = checks.root(pg, checks.group_rank(pg, dst, group_dst, 0), "gather")
    if pg.rank() == root:
        if not object_gather_list:
            raise ValueError("Argument ``gather_list`` must be specified on destination rank.")
    elif object_gather_list:
        raise ValueError("Argument ``gather_list`` must NOT be specified on non-destination ranks.")
    sizes, outs = _exchange(pg, obj)
    if pg.rank() == root and object_gather_list is not None:
        for i, (size, out) in enumerate(zip(sizes, outs, strict=True)):
            object_gather_list[i] = unpacked(out, size)


def broadcast_object_list(
    object_list: list[Any],
    src: int | None = None,
    group: Any = None,
    device: Any = None,
    group_src: int | None = None,
) -> None:
    """broadcast_object_list(object_list, src=None, group=None, device=None, group_src=None)

    The list of rank ``src`` (0) goes to all.

    >>> dist = torch.distributed
    >>> dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    >>> found = [1, 'a']; dist.broadcast_object_list(found, src=0); found
    [1, 'a']
    >>> dist.destroy_process_group()
    """
    if not_in_group(group):
        warn_not_in_group("broadcast_object_list")
        return
    pg = the_group(group)
    root = checks.root(pg, checks.group_rank(pg, src, group_src, 0), "broadcast")
    data = [packed(obj) for obj in object_list] if pg.rank() == root else []
    sizes = torch.zeros(len(object_list), dtype=torch.int64)
    if data:
        sizes.copy_(torch.tensor([d.numel() for d in data]))
    broadcast(sizes, group=pg, group_src=root)
    everything = torch.cat(data) if data else torch.zeros(int(sizes.sum()), dtype=torch.uint8)
    broadcast(everything, group=pg, group_src=root)
    if pg.rank() != root:
        for i, part in enumerate(everything.split(sizes.tolist())):
            object_list[i] = unpacked(part, part.numel())


def scatter_object_list(
    scatter_object_output_list: list[Any],
    scatter_object_input_list: list[Any] | None = None,
    src: int | None = None,
    group: Any = None,
    group_src: int | None = None,
) -> None:
    """scatter_object_list(scatter_object_output_list, scatter_object_input_list=None, src=None,
    group=None, group_src=None)

    Each process gets, as the first of its output list, its own of the input list of rank ``src``.

    >>> dist = torch.distributed
    >>> dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    >>> found = [None]; dist.scatter_object_list(found, ['a'], src=0); found
    ['a']
    >>> dist.destroy_process_group()
    """
    if not_in_group(group):
        warn_not_in_group("scatter_object_list")
        return
    if not isinstance(scatter_object_output_list, list) or len(scatter_object_output_list) < 1:
        raise ValueError(
            "Expected argument scatter_object_output_list to be a list of size at least 1."
        )
    pg = the_group(group)
    root = checks.root(pg, checks.group_rank(pg, src, group_src, 0), "scatter")
    data: list[torch.Tensor] = []
    sizes = torch.zeros(pg.size(), dtype=torch.int64)
    if pg.rank() == root:
        if scatter_object_input_list is None:
            raise ValueError("source rank must provide non-None scatter_object_input_list")
        data = [packed(obj) for obj in scatter_object_input_list]
        sizes.copy_(torch.tensor([d.numel() for d in data]))
    broadcast(sizes, group=pg, group_src=root)
    longest, mine = int(sizes.max()), int(sizes[pg.rank()])
    padded = [torch.cat([d, torch.zeros(longest - d.numel(), dtype=torch.uint8)]) for d in data]
    received = torch.zeros(longest, dtype=torch.uint8)
    scatter(received, padded or None, group=pg, group_src=root)
    scatter_object_output_list[0] = unpacked(received, mine)


def send_object_list(
    object_list: list[Any],
    dst: int | None = None,
    group: Any = None,
    device: Any = None,
    group_dst: int | None = None,
    use_batch: bool = False,
) -> None:
    """send_object_list(object_list, dst=None, group=None, device=None, group_dst=None)

    Send objects to a rank.

    >>> dist = torch.distributed
    >>> dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    >>> dist.send_object_list([1], dst=0)
    Traceback (most recent call last):
        ...
    ValueError: Invalid destination rank: destination rank should not be the same as the rank
    >>> dist.destroy_process_group()
    """
    if not_in_group(group):
        warn_not_in_group("send_object_list")
        return
    pg = the_group(group)
    peer = checks.group_rank(pg, dst, group_dst, None)
    data = [packed(obj) for obj in object_list]
    send(torch.tensor([d.numel() for d in data], dtype=torch.int64), group=pg, group_dst=peer)
    send(torch.cat(data), group=pg, group_dst=peer)


def recv_object_list(
    object_list: list[Any],
    src: int | None = None,
    group: Any = None,
    device: Any = None,
    group_src: int | None = None,
    use_batch: bool = False,
) -> int:
    """recv_object_list(object_list, src=None, group=None, device=None, group_src=None)

    Receive as many objects as the list is long; returns the rank they came from.

    >>> dist = torch.distributed
    >>> dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    >>> dist.recv_object_list([None], src=0)
    Traceback (most recent call last):
        ...
    ValueError: Invalid source rank: source rank should not be the same as the rank
    >>> dist.destroy_process_group()
    """
    if not_in_group(group):
        warn_not_in_group("recv_object_list")
        return -1
    pg = the_group(group)
    peer = None
    if src is not None or group_src is not None:
        peer = checks.group_rank(pg, src, group_src, None)
    sizes = torch.zeros(len(object_list), dtype=torch.int64)
    source = recv(sizes, group=pg, group_src=peer)
    data = torch.zeros(int(sizes.sum()), dtype=torch.uint8)
    recv(data, source, group=pg)
    for i, part in enumerate(data.split(sizes.tolist())):
        object_list[i] = unpacked(part, part.numel())
    return source
