"""Training with DistributedDataParallel in several ways; final weights go to an .npz file.

Run by PyTorch and by rushlight, with the same environment: the files must agree.
"""

import os
import sys

import numpy as np
import torch
import torch.distributed as dist
from torch import nn
from torch.distributed.algorithms.ddp_comm_hooks import default_hooks, powerSGD_hook
from torch.distributed.optim import ZeroRedundancyOptimizer
from torch.nn.parallel import DistributedDataParallel
from torch.nn.parallel.distributed import _MixedPrecision


class TwoWays(nn.Module):
    """A module of which each call uses one of two branches."""

    def __init__(self):
        super().__init__()
        self.trunk, self.a, self.b = nn.Linear(6, 5), nn.Linear(5, 1), nn.Linear(5, 1)
        self.never = nn.Parameter(torch.ones(2))

    def forward(self, x, way):
        x = self.trunk(x).tanh()
        return self.a(x) if way == 0 else self.b(x)


def mlp():
    return nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, 3))


def cnn():
    return nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(64, 3)
    )


def data(n, *shape):
    g = torch.Generator().manual_seed(7)
    return torch.randn(n, *shape, generator=g), torch.randint(0, 3, (n,), generator=g)


def share(x, rank, size):
    return x[rank::size]


def fit(model, x, y, rank, size, steps=4, make=None, sync_every=1):
    make = make or (lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9))
    opt = make(model.parameters())
    for step in range(steps):
        if (step + 1) % sync_every:
            with model.no_sync():
                nn.functional.cross_entropy(
                    model(share(x, rank, size)), share(y, rank, size)
                ).backward()
            continue
        nn.functional.cross_entropy(model(share(x, rank, size)), share(y, rank, size)).backward()
        opt.step()
        opt.zero_grad()
    return opt


def weights(model, into, name):
    for key, value in model.state_dict().items():
        into[f"{name}/{key}"] = value.detach().numpy().copy()


def uneven(rank, size):
    torch.manual_seed(3)
    model = DistributedDataParallel(mlp())
    opt = torch.optim.SGD(model.parameters(), lr=0.1)
    x, y = data(12, 6)
    with model.join():
        for i in range(3 + rank):
            nn.functional.cross_entropy(model(x[i::4]), y[i::4]).backward()
            opt.step()
            opt.zero_grad()
    return model


class Nothing:
    """A stream or an event, which PyTorch's mixed precision asks for, of a machine without any."""

    def __init__(self, *args, **kwargs):
        pass

    def __enter__(self):
        return self

    def __exit__(self, *args):
        pass

    def record(self, *args, **kwargs):
        pass

    wait = wait_stream = record


def mixed(rank, size, *dtypes):
    if not torch.__version__.endswith("rushlight"):
        torch.Stream = torch.Event = torch.accelerator.current_stream = Nothing
    torch.manual_seed(8)
    inner = mlp()
    inner[2].bias.requires_grad_(False)
    inner.register_buffer("count", torch.tensor([3, 4]))
    model = DistributedDataParallel(inner, mixed_precision=_MixedPrecision(*dtypes))
    model(torch.ones(1, 6)).sum().backward()  # PyTorch's first gradients are memory's old contents
    model.zero_grad()
    fit(model, *data(8, 6), rank, size)
    assert all(p.dtype is torch.float32 for p in model.parameters())
    return inner


def main(path):
    dist.init_process_group("gloo")
    rank, size = dist.get_rank(), dist.get_world_size()
    found = {}

    torch.manual_seed(rank)  # DDP takes rank 0's weights
    model = DistributedDataParallel(mlp(), bucket_cap_mb=0.0001)
    fit(model, *data(8, 6), rank, size)
    weights(model, found, "mlp")

    torch.manual_seed(1)
    model = DistributedDataParallel(cnn(), gradient_as_bucket_view=True)
    fit(model, *data(8, 1, 6, 6), rank, size)
    weights(model, found, "cnn")

    torch.manual_seed(2)
    model = DistributedDataParallel(mlp())
    fit(model, *data(8, 6), rank, size, sync_every=2)
    weights(model, found, "no_sync")

    torch.manual_seed(2)
    model = DistributedDataParallel(TwoWays(), find_unused_parameters=True)
    opt = torch.optim.SGD(model.parameters(), lr=0.1)
    x, _ = data(8, 6)
    for step in range(3):
        model(share(x, rank, size), 0 if step == 0 else (rank + step) % 2).sum().backward()
        found[f"never{step}"] = np.array(model.module.never.grad is None)
        opt.step()
        opt.zero_grad()
    weights(model, found, "two_ways")

    for name, hook in (
        ("fp16", default_hooks.fp16_compress_hook),
        ("plain", default_hooks.allreduce_hook),
        ("wrapper", default_hooks.fp16_compress_wrapper(default_hooks.allreduce_hook)),
    ):
        torch.manual_seed(4)
        model = DistributedDataParallel(mlp())
        model.register_comm_hook(None, hook)
        fit(model, *data(8, 6), rank, size)
        weights(model, found, name)

    torch.manual_seed(4)
    model = DistributedDataParallel(mlp())
    state = powerSGD_hook.PowerSGDState(None, matrix_approximation_rank=6, start_powerSGD_iter=2)
    model.register_comm_hook(state, powerSGD_hook.powerSGD_hook)
    fit(model, *data(8, 6), rank, size)
    weights(model, found, "power")

    weights(uneven(rank, size), found, "join")

    torch.manual_seed(5)
    model = DistributedDataParallel(mlp())
    opt = fit(
        model,
        *data(8, 6),
        rank,
        size,
        make=lambda p: ZeroRedundancyOptimizer(p, torch.optim.Adam, lr=0.01),
    )
    weights(model, found, "zero")
    opt.consolidate_state_dict()
    if rank == 0:
        saved = opt.state_dict()
        for i, entry in saved["state"].items():
            found[f"zero_state/{i}"] = entry["exp_avg"].numpy()
        found["zero_groups"] = np.array(saved["param_groups"][0]["params"])

    for name, *dtypes in (
        ("half", torch.float16, torch.float16, torch.float16),
        ("mixed", torch.float16, torch.float32, torch.float32),
        ("brain", torch.bfloat16, torch.float32, None),
    ):
        inner = mixed(rank, size, *dtypes)
        for key, p in inner.named_parameters():
            found[f"{name}/{key}"] = p.detach().float().numpy()
        found[f"{name}/count"] = np.array(
            [inner.count.is_floating_point(), inner.count.element_size()]
        )

    torch.manual_seed(6)
    model = DistributedDataParallel(
        nn.Sequential(nn.Embedding(10, 3, sparse=True), nn.Linear(3, 2))
    )
    opt = torch.optim.SGD(model.parameters(), lr=0.1)
    for step in range(2):
        model(torch.tensor([1, 2 + rank, 5 + step])).sum().backward()
        opt.step()
        opt.zero_grad()
    weights(model, found, "sparse")

    if rank == 0:
        np.savez(path, **found)
    dist.barrier()
    if not torch.__version__.endswith("rushlight"):
        os._exit(0)  # about one PyTorch process in ten hangs while it takes gloo down
    dist.destroy_process_group()


if __name__ == "__main__":
    main(sys.argv[1])
