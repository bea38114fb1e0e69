"""Every collective, for any number of processes; ends with an AssertionError if one is wrong."""

import functools
import operator

import torch
import torch.distributed as dist
import torch.distributed._functional_collectives as funcol
from torch.distributed import nn as dist_nn

DTYPES = ["float32", "float64", "float16", "bfloat16", "int8", "uint8", "int16", "int32", "int64"]
DTYPES += ["bool", "complex64", "complex128", "uint16", "float8_e5m2"]
OPS = {
    "SUM": operator.add,
    "PRODUCT": operator.mul,
    "MIN": min,
    "MAX": max,
    "BAND": operator.and_,
    "BOR": operator.or_,
    "BXOR": operator.xor,
}


def same(tensor, values):
    assert tensor.tolist() == list(values), (tensor, values)


def reductions(rank, size):
    for name in DTYPES:
        dtype = getattr(torch, name)
        for op, function in OPS.items():
            if (op[0] == "B" and dtype.is_floating_point) or (dtype.is_complex and op != "SUM"):
                continue
            x = torch.full((5,), rank + 1).to(dtype)
            dist.all_reduce(x, op=getattr(dist.ReduceOp, op))
            mine = [bool(r + 1) if name == "bool" else r + 1 for r in range(size)]
            wanted = functools.reduce(function, mine)
            assert x[4] == torch.tensor(wanted).to(dtype), (name, op, x, wanted)
    x = torch.full((2,), float(rank))
    dist.all_reduce(x, op=dist.ReduceOp.AVG)
    same(x, [(size - 1) / 2] * 2)
    big = torch.arange(700_001.0) * (rank + 1)
    dist.all_reduce(big)
    assert torch.equal(big, torch.arange(700_001.0) * (size * (size + 1) // 2))
    turned = torch.arange(6.0).view(2, 3).t()
    dist.all_reduce(turned)
    assert torch.equal(turned, torch.arange(6.0).view(2, 3).t() * size)
    several = [torch.ones(2), torch.ones(3)]
    dist.all_reduce_coalesced(several)
    same(several[1], [size] * 3)


def moves(rank, size):
    ranks = list(range(size))
    outs = [torch.zeros(2) for _ in ranks]
    dist.all_gather(outs, torch.full((2,), float(rank)))
    same(torch.stack(outs)[:, 0], ranks)
    out = torch.zeros(size, 3)
    dist.all_gather_into_tensor(out, torch.full((3,), float(rank)))
    same(out[:, 2], ranks)
    x = torch.full((400_000,), float(rank), dtype=torch.float64)
    dist.broadcast(x, 1)
    assert x.eq(1).all()
    x = torch.full((7,), float(rank))
    dist.reduce(x, 1)
    same(x, [sum(ranks) if rank == 1 else rank] * 7)
    outs = [torch.zeros(2) for _ in ranks] if rank == 0 else None
    dist.gather(torch.full((2,), float(rank)), outs)
    if rank == 0:
        same(torch.stack(outs)[:, 1], ranks)
    x = torch.zeros(2)
    dist.scatter(x, [torch.full((2,), float(r)) for r in ranks] if rank == 1 else None, src=1)
    same(x, [rank] * 2)
    x = torch.zeros(4)
    dist.reduce_scatter(x, [torch.full((4,), float(r)) for r in ranks])
    same(x, [rank * size] * 4)
    x = torch.zeros(200_000)
    dist.reduce_scatter_tensor(x, torch.arange(200_000.0 * size))
    assert torch.equal(x, torch.arange(200_000.0 * size).chunk(size)[rank] * size)
    x = torch.zeros(size)
    dist.all_to_all_single(x, torch.arange(size) + 10.0 * rank)
    same(x, [10 * r + rank for r in ranks])
    x = torch.zeros(size * (rank + 1))  # rank r sends i + 1 elements to rank i
    ins = torch.full((size * (size + 1) // 2,), float(rank))
    dist.all_to_all_single(x, ins, [rank + 1] * size, [i + 1 for i in ranks])
    same(x, [r for r in ranks for _ in range(rank + 1)])
    outs = [torch.zeros(rank + 1) for _ in ranks]
    dist.all_to_all(outs, [torch.full((i + 1,), float(rank)) for i in ranks])
    same(torch.tensor([o[-1] for o in outs]), ranks)
    works = [dist.all_reduce(torch.ones(1000), async_op=True) for _ in range(5)]
    assert all(w.wait() for w in works)
    dist.barrier()
    dist.monitored_barrier()


def messages(rank, size):
    if rank == 0:
        dist.send(torch.arange(5.0), 1)
        dist.send_object_list([1, "a"], 1)
    if rank == 1:
        x, found = torch.zeros(5), [None, None]
        assert dist.recv(x) == 0
        same(x, range(5))
        assert dist.recv_object_list(found, 0) == 0
        assert found == [1, "a"]
    x, y = torch.zeros(300_000), torch.full((300_000,), float(rank))
    works = dist.batch_isend_irecv(
        [
            dist.P2POp(dist.isend, y, (rank + 1) % size),
            dist.P2POp(dist.irecv, x, (rank - 1) % size),
        ]
    )
    for work in works:
        work.wait()
    assert x.eq((rank - 1) % size).all()


def objects(rank, size):
    found = [None] * size
    dist.all_gather_object(found, {"rank": rank})
    assert found == [{"rank": r} for r in range(size)]
    found = [rank, "x" * rank]
    dist.broadcast_object_list(found, 1)
    assert found == [1, "x"]
    found = [None]
    dist.scatter_object_list(found, [("s", r) for r in range(size)] if rank == 0 else None, 0)
    assert found == [("s", rank)]
    found = [None] * size if rank == 0 else None
    dist.gather_object(rank * 2, found)
    assert rank or found == [2 * r for r in range(size)]


def groups(rank, size):
    pair = dist.new_group([0, 1])
    if rank < 2:
        x = torch.ones(2)
        dist.all_reduce(x, group=pair)
        same(x, [2, 2])
        assert dist.get_rank(pair) == rank
    else:
        assert pair == dist.GroupMember.NON_GROUP_MEMBER
        assert dist.get_rank(pair) == -1
    mine, both = dist.new_subgroups_by_enumeration([[0], list(range(1, size))])
    assert len(both) == 2
    x = torch.ones(1)
    dist.all_reduce(x, group=mine)
    same(x, [1 if rank == 0 else size - 1])
    back = dist.new_group(list(reversed(range(size))), sort_ranks=False)
    assert dist.get_rank(back) == size - 1 - rank
    x = torch.full((1,), float(rank))
    dist.broadcast(x, src=0, group=back)
    same(x, [0])
    mesh = dist.init_device_mesh("cpu", (1, size), mesh_dim_names=("a", "b"))
    x = torch.ones(1)
    dist.all_reduce(x, group=mesh["b"].get_group())
    same(x, [size])
    dist.destroy_process_group(back)


def methods(rank, size):
    """The group's own methods, and collectives that return new tensors."""
    pg = dist.group.WORLD
    x = torch.full((2,), rank + 1.0)
    pg.allreduce([x]).wait()
    same(x, [size * (size + 1) / 2] * 2)
    x = torch.full((2,), float(rank))
    pg.allreduce(x, dist.ReduceOp.MAX).wait()
    same(x, [size - 1] * 2)
    options = dist.BroadcastOptions()
    options.rootRank = 1
    x = torch.full((2,), float(rank))
    pg.broadcast([x], options).wait()
    same(x, [1, 1])
    outs = [torch.zeros(1) for _ in range(size)]
    pg.allgather([outs], [torch.full((1,), float(rank))]).wait()
    same(torch.cat(outs), range(size))
    out = torch.zeros(1)
    pg.reduce_scatter([out], [[torch.full((1,), float(r)) for r in range(size)]]).wait()
    same(out, [rank * size])
    out = torch.zeros(size)
    pg.alltoall_base(out, torch.arange(size) + 10.0 * rank, [], []).wait()
    same(out, [10 * r + rank for r in range(size)])
    pg.barrier().wait()
    mesh = dist.init_device_mesh("cpu", (size,))
    x = torch.arange(2.0 * size).view(size, 2)
    same(funcol.all_reduce(x, "sum", mesh)[0], [0, size])
    same(funcol.all_gather_tensor(x[rank : rank + 1], 0, (mesh, 0)).reshape(-1), range(2 * size))
    same(funcol.reduce_scatter_tensor(x, "avg", 0, pg)[0], [2 * rank, 2 * rank + 1])
    same(funcol.broadcast(x[rank], 1, pg), [2, 3])
    out = funcol.wait_tensor(funcol.all_to_all_single(x, None, None, pg))
    same(out[:, 0], [2 * rank] * size)


def gradients(rank, size):
    x = torch.full((2,), float(rank + 1), requires_grad=True)
    y = dist_nn.all_reduce(x * x)
    (y * (rank + 1)).sum().backward()
    same(x.grad, [2 * (rank + 1) * sum(range(1, size + 1))] * 2)
    x.grad = None
    outs = dist_nn.all_gather(x)
    (outs[rank] * 3 + outs[0]).sum().backward()
    same(x.grad, [3 + (size if rank == 0 else 0)] * 2)
    x.grad = None
    (dist_nn.broadcast(x, 1) * (rank + 1)).sum().backward()
    same(x.grad, [sum(range(1, size + 1)) if rank == 1 else 0] * 2)
    x.grad = None
    out = dist_nn.reduce_scatter(torch.zeros(2), [x * r for r in range(size)])
    (out * (rank + 1)).sum().backward()
    same(x.grad, [sum(r * (r + 1) for r in range(size))] * 2)


def main():
    for _ in range(2):  # joining a second time works too
        dist.init_process_group("gloo")
        rank, size = dist.get_rank(), dist.get_world_size()
        dist.all_reduce(torch.ones(1))
        for part in (reductions, moves, messages, objects, groups, methods, gradients):
            part(rank, size)
        dist.destroy_process_group()
    print("all well")


if __name__ == "__main__":
    main()
