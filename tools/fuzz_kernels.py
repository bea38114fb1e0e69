"""Compare the native kernels with their NumPy references on hostile arrays.

    PYTHONPATH=src python tools/fuzz_kernels.py [cases] [--seed N] [--only NAMES]

The arguments come from the recorded cases of tests/ops: every call of a kernel in them, forward and
backward, is a seed. A case changes its sizes (0 and 1 among them), dtypes, values (nan, inf, -0.0,
denormals) and memory layouts (strided, reversed, expanded, misaligned, read-only), and asks kernel
and reference. A kernel may answer NotImplemented, or refuse what the reference refuses; it must not
differ, and not die: cases run in child processes, which say where they were. Where rounding makes
the two differ, as in a softmax of scores in the thousands, both are held against the reference in
float64: the kernel may be 4 times as far from it as the reference is, or off by 1e-5 of the largest
result.
"""

import argparse
import multiprocessing
import sys
import warnings
from collections import Counter
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "ops"))

SIZES = [0, 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 33, 48, 49, 64, 65, 100, 129]
FLOATS = [np.dtype(d) for d in (np.float32, np.float64)]
DTYPES = [*FLOATS, *(np.dtype(d) for d in (np.float16, np.int64, np.int32, np.uint8, np.bool_))]
DTYPES.append(np.dtype(ml_dtypes.bfloat16))
SPECIAL = [np.nan, np.inf, -np.inf, -0.0, 1e-45, -1e-40, 3e38, 0.0]
MOST = 40_000  # elements of one array
PER_CHILD = 2_000
# Sums of products: inf - inf depends on the order, so their values stay finite.
FINITE = {"convolution", "conv_transpose", "conv_weight", "linear", "linear_input", "mm", "mv"}
FINITE |= {"linear_weight", "bmm", "batched_matmul", "rnn_layer", "rnn_layer_backward"}
FINITE |= {"native_layer_norm", "standardize_backward", "avg_pool", "avg_pool_backward"}
FINITE |= {"adaptive_avg_pool", "adaptive_avg_pool_backward", "plane_scatter", "cumsum", "cumprod"}
FINITE |= {"native_batch_norm", "native_group_norm", "norm_backward", "batch_norm_inference"}
FINITE |= {
    "attention",
    "attention_backward",
    "softmax_backward",
    "log_softmax_backward",
    "cross_entropy_backward",
}
FINITE |= {"sum", "mean", "prod", "var", "std", "var_mean", "std_mean", "linalg_vector_norm"}
FINITE |= {"rms_rows", "rms_rows_backward", "addcmul", "addcdiv", "add_scaled", "sub_scaled"}
FINITE.add("gelu_backward")  # an infinite gradient times a slope that may have become 0

CONVOLUTIONS = {"convolution", "conv_transpose", "conv_weight"}
POSITIONS = {"median", "nanmedian", "kthvalue", "topk"}
# Only our own code calls these, with sizes that belong together; others would read beyond an array.
GEOMETRY = ("conv", "pool_backward", "plane_scatter")
ABSOLUTE = {
    "log_softmax": 1e-5,
    "gelu": 1e-6,
    "gelu_backward": 1e-5,
    "silu_backward": 1e-5,
    "mish_backward": 1e-5,
    "hardswish_backward": 1e-5,
}  # where a result near 0 is a difference of larger numbers


# ---- seeds ---------------------------------------------------------------------------------------


def collect(per_op: int = 40) -> dict[str, list[tuple]]:
    """Op name -> arguments (arrays and params) of its forward in the recorded cases."""
    from cases import recorded
    from test_laws import FURTHER, NAMES, evaluate_both_ways, run_both_ways

    from rushlight._core.op import OPS
    from rushlight._core.state import S

    seeds: dict[str, list[tuple]] = {}
    kept: dict[str, Any] = {}

    def watch(name: str, run: Any) -> Any:
        def watched(xp: Any, *args: Any) -> Any:
            if len(seeds.setdefault(name, [])) < per_op and xp is np:
                seeds[name].append(args)
            return run(xp, *args)

        return watched

    for name, op in OPS.items():
        if op.native is not None:
            kept[name] = op.run
            op.run = staticmethod(watch(name, op.run))
    S.special += 1  # every call takes the general path, which asks op.run
    try:
        for name in NAMES:
            for case in recorded()[name]:
                run_both_ways(case)
        for expression in FURTHER:
            evaluate_both_ways(expression)
    finally:
        S.special -= 1
        for name, run in kept.items():
            OPS[name].run = staticmethod(run)
    return seeds


# ---- one case ------------------------------------------------------------------------------------


