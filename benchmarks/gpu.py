"""What gpu.sh runs on a GPU: operators' samples, parity with torch there, times beside torch's.

    python benchmarks/gpu.py census|parity|speed [--seconds 200]

The cases of a section are done by processes that may die (survive.py).
"""

import sys
import time
import traceback

import survive

import rushlight

WORKERS = {"census": 8, "parity": 4, "speed": 1}  # processes; compiling is what takes their time
EACH = {"census": 60, "parity": 60, "speed": 90}  # seconds for one case, and for a start


def lost():
    """Does the device answer no more?"""
    try:
        rushlight.cuda.synchronize()
    except Exception:
        return True
    return False


# ---- operators -----------------------------------------------------------------------------------


def operators():
    """name -> the recorded samples of every public operator."""
    from cases import recorded  # tests/ops
    from census import APART  # tests/cuda

    return {name: cases for name, cases in sorted(recorded().items()) if name not in APART}


def census(name, cases):
    """The recorded samples of an operator, on the card."""
    from census import failure

    from rushlight._core.gpu_module import detours

    detours.clear()
    found = next((f for f in map(failure, cases) if f), None)
    if found:
        survive.say(f"  FAILS {name}: {found}"[:200].replace("\n", " "))
    elif detours:
        survive.say(f"  by way of the host: {name}: {', '.join(sorted(detours))}"[:160])
    else:
        survive.say(f"  ok {name}")


# ---- parity --------------------------------------------------------------------------------------


def both(make):
    """What a function of the library gives in each, as NumPy arrays."""
    import torch

    found = []
    for T in (torch, rushlight):
        result = make(T)
        parts = result if isinstance(result, (list, tuple)) else [result]
        found.append([p.detach().cpu().double().numpy() for p in parts])
    return found


def randoms():
    """name -> what is drawn after a seed."""

    def seeded(draw):
        def make(T):
            T.manual_seed(5)
            first = draw(T)
            return [first, draw(T)]

        return make

    shapes = [(7,), (1000,), (300, 1000), (3, 5, 70001)]
    drawn = {}
    for s in shapes:
        drawn[f"rand {s}"] = seeded(lambda T, s=s: T.rand(s, device="cuda"))
        drawn[f"randn {s}"] = seeded(lambda T, s=s: T.randn(s, device="cuda"))
        drawn[f"rand float64 {s}"] = seeded(
            lambda T, s=s: T.rand(s, device="cuda", dtype=T.float64)
        )
        drawn[f"randn bfloat16 {s}"] = seeded(
            lambda T, s=s: T.randn(s, device="cuda", dtype=T.bfloat16)
        )
        drawn[f"randint {s}"] = seeded(lambda T, s=s: T.randint(0, 100, s, device="cuda"))
        drawn[f"randint 2^40 {s}"] = seeded(lambda T, s=s: T.randint(0, 2**40, s, device="cuda"))
        drawn[f"exponential_ {s}"] = seeded(
            lambda T, s=s: T.empty(s, device="cuda").exponential_(2.0)
        )
        drawn[f"bernoulli_ {s}"] = seeded(lambda T, s=s: T.empty(s, device="cuda").bernoulli_(0.3))
        for d in ("float32", "bfloat16"):
            drawn[f"dropout {d} {s}"] = seeded(
                lambda T, s=s, d=d: T.nn.functional.dropout(
                    T.ones(s, device="cuda", dtype=getattr(T, d)), 0.3
                )
            )
    return drawn


