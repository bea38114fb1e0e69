"""What PyTorch's tutorials on distributed training do, each in a few lines; prints what comes out.

Run by PyTorch and by rushlight: the lines must agree.
"""

import os
import sys
from pathlib import Path

import torch
import torch.distributed as dist
import torch.nn as nn
import torch.nn.functional as F
from torch.nn.parallel import DistributedDataParallel


def show(name, *values):
    if dist.get_rank() == 0:
        print(
            name,
            *[f"{(v.item() if hasattr(v, 'item') else float(v)):.5f}" for v in values],
            flush=True,
        )


class ToyModel(nn.Module):
    def __init__(self):
        super().__init__()
        self.net1 = nn.Linear(10, 10)
        self.relu = nn.ReLU()
        self.net2 = nn.Linear(10, 5)

    def forward(self, x):
        return self.net2(self.relu(self.net1(x)))


def ddp(folder):
    rank = dist.get_rank()
    torch.manual_seed(0)
    model = DistributedDataParallel(
        ToyModel(), static_graph=True, gradient_as_bucket_view=True, bucket_cap_mb=25
    )
    loss_fn = nn.MSELoss()
    opt = torch.optim.SGD(model.parameters(), lr=0.01)
    path = f"{folder}/model.checkpoint"
    if rank == 0:
        torch.save(model.state_dict(), path)
    dist.barrier()
    model.load_state_dict(torch.load(path, map_location={"cpu:0": "cpu"}, weights_only=True))
    g = torch.Generator().manual_seed(rank)
    for _ in range(3):
        opt.zero_grad()
        out = model(torch.randn(20, 10, generator=g))
        loss = loss_fn(out, torch.randn(20, 5, generator=g))
        loss.backward()
        opt.step()
        show("ddp", loss)
    show("ddp sum", sum(p.abs().sum() for p in model.parameters()))


