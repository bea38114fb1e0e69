"""Rows of a table by their numbers (source/lookup.cu)."""

from typing import Any

import numpy as np

from rushlight._core import gpu
from rushlight._kernels.cuda.compiler import ELEMENTS, I8, blocks, contiguous, empty, kernel

INDICES = {np.dtype(np.int64): "INDEX=i64", np.dtype(np.int32): "INDEX=int"}


def shape_of_launch(count: int, n: int) -> tuple[tuple, tuple]:
    """Threads along a row, and rows to a block."""
    threads = min(256, max(32, -(-n // 32) * 32))
    per_block = max(1, 128 // threads)
    return (blocks(count, per_block),), (threads, per_block)


def embedding(weight, indices, padding_idx, scale_grad_by_freq, sparse):
    """The rows of a table that indices name."""
    if weight.ndim != 2 or weight.dtype not in ELEMENTS or indices.dtype not in INDICES:
        return NotImplemented
    if type(indices) is not gpu.cuda.kind or not indices.size or not weight.size:
        return NotImplemented
    weight, flat = contiguous(weight), contiguous(indices)
    rows, n = weight.shape
    result = empty((*indices.shape, n), weight.dtype)
    call = kernel("lookup", "lookup", weight.dtype, INDICES[indices.dtype])
    grid, block = shape_of_launch(flat.size, n)
    call(grid, block, (weight, flat, result, I8(flat.size), I8(n), I8(rows)))
    return result


def embedding_backward(g, indices, rows, padding_idx, scale_grad_by_freq):
    """The gradients added up by row, in the order of the indices: the same bits each time."""
    served = g.dtype in ELEMENTS and indices.dtype in INDICES and indices.size and g.size
    if not served or scale_grad_by_freq:
        return NotImplemented
    xp: Any = gpu.cuda.module
    flat = indices.reshape(-1)
    order = flat.argsort(kind="stable").astype(np.int64, copy=False)
    g = contiguous(g)
    n = g.size // flat.size
    result = xp.zeros((rows, n), g.dtype)
    call = kernel("lookup", "lookup_backward", g.dtype, INDICES[indices.dtype])
    grid, block = shape_of_launch(flat.size, n)
    sizes = I8(flat.size), I8(n), I8(padding_idx)
    call(grid, block, (g, order, contiguous(flat[order]), result, *sizes))
    return result


KERNELS = (embedding, embedding_backward)