def computed():
    """name -> an operator with its gradients, in three dtypes."""
    found = {}

    def entry(name, call, *shapes):
        for d in ("float32", "float64", "bfloat16"):

            def make(T, d=d):
                import numpy as np

                rng = np.random.default_rng(0)
                given = [
                    T.tensor(rng.standard_normal(s), dtype=getattr(T, d), device="cuda")
                    for s in shapes
                ]
                given = [g.requires_grad_() for g in given]
                y = call(T, T.nn.functional, *given)
                y.backward(T.ones_like(y))
                return [y, *[g.grad for g in given]]

            found[f"{name} {d}"] = make

    def classes(T):
        return T.arange(64, device="cuda") % 50

    entry("softmax", lambda T, F, x: x.softmax(-1) * x, (64, 1000))
    entry("softmax of dim 0", lambda T, F, x: x.softmax(0) * x, (64, 1000))
    entry("log_softmax", lambda T, F, x: x.log_softmax(-1), (64, 1001))
    entry("layer_norm", lambda T, F, x, w, b: F.layer_norm(x, (512,), w, b) * x,
          (64, 512), (512,), (512,))  # fmt: skip
    entry("rms_norm", lambda T, F, x, w: F.rms_norm(x, (512,), w) * x, (64, 512), (512,))
    entry("batch_norm", lambda T, F, x, w, b: F.batch_norm(x, None, None, w, b, True) * x,
          (8, 32, 14, 14), (32,), (32,))  # fmt: skip
    entry("gelu", lambda T, F, x: F.gelu(x), (1000,))
    entry("silu", lambda T, F, x: F.silu(x), (1000,))
    entry("cross_entropy", lambda T, F, x: F.cross_entropy(x, classes(T)), (64, 50))
    entry("linear", lambda T, F, x, w, b: F.linear(x, w, b), (64, 128), (96, 128), (96,))
    entry("bmm", lambda T, F, x, y: x.transpose(1, 2) @ y, (5, 64, 32), (5, 64, 48))
    entry("conv2d", lambda T, F, x, w, b: F.conv2d(x, w, b, 2, 1), (4, 8, 17, 16), (12, 8, 3, 3),
          (12,))  # fmt: skip
    entry("conv2d of groups", lambda T, F, x, w: F.conv2d(x, w, groups=4), (4, 8, 9, 9),
          (8, 2, 3, 3))  # fmt: skip
    entry("conv_transpose2d", lambda T, F, x, w: F.conv_transpose2d(x, w, stride=2), (2, 6, 7, 8),
          (6, 4, 3, 3))  # fmt: skip
    entry("max_pool2d", lambda T, F, x: F.max_pool2d(x, 3, 2, 1), (4, 8, 17, 16))
    entry("avg_pool2d", lambda T, F, x: F.avg_pool2d(x, 3, 2, 1), (4, 8, 17, 16))
    for causal in (False, True):
        entry(f"attention causal={causal}",
              lambda T, F, q, k, v, c=causal: F.scaled_dot_product_attention(q, k, v, is_causal=c),
              (2, 4, 64, 64), (2, 4, 64, 64), (2, 4, 64, 64))  # fmt: skip
    entry("sum", lambda T, F, x: (x * x).sum(1), (64, 1000))
    entry("index", lambda T, F, x: x[classes(T)] * 2, (64, 30))
    entry("embedding", lambda T, F, w: F.embedding(classes(T), w), (64, 30))
    return found


def checks():
    """name -> what is drawn or computed in both libraries."""
    return {
        **{f"random: {k}": v for k, v in randoms().items()},
        **{f"gradient: {k}": v for k, v in computed().items()},
    }


def parity(name, make):
    """Numbers drawn, or computed, against torch on the same card."""
    import numpy as np

    try:
        theirs, ours = both(make)
        pairs = list(zip(theirs, ours, strict=True))
        if name.startswith("random"):
            same = all(np.array_equal(a, b) for a, b in pairs)
            close = all(np.allclose(a, b, 1e-6, 1e-6) for a, b in pairs)
            other = "close, other last bits" if close else "OTHER NUMBERS"
            survive.say(f"  ok {name}" if same else f"  {name}: {other}")
            return
        tolerance = 3e-2 if "bfloat16" in name else 2e-3 if "float32" in name else 1e-9
        worst = max(float(np.abs(a - b).max() / max(np.abs(a).max(), 1e-6)) for a, b in pairs)
        good = worst < tolerance
        survive.say(f"  ok {name}" if good else f"  {name}: DIFFERS by {worst:.1e} of the largest")
    except Exception as error:
        survive.say(f"  {name}: {type(error).__name__}: {error}"[:200].replace("\n", " "))
        traceback.print_exc(limit=-3)


