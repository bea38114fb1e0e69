"""Sampling at the points of a grid, and grids of affine maps (source/grid.cu)."""

import math
from typing import Any

import numpy as np

from rushlight._core import gpu
from rushlight._core.cuda_switches import switches
from rushlight._kernels.cuda.compiler import (
    COMPUTED,
    ELEMENTS,
    blocks,
    contiguous,
    empty,
    kernel,
)

THREADS = 256
CHANNELS = 4  # of a thread
TAPS = {"nearest": 1, "bilinear": 2, "bicubic": 4}
PADDINGS = ("zeros", "border", "reflection")
LARGEST = 2**31  # elements of a plane, which the kernels count in 32 bits


def sampling(batch: int, channels: int, sizes: Any, points: int, padding: int, align: bool) -> Any:
    """The struct Sampling, as its bytes."""
    ints = [channels, *[1] * (3 - len(sizes)), *sizes, padding, int(align)]
    longs = np.array([batch, points], np.int64).tobytes()
    return np.frombuffer(longs + np.array(ints, np.int32).tobytes(), np.uint8)


def serves(x: Any, grid: Any) -> bool:
    """Is there a kernel for these?"""
    if x.dtype not in ELEMENTS or grid.dtype != x.dtype or not x.size or not grid.size:
        return False
    return math.prod(x.shape[2:]) < LARGEST and x.shape[1] < LARGEST


def prepared(x: Any, grid: Any, padding: str, align_corners: bool) -> tuple[Any, int]:
    """The struct, and the number of points in an example."""
    points = math.prod(grid.shape[1:-1])
    n, channels, *sizes = x.shape
    return sampling(n, channels, sizes, points, PADDINGS.index(padding), align_corners), points


def grid_sampler(x, grid, mode, padding, align_corners, dims):
    """(N, C, *sizes) at the points (N, *out, dims)."""
    if not serves(x, grid):
        return NotImplemented
    how, points = prepared(x, grid, padding, align_corners)
    result = empty((*x.shape[:2], *grid.shape[1:-1]), x.dtype)
    count = len(x) * -(-x.shape[1] // CHANNELS) * points
    call = kernel("grid", f"sample_{dims}_{TAPS[mode]}", x.dtype)
    args = contiguous(x), contiguous(grid), result, how
    call((blocks(count, THREADS),), (THREADS,), args)
    return result


def grid_sampler_backward(g, x, grid, mode, padding, align_corners, to_input, to_grid):
    """The gradients; the input's by atomic additions, so not where it has to repeat."""
    if not serves(x, grid) or g.dtype != x.dtype or (to_input and switches.deterministic):
        return NotImplemented
    how, points = prepared(x, grid, padding, align_corners)
    given = gpu.cuda.module.zeros(x.shape, COMPUTED[x.dtype]) if to_input else None
    moved = empty(grid.shape, x.dtype) if to_grid else None
    call = kernel("grid", f"spread_{grid.shape[-1]}_{TAPS[mode]}", x.dtype)
    args = contiguous(g), contiguous(x), contiguous(grid), given, moved, how
    call((blocks(len(x) * points, THREADS),), (THREADS,), args)
    return None if given is None else given.astype(x.dtype, copy=False), moved


def affine_grid_generator(theta, sizes, align_corners):
    """The grid of affine maps."""
    if theta.dtype not in ELEMENTS or not theta.size or not math.prod(sizes):
        return NotImplemented
    dims, points = len(sizes), math.prod(sizes)
    how = sampling(len(theta), 0, sizes, points, 0, align_corners)
    result = empty((len(theta), *sizes, dims), theta.dtype)
    args = contiguous(theta), result, np.int32(dims), how
    kernel("grid", "affine_grid", theta.dtype)((blocks(result.size, THREADS),), (THREADS,), args)
    return result


def affine_grid_backward(g, sizes, align_corners):
    """The gradient of the affine maps."""
    if g.dtype not in ELEMENTS or not g.size:
        return NotImplemented
    dims, points = len(sizes), math.prod(sizes)
    how = sampling(len(g), 0, sizes, points, 0, align_corners)
    result = empty((len(g), dims, dims + 1), g.dtype)
    args = contiguous(g), result, np.int32(dims), how
    kernel("grid", "affine_grid_backward", g.dtype)((result.size,), (THREADS,), args)
    return result


KERNELS = (grid_sampler, grid_sampler_backward, affine_grid_generator, affine_grid_backward)
