"""Convolution of arrays with n spatial dimensions, and its two gradients, by matrix products.

Shapes: x (N, C, *size), weight (O, C / groups, *kernel), y (N, O, *out). The patches of a block of
samples are laid out as columns (C / groups * kernel, out) in one buffer that stays in cache, and
multiplied: so the output comes out in its own order, without a transposition.
"""

import math
from itertools import product

import numpy as np

BLOCK = 768 * 1024  # bytes of columns handled at a time: within a second-level cache


def output_size(size, kernel, stride, padding, dilation):
    """The spatial shape of the result; may be less than 1 where the kernel does not fit."""
    return tuple(
        [
            (n + 2 * p - d * (k - 1) - 1) // s + 1
            for n, k, s, p, d in zip(size, kernel, stride, padding, dilation, strict=True)
        ]
    )


def padded(xp, x, padding):
    """``x`` with zeros around its trailing dimensions."""
    if not any(padding):
        return x
    lead = x.ndim - len(padding)
    shape = x.shape[:lead] + tuple(n + 2 * p for n, p in zip(x.shape[lead:], padding, strict=True))
    result = xp.zeros(shape, x.dtype)
    inner = tuple(slice(p, p + n) for n, p in zip(x.shape[lead:], padding, strict=True))
    result[(..., *inner)] = x
    return result


def patches(xp, x, kernel, out, stride, dilation):
    """A view (..., *kernel, *out) of all the windows of ``x`` (..., *size)."""
    lead = x.ndim - len(kernel)
    steps = x.strides[lead:]
    strides = (
        x.strides[:lead]
        + tuple([s * d for s, d in zip(steps, dilation, strict=True)])
        + tuple([s * t for s, t in zip(steps, stride, strict=True)])
    )
    if xp is np and x.flags.c_contiguous and x.dtype.char in "fd":  # 5 us less than as_strided
        return np.ndarray(x.shape[:lead] + kernel + out, x.dtype, x, 0, strides)
    return xp.lib.stride_tricks.as_strided(x, x.shape[:lead] + kernel + out, strides)


def convolve(xp, x, weight, stride, padding, dilation, groups):
    """The convolution y of x with weight."""
    kernel = weight.shape[2:]
    out = output_size(x.shape[2:], kernel, stride, padding, dilation)
    x = padded(xp, x, padding)
    if groups == weight.shape[0] == x.shape[1] > 1:
        return _depthwise(xp, x, weight, out, stride, dilation)
    if math.prod(kernel) == 1:
        if any(s != 1 for s in stride):
            x = x[(..., *(slice(None, None, s) for s in stride))]
        return _pointwise(xp, x, weight, out, groups)
    return _by_columns(xp, x, weight, out, stride, dilation, groups)


def _pointwise(xp, x, weight, out, groups):
    """A kernel of one element: a matrix product over the channels."""
    samples, length = x.shape[0], math.prod(out)
    if groups == 1:
        result = xp.matmul(weight.reshape(weight.shape[:2]), x.reshape(samples, x.shape[1], length))
    else:
        matrix = weight.reshape(groups, -1, weight.shape[1])
        result = xp.matmul(matrix, x.reshape(samples, groups, weight.shape[1], length))
    return result.reshape(samples, weight.shape[0], *out)


def _depthwise(xp, x, weight, out, stride, dilation):
    """One filter a channel: a sum over kernel positions of shifted planes."""
    result = xp.zeros((x.shape[0], weight.shape[0], *out), xp.result_type(x, weight))
    term = xp.empty_like(result[:1])
    filters = weight.reshape(weight.shape[0], *weight.shape[2:])
    ones = (1,) * len(out)
    positions = [
        (filters[(slice(None), *at)].reshape(-1, *ones), shifted(at, out, stride, dilation))
        for at in product(*map(range, weight.shape[2:]))
    ]
    for n in range(x.shape[0]):
        for scale, window in positions:
            xp.multiply(x[n : n + 1][window], scale, out=term)
            result[n : n + 1] += term
    return result


def shifted(at, out, stride, dilation):
    """The index of the elements that kernel position ``at`` meets, one for each output."""
    return (
        ...,
        *[
            slice(a * d, a * d + (n - 1) * s + 1, s)
            for a, n, s, d in zip(at, out, stride, dilation, strict=True)
        ],
    )


