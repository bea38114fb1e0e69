"""Rank 1 does what the first argument says; the others wait for it in a collective."""

import os
import signal
import sys
import threading
import time
from datetime import timedelta

import slow
import torch
import torch.distributed as dist

mode = sys.argv[1]
attempt = int(os.environ.get("TORCHELASTIC_RESTART_COUNT", "0"))
dist.init_process_group("gloo", timeout=timedelta(seconds=2) if mode == "late" else None)
rank = dist.get_rank()
print(f"rank {rank} of {dist.get_world_size()}, attempt {attempt}", flush=True)
dist.all_reduce(torch.ones(3))
if rank == 1 and attempt == 0:
    if mode == "raise":
        raise ValueError("boom")
    if mode in ("kill", "stop"):
        time.sleep(0.4)  # the last report of what it did has been sent
    if mode == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if mode == "stop":
        os.kill(os.getpid(), signal.SIGSTOP)
    if mode in ("late", "compute", "hang"):
        time.sleep(100)
    if mode == "lock":
        threading.Event().wait()
    if mode == "again":
        while True:
            time.sleep(0.3)
    if mode == "spin":
        while True:
            pass
    if mode == "flag":
        flag = threading.Event()
        while not flag.is_set():
            pass
    if mode == "exit":
        sys.exit(3)
    if mode == "leave":
        sys.exit(0)
if mode == "compute" and rank == 0:
    raise ValueError("boom")
if mode == "shape":
    dist.all_reduce(torch.ones(3 + rank))
if mode == "dtype":
    dist.all_reduce(torch.ones(3, dtype=[torch.float32, torch.float64][rank]))
if mode == "order":
    x = torch.ones(3)
    dist.all_reduce(x) if rank else dist.broadcast(x, 0)
if mode == "barrier":
    if rank == 0:
        dist.monitored_barrier(timeout=timedelta(seconds=0.5))
    time.sleep(1)
if mode == "slow":
    others = dist.get_world_size() - 1
    for first in range(0, len(slow.ALL), others):
        if rank and first + rank - 1 < len(slow.ALL):
            slow.ALL[first + rank - 1](1.7)
        dist.barrier()
if mode == "circle":
    pairs = [dist.new_group([0, 1]) for _ in range(2)]
    dist.all_reduce(torch.ones(1), group=pairs[rank])
x = torch.ones(2)
dist.broadcast(x, 1)
dist.destroy_process_group()
print("done")
