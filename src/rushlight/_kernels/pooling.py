"""Pooling by the native kernels: float32 planes and lines."""

import math

import numpy as np

from rushlight._core.backend import kernel as enter
from rushlight._core.extension import C

F4 = np.dtype(np.float32)


def pooling(x, out, kernel, stride, padding, dilation):
    """The array as planes and the ten sizes, or None where the kernels do not serve."""
    if x.dtype is not F4 or len(kernel) not in (1, 2) or x.ndim <= len(kernel) or min(out) < 1:
        return None
    if len(kernel) == 1:
        x, pairs = (
            x[..., None, :],
            ((1, *out), (1, *kernel), (1, *stride), (0, *padding), (1, *dilation)),
        )
    else:
        pairs = (out, kernel, stride, padding, dilation)
    return np.ascontiguousarray(x), *[n for pair in pairs for n in pair]


def pooled_size(size, kernel, stride, padding, dilation, ceil_mode):
    """The spatial shape of the result. With ``ceil_mode`` a window may overhang, but starts
    inside."""
    result = []
    for n, k, s, p, d in zip(size, kernel, stride, padding, dilation, strict=True):
        span = n + 2 * p - d * (k - 1) - 1
        out = (span + (s - 1 if ceil_mode else 0)) // s + 1
        result.append(out - 1 if ceil_mode and (out - 1) * s >= n + p else out)
    return tuple(result)


def max_pool(x, kernel, stride, padding, dilation, ceil_mode):
    """The largest element of each window."""
    size = x.shape[x.ndim - len(kernel) :]
    out = pooled_size(size, kernel, stride, padding, dilation, ceil_mode)
    given = pooling(x, out, kernel, stride, padding, dilation)
    result = NotImplemented if given is None else C.max_pool2d(*given)
    if result is NotImplemented or len(kernel) == 2:
        return result
    return result[..., 0, :]


def max_pool_with_indices(x, kernel, stride, padding, dilation, ceil_mode):
    """The largest element of each window and its index within its plane."""
    size = x.shape[x.ndim - len(kernel) :]
    out = pooled_size(size, kernel, stride, padding, dilation, ceil_mode)
    given = pooling(x, out, kernel, stride, padding, dilation)
    result = NotImplemented if given is None else C.max_indices2d(*given)
    if result is NotImplemented or len(kernel) == 2:
        return result
    return result[0][..., 0, :], result[1][..., 0, :]


def max_pool_backward(g, x, result, kernel, stride, padding, dilation):
    """Each gradient at the largest element of its window."""
    given = pooling(x, g.shape[g.ndim - len(kernel) :], kernel, stride, padding, dilation)
    if given is None or g.dtype is not F4:
        return NotImplemented
    g = np.ascontiguousarray(g)
    found = C.max_pool2d_backward(g[..., None, :] if len(kernel) == 1 else g, *given)
    return found if found is NotImplemented else found.reshape(x.shape)


def as_planes(x, n):
    """Lines as planes of one row."""
    x = np.ascontiguousarray(x)
    return x[..., None, :] if n == 1 else x


def two(values, first):
    """One number for each of two dimensions; a line's own comes second."""
    return values if len(values) == 2 else (first, *values)


def mean(function, x, other, kernel, stride, padding, padded, divisor):
    """Windows that slide, and their gradients; ``other``: the size on the side of the result."""
    n = len(kernel)
    if x.dtype is not F4 or n > 2 or x.ndim <= n:
        return NotImplemented
    pairs = two(other, 1), two(kernel, 1), two(stride, 1), two(padding, 0)
    numbers = [i for pair in pairs for i in pair]
    result = function(as_planes(x, n), *numbers, int(padded), divisor or 0)
    return result if result is NotImplemented or n == 2 else result[..., 0, :]


def avg_pool(x, kernel, stride, padding, ceil_mode, count_include_pad, divisor_override):
    """The mean of each window."""
    size, ones = x.shape[x.ndim - len(kernel) :], (1,) * len(kernel)
    out = pooled_size(size, kernel, stride, padding, ones, ceil_mode)
    how = kernel, stride, padding, count_include_pad, divisor_override
    return NotImplemented if min(out) < 1 else mean(C.avg_pool2d, x, out, *how)


def avg_pool_backward(
    g, size, kernel, stride, padding, ceil_mode, count_include_pad, divisor_override
):
    """Each gradient shared out among its window."""
    how = kernel, stride, padding, count_include_pad, divisor_override
    return mean(C.avg_pool2d_backward, g, size, *how)


def evenly(function, x, size):
    """Windows that cover evenly, and their gradients."""
    n = len(size)
    if x.dtype is not F4 or n > 2 or x.ndim <= n:
        return NotImplemented
    result = function(as_planes(x, n), *two(size, 1))
    return result if result is NotImplemented or n == 2 else result[..., 0, :]


def adaptive_avg_pool(x, output_size):
    """Means of windows that cover evenly."""
    return evenly(C.adaptive_avg_pool2d, x, output_size)


def adaptive_avg_pool_backward(g, size):
    """The transpose of that."""
    return evenly(C.adaptive_avg_pool2d_backward, g, size)


def plane_scatter(x, indices, shape, n):
    """Elements added up at flat indices within planes."""
    planes = math.prod(shape[: len(shape) - n])
    if x.dtype is not F4 or x.size != indices.size or not x.size:
        return NotImplemented
    flat = [np.ascontiguousarray(a).reshape(planes, -1) for a in (x, indices)]
    result = C.plane_scatter(*flat, math.prod(shape[len(shape) - n :]))
    return result if result is NotImplemented else result.reshape(shape)


def resample_axis(x, index, weight, axis):
    """One dimension resized; the rest of an interpolation is the record's."""
    if x.dtype is not F4:
        return NotImplemented
    return C.resample(np.ascontiguousarray(x), *map(np.ascontiguousarray, (index, weight)), axis)


def register() -> None:
    """Enter the kernels under their ops' names."""
    enter("resample_axis", resample_axis)
    for function in (
        max_pool,
        max_pool_with_indices,
        max_pool_backward,
        avg_pool,
        avg_pool_backward,
        adaptive_avg_pool,
        adaptive_avg_pool_backward,
        plane_scatter,
    ):
        enter(function.__name__, function)
