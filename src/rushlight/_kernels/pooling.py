"""Pooling by the native kernels: planes and lines of float32, maxima also of half precision."""

import math

import numpy as np

from rushlight._core.backend import kernel as enter
from rushlight._core.casting import astype
from rushlight._core.dtypes import HALF
from rushlight._core.extension import C

F4 = np.dtype(np.float32)
contiguous = np.ascontiguousarray


def pooling(x, out, kernel, stride, padding, dilation):
    """The array as planes and the ten sizes, or None where the kernels do not serve."""
    n = len(kernel)
    if (x.dtype is not F4 and x.dtype not in HALF) or n > 2 or x.ndim <= n or min(out) < 1:
        return None
    if n == 2:
        return contiguous(x), *out, *kernel, *stride, *padding, *dilation
    return contiguous(x[..., None, :]), 1, *out, 1, *kernel, 1, *stride, 0, *padding, 1, *dilation


def pooled_size(size, kernel, stride, padding, dilation, ceil_mode):
    """The spatial shape of the result. With ``ceil_mode`` a window may overhang, but starts
    inside."""
    if not ceil_mode and len(size) == 2:  # unrolled: 0.6 us less
        (h, w), (a, b), (p, q), (d, e), (s, t) = size, kernel, padding, dilation, stride
        return (h + 2 * p - d * (a - 1) - 1) // s + 1, (w + 2 * q - e * (b - 1) - 1) // t + 1
    result = []
    for n, k, s, p, d in zip(size, kernel, stride, padding, dilation, strict=True):
        span = n + 2 * p - d * (k - 1) - 1
        out = (span + (s - 1 if ceil_mode else 0)) // s + 1
        result.append(out - 1 if ceil_mode and (out - 1) * s >= n + p else out)
    return tuple(result)


def max_pool(x, kernel, stride, padding, dilation, ceil_mode):
    """The largest element of each window."""
    n = len(kernel)
    out = pooled_size(x.shape[-n:], kernel, stride, padding, dilation, ceil_mode)
    if n == 3:
        return max_volumes(x, out, kernel, stride, padding, dilation)
    given = pooling(x, out, kernel, stride, padding, dilation)
    if given is None:
        return NotImplemented
    result = C.max_pool2d(*given)
    return result if n == 2 or result is NotImplemented else result[..., 0, :]


def max_volumes(x, out, *settings):
    """Volumes by their planes and then, each plane a row, by their depth."""
    lead, (depth, *plane) = x.shape[:-3], out
    given = pooling(x, plane, *[s[1:] for s in settings])
    if given is None or depth < 1:
        return NotImplemented
    rows = C.max_pool2d(*given)
    if rows is NotImplemented:
        return NotImplemented
    rows = rows.reshape(*lead, x.shape[-3], -1)
    kernel, stride, padding, dilation = [s[0] for s in settings]
    width = rows.shape[-1]
    sizes = depth, width, kernel, 1, stride, 1, padding, 0, dilation, 1
    result = C.max_pool2d(rows, *sizes)
    return result if result is NotImplemented else result.reshape(*lead, *out)


def max_pool_with_indices(x, kernel, stride, padding, dilation, ceil_mode):
    """The largest element of each window and its index within its plane."""
    n = len(kernel)
    out = pooled_size(x.shape[-n:], kernel, stride, padding, dilation, ceil_mode)
    if n == 3:
        return max_volume_indices(x, out, kernel, stride, padding, dilation)
    given = pooling(x, out, kernel, stride, padding, dilation)
    result = NotImplemented if given is None else C.max_indices2d(*given)
    if result is NotImplemented or n == 2:
        return result
    return result[0][..., 0, :], result[1][..., 0, :]


def max_volume_indices(x, out, *settings):
    """The same of volumes; the first pass says where in a plane, the second in which."""
    lead, (depth, *plane) = x.shape[:-3], out
    given = pooling(x, plane, *[s[1:] for s in settings])
    found = NotImplemented if given is None or depth < 1 else C.max_indices2d(*given)
    if found is NotImplemented:
        return NotImplemented
    rows, places = [a.reshape(*lead, x.shape[-3], -1) for a in found]
    kernel, stride, padding, dilation = [s[0] for s in settings]
    width = rows.shape[-1]
    sizes = depth, width, kernel, 1, stride, 1, padding, 0, dilation, 1
    found = C.max_indices2d(rows, *sizes)
    if found is NotImplemented:
        return NotImplemented
    result, at = found
    volumes = math.prod(lead)
    at = at.reshape(volumes, -1)
    inside = places.reshape(volumes, -1)[np.arange(volumes)[:, None], at]
    index = at // width * (x.shape[-2] * x.shape[-1]) + inside
    return result.reshape(*lead, *out), index.reshape(*lead, *out)


def max_pool_backward(g, x, result, kernel, stride, padding, dilation):
    """Each gradient at the largest element of its window."""
    if len(kernel) == 3:
        found = max_volume_indices(x, g.shape[-3:], kernel, stride, padding, dilation)
        return found if found is NotImplemented else plane_scatter(g, found[1], x.shape, 3)
    given = pooling(x, g.shape[-len(kernel) :], kernel, stride, padding, dilation)
    if given is None or g.dtype != x.dtype:
        return NotImplemented
    g = contiguous(g)
    found = C.max_pool2d_backward(g[..., None, :] if len(kernel) == 1 else g, *given)
    return found if found is NotImplemented else found.reshape(x.shape)


def by_way_of_float32(kernel, x, *params):
    """The kernel's result for half precision, rounded once."""
    result = kernel(astype(x, F4), *params)
    return result if result is NotImplemented else C.cast(result, x.dtype)


