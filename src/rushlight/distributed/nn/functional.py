"""torch.distributed.nn.functional: collectives that gradients pass through.

The gradient of a collective is the collective the other way round: of a broadcast a reduction to
the source, of an all_gather a reduce_scatter, and so on.
"""

from collections.abc import Sequence
from typing import Any

from rushlight import _api as torch
from rushlight.autograd import Function
from rushlight.distributed import collectives as c
from rushlight.distributed.groups import get_rank, get_world_size
from rushlight.distributed.reduce_op import ReduceOp

__all__ = [
    "all_gather",
    "all_reduce",
    "all_to_all",
    "all_to_all_single",
    "broadcast",
    "gather",
    "reduce",
    "reduce_scatter",
    "scatter",
]


class _Broadcast(Function):
    @staticmethod
    def forward(ctx: Any, src: int, group: Any, tensor: torch.Tensor) -> torch.Tensor:
        ctx.src, ctx.group = src, group
        tensor = tensor.clone()
        c.broadcast(tensor, src, group=group)
        return tensor

    @staticmethod
    def backward(ctx: Any, g: torch.Tensor) -> tuple:
        gx = _Reduce.apply(ctx.src, ReduceOp.SUM, ctx.group, g)
        return None, None, gx if get_rank() == ctx.src else torch.zeros_like(gx)


class _Reduce(Function):
    @staticmethod
    def forward(ctx: Any, dst: int, op: Any, group: Any, tensor: torch.Tensor) -> torch.Tensor:
        ctx.src, ctx.group = dst, group
        tensor = tensor.clone()
        c.reduce(tensor, dst, op=op, group=group)
        return tensor

    @staticmethod
    def backward(ctx: Any, g: torch.Tensor) -> tuple:
        return None, None, None, _Broadcast.apply(ctx.src, ctx.group, g)


class _Gather(Function):
    @staticmethod
    def forward(ctx: Any, dst: int, group: Any, tensor: torch.Tensor) -> tuple:
        ctx.dst, ctx.group = dst, group
        outs = [torch.zeros_like(tensor) for _ in range(get_world_size(group))]
        mine = tensor.contiguous()
        c.gather(mine, outs if get_rank(group) == dst else None, dst, group=group)
        return tuple(outs)

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple:
        return None, None, _Scatter.apply(ctx.dst, ctx.group, *grads)


class _Scatter(Function):
    @staticmethod
    def forward(ctx: Any, src: int, group: Any, *tensors: torch.Tensor) -> torch.Tensor:
        ctx.src, ctx.group = src, group
        out = torch.zeros_like(tensors[0])
        mine = [t.contiguous() for t in tensors]
        c.scatter(out, mine if get_rank(group) == src else None, src, group=group)
        return out

    @staticmethod
    def backward(ctx: Any, g: torch.Tensor) -> tuple:
        return None, None, *_Gather.apply(ctx.src, ctx.group, g)


class _ReduceScatter(Function):
    @staticmethod
    def forward(ctx: Any, op: Any, group: Any, like: torch.Tensor, *ins: Any) -> torch.Tensor:
        ctx.group = group
        out = torch.zeros_like(like)
        c.reduce_scatter(out, [t.contiguous() for t in ins], op=op, group=group)
        return out

    @staticmethod
    def backward(ctx: Any, g: torch.Tensor) -> tuple:
        return None, None, None, *_AllGather.apply(ctx.group, g)


class _AllGather(Function):
    @staticmethod
    def forward(ctx: Any, group: Any, tensor: torch.Tensor) -> tuple:
        ctx.group = group
        outs = [torch.empty_like(tensor) for _ in range(get_world_size(group))]
        c.all_gather(outs, tensor.contiguous(), group=group)
        return tuple(outs)

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple:
        return None, _ReduceScatter.apply(ReduceOp.SUM, ctx.group, grads[0], *grads)


class _AllToAll(Function):
    @staticmethod
    def forward(ctx: Any, group: Any, outs: list[torch.Tensor], *ins: torch.Tensor) -> tuple:
        ctx.group = group
        ctx.shapes = [t.shape for t in ins]
        results = [torch.empty_like(t) for t in outs]
        c.all_to_all(results, [t.contiguous() for t in ins], group=group)
        return tuple(results)

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple:
        outs = [torch.empty(s, dtype=grads[0].dtype) for s in ctx.shapes]
        return None, None, *_AllToAll.apply(ctx.group, outs, *grads)


class _AllToAllSingle(Function):
    @staticmethod
    def forward(
        ctx: Any, group: Any, out: torch.Tensor, out_splits: Any, in_splits: Any, x: torch.Tensor
    ) -> torch.Tensor:
        ctx.group, ctx.splits, ctx.shape = group, (out_splits, in_splits), x.shape
        result = torch.empty_like(out)
        c.all_to_all_single(result, x.contiguous(), out_splits, in_splits, group=group)
        return result

    @staticmethod
    def backward(ctx: Any, g: torch.Tensor) -> tuple:
        out = torch.empty(ctx.shape, dtype=g.dtype)
        out_splits, in_splits = ctx.splits
        gx = _AllToAllSingle.apply(ctx.group, out, in_splits, out_splits, g.contiguous())
        return None, None, None, None, gx


