"""Pooling of arrays (..., *size) over windows of n trailing dimensions, and its gradients.

Each works by kernel position: the elements that one position of the kernel meets form a strided
slice with one element for each output.
"""

import math
from itertools import product


def output_size(size, kernel, stride, padding, dilation, ceil_mode):
    """The spatial shape of the result. With ``ceil_mode``, a window may overhang but must start
    inside."""
    result = []
    for n, k, s, p, d in zip(size, kernel, stride, padding, dilation, strict=True):
        span = n + 2 * p - d * (k - 1) - 1
        out = (span + (s - 1 if ceil_mode else 0)) // s + 1
        if ceil_mode and (out - 1) * s >= n + p:
            out -= 1
        result.append(out)
    return tuple(result)


def framed(xp, x, out, kernel, stride, padding, dilation, value):
    """``x`` within a frame of ``value`` large enough for all windows, and where it lies in
    there."""
    n = len(kernel)
    lead, size = x.shape[: x.ndim - n], x.shape[x.ndim - n :]
    full = tuple(
        max((o - 1) * s + d * (k - 1) + 1, length + p)
        for o, s, k, d, length, p in zip(out, stride, kernel, dilation, size, padding, strict=True)
    )
    inner = (..., *(slice(p, p + length) for p, length in zip(padding, size, strict=True)))
    if full == size:
        return x, inner
    result = xp.full((*lead, *full), value, x.dtype)
    result[inner] = x
    return result, inner


def positions(kernel, out, stride, dilation):
    """For each kernel position, the slices of the elements it meets."""
    for at in product(*map(range, kernel)):
        yield (
            ...,
            *(
                slice(a * d, a * d + (n - 1) * s + 1, s)
                for a, n, s, d in zip(at, out, stride, dilation, strict=True)
            ),
        )


def lowest(dtype):
    """What any element is at least."""
    if dtype.kind == "f":
        return -math.inf
    return (
        False if dtype.kind == "b" else -(2 ** (8 * dtype.itemsize - 1)) if dtype.kind == "i" else 0
    )


def max_pool(xp, x, out, kernel, stride, padding, dilation):
    """The largest element of each window."""
    full, _ = framed(xp, x, out, kernel, stride, padding, dilation, lowest(x.dtype))
    result = None
    for window in positions(kernel, out, stride, dilation):
        result = (
            full[window].copy() if result is None else xp.maximum(result, full[window], out=result)
        )
    return result


def max_indices(xp, x, out, kernel, stride, padding, dilation):
    """The largest element of each window, and its flat index within its plane of ``x``."""
    n = len(kernel)
    size = x.shape[x.ndim - n :]
    full, _ = framed(xp, x, out, kernel, stride, padding, dilation, lowest(x.dtype))
    plane = xp.full(size, 0, xp.int64)
    plane += xp.arange(math.prod(size), dtype=xp.int64).reshape(size)
    places, _ = framed(xp, plane, out, kernel, stride, padding, dilation, 0)
    best = index = None
    for window in positions(kernel, out, stride, dilation):
        value = full[window]
        if best is None:
            best = value.copy()
            index = xp.empty(best.shape, xp.int64)
            index[...] = places[window]
            continue
        better = value > best
        if x.dtype.kind == "f":
            better |= xp.isnan(value)
        xp.copyto(best, value, where=better)
        xp.copyto(index, xp.broadcast_to(places[window], index.shape), where=better)
    if any(padding):  # a window of nothing but -inf must not name the frame
        index = _inside(xp, x, index, best, out, kernel, stride, padding, dilation)
    return best, index


def _inside(xp, x, index, best, out, kernel, stride, padding, dilation):
    """Indices of windows whose maximum is the frame's own value: their first element inside."""
    bad = best == lowest(x.dtype)
    if not bad.any():
        return index
    size = x.shape[x.ndim - len(kernel) :]
    first = xp.zeros(out, xp.int64)
    for o, n, s, p, d, axis in zip(
        out, size, stride, padding, dilation, range(len(out)), strict=True
    ):
        start = xp.arange(o) * s - p
        start = xp.where(start < 0, start % d, start)
        shape = [1] * len(out)
        shape[axis] = o
        first = first * n + start.reshape(shape)
    return xp.where(bad, first, index)


def max_pool_backward(xp, g, x, result, kernel, stride, padding, dilation):
    """Each gradient at the first of its window's largest elements (of several nan, the last)."""
    out = g.shape[g.ndim - len(kernel) :]
    full, inner = framed(xp, x, out, kernel, stride, padding, dilation, lowest(x.dtype))
    total = xp.zeros(full.shape, g.dtype)
    spaced = all(s >= d * (k - 1) + 1 for s, k, d in zip(stride, kernel, dilation, strict=True))
    for window, hit in hits(xp, full, result, positions(kernel, out, stride, dilation)):
        if spaced:
            xp.copyto(total[window], g, where=hit)
        else:
            xp.add(total[window], g, out=total[window], where=hit)
    return total if total.shape == x.shape else xp.ascontiguousarray(total[inner])


