"""Convolutions of bfloat16 whose windows are one element as matrix products, for CPUs that multiply
bfloat16 (AVX512-BF16). csrc/conv_pairs.cpp leaves them to us, and serves all others.
"""

import math
from typing import Any

import numpy as np
from ml_dtypes import bfloat16

from rushlight._core.extension import C

BF16 = np.dtype(bfloat16)
SHORT = 64  # a product's sums are at least so long to be worth it


def is_product(x: Any, w_shape: tuple, padding: Any, groups: int) -> bool:
    """Is it a matrix product of elements of ``x``?"""
    fits = x.dtype == BF16 and groups == 1 and w_shape[1] >= SHORT and x.size > 0
    points = math.prod(w_shape[2:]) == 1 and not any(padding)
    return fits and points and C.multiplies_bfloat16()


def met(x: Any, stride: Any) -> Any:
    """The elements that the steps meet."""
    return x[(..., *[slice(None, None, s) for s in stride])]


def convolution(
    x: Any, weight: Any, bias: Any, stride: Any, padding: Any, dilation: Any, groups: Any
) -> Any:
    """``weight`` (O, C) times the positions (C, positions) of each sample."""
    if not is_product(x, weight.shape, padding, groups) or x.shape[1] != weight.shape[1]:
        return NotImplemented
    if any(a is not None and a.dtype != BF16 for a in (weight, bias)):
        return NotImplemented
    some = met(x, stride)
    columns = C.contiguous(some).reshape(len(x), x.shape[1], -1)
    matrix = weight.reshape(weight.shape[:2])
    made = C.batched_matmul(np.broadcast_to(matrix, (len(x), *matrix.shape)), columns)
    if made is NotImplemented:
        return made
    made = made.reshape(len(x), len(weight), *some.shape[2:])
    if bias is not None:
        C.add(made, bias.reshape(-1, *[1] * (made.ndim - 2)), made)
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
    """The product with the transposed weight, where steps leave nothing out."""
    turned = weight.swapaxes(0, 1)
    if set(stride) != {1} or not is_product(g, turned.shape, padding, groups):
        return NotImplemented
    made = convolution(g, C.contiguous(turned), bias, stride, padding, dilation, groups)
    return made if made is NotImplemented or made.shape == tuple(shape) else NotImplemented


def conv_weight(
    g: Any, x: Any, shape: Any, stride: Any, padding: Any, dilation: Any, groups: Any
) -> Any:
    """Gradients (O, samples and positions) times elements (samples and positions, C)."""
    if g.dtype != BF16 or not is_product(x, shape, padding, groups):
        return NotImplemented
    many = g.size // g.shape[1]
    columns = C.contiguous(met(x, stride).swapaxes(0, 1)).reshape(-1, many)
    rows = C.contiguous(g.swapaxes(0, 1)).reshape(shape[0], many)
    made = C.mm(rows, columns.T)
    return made if made is NotImplemented else made.reshape(shape)