def as_planes(x, n):
    """Lines as planes of one row."""
    x = contiguous(x)
    return x[..., None, :] if n == 1 else x


def two(values, first):
    """One number for each of two dimensions; a line's own comes second."""
    return values if len(values) == 2 else (first, *values)


def mean(function, x, other, kernel, stride, padding, padded, divisor):
    """Windows that slide, and their gradients; ``other``: the size on the side of the result."""
    n = len(kernel)
    if x.dtype is not F4 or n > 2 or x.ndim <= n:
        return NotImplemented
    how = int(padded), divisor or 0
    if n == 2:
        return function(contiguous(x), *other, *kernel, *stride, *padding, *how)
    line = contiguous(x)[..., None, :]
    result = function(line, 1, *other, 1, *kernel, 1, *stride, 0, *padding, *how)
    return result if result is NotImplemented else result[..., 0, :]


ONES = {1: (1,), 2: (1, 1), 3: (1, 1, 1)}


def avg_pool(x, kernel, stride, padding, ceil_mode, count_include_pad, divisor_override):
    """The mean of each window."""
    n = len(kernel)
    if n == 2 and not ceil_mode and x.dtype is F4 and x.ndim > 2:
        (h, w), (a, b), (s, t), (p, q) = x.shape[-2:], kernel, stride, padding
        rows, columns = (h + 2 * p - a) // s + 1, (w + 2 * q - b) // t + 1
        if rows > 0 < columns:
            sizes = rows, columns, a, b, s, t, p, q
            counted, divisor = int(count_include_pad), divisor_override or 0
            return C.avg_pool2d(contiguous(x), *sizes, counted, divisor)
    if x.dtype in HALF:
        params = kernel, stride, padding, ceil_mode, count_include_pad, divisor_override
        return by_way_of_float32(avg_pool, x, *params)
    out = pooled_size(x.shape[-n:], kernel, stride, padding, ONES[n], ceil_mode)
    if min(out) < 1:
        return NotImplemented
    how = kernel, stride, padding
    if n == 3:
        return mean_volumes(C.avg_pool2d, x, out, how, count_include_pad, divisor_override)
    return mean(C.avg_pool2d, x, out, *how, count_include_pad, divisor_override)


def mean_volumes(function, x, other, how, padded, divisor):
    """The same of volumes: by their planes and then, each plane a row, by their depth."""
    if x.dtype is not F4 or x.ndim <= 3:
        return NotImplemented
    lead, (depth, *plane) = x.shape[:-3], other
    kernel, stride, padding = [s[1:] for s in how]
    rows = mean(function, x, plane, kernel, stride, padding, padded, 1 if divisor else None)
    if rows is NotImplemented:
        return NotImplemented
    rows = rows.reshape(*lead, x.shape[-3], -1)
    kernel, stride, padding = [s[0] for s in how]
    sizes = depth, rows.shape[-1], kernel, 1, stride, 1, padding, 0
    result = function(rows, *sizes, int(padded), divisor or 0)
    return result if result is NotImplemented else result.reshape(*lead, *other)


def avg_pool_backward(
    g, size, kernel, stride, padding, ceil_mode, count_include_pad, divisor_override
):
    """Each gradient shared out among its window."""
    how = kernel, stride, padding
    if len(kernel) == 3:
        return mean_volumes(
            C.avg_pool2d_backward, g, size, how, count_include_pad, divisor_override
        )
    return mean(C.avg_pool2d_backward, g, size, *how, count_include_pad, divisor_override)


def evenly(function, x, size):
    """Windows that cover evenly, and their gradients."""
    n = len(size)
    if x.dtype is not F4 or n > 2 or x.ndim <= n:
        return NotImplemented
    result = function(as_planes(x, n), *two(size, 1))
    return result if result is NotImplemented or n == 2 else result[..., 0, :]


def evenly_volumes(function, x, size):
    """The same of volumes: by their planes and then, each plane a row, by their depth."""
    rows = evenly(function, x, size[1:]) if x.ndim > 3 else NotImplemented
    if rows is NotImplemented:
        return NotImplemented
    rows = rows.reshape(*x.shape[:-2], -1)
    result = function(rows, size[0], rows.shape[-1])
    return result if result is NotImplemented else result.reshape(*x.shape[:-3], *size)


def adaptive_avg_pool(x, output_size):
    """Means of windows that cover evenly."""
    if x.dtype in HALF:
        return by_way_of_float32(adaptive_avg_pool, x, output_size)
    apply = evenly_volumes if len(output_size) == 3 else evenly
    return apply(C.adaptive_avg_pool2d, x, output_size)


def adaptive_avg_pool_backward(g, size):
    """The transpose of that."""
    apply = evenly_volumes if len(size) == 3 else evenly
    return apply(C.adaptive_avg_pool2d_backward, g, size)


def adaptive_max_pool(x, output_size):
    """Windows that cover evenly and are all of one size are those of a pooling."""
    n = len(output_size)
    kernel = []
    for length, out in zip(x.shape[-n:], output_size, strict=True):
        if not out or length % out:
            return NotImplemented
        kernel.append(length // out)
    return max_pool_with_indices(x, kernel, kernel, (0,) * n, ONES[n], False)


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
    enter("grid_sampler", C.grid_sample)
    enter("grid_sampler_backward", C.grid_sample_backward)
    for function in (
        max_pool,
        max_pool_with_indices,
        max_pool_backward,
        avg_pool,
        avg_pool_backward,
        adaptive_avg_pool,
        adaptive_avg_pool_backward,
        adaptive_max_pool,
        plane_scatter,
    ):
        enter(function.__name__, function)
