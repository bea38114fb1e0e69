"""Two processes on this machine: collectives and DDP steps, rushlight against PyTorch with gloo.

    python benchmarks/distributed.py

Both are started in turn, several times, with one thread each; the least times of all rounds count.
``--trace FILE`` writes when buckets were reduced and when backward ended, of one DDP step, as a
trace for chrome://tracing.
"""

import argparse
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SIZES = {"1 KB": 256, "1 MB": 1 << 18, "40 MB": 10 << 20}


def least(run, count, between=lambda: None):
    times = []
    for _ in range(count):
        between()
        begin = time.perf_counter()
        run()
        times.append(time.perf_counter() - begin)
    return min(times) * 1e3


def models(nn):
    mlp = nn.Sequential(
        nn.Linear(784, 1024), nn.ReLU(), nn.Linear(1024, 1024), nn.ReLU(), nn.Linear(1024, 10)
    )
    cnn = nn.Sequential(
        *(nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Flatten(), nn.Linear(1568, 128), nn.ReLU(), nn.Linear(128, 10)),
    )
    return {"MLP": (mlp, (64, 784)), "CNN": (cnn, (32, 1, 28, 28))}


def work(path, trace):
    """What each process does."""
    import torch
    import torch.distributed as dist
    from torch.nn.parallel import DistributedDataParallel

    torch.set_num_threads(1)
    dist.init_process_group("gloo")
    found = {}
    for name, size in SIZES.items():
        x = torch.ones(size)
        count = 8 if size > 1 << 20 else 40
        found[f"all_reduce {name}"] = least(lambda x=x: dist.all_reduce(x), count, dist.barrier)
    for name, (model, shape) in models(torch.nn).items():
        ddp = DistributedDataParallel(model, bucket_cap_mb=1)
        opt = torch.optim.SGD(ddp.parameters(), lr=0.01)
        x, y = torch.randn(shape), torch.randint(0, 10, shape[:1])

        def step(module, opt=opt, x=x, y=y):
            opt.zero_grad()
            torch.nn.functional.cross_entropy(module(x), y).backward()
            opt.step()

        for _ in range(3):
            step(ddp)
        found[f"DDP step {name}"] = least(lambda step=step, ddp=ddp: step(ddp), 20, dist.barrier)
        if trace and name == "MLP":
            traced(ddp, x, y, trace)
    if dist.get_rank() == 0:
        Path(path).write_text(json.dumps(found))
    dist.destroy_process_group()


def traced(ddp, x, y, path):
    """One step with the times of buckets: sent while backward still runs, or after it?"""
    import torch
    import torch.distributed as dist

    events = []

    def event(name, begin, end, thread):
        events.append(
            {"name": name, "ph": "X", "ts": begin * 1e6, "dur": (end - begin) * 1e6}
            | {"pid": dist.get_rank(), "tid": thread}
        )

    def hook(state, bucket):
        begin = time.perf_counter()
        bucket.buffer().div_(dist.get_world_size())
        future = dist.all_reduce(bucket.buffer(), async_op=True).get_future()

        def ended(done):
            event(f"all_reduce bucket {bucket.index()}", begin, time.perf_counter(), "network")
            return done.value()[0]

        return future.then(ended)

    ddp.register_comm_hook(None, hook)
    for _ in range(2):
        events.clear()
        dist.barrier()
        loss = torch.nn.functional.cross_entropy(ddp(x), y)
        begin = time.perf_counter()
        handle = next(ddp.parameters()).register_hook(
            lambda g, b=begin: event("gradients computed", b, time.perf_counter(), "backward")
        )
        loss.backward()
        event("backward with all reductions", begin, time.perf_counter(), "backward")
        handle.remove()
    Path(f"{path}.{dist.get_rank()}").write_text(json.dumps(events))


def start(real, trace):
    """Both processes of one round; what they measured."""
    with socket.create_server(("", 0)) as s:
        port = s.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "times.json"
        command = [sys.executable] + ([] if real else ["-m", "rushlight"])
        command += [__file__, "--work", str(out)] + (["--trace", trace] if trace else [])
        processes = [
            subprocess.Popen(
                command,
                env={
                    **os.environ,
                    "RANK": str(r),
                    "WORLD_SIZE": "2",
                    "MASTER_ADDR": "127.0.0.1",
                    "MASTER_PORT": str(port),
                    "OMP_NUM_THREADS": "1",
                },
            )
            for r in range(2)
        ]
        if any([p.wait() for p in processes]):
            raise SystemExit("a process failed")
        return json.loads(out.read_text())


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--trace", default="")
    parser.add_argument("--work", default="")
    args = parser.parse_args()
    if args.work:
        work(args.work, args.trace)
        return
    best = [{}, {}]
    for _ in range(args.rounds):
        for real in (0, 1):
            for name, value in start(bool(real), "" if real else args.trace).items():
                best[real][name] = min(value, best[real].get(name, value))
    print(f"{'':<20}{'rushlight':>12}{'PyTorch':>12}   ms")
    for name, value in best[0].items():
        other = best[1][name]
        print(f"{name:<20}{value:>12.3f}{other:>12.3f}   {value / other:.2f}x")


if __name__ == "__main__":
    main()
