"""Meshes of two dimensions: tensor parallel layers in FSDP or DDP, DTensors that are cut twice.

Losses, norms and weights agree with those of one process, which computes beside.
"""

import sys

import torch
import torch.distributed as dist
import torch.distributed.checkpoint as dcp
from torch import nn
from torch.distributed.checkpoint.state_dict import StateDictOptions, get_model_state_dict
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor, Replicate, Shard, distribute_tensor
from torch.distributed.tensor.parallel import (
    ColwiseParallel,
    PrepareModuleInput,
    RowwiseParallel,
    SequenceParallel,
    loss_parallel,
    parallelize_module,
)
from torch.nn import functional
from torch.nn.parallel import DistributedDataParallel

WORDS, WIDTH = 17, 8


class Attention(nn.Module):
    def __init__(self, heads):
        super().__init__()
        self.heads = heads
        self.wq, self.wk, self.wv, self.wo = (nn.Linear(WIDTH, WIDTH, bias=False) for _ in range(4))

    def forward(self, x):
        n, length, _ = x.shape
        q, k, v = (
            w(x).view(n, length, self.heads, WIDTH // 4).transpose(1, 2)
            for w in (self.wq, self.wk, self.wv)
        )
        out = functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.wo(out.transpose(1, 2).contiguous().view(n, length, -1))


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm, self.attention = nn.RMSNorm(WIDTH), Attention(4)
        self.up, self.down = nn.Linear(WIDTH, 12), nn.Linear(12, WIDTH)

    def forward(self, x):
        x = x + self.attention(self.norm(x))
        return x + self.down(functional.gelu(self.up(x)))


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.table, self.block = nn.Embedding(WORDS, WIDTH), Block()
        self.last, self.head = nn.LayerNorm(WIDTH), nn.Linear(WIDTH, WORDS, bias=False)

    def forward(self, ids):
        return self.head(self.last(self.block(self.table(ids))))


def cut(model, mesh, local_heads):
    """As the tutorial on tensor parallelism does it; heads are counted here or in the whole."""
    along, size = Shard(1), mesh.size()
    plan = {
        "table": RowwiseParallel(input_layouts=Replicate(), output_layouts=along),
        "block.norm": SequenceParallel(),
        "block.attention": PrepareModuleInput(
            input_layouts=(along,), desired_input_layouts=(Replicate(),)
        ),
        "block.attention.wo": RowwiseParallel(output_layouts=along),
        "block.up": ColwiseParallel(input_layouts=along),
        "block.down": RowwiseParallel(output_layouts=along),
        "last": SequenceParallel(),
        "head": ColwiseParallel(
            input_layouts=along, output_layouts=Shard(-1), use_local_output=False
        ),
    }
    for name in ("wq", "wk", "wv"):
        plan[f"block.attention.{name}"] = ColwiseParallel(use_local_output=local_heads)
    if local_heads:
        model.block.attention.heads //= size
    return parallelize_module(model, mesh, plan)


def batch(step):
    g = torch.Generator().manual_seed(step)
    return torch.randint(0, WORDS, (4, 6), generator=g), torch.randint(
        0, WORDS, (4, 6), generator=g
    )


def whole(t):
    return t.full_tensor() if isinstance(t, DTensor) else t


def close(a, b, what, tolerance=1e-5):
    assert (a - b).abs().max() < tolerance, what


def train(model, reference, part):
    """Three steps of both; each process has its part of the batch."""
    ours = torch.optim.AdamW(model.parameters(), lr=0.01)
    theirs = torch.optim.AdamW(reference.parameters(), lr=0.01)
    for step in range(3):
        x, y = batch(step)
        with loss_parallel():
            out = model(x[part]).flatten(0, 1)
            functional.cross_entropy(out, y[part].flatten()).backward()
        loss = functional.cross_entropy(reference(x).flatten(0, 1), y.flatten())
        loss.backward()
        norm = nn.utils.clip_grad_norm_(reference.parameters(), 0.5)
        close(whole(nn.utils.clip_grad_norm_(model.parameters(), 0.5)), norm, "norm")
        ours.step()
        theirs.step()
        ours.zero_grad()
        theirs.zero_grad()
    for (name, p), q in zip(model.named_parameters(), reference.parameters(), strict=True):
        close(whole(p), q, name)


def pair():
    torch.manual_seed(0)
    model, reference = Model(), Model()
    reference.load_state_dict(model.state_dict())
    return model, reference


def shards_of_layers(mesh, folder):
    """fully_shard of tensor parallel layers, and what is saved and loaded."""
    model, reference = pair()
    cut(model, mesh["tp"], True)
    fully_shard(model.block, mesh=mesh["dp"])
    fully_shard(model, mesh=mesh["dp"])
    weight = model.block.up.weight
    assert repr(weight.placements) == "(_StridedShard(dim=0, sf=2), Shard(dim=0))"
    assert weight.to_local().shape == (3, WIDTH)
    assert model.block.down.weight.placements == (Shard(0), Shard(1))
    first = 2 * mesh["dp"].get_local_rank()
    train(model, reference, slice(first, first + 2))
    dcp.save({"model": model.state_dict()}, checkpoint_id=folder)
    state = {"model": Model().state_dict()}
    dcp.load(state, checkpoint_id=folder)
    full = get_model_state_dict(model, options=StateDictOptions(full_state_dict=True))
    for name, value in reference.state_dict().items():
        close(state["model"][name], value, name)
        close(full[name], value, name)


def replicas_of_layers(mesh):
    """DistributedDataParallel of tensor parallel layers."""
    model, reference = pair()
    cut(model, mesh["tp"], False)
    first = 2 * mesh["dp"].get_local_rank()
    x, y = batch(0)
    ddp = DistributedDataParallel(model, device_mesh=mesh["dp"])
    opt = torch.optim.SGD(ddp.parameters(), lr=0.1)
    for _ in range(2):
        with loss_parallel():
            out = ddp(x[first : first + 2]).flatten(0, 1)
            functional.cross_entropy(out, y[first : first + 2].flatten()).backward()
        opt.step()
        opt.zero_grad()
    opt = torch.optim.SGD(reference.parameters(), lr=0.1)
    for _ in range(2):
        functional.cross_entropy(reference(x).flatten(0, 1), y.flatten()).backward()
        opt.step()
        opt.zero_grad()
    for (name, p), q in zip(model.named_parameters(), reference.named_parameters(), strict=True):
        close(whole(p), q[1], name)


OPERATIONS = [
    lambda t: t.flatten(0, 1),
    lambda t: t.view(2, 24),
    lambda t: t.reshape(12, 4),
    lambda t: t.view(2, 6, 2, 2),
    lambda t: t.transpose(0, 2),
    lambda t: t.permute(2, 0, 1),
    lambda t: t.unsqueeze(1),
    lambda t: t[:, 1],
    lambda t: t[..., 1:3],
    lambda t: torch.cat(t.unbind(0)),
    lambda t: t.expand(3, 2, 6, 4),
    lambda t: t.softmax(-1),
    lambda t: t.sum(1),
    lambda t: t.mean((0, 2)),
    lambda t: t.norm(),
    lambda t: t.norm(1, dim=2),
    lambda t: t @ t.transpose(1, 2),
    lambda t: functional.scaled_dot_product_attention(t, t, t),
    lambda t: functional.layer_norm(t, (4,)),
    lambda t: t.masked_fill(t > 1, 0.0).to(torch.float64),
    lambda t: t.clone().copy_(torch.ones(4)).mul_(2) - t,
]


def cut_twice(mesh):
    base = torch.arange(48.0).view(2, 6, 4) / 7
    for places in (
        [Shard(0), Shard(1)],
        [Shard(1), Shard(1)],
        [Shard(2), Replicate()],
        [Replicate(), Shard(1)],
    ):
        t = distribute_tensor(base, mesh, places)
        for i, operation in enumerate(OPERATIONS):
            right = operation(base)
            found = whole(operation(t))
            assert found.shape == right.shape, (places, i)
            close(found, right, (places, i))
        again = t.redistribute(placements=[Shard(1), Shard(0)]).redistribute(placements=places)
        assert again.to_local().equal(t.to_local())


def main(folder):
    dist.init_process_group("gloo")
    mesh = dist.init_device_mesh("cpu", (2, 2), mesh_dim_names=("dp", "tp"))
    assert repr(mesh["dp"]) == "DeviceMesh((dp=2), 'cpu', stride=(2,))"
    cut_twice(mesh)
    shards_of_layers(mesh, folder)
    replicas_of_layers(mesh)
    dist.destroy_process_group()
    print("all well")


if __name__ == "__main__":
    main(sys.argv[1])