def _grouped(x, groups):
    """(N, C, ...) as (N, groups, C / groups, ...), or as it is for one group."""
    return x if groups == 1 else x.reshape(x.shape[0], groups, x.shape[1] // groups, *x.shape[2:])


def _matrix(weight, groups):
    """The filters as rows: (O, K), or (groups, O / groups, K)."""
    return weight.reshape(
        (weight.shape[0], -1) if groups == 1 else (groups, weight.shape[0] // groups, -1)
    )


def _block(samples, per_sample, itemsize):
    """How many samples' columns to hold at a time."""
    return max(1, min(samples, BLOCK // max(1, per_sample * itemsize)))


def _by_columns(xp, x, weight, out, stride, dilation, groups):
    kernel, samples = weight.shape[2:], x.shape[0]
    rows, length = weight.shape[1] * math.prod(kernel), math.prod(out)
    windows = patches(xp, _grouped(x, groups), kernel, out, stride, dilation)
    matrix = _matrix(weight, groups)
    lead = windows.shape[1 : -2 * len(kernel) - 1]  # () or (groups,)
    if groups * rows * length * x.itemsize > 4 * BLOCK:
        result = _by_strips(xp, windows, matrix, out, xp.result_type(x, weight))
        return result.reshape(samples, weight.shape[0], *out)
    block = _block(samples, groups * rows * length, x.itemsize)
    if block >= samples:
        result = xp.matmul(matrix, windows.reshape(samples, *lead, rows, length))
        return result.reshape(samples, weight.shape[0], *out)
    buffer = xp.empty((block, *windows.shape[1:]), x.dtype)
    result = xp.empty((samples, *matrix.shape[:-1], length), xp.result_type(x, weight))
    for start in range(0, samples, block):
        n = min(block, samples - start)
        buffer[:n] = windows[start : start + n]
        columns = buffer[:n].reshape(n, *lead, rows, length)
        if n == 1 and groups == 1:
            xp.dot(matrix, columns[0], out=result[start])
        else:
            xp.matmul(matrix, columns, out=result[start : start + n])
    return result.reshape(samples, weight.shape[0], *out)


def _by_strips(xp, windows, matrix, out, dtype):
    """One sample whose columns do not fit in cache, a few output rows at a time."""
    n = len(out)
    samples, lead = windows.shape[0], windows.shape[1 : -2 * n - 1]
    rows, inner = matrix.shape[-1], math.prod(out[1:])
    strip = max(1, BLOCK // max(1, rows * math.prod(lead) * inner * windows.itemsize))
    result = xp.empty((samples, *matrix.shape[:-1], *out), dtype)
    along = (slice(None),) * (windows.ndim - 1 - n)  # all dimensions before the first of the output
    for sample in range(samples):
        for start in range(0, out[0], strip):
            part = windows[sample][(*along, slice(start, start + strip))]
            height = part.shape[-n]
            product = xp.matmul(matrix, part.reshape(*lead, rows, height * inner))
            result[sample, ..., start : start + height, *[slice(None)] * (n - 1)] = product.reshape(
                *matrix.shape[:-1], height, *out[1:]
            )
    return result


def input_gradient(xp, g, weight, shape, stride, padding, dilation, groups):
    """The gradient (N, C, *size) of a convolution's input of that shape; also the transposed
    convolution of g."""
    kernel = weight.shape[2:]
    columns_are_few = (
        weight.shape[0] >= 2 * weight.shape[1] * groups
    )  # measured: MNIST's and LeNet's layers
    if all(s == 1 for s in stride) and not columns_are_few:
        reach = tuple(d * (k - 1) - p for k, p, d in zip(kernel, padding, dilation, strict=True))
        fits = output_size(g.shape[2:], kernel, stride, reach, dilation) == tuple(shape[2:])
        if min(reach) >= 0 and fits:
            return convolve(xp, g, _turned(weight, groups), stride, reach, dilation, groups)
    return _scatter_columns(xp, g, weight, shape, stride, padding, dilation, groups)


def _turned(weight, groups):
    """The filters with inputs and outputs exchanged within each group, and the kernel reversed."""
    flipped = weight[(slice(None), slice(None), *[slice(None, None, -1)] * (weight.ndim - 2))]
    if groups == 1:
        return flipped.swapaxes(0, 1)
    split = flipped.reshape(groups, weight.shape[0] // groups, *weight.shape[1:])
    return split.swapaxes(1, 2).reshape(
        groups * weight.shape[1], weight.shape[0] // groups, *weight.shape[2:]
    )


def _scatter_columns(xp, g, weight, shape, stride, padding, dilation, groups):
    """Columns of gradients, added up at the places they came from."""
    kernel, out, samples = weight.shape[2:], g.shape[2:], g.shape[0]
    length = math.prod(out)
    full = tuple(n + 2 * p for n, p in zip(shape[2:], padding, strict=True))
    result = xp.zeros((samples, shape[1], *full), xp.result_type(g, weight))
    matrix = _matrix(weight, groups).swapaxes(-1, -2)
    g = _grouped(g.reshape(samples, g.shape[1], length), groups)
    block = _block(samples, shape[1] * math.prod(kernel) * length, g.itemsize)
    for start in range(0, samples, block):
        columns = xp.matmul(matrix, g[start : start + block]).reshape(-1, shape[1], *kernel, *out)
        scatter_columns(result[start : start + block], columns, stride, dilation)
    if not any(padding):
        return result
    inner = tuple(slice(p, p + n) for n, p in zip(shape[2:], padding, strict=True))
    return xp.ascontiguousarray(result[(..., *inner)])


def scatter_columns(result, columns, stride, dilation):
    """Add columns (N, C, *kernel, *out) up in ``result`` (N, C, *size), where their windows lie."""
    n = result.ndim - 2
    kernel, out = columns.shape[2 : 2 + n], columns.shape[2 + n :]
    for at in product(*map(range, kernel)):
        result[shifted(at, out, stride, dilation)] += columns[(slice(None), slice(None), *at)]


def weight_gradient(xp, g, x, shape, stride, padding, dilation, groups):
    """The gradient (O, C / groups, *kernel) of a convolution's weight of that shape."""
    kernel, out, samples = tuple(shape[2:]), g.shape[2:], g.shape[0]
    rows, length = shape[1] * math.prod(kernel), math.prod(out)
    if samples == 0 or length == 0:
        return xp.zeros(shape, xp.result_type(g, x))
    x = padded(xp, x, padding)
    g = _grouped(g.reshape(samples, g.shape[1], length), groups)
    windows = patches(xp, _grouped(x, groups), kernel, out, stride, dilation)
    lead = windows.shape[1 : -2 * len(kernel) - 1]
    block = _block(samples, groups * rows * length, x.itemsize)
    total = None
    for start in range(0, samples, block):
        columns = windows[start : start + block].reshape(-1, *lead, rows, length)
        part = xp.matmul(g[start : start + block], columns.swapaxes(-1, -2)).sum(axis=0)
        total = part if total is None else xp.add(total, part, out=total)
    return total.reshape(shape)
