"""Says where it runs, and checks collectives between the machines."""

import socket
import sys

import collectives
import torch
import torch.distributed as dist
from torch.distributed.distributed_c10d import _get_default_group

dist.init_process_group("gloo")
rank, size = dist.get_rank(), dist.get_world_size()
found = [None] * size
dist.all_gather_object(found, socket.gethostname())
x = torch.arange(100_000.0) * (rank + 1)
dist.all_reduce(x)
assert torch.equal(x, torch.arange(100_000.0) * (size * (size + 1) // 2))
y = torch.zeros(3)
if rank == 0:
    dist.send(torch.arange(3.0), size - 1)
elif rank == size - 1:
    dist.recv(y, 0)
    assert y.tolist() == [0, 1, 2]
engine = type(_get_default_group().engine).__name__
print(f"rank {rank} of {size} on {' '.join(found)} by {engine}", flush=True)
dist.destroy_process_group()
if sys.argv[1:] == ["collectives"]:
    collectives.main()
