"""fully_shard, tensor parallel layers, DTensor, and checkpoints that are loaded otherwise."""

import sys

import torch
import torch.distributed as dist
import torch.distributed.checkpoint as dcp
from torch import nn
from torch.distributed.checkpoint.state_dict import get_state_dict, set_state_dict
from torch.distributed.fsdp import (
    FullStateDictConfig,
    FullyShardedDataParallel,
    MixedPrecisionPolicy,
    StateDictType,
    fully_shard,
    register_fsdp_forward_method,
)
from torch.distributed.fsdp.wrap import ModuleWrapPolicy
from torch.distributed.tensor import DTensor, Replicate, Shard, distribute_tensor
from torch.distributed.tensor.parallel import (
    ColwiseParallel,
    PrepareModuleInput,
    PrepareModuleInputOutput,
    PrepareModuleOutput,
    RowwiseParallel,
    SequenceParallel,
    loss_parallel,
    parallelize_module,
)


def model():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, 5), nn.Linear(5, 3))


def data(step):
    g = torch.Generator().manual_seed(step)
    return torch.randn(12, 6, generator=g), torch.randint(0, 3, (12,), generator=g)


def train(m, opt, steps, take=lambda x: x):
    for step in steps:
        x, y = data(step)
        nn.functional.cross_entropy(m(take(x)), take(y)).backward()
        torch.nn.utils.clip_grad_norm_(m.parameters(), 0.5)
        opt.step()
        opt.zero_grad()


def whole(t):
    return t.full_tensor() if isinstance(t, DTensor) else t


def agree(m, reference, tolerance=1e-6):
    ours = {k.removeprefix("module."): whole(v) for k, v in m.state_dict().items()}
    for key, value in reference.state_dict().items():
        assert (value - ours[key]).abs().max() < tolerance, key


def sharded(mesh, **options):
    m = model()
    for layer in (m[0], m[2]):
        fully_shard(layer, mesh=mesh, **options)
    return fully_shard(m, mesh=mesh, **options)


def layouts(mesh, size):
    t = torch.arange(10.0).view(5, 2)
    d = distribute_tensor(t, mesh, [Shard(0)])
    assert d.shape == (5, 2)
    assert d.full_tensor().equal(t)
    assert (d + d).placements == (Shard(0),)
    assert (d * 2).full_tensor().equal(t * 2)
    assert d.redistribute(placements=[Shard(1)]).full_tensor().equal(t)
    assert d.sum().full_tensor() == t.sum()
    assert (d @ t.t()).full_tensor().equal(t @ t.t())
    x = distribute_tensor(t, mesh, [Shard(0)]).requires_grad_()
    (x.redistribute(placements=[Replicate()]).to_local() * t).sum().backward()
    assert whole(x.grad).equal(t)


class Block(nn.Module):
    """A block of a transformer without its attention, and what stands around such blocks."""

    def __init__(self):
        super().__init__()
        self.table, self.norm = nn.Embedding(11, 6), nn.LayerNorm(6)
        self.drop = nn.Dropout(0.25)
        self.up, self.down = nn.Linear(6, 10), nn.Linear(10, 6)
        self.last, self.head = nn.RMSNorm(6), nn.Linear(6, 11, bias=False)

    def forward(self, ids):
        x = self.table(ids)
        x = x + self.down(self.up(self.norm(x)).relu())
        return self.head(self.last(self.drop(x)))


def sequence_parallel(mesh, size):
    """Norms and dropout on parts of the sequence, the loss on parts of the classes."""
    torch.manual_seed(3)
    reference, cut = Block(), Block()
    cut.load_state_dict(reference.state_dict())
    along = Shard(1)
    plan = {
        "table": RowwiseParallel(
            input_layouts=Replicate(), output_layouts=along, use_local_output=False
        ),
        "norm": SequenceParallel(),
        "up": ColwiseParallel(input_layouts=along),
        "down": RowwiseParallel(output_layouts=along, use_local_output=False),
        "drop": SequenceParallel(),
        "last": SequenceParallel(),
        "head": ColwiseParallel(
            input_layouts=along, output_layouts=Shard(-1), use_local_output=False
        ),
    }
    parallelize_module(cut, mesh, plan)
    g = torch.Generator().manual_seed(1)
    ids, target = (torch.randint(0, 11, (2, 5), generator=g) for _ in range(2))
    target[0, 2] = -100
    torch.manual_seed(5)
    expected = nn.functional.cross_entropy(reference(ids).flatten(0, 1), target.flatten())
    expected.backward()
    torch.manual_seed(5)
    with loss_parallel():
        loss = nn.functional.cross_entropy(cut(ids).transpose(1, 2), target)
        loss.backward()
    assert abs(whole(loss) - expected) < 1e-6
    for (name, p), q in zip(reference.named_parameters(), cut.parameters(), strict=True):
        assert (p.grad - whole(q.grad)).abs().max() < 1e-6, name
    for reduction in ("sum", "none"):
        logits, weight = torch.randn(4, 7), torch.rand(7)
        ids = torch.tensor([0, 6, 3, 3])
        d = distribute_tensor(logits, mesh, [Shard(1)])
        logits = d.full_tensor()
        dist.broadcast(weight, 0)
        with loss_parallel():
            ours = nn.functional.cross_entropy(d, ids, weight, reduction=reduction)
        right = nn.functional.cross_entropy(logits, ids, weight, reduction=reduction)
        assert (whole(ours) - right).abs().max() < 1e-6