class Layer(nn.Module):
    def __init__(self, d, h):
        super().__init__()
        self.norm = nn.LayerNorm(d)
        self.qkv = nn.Linear(d, 3 * d)
        self.out = nn.Linear(d, d)
        self.ff = nn.Sequential(nn.Linear(d, 2 * d), nn.GELU(), nn.Linear(2 * d, d))
        self.h = h
        self.reset_parameters()

    def reset_parameters(self):
        for m in (self.norm, self.qkv, self.out, self.ff[0], self.ff[2]):
            m.reset_parameters()

    def forward(self, x):
        b, t, d = x.shape
        q, k, v = (
            self.qkv(self.norm(x))
            .view(b, t, 3, self.h, d // self.h)
            .permute(2, 0, 3, 1, 4)
            .unbind(0)
        )
        x = x + self.out(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(b, t, d))
        return x + self.ff(x)


class Transformer(nn.Module):
    def __init__(self, v=32, d=16):
        super().__init__()
        self.emb = nn.Embedding(v, d)
        self.pos = nn.Parameter(torch.zeros(1, 8, d))
        self.layers = nn.ModuleList(Layer(d, 2) for _ in range(3))
        self.head = nn.Linear(d, v)

    def reset_parameters(self):
        self.emb.reset_parameters()
        nn.init.normal_(self.pos, std=0.02)
        for layer in self.layers:
            layer.reset_parameters()
        self.head.reset_parameters()

    def forward(self, x):
        h = self.emb(x) + self.pos
        for layer in self.layers:
            h = layer(h)
        return self.head(h)


def fsdp2(folder):
    from torch.distributed.checkpoint.state_dict import (
        StateDictOptions,
        get_model_state_dict,
        get_optimizer_state_dict,
        set_model_state_dict,
        set_optimizer_state_dict,
    )
    from torch.distributed.fsdp import FSDPModule, fully_shard
    from torch.distributed.tensor import DTensor, distribute_tensor

    rank = dist.get_rank()
    torch.manual_seed(0)
    start = Transformer()
    start.reset_parameters()
    full = start.state_dict()
    with torch.device("meta"):
        model = Transformer()
    for layer in model.layers:
        fully_shard(layer)
    fully_shard(model)
    assert isinstance(model, Transformer) and isinstance(model, FSDPModule)
    for p in model.parameters():
        assert isinstance(p, DTensor) and p.device == torch.device("meta"), p.device
    meta = model.state_dict()
    sharded = {}
    for n, t in full.items():
        m = meta[n]
        sharded[n] = nn.Parameter(distribute_tensor(t, m.device_mesh, m.placements))
    model.load_state_dict(sharded, strict=False, assign=True)
    model.layers[0].set_modules_to_forward_prefetch([model.layers[1]])
    model.layers[1].set_modules_to_backward_prefetch([model.layers[0]])
    opt = torch.optim.Adam(model.parameters(), lr=1e-2)
    g = torch.Generator().manual_seed(7 + rank)
    for _ in range(3):
        x = torch.randint(0, 32, (3, 8), generator=g)
        model.unshard()
        loss = model(x).float().logsumexp(-1).mean() + F.cross_entropy(
            model(x).float().flatten(0, 1), x.flatten()
        )
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), max_norm=1.0)
        opt.step()
        opt.zero_grad()
        show("fsdp2", loss)
    msd = get_model_state_dict(
        model=model, options=StateDictOptions(full_state_dict=True, cpu_offload=True)
    )
    osd = get_optimizer_state_dict(
        model=model,
        optimizers=opt,
        options=StateDictOptions(full_state_dict=True, cpu_offload=True),
    )
    if rank != 0:
        assert not msd and not osd, (len(msd), len(osd))
    show("fsdp2 saved", len(msd), sum(v.double().abs().sum() for v in msd.values()) if msd else 0)
    torch.manual_seed(5)
    again = Transformer()
    for layer in again.layers:
        fully_shard(layer)
    fully_shard(again)
    opt2 = torch.optim.Adam(again.parameters(), lr=1e-2)
    set_model_state_dict(
        model=again,
        model_state_dict=msd,
        options=StateDictOptions(full_state_dict=True, broadcast_from_rank0=True),
    )
    set_optimizer_state_dict(
        model=again,
        optimizers=opt2,
        optim_state_dict=osd,
        options=StateDictOptions(full_state_dict=True, broadcast_from_rank0=True),
    )
    x = torch.randint(0, 32, (3, 8), generator=g)
    for m, o in ((model, opt), (again, opt2)):
        loss = F.cross_entropy(m(x).float().flatten(0, 1), x.flatten())
        loss.backward()
        o.step()
        o.zero_grad()
        show("fsdp2 resumed", loss)


def dcp(folder):
    import torch.distributed.checkpoint as dcp
    from torch.distributed.checkpoint.state_dict import get_state_dict, set_state_dict
    from torch.distributed.checkpoint.stateful import Stateful
    from torch.distributed.fsdp import fully_shard

    class AppState(Stateful):
        def __init__(self, model, optimizer=None):
            self.model = model
            self.optimizer = optimizer

        def state_dict(self):
            m, o = get_state_dict(self.model, self.optimizer)
            return {"model": m, "optim": o}

        def load_state_dict(self, sd):
            set_state_dict(
                self.model,
                self.optimizer,
                model_state_dict=sd["model"],
                optim_state_dict=sd["optim"],
            )

    torch.manual_seed(0)
    model = ToyModel()
    fully_shard(model)
    opt = torch.optim.Adam(model.parameters(), lr=0.1)
    opt.zero_grad()
    model(torch.ones(8, 10)).sum().backward()
    opt.step()
    dcp.save({"app": AppState(model, opt)}, checkpoint_id=folder + "/one")
    writer = dcp.FileSystemWriter(folder + "/two")
    f = dcp.async_save({"app": AppState(model, opt), "epoch": 4}, storage_writer=writer)
    f.result()
    torch.manual_seed(3)
    for name in ("one", "two"):
        m = ToyModel()
        fully_shard(m)
        o = torch.optim.Adam(m.parameters(), lr=0.1)
        dcp.load({"app": AppState(m, o)}, checkpoint_id=folder + "/" + name)
        m(torch.ones(8, 10)).sum().backward()
        o.step()
        show("dcp", m(torch.ones(2, 10)).sum())
    plain = ToyModel()
    sd = {"app": {"model": plain.state_dict()}}
    dcp.load(state_dict=sd, storage_reader=dcp.FileSystemReader(folder + "/one"))
    plain.load_state_dict(sd["app"]["model"])
    show("dcp plain", plain(torch.ones(2, 10)).sum())
    from torch.distributed.checkpoint.format_utils import dcp_to_torch_save

    if dist.get_rank() == 0:
        dcp_to_torch_save(folder + "/one", folder + "/x.pt")
        s = torch.load(folder + "/x.pt", weights_only=True)
        show("dcp torch", s["app"]["model"]["net1.weight"].sum())
    dist.barrier()