def hits(xp, full, result, windows):
    """Each place of a window with where the window's result comes from it."""
    windows = list(windows)
    left = None
    for window in windows:
        hit = full[window] >= result
        if left is None:
            left = ~hit
        else:
            hit &= left
            left ^= hit
        yield window, hit
    left = xp.isnan(result)
    if left.any():
        for window in reversed(windows):
            hit = xp.isnan(full[window]) & left
            left ^= hit
            yield window, hit


def max_pool_select(xp, v, x, result, kernel, stride, padding, dilation):
    """From each window of ``v``, the element where the largest of ``x`` is."""
    out = result.shape[result.ndim - len(kernel) :]
    full, _ = framed(xp, x, out, kernel, stride, padding, dilation, lowest(x.dtype))
    values, _ = framed(xp, v, out, kernel, stride, padding, dilation, 0)
    total = xp.zeros(result.shape, v.dtype)
    for window, hit in hits(xp, full, result, positions(kernel, out, stride, dilation)):
        xp.add(total, values[window], out=total, where=hit)
    return total


def divisors(xp, size, out, kernel, stride, padding, count_include_pad, divisor_override, dtype):
    """What each window's sum is divided by."""
    if divisor_override is not None:
        return dtype.type(divisor_override)
    exact = all(
        (o - 1) * s + k <= n + 2 * p
        for o, s, k, n, p in zip(out, stride, kernel, size, padding, strict=True)
    )
    if exact and (count_include_pad or not any(padding)):
        return dtype.type(math.prod(kernel))
    result = xp.ones((), dtype)
    for n, o, k, s, p in zip(size, out, kernel, stride, padding, strict=True):
        start = xp.arange(o) * s - p
        end = xp.minimum(start + k, n + p)
        if not count_include_pad:
            start, end = xp.maximum(start, 0), xp.minimum(end, n)
        result = result[..., None] * (end - start).astype(dtype)
    return result


def sum_pool(xp, x, out, kernel, stride, padding):
    """The sum of each window."""
    ones = (1,) * len(kernel)
    full, _ = framed(xp, x, out, kernel, stride, padding, ones, 0)
    result = None
    for window in positions(kernel, out, stride, ones):
        result = full[window].copy() if result is None else xp.add(result, full[window], out=result)
    return result


def sum_pool_backward(xp, g, size, kernel, stride, padding):
    """Each gradient at all the elements of its window."""
    ones = (1,) * len(kernel)
    lead, out = g.shape[: g.ndim - len(kernel)], g.shape[g.ndim - len(kernel) :]
    blank = xp.zeros((*lead, *size), g.dtype)
    full, inner = framed(xp, blank, out, kernel, stride, padding, ones, 0)
    for window in positions(kernel, out, stride, ones):
        full[window] += g
    return full if full.shape == blank.shape else xp.ascontiguousarray(full[inner])


def adaptive_bounds(size, out):
    """Start and end of each of ``out`` windows that cover ``size`` elements evenly."""
    return [((i * size) // out, -((-(i + 1) * size) // out)) for i in range(out)]


def adaptive_matrix(xp, size, out, dtype):
    """(out, size): the mean of each window as a matrix."""
    result = xp.zeros((out, size), dtype)
    for i, (start, end) in enumerate(adaptive_bounds(size, out)):
        result[i, start:end] = 1 / (end - start)
    return result


def along(xp, x, matrix, axis):
    """``matrix`` applied to ``x`` along ``axis``."""
    return xp.moveaxis(xp.matmul(xp.moveaxis(x, axis, -1), matrix.T), -1, axis)


def adaptive_windows(xp, size, out):
    """(out, longest window) indices; shorter windows repeat their last element."""
    bounds = adaptive_bounds(size, out)
    longest = max((end - start for start, end in bounds), default=1)
    return xp.asarray(
        [[min(start + j, end - 1) for j in range(longest)] for start, end in bounds], xp.int64
    ).reshape(out, longest)


def max_of_windows(xp, x, windows):
    """The largest of each window and its flat index in its plane. ``windows[i]``: (..., out_i,
    k_i) indices along the i-th of the last n dimensions, its leading dimensions those of ``x``, or
    none."""
    n = len(windows)
    lead, size = x.shape[: x.ndim - n], x.shape[x.ndim - n :]
    flat = xp.zeros((), xp.int64)
    for axis, (index, length) in enumerate(zip(windows, size, strict=True)):
        shape = [1] * (2 * n)
        shape[axis], shape[n + axis] = index.shape[-2:]
        flat = flat * length + index.reshape(*index.shape[:-2], *shape)
    out = tuple(index.shape[-2] for index in windows)
    own = windows[0].shape[:-2]  # the windows' leading dimensions: those of x, or none
    count = math.prod(index.shape[-1] for index in windows)
    flat = xp.broadcast_to(
        flat.reshape(*own, math.prod(out), count), (*lead, math.prod(out), count)
    )
    values = xp.take_along_axis(
        x.reshape(*lead, math.prod(size)), flat.reshape(*lead, math.prod(out) * count), -1
    ).reshape(flat.shape)
    best = values.argmax(-1)[..., None]
    index = xp.take_along_axis(flat, best, -1).reshape(*lead, *out)
    return xp.take_along_axis(values, best, -1).reshape(*lead, *out), index
