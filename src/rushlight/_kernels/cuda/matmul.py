"""Products of matrices through cuBLAS (blas.py)."""

import math
from itertools import pairwise
from typing import Any

import numpy as np

from rushlight._core import gpu
from rushlight._kernels.cuda.blas import TYPES, gemm
from rushlight._kernels.cuda.compiler import empty
from rushlight._kernels.cuda.lt import product_with_bias
from rushlight._kernels.cuda.pointwise import with_row


def stacked(x: Any, batch: tuple[int, ...]) -> Any:
    """A stack of matrices (n, rows, columns) with its leading dimensions as one; copied only where
    no single step leads from each to the next."""
    if x.ndim == 2:
        return x[None]
    if math.prod(x.shape[:-2]) == 1:
        return x.reshape(1, *x.shape[-2:]) if x.ndim != 3 else x
    if x.shape[:-2] != batch:
        x = gpu.cuda.module.broadcast_to(x, (*batch, *x.shape[-2:]))
    if x.ndim == 3:
        return x
    lead = [(n, s) for n, s in zip(x.shape[:-2], x.strides[:-2], strict=True) if n != 1]
    even = all(s == n2 * s2 for (_, s), (n2, s2) in pairwise(lead))
    if not even:
        x = gpu.cuda.module.ascontiguousarray(x)
        lead = [(1, x.strides[-3])]
    shape = (math.prod(batch), *x.shape[-2:])
    return gpu.strided(x, shape, (lead[-1][1], *x.strides[-2:]))


def product(x: Any, y: Any, alpha: float = 1.0, beta: float = 0.0, out: Any = None) -> Any:
    """alpha x y + beta out of stacks (..., m, k) and (..., k, n) that broadcast; NotImplemented for
    other dtypes, shapes that do not fit, or without cuBLAS."""
    if x.dtype not in TYPES or x.dtype != y.dtype or x.shape[-1] != y.shape[-2]:
        return NotImplemented
    (m, k), n = x.shape[-2:], y.shape[-1]
    try:
        batch = np.broadcast_shapes(x.shape[:-2], y.shape[:-2])
    except ValueError:
        return NotImplemented
    if not (k and m and n) or 0 in batch:
        return NotImplemented
    result = empty((*batch, m, n), x.dtype) if out is None else out
    flat = result.reshape(math.prod(batch), m, n)
    if not gemm(stacked(x, batch), stacked(y, batch), flat, alpha, beta):
        return NotImplemented
    return result


def mm(x, y):
    """The product of two matrices."""
    return product(x, y) if x.ndim == y.ndim == 2 else NotImplemented


def bmm(x, y):
    """Products of two stacks of the same length."""
    served = x.ndim == y.ndim == 3 and x.shape[0] == y.shape[0]
    return product(x, y) if served else NotImplemented


def mv(x, y):
    """A matrix times a vector."""
    if x.ndim != 2 or y.ndim != 1 or y.size != x.shape[1]:
        return NotImplemented
    made = product(x, y[:, None])
    return made if made is NotImplemented else made[:, 0]


def dot(x, y):
    """The sum of the products of two vectors' elements."""
    if x.ndim != 1 or x.shape != y.shape:
        return NotImplemented
    made = product(x[None], y[:, None])
    return made if made is NotImplemented else made[0, 0]


def batched_matmul(x, y):
    """Stacks that broadcast; one of the two may be a vector or a matrix."""
    if x.ndim == 1 or y.ndim == 1:
        made = product(x[None] if x.ndim == 1 else x, y[:, None] if y.ndim == 1 else y)
        return made if made is NotImplemented else made[..., 0, :] if x.ndim == 1 else made[..., 0]
    if y.ndim == 2 and x.flags.c_contiguous and x.size:
        made = product(
            x.reshape(-1, x.shape[-1]), y
        )  # one large product instead of many small ones
        return made if made is NotImplemented else made.reshape(*x.shape[:-1], y.shape[-1])
    return product(x, y)


def linear(x, weight, bias):
    """x weightᵀ + bias."""
    if weight.ndim != 2 or not x.ndim or not x.size or x.dtype != weight.dtype:
        return NotImplemented
    if x.shape[-1] != weight.shape[1]:
        return NotImplemented
    rows = x.reshape(-1, x.shape[-1])
    if bias is not None:
        if bias.shape != weight.shape[:1] or bias.dtype != x.dtype:
            return NotImplemented
        made = product_with_bias(rows, weight.T, bias)
        if made is not NotImplemented:
            return made.reshape(*x.shape[:-1], weight.shape[0])
    made = product(rows, weight.T)
    if made is NotImplemented:
        return made
    if bias is not None:
        whole = with_row("add", made, bias)
        made = made + bias if whole is NotImplemented else whole
    return made.reshape(*x.shape[:-1], weight.shape[0])


def linear_input(g, weight):
    """g weight."""
    if weight.ndim != 2 or not g.size or not g.ndim:
        return NotImplemented
    made = product(g.reshape(-1, g.shape[-1]), weight)
    return made if made is NotImplemented else made.reshape(*g.shape[:-1], weight.shape[1])


def linear_weight(g, x):
    """gᵀ x over all but the last dimensions."""
    if g.ndim != x.ndim or not g.size or not g.ndim:
        return NotImplemented
    return product(g.reshape(-1, g.shape[-1]).T, x.reshape(-1, x.shape[-1]))


def _added(bias, x, y, beta, alpha):
    """beta bias + alpha x y, the bias in the product's place first."""
    if type(beta) not in (int, float) or type(alpha) not in (int, float):
        return NotImplemented
    if x.dtype != bias.dtype:
        return NotImplemented
    shape = (*x.shape[:-1], y.shape[-1])
    out = empty(shape, x.dtype)
    if beta:
        try:
            out[...] = bias
        except ValueError:
            return NotImplemented
    return product(x, y, float(alpha), float(beta), out)


def addmm(bias, x, y, beta, alpha):
    """beta bias + alpha x y."""
    if x.ndim != 2 or y.ndim != 2 or bias.ndim > 2 or x.shape[1] != y.shape[0]:
        return NotImplemented
    if beta == alpha == 1 and bias.shape == y.shape[1:] and bias.dtype == x.dtype == y.dtype:
        made = product_with_bias(x, y, bias)
        if made is not NotImplemented:
            return made
    return _added(bias, x, y, beta, alpha)


def baddbmm(bias, x, y, beta, alpha):
    """The same of stacks."""
    if x.ndim != 3 or y.ndim != 3 or bias.ndim > 3 or x.shape[0] != y.shape[0]:
        return NotImplemented
    return _added(bias, x, y, beta, alpha) if x.shape[2] == y.shape[1] else NotImplemented


KERNELS = (mm, bmm, mv, dot, batched_matmul, linear, linear_input, linear_weight, addmm, baddbmm)
