"""The collectives: what all processes of a group do together."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from typing import Any

import numpy as np

from rushlight import _api as torch
from rushlight.distributed import checks, nccl
from rushlight.distributed.arrays import Flat, cut, flats
from rushlight.distributed.errors import DistBackendError
from rushlight.distributed.groups import (
    default_group,
    not_in_group,
    the_group,
    warn_not_in_group,
)
from rushlight.distributed.process_group import ProcessGroup
from rushlight.distributed.reduce_op import RedOpType, ReduceOp, Reduction
from rushlight.distributed.work import Work

_COMPLEX = {RedOpType.SUM, RedOpType.AVG, RedOpType.PREMUL_SUM}


def supports_complex(reduceOp: Any) -> bool:  # noqa: N803 (PyTorch's name)
    """Whether a reduction is defined for complex numbers.

    >>> torch.distributed.supports_complex(torch.distributed.ReduceOp.MAX)
    False
    """
    return getattr(reduceOp, "op", reduceOp) in _COMPLEX


def _run(
    group: ProcessGroup,
    name: str,
    action: Callable[[], object],
    result: list[torch.Tensor],
    async_op: bool,
    written: Sequence[Flat] = (),
    check: str | None = None,
) -> Work | None:
    """Do it, or begin it; tensors that are not contiguous get their results at the end."""
    if _open is not None:
        async_op = True

    def run() -> None:
        action()
        for flat in written:
            flat.write_back()

    if result and result[0].is_cuda:
        work: Work = group.launch(name, run, result, check)
        if not async_op:
            work.wait()
    else:
        work = group.run(name, run, result, async_op, check=check)
    if _open is not None:
        _open.append(work)
        return None
    return work if async_op else None


def _reduction(op: Any, x: np.ndarray, group: ProcessGroup) -> Reduction:
    return Reduction(op, x.dtype, group.size())


def _check_complex(tensor: torch.Tensor, op: Any, name: str) -> None:
    if tensor.is_complex() and not supports_complex(op):
        raise ValueError(f"{name} does not support {op} on complex tensors")


def all_reduce(
    tensor: torch.Tensor, op: Any = ReduceOp.SUM, group: Any = None, async_op: bool = False
) -> Work | None:
    """all_reduce(tensor, op=ReduceOp.SUM, group=None, async_op=False)

    The tensor becomes, on all processes, the reduction of all their tensors.

    With ``async_op`` a :class:`Work` is returned at once. ValueError for a reduction that complex
    numbers do not have, RuntimeError for one that the dtype does not have.

    >>> store = torch.distributed.HashStore()
    >>> torch.distributed.init_process_group("gloo", store=store, rank=0, world_size=1)
    >>> x = torch.ones(2); torch.distributed.all_reduce(x); x
    tensor([1., 1.])
    >>> torch.distributed.destroy_process_group()
    """
    checks.single(tensor, "tensor")
    if not_in_group(group):
        warn_not_in_group("all_reduce")
        return None
    _check_complex(tensor, op, "all_reduce")
    pg = the_group(group)
    if tensor.is_sparse:
        return _sparse_all_reduce(tensor, op, pg, async_op)
    checks.reachable(tensor)
    flat = Flat(tensor)
    r = _reduction(op, flat.x, pg)
    check = f"{checks.text(tensor)}, {op}"
    engine = pg.engine_of(tensor)
    return _run(
        pg, "all_reduce", lambda: engine.allreduce(flat.x, r), [tensor], async_op, [flat], check
    )


def _sparse_all_reduce(t: torch.Tensor, op: Any, pg: ProcessGroup, async_op: bool) -> Work | None:
    """The sum of sparse tensors: their entries put together."""
    if getattr(op, "op", op) is not RedOpType.SUM:
        raise RuntimeError("ProcessGroupGloo::allreduce: sparse allreduce is only for SUM")
    mine = t.coalesce()
    parts: list[Any] = [None] * pg.size()
    payload = (mine.indices().numpy(), mine.values().detach().numpy())

    def run() -> None:
        gather_objects(pg, parts, payload)
        indices = torch.from_numpy(np.concatenate([p[0] for p in parts], axis=1))
        values = torch.from_numpy(np.concatenate([p[1] for p in parts]))
        with torch.no_grad():
            t.copy_(torch.sparse_coo_tensor(indices, values, t.shape).coalesce())

    return _run(pg, "all_reduce", run, [t], async_op)


def gather_objects(pg: ProcessGroup, out: list[Any], array_pair: Any) -> None:
    """Exchange pairs of arrays inside a collective."""
    engine = pg.engine
    heads = [np.zeros(8, np.int64) for _ in out]
    a, b = (np.ascontiguousarray(x) for x in array_pair)
    shape = [*a.shape, *b.shape]
    if len(shape) > 7:
        raise NotImplementedError("sparse tensors of more than 6 dimensions cannot be reduced")
    engine.allgather(heads, np.array([len(shape), *shape, *[0] * (7 - len(shape))], np.int64))
    for field, x in ((0, a), (1, b)):
        shapes = [tuple(h[1:3]) if field == 0 else tuple(h[3 : 1 + h[0]]) for h in heads]
        longest = max(int(np.prod(s)) for s in shapes)
        padded = np.zeros(longest, x.dtype)
        padded[: x.size] = x.reshape(-1)
        got = [np.empty(longest, x.dtype) for _ in out]
        engine.allgather(got, padded)
        for i, (g, s) in enumerate(zip(got, shapes, strict=True)):
            value = g[: int(np.prod(s))].reshape(s)
            out[i] = value if field == 0 else (out[i], value)


def all_reduce_coalesced(
    tensors: list[torch.Tensor], op: Any = ReduceOp.SUM, group: Any = None, async_op: bool = False
) -> Any:
    """all_reduce_coalesced(tensors, op=ReduceOp.SUM, group=None, async_op=False)

    :func:`all_reduce` for several tensors.

    >>> dist = torch.distributed
    >>> dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    >>> x = [torch.ones(2), torch.ones(1)]; dist.all_reduce_coalesced(x); x
    [tensor([1., 1.]), tensor([1.])]
    >>> dist.destroy_process_group()
    """
    if isinstance(tensors, torch.Tensor):
        tensors = [tensors]
    checks.several(tensors, "tensors")
    checks.same_dtype(tensors)
    if not_in_group(group):
        warn_not_in_group("all_reduce_coalesced")
        return None
    for t in tensors:
        _check_complex(t, op, "all_reduce")
    pg = the_group(group)
    every = flats(tensors)
    reductions = [_reduction(op, f.x, pg) for f in every]
    engine = pg.engine_of(tensors[0])

    def run() -> None:
        for flat, r in zip(every, reductions, strict=True):
            engine.allreduce(flat.x, r)

    work = _run(pg, "all_reduce_coalesced", run, tensors, async_op, every, checks.text(*tensors))
    return work.get_future() if work is not None else None


def broadcast(
    tensor: torch.Tensor,
    src: int | None = None,
    group: Any = None,
    async_op: bool = False,
    group_src: int | None = None,
) -> Work | None:
    """broadcast(tensor, src=None, group=None, async_op=False, group_src=None)

    The tensor of rank ``src`` (in the world; ``group_src``: in the group) goes to all.

    >>> dist = torch.distributed
    >>> dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    >>> x = torch.ones(2); dist.broadcast(x, src=0); x
    tensor([1., 1.])
    >>> dist.destroy_process_group()
    """
    checks.single(tensor, "tensor")
    if not_in_group(group):
        warn_not_in_group("broadcast")
        return None
    pg = the_group(group)
    root = checks.root(pg, checks.group_rank(pg, src, group_src, None), "broadcast")
    checks.reachable(tensor)
    flat = Flat(tensor)
    engine = pg.engine_of(tensor)
    check = f"{checks.text(tensor)}, src={root}"
    return _run(
        pg, "broadcast", lambda: engine.broadcast(flat.x, root), [tensor], async_op, [flat], check
    )


def reduce(
    tensor: torch.Tensor,
    dst: int | None = None,
    op: Any = ReduceOp.SUM,
    group: Any = None,
    async_op: bool = False,
    group_dst: int | None = None,
) -> Work | None:
    """reduce(tensor, dst=None, op=ReduceOp.SUM, group=None, async_op=False, group_dst=None)

    The tensor of rank ``dst`` becomes the reduction of all.

    >>> dist = torch.distributed
    >>> dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    >>> x = torch.ones(2); dist.reduce(x, dst=0, op=dist.ReduceOp.MAX); x
    tensor([1., 1.])
    >>> dist.destroy_process_group()
    """
    checks.single(tensor, "tensor")
    if not_in_group(group):
        warn_not_in_group("reduce")
        return None
    pg = the_group(group)
    root = checks.root(pg, checks.group_rank(pg, dst, group_dst, None), "reduce")
    _check_complex(tensor, op, "reduce")
    flat = Flat(tensor)
    r = _reduction(op, flat.x, pg)
    engine = pg.engine_of(tensor)
    check = f"{checks.text(tensor)}, dst={root}, {op}"
    return _run(
        pg, "reduce", lambda: engine.reduce(flat.x, root, r), [tensor], async_op, [flat], check
    )


def all_gather(
    tensor_list: list[torch.Tensor],
    tensor: torch.Tensor,
    group: Any = None,
    async_op: bool = False,
) -> Work | None:
    """all_gather(tensor_list, tensor, group=None, async_op=False)

    The tensors of all processes, in the order of ranks, are written to the list's.

    >>> dist = torch.distributed
    >>> dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    >>> outs = [torch.zeros(2)]; dist.all_gather(outs, torch.ones(2)); outs
    [tensor([1., 1.])]
    >>> dist.destroy_process_group()
    """
    checks.several(tensor_list, "tensor_list")
    checks.single(tensor, "tensor")
    checks.same_dtype(tensor_list, tensor)
    if not_in_group(group):
        warn_not_in_group("all_gather")
        return None
    pg = the_group(group)
    checks.length(tensor_list, pg.size(), "allgather")
    checks.sizes(tensor_list, tensor, "allgather")
    outs, flat = flats(tensor_list), Flat(tensor)
    engine = pg.engine_of(tensor)
    return _run(
        pg,
        "all_gather",
        lambda: engine.allgather([o.x for o in outs], flat.x),
        list(tensor_list),
        async_op,
        outs,
        checks.text(tensor),
    )


def all_gather_coalesced(
    output_tensor_lists: list[list[torch.Tensor]],
    input_tensor_list: list[torch.Tensor],
    group: Any = None,
    async_op: bool = False,
) -> Any:
    """all_gather_coalesced(output_tensor_lists, input_tensor_list, group=None, async_op=False)

    :func:`all_gather` for several tensors: ``output_tensor_lists[r]`` gets those of rank ``r``.

    >>> dist = torch.distributed
    >>> dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    >>> outs = [[torch.zeros(2)]]
    >>> dist.all_gather_coalesced(outs, [torch.ones(2)]); outs
    [[tensor([1., 1.])]]
    >>> dist.destroy_process_group()
    """
    if not_in_group(group):
        warn_not_in_group("all_gather_coalesced")
        return None
    checks.several(input_tensor_list, "input_tensor_list")
    checks.same_dtype(input_tensor_list)
    if not isinstance(output_tensor_lists, list):
        raise TypeError("Invalid function argument: output_tensor_lists should be a list")
    for outs in output_tensor_lists:
        checks.several(outs, "output_tensor_lists")
        checks.same_dtype(outs)
    pg = the_group(group)
    ins = flats(input_tensor_list)
    all_outs = [flats(outs) for outs in output_tensor_lists]
    engine = pg.engine_of(input_tensor_list[0])

    def run() -> None:
        for i, flat in enumerate(ins):
            engine.allgather([outs[i].x for outs in all_outs], flat.x)

    written = [f for outs in all_outs for f in outs]
    result = [t for outs in output_tensor_lists for t in outs]
    check = checks.text(*input_tensor_list)
    work = _run(pg, "all_gather_coalesced", run, result, async_op, written, check)
    return work.get_future() if work is not None else None


def all_gather_into_tensor(
    output_tensor: torch.Tensor,
    input_tensor: torch.Tensor,
    group: Any = None,
    async_op: bool = False,
) -> Work | None:
    """all_gather_into_tensor(output_tensor, input_tensor, group=None, async_op=False)

    The tensors of all processes, one after the other, are written to ``output_tensor``.

    >>> dist = torch.distributed
    >>> dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    >>> out = torch.zeros(2); dist.all_gather_into_tensor(out, torch.ones(2)); out
    tensor([1., 1.])
    >>> dist.destroy_process_group()
    """
    checks.single(input_tensor, "input_tensor")
    checks.single(output_tensor, "output_tensor")
    checks.same_dtype(input_tensor, output_tensor)
    if not_in_group(group):
        warn_not_in_group("all_gather_into_tensor")
        return None
    pg = the_group(group)
    size = pg.size()
    if output_tensor.numel() != input_tensor.numel() * size:
        expected = ", ".join(map(str, input_tensor.shape))
        raise RuntimeError(
            "ProcessGroupGloo::allgather: invalid tensor size at index 0 "
            f"(expected ({expected}), got ({output_tensor.numel() // size}))"
        )
    out, flat = Flat(output_tensor), Flat(input_tensor)
    parts = cut(out.x, [flat.x.size] * size)
    engine = pg.engine_of(input_tensor)
    return _run(
        pg,
        "all_gather_into_tensor",
        lambda: engine.allgather(parts, flat.x),
        [output_tensor],
        async_op,
        [out],
        checks.text(input_tensor),
    )


def gather(
    tensor: torch.Tensor,
    gather_list: list[torch.Tensor] | None = None,
    dst: int | None = None,
    group: Any = None,
    async_op: bool = False,
    group_dst: int | None = None,
) -> Work | None:
    """gather(tensor, gather_list=None, dst=None, group=None, async_op=False, group_dst=None)

    The tensors of all processes are written to the list of rank ``dst`` (0).

    >>> dist = torch.distributed
    >>> dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    >>> outs = [torch.zeros(1)]; dist.gather(torch.ones(1), outs, dst=0); outs
    [tensor([1.])]
    >>> dist.destroy_process_group()
    """
    checks.single(tensor, "tensor")
    if gather_list:
        checks.several(gather_list, "gather_list")
    else:
        gather_list = []
    checks.same_dtype(tensor, gather_list)
    if not_in_group(group):
        warn_not_in_group("gather")
        return None
    pg = the_group(group)
    root = checks.root(pg, checks.group_rank(pg, dst, group_dst, 0), "gather")
    if pg.rank() == root:
        if not gather_list:
            raise ValueError("Argument ``gather_list`` must be specified on destination rank.")
        checks.length(gather_list, pg.size(), "gather")
        checks.sizes(gather_list, tensor, "gather")
    elif gather_list:
        raise ValueError("Argument ``gather_list`` must NOT be specified on non-destination ranks.")
    outs, flat = flats(gather_list), Flat(tensor)
    engine = pg.engine_of(tensor)
    return _run(
        pg,
        "gather",
        lambda: engine.gather([o.x for o in outs], flat.x, root),
        gather_list,
        async_op,
        outs,
        f"{checks.text(tensor)}, dst={root}",
    )


def scatter(
    tensor: torch.Tensor,
    scatter_list: list[torch.Tensor] | None = None,
    src: int | None = None,
    group: Any = None,
    async_op: bool = False,
    group_src: int | None = None,
) -> Work | None:
    """scatter(tensor, scatter_list=None, src=None, group=None, async_op=False, group_src=None)

    Each process gets, in ``tensor``, its own of the list of rank ``src`` (0).

    >>> dist = torch.distributed
    >>> dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    >>> x = torch.zeros(1); dist.scatter(x, [torch.ones(1)], src=0); x
    tensor([1.])
    >>> dist.destroy_process_group()
    """
    checks.single(tensor, "tensor")
    if scatter_list:
        checks.several(scatter_list, "scatter_list")
    else:
        scatter_list = []
    checks.same_dtype(tensor, scatter_list)
    if not_in_group(group):
        warn_not_in_group("scatter")
        return None
    pg = the_group(group)
    root = checks.root(pg, checks.group_rank(pg, src, group_src, 0), "scatter")
    if pg.rank() == root:
        if not scatter_list:
            raise ValueError("Argument ``scatter_list`` must be specified on source rank.")
        checks.length(scatter_list, pg.size(), "scatter")
        checks.sizes(scatter_list, tensor, "scatter")
    elif scatter_list:
        raise ValueError("Argument ``scatter_list`` must NOT be specified on non-source ranks.")
    ins, flat = flats(scatter_list), Flat(tensor)
    engine = pg.engine_of(tensor)
    return _run(
        pg,
        "scatter",
        lambda: engine.scatter(flat.x, [i.x for i in ins], root),
        [tensor],
        async_op,
        [flat],
        f"{checks.text(tensor)}, src={root}",
    )


def reduce_scatter(
    output: torch.Tensor,
    input_list: list[torch.Tensor],
    op: Any = ReduceOp.SUM,
    group: Any = None,
    async_op: bool = False,
) -> Work | None:
    """reduce_scatter(output, input_list, op=ReduceOp.SUM, group=None, async_op=False)

    ``output`` becomes the reduction of what all processes have in their lists for this one.

    >>> dist = torch.distributed
    >>> dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    >>> out = torch.zeros(2); dist.reduce_scatter(out, [torch.ones(2)]); out
    tensor([1., 1.])
    >>> dist.destroy_process_group()
    """
    checks.single(output, "output")
    checks.several(input_list, "input_list")
    checks.same_dtype(output, input_list)
    if not_in_group(group):
        warn_not_in_group("reduce_scatter")
        return None
    pg = the_group(group)
    checks.length(input_list, pg.size(), "reduce_scatter")
    checks.sizes(input_list, output, "reduce_scatter")
    _check_complex(output, op, "reduce_scatter")
    out, ins = Flat(output), flats(input_list)
    return _reduce_scatter(pg, out, [i.x for i in ins], op, output, async_op, "reduce_scatter")


def _reduce_scatter(
    pg: ProcessGroup,
    out: Flat,
    ins: list[np.ndarray],
    op: Any,
    output: torch.Tensor,
    async_op: bool,
    name: str,
) -> Work | None:
    r = _reduction(op, out.x, pg)
    engine = pg.engine_of(output)
    check = f"{checks.text(output)}, {op}"
    return _run(
        pg, name, lambda: engine.reduce_scatter(out.x, ins, r), [output], async_op, [out], check
    )


def reduce_scatter_tensor(
    output: torch.Tensor,
    input: torch.Tensor,
    op: Any = ReduceOp.SUM,
    group: Any = None,
    async_op: bool = False,
) -> Work | None:
    """reduce_scatter_tensor(output, input, op=ReduceOp.SUM, group=None, async_op=False)

    :func:`reduce_scatter` with the inputs one after the other in one tensor.

    >>> dist = torch.distributed
    >>> dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    >>> out = torch.zeros(2); dist.reduce_scatter_tensor(out, torch.ones(2)); out
    tensor([1., 1.])
    >>> dist.destroy_process_group()
    """
    checks.single(output, "output")
    checks.single(input, "input")
    checks.same_dtype(output, input)
    if not_in_group(group):
        warn_not_in_group("reduce_scatter_tensor")
        return None
    pg = the_group(group)
    size = pg.size()
    if input.numel() != output.numel() * size:
        raise RuntimeError(
            "Check failed: outputShape[0] * worldSize == inputShape[0] "
            f"({output.numel() * size} vs. {input.numel()}). "
        )
    _check_complex(output, op, "reduce_scatter_tensor")
    parts = cut(Flat(input).x, [output.numel()] * size)
    return _reduce_scatter(pg, Flat(output), parts, op, output, async_op, "reduce_scatter_tensor")


def all_to_all(
    output_tensor_list: list[torch.Tensor],
    input_tensor_list: list[torch.Tensor],
    group: Any = None,
    async_op: bool = False,
) -> Work | None:
    """all_to_all(output_tensor_list, input_tensor_list, group=None, async_op=False)

    Each process sends ``input_tensor_list[r]`` to rank ``r``, and gets as many.

    >>> dist = torch.distributed
    >>> dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    >>> outs = [torch.zeros(1)]; dist.all_to_all(outs, [torch.ones(1)]); outs
    [tensor([1.])]
    >>> dist.destroy_process_group()
    """
    checks.several(output_tensor_list, "output_tensor_list")
    checks.several(input_tensor_list, "input_tensor_list")
    checks.same_dtype(output_tensor_list, input_tensor_list)
    if not_in_group(group):
        warn_not_in_group("all_to_all")
        return None
    pg = the_group(group)
    checks.length(output_tensor_list, pg.size(), "alltoall")
    checks.length(input_tensor_list, pg.size(), "alltoall")
    outs, ins = flats(output_tensor_list), flats(input_tensor_list)
    engine = pg.engine_of(input_tensor_list[0])
    return _run(
        pg,
        "all_to_all",
        lambda: engine.alltoall([o.x for o in outs], [i.x for i in ins]),
        list(output_tensor_list),
        async_op,
        outs,
        str(input_tensor_list[0].dtype) if input_tensor_list else "",
    )


def _splits(t: torch.Tensor, sizes: list[int] | None, group_size: int) -> list[int]:
    """The sizes of the parts of the flat tensor, from those along its first dimension."""
    rows = t.shape[0] if t.ndim else 1
    if not sizes:
        if rows % group_size:
            raise RuntimeError("Tensor's dim 0 does not divide equally across group size")
        sizes = [rows // group_size] * group_size
    elif len(sizes) != group_size:
        raise RuntimeError("Number of tensor splits not equal to group size")
    elif sum(sizes) != rows:
        raise RuntimeError("Split sizes doesn't match total dim 0 size")
    width = t.numel() // rows if rows else 0
    return [size * width for size in sizes]


def all_to_all_single(
    output: torch.Tensor,
    input: torch.Tensor,
    output_split_sizes: list[int] | None = None,
    input_split_sizes: list[int] | None = None,
    group: Any = None,
    async_op: bool = False,
) -> Work | None:
    """all_to_all_single(output, input, output_split_sizes=None, input_split_sizes=None, group=None,
    async_op=False)

    :func:`all_to_all` with one tensor, cut along its first dimension: equally, or as given.

    >>> dist = torch.distributed
    >>> dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    >>> out = torch.zeros(2); dist.all_to_all_single(out, torch.ones(2)); out
    tensor([1., 1.])
    >>> dist.destroy_process_group()
    """
    checks.single(output, "output")
    checks.single(input, "input")
    checks.same_dtype(output, input)
    if not_in_group(group):
        warn_not_in_group("all_to_all_single")
        return None
    pg = the_group(group)
    out = Flat(output)
    outs = cut(out.x, _splits(output, output_split_sizes, pg.size()))
    ins = cut(Flat(input).x, _splits(input, input_split_sizes, pg.size()))
    if ins[pg.rank()].size != outs[pg.rank()].size:
        raise RuntimeError(
            "all_to_all_single: this rank sends itself another number of elements than it expects"
        )
    engine = pg.engine_of(input)
    return _run(
        pg,
        "all_to_all_single",
        lambda: engine.alltoall(outs, ins),
        [output],
        async_op,
        [out],
        str(input.dtype),
    )


def barrier(
    group: Any = None,
    async_op: bool = False,
    device_ids: Any = None,
    timeout: timedelta | None = None,
) -> Work | None:
    """barrier(group=None, async_op=False, device_ids=None, timeout=None)

    Wait until all processes of the group have come here.

    >>> dist = torch.distributed
    >>> dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    >>> dist.barrier()
    >>> dist.destroy_process_group()
    """
    if not_in_group(group):
        warn_not_in_group("barrier")
        return None
    pg = the_group(group)
    if device_ids is not None and pg.name() != "nccl":
        raise RuntimeError("Function argument device_ids not supported for the selected backend")
    for device in device_ids or ():
        nccl.synchronize(device)
    work = pg.run("barrier", pg.engine.barrier, [], async_op, timeout, check="")
    return work if async_op else None


def monitored_barrier(
    group: Any = None, timeout: timedelta | None = None, wait_all_ranks: bool = False
) -> None:
    """monitored_barrier(group=None, timeout=None, wait_all_ranks=False)

    A barrier whose error says which ranks have not come within the timeout: the first of them, or
    with ``wait_all_ranks`` all.

    >>> dist = torch.distributed
    >>> dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    >>> dist.monitored_barrier()
    >>> dist.destroy_process_group()
    """
    if not_in_group(group):
        warn_not_in_group("monitored_barrier")
        return
    pg = the_group(group)
    store, size = pg.get_group_store(), pg.size()
    if size == 1 or store is None:
        return
    limit = pg.timeout if timeout is None else timeout
    pg.sequence += 1
    pg.last = f"monitored_barrier (number {pg.sequence} of group {pg.group_name})"
    key = f"monitored_barrier/{pg.sequence}"
    store.set(f"{key}/{pg.rank()}", b"1")
    names = [f"{key}/{r}" for r in range(size)]
    if pg.rank() == 0:
        _gather_at_barrier(pg, store, names, limit, wait_all_ranks)
        store.set(f"{key}/go", b"1")
        return
    try:
        store.wait([f"{key}/go"], limit + timedelta(seconds=1))
    except RuntimeError:
        raise DistBackendError(
            f"Rank {pg.rank()} successfully reached monitoredBarrier, but received errors while "
            "waiting for send/recv from rank 0. Please check rank 0 logs for faulty rank."
        ) from None


def _gather_at_barrier(
    pg: ProcessGroup, store: Any, names: list[str], limit: timedelta, wait_all_ranks: bool
) -> None:
    try:
        store.wait(names, limit)
    except RuntimeError:
        missing = [r for r, name in enumerate(names) if not store.check([name])]
        milliseconds = int(limit.total_seconds() * 1000)
        if wait_all_ranks:
            text = f"Ranks {', '.join(map(str, missing))} failed to pass monitoredBarrier"
        else:
            text = f"Rank {missing[0]} failed to pass monitoredBarrier"
        raise DistBackendError(f"[Rank 0]: {text} in {milliseconds} ms") from None


@contextlib.contextmanager
def record_comm(name: str) -> Iterator[None]:
    """record_comm(name): the collectives of the block have this name in profiles and errors.

    >>> dist = torch.distributed
    >>> dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    >>> with dist.record_comm("the last one"):
    ...     dist.barrier()
    >>> dist.destroy_process_group()
    """
    pg = default_group()
    before, pg.last = pg.last, name
    try:
        yield
    finally:
        if pg.last == name:
            pg.last = before


_open: list[Work] | None = None


class CoalescingManager:
    """What ``_coalescing_manager`` gives: wait for all collectives of the block."""

    def __init__(self) -> None:
        self.works: list[Work] = []

    def append(self, work: Work | None = None) -> None:
        """One more to wait for."""
        if work is not None:
            self.works.append(work)

    def wait(self) -> None:
        """Wait for all."""
        for work in self.works:
            work.wait()


@contextlib.contextmanager
def coalescing_manager(
    group: Any = None, device: Any = None, async_ops: bool = False
) -> Iterator[CoalescingManager]:
    """The collectives of the block are begun one after the other and waited for at its end."""
    global _open
    manager = CoalescingManager()
    outer, _open = _open, manager.works
    try:
        yield manager
    finally:
        _open = outer
    if not async_ops:
        manager.wait()


all_gather_single = all_gather_into_tensor
reduce_scatter_single = reduce_scatter_tensor