# ---- speed ---------------------------------------------------------------------------------------


def model(T, kind):
    """(net, x, y) of a training step."""
    nn = T.nn
    T.manual_seed(0)
    if kind == "mlp":
        net = nn.Sequential(
            nn.Linear(256, 512), nn.ReLU(), nn.Linear(512, 512), nn.ReLU(), nn.Linear(512, 10)
        )
        x = T.randn(128, 256)
    elif kind == "cnn":
        net = nn.Sequential(
            *(nn.Conv2d(3, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU(), nn.MaxPool2d(2)),
            *(nn.Conv2d(32, 64, 3, padding=1), nn.BatchNorm2d(64), nn.ReLU(), nn.MaxPool2d(2)),
            *(nn.Flatten(), nn.Linear(4096, 10)),
        )
        x = T.randn(128, 3, 32, 32)
    elif kind == "resnet18":
        net, x = resnet18(T), T.randn(32, 3, 128, 128)
    else:
        net, x = gpt_model(T), T.randint(0, 1000, (8, 256))
    y = T.arange(len(x)) % 10 if kind != "gpt" else T.randint(0, 1000, (8 * 256,))
    return net.cuda(), x.cuda(), y.cuda()


def resnet18(T):
    """ResNet-18 of 10 classes, written with the public API of either library."""
    nn = T.nn

    class Block(nn.Module):
        def __init__(self, a, b, stride):
            super().__init__()
            self.c1, self.n1 = nn.Conv2d(a, b, 3, stride, 1, bias=False), nn.BatchNorm2d(b)
            self.c2, self.n2 = nn.Conv2d(b, b, 3, 1, 1, bias=False), nn.BatchNorm2d(b)
            whole = stride == 1 and a == b
            self.down = (
                nn.Identity()
                if whole
                else nn.Sequential(nn.Conv2d(a, b, 1, stride, bias=False), nn.BatchNorm2d(b))
            )

        def forward(self, x):
            y = self.n2(self.c2(self.n1(self.c1(x)).relu()))
            return (y + self.down(x)).relu()

    sizes = [(64, 64, 1), (64, 64, 1), (64, 128, 2), (128, 128, 1)]
    sizes += [(128, 256, 2), (256, 256, 1), (256, 512, 2), (512, 512, 1)]
    stem = (nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64), nn.ReLU())
    blocks = [Block(*s) for s in sizes]
    return nn.Sequential(
        *stem, nn.MaxPool2d(3, 2, 1), *blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        nn.Linear(512, 10),
    )  # fmt: skip


def gpt_model(T, wide=512, heads=8, layers=6, words=1000):
    """A small GPT."""
    nn = T.nn

    class Layer(nn.Module):
        def __init__(self):
            super().__init__()
            self.n1, self.n2 = nn.LayerNorm(wide), nn.LayerNorm(wide)
            self.qkv, self.out = nn.Linear(wide, 3 * wide), nn.Linear(wide, wide)
            self.up, self.down = nn.Linear(wide, 4 * wide), nn.Linear(4 * wide, wide)

        def forward(self, x):
            n, length, _ = x.shape
            q, k, v = self.qkv(self.n1(x)).view(n, length, 3, heads, -1).permute(2, 0, 3, 1, 4)
            y = nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)
            x = x + self.out(y.transpose(1, 2).reshape(n, length, wide))
            return x + self.down(nn.functional.gelu(self.up(self.n2(x))))

    return nn.Sequential(
        nn.Embedding(words, wide), *[Layer() for _ in range(layers)], nn.LayerNorm(wide),
        nn.Linear(wide, words), nn.Flatten(0, 1),
    )  # fmt: skip


