"""Arrays joined along a dimension (source/joining.cu). CuPy copies a table of their addresses to
the device for each call, which a recorded graph cannot do again."""

import math
from typing import Any

import numpy as np

from rushlight._core import gpu
from rushlight._kernels.cuda.compiler import I8, blocks, contiguous, empty, kernel

PIECES, THREADS, MOST = 40, 256, 4096  # arrays of a launch; threads of a block; blocks for an array


def served(arrays: Any, axis: int) -> bool:
    """Arrays of the current device, of one dtype, alike but along the axis?"""
    first = arrays[0]
    if not 0 <= axis < first.ndim:
        return False
    lead, rest = first.shape[:axis], first.shape[axis + 1 :]
    return all(
        type(a) is gpu.cuda.kind
        and a.dtype == first.dtype
        and a.ndim == first.ndim
        and a.shape[:axis] == lead
        and a.shape[axis + 1 :] == rest
        for a in arrays
    )


def cat(arrays, dim):
    """The arrays joined along a dimension."""
    if not arrays or type(arrays[0]) is not gpu.cuda.kind or type(dim) is not int:
        return NotImplemented
    axis = dim + arrays[0].ndim if dim < 0 else dim
    if not served(arrays, axis):
        return NotImplemented
    first = arrays[0]
    total = sum(a.shape[axis] for a in arrays)
    shape = (*first.shape[:axis], total, *first.shape[axis + 1 :])
    result = empty(shape, first.dtype)
    outer, inner = math.prod(shape[:axis]), math.prod(shape[axis + 1 :]) * first.itemsize
    given = [contiguous(a) for a in arrays if a.size]
    begin = 0
    for i in range(0, len(given), PIECES):
        part = given[i : i + PIECES]
        runs = [a.shape[axis] * inner for a in part]
        begins = [begin + sum(runs[:k]) for k in range(len(part))]
        join(part, result, (outer, total * inner), runs, begins)
        begin += sum(runs)
    return result


def join(part: list, result: Any, whole: tuple[int, int], runs: list, begins: list) -> None:
    """Launch for some of the arrays; sizes in bytes."""
    outer, width = whole
    addresses = [a.data.ptr for a in part]
    unit = math.gcd(16, width, result.data.ptr, *runs, *begins, *addresses)
    table = np.zeros((3, PIECES), np.int64)
    table[0, : len(part)] = addresses
    table[1:, : len(part)] = np.array([runs, begins]) // unit
    most = blocks(outer * max(runs) // unit, THREADS)
    call = kernel("joining", "join", None, f"UNIT={unit}")
    args = np.frombuffer(table.tobytes(), np.uint8), result, I8(outer), I8(width // unit)
    call((min(MOST, most), len(part)), (THREADS,), args)


KERNELS = (cat,)