class _AllReduce(Function):
    @staticmethod
    def forward(ctx: Any, op: Any, group: Any, tensor: torch.Tensor) -> torch.Tensor:
        ctx.op, ctx.group = op, group
        tensor = tensor.clone(memory_format=torch.contiguous_format)
        c.all_reduce(tensor, op=op, group=group)
        return tensor

    @staticmethod
    def backward(ctx: Any, g: torch.Tensor) -> tuple:
        return None, None, _AllReduce.apply(ctx.op, ctx.group, g)


def broadcast(tensor: torch.Tensor, src: int, group: Any = None) -> torch.Tensor:
    """broadcast(tensor, src, group=WORLD): rank ``src``'s tensor, on all.

    >>> dist = torch.distributed
    >>> dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    >>> dist.nn.broadcast(torch.ones(2), 0)
    tensor([1., 1.])
    >>> dist.destroy_process_group()
    """
    return _Broadcast.apply(src, group, tensor)


def gather(tensor: torch.Tensor, dst: int = 0, group: Any = None) -> tuple[torch.Tensor, ...]:
    """gather(tensor, dst=0, group=WORLD): all tensors, on rank ``dst``; zeros elsewhere.

    >>> dist = torch.distributed
    >>> dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    >>> dist.nn.gather(torch.ones(2), dst=0)
    (tensor([1., 1.]),)
    >>> dist.destroy_process_group()
    """
    return _Gather.apply(dst, group, tensor)


def scatter(tensors: Sequence[torch.Tensor], src: int = 0, group: Any = None) -> torch.Tensor:
    """scatter(tensors, src=0, group=WORLD): each gets its own of rank ``src``'s tensors.

    >>> dist = torch.distributed
    >>> dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    >>> dist.nn.scatter([torch.ones(2)], src=0)
    tensor([1., 1.])
    >>> dist.destroy_process_group()
    """
    return _Scatter.apply(src, group, *tensors)


def reduce(
    tensor: torch.Tensor, dst: int, op: Any = ReduceOp.SUM, group: Any = None
) -> torch.Tensor:
    """reduce(tensor, dst, op=ReduceOp.SUM, group=WORLD): the reduction, on rank ``dst``.

    >>> dist = torch.distributed
    >>> dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    >>> dist.nn.reduce(torch.ones(2), dst=0)
    tensor([1., 1.])
    >>> dist.destroy_process_group()
    """
    return _Reduce.apply(dst, op, group, tensor)


def reduce_scatter(
    output: torch.Tensor,
    input_list: Sequence[torch.Tensor],
    op: Any = ReduceOp.SUM,
    group: Any = None,
) -> torch.Tensor:
    """reduce_scatter(output, input_list, op=ReduceOp.SUM, group=WORLD): the reduction of what all
    have for this process.

    >>> dist = torch.distributed
    >>> dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    >>> dist.nn.reduce_scatter(torch.zeros(2), [torch.ones(2)])
    tensor([1., 1.])
    >>> dist.destroy_process_group()
    """
    return _ReduceScatter.apply(op, group, output, *input_list)


def all_gather(tensor: torch.Tensor, group: Any = None) -> tuple[torch.Tensor, ...]:
    """all_gather(tensor, group=WORLD): all tensors, in the order of ranks.

    >>> dist = torch.distributed
    >>> dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    >>> dist.nn.all_gather(torch.ones(2))
    (tensor([1., 1.]),)
    >>> dist.destroy_process_group()
    """
    return _AllGather.apply(group, tensor)


def all_to_all(
    output_tensor_list: list[torch.Tensor],
    input_tensor_list: Sequence[torch.Tensor],
    group: Any = None,
) -> tuple[torch.Tensor, ...]:
    """all_to_all(output_tensor_list, input_tensor_list, group=WORLD): what all have for this
    process.

    >>> dist = torch.distributed
    >>> dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    >>> dist.nn.all_to_all([torch.zeros(1)], [torch.ones(1)])
    (tensor([1.]),)
    >>> dist.destroy_process_group()
    """
    return _AllToAll.apply(group, output_tensor_list, *input_tensor_list)


def all_to_all_single(
    output: torch.Tensor,
    input: torch.Tensor,
    output_split_sizes: list[int] | None = None,
    input_split_sizes: list[int] | None = None,
    group: Any = None,
) -> torch.Tensor:
    """all_to_all_single(output, input, output_split_sizes=None, input_split_sizes=None,
    group=WORLD): the same with one tensor, cut along its first dimension.

    >>> dist = torch.distributed
    >>> dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    >>> dist.nn.all_to_all_single(torch.zeros(2), torch.ones(2))
    tensor([1., 1.])
    >>> dist.destroy_process_group()
    """
    return _AllToAllSingle.apply(group, output, output_split_sizes, input_split_sizes, input)


def all_reduce(tensor: torch.Tensor, op: Any = ReduceOp.SUM, group: Any = None) -> torch.Tensor:
    """all_reduce(tensor, op=ReduceOp.SUM, group=WORLD): the reduction, on all.

    >>> dist = torch.distributed
    >>> dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    >>> x = torch.ones(2, requires_grad=True)
    >>> dist.nn.all_reduce(x).sum().backward(); x.grad
    tensor([1., 1.])
    >>> dist.destroy_process_group()
    """
    return _AllReduce.apply(op, group, tensor)
