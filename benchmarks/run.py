"""rushlight beside PyTorch, in turns: times, and ratios where PyTorch is installed.

    python benchmarks/run.py [family ...] [--only REGEX] [--pairs 7] [--markdown]

Families: overhead, elementwise, reduce, matmul, index, conv, optim, random, train, data; without a
name, all. Each side runs in a process of its own; the figure is the median of the pairs' ratios
(rushlight / PyTorch, below 1 rushlight is faster). RUSHLIGHT_NUM_THREADS and OMP_NUM_THREADS set
the threads.
"""

import argparse
import importlib
import importlib.util
import json
import math
import re
import statistics
import subprocess
import sys
import time

import overhead
import training

import kernels

TURN = 0.05  # seconds
FAMILIES = {
    "overhead": overhead.CASES,
    "elementwise": kernels.ELEMENTWISE,
    "reduce": kernels.REDUCE,
    "matmul": kernels.MATMUL,
    "index": kernels.INDEX,
    "conv": kernels.CONV,
    "optim": kernels.OPTIM,
    "random": kernels.RANDOM,
    "train": training.TRAIN,
    "data": training.DATA,
}


def work(module):
    """The other end: for each line with a case and a count, run it so often and print the seconds a
    run took.
    """
    T = importlib.import_module(module)
    for name in ("nn", "nn.functional", "optim", "utils.data"):
        importlib.import_module(f"{module}.{name}")
    made = {}
    for line in sys.stdin:
        family, name, count = json.loads(line)
        run = made.get((family, name))
        if run is None:
            made.clear()  # one case at a time holds memory
            run = made[family, name] = FAMILIES[family][name](T)
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

    def seconds(self, case, count):
        self.process.stdin.write(json.dumps([*case, count]) + "\n")
        self.process.stdin.flush()
        return float(self.process.stdout.readline())

    def count(self, case):
        """How many runs fill a turn."""
        self.seconds(case, 1)
        once = self.seconds(case, 1)
        if once < TURN / 20:
            once = self.seconds(case, 20)
        return max(1, int(TURN / once))


def measured(sides, case, pairs):
    """Median seconds of each side, and the median of the pairs' ratios."""
    counts = [side.count(case) for side in sides]
    turns = [[s.seconds(case, n) for s, n in zip(sides, counts, strict=True)] for _ in range(pairs)]
    medians = [statistics.median(t) for t in zip(*turns, strict=True)]
    ratio = statistics.median(t[0] / t[1] for t in turns) if len(sides) > 1 else None
    return medians, ratio


def text_of(seconds):
    return f"{seconds * 1e6:.2f} us" if seconds < 1e-3 else f"{seconds * 1e3:.2f} ms"


def show(name, medians, ratio, markdown):
    times = [text_of(m) for m in medians]
    cells = [name, *times, *([] if ratio is None else [f"{ratio:.2f}"])]
    if markdown:
        print("| " + " | ".join(cells) + " |", flush=True)
    else:
        print(f"{cells[0]:34}" + "".join(f"{c:>14}" for c in cells[1:]), flush=True)


def run_family(family, sides, modules, options):
    """The table of one family, and the geometric mean of its ratios."""
    head = [family, *modules, *(["ratio"] if len(sides) > 1 else [])]
    if options.markdown:
        print("\n| " + " | ".join(head) + " |\n" + "|---" * len(head) + "|")
    else:
        print(f"\n{family:34}" + "".join(f"{h:>14}" for h in head[1:]))
    ratios = []
    for name in FAMILIES[family]:
        if re.search(options.only, name):
            medians, ratio = measured(sides, (family, name), options.pairs)
            show(name, medians, ratio, options.markdown)
            ratios += [] if ratio is None else [ratio]
    if ratios:
        print(f"geometric mean of {family}: {math.exp(statistics.mean(map(math.log, ratios))):.2f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("families", nargs="*", metavar="family", help=", ".join(FAMILIES))
    parser.add_argument("--only", default="")
    parser.add_argument("--pairs", type=int, default=7)
    parser.add_argument("--markdown", action="store_true")
    parser.add_argument("--work", metavar="MODULE")
    options = parser.parse_args()
    if options.work:
        work(options.work)
        return
    unknown = [f for f in options.families if f not in FAMILIES]
    if unknown:
        parser.error(f"no family {unknown[0]}; there are {', '.join(FAMILIES)}")
    modules = ["rushlight"] + (["torch"] if importlib.util.find_spec("torch") else [])
    sides = [Side(m) for m in modules]
    for family in options.families or FAMILIES:
        run_family(family, sides, modules, options)


if __name__ == "__main__":
    main()
