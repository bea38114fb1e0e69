"""Cross entropy of a matrix in one pass over the logits, without looking at the targets on the host
(source/losses.cu)."""

from typing import Any

import numpy as np

from rushlight._core import gpu
from rushlight._kernels.cuda.compiler import COMPUTED, ELEMENTS, I8, blocks, contiguous, empty, kernel

INT64 = np.dtype(np.int64)


def served(x: Any, target: Any, weight: Any) -> bool:
    """A matrix, a vector of classes, and perhaps a weight for each class?"""
    return (
        x.dtype in ELEMENTS
        and x.ndim == 2
        and x.size > 0
        and type(target) is gpu.cuda.kind
        and target.dtype == INT64
        and target.shape == x.shape[:1]
        and (weight is None or (weight.dtype == x.dtype and weight.shape == x.shape[1:]))
    )


def launch_of(rows: int, n: int) -> tuple[tuple, tuple]:
    """A warp to a short row, a block to a long one."""
    threads = min(1024, max(32, -(-n // 8 // 32) * 32))
    per_block = 4 if threads == 32 else 1
    return (blocks(rows, per_block),), (threads, per_block)


def cross_entropy(x, target, weight, reduction, ignore_index):
    """The losses, reduced, and the log probabilities."""
    if not served(x, target, weight):
        return NotImplemented
    x, target = contiguous(x), contiguous(target)
    weight = None if weight is None else contiguous(weight)
    (rows, n), computed = x.shape, COMPUTED[x.dtype]
    logs, losses, scales = empty(x.shape, x.dtype), empty(rows, computed), empty(rows, computed)
    sizes = I8(rows), I8(n), I8(ignore_index)
    kernel("losses", "cross_entropy", x.dtype)(
        *launch_of(rows, n), (x, target, weight, logs, losses, scales, *sizes)
    )
    if reduction == "none":
        result = empty(rows, x.dtype)
        kernel("losses", "narrow_losses", x.dtype)(
            (blocks(rows, 128),), (128,), (losses, result, I8(rows))
        )
        return result, logs
    result, whole = empty((), x.dtype), empty((), computed)
    mean = np.int32(reduction == "mean")
    kernel("losses", "reduce_losses", x.dtype)(
        (1,), (1024,), (losses, scales, result, whole, I8(rows), mean)
    )
    return result, logs


def cross_entropy_backward(g, logs, target, weight, reduction, ignore_index):
    """(softmax - one hot) times each row's share of the gradient."""
    if not served(logs, target, weight) or g.dtype != logs.dtype:
        return NotImplemented
    g, logs, target = contiguous(g), contiguous(logs), contiguous(target)
    weight = None if weight is None else contiguous(weight)
    (rows, n), dtype = logs.shape, logs.dtype
    sizes, whole = (I8(rows), I8(n), I8(ignore_index)), None
    if reduction == "mean":
        whole = empty((), COMPUTED[dtype])
        kernel("losses", "whole_weight", dtype)((1,), (1024,), (target, weight, whole, *sizes))
    result = empty(logs.shape, dtype)
    each = np.int32(reduction == "none")
    kernel("losses", "cross_entropy_backward", dtype)(
        *launch_of(rows, n), (g, logs, target, weight, whole, result, *sizes, each)
    )
    return result


KERNELS = (cross_entropy, cross_entropy_backward)
