"""Random numbers as PyTorch's CUDA generator makes them: Philox4x32-10, counted by an offset.

This is the reference in NumPy, and what is drawn on the host for a device; a device draws by the
kernels of ``_kernels/cuda/source/random.cu``, which make the same numbers. A thread of a grid has a
subsequence of its own, so the numbers of a large tensor depend on how many threads the device runs.
Checked against the published test vectors of Philox and against numbers that PyTorch printed; never
compared with PyTorch on a GPU.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from rushlight._core import gpu
from rushlight._core.backend import device_kernels

F4, F8 = np.dtype(np.float32), np.dtype(np.float64)
U4, U8 = np.uint32, np.uint64
BLOCK = 256  # threads of a block in PyTorch's kernels
STATE_BYTES = 16
MASK = U8(0xFFFFFFFF)


class Stream:
    """A seed, and how many words each thread drew: the state of a CUDA generator."""

    def __init__(self, index: int) -> None:
        self.index, self.first, self.offset = index, 0, 0
        self.recording: Any = None  # while a graph is recorded: where its seed and offset stand

    def seed(self, seed: int) -> None:
        """Start anew."""
        if self.recording is not None:
            raise RuntimeError(
                "Cannot call CUDAGeneratorImpl::set_current_seed during CUDA graph capture."
            )
        self.first, self.offset = seed, 0

    def take(self, words: int) -> tuple[int, int]:
        """The seed and the offset of a launch whose threads draw so many words each."""
        begin = self.offset
        self.offset += words
        return self.first, begin

    def state_bytes(self) -> np.ndarray:
        """Seed and offset, 16 bytes."""
        return np.array([self.first, self.offset], np.uint64).view(np.uint8)

    def set_state_bytes(self, state: np.ndarray) -> None:
        """Continue from such bytes."""
        if state.size != STATE_BYTES:
            raise RuntimeError("RNG state is wrong size")
        self.first, self.offset = map(int, np.frombuffer(state.tobytes(), np.uint64))


# ---- the words -----------------------------------------------------------------------------------


def words(seed: int, counter: np.ndarray, subsequence: np.ndarray) -> list[np.ndarray]:
    """Four 32-bit words for each counter and subsequence."""
    x, y = counter & MASK, counter >> U8(32)
    z, w = subsequence & MASK, subsequence >> U8(32)
    low, high = seed & 0xFFFFFFFF, seed >> 32
    for _ in range(10):
        a, b = U8(0xD2511F53) * x, U8(0xCD9E8D57) * z
        x, y, z, w = (b >> U8(32)) ^ y ^ U8(low), b & MASK, (a >> U8(32)) ^ w ^ U8(high), a & MASK
        low, high = (low + 0x9E3779B9) & 0xFFFFFFFF, (high + 0xBB67AE85) & 0xFFFFFFFF
    return [v.astype(U4) for v in (x, y, z, w)]


def grid(n: int, unroll: int, index: int) -> tuple[int, int]:
    """How many threads a device draws n numbers with, and how many words each counts as drawn."""
    processors, threads = size_of(index)
    blocks = min(processors * (threads // BLOCK), -(-n // BLOCK))
    whole = blocks * BLOCK
    return whole, ((n - 1) // (whole * unroll) + 1) * 4


def size_of(index: int) -> tuple[int, int]:
    """The multiprocessors of a device, and the threads that each runs at once."""
    found = gpu.cuda.sizes.get(index)
    if found is None:
        facts = gpu.engine().cuda.runtime.getDeviceProperties(index)
        found = facts["multiProcessorCount"], facts["maxThreadsPerMultiProcessor"]
        gpu.cuda.sizes[index] = found
    return found


def by_element(stream: Stream, n: int, unroll: int) -> tuple[list[np.ndarray], np.ndarray]:
    """The words of the call that makes each of n elements, and which of its numbers it is."""
    threads, taken = grid(n, unroll, stream.index)
    seed, offset = stream.take(taken)
    at = np.arange(n, dtype=U8)
    thread, turn = at % U8(threads), at // U8(threads)
    made = words(seed, U8(offset // 4) + turn // U8(unroll), thread)
    return made, (turn % U8(unroll)).astype(np.intp)


# ---- numbers -------------------------------------------------------------------------------------


def unit(x: np.ndarray) -> np.ndarray:
    """(0, 1], float32."""
    return x.astype(np.float32) * np.float32(2**-32) + np.float32(2**-33)


def unit64(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """(0, 1], float64."""
    return (x.astype(U8) ^ (y.astype(U8) << U8(21))) * 2.0**-53 + 2.0**-54


def uniforms(stream: Stream, n: int, d: np.dtype) -> np.ndarray:
    """n numbers in (0, 1]."""
    if d == F8:
        w, which = by_element(stream, n, 2)
        return np.choose(which, [unit64(w[0], w[1]), unit64(w[2], w[3])])
    w, which = by_element(stream, n, 4)
    return unit(np.choose(which, w))


def normals(stream: Stream, n: int, d: np.dtype) -> np.ndarray:
    """n standard normal numbers, two from each pair of words."""
    if d == F8:
        w, which = by_element(stream, n, 2)
        size = np.sqrt(-2.0 * np.log(unit64(w[0], w[1])))
        turn = (w[2].astype(U8) ^ (w[3].astype(U8) << U8(21))) * 2.0**-52 + 2.0**-53
        return size * np.where(which == 0, np.sin(math.pi * turn), np.cos(math.pi * turn))
    w, which = by_element(stream, n, 4)
    first, second = np.choose(which // 2, [w[0], w[2]]), np.choose(which // 2, [w[1], w[3]])
    size = np.sqrt(np.float32(-2) * np.log(unit(first)))
    step = np.float32(2**-32) * np.float32(6.2831855)
    angle = second.astype(np.float32) * step + step / np.float32(2)
    return size * np.where(which % 2 == 0, np.sin(angle), np.cos(angle))


def reference(stream: Stream, recipe: str, n: int, d: np.dtype, a: float, b: float) -> np.ndarray:
    """n numbers of a distribution, in float32 (float64 for float64), not yet rounded."""
    t: Any = F8 if d == F8 else F4
    if recipe in ("normal", "log_normal"):
        made = normals(stream, n, t).astype(t) * t.type(b) + t.type(a)
        return np.exp(made) if recipe == "log_normal" else made
    x: Any = uniforms(stream, n, t)
    tiny = np.finfo(t).eps
    if recipe == "uniform":
        low, high = np.dtype(d).type(a), np.dtype(d).type(b)
        made = x * (t.type(high) - t.type(low)) + t.type(low)
        return np.where(made.astype(d) == high, t.type(low), made)
    if recipe == "bernoulli":
        return (x < a).astype(t)
    if recipe == "exponential":
        return t.type(-1 / a) * np.where(x >= 1 - tiny / 2, -tiny / 2, np.log(x))
    if recipe == "cauchy":
        x = np.clip(x, tiny, 1 - tiny)
        return t.type(a) + t.type(b) * np.tan(t.type(math.pi) * (x - t.type(0.5)))
    return np.ceil(np.log(x) / np.log1p(-a))


def kept(stream: Stream, n: int, keep: float) -> np.ndarray:
    """Which of n elements dropout keeps: a thread has 4, 2 or 1 neighbouring elements at a time."""
    vector = next(v for v in (4, 2, 1) if n % v == 0)
    if vector == 1:
        return uniforms(stream, n, F4) < np.float32(keep)
    threads, taken = grid(n, 4, stream.index)
    seed, offset = stream.take(taken)
    at = np.arange(n, dtype=U8)
    group, which = at // U8(vector), at % U8(vector)
    thread, turn = group % U8(threads), group // U8(threads)
    if vector == 2:  # two turns share a call
        which, turn = which + U8(2) * (turn % U8(2)), turn // U8(2)
    made = words(seed, U8(offset // 4) + turn, thread)
    return unit(np.choose(which.astype(np.intp), made)) < np.float32(keep)


# ---- filling arrays ------------------------------------------------------------------------------


def fill(gen: Any, recipe: str, out: Any, a: float = 0.0, b: float = 1.0) -> Any:
    """Fill an array of a device, or of the host, in the order of its memory."""
    if out.dtype.kind == "c":
        return of_complex(gen, recipe, out, a, b)
    return into(gen, out, "philox_draw", (recipe, a, b), drawn(recipe, a, b))


def drawn(recipe: str, a: float, b: float) -> Callable:
    """What draws on the host."""

    def draw(stream: Stream, n: int, d: np.dtype) -> np.ndarray:
        return reference(stream, recipe, n, d, a, b).astype(d)

    return draw


def integers(gen: Any, out: Any, span: int, base: int, wide: bool | None) -> Any:
    """Fill with base + (word mod span)."""
    wide = span >= 2**28 if wide is None else wide

    def draw(stream: Stream, n: int, d: np.dtype) -> np.ndarray:
        w, which = by_element(stream, n, 2 if wide else 4)
        if wide:
            pairs = [(w[i].astype(U8) << U8(32)) | w[i + 1] for i in (0, 2)]
            made = np.choose(which, pairs)
        else:
            made = np.choose(which, w).astype(U8)
        if span < 2**64:
            made = made % U8(span)
        with np.errstate(over="ignore"):
            return (made.astype(np.int64) + np.int64(base)).astype(d)

    return into(gen, out, "philox_integers", (span, base, bool(wide)), draw)


def into(gen: Any, out: Any, name: str, how: tuple, draw: Callable) -> Any:
    """Draw into an array: by the kernel of that name on a device, or on the host."""
    if not out.size:
        return out
    stream = gen.philox
    if type(out) is not gpu.cuda.kind:
        stored, _ = gpu.by_memory(out)
        stored[...] = draw(stream, out.size, out.dtype).reshape(stored.shape)
        return out
    with gpu.on(gpu.index_of(out)):
        stored, _ = gpu.by_memory(out)
        kernel = device_kernels.get(name)
        whole = stored.flags.c_contiguous
        target = stored if whole else gpu.cuda.module.empty(stored.shape, out.dtype)
        if kernel is None or kernel(stream, target, *how) is NotImplemented:
            target[...] = gpu.cuda.module.asarray(
                draw(stream, out.size, out.dtype).reshape(stored.shape)
            )
        if not whole:
            stored[...] = target
    return out


def of_complex(gen: Any, recipe: str, out: Any, a: float, b: float) -> Any:
    """Real and imaginary parts in turn; of a normal number each has half the variance."""
    parts = gpu.made_beside(out, "empty", (*out.shape, 2), out.real.dtype)
    scale = b / math.sqrt(2) if recipe == "normal" else b
    fill(gen, recipe, parts, a, scale)
    with gpu.where(out):
        out[...] = parts[..., 0] + 1j * parts[..., 1]
    return out


def random64(gen: Any) -> int:
    """One 64-bit word."""
    w, _ = by_element(gen.philox, 1, 2)
    return (int(w[0][0]) << 32) | int(w[1][0])
