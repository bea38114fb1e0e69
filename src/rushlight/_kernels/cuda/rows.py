"""Row operations of a device, each in one pass (source/rows.cu); NotImplemented for what they do
not serve, which goes to the record's forward on CuPy.
"""

import math
from typing import Any

from rushlight._kernels.cuda import channels, groups
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
from rushlight._kernels.cuda.groups import shape_of_launch, summed


def by_row(name: str, dtype: Any, rows: int, n: int, arrays: tuple, rest: tuple = ()) -> None:
    """Launch a kernel of rows on arrays, (rows, n) or of n elements or None."""
    wide = packed(n, dtype, *[a for a in arrays if a is None or a.dtype == dtype])
    call = kernel("rows", f"{name}_packed" if wide else f"{name}_single", dtype)
    grid, block = shape_of_launch(rows, n, dtype, wide)
    call(grid, block, (*arrays, I8(rows), I8(n), *rest))


# ---- softmax -------------------------------------------------------------------------------------


def along(name: str, dim: int, *arrays: Any) -> Any:
    """A softmax or its gradient along a dimension."""
    x = arrays[0]
    if x.dtype not in ELEMENTS or not x.ndim or not x.size or not -x.ndim <= dim < x.ndim:
        return NotImplemented
    if any(a.dtype != x.dtype or a.shape != x.shape for a in arrays):
        return NotImplemented
    arrays = tuple([contiguous(a) for a in arrays])
    result, dim = empty(x.shape, x.dtype), dim % x.ndim
    n, inner = x.shape[dim], math.prod(x.shape[dim + 1 :])
    if inner == 1:
        by_row(name, x.dtype, x.size // n, n, (*arrays, result))
        return result
    outer = x.size // (n * inner)
    call = kernel("rows", f"{name}_column", x.dtype)
    grid = (blocks(outer * inner, 128),)
    call(grid, (128,), (*arrays, result, I8(outer), I8(n), I8(inner)))
    return result


def softmax(x, dim):
    """softmax along a dimension."""
    return along("softmax", dim, x)


def log_softmax(x, dim):
    """log_softmax along a dimension."""
    return along("log_softmax", dim, x)


def softmax_backward(g, r, dim):
    """The gradient of softmax from its result."""
    return along("softmax_backward", dim, g, r)


def log_softmax_backward(g, r, dim):
    """The gradient of log_softmax from its result."""
    return along("log_softmax_backward", dim, g, r)


# ---- layer norm and root mean square -------------------------------------------------------------


def fits(x: Any, *others: Any) -> bool:
    """Are these floating arrays of one dtype, and is there anything in them?"""
    return (
        x.dtype in ELEMENTS and x.size > 0 and all(a is None or a.dtype == x.dtype for a in others)
    )


def native_layer_norm(x, weight, bias, view, affine, axes, eps):
    """Rows standardized, times weight, plus bias; mean and 1 / deviation, (rows, 1)."""
    if not fits(x, weight, bias) or tuple(axes) != (1,) or len(view) != 2:
        return NotImplemented
    rows, n = view
    x, weight, bias = (None if a is None else contiguous(a) for a in (x, weight, bias))
    computed = COMPUTED[x.dtype]
    result = empty(x.shape, x.dtype)
    mean, rstd = empty((rows, 1), computed), empty((rows, 1), computed)
    arrays = x, weight, bias, result
    wide = packed(n, x.dtype, *arrays)
    call = kernel("rows", "layer_norm_packed" if wide else "layer_norm_single", x.dtype)
    grid, block = shape_of_launch(rows, n, x.dtype, wide)
    call(grid, block, (*arrays, mean, rstd, I8(rows), I8(n), computed(eps)))
    return result, mean, rstd


def standardize_backward(g, x, mean, rstd, axes):
    """The gradient of rows, or of channels, that were standardized."""
    if tuple(axes) == (0, 2):
        return channels.standardize_backward(g, x, mean, rstd, axes)
    first = groups.of_groups(x.shape, axes)
    if first and g.shape == x.shape and fits(x, g):
        rows = math.prod(x.shape[:first])
        made = _to_rows(g.reshape(rows, -1), x.reshape(rows, -1), None, mean, rstd)
        return made if made is NotImplemented else made.reshape(x.shape)
    if not fits(x, g) or tuple(axes) != (1,) or x.ndim != 2 or g.shape != x.shape:
        return NotImplemented
    return _to_rows(g, x, None, mean, rstd)


def _to_rows(g, x, weight, mean, rstd):
    computed = COMPUTED[x.dtype]
    if mean.dtype != computed or mean.size != len(x):
        return NotImplemented
    g, x, mean, rstd = map(contiguous, (g, x, mean, rstd))
    rows, n = x.shape
    result = empty(x.shape, x.dtype)
    wide = packed(n, x.dtype, g, result)
    name = "layer_norm_backward_packed" if wide else "layer_norm_backward_single"
    grid, block = shape_of_launch(rows, n, x.dtype, wide)
    kernel("rows", name, x.dtype)(grid, block, (g, x, weight, mean, rstd, result, I8(rows), I8(n)))
    return result


def norm_backward(g, x, weight, mean, rstd, view, axes):
    """The gradients of a layer norm's rows, weight and bias; or of a batch norm's."""
    if tuple(axes) == (0, 2):
        return channels.norm_backward(g, x, weight, mean, rstd, view, axes)
    if x.ndim > 2 and groups.of_groups(x.shape, axes):
        return groups.norm_backward(g, x, weight, mean, rstd, view, axes)
    if not fits(x, g, weight) or tuple(axes) != (1,) or x.ndim != 2 or g.shape != x.shape:
        return NotImplemented
    if weight.size != x.shape[1]:
        return NotImplemented
    g, x, weight, mean, rstd = map(contiguous, (g, x, weight, mean, rstd))
    to_input = _to_rows(g, x, weight, mean, rstd)
    if to_input is NotImplemented:
        return NotImplemented
    rows, n = x.shape
    parts = max(1, min(64, rows // 64))
    computed = COMPUTED[x.dtype]
    of_weight, of_bias = empty((parts, n), computed), empty((parts, n), computed)
    call = kernel("rows", "layer_norm_weights", x.dtype)
    arrays = g, x, mean, rstd, of_weight, of_bias
    call((blocks(n, 32), parts), (32, 8), (*arrays, I8(rows), I8(n)))
    return to_input, summed(of_weight, weight), summed(of_bias, weight)


def fused_rms_norm(x, weight, rows, n, eps):
    """Rows over their root mean square, times weight; and 1 / that root."""
    if not fits(x, weight):
        return NotImplemented
    x, weight = contiguous(x), None if weight is None else contiguous(weight)
    computed = COMPUTED[x.dtype]
    result, rstd = empty(x.shape, x.dtype), empty((rows, 1), computed)
    wide = packed(n, x.dtype, x, result)
    call = kernel("rows", "rms_norm_packed" if wide else "rms_norm_single", x.dtype)
    grid, block = shape_of_launch(rows, n, x.dtype, wide)
    call(grid, block, (x, weight, result, rstd, I8(rows), I8(n), computed(eps)))
    return result, rstd


def rms_norm_backward(g, x, weight, rstd, rows, n):
    """The gradient of the rows."""
    if not fits(x, g, weight) or rstd.dtype != COMPUTED[x.dtype] or g.shape != x.shape:
        return NotImplemented
    g, x, rstd = map(contiguous, (g, x, rstd))
    weight = None if weight is None else contiguous(weight)
    result = empty(x.shape, x.dtype)
    by_row("rms_norm_backward", x.dtype, rows, n, (g, x, weight, rstd, result))
    return result


KERNELS = (
    softmax,
    log_softmax,
    softmax_backward,
    log_softmax_backward,
    native_layer_norm,
    standardize_backward,
    norm_backward,
    fused_rms_norm,
    rms_norm_backward,
)
