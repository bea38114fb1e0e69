"""Convolutions of bfloat16 as matrix products, for CPUs that multiply it (AVX512-BF16).

Those of 3 x 3 windows next to each other go by float32 (halves.py): Winograd's way needs 2.25 times
fewer multiplications, which is as much as bfloat16 saves.
"""

import math
from typing import Any

import numpy as np
from ml_dtypes import bfloat16

from rushlight._core.extension import C
from rushlight._core.memory import zeros

BF16 = np.dtype(bfloat16)
SHORT = 64  # a product's sums are at least so long to be worth their columns
SOME = 1 << 21  # bytes of columns that are made at a time


def served(x: Any, w_shape: tuple, stride: Any, padding: Any, dilation: Any, groups: int) -> bool:
    """Is a product the shorter way?"""
    window, length = w_shape[2:], math.prod(w_shape[1:])
    winograd = window == (3, 3) and set((*stride, *dilation)) == {1} and min(w_shape[:2]) >= 16
    fits = x.dtype == BF16 and groups == 1 and length >= SHORT and x.size > 0
    return fits and not winograd and C.multiplies_bfloat16()


def sizes(x: Any, window: Any, stride: Any, padding: Any, dilation: Any) -> tuple[int, ...]:
    """The spatial shape of the result."""
    return tuple(
        [
            (n + 2 * p - d * (k - 1) - 1) // s + 1
            for n, k, s, p, d in zip(x.shape[2:], window, stride, padding, dilation, strict=True)
        ]
    )


def windows(x: Any, window: Any, stride: Any, padding: Any, dilation: Any) -> np.ndarray:
    """A view of (N, C, *window, *size): what each result is made of."""
    size = sizes(x, window, stride, padding, dilation)
    if any(padding):
        padded = zeros(
            (*x.shape[:2], *(n + 2 * p for n, p in zip(x.shape[2:], padding, strict=True))), BF16
        )
        inside = [slice(p, p + n) for n, p in zip(x.shape[2:], padding, strict=True)]
        C.copy_into(padded[(..., *inside)], x)
        x = padded
    along = x.strides[2:]
    strides = (
        *x.strides[:2],
        *(d * a for d, a in zip(dilation, along, strict=True)),
        *(s * a for s, a in zip(stride, along, strict=True)),
    )
    return np.lib.stride_tricks.as_strided(x, (*x.shape[:2], *window, *size), strides)


def convolution(
    x: Any, weight: Any, bias: Any, stride: Any, padding: Any, dilation: Any, groups: Any
) -> Any:
    """``weight`` (O, K) times the columns (K, positions) of each sample."""
    if not served(x, weight.shape, stride, padding, dilation, groups):
        return NotImplemented
    if x.shape[1] != weight.shape[1] or any(
        a is not None and a.dtype != BF16 for a in (weight, bias)
    ):
        return NotImplemented
    size = sizes(x, weight.shape[2:], stride, padding, dilation)
    if min(size) < 1:
        return NotImplemented
    samples, outputs = len(x), len(weight)
    length, positions = math.prod(weight.shape[1:]), math.prod(size)
    matrix = weight.reshape(outputs, length)
    step = max(1, SOME // (2 * length * positions)) if positions * length > x[0].size else samples
    parts = []
    for i in range(0, samples, step):
        some = windows(x[i : i + step], weight.shape[2:], stride, padding, dilation)
        columns = C.contiguous(some).reshape(len(some), length, positions)
        part = C.batched_matmul(np.broadcast_to(matrix, (len(some), *matrix.shape)), columns)
        if part is NotImplemented:
            return part
        parts.append(part)
    made = parts[0] if len(parts) == 1 else C.cat(parts, 0)
    made = made.reshape(samples, outputs, *size)
    if bias is not None:
        C.add(made, bias.reshape(-1, *[1] * len(size)), made)
    return made


def conv_transpose(
    g: Any,
    weight: Any,
    bias: Any,
    shape: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    groups: Any,
) -> Any:
    """A convolution with the weights turned round, if their windows stand next to each other."""
    window = weight.shape[2:]
    around = tuple([d * (k - 1) - p for k, p, d in zip(window, padding, dilation, strict=True)])
    if set(stride) != {1} or min(around) < 0 or groups != 1 or g.dtype != BF16:
        return NotImplemented
    turned = np.flip(weight.swapaxes(0, 1), tuple(range(2, weight.ndim)))
    made = convolution(g, C.contiguous(turned), bias, stride, around, dilation, groups)
    return made if made is NotImplemented or made.shape == tuple(shape) else NotImplemented


def conv_weight(
    g: Any, x: Any, shape: Any, stride: Any, padding: Any, dilation: Any, groups: Any
) -> Any:
    """Gradients (O, samples and positions) times columns (samples and positions, K)."""
    if not served(x, shape, stride, padding, dilation, groups) or g.dtype != BF16:
        return NotImplemented
    inside: Any = (..., *[slice(n) for n in g.shape[2:]])
    some = windows(x, shape[2:], stride, padding, dilation)[inside]
    many = g.size // g.shape[1]
    columns = C.contiguous(np.moveaxis(some, 0, g.ndim - 1)).reshape(-1, many)
    rows = C.contiguous(g.swapaxes(0, 1)).reshape(shape[0], many)
    made = C.mm(rows, columns.T)
    return made if made is NotImplemented else made.reshape(shape)
