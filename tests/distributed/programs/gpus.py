"""Collectives, DDP and fully_shard on GPUs that are none: CuPy's and NCCL's stand-ins."""

import sys
from pathlib import Path

sys.path += [str(Path(__file__).parent), str(Path(__file__).parents[2] / "cuda")]
import nccl_standin
import standin
import torch
import torch.distributed as dist
from torch import nn
from torch.distributed.fsdp import fully_shard
from torch.nn.parallel import DistributedDataParallel

from rushlight._core import gpu

standin.cuda.nccl = nccl_standin
gpu.install(standin)


def same(t, values):
    assert t.is_cuda
    assert t.cpu().tolist() == list(values), (t, values)


def collectives(rank, size, place):
    full = lambda *shape, v=rank + 1.0, **k: torch.full(shape, v, device=place, **k)  # noqa: E731
    total = size * (size + 1) // 2
    for dtype in (torch.float32, torch.float16, torch.bfloat16, torch.int64, torch.uint8):
        x = full(3).to(dtype)
        dist.all_reduce(x)
        same(x, [total] * 3)
    x = full(3)
    dist.all_reduce(x, op=dist.ReduceOp.AVG)
    same(x, [total / size] * 3)
    x = torch.complex(full(2), full(2))
    dist.all_reduce(x)
    same(x, [complex(total, total)] * 2)
    x = torch.tensor([rank == 0, False], device=place)
    dist.all_reduce(x)
    same(x, [True, False])
    x = full(2, 3).t()
    dist.all_reduce(x, op=dist.ReduceOp.MAX)
    same(x.reshape(-1), [size] * 6)
    x = full(2)
    dist.broadcast(x, 1)
    same(x, [2, 2])
    x = full(2)
    dist.reduce(x, 1)
    same(x, [total if rank == 1 else rank + 1] * 2)
    outs = [full(2, v=0.0) for _ in range(size)]
    dist.all_gather(outs, full(2))
    same(torch.stack(outs)[:, 1], range(1, size + 1))
    out = full(size, 2, v=0.0)
    dist.all_gather_into_tensor(out, full(2))
    same(out[:, 0], range(1, size + 1))
    x = full(2, v=0.0)
    dist.reduce_scatter(x, [full(2, v=float(r)) for r in range(size)])
    same(x, [rank * size] * 2)
    x = full(2, v=0.0)
    dist.reduce_scatter_tensor(x, torch.arange(2.0 * size, device=place))
    same(x, [2 * rank * size, (2 * rank + 1) * size])
    x = full(size, v=0.0)
    dist.all_to_all_single(x, torch.arange(size, device=place) + 10.0 * rank)
    same(x, [10 * r + rank for r in range(size)])
    outs = [full(2, v=0.0) for _ in range(size)] if rank == 0 else None
    dist.gather(full(2), outs)
    if rank == 0:
        same(torch.stack(outs)[:, 1], range(1, size + 1))
    x = full(2, v=0.0)
    dist.scatter(x, [full(2, v=float(r)) for r in range(size)] if rank == 1 else None, src=1)
    same(x, [rank] * 2)
    x, y = full(2, v=0.0), full(2)
    works = dist.batch_isend_irecv(
        [
            dist.P2POp(dist.isend, y, (rank + 1) % size),
            dist.P2POp(dist.irecv, x, (rank - 1) % size),
        ]
    )
    for work in works:
        work.wait()
    same(x, [(rank - 1) % size + 1] * 2)
    work = dist.all_reduce(full(2), async_op=True)
    assert work.wait()
    assert work.is_completed()
    same(work.get_future().wait()[0], [total] * 2)
    dist.barrier(device_ids=[rank])
    found = [None] * size
    dist.all_gather_object(found, rank)
    assert found == list(range(size))
    pair = dist.new_group([0, 1], backend="nccl")
    x = full(1)
    dist.all_reduce(x, group=pair)
    same(x, [3])
    try:
        dist.all_reduce(full(2).to(torch.int32), op=dist.ReduceOp.BAND)
    except ValueError as error:
        assert "Cannot use ReduceOp.BAND with NCCL" in str(error)


def model():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6), nn.Tanh(), nn.Linear(6, 3)).eval()


def train(m, x, y, opt):
    for _ in range(3):
        nn.functional.cross_entropy(m(x), y).backward()
        opt.step()
        opt.zero_grad()


def training(rank, size, place):
    g = torch.Generator().manual_seed(1)
    x, y = torch.randn(4 * size, 4, generator=g), torch.randint(0, 3, (4 * size,), generator=g)
    reference = model()
    train(reference, x, y, torch.optim.SGD(reference.parameters(), lr=0.1, momentum=0.9))
    mine, labels = x[rank::size].to(place), y[rank::size].to(place)
    ddp = DistributedDataParallel(model().to(place), device_ids=[rank], bucket_cap_mb=0.0001)
    train(ddp, mine, labels, torch.optim.SGD(ddp.parameters(), lr=0.1, momentum=0.9))
    mesh = dist.init_device_mesh("cuda", (size,))
    sharded = fully_shard(model().to(place), mesh=mesh)
    train(sharded, mine, labels, torch.optim.SGD(sharded.parameters(), lr=0.1, momentum=0.9))
    for name, p in reference.named_parameters():
        assert torch.allclose(p, ddp.module.get_parameter(name).cpu(), atol=1e-6), name
        whole = sharded.get_parameter(name).full_tensor()
        assert torch.allclose(p, whole.cpu(), atol=1e-6), name


def main():
    rank = int(__import__("os").environ["RANK"])
    torch.cuda.set_device(rank)
    place = torch.device("cuda", rank)
    dist.init_process_group("nccl")
    nccl_standin.connect()
    size = dist.get_world_size()
    assert dist.get_backend() == "nccl"
    collectives(rank, size, place)
    training(rank, size, place)
    assert {"allReduce", "broadcast", "reduceScatter", "allGather"} <= set(nccl_standin.calls)
    dist.barrier()
    dist.destroy_process_group()
    print("all well")


main()
