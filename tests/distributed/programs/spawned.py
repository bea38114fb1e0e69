"""torch.multiprocessing.spawn with a tcp:// or file:// meeting place, as scripts write it."""

import sys

import torch
import torch.distributed as dist
import torch.multiprocessing as mp


def work(rank, size, method, fail):
    dist.init_process_group("gloo", init_method=method, rank=rank, world_size=size)
    x = torch.ones(3) * rank
    dist.all_reduce(x)
    assert x.tolist() == [1.0] * 3
    if fail and rank == 1:
        raise ValueError("boom")
    dist.barrier()
    if fail != "keep":
        dist.destroy_process_group()
    print("well", flush=True)


if __name__ == "__main__":
    method, fail = sys.argv[1], sys.argv[2:3] == ["fail"]
    if sys.argv[3:] == ["fork"]:  # as spawn, without the cost of starting Python
        mp.start_processes(work, args=(2, method, fail), nprocs=2, start_method="fork")
    else:
        mp.spawn(work, args=(2, method, fail), nprocs=2)
