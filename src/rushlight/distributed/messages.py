"""send, recv and their asynchronous forms."""

import contextlib
from typing import Any

from rushlight import _api as torch
from rushlight.distributed import checks
from rushlight.distributed.arrays import Flat
from rushlight.distributed.groups import (
    get_process_group_ranks,
    not_in_group,
    the_group,
    warn_not_in_group,
)
from rushlight.distributed.work import Work

__all__ = ["P2POp", "batch_isend_irecv", "irecv", "isend", "recv", "send"]


def isend(
    tensor: torch.Tensor,
    dst: int | None = None,
    group: Any = None,
    tag: int = 0,
    group_dst: int | None = None,
) -> Work | None:
    """isend(tensor, dst=None, group=None, tag=0, group_dst=None)

    Begin to send the tensor to a rank; it must not be written to before the work is done.

    >>> dist = torch.distributed
    >>> dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    >>> dist.isend(torch.ones(1), 0)
    Traceback (most recent call last):
        ...
    ValueError: Invalid destination rank: destination rank should not be the same as the rank
    >>> dist.destroy_process_group()
    """
    if not_in_group(group):
        checks.single(tensor, "tensor")
        warn_not_in_group("isend")
        return None
    pg = the_group(group)
    peer = checks.not_self(pg, checks.group_rank(pg, dst, group_dst, None), "destination")
    checks.single(tensor, "tensor")
    checks.reachable(tensor)
    flat = Flat(tensor)
    name = f"send to rank {pg.ranks[peer]}"
    if tensor.is_cuda:
        gpu = pg.gpu_engine(tensor)
        return pg.launch(name, lambda: gpu.send(flat.x, peer), [tensor])
    return pg.message(name, lambda: pg.engine.isend(flat.x, peer, tag), [tensor], lambda: None)


def irecv(
    tensor: torch.Tensor,
    src: int | None = None,
    group: Any = None,
    tag: int = 0,
    group_src: int | None = None,
) -> Work | None:
    """irecv(tensor, src=None, group=None, tag=0, group_src=None)

    Begin to receive from a rank (None: any) into the tensor.

    >>> dist = torch.distributed
    >>> dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    >>> dist.irecv(torch.ones(1), 0)
    Traceback (most recent call last):
        ...
    ValueError: Invalid source rank: source rank should not be the same as the rank
    >>> dist.destroy_process_group()
    """
    checks.single(tensor, "tensor")
    if not_in_group(group):
        warn_not_in_group("irecv")
        return None
    pg = the_group(group)
    peer = None
    if src is not None or group_src is not None:
        peer = checks.group_rank(pg, src, group_src, None)
        checks.not_self(pg, peer, "source")
    checks.reachable(tensor)
    flat = Flat(tensor)
    if tensor.is_cuda:
        return _receive_on_gpu(pg, tensor, flat, peer)
    name = "recv from any rank" if peer is None else f"recv from rank {pg.ranks[peer]}"
    begin = lambda: pg.engine.irecv(flat.x, peer, tag)  # noqa: E731
    return pg.message(name, begin, [tensor], flat.write_back)


def _receive_on_gpu(pg: Any, tensor: torch.Tensor, flat: Flat, peer: int | None) -> Work:
    if peer is None:
        raise ValueError("NCCL receives from one rank only: name it, recv(tensor, src=...)")
    gpu = pg.gpu_engine(tensor)

    def run() -> None:
        gpu.receive(flat.x, peer)
        flat.write_back()

    work: Work = pg.launch(f"recv from rank {pg.ranks[peer]}", run, [tensor])
    work._source = pg.ranks[peer]
    return work


def send(
    tensor: torch.Tensor,
    dst: int | None = None,
    group: Any = None,
    tag: int = 0,
    group_dst: int | None = None,
) -> None:
    """send(tensor, dst=None, group=None, tag=0, group_dst=None): send the tensor to a rank.

    >>> dist = torch.distributed
    >>> dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    >>> # with two processes: rank 0 does send(x, 1), rank 1 recv(x, 0)
    >>> dist.send(torch.ones(1), 0)
    Traceback (most recent call last):
        ...
    ValueError: Invalid destination rank: destination rank should not be the same as the rank
    >>> dist.destroy_process_group()
    """
    work = isend(tensor, dst, group, tag, group_dst)
    if work is not None:
        work.wait()