def zero(folder):
    from torch.distributed.optim import ZeroRedundancyOptimizer

    for view in (False, True):
        torch.manual_seed(0)
        model = nn.Sequential(*[nn.Linear(20, 20) for _ in range(5)])
        m = DistributedDataParallel(model)
        opt = ZeroRedundancyOptimizer(
            m.parameters(),
            optimizer_class=torch.optim.Adam,
            lr=0.01,
            parameters_as_bucket_view=view,
        )
        for _i in range(2):
            F.mse_loss(
                m(torch.full((20, 20), 0.1 * (dist.get_rank() + 1))), torch.ones(20, 20)
            ).backward()
            opt.step()
            opt.zero_grad()
        opt.add_param_group(
            {"params": [nn.Parameter(torch.ones(2))], "lr": 0.5}
        ) if not view else None
        show("zero", sum(p.sum() for p in m.parameters()), len(opt.param_groups))
        opt.consolidate_state_dict(to=0)
        if dist.get_rank() == 0:
            show("zero state", len(opt.state_dict()["state"]))
        dist.barrier()


def hooks(folder):
    import torch.distributed.algorithms.model_averaging.averagers as averagers
    from torch.distributed.algorithms.ddp_comm_hooks import (
        DDPCommHookType,
        register_ddp_comm_hook,
    )
    from torch.distributed.algorithms.ddp_comm_hooks import (
        default_hooks as default,
    )
    from torch.distributed.algorithms.ddp_comm_hooks import (
        powerSGD_hook as powerSGD,
    )
    from torch.distributed.algorithms.ddp_comm_hooks.post_localSGD_hook import (
        PostLocalSGDState,
        post_localSGD_hook,
    )
    from torch.distributed.optim import PostLocalSGDOptimizer

    def run(name, make, opt=None, steps=6):
        torch.manual_seed(0)
        m = DistributedDataParallel(ToyModel())
        make(m)
        o = torch.optim.SGD(m.parameters(), lr=0.05)
        o = opt(o) if opt else o
        g = torch.Generator().manual_seed(dist.get_rank())
        for _ in range(steps):
            loss = m(torch.randn(8, 10, generator=g)).square().mean()
            loss.backward()
            o.step()
            o.zero_grad()
        show("hook " + name, loss, *[p.sum() for p in m.parameters()])

    run("fp16", lambda m: m.register_comm_hook(dist.group.WORLD, default.fp16_compress_hook))
    run("allreduce", lambda m: m.register_comm_hook(None, default.allreduce_hook))
    run("enum", lambda m: register_ddp_comm_hook(DDPCommHookType.ALLREDUCE, m, dist.group.WORLD))
    run(
        "power",
        lambda m: m.register_comm_hook(
            powerSGD.PowerSGDState(
                process_group=None,
                matrix_approximation_rank=2,
                start_powerSGD_iter=3,
                use_error_feedback=True,
                warm_start=True,
                orthogonalization_epsilon=1e-6,
            ),
            powerSGD.powerSGD_hook,
        ),
    )
    run(
        "noop",
        lambda m: m.register_comm_hook(
            None,
            __import__(
                "torch.distributed.algorithms.ddp_comm_hooks.debugging_hooks", fromlist=["x"]
            ).noop_hook,
        ),
    )
    sub, _ = dist.new_subgroups(1)
    run(
        "local",
        lambda m: m.register_comm_hook(
            PostLocalSGDState(process_group=None, subgroup=sub, start_localSGD_iter=2),
            post_localSGD_hook,
        ),
        lambda o: PostLocalSGDOptimizer(
            optim=o, averager=averagers.PeriodicModelAverager(period=2, warmup_steps=2)
        ),
        7,
    )
    m = ToyModel()
    torch.manual_seed(dist.get_rank())
    m(torch.ones(1, 10)).sum().backward()
    m.net1.weight.data.fill_(float(dist.get_rank()))
    av = averagers.PeriodicModelAverager(period=2, warmup_steps=1)
    for _i in range(4):
        av.average_parameters(m.parameters())
        show("averager", m.net1.weight.mean(), av.step)


