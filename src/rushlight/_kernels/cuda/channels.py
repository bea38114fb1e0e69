"""Batch normalization (source/channels.cu), and a convolution's bias."""

import math
from typing import Any

import numpy as np

from rushlight._core import gpu
from rushlight._kernels.cuda import groups
from rushlight._kernels.cuda.compiler import (
    COMPUTED,
    ELEMENTS,
    I8,
    blocks,
    contiguous,
    empty,
    kernel,
)

THREADS = 256


def layout(x: Any) -> tuple[Any, tuple[int, int, int], list[int] | None]:
    """The array in memory order, its (outer, channels, inner), and what undoes the order: channels
    last or second; others are copied."""
    if x.flags.c_contiguous:
        return x, (x.shape[0], x.shape[1], math.prod(x.shape[2:])), None
    last = x.transpose(0, *range(2, x.ndim), 1)
    if last.flags.c_contiguous:
        back = [0, x.ndim - 1, *range(1, x.ndim - 1)]
        return last, (x.size // x.shape[1], x.shape[1], 1), back
    return layout(contiguous(x))


def like(x: Any, back: list[int] | None) -> Any:
    """The same seen with its channels second."""
    return x if back is None else x.transpose(back)


def parts_of(x: Any, g: Any, mean: Any, sizes: tuple[int, int, int]) -> Any:
    """Sums over each channel, in parts."""
    outer, channels, inner = sizes
    per = 8 if inner == 1 else THREADS
    count = max(1, min(64, outer * inner // (per * 8)))
    parts = empty((count, 2, channels), COMPUTED[x.dtype])
    args = x, g, mean, parts, *map(I8, sizes)
    if inner == 1:
        kernel("channels", "sums_of_columns", x.dtype)((blocks(channels, 32), count), (32, 8), args)
    else:
        kernel("channels", "sums_of_planes", x.dtype)((channels, count), (THREADS,), args)
    return parts


def elementwise(name: str, x: Any, args: tuple) -> None:
    """A thread to each element, up to a grid."""
    kernel("channels", name, x.dtype)((min(1 << 20, blocks(x.size, THREADS)),), (THREADS,), args)


def fits(x: Any, *others: Any) -> bool:
    """Floating arrays of one dtype, with channels?"""
    same = all(a is None or (a.dtype == x.dtype and a.size == x.shape[1]) for a in others)
    return x.dtype in ELEMENTS and x.ndim >= 2 and x.size > 0 and same


def native_batch_norm(x, weight, bias, view, affine, axes, eps):
    """Standardized by channel, with mean, 1 / deviation and variance."""
    if tuple(axes) == (2,):
        return groups.instance_norm(x, weight, bias, view, affine, axes, eps)
    if not fits(x, weight, bias) or tuple(axes) != (0, 2) or view[1] != x.shape[1]:
        return NotImplemented
    x, sizes, back = layout(x)
    weight, bias = (None if a is None else contiguous(a) for a in (weight, bias))
    channels, computed = sizes[1], COMPUTED[x.dtype]
    parts = parts_of(x, None, None, sizes)
    mean, rstd, var = (empty((1, channels, 1), computed) for _ in range(3))
    kernel("channels", "statistics", x.dtype)(
        (blocks(channels, 128),), (128,),
        (x, parts, mean, rstd, var, I8(len(parts)), *map(I8, sizes), np.float64(eps)),
    )  # fmt: skip
    result = empty(x.shape, x.dtype)
    sized = *map(I8, sizes), np.float64(-1)
    elementwise("standardize", x, (x, weight, bias, mean, rstd, result, *sized))
    return like(result, back), mean, rstd, var


def batch_norm_inference(x, weight, bias, mean, var, eps):
    """The same with statistics given."""
    if not fits(x, weight, bias) or eps < 0:
        return NotImplemented
    computed = COMPUTED[x.dtype]
    x, sizes, back = layout(x)
    mean, var = (contiguous(a.astype(computed, copy=False)) for a in (mean, var))
    weight, bias = (None if a is None else contiguous(a) for a in (weight, bias))
    result = empty(x.shape, x.dtype)
    sized = *map(I8, sizes), np.float64(eps)
    elementwise("standardize", x, (x, weight, bias, mean, var, result, *sized))
    return like(result, back)


def batch_norm_backward(g, x, weight, mean, rstd):
    """The gradients of input, weight and bias, for (outer, channels, inner)."""
    if not fits(x, weight) or g.dtype != x.dtype or mean.dtype != COMPUTED[x.dtype]:
        return NotImplemented
    x, sizes, back = layout(x)
    g, other, back_g = layout(g)
    if back != back_g or other != sizes:
        g = (
            contiguous(like(g, back_g).transpose(0, *range(2, g.ndim), 1))
            if back
            else contiguous(like(g, back_g))
        )
    channels, weight = sizes[1], None if weight is None else contiguous(weight)
    mean, rstd = contiguous(mean), contiguous(rstd)
    parts = parts_of(x, g, mean, sizes)
    to_weight, to_bias = empty(channels, x.dtype), empty(channels, x.dtype)
    sums = empty((2, channels), COMPUTED[x.dtype])
    kernel("channels", "gradients", x.dtype)(
        (blocks(channels, 128),), (128,),
        (parts, rstd, to_weight, to_bias, sums, I8(len(parts)), I8(channels)),
    )  # fmt: skip
    result = empty(x.shape, x.dtype)
    args = g, x, weight, mean, rstd, sums, result, *map(I8, sizes)
    elementwise("standardize_backward", x, args)
    return like(result, back), to_weight, to_bias


def standardize_backward(g, x, mean, rstd, axes):
    """The gradient of what was standardized by channel."""
    if tuple(axes) != (0, 2) or x.ndim != 3:
        return NotImplemented
    made = batch_norm_backward(g, x, None, mean, rstd)
    return made if made is NotImplemented else made[0]


def norm_backward(g, x, weight, mean, rstd, view, axes):
    """The gradients of a batch norm's input, weight and bias."""
    if tuple(axes) != (0, 2) or x.ndim != 3:
        return NotImplemented
    made = batch_norm_backward(g, x, weight.reshape(-1), mean, rstd)
    if made is NotImplemented:
        return made
    return made[0], made[1].reshape(weight.shape), made[2].reshape(weight.shape)


def mix_running(running, fresh, factor, momentum):
    """running = (1 - momentum) running + momentum factor fresh."""
    number = COMPUTED[running.dtype]
    with gpu.on(gpu.index_of(running)):
        args = running, contiguous(fresh), I8(running.size), number(factor), number(momentum)
        kernel("channels", "mix_running", running.dtype)((blocks(running.size, 128),), (128,), args)


def add_bias(x: Any, bias: Any) -> Any:
    """x plus a number for each channel."""
    if not fits(x, bias):
        return x + bias.reshape(-1, *[1] * (x.ndim - 2))
    x, sizes, back = layout(x)
    result = empty(x.shape, x.dtype)
    elementwise("add_bias", x, (x, contiguous(bias), result, *map(I8, sizes)))
    return like(result, back)


KERNELS = (native_batch_norm, batch_norm_inference, mix_running)
