"""What gpu.sh runs: the operators' recorded samples on a GPU, and times beside torch's."""

import sys
import time

import rushlight


def census():
    """The recorded samples of every public operator, on the card."""
    from cases import recorded  # tests/ops
    from census import APART, failure  # tests/cuda

    from rushlight._core.gpu_module import detours

    wrong, over_host, count = {}, [], 0
    for name, cases in sorted(recorded().items()):
        if name in APART:
            continue
        detours.clear()
        count += 1
        found = next((f for f in map(failure, cases) if f), None)
        if found:
            wrong[name] = found
        elif detours:
            over_host.append(name)
    print(f"{count} entries, {len(over_host)} by way of the host, {len(wrong)} fail")
    print("by way of the host:", ", ".join(over_host))
    for name, why in wrong.items():
        print(f"  {name}: {why}"[:200].replace("\n", " "))


def model(torch, kind):
    """A training step of a small model: a function without arguments."""
    nn = torch.nn
    torch.manual_seed(0)
    if kind == "mlp":
        layers = [
            nn.Linear(256, 512),
            nn.ReLU(),
            nn.Linear(512, 512),
            nn.ReLU(),
            nn.Linear(512, 10),
        ]
        x = torch.randn(128, 256)
    else:
        layers = [nn.Conv2d(3, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU(), nn.MaxPool2d(2)]
        layers += [
            nn.Conv2d(32, 64, 3, padding=1),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(64 * 256, 10),
        ]
        x = torch.randn(64, 3, 32, 32)
    net, x = nn.Sequential(*layers).cuda(), x.cuda()
    y = (torch.arange(len(x)) % 10).cuda()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9)

    def step():
        optimizer.zero_grad()
        nn.functional.cross_entropy(net(x), y).backward()
        optimizer.step()

    return step


def calls(torch):
    """name -> a function to time."""
    big, other = torch.ones(2**24, device="cuda"), torch.ones(2**24, device="cuda")
    a = torch.ones(2048, 2048, device="cuda")
    half, small = a.to(torch.bfloat16), torch.ones(16, device="cuda")
    rows = torch.ones(4096, 1024, device="cuda")
    image, kernel = (
        torch.ones(32, 64, 56, 56, device="cuda"),
        torch.ones(64, 64, 3, 3, device="cuda"),
    )
    F = torch.nn.functional  # its usual name
    return {
        "add, 16 elements": lambda: small + small,
        "add, 16 M": lambda: big + other,
        "exp, 16 M": lambda: big.exp(),
        "sum, 16 M": lambda: big.sum(),
        "softmax, 4096 x 1024": lambda: rows.softmax(-1),
        "layer_norm, 4096 x 1024": lambda: F.layer_norm(rows, (1024,)),
        "matmul, 2048 float32": lambda: a @ a,
        "matmul, 2048 bfloat16": lambda: half @ half,
        "conv2d, 32 x 64 x 56 x 56": lambda: F.conv2d(image, kernel, padding=1),
        "step of an MLP": model(torch, "mlp"),
        "step of a CNN": model(torch, "cnn"),
    }


def timed(torch, call):
    """The least time of a call in microseconds, the device waited for."""
    for _ in range(3):
        call()
    torch.cuda.synchronize()
    times, count = [], 5
    for _ in range(7):
        start = time.perf_counter()
        for _ in range(count):
            call()
        torch.cuda.synchronize()
        times.append((time.perf_counter() - start) / count)
    return min(times) * 1e6


def speed():
    """A table of times, ours and torch's."""
    import torch

    ours, theirs = calls(rushlight), calls(torch)
    for name in theirs:
        try:
            mine = timed(rushlight, ours[name])
        except Exception as error:
            print(f"{name:28} {type(error).__name__}: {error}"[:150])
            continue
        other = timed(torch, theirs[name])
        print(f"{name:28} {mine:10.1f} {other:10.1f}   x{mine / other:.2f}")


if __name__ == "__main__":
    {"census": census, "speed": speed}[sys.argv[1]]()
