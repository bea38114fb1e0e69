"""Cross entropy of a matrix in one pass over the logits, without looking at the targets on the host
(source/losses.cu)."""

import math
from typing import Any

import numpy as np

from rushlight._core import gpu
from rushlight._kernels.cuda.compiler import (
    COMPUTED,
    ELEMENTS,
    I8,
    blocks,
    contiguous,
    empty,
    kernel,
)

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
    """The losses, reduced, and the probabilities."""
    if not served(x, target, weight):
        return NotImplemented
    x, target = contiguous(x), contiguous(target)
    weight = None if weight is None else contiguous(weight)
    (rows, n), computed = x.shape, COMPUTED[x.dtype]
    probs, losses, scales = empty(x.shape, x.dtype), empty(rows, computed), empty(rows, computed)
    sizes = I8(rows), I8(n), I8(ignore_index)
    kernel("losses", "cross_entropy", x.dtype)(
        *launch_of(rows, n), (x, target, weight, probs, losses, scales, *sizes)
    )
    return reduced(losses, scales, reduction, target.shape, x.dtype), probs


def reduced(losses: Any, scales: Any, reduction: str, shape: tuple, dtype: Any) -> Any:
    """Losses, already weighted, in their own dtype: each, their sum, or that over the weights'."""
    count = I8(losses.size)
    if reduction == "none":
        result = empty(shape, dtype)
        grid = (blocks(losses.size, 128),)
        kernel("losses", "narrow_losses", dtype)(grid, (128,), (losses, result, count))
        return result
    result, whole = empty((), dtype), empty((), COMPUTED[dtype])
    args = losses, scales, result, whole, count, np.int32(reduction == "mean")
    kernel("losses", "reduce_losses", dtype)((1,), (1024,), args)
    return result


def planes(x: Any, target: Any, weight: Any) -> tuple[int, int, int] | None:
    """(outer, classes, inner) of log probabilities (N, C, ...) or (C,); None for what is not
    served."""
    if type(target) is not gpu.cuda.kind or target.dtype != INT64 or not target.size:
        return None
    if x.dtype not in ELEMENTS or not x.ndim or not x.size:
        return None
    lead = x.shape[:1] if x.ndim > 1 else ()
    classes, rest = (x.shape[1], x.shape[2:]) if x.ndim > 1 else (x.shape[0], ())
    if target.shape != (*lead, *rest):
        return None
    if weight is not None and (weight.dtype != x.dtype or weight.shape != (classes,)):
        return None
    return (x.shape[0] if x.ndim > 1 else 1), classes, math.prod(rest)


def nll_loss(x, target, weight, reduction, ignore_index, ndim):
    """Minus the entry of each target, weighted."""
    sizes = planes(x, target, weight)
    if sizes is None:
        return NotImplemented
    x, target = contiguous(x), contiguous(target)
    weight = None if weight is None else contiguous(weight)
    count, computed = target.size, COMPUTED[x.dtype]
    losses, scales = empty(count, computed), empty(count, computed)
    args = x, target, weight, losses, scales, *map(I8, sizes), I8(ignore_index)
    kernel("losses", "nll_loss", x.dtype)((blocks(count, 128),), (128,), args)
    return reduced(losses, scales, reduction, target.shape, x.dtype)


def nll_loss_backward(g, target, weight, shape, reduction, ignore_index):
    """The gradient: minus each target's share at its place."""
    if g.dtype not in ELEMENTS:
        return NotImplemented
    result = gpu.cuda.module.zeros(shape, g.dtype)
    sizes = planes(result, target, weight)
    if sizes is None:
        return NotImplemented
    g, target, whole = contiguous(g), contiguous(target), None
    weight = None if weight is None else contiguous(weight)
    count = target.size
    if reduction == "mean":
        whole = empty((), COMPUTED[g.dtype])
        args = target, weight, whole, I8(count), I8(sizes[1]), I8(ignore_index)
        kernel("losses", "whole_weight", g.dtype)((1,), (1024,), args)
    numbers = *map(I8, sizes), I8(ignore_index), np.int32(reduction == "none")
    args = g, target, weight, whole, result, *numbers
    kernel("losses", "nll_loss_backward", g.dtype)((blocks(count, 128),), (128,), args)
    return result


def cross_entropy_backward(g, probs, target, weight, reduction, ignore_index):
    """(softmax - one hot) times each row's share of the gradient."""
    if not served(probs, target, weight) or g.dtype != probs.dtype:
        return NotImplemented
    g, probs, target = contiguous(g), contiguous(probs), contiguous(target)
    weight = None if weight is None else contiguous(weight)
    (rows, n), dtype = probs.shape, probs.dtype
    sizes, whole = (I8(rows), I8(n), I8(ignore_index)), None
    if reduction == "mean":
        whole = empty((), COMPUTED[dtype])
        kernel("losses", "whole_weight", dtype)((1,), (1024,), (target, weight, whole, *sizes))
    result = empty(probs.shape, dtype)
    each = np.int32(reduction == "none")
    kernel("losses", "cross_entropy_backward", dtype)(
        *launch_of(rows, n), (g, probs, target, weight, whole, result, *sizes, each)
    )
    return result


KERNELS = (cross_entropy, cross_entropy_backward, nll_loss, nll_loss_backward)