def training_step(T, kind, half, graphed):
    """A training step as a function without arguments; as a CUDA graph where asked."""
    net, x, y = model(T, kind)
    optimizer = T.optim.AdamW(net.parameters(), lr=1e-3, capturable=True)
    scope = T.autocast("cuda", dtype=T.bfloat16, enabled=half, cache_enabled=not graphed)

    def step():
        optimizer.zero_grad(set_to_none=True)
        with scope:
            loss = T.nn.functional.cross_entropy(net(x).float(), y)
        loss.backward()
        optimizer.step()

    if not graphed:
        return step
    side = T.cuda.Stream()
    with T.cuda.stream(side):
        for _ in range(3):
            step()
    T.cuda.synchronize()
    graph = T.cuda.CUDAGraph()
    with T.cuda.graph(graph):
        step()
    return graph.replay


def calls(T):
    """name -> (a function to time, bytes moved or None, operations or None)."""
    F, bf = T.nn.functional, T.bfloat16
    big, other = T.randn(2**26, device="cuda"), T.randn(2**26, device="cuda")
    bytes_of = 4 * 2**26
    small = T.ones(16, device="cuda")
    rows = T.randn(8192, 4096, device="cuda")
    row_bytes = 4 * 8192 * 4096
    w = T.ones(4096, device="cuda")
    a = T.randn(4096, 4096, device="cuda")
    half, batch = a.to(bf), T.randn(64, 512, 512, device="cuda", dtype=bf)
    image = T.randn(64, 128, 56, 56, device="cuda", dtype=bf)
    image = image.to(memory_format=T.channels_last)
    kernel = T.randn(128, 128, 3, 3, device="cuda", dtype=bf)
    kernel = kernel.to(memory_format=T.channels_last)
    plain, plain_kernel = image.contiguous(), kernel.contiguous()
    q = T.randn(16, 16, 1024, 64, device="cuda", dtype=bf)
    target = T.arange(8192, device="cuda") % 4096
    convolved = 2 * 64 * 128 * 128 * 9 * 56 * 56
    attended = 4 * 16 * 16 * 1024 * 1024 * 64
    return {
        "add, 16 elements": (lambda: small + small, None, None),
        "mul by a number, 16 elements": (lambda: small * 2.0, None, None),
        "add, 64 M": (lambda: big + other, 3 * bytes_of, None),
        "exp, 64 M": (lambda: big.exp(), 2 * bytes_of, None),
        "gelu, 64 M": (lambda: F.gelu(big), 2 * bytes_of, None),
        "sum, 64 M": (lambda: big.sum(), bytes_of, None),
        "copy, 64 M": (lambda: big.clone(), 2 * bytes_of, None),
        "softmax, 8192 x 4096": (lambda: rows.softmax(-1), 2 * row_bytes, None),
        "layer_norm, 8192 x 4096": (lambda: F.layer_norm(rows, (4096,), w, w), 2 * row_bytes, None),
        "rms_norm, 8192 x 4096": (lambda: F.rms_norm(rows, (4096,), w), 2 * row_bytes, None),
        "cross_entropy, 8192 x 4096": (lambda: F.cross_entropy(rows, target), row_bytes, None),
        "dropout, 64 M": (lambda: F.dropout(big, 0.1), 2 * bytes_of, None),
        "randn, 64 M": (lambda: T.randn(2**26, device="cuda"), bytes_of, None),
        "matmul, 4096 float32": (lambda: a @ a, None, 2 * 4096**3),
        "matmul, 4096 bfloat16": (lambda: half @ half, None, 2 * 4096**3),
        "bmm, 64 x 512 bfloat16": (lambda: batch @ batch, None, 2 * 64 * 512**3),
        "linear, 4096 bfloat16": (lambda: F.linear(half, half, half[0]), None, 2 * 4096**3),
        "conv2d, NHWC bfloat16": (lambda: F.conv2d(image, kernel, padding=1), None, convolved),
        "conv2d, NCHW bfloat16": (
            lambda: F.conv2d(plain, plain_kernel, padding=1), None, convolved,
        ),
        "max_pool2d, bfloat16": (lambda: F.max_pool2d(plain, 3, 2, 1), 2.5 * plain.numel(), None),
        "attention, bfloat16": (
            lambda: F.scaled_dot_product_attention(q, q, q), None, attended,
        ),
    }  # fmt: skip


