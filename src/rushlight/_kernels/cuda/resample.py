"""Resizing in one pass over one to three dimensions (source/resample.cu), by the record's tables of
elements and weights, which stay on the device."""

import math
from typing import Any

import numpy as np

from rushlight._core import gpu
from rushlight._core.taps import taps
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
MOST = 128  # elements that one output may read; wide kernels go one dimension after the other
KEPT = 64  # tables kept on each device


def table(size: int, out: int, dtype: Any, how: tuple) -> tuple[Any, Any]:
    """(out, taps): the elements that each output reads, and their weights."""
    index, weight = taps(size, out, *how)
    return index.astype(np.int32), weight.astype(dtype)


def turned(size: int, out: int, dtype: Any, how: tuple) -> tuple[Any, Any, Any]:
    """Where each element's list begins, and the lists: the outputs that read it, and weights."""
    index, weight = table(size, out, dtype, how)
    order = np.argsort(index.reshape(-1), kind="stable")
    starts = np.zeros(size + 1, np.int32)
    np.cumsum(np.bincount(index.reshape(-1), minlength=size), out=starts[1:])
    outputs = (order // index.shape[1]).astype(np.int32)
    return starts, outputs, weight.reshape(-1)[order]


def on_device(make: Any, *key: Any) -> tuple:
    """A dimension's table on the current device, made once."""
    place = "resample", make.__name__, gpu.current(), *key
    found = gpu.cuda.tables.get(place)
    if found is None:
        if len(gpu.cuda.tables) >= KEPT:
            gpu.cuda.tables.pop(next(iter(gpu.cuda.tables)))
        found = tuple([gpu.cuda.module.asarray(a) for a in make(*key)])
        gpu.cuda.tables[place] = found
    return found


def struct(size: Any, out: Any, count: list) -> Any:
    """The struct Sizes, as its bytes."""
    longs, ints = np.array([*size, *out], np.int64), np.array([*count, 0], np.int32)
    return np.frombuffer(longs.tobytes() + ints.tobytes(), np.uint8)


def three(values: Any, filler: Any) -> list:
    """Values of the last one to three dimensions, as of three."""
    return [*[filler] * (3 - len(values)), *values]


def prepared(make: Any, x: Any, size: Any, out: Any, mode: Any, rest: tuple) -> list:
    """The tables of three dimensions."""
    align_corners, scales, antialias = rest
    number, found = COMPUTED[x.dtype], []
    for n, m, scale in zip(three(size, 1), three(out, 1), three(scales, None), strict=True):
        how = (
            ("nearest", None, None, False)
            if n == m == 1
            else (mode, align_corners, scale, antialias)
        )
        found.append(on_device(make, n, m, number, how))
    return found


def resample(x, sizes, mode, align_corners, scales, antialias):
    """(N, C, *size) resized to (N, C, *sizes)."""
    if x.dtype not in ELEMENTS or not x.size:
        return NotImplemented
    x, rest = contiguous(x), (align_corners, scales, antialias)
    tables = prepared(table, x, x.shape[2:], sizes, mode, rest)
    count = [t[0].shape[1] for t in tables]
    if math.prod(count) > MOST:
        return NotImplemented
    result = empty((*x.shape[:2], *sizes), x.dtype)
    at = struct(three(x.shape[2:], 1), three(sizes, 1), count)
    args = x, result, I8(x.shape[0] * x.shape[1]), at, *[a for t in tables for a in t]
    kernel("resample", "resample", x.dtype)((blocks(result.size, THREADS),), (THREADS,), args)
    return result


def resample_backward(g, sizes, mode, align_corners, scales, antialias):
    """The gradient: each element adds up what it gave."""
    if g.dtype not in ELEMENTS or not g.size:
        return NotImplemented
    g, rest, out = contiguous(g), (align_corners, scales, antialias), g.shape[2:]
    tables = prepared(turned, g, sizes, out, mode, rest)
    most = [-(-len(t[1]) // max(len(t[0]) - 1, 1)) for t in tables]
    if math.prod(most) > MOST:
        return NotImplemented
    result = empty((*g.shape[:2], *sizes), g.dtype)
    at = struct(three(sizes, 1), three(out, 1), [0, 0, 0])
    starts, lists = [t[0] for t in tables], [a for t in tables for a in t[1:]]
    args = g, result, I8(g.shape[0] * g.shape[1]), at, *starts, *lists
    call = kernel("resample", "resample_backward", g.dtype)
    call((blocks(result.size, THREADS),), (THREADS,), args)
    return result


KERNELS = (resample, resample_backward)