class Mutation:
    """One way to change the arrays of a seed, the same for all of them where they must agree."""

    def __init__(self, rng: np.random.Generator, name: str) -> None:
        self.rng, self.name = rng, name
        self.sizes: dict[int, int] = {}
        self.dtypes: dict[np.dtype, np.dtype] = {}
        self.change_dtype = rng.random() < 0.4
        self.change_sizes = rng.random() < 0.7 and not any(word in name for word in GEOMETRY)

    def size(self, n: int) -> int:
        """What a size becomes."""
        if n not in self.sizes:
            keep = not self.change_sizes or self.rng.random() < 0.5
            self.sizes[n] = n if keep else int(self.rng.choice(SIZES))
        return self.sizes[n]

    def dtype(self, d: np.dtype) -> np.dtype:
        """What a dtype becomes; integers, which may be indices, mostly stay."""
        if d not in self.dtypes:
            change = self.change_dtype and (d.kind == "f" or self.rng.random() < 0.2)
            self.dtypes[d] = DTYPES[self.rng.integers(len(DTYPES))] if change else d
        return self.dtypes[d]

    def apply(self, value: Any) -> Any:
        """The value with every array in it changed."""
        if isinstance(value, np.ndarray):
            return self.array(value)
        if type(value) in (list, tuple):
            return type(value)(self.apply(v) for v in value)
        return value

    def array(self, x: np.ndarray) -> np.ndarray:
        shape = [self.size(n) for n in x.shape]
        while np.prod(shape, dtype=float) > MOST:
            shape[int(np.argmax(shape))] //= 2
        return self.lay_out(self.values(x, tuple(shape)))

    def values(self, x: np.ndarray, shape: tuple) -> np.ndarray:
        d = self.dtype(x.dtype)
        if x.dtype.kind in "iub":  # indices stay in their range
            high = int(x.max()) + 1 if x.size else 1
            low = min(int(x.min()), high - 1) if x.size else 0
            return self.rng.integers(low, max(high, low + 1), shape).astype(d)
        values = self.rng.standard_normal(shape) * 10.0 ** self.rng.integers(-2, 2)
        if x.dtype.kind == "c":
            return (values + 1j * self.rng.standard_normal(shape)).astype(x.dtype)
        if self.name not in FINITE and values.size and self.rng.random() < 0.3:
            count = int(self.rng.integers(1, 4))
            places = self.rng.integers(0, values.size, count)
            values.flat[places] = self.rng.choice(SPECIAL, count)
        return values.astype(d)

    def lay_out(self, x: np.ndarray) -> np.ndarray:
        """The same elements otherwise in memory."""
        how = self.rng.integers(9)
        if how == 1:
            return np.asfortranarray(x)
        if how == 2 and x.ndim:
            return np.repeat(x, 2, -1)[..., ::2]
        if how == 3 and x.ndim:
            return np.ascontiguousarray(x[::-1])[::-1]
        if how == 4 and x.ndim and x.shape[0]:
            return np.broadcast_to(x[:1], x.shape)
        if how == 5:
            memory = np.empty(x.nbytes + 1, np.uint8)
            moved = memory[1:].view(x.dtype).reshape(x.shape)
            moved[...] = x
            return moved
        if how == 6:
            x.setflags(write=False)
        if how == 7 and x.ndim > 1:
            return np.ascontiguousarray(x.swapaxes(0, -1)).swapaxes(0, -1)
        return x