def timed(T, call):
    """The median time of a call in microseconds, by the device's clock."""
    for _ in range(3):
        call()
    T.cuda.synchronize()
    start = time.perf_counter()
    call()
    T.cuda.synchronize()
    count = max(3, min(200, int(0.02 / max(time.perf_counter() - start, 1e-6))))
    times = []
    for _ in range(5):
        first, last = T.cuda.Event(enable_timing=True), T.cuda.Event(enable_timing=True)
        first.record()
        for _ in range(count):
            call()
        last.record()
        T.cuda.synchronize()
        times.append(first.elapsed_time(last) / count * 1000)
    return sorted(times)[2]


def attempt(T, make):
    """A time, or what went wrong."""
    try:
        return timed(T, make())
    except Exception as error:
        traceback.print_exc(limit=-2)
        return f"{type(error).__name__}: {error}"[:70]


def line(name, mine, other, moved=None, done=None):
    """A row of the table."""
    if isinstance(mine, str) or isinstance(other, str):  # what one of them took is told
        shown = [t if isinstance(t, str) else f"{t:.1f}" for t in (mine, other)]
        survive.say(f"{name:38} ours {shown[0]}; torch {shown[1]}")
        return
    rate = f"{moved / mine / 1e3:8.0f} GB/s" if moved else ""
    rate = f"{done / mine / 1e6:8.0f} TFLOP/s" if done else rate
    survive.say(f"{name:38} {mine:10.1f} {other:10.1f}   x{mine / other:.2f} {rate}")


def timings():
    """name -> what to time: a call by its name, or a kind of training step."""
    import torch

    for T in (torch, rushlight):
        T.backends.cuda.matmul.allow_tf32 = True
    steps = {}
    for kind in ("mlp", "cnn", "gpt", "resnet18"):
        for half in (False, True):
            for graphed in (False, True):
                name = f"step, {kind}{', bf16' if half else ''}{', graph' if graphed else ''}"
                steps[name] = kind, half, graphed
    return {**dict.fromkeys(CALLS), **steps}


CALLS = (
    "add, 16 elements", "mul by a number, 16 elements", "add, 64 M", "exp, 64 M", "gelu, 64 M",
    "sum, 64 M", "copy, 64 M", "softmax, 8192 x 4096", "layer_norm, 8192 x 4096",
    "rms_norm, 8192 x 4096", "cross_entropy, 8192 x 4096", "dropout, 64 M", "randn, 64 M",
    "matmul, 4096 float32", "matmul, 4096 bfloat16", "bmm, 64 x 512 bfloat16",
    "linear, 4096 bfloat16", "conv2d, NHWC bfloat16", "conv2d, NCHW bfloat16",
    "max_pool2d, bfloat16", "attention, bfloat16",
)  # fmt: skip
_made = {}


def made(T):
    """The calls of a library, with their tensors, made once."""
    if T.__name__ not in _made:
        _made[T.__name__] = calls(T)
    return _made[T.__name__]


def speed(name, step):
    """A row of the table: our time and torch's."""
    import torch

    if step is None:
        found = [attempt(T, lambda T=T: made(T)[name][0]) for T in (rushlight, torch)]
        _, moved, done = made(torch)[name]
        line(name, *found, moved, done)
        return
    _made.clear()
    line(name, *[attempt(T, lambda T=T: training_step(T, *step)) for T in (rushlight, torch)])
    torch.cuda.empty_cache()
    rushlight.cuda.empty_cache()


SECTIONS = {"census": (operators, census), "parity": (checks, parity), "speed": (timings, speed)}


def main(section, *rest):
    """Drive a section, or, with --only, be one of its workers."""
    if rest[:1] == ("--only",):
        cases, do = SECTIONS[section]
        survive.work(cases(), int(rest[1]), int(rest[2]), do, lost)
        return
    seconds = float(rest[1]) if rest[:1] == ("--seconds",) else 200.0
    survive.drive(__file__, section, WORKERS[section], seconds, EACH[section])


if __name__ == "__main__":
    main(*sys.argv[1:])
