"""Pooling over one to three dimensions (source/pooling.cu)."""

import math
from typing import Any

import numpy as np

from rushlight._kernels.cuda.compiler import ELEMENTS, I8, blocks, contiguous, empty, kernel


def three(values: Any, filler: int) -> list[int]:
    """Values of the last one to three dimensions, as of three."""
    return [*[filler] * (3 - len(values)), *values]


def windows(size: Any, out: Any, kernel_size: Any, stride: Any, padding: Any, dilation: Any) -> Any:
    """The struct Windows, as its bytes."""
    longs = np.array([*three(size, 1), *three(out, 1)], np.int64)
    ints = [*three(kernel_size, 1), *three(stride, 1), *three(padding, 0), *three(dilation, 1)]
    return np.frombuffer(longs.tobytes() + np.array(ints, np.int32).tobytes(), np.uint8)


def output_size(size: Any, k: Any, stride: Any, padding: Any, dilation: Any, ceil: bool) -> list:
    """How many windows there are; with ``ceil`` one more that begins inside."""
    found = []
    for n, w, s, p, d in zip(size, k, stride, padding, dilation, strict=True):
        reach = n + 2 * p - d * (w - 1) - 1
        count = (-(-reach // s) if ceil else reach // s) + 1
        if ceil and (count - 1) * s >= n + p:
            count -= 1
        found.append(count)
    return found


def launch(name: str, dtype: Any, count: int, args: tuple) -> None:
    """A thread to each element of the result."""
    kernel("pooling", name, dtype)((blocks(count, 128),), (128,), args)


def pooled(
    x: Any, k: Any, stride: Any, padding: Any, dilation: Any, ceil: bool, indices: bool
) -> Any:
    """The largest of each window, and where it is if asked."""
    n = len(k)
    if x.dtype not in ELEMENTS or not x.size:
        return NotImplemented
    x, lead = contiguous(x), x.shape[: x.ndim - n]
    out = output_size(x.shape[-n:], k, stride, padding, dilation, ceil)
    at = windows(x.shape[-n:], out, k, stride, padding, dilation)
    result = empty((*lead, *out), x.dtype)
    where = empty((*lead, *out), np.int64) if indices else None
    launch("max_pool", x.dtype, result.size, (x, result, where, I8(math.prod(lead)), at))
    return (result, where) if indices else result


def max_pool(x, kernel_size, stride, padding, dilation, ceil_mode):
    """The largest element of each window."""
    return pooled(x, kernel_size, stride, padding, dilation, ceil_mode, False)


def max_pool_with_indices(x, kernel_size, stride, padding, dilation, ceil_mode):
    """The largest element of each window, and its flat index within its plane."""
    return pooled(x, kernel_size, stride, padding, dilation, ceil_mode, True)


def max_pool_backward(g, x, result, kernel_size, stride, padding, dilation):
    """Each gradient at the largest element of its window."""
    n = len(kernel_size)
    if x.dtype not in ELEMENTS or g.dtype != x.dtype or not g.size:
        return NotImplemented
    out, lead, size = g.shape[-n:], x.shape[: x.ndim - n], x.shape[-n:]
    at = windows(size, out, kernel_size, stride, padding, dilation)
    x, planes = contiguous(x), I8(math.prod(lead))
    where, again = empty(g.shape, np.int64), empty(g.shape, x.dtype)
    launch("max_pool", x.dtype, g.size, (x, again, where, planes, at))
    made = empty(x.shape, x.dtype)
    launch("max_pool_backward", x.dtype, made.size, (contiguous(g), where, made, planes, at))
    return made


def avg_pool(x, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override):
    """The mean of each window."""
    n = len(kernel_size)
    if x.dtype not in ELEMENTS or not x.size:
        return NotImplemented
    ones, lead, x = (1,) * n, x.shape[: x.ndim - n], contiguous(x)
    out = output_size(x.shape[-n:], kernel_size, stride, padding, ones, ceil_mode)
    at = windows(x.shape[-n:], out, kernel_size, stride, padding, ones)
    result, planes = empty((*lead, *out), x.dtype), I8(math.prod(lead))
    how = np.int32(bool(count_include_pad)), I8(divisor_override or 0)
    launch("avg_pool", x.dtype, result.size, (x, result, planes, at, *how))
    return result


def avg_pool_backward(
    g, size, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override
):
    """Each gradient shared out among its window."""
    n = len(kernel_size)
    if g.dtype not in ELEMENTS or not g.size:
        return NotImplemented
    lead, ones = g.shape[: g.ndim - n], (1,) * n
    at = windows(size, g.shape[-n:], kernel_size, stride, padding, ones)
    result, planes = empty((*lead, *size), g.dtype), I8(math.prod(lead))
    how = np.int32(bool(count_include_pad)), I8(divisor_override or 0)
    launch("avg_pool_backward", g.dtype, result.size, (contiguous(g), result, planes, at, *how))
    return result


KERNELS = (max_pool, max_pool_with_indices, max_pool_backward, avg_pool, avg_pool_backward)