def join(folder):
    from torch.distributed.algorithms.join import Join, Joinable, JoinHook
    from torch.distributed.optim import ZeroRedundancyOptimizer as ZeRO

    rank = dist.get_rank()
    torch.manual_seed(0)
    m = DistributedDataParallel(nn.Linear(1, 1))
    o = ZeRO(m.parameters(), torch.optim.Adam, lr=0.01)
    inputs = [torch.tensor([1.0]).float() for _ in range(3 + rank)]
    n = 0
    with Join([m, o]):
        for x in inputs:
            n += 1
            m(x).sum().backward()
            o.step()
            o.zero_grad()
    show("join", n, *[p.sum() for p in m.parameters()])

    class CounterHook(JoinHook):
        def __init__(self, c, sync):
            self.counter = c
            self.sync = sync

        def main_hook(self):
            t = torch.zeros(1)
            dist.all_reduce(t)

        def post_hook(self, last):
            if self.sync:
                common = self.counter.find_common_rank(dist.get_rank(), last)
                if dist.get_rank() == common:
                    self.counter.max_count = self.counter.count.detach().clone()
                dist.broadcast(self.counter.max_count, src=common)

    class Counter(Joinable):
        def __init__(self):
            super().__init__()
            self.count = torch.zeros(1)
            self.max_count = torch.zeros(1)

        def __call__(self):
            Join.notify_join_context(self)
            t = torch.ones(1)
            dist.all_reduce(t)
            self.count += t

        def join_hook(self, **kw):
            return CounterHook(self, kw.get("sync_max_count", False))

        @property
        def join_device(self):
            return torch.device("cpu")

        @property
        def join_process_group(self):
            return dist.group.WORLD

        def find_common_rank(self, rank, consider):
            c = torch.tensor([rank if consider else -1])
            dist.all_reduce(c, op=dist.ReduceOp.MAX)
            return c.item()

    c = Counter()
    with Join([c], sync_max_count=True):
        for _ in range(5 + rank):
            c()
    show("counter", c.count, c.max_count)
    m = DistributedDataParallel(nn.Linear(1, 1, bias=False))
    try:
        with m.join(throw_on_early_termination=True):
            for x in inputs:
                m(x).sum().backward()
        print("no error")
    except RuntimeError as e:
        show("early " + str(e).split("\n")[0][:60])
    dist.barrier()


