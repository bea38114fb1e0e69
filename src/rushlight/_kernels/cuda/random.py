"""Random numbers drawn on the device (source/random.cu), as _core/philox.py draws them."""

from typing import Any

import numpy as np

from rushlight._core import gpu
from rushlight._core.philox import BLOCK, grid
from rushlight._kernels.cuda.compiler import ELEMENTS, F8, I8, blocks, contiguous, empty, kernel

RECIPES = {
    "uniform": 0, "normal": 1, "bernoulli": 2, "exponential": 3, "cauchy": 4, "log_normal": 5,
    "geometric": 6,
}  # fmt: skip
U8 = np.uint64


def begin(stream: Any, n: int, unroll: int) -> tuple[tuple, tuple, tuple]:
    """Grid, block, and where the stream stands: seed, offset, and their place on the device while a
    graph is recorded."""
    threads, taken = grid(n, unroll, stream.index)
    seed, offset = stream.take(taken)
    return (threads // BLOCK,), (BLOCK,), (U8(seed), U8(offset), stream.recording)


def philox_draw(stream, out, recipe, a, b):
    """Fill a contiguous array with numbers of a distribution."""
    if out.dtype not in ELEMENTS:
        if recipe not in ("bernoulli", "geometric"):
            return NotImplemented
        made = empty(out.shape, np.float32)
        philox_draw(stream, made, recipe, a, b)
        out[...] = made.astype(out.dtype)
        return out
    where, block, state = begin(stream, out.size, 2 if out.dtype == F8 else 4)
    number = np.int32(RECIPES[recipe]), np.float64(a), np.float64(b)
    kernel("random", "draw", out.dtype)(where, block, (out, I8(out.size), *state, *number))
    return out


def philox_integers(stream, out, span, base, wide):
    """Fill a contiguous array with base + (word mod span)."""
    made = out if out.dtype == np.int64 else empty(out.shape, np.int64)
    where, block, state = begin(stream, out.size, 2 if wide else 4)
    how = U8(span % 2**64), I8(base), np.int32(wide)
    kernel("random", "integers", None)(where, block, (made, I8(out.size), *state, *how))
    if made is not out:
        out[...] = made.astype(out.dtype)
    return out


def fused_dropout(x, keep, stream):
    """x / keep where a number is below keep, else 0; and the mask."""
    if x.dtype not in ELEMENTS or not x.size:
        return NotImplemented
    x = contiguous(x)
    result, mask = empty(x.shape, x.dtype), empty(x.shape, np.bool_)
    vector = next(v for v in (4, 2, 1) if x.size % v == 0)
    where, block, state = begin(stream, x.size, 4)
    args = (x, result, mask.view(np.uint8), I8(x.size), *state, np.float64(keep), np.int32(vector))
    kernel("random", "dropout", x.dtype)(where, block, args)
    return result, mask


def fused_dropout_backward(g, mask, keep):
    """The gradient of what was kept."""
    if g.dtype not in ELEMENTS or g.shape != mask.shape or type(mask) is not gpu.cuda.kind:
        return NotImplemented
    g, mask = contiguous(g), contiguous(mask)
    result = empty(g.shape, g.dtype)
    args = g, mask.view(np.uint8), result, I8(g.size), np.float64(keep)
    kernel("random", "dropout_backward", g.dtype)((blocks(g.size, 256),), (256,), args)
    return result


KERNELS = (philox_draw, philox_integers, fused_dropout, fused_dropout_backward)
