"""Group norm and instance norm: rows of channels that have weights of their own
(source/rows.cu)."""

import math
from typing import Any

from rushlight._kernels.cuda.compiler import (
    COMPUTED,
    ELEMENTS,
    I8,
    blocks,
    contiguous,
    empty,
    kernel,
    packed,
)

KEPT = 4  # packs of a row that a thread keeps in registers: KEPT of rows.cu


def shape_of_launch(rows: int, n: int, dtype: Any, wide: bool) -> tuple[tuple, tuple]:
    """Grid and block: a warp to a short row, a block to a long one."""
    packs = n // (16 // dtype.itemsize if wide else 1)
    threads = min(1024, max(32, -(-packs // KEPT // 32) * 32))
    per_block = 4 if threads == 32 else 1
    return (blocks(rows, per_block),), (threads, per_block)


def launch(name: str, x: Any, rows: int, n: int, inner: int, args: tuple) -> None:
    """A kernel of rows of n elements, whose packs lie within channels of ``inner`` elements."""
    whole = [a for a in args if type(a) is type(x) and a.dtype == x.dtype and a.size == x.size]
    wide = packed(inner, x.dtype, *whole)
    grid, block = shape_of_launch(rows, n, x.dtype, wide)
    kernel("rows", f"{name}_{'packed' if wide else 'single'}", x.dtype)(grid, block, args)


def serves(x: Any, *others: Any) -> bool:
    """Floating arrays of one dtype with something in them?"""
    return (
        x.dtype in ELEMENTS and x.size > 0 and all(a is None or a.dtype == x.dtype for a in others)
    )


def of_groups(view: Any, axes: Any) -> int:
    """How many of the view's dimensions stand before a group's; 0 if the axes are not its last."""
    first = len(view) - len(axes)
    return first if first > 1 and tuple(axes) == tuple(range(first, len(view))) else 0


def normalized(
    x: Any, weight: Any, bias: Any, view: Any, axes: Any, eps: float, spread: bool
) -> Any:
    """(result, mean, 1 / deviation[, variance]) of each group."""
    first = of_groups(view, axes)
    if not first or not serves(x, weight, bias):
        return NotImplemented
    x, weight, bias = (None if a is None else contiguous(a) for a in (x, weight, bias))
    rows, n, inner = math.prod(view[:first]), math.prod(view[first:]), view[-1]
    computed = COMPUTED[x.dtype]
    shape = (*view[:first], *[1] * len(axes))
    result = empty(x.shape, x.dtype)
    mean, rstd = empty(shape, computed), empty(shape, computed)
    var = empty(shape, computed) if spread else None
    channels = math.prod(view[1:-1])
    args = (x, weight, bias, result, mean, rstd, var, I8(rows), I8(n), computed(eps))
    launch("group_norm", x, rows, n, inner, (*args, I8(channels), I8(inner)))
    return (result, mean, rstd, var) if spread else (result, mean, rstd)


def native_group_norm(x, weight, bias, view, affine, axes, eps):
    """Groups of channels standardized, times weight, plus bias."""
    return normalized(x, weight, bias, view, axes, eps, False)


def instance_norm(x, weight, bias, view, affine, axes, eps):
    """Each channel of each example standardized; with the variances."""
    return normalized(x, weight, bias, view, axes, eps, True)


def norm_backward(g, x, weight, mean, rstd, view, axes):
    """The gradients of input, weight and bias."""
    first = of_groups(x.shape, axes)
    if not first or not serves(x, g, weight) or g.shape != x.shape or mean.dtype != rstd.dtype:
        return NotImplemented
    channels = math.prod(x.shape[1:-1])
    if mean.dtype != COMPUTED[x.dtype] or weight.size != channels:
        return NotImplemented
    g, x, flat, mean, rstd = map(contiguous, (g, x, weight, mean, rstd))
    rows, n, inner = math.prod(x.shape[:first]), math.prod(x.shape[first:]), x.shape[-1]
    planes = x.size // inner
    of_weight, of_bias = (empty((planes // channels, channels), mean.dtype) for _ in range(2))
    args = (g, x, mean, rstd, of_weight, of_bias, I8(planes), I8(inner), I8(planes // rows))
    launch("channel_sums", x, planes, inner, inner, args)
    result = empty(x.shape, x.dtype)
    sizes = map(I8, (rows, n, channels, inner))
    whole = (g, x, flat, mean, rstd, of_weight, of_bias, result, *sizes)
    launch("group_norm_backward", x, rows, n, inner, whole)
    return result, summed(of_weight, weight), summed(of_bias, weight)


def summed(parts: Any, like: Any) -> Any:
    """The parts of a sum over rows, added in order: the same bits each time."""
    result = empty(like.shape, like.dtype)
    n = parts.shape[1]
    kernel("rows", "sum_parts", like.dtype)(
        (blocks(n, 128),), (128,), (parts, result, I8(len(parts)), I8(n))
    )
    return result


KERNELS = (native_group_norm,)