def convolution_case(rng: np.random.Generator, name: str) -> tuple:
    """Arguments of a convolution or of one of its gradients, whose sizes belong together."""
    n = int(rng.choice([1, 2, 2, 2, 3]))
    groups = int(rng.choice([1, 1, 1, 2, 5, 16]))
    few = [1, 2, 3, 4, 7, 8]
    wide = [1, 3, 7, 16, 17, 33, 70]
    channels, outputs = (groups * int(rng.choice(few if groups > 1 else wide)) for _ in range(2))
    kernel, stride, dilation = (
        tuple(map(int, rng.choice(c, n))) for c in ((1, 2, 3, 5), (1, 1, 2, 3), (1, 1, 2))
    )
    if rng.random() < 0.4:
        kernel, stride, dilation = (3,) * n, (1,) * n, (1,) * n
    padding = tuple(map(int, rng.integers(0, 4, n)))
    out = [int(rng.choice([1, 2, 3, 5, 8, 13, 17][: 9 - 2 * n])) for _ in range(n)]
    size = [
        max(1, (o - 1) * s + d * (k - 1) + 1 - 2 * p + int(rng.integers(0, s)))
        for o, s, d, k, p in zip(out, stride, dilation, kernel, padding, strict=True)
    ]
    out = [
        (i + 2 * p - d * (k - 1) - 1) // s + 1
        for i, s, d, k, p in zip(size, stride, dilation, kernel, padding, strict=True)
    ]
    samples = int(rng.choice([1, 1, 2, 5, 33]))
    dtype = FLOATS[int(rng.random() < 0.2)]
    draw = Mutation(rng, name)
    x, w, g = (
        draw.lay_out(rng.standard_normal(shape).astype(dtype))
        for shape in (
            (samples, channels, *size),
            (outputs, channels // groups, *kernel),
            (samples, outputs, *out),
        )
    )
    how = stride, padding, dilation, groups
    if name == "conv_weight":
        return g, x, w.shape, *how
    bias = outputs if name == "convolution" else channels
    b = None if rng.random() < 0.5 else draw.lay_out(rng.standard_normal(bias).astype(dtype))
    return (x, w, b, *how) if name == "convolution" else (g, w, b, x.shape, *how)


def outcome(function: Any, args: tuple) -> Any:
    """What a forward returns, or the exception it raises."""
    try:
        return function(*args)
    except Exception as error:
        return error


def difference(name: str, got: Any, want: Any) -> str | None:
    """What is wrong with a kernel's answer, if anything."""
    if got is NotImplemented or isinstance(got, Exception):
        refused = isinstance(got, Exception) and not isinstance(want, Exception)
        return f"raises {got!r}" if refused else None
    if isinstance(want, Exception):
        return f"answers where the reference raises {want!r}"
    if isinstance(want, (tuple, list)):
        if not isinstance(got, (tuple, list)) or len(got) != len(want):
            return "another number of results"
        found = [difference(name, g, w) for g, w in zip(got, want, strict=True)]
        return next((f for f in found if f), None)
    if want is None or got is None:
        return None if want is got else "None on one side"
    return unlike(name, np.asarray(got), np.asarray(want))


def unlike(name: str, got: np.ndarray, want: np.ndarray) -> str | None:
    """How two arrays differ: dtype, shape, places of nan and inf, or values beyond rounding."""
    if got.dtype != want.dtype or got.shape != want.shape:
        return f"{got.dtype}{got.shape} instead of {want.dtype}{want.shape}"
    if want.dtype.kind in "iub":
        return None if np.array_equal(got, want) else "other integers"
    itemsize = want.dtype.itemsize
    if want.dtype.kind == "c":
        got, want = (np.stack([x.real, x.imag]) for x in (got, want))
        itemsize //= 2
    g, w = got.astype(np.float64), want.astype(np.float64)
    if not np.array_equal(np.isnan(g), np.isnan(w)):
        return "nan in other places"
    finite = np.isfinite(w) & np.isfinite(g)
    if not np.array_equal(g[~finite & ~np.isnan(w)], w[~finite & ~np.isnan(w)]):
        return "inf in other places"
    if not finite.any():
        return None
    unit = {2: 1e-2, 4: 2e-5, 8: 1e-11}[itemsize]
    scale = np.abs(w[finite]).max() if name in FINITE else np.abs(w[finite])
    beyond = np.abs(g[finite] - w[finite]) - unit * (scale + (1 if name in FINITE else 1e-3))
    beyond -= ABSOLUTE.get(name, 0)
    return f"off by {np.abs(g - w)[finite].max():.3g}" if (beyond > 0).any() else None


HALVES = (np.dtype(np.float16), np.dtype(ml_dtypes.bfloat16))


def changed(a: Any, test: Any, d: Any) -> Any:
    """An argument with the arrays that pass the test in another dtype."""
    if isinstance(a, (tuple, list)):
        return type(a)([changed(x, test, d) for x in a])
    return a.astype(d) if isinstance(a, (np.ndarray, np.generic)) and test(a.dtype) else a


def expected(op: Any, args: tuple) -> Any:
    """What the reference gives; half precision by way of float32 where operators are called so."""
    half = next((a.dtype for a in args if isinstance(a, np.ndarray) and a.dtype in HALVES), None)
    if half is None or not (op.half == "widen" or (op.half == "float32" and op.promote != "keep")):
        return op.reference(np, *args)
    found = op.reference(np, *changed(args, lambda d: d in HALVES, np.float32))
    return changed(found, lambda d: d == np.float32, half)


def as_exact(op: Any, args: tuple, got: Any, want: Any) -> bool:
    """Is a kernel's answer as near to the reference in float64 as the reference's own?"""
    wide = {np.dtype(np.float32), *HALVES}
    if not any(isinstance(a, np.ndarray) and a.dtype in wide for a in args):
        return False
    exact = outcome(lambda *a: op.reference(np, *a), changed(args, lambda d: d in wide, np.float64))
    if isinstance(exact, Exception):
        return False
    results = [x if isinstance(x, (tuple, list)) else [x] for x in (got, want, exact)]
    triples = [
        [np.asarray(x).astype(np.float64) for x in triple]
        for triple in zip(*results, strict=True)
        if triple[2] is not None
    ]
    largest = max(np.where(np.isfinite(e), np.abs(e), 0).max(initial=0) for _, _, e in triples)
    return all(no_further(*triple, 1e-5 * largest) for triple in triples)


def no_further(got: np.ndarray, want: np.ndarray, exact: np.ndarray, free: float) -> bool:
    """Is ``got`` at most ``free``, or 4 times as far from ``exact`` as ``want`` is?"""
    finite = np.isfinite(exact)
    if not np.array_equal(got[~finite], exact[~finite], equal_nan=True):
        return False
    got, want, exact = got[finite], want[finite], exact[finite]
    off = np.abs(want - exact).max(initial=0)
    return bool(np.abs(got - exact).max(initial=0) <= max(4 * off, free))


def run_one(seeds: dict, names: list[str], number: int, seed: int) -> tuple[str, str, str | None]:
    """(op, what happened, what is wrong) of one case."""
    from rushlight._core.op import OPS

    rng = np.random.default_rng([seed, number])
    name = names[int(rng.integers(len(names)))]
    args = seeds[name][int(rng.integers(len(seeds[name])))]
    args = tuple(Mutation(rng, name).apply(list(args)))
    if name in CONVOLUTIONS and rng.random() < 0.8:
        args = convolution_case(rng, name)
    op = OPS[name]
    if name == "max_pool_backward":  # whose third argument is what max_pool made of the second
        made = outcome(lambda *a: OPS["max_pool"].reference(np, *a), (args[1], *args[3:], False))
        if isinstance(made, Exception):
            return name, "senseless", None
        args = (np.resize(args[0], made.shape).astype(made.dtype), args[1], made, *args[3:])
    if name == "searchsorted":  # what is searched in is in order
        args = (np.sort(args[0], -1), *args[1:])
    before = [a.copy() for a in args if isinstance(a, np.ndarray)]
    want = outcome(lambda *a: expected(op, a), args)
    if not op.public and isinstance(want, Exception):
        return name, "senseless", None  # what only our own code calls is never called like this
    got = outcome(op.native, args)
    after = [a for a in args if isinstance(a, np.ndarray)]
    if any(a.tobytes() != b.tobytes() for a, b in zip(after, before, strict=True)):
        return name, "compared", "an input was changed"
    what = "declined" if got is NotImplemented else "compared"
    if name in POSITIONS and isinstance(got, tuple) and isinstance(want, tuple):
        got, want = got[:1], want[:1]  # among equals, any position will do
    wrong = difference(name, got, want)
    if wrong and wrong.startswith(("off by", "inf")) and as_exact(op, args, got, want):
        return name, "as exact", None
    return name, what, wrong


def child(
    seeds: dict, names: list[str], first: int, last: int, seed: int, at: Any, out: Any
) -> None:
    """Cases first to last; the number of the one under way stands in ``at``."""
    warnings.simplefilter("ignore")
    counts: Counter = Counter()
    bad = []
    with np.errstate(all="ignore"):
        for number in range(first, last):
            at.value = number
            name, what, wrong = run_one(seeds, names, number, seed)
            counts[what] += 1
            if wrong:
                bad.append((number, name, wrong))
    out.put((counts, bad))


def main() -> int:
    """Run the cases in child processes and print what was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cases", type=int, nargs="?", default=20_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default="", help="ops, with commas between")
    parser.add_argument("--first", type=int, default=0, help="the number of the first case")
    options = parser.parse_args()
    seeds = collect()
    wanted = options.only.split(",")
    names = [n for n in sorted(seeds) if not options.only or n in wanted]
    print(f"{sum(len(seeds[n]) for n in names)} seeds of {len(names)} kernels", flush=True)
    fork = multiprocessing.get_context("fork")
    counts: Counter = Counter()
    findings = []
    last = options.first + options.cases
    for first in range(options.first, last, PER_CHILD):
        at, out = fork.Value("l", first), fork.SimpleQueue()
        end = min(first + PER_CHILD, last)
        process = fork.Process(target=child, args=(seeds, names, first, end, options.seed, at, out))
        process.start()
        process.join()
        if process.exitcode:
            findings.append((at.value, "?", f"the process died with {process.exitcode}"))
        else:
            part, bad = out.get()
            counts += part
            findings += bad
    for number, name, wrong in findings[:60]:
        print(f"case {number}: {name}: {wrong}")
    print(f"{dict(counts)}, {len(findings)} findings")
    return bool(findings)


if __name__ == "__main__":
    sys.exit(main())
