"""Attention that keeps the logarithm of each row's sum, so that its gradient need not compute the
softmax's statistics again: for devices that have a kernel of it."""

import math

from rushlight._core.op import Op, grad_enabled


def _scores(xp, q, k, is_causal, scale):
    if q.shape[1] != k.shape[1]:
        k = xp.repeat(k, q.shape[1] // k.shape[1], 1)
    scores = xp.matmul(q, xp.swapaxes(k, -1, -2)) * q.dtype.type(scale)
    if is_causal:
        seen = xp.tri(*scores.shape[-2:], dtype=bool)
        scores = xp.where(seen, scores, scores.dtype.type(-math.inf))
    return scores


def _shared(xp, x, heads):
    return x if x.shape[1] == heads else xp.repeat(x, heads // x.shape[1], 1)


def _summed(x, like):
    batch, heads = like.shape[:2]
    return x if x.shape[1] == heads else x.reshape(batch, heads, -1, *x.shape[2:]).sum(2)


class FusedAttention(Op):
    """softmax(scale q kᵀ) v for (batch, heads, length, size), and the logarithms of the sums
    (batch, heads, length, 1)."""

    tensors = ("query", "key", "value")
    outputs = ("out", "stats")
    named = False
    promote = "keep"
    half = "widen"
    public = ()
    grad_name = "ScaledDotProductFlashAttentionBackward0"

    def forward(xp, q, k, v, is_causal, scale):
        scores = _scores(xp, q, k, is_causal, scale)
        top = scores.max(axis=-1, keepdims=True)
        weights = xp.exp(scores - top)
        total = weights.sum(axis=-1, keepdims=True)
        weights /= total
        return xp.matmul(weights, _shared(xp, v, q.shape[1])), top + xp.log(total)

    def vjp(g, query, key, value, out, stats, is_causal, scale, need):
        if grad_enabled():  # to be differentiated again: by operators
            return _by_operators(g, query, key, value, is_causal, scale)
        return tuple(
            FusedAttentionBackward.call(g, query, key, value, out, stats, is_causal, scale)
        )


class FusedAttentionBackward(Op):
    """The gradients of q, k and v."""

    tensors = ("grad", "query", "key", "value", "out", "stats")
    outputs = ("to_query", "to_key", "to_value")
    named = False
    promote = "keep"
    half = "widen"
    public = ()
    differentiable = False  # FusedAttention takes operators where it will be differentiated again

    def forward(xp, g, q, k, v, out, stats, is_causal, scale):
        weights = xp.exp(_scores(xp, q, k, is_causal, scale) - stats)
        inner = xp.matmul(g, xp.swapaxes(_shared(xp, v, q.shape[1]), -1, -2))
        inner -= (g * out).sum(axis=-1, keepdims=True)
        inner *= weights * q.dtype.type(scale)
        return (
            xp.matmul(inner, _shared(xp, k, q.shape[1])),
            _summed(xp.matmul(xp.swapaxes(inner, -1, -2), q), k),
            _summed(xp.matmul(xp.swapaxes(weights, -1, -2), g), v),
        )


def _by_operators(g, query, key, value, is_causal, scale):
    """The same with tensors."""
    heads = query.shape[1] // key.shape[1]
    many = heads > 1
    k = key.repeat_interleave(heads, 1) if many else key
    v = value.repeat_interleave(heads, 1) if many else value
    scores = query.matmul(k.transpose(-2, -1)) * scale
    if is_causal:
        seen = query.detach().new_ones(scores.shape[-2:]).tril() != 0
        scores = scores.masked_fill(~seen, -math.inf)
    weights = scores.softmax(-1)
    inner = g.matmul(v.transpose(-2, -1))
    inner = weights * (inner - (weights * inner).sum(-1, keepdim=True)) * scale

    def summed(t, like):
        return t.reshape(*like.shape[:2], heads, *t.shape[2:]).sum(2) if many else t

    return (
        inner.matmul(k),
        summed(inner.transpose(-2, -1).matmul(query), key),
        summed(weights.transpose(-2, -1).matmul(g), value),
    )


def serves(query, key, value, attn_mask):
    """Is there an attention of a device's for these? Half precision, four dimensions, no mask."""
    return (
        query.is_cuda
        and attn_mask is None
        and query.dim() == 4
        and query.dtype.itemsize == 2
        and query.numel() > 0
        and value.numel() > 0
    )
