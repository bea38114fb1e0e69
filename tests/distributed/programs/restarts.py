"""Training that saves after each step and goes on from there; ranks die at random steps.

Arguments: the checkpoint's folder, how many deaths, and where to write the weights.
"""

import os
import random
import signal
import sys
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist
import torch.distributed.checkpoint as dcp
from torch import nn
from torch.nn.parallel import DistributedDataParallel

folder, deaths, result = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
attempt = int(os.environ.get("TORCHELASTIC_RESTART_COUNT", "0"))
chance = random.Random(attempt)
victim, steps_to_live = chance.randrange(2), chance.randrange(2)

dist.init_process_group("gloo")
rank, size = dist.get_rank(), dist.get_world_size()
torch.manual_seed(0)
model = DistributedDataParallel(nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 3)))
opt = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
momentum = [torch.zeros_like(p) for p in model.parameters()]
state = {"model": model.state_dict(), "momentum": momentum, "step": 0}
newest = folder / "newest"
if newest.exists():
    dcp.load(state, checkpoint_id=folder / newest.read_text())
    for p, buffer in zip(model.parameters(), momentum, strict=True):
        opt.state[p]["momentum_buffer"] = buffer.clone()
for step in range(state["step"], 24):
    g = torch.Generator().manual_seed(step)
    x, y = torch.randn(8, 6, generator=g), torch.randint(0, 3, (8,), generator=g)
    nn.functional.cross_entropy(model(x[rank::size]), y[rank::size]).backward()
    if attempt < deaths and rank == victim and steps_to_live == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    steps_to_live -= 1
    opt.step()
    opt.zero_grad()
    momentum = [opt.state[p]["momentum_buffer"] for p in model.parameters()]
    state = {"model": model.state_dict(), "momentum": momentum, "step": step + 1}
    dcp.save(state, checkpoint_id=folder / str(step + 1))
    if rank == 0:
        (folder / "new").write_text(str(step + 1))
        (folder / "new").replace(newest)
if rank == 0:
    np.savez(result, **{k: v.numpy() for k, v in model.module.state_dict().items()})
dist.destroy_process_group()