def prepared(mesh, size):
    """Inputs and outputs are brought into other layouts."""
    rank, x = dist.get_rank(), torch.arange(4.0 * size).view(2 * size, 2)
    seen = []

    class Looks(nn.Module):
        def forward(self, x, *, scale=None):
            seen.append((type(x), tuple(x.shape)))
            return x * 2

    mine = x.chunk(size)[rank]
    layouts = {"input_layouts": Shard(0), "desired_input_layouts": Replicate()}
    first = parallelize_module(Looks(), mesh, PrepareModuleInput(**layouts, use_local_output=True))
    assert first(mine).equal(x * 2)
    layouts = {"output_layouts": Replicate(), "desired_output_layouts": Shard(0)}
    second = parallelize_module(Looks(), mesh, PrepareModuleOutput(**layouts))
    assert second(x).equal(mine * 2)
    style = PrepareModuleInputOutput(
        input_layouts=(Shard(0),),
        desired_input_layouts=(Replicate(),),
        use_local_input=True,
        **layouts,
    )
    assert parallelize_module(Looks(), mesh, style)(mine).equal(mine * 2)
    assert seen == [(torch.Tensor, (2 * size, 2))] * 3


def fsdp_states(m, opt, reference, rank):
    """FullyShardedDataParallel's states: whole ones, shards, on the first process only."""
    right = reference.state_dict()
    whole_state = m.state_dict()
    assert list(whole_state) == list(right) == [name for name, _ in m.named_parameters()]
    assert not any(isinstance(v, DTensor) for v in whole_state.values())
    other = FullyShardedDataParallel(model(), auto_wrap_policy=ModuleWrapPolicy({nn.Linear}))
    with FullyShardedDataParallel.summon_full_params(other):
        assert other.module[0].weight.shape == (16, 6)
        with torch.no_grad():
            other.module[0].weight.fill_(7.0)
    assert other.state_dict()["0.weight"].eq(7).all()
    other.load_state_dict(whole_state)
    agree(other, reference)
    with FullyShardedDataParallel.state_dict_type(m, StateDictType.SHARDED_STATE_DICT):
        shards = m.state_dict()
        assert all(isinstance(v, DTensor) for v in shards.values())
        assert list(shards) == list(right)
    with FullyShardedDataParallel.state_dict_type(
        m, StateDictType.FULL_STATE_DICT, FullStateDictConfig(rank0_only=True)
    ):
        assert len(m.state_dict()) == (len(right) if rank == 0 else 0)
    states = FullyShardedDataParallel.optim_state_dict(m, opt)
    assert states["state"]["0.weight"]["exp_avg"].shape == (16, 6)
    new = torch.optim.Adam(other.parameters(), lr=0.5)
    to_load = FullyShardedDataParallel.optim_state_dict_to_load(other, new, states)
    new.load_state_dict(to_load)
    assert new.param_groups[0]["lr"] == 0.01
    again = FullyShardedDataParallel.optim_state_dict(other, new)
    for name, entry in states["state"].items():
        assert entry["exp_avg"].equal(again["state"][name]["exp_avg"])


def replicated(rank, size):
    """A mesh of replicas: gradients of two backwards are summed over them once."""

    class Model(nn.Linear):
        def twice(self, x):
            return self(x) * 2 + self.weight.sum()

    torch.manual_seed(0)
    reference = Model(4, 3)
    mesh = dist.init_device_mesh("cpu", (size, 1))
    m = Model(4, 3)
    m.load_state_dict(reference.state_dict())
    fully_shard(m, mesh=mesh)
    register_fsdp_forward_method(m, "twice")
    x = torch.arange(8.0 * size).view(2, size, 4) / 10
    for step in range(2):
        m.set_requires_all_reduce(step == 1)
        m.set_reshard_after_backward(step == 1)
        m.twice(x[step, rank : rank + 1]).square().mean().backward()
    (reference.twice(x[0]).square().mean() + reference.twice(x[1]).square().mean()).backward()
    for p, q in zip(reference.parameters(), m.parameters(), strict=True):
        assert (p.grad - whole(q.grad)).abs().max() < 1e-4, (p.grad, whole(q.grad))