def recv(
    tensor: torch.Tensor,
    src: int | None = None,
    group: Any = None,
    tag: int = 0,
    group_src: int | None = None,
) -> int:
    """recv(tensor, src=None, group=None, tag=0, group_src=None)

    Receive into the tensor from a rank (None: any); returns the rank it came from.

    >>> dist = torch.distributed
    >>> dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    >>> dist.recv(torch.ones(1), 0)
    Traceback (most recent call last):
        ...
    ValueError: Invalid source rank: source rank should not be the same as the rank
    >>> dist.destroy_process_group()
    """
    work = irecv(tensor, src, group, tag, group_src)
    if work is None:
        return -1
    work.wait()
    return work.source_rank()


class P2POp:
    """P2POp(op, tensor, peer=None, group=None, tag=0, group_peer=None)

    One message of a batch: ``op`` is ``isend`` or ``irecv``. ValueError for another.

    >>> dist = torch.distributed
    >>> dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    >>> dist.P2POp(dist.isend, torch.ones(2), 1).peer
    1
    >>> dist.destroy_process_group()
    """

    def __init__(
        self,
        op: Any,
        tensor: torch.Tensor,
        peer: int | None = None,
        group: Any = None,
        tag: int = 0,
        group_peer: int | None = None,
    ) -> None:
        if op not in (isend, irecv):
            raise ValueError(
                "Invalid ``op``. Expected ``op`` "
                "to be of type ``torch.distributed.isend`` or "
                "``torch.distributed.irecv``."
            )
        checks.single(tensor, "tensor")
        self.op, self.tensor, self.tag = op, tensor, tag
        self.group = the_group(group)
        if group_peer is None and peer is not None and peer in self.group.ranks:
            group_peer = self.group.ranks.index(peer)
        elif group_peer is None:
            group_peer = (
                peer if peer is not None else checks.group_rank(self.group, None, None, None)
            )
        self.group_peer = group_peer
        ranks = self.group.ranks
        self.peer = ranks[group_peer] if 0 <= group_peer < len(ranks) else group_peer

    def __repr__(self) -> str:
        me = self.group.rank()
        source, target = (me, self.group_peer) if self.op is isend else (self.group_peer, me)
        return (
            f"P2POp({self.op.__name__} pg={self.group.group_name}, group_src={source}, "
            f"group_dst={target},  {self.tensor.shape}, {self.tensor.dtype})"
        )


def batch_isend_irecv(p2p_op_list: list[P2POp]) -> list[Work]:
    """batch_isend_irecv(p2p_op_list): begin all messages; their works.

    ValueError for something else than :class:`P2POp`, or ops of different groups.

    >>> dist = torch.distributed
    >>> dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    >>> dist.batch_isend_irecv([1])
    Traceback (most recent call last):
        ...
    ValueError: Invalid ``p2p_op_list``. Each op is expected to be of type P2POp.
    >>> dist.destroy_process_group()
    """
    first = p2p_op_list[0]
    if not all(isinstance(op, P2POp) for op in p2p_op_list):
        raise ValueError(
            "Invalid ``p2p_op_list``. Each op is expected to "
            "to be of type ``torch.distributed.P2POp``."
        )
    if not all(op.group is first.group for op in p2p_op_list):
        raise ValueError("All ops need to use the same group.")
    get_process_group_ranks(first.group)
    with contextlib.ExitStack() as stack:
        if first.tensor.is_cuda:  # NCCL wants to know what is to be under way at once
            stack.enter_context(first.group.gpu_engine(first.tensor).together())
        works = [_begun(op) for op in p2p_op_list]
    return [work for work in works if work is not None]


def _begun(op: P2POp) -> Work | None:
    if op.op is isend:
        return isend(op.tensor, group=op.group, tag=op.tag, group_dst=op.group_peer)
    return irecv(op.tensor, group=op.group, tag=op.tag, group_src=op.group_peer)
