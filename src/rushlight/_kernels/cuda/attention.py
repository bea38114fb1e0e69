"""Scaled dot product attention: through cuDNN where it serves (half precision), else two products
through cuBLAS around a softmax that masks as it goes."""

import math
from typing import Any

import numpy as np

from rushlight._core import gpu
from rushlight._kernels.cuda.compiler import COMPUTED, ELEMENTS, I8, contiguous, empty, kernel
from rushlight._kernels.cuda.dnn import (
    BF,
    F2,
    dense,
    described,
    deterministic,
    layout,
    planned,
    resulting,
)
from rushlight._kernels.cuda.matmul import product
from rushlight._kernels.cuda.rows import shape_of_launch, softmax_backward

# ---- cuDNN ---------------------------------------------------------------------------------------


def beside(x: Any, size: int) -> Any:
    """Memory for (batch, heads, length, size), in the order of x's dimensions in memory."""
    batch, heads, length = x.shape[:3]
    if x.strides[1] < x.strides[2] and length > 1 and heads > 1:  # (batch, length, heads, size)
        return empty((batch, length, heads, size), x.dtype).transpose(0, 2, 1, 3)
    return empty((batch, heads, length, size), x.dtype)


def rows(x: Any) -> Any:
    """An array whose last dimension has unit steps."""
    x = dense(x)
    return x if x.strides[-1] == x.itemsize else contiguous(x)


def fused_attention(q, k, v, is_causal, scale):
    """softmax(scale q kᵀ) v, and the logarithm of each row's sum."""
    if q.dtype not in (F2, BF) or q.shape[1] % max(k.shape[1], 1):
        return NotImplemented
    q, k, v = map(rows, (q, k, v))
    out, stats = beside(q, v.shape[3]), empty((*q.shape[:3], 1), np.float32)

    def make(cudnn: Any, graph: Any) -> list:
        named = [described(cudnn, graph, n, a) for n, a in (("q", q), ("k", k), ("v", v))]
        made, sums = graph.sdpa(
            q=named[0], k=named[1], v=named[2], attn_scale=scale,
            use_causal_mask=bool(is_causal), generate_stats=True,
        )  # fmt: skip
        return [*named, resulting(made, out), resulting(sums, stats, cudnn.data_type.FLOAT)]

    key = ("sdpa", *map(layout, (q, k, v, out)), bool(is_causal), scale)
    plan = planned(key, q.dtype, make)
    if plan is None or not plan.serves(q, k, v, out, stats):
        return by_products(q, k, v, is_causal, scale)
    return out, stats


def fused_attention_backward(g, q, k, v, out, stats, is_causal, scale):
    """The gradients of q, k and v."""
    if q.dtype not in (F2, BF) or g.dtype != q.dtype or stats.dtype != np.float32:
        return NotImplemented
    g, q, k, v, out = map(rows, (g, q, k, v, out))
    stats = contiguous(stats)
    made = [beside(x, x.shape[3]) for x in (q, k, v)]

    def make(cudnn: Any, graph: Any) -> list:
        arrays = {"q": q, "k": k, "v": v, "o": out, "dO": g}
        named = {n: described(cudnn, graph, n, a) for n, a in arrays.items()}
        steps = [s // 4 for s in stats.strides]
        named["stats"] = graph.tensor(
            name="stats", dim=list(stats.shape), stride=steps, data_type=cudnn.data_type.FLOAT
        )
        results = graph.sdpa_backward(
            **named, attn_scale=scale, use_causal_mask=bool(is_causal),
            use_deterministic_algorithm=deterministic(),
        )  # fmt: skip
        return [*named.values(), *[resulting(r, x) for r, x in zip(results, made, strict=True)]]

    key = ("sdpa backward", *map(layout, (g, q, k, v, out)), bool(is_causal), scale)
    plan = planned(key, q.dtype, make)
    if plan is None or not plan.serves(q, k, v, out, g, stats, *made):
        return attention_backward(g, q, k, v, None, is_causal, scale)
    return tuple(made)


# ---- by products ---------------------------------------------------------------------------------


def shared(x: Any, heads: int) -> Any:
    """Keys' or values' heads repeated for the queries'."""
    if x.ndim < 3 or x.shape[-3] == heads:
        return x
    return gpu.cuda.module.repeat(x, heads // x.shape[-3], axis=-3)


def weights_of(q: Any, k: Any, mask: Any, is_causal: bool, scale: float) -> tuple[Any, Any]:
    """softmax(scale q kᵀ + mask) and the logarithms of its sums; NotImplemented without cuBLAS."""
    k = shared(k, q.shape[-3] if q.ndim > 2 else 1)
    scores = product(q, k.swapaxes(-1, -2), scale)
    if scores is NotImplemented:
        return NotImplemented, None
    if mask is not None:
        xp: Any = gpu.cuda.module
        low = scores.dtype.type(-math.inf)
        scores = xp.where(mask, scores, low) if mask.dtype.kind == "b" else scores + mask
        scores = contiguous(scores.astype(q.dtype, copy=False))
    length, n = scores.shape[-2:]
    count = scores.size // n
    stats = empty((*scores.shape[:-1], 1), COMPUTED[scores.dtype])
    grid, block = shape_of_launch(count, n, scores.dtype, False)
    causal = np.int32(bool(is_causal))
    args = scores, scores, stats, I8(count), I8(n), I8(length), causal
    kernel("rows", "attention_softmax", scores.dtype)(grid, block, args)
    return scores, stats


def fits(q: Any, k: Any, v: Any, mask: Any) -> bool:
    """Floating stacks of one dtype with something in them?"""
    alike = q.dtype == k.dtype == v.dtype and q.dtype in ELEMENTS
    filled = q.size and k.size and v.size
    return bool(alike and filled and q.ndim >= 2 and q.ndim == k.ndim == v.ndim)


def by_products(q: Any, k: Any, v: Any, is_causal: bool, scale: float, mask: Any = None) -> Any:
    """The result, and the logarithms of the sums."""
    weights, stats = weights_of(q, k, mask, is_causal, scale)
    if weights is NotImplemented:
        return NotImplemented
    return product(weights, shared(v, q.shape[-3] if q.ndim > 2 else 1)), stats


def attention(q, k, v, mask, is_causal, scale):
    """softmax(scale q kᵀ + mask) v."""
    if not fits(q, k, v, mask):
        return NotImplemented
    made = by_products(q, k, v, is_causal, scale, mask)
    return made if made is NotImplemented else made[0]


def attention_backward(g, q, k, v, mask, is_causal, scale):
    """The gradients of q, k and v; the weights are computed again."""
    if not fits(q, k, v, mask) or g.dtype != q.dtype:
        return NotImplemented
    weights, _ = weights_of(q, k, mask, is_causal, scale)
    if weights is NotImplemented:
        return NotImplemented
    heads = q.shape[-3] if q.ndim > 2 else 1
    inner = product(g, shared(v, heads).swapaxes(-1, -2))
    inner = softmax_backward(inner, weights, -1)
    return (
        product(inner, shared(k, heads), scale),
        summed(product(inner.swapaxes(-1, -2), q, scale), k),
        summed(product(weights.swapaxes(-1, -2), g), v),
    )


def summed(x: Any, like: Any) -> Any:
    """The gradient of shared heads, summed over those that share."""
    if x.shape == like.shape:
        return x
    many = x.shape[-3] // like.shape[-3]
    return x.reshape(*x.shape[:-3], like.shape[-3], many, *x.shape[-2:]).sum(axis=-3)


KERNELS = (attention, attention_backward, fused_attention, fused_attention_backward)