def imagenet(folder):
    from torch.utils.data import DataLoader, Subset, TensorDataset
    from torch.utils.data.distributed import DistributedSampler

    rank, size = dist.get_rank(), dist.get_world_size()
    int(os.environ["LOCAL_RANK"])
    torch.manual_seed(1)
    g = torch.Generator().manual_seed(3)
    data = TensorDataset(
        torch.randn(50, 3, 8, 8, generator=g), torch.randint(0, 4, (50,), generator=g)
    )
    model = nn.Sequential(
        nn.Conv2d(3, 6, 3),
        nn.BatchNorm2d(6),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(6, 4),
    )
    model = DistributedDataParallel(model)
    opt = torch.optim.SGD(model.parameters(), 0.1, momentum=0.9, weight_decay=1e-4)
    sched = torch.optim.lr_scheduler.StepLR(opt, step_size=1, gamma=0.5)
    train = DistributedSampler(data)
    val = DistributedSampler(data, shuffle=False, drop_last=True)
    tl = DataLoader(data, batch_size=8, sampler=train, num_workers=0)
    vl = DataLoader(data, batch_size=8, sampler=val)
    for epoch in range(2):
        train.set_epoch(epoch)
        model.train()
        for x, y in tl:
            loss = F.cross_entropy(model(x), y)
            opt.zero_grad()
            loss.backward()
            opt.step()
        model.eval()
        total = torch.zeros(3)

        def validate(loader, total=total):
            with torch.no_grad():
                for x, y in loader:
                    out = model(x)
                    total.add_(
                        torch.tensor(
                            [
                                F.cross_entropy(out, y).item() * len(y),
                                (out.argmax(1) == y).sum().item(),
                                float(len(y)),
                            ]
                        )
                    )

        validate(vl)
        dist.all_reduce(total, dist.ReduceOp.SUM, async_op=False)
        if len(val) * size < len(data):
            validate(DataLoader(Subset(data, range(len(val) * size, len(data))), batch_size=8))
        sched.step()
        show("imagenet", loss, total[0] / total[2], total[1], sched.get_last_lr()[0])
        if rank == 0:
            torch.save(
                {
                    "epoch": epoch,
                    "state_dict": model.module.state_dict(),
                    "optimizer": opt.state_dict(),
                    "scheduler": sched.state_dict(),
                },
                folder + "/ck.pt",
            )
    dist.barrier()
    ck = torch.load(folder + "/ck.pt", map_location="cpu")
    model.module.load_state_dict(ck["state_dict"])
    opt.load_state_dict(ck["optimizer"])
    objs = [ck["epoch"] if rank == 0 else None]
    dist.broadcast_object_list(objs, src=0, device=torch.device("cpu"))
    show("epoch", objs[0])
    out = [None] * size
    dist.all_gather_object(out, {"rank": rank})
    show("gathered", sum(o["rank"] for o in out))


def fsdp1(folder):
    import functools

    from torch.distributed.algorithms._checkpoint.checkpoint_wrapper import (
        CheckpointImpl,
        apply_activation_checkpointing,
        checkpoint_wrapper,
    )
    from torch.distributed.fsdp import (
        BackwardPrefetch,
        FullStateDictConfig,
        FullyShardedDataParallel,
        ShardingStrategy,
        StateDictType,
    )
    from torch.distributed.fsdp.wrap import (
        transformer_auto_wrap_policy,
    )

    torch.manual_seed(0)
    m = Transformer()
    m.reset_parameters()
    m = FullyShardedDataParallel(
        m,
        auto_wrap_policy=functools.partial(
            transformer_auto_wrap_policy, transformer_layer_cls={Layer}
        ),
        device_id=torch.device("cpu"),
        backward_prefetch=BackwardPrefetch.BACKWARD_PRE,
        sharding_strategy=ShardingStrategy.FULL_SHARD,
        limit_all_gathers=True,
        use_orig_params=True,
    )
    apply_activation_checkpointing(
        m,
        checkpoint_wrapper_fn=functools.partial(
            checkpoint_wrapper, checkpoint_impl=CheckpointImpl.NO_REENTRANT
        ),
        check_fn=lambda s: isinstance(s, Layer),
    )
    opt = torch.optim.AdamW(m.parameters(), lr=0.01)
    g = torch.Generator().manual_seed(7 + dist.get_rank())
    for _ in range(3):
        x = torch.randint(0, 32, (3, 8), generator=g)
        loss = F.cross_entropy(m(x).flatten(0, 1), x.flatten())
        loss.backward()
        norm = m.clip_grad_norm_(1.0)
        opt.step()
        opt.zero_grad()
        show("fsdp1", loss, norm)
    with FullyShardedDataParallel.state_dict_type(
        m, StateDictType.FULL_STATE_DICT, FullStateDictConfig(offload_to_cpu=True, rank0_only=True)
    ):
        sd = m.state_dict()
    show("fsdp1 saved", len(sd), sum(v.double().abs().sum() for v in sd.values()) if sd else 0)


def main(which, folder):
    dist.init_process_group("gloo")
    for name in which.split(","):
        where = Path(folder) / name
        where.mkdir(exist_ok=True)
        globals()[name](str(where))
        dist.barrier()
    dist.barrier()
    sys.stdout.flush()
    os._exit(0)  # PyTorch may hang while it takes gloo down


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