def main(folder):
    dist.init_process_group("gloo")
    rank, size = dist.get_rank(), dist.get_world_size()
    mesh = dist.init_device_mesh("cpu", (size,))
    layouts(mesh, size)
    sequence_parallel(mesh, size)
    prepared(mesh, size)
    replicated(rank, size)

    reference = model()
    ref_opt = torch.optim.Adam(reference.parameters(), lr=0.01)
    train(reference, ref_opt, range(3))

    m = sharded(mesh)
    opt = torch.optim.Adam(m.parameters(), lr=0.01)
    train(m, opt, range(3), lambda x: x[rank::size])
    agree(m, reference)
    assert m[0]._fsdp.group.flat is None  # nothing whole is kept
    states, opt_states = get_state_dict(m, opt)
    dcp.save({"model": states, "optim": opt_states, "step": 3}, checkpoint_id=f"{folder}/one")

    older = FullyShardedDataParallel(model(), auto_wrap_policy={nn.Linear})
    older_opt = torch.optim.Adam(older.parameters(), lr=0.01)
    train(older, older_opt, range(3), lambda x: x[rank::size])
    agree(older, reference)

    fsdp_states(older, older_opt, reference, rank)

    half = sharded(mesh, mp_policy=MixedPrecisionPolicy(param_dtype=torch.bfloat16))
    half_opt = torch.optim.SGD(half.parameters(), lr=0.01)
    train(half, half_opt, range(1), lambda x: x[rank::size])
    assert half[0].weight.dtype == torch.float32

    cut = parallelize_module(model(), mesh, {"0": ColwiseParallel(), "2": RowwiseParallel()})
    cut_opt = torch.optim.Adam(cut.parameters(), lr=0.01)
    train(cut, cut_opt, range(3))
    agree(cut, reference)

    # From shards into layers cut otherwise, and on from there: as if nothing had happened.
    train(reference, ref_opt, range(3, 5))
    other = parallelize_module(model(), mesh, {"0": ColwiseParallel(), "2": RowwiseParallel()})
    resume(other, f"{folder}/one", lambda x: x)
    agree(other, reference)
    # Into fewer processes: each by itself.
    alone = model()
    resume(alone, f"{folder}/one", lambda x: x)
    agree(alone, reference)
    if sys.argv[2:]:  # what another number of processes has saved
        again = sharded(mesh)
        resume(again, sys.argv[2], lambda x: x[rank::size])
        agree(again, reference)

    table = nn.Embedding(10, 6)
    torch.manual_seed(1)
    nn.init.normal_(table.weight)
    ids, g = torch.tensor([[1, 9, 3], [0, 5, 9]]), torch.arange(36.0).view(2, 3, 6)
    (table(ids) * g).sum().backward()
    for style in (
        ColwiseParallel(output_layouts=Replicate()),
        RowwiseParallel(input_layouts=Replicate()),
    ):
        copy = nn.Embedding(10, 6)
        copy.load_state_dict(table.state_dict())
        copy = parallelize_module(copy, mesh, style)
        (copy(ids) * g).sum().backward()
        assert copy(ids).equal(table(ids))
        assert copy.weight.grad.full_tensor().equal(table.weight.grad)

    future = dcp.async_save(
        {"x": distribute_tensor(torch.arange(7.0), mesh, [Shard(0)])},
        checkpoint_id=f"{folder}/two",
    )
    future.result()
    state = {"x": torch.zeros(7)}
    dcp.load(state, checkpoint_id=f"{folder}/two")
    assert state["x"].equal(torch.arange(7.0))
    dist.destroy_process_group()
    print("all well")


def resume(m, path, take):
    opt = torch.optim.Adam(m.parameters(), lr=0.5)
    states, opt_states = get_state_dict(m, opt)
    state = {"model": states, "optim": opt_states, "step": 0}
    dcp.load(state, checkpoint_id=path)
    assert state["step"] == 3
    set_state_dict(m, opt, model_state_dict=states, optim_state_dict=opt_states)
    assert opt.param_groups[0]["lr"] == 0.01
    train(m, opt, range(3, 5), take)


if __name__ == "__main__":
    main(sys.argv[1])
