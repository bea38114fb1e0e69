"""Changing how a tensor lies on a group of processes, with gradients.

The gradient of something replicated is the same on all processes; that of a shard is the shard's.
"""

from typing import Any

from rushlight import _api as torch
from rushlight.autograd import Function
from rushlight.distributed.collectives import all_gather, all_reduce
from rushlight.distributed.process_group import ProcessGroup
from rushlight.distributed.reduce_op import ReduceOp
from rushlight.distributed.tensor.placement_types import Shard

_OPS = {
    "sum": ReduceOp.SUM,
    "avg": ReduceOp.AVG,
    "max": ReduceOp.MAX,
    "min": ReduceOp.MIN,
    "product": ReduceOp.PRODUCT,
}


def shard_of(t: torch.Tensor, dim: int, group: ProcessGroup) -> torch.Tensor:
    """The own part along a dimension."""
    find = Shard.local_shard_size_and_offset
    size, start = find(t.shape[dim], group.size(), group.rank())
    return t.narrow(dim, start, size)


def gathered(t: torch.Tensor, dim: int, group: ProcessGroup, total: int) -> torch.Tensor:
    """All parts along a dimension of ``total`` elements."""
    size = group.size()
    find = Shard.local_shard_size_and_offset
    lengths = [find(total, size, r)[0] for r in range(size)]
    shape = list(t.shape)
    shape[dim] = max(lengths)
    padded = t.detach().contiguous()
    if t.shape[dim] != shape[dim]:
        padded = torch.zeros(shape, dtype=t.dtype, device=t.device)
        padded.narrow(dim, 0, t.shape[dim]).copy_(t.detach())
    parts = [torch.empty(shape, dtype=t.dtype, device=t.device) for _ in range(size)]
    all_gather(parts, padded, group=group)
    return torch.cat([p.narrow(dim, 0, n) for p, n in zip(parts, lengths, strict=True)], dim)


def reduced(t: torch.Tensor, group: ProcessGroup, op: str = "sum") -> torch.Tensor:
    """The reduction over the group, as a new tensor."""
    t = t.detach().clone(memory_format=torch.contiguous_format)
    all_reduce(t, op=_OPS[op], group=group)
    return t


class Gather(Function):
    """Shard to Replicate."""

    @staticmethod
    def forward(ctx: Any, t: torch.Tensor, dim: int, group: Any, total: int) -> torch.Tensor:
        """All parts."""
        ctx.dim, ctx.group = dim, group
        return gathered(t, dim, group, total)

    @staticmethod
    def backward(ctx: Any, g: torch.Tensor) -> tuple:
        """The own part."""
        return shard_of(g, ctx.dim, ctx.group).contiguous(), None, None, None


class Split(Function):
    """Replicate to Shard."""

    @staticmethod
    def forward(ctx: Any, t: torch.Tensor, dim: int, group: Any) -> torch.Tensor:
        """The own part."""
        ctx.dim, ctx.group, ctx.total = dim, group, t.shape[dim]
        return shard_of(t, dim, group).clone()

    @staticmethod
    def backward(ctx: Any, g: torch.Tensor) -> tuple:
        """All parts."""
        return gathered(g, ctx.dim, ctx.group, ctx.total), None, None


class Reduce(Function):
    """Partial to Replicate: the sum forwards, the gradient as it is backwards."""

    @staticmethod
    def forward(ctx: Any, t: torch.Tensor, group: Any, op: str) -> torch.Tensor:
        """The reduction."""
        ctx.scale = 1 / group.size() if op == "avg" else 1
        return reduced(t, group, op)

    @staticmethod
    def backward(ctx: Any, g: torch.Tensor) -> tuple:
        """What each has put in counts fully."""
        return g if ctx.scale == 1 else g * ctx.scale, None, None


class Spread(Function):
    """A replicated input of computations that differ: as it is forwards, gradients summed up."""

    @staticmethod
    def forward(ctx: Any, t: torch.Tensor, group: Any) -> torch.Tensor:
        """The tensor."""
        ctx.group = group
        return t.view_as(t)

    @staticmethod
    def backward(ctx: Any, g: torch.Tensor) -> tuple:
        """The sum of what all processes' computations give."""
        return reduced(g, ctx.group), None
