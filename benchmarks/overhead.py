"""The cost of small calls and training steps, paired against PyTorch where it is installed.

    python benchmarks/overhead.py [--only REGEX] [--pairs 7] [--markdown]

Each side runs in a process of its own; they take turns, and the figure is the median of the pairs'
ratios (rushlight / PyTorch, below 1 rushlight is faster). Without PyTorch, rushlight's times alone
are printed.
"""

import argparse
import importlib
import importlib.util
import itertools
import json
import re
import statistics
import subprocess
import sys
import time

TURN = 0.05  # seconds

SMALL = {
    "a + b": "a + b",
    "a + b, with gradient": "g + b",
    "a + 1.0": "a + 1.0",
    "a * 2, with gradient": "g * 2.0",
    "a @ b.t()": "a @ b.t()",
    "linear, with gradient": "F.linear(a, w, bias)",
    "a.view(4, 10)": "a.view(4, 10)",
    "a.transpose(0, 1)": "a.transpose(0, 1)",
    "a[1:3]": "a[1:3]",
    "a[3]": "a[3]",
    "a[3, 2]": "a[3, 2]",
    "a[index]": "a[index]",
    "s.item()": "s.item()",
    "tensor(list)": "T.tensor([[1.0, 2.0], [3.0, 4.0]])",
    "zeros(10, 4)": "T.zeros(10, 4)",
    "softmax": "T.softmax(a, -1)",
    "relu": "a.relu()",
    "sum": "a.sum()",
    "mean(1, keepdim)": "a.mean(1, keepdim=True)",
    "cat": "T.cat([a, b])",
    "sum, backward": "(g.sum() * 1.0).backward()",
}


def small(T, expression):
    """A call on ten by four numbers."""
    T.manual_seed(0)
    names = {
        "T": T, "F": T.nn.functional, "a": T.randn(10, 4), "b": T.randn(10, 4),
        "g": T.randn(10, 4).requires_grad_(), "w": T.randn(2, 4).requires_grad_(),
        "bias": T.randn(2).requires_grad_(), "s": T.randn(1), "index": T.tensor([1, 2, 3, 4, 5]),
    }  # fmt: skip
    return eval(f"lambda: {expression}", names)


def training(T, layers, batch, loss, optimizer):
    """A training step of a small network."""
    T.manual_seed(0)
    nn = T.nn
    sizes = [m for pair in itertools.pairwise(layers) for m in (nn.Linear(*pair), nn.ReLU())]
    model = nn.Sequential(*sizes[:-1])
    x, y = T.randn(batch, layers[0]), loss[1](T, batch, layers[-1])
    criterion, opt = getattr(nn, loss[0])(), optimizer(T, model.parameters())

    def step():
        opt.zero_grad()
        criterion(model(x), y).backward()
        opt.step()

    return step


def numbers(T, batch, width):
    return T.randn(batch, width)


def classes(T, batch, width):
    return T.randint(width, (batch,))


STEPS = {
    "linear regression, SGD": lambda T: training(
        T, [2, 1], 10, ("MSELoss", numbers), lambda T, p: T.optim.SGD(p, lr=0.03)
    ),
    "network 64-64-10, Adam": lambda T: training(
        T, [64, 64, 10], 32, ("CrossEntropyLoss", classes), lambda T, p: T.optim.Adam(p)
    ),
    "network 3072-512-10, SGD": lambda T: training(
        T, [3072, 512, 10], 32, ("CrossEntropyLoss", classes), lambda T, p: T.optim.SGD(p, lr=0.01)
    ),
}
CASES = {n: (lambda T, e=e: small(T, e)) for n, e in SMALL.items()} | STEPS


def work(module):
    """The other end: for each line with a case and a count, run it so often and print the seconds a
    run took.
    """
    T = importlib.import_module(module)
    for name in ("nn", "nn.functional", "optim"):
        importlib.import_module(f"{module}.{name}")
    made = {}
    for line in sys.stdin:
        name, count = json.loads(line)
        run = made.get(name) or made.setdefault(name, CASES[name](T))
        start = time.perf_counter()
        for _ in range(count):
            run()
        print((time.perf_counter() - start) / count, flush=True)


class Side:
    """One module in a process of its own."""

    def __init__(self, module):
        command = [sys.executable, __file__, "--work", module]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True)

    def seconds(self, name, count):
        self.process.stdin.write(json.dumps([name, count]) + "\n")
        self.process.stdin.flush()
        return float(self.process.stdout.readline())

    def count(self, name):
        """How many runs fill a turn."""
        self.seconds(name, 10)
        return max(3, int(TURN / self.seconds(name, 20)))


def measured(sides, name, pairs):
    """Median seconds of each side, and the median of the pairs' ratios."""
    counts = [side.count(name) for side in sides]
    turns = [[s.seconds(name, n) for s, n in zip(sides, counts, strict=True)] for _ in range(pairs)]
    medians = [statistics.median(t) for t in zip(*turns, strict=True)]
    ratio = statistics.median(t[0] / t[1] for t in turns) if len(sides) > 1 else None
    return medians, ratio


def show(name, medians, ratio, markdown):
    times = [f"{m * 1e6:.2f} us" for m in medians]
    cells = [name, *times, *([] if ratio is None else [f"{ratio:.2f}"])]
    if markdown:
        print("| " + " | ".join(cells) + " |")
    else:
        print(f"{cells[0]:28}" + "".join(f"{c:>14}" for c in cells[1:]))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="")
    parser.add_argument("--pairs", type=int, default=7)
    parser.add_argument("--markdown", action="store_true")
    parser.add_argument("--work", metavar="MODULE")
    options = parser.parse_args()
    if options.work:
        work(options.work)
        return
    modules = ["rushlight"] + (["torch"] if importlib.util.find_spec("torch") else [])
    sides = [Side(m) for m in modules]
    head = ["", *modules, *(["ratio"] if len(sides) > 1 else [])]
    if options.markdown:
        print("| " + " | ".join(head) + " |\n" + "|---" * len(head) + "|")
    else:
        print(f"{'':28}" + "".join(f"{h:>14}" for h in head[1:]))
    for name in CASES:
        if re.search(options.only, name):
            show(name, *measured(sides, name, options.pairs), options.markdown)


if __name__ == "__main__":
    main()
