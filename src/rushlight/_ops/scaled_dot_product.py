"""Scaled dot product attention: softmax(q kᵀ) v."""

import math

from rushlight._core.op import Op, public
from rushlight._ops.attention_fused import FusedAttention, serves
from rushlight._ops.dropout import dropout
from rushlight._ops.softmax import SoftmaxBackward


class SafeSoftmax(Op):
    """Softmax that gives zeros, not NaN, for a row of nothing but -inf."""

    public = ()
    grad_name = "SafeSoftmaxBackward0"

    def forward(xp, x, dim):
        if x.size == 0:
            return x.copy()
        top = x.max(axis=dim, keepdims=True)
        result = x - xp.where(top == -math.inf, x.dtype.type(0), top)
        xp.exp(result, out=result)
        total = result.sum(axis=dim, keepdims=True)
        result /= xp.where(total == 0, x.dtype.type(1), total)
        return result

    def vjp(g, result, dim):
        return SoftmaxBackward.call(g, result, dim)


def _scores(xp, q, k, mask, scale):
    """The weights of NumPy arrays, as the tensors' ``attention_weights``; no score is NaN for want
    of keys."""
    if q.ndim > 2 and q.shape[-3] != k.shape[-3]:
        k = xp.repeat(k, q.shape[-3] // k.shape[-3], -3)
    scores = (q * q.dtype.type(scale)) @ xp.swapaxes(k, -1, -2)
    if mask is not None and mask.dtype.kind == "b":
        scores = xp.where(mask, scores, scores.dtype.type(-math.inf))
    elif mask is not None:
        scores += mask
    return SafeSoftmax.forward(xp, scores, -1)


def _with_causal(xp, q, k, mask, is_causal):
    """The mask, with that of order in time."""
    if not is_causal:
        return mask
    return xp.tri(q.shape[-2], k.shape[-2], dtype=bool)


def _shared(xp, x, heads):
    """Keys' or values' heads repeated for the queries' ``heads``."""
    return x if x.ndim < 3 or x.shape[-3] == heads else xp.repeat(x, heads // x.shape[-3], -3)


def _summed(xp, x, like):
    """The gradient of shared heads, summed over those that share."""
    if x.shape == like.shape:
        return x
    heads = like.shape[-3]
    return x.reshape(*x.shape[:-3], heads, x.shape[-3] // heads, *x.shape[-2:]).sum(-3)


def _by_example(batch, values, params):
    """A batch of calls is one with one more leading dimension."""
    ndim = max([batch.ndim(t, i) for i, t in enumerate(values) if t is not None])
    made = []
    for i, t in enumerate(values):
        whole = None if t is None else batch.whole(t, i)
        short = 0 if t is None else ndim + 1 - whole.dim()
        made.append(whole.reshape(batch.size, *[1] * short, *whole.shape[1:]) if short else whole)
    return batch.call(*made, *params)


class Attention(Op):
    """softmax(scale q kᵀ + mask) v; heads of q may share those of k and v."""

    tensors = ("query", "key", "value", "attn_mask")
    optional = ("attn_mask",)
    promote = "keep"
    half = "widen"
    public = ()
    vmap = _by_example
    grad_name = "ScaledDotProductFlashAttentionForCpuBackward0"

    def forward(xp, q, k, v, mask, is_causal, scale):
        mask = _with_causal(xp, q, k, mask, is_causal)
        return _scores(xp, q, k, mask, scale) @ _shared(xp, v, q.shape[-3] if q.ndim > 2 else 1)

    def vjp(g, query, key, value, attn_mask, is_causal, scale, need):
        to = AttentionBackward.call(g, query, key, value, attn_mask, is_causal, scale)
        to_mask = None
        if need[3]:
            heads = query.shape[-3] if query.dim() > 2 else 1
            weights = attention_weights(query, _repeated(key, heads), attn_mask, scale)
            outer = g.matmul(_repeated(value, heads).transpose(-2, -1))
            to_mask = weights * (outer - (weights * outer).sum(-1, keepdim=True))
        return (*[t if wanted else None for t, wanted in zip(to, need, strict=False)], to_mask)


class AttentionBackward(Op):
    """The gradients of ``Attention`` in q, k and v; the weights are computed again."""

    tensors = ("grad", "query", "key", "value", "attn_mask")
    optional = ("attn_mask",)
    outputs = ("to_query", "to_key", "to_value")
    grads = ("to_query", "to_key", "to_value")
    named = False
    promote = "keep"
    half = "widen"
    public = ()
    vmap = _by_example

    def forward(xp, g, q, k, v, mask, is_causal, scale):
        heads = q.shape[-3] if q.ndim > 2 else 1
        weights = _scores(xp, q, k, _with_causal(xp, q, k, mask, is_causal), scale)
        inner = g @ xp.swapaxes(_shared(xp, v, heads), -1, -2)
        inner = SoftmaxBackward.forward(xp, inner, weights, -1) * q.dtype.type(scale)
        return (
            inner @ _shared(xp, k, heads),
            _summed(xp, xp.swapaxes(inner, -1, -2) @ q, k),
            _summed(xp, xp.swapaxes(weights, -1, -2) @ g, v),
        )

    def vjp(g, grad, query, key, value, attn_mask, is_causal, scale, need):
        return _second_derivative(g, grad, query, key, value, attn_mask, is_causal, scale)


def _repeated(t, heads):
    """Keys' or values' heads, a tensor's, repeated for the queries' ``heads``."""
    if t is None or t.dim() < 3 or t.shape[-3] == heads:
        return t
    return t.repeat_interleave(heads // t.shape[-3], -3)


def _second_derivative(g, grad, query, key, value, attn_mask, is_causal, scale):
    """Gradients of ``AttentionBackward``, by the formulas; with P the weights, S the scores:
    V' = Pᵀ grad, P' = grad Vᵀ, S' = P (P' - sum(P P')), Q' = scale S' K, K' = scale S'ᵀ Q."""
    if query.dim() > 2 and query.shape[-3] != key.shape[-3]:
        return _second_of_shared(g, grad, query, key, value, attn_mask, is_causal, scale)
    if is_causal:
        attn_mask = query.detach().new_ones(query.shape[-2], key.shape[-2]).tril() != 0
    to_q, to_k, to_v = (
        t.new_zeros(t.shape) if x is None else x
        for x, t in zip(g, (query, key, value), strict=True)
    )
    weights = attention_weights(query, key, attn_mask, scale)
    outer = grad.matmul(value.transpose(-2, -1))
    centred = outer - (weights * outer).sum(-1, keepdim=True)
    inner = weights * centred * scale
    error = (to_q.matmul(key.transpose(-2, -1)) + query.matmul(to_k.transpose(-2, -1))) * scale
    along = (error * weights).sum(-1, keepdim=True)
    to_outer = weights * (error - along)
    to_weights = grad.matmul(to_v.transpose(-2, -1)) + error * centred - outer * along
    to_mask = weights * (to_weights - (weights * to_weights).sum(-1, keepdim=True))
    to_scores = to_mask * scale
    return (
        to_outer.matmul(value) + weights.matmul(to_v),
        inner.matmul(to_k) + to_scores.matmul(key),
        inner.transpose(-2, -1).matmul(to_q) + to_scores.transpose(-2, -1).matmul(query),
        to_outer.transpose(-2, -1).matmul(grad),
        None if attn_mask is None or is_causal else to_mask,
    )


def _second_of_shared(g, grad, query, key, value, attn_mask, is_causal, scale):
    """The same with heads of keys and values repeated, and their gradients summed."""
    heads = query.shape[-3]

    def summed(t, like):
        return t.unflatten(-3, (like.shape[-3], -1)).sum(-3)

    given = (g[0], _repeated(g[1], heads), _repeated(g[2], heads))
    repeated = _repeated(key, heads), _repeated(value, heads)
    to_grad, to_query, to_key, to_value, to_mask = _second_derivative(
        given, grad, query, *repeated, attn_mask, is_causal, scale
    )
    return to_grad, to_query, summed(to_key, key), summed(to_value, value), to_mask


def _whole(query, key, value, attn_mask, enable_gqa):
    """Does the record ``Attention`` serve this call?"""
    if not query.is_floating_point() or query.dim() != key.dim() or query.dim() != value.dim():
        return False
    lead = query.dim() - (3 if enable_gqa and query.dim() > 2 else 2)
    shape, source = query.shape, key.shape
    if shape[:lead] != source[:lead] or source[:-1] != value.shape[:-1] or shape[-1] != source[-1]:
        return False
    if enable_gqa and (query.dim() < 3 or not source[-3] or shape[-3] % source[-3]):
        return False
    if attn_mask is None:
        return True
    if attn_mask.requires_grad or attn_mask.dim() > query.dim():
        return False
    if attn_mask.dtype != query.dtype and str(attn_mask.dtype) != "torch.bool":
        return False
    wanted = (*shape[:-2], shape[-2], source[-2])
    sizes = zip(reversed(attn_mask.shape), reversed(wanted), strict=False)
    return all([a == b or a == 1 for a, b in sizes])


def _check_attention(query, key, value):
    if min(query.dim(), key.dim(), value.dim()) < 2:
        raise RuntimeError(
            "scaled_dot_product_attention: Expected query, key, and value to all be  at least 2 "
            "dimensional, but got "
            f"query.dim: {query.dim()}, key.dim: {key.dim()} and value.dim: {value.dim()} instead."
        )
    if not query.dtype == key.dtype == value.dtype:
        names = [_C_NAMES.get(str(t.dtype), str(t.dtype)) for t in (query, key, value)]
        raise RuntimeError(
            "Expected query, key, and value to have the same dtype, but got query.dtype: "
            f"{names[0]} key.dtype: "
            f"{names[1]} and value.dtype: {names[2]} instead."
        )


_C_NAMES = {
    "torch.float32": "float", "torch.float64": "double", "torch.int64": "long int",
    "torch.float16": "c10::Half", "torch.bfloat16": "c10::BFloat16",
}  # fmt: skip


@public("nn.functional", out=False)
def scaled_dot_product_attention(
    query, key, value, attn_mask=None, dropout_p=0.0, is_causal=False, scale=None, enable_gqa=False
):
    """scaled_dot_product_attention(query, key, value, attn_mask=None, dropout_p=0.0,
    is_causal=False, scale=None, enable_gqa=False) -> Tensor

    ``softmax(q kᵀ / sqrt(E) + mask) v`` with ``query`` (..., L, E), ``key`` (..., S, E) and
    ``value`` (..., S, Ev). A boolean mask is True where attention is allowed; ``enable_gqa`` shares
    heads of ``key`` and ``value``.

    >>> q = torch.ones(1, 2, 4)
    >>> torch.nn.functional.scaled_dot_product_attention(q, q, q, is_causal=True).shape
    torch.Size([1, 2, 4])
    """
    _check_attention(query, key, value)
    if is_causal and attn_mask is not None:
        raise RuntimeError(
            "_scaled_dot_product_attention: Explicit attn_mask should not be set when "
            "is_causal=True"
        )
    if dropout_p == 0 and _whole(query, key, value, attn_mask, enable_gqa):
        if scale is None:
            scale = 1 / math.sqrt(query.shape[-1]) if query.shape[-1] else 1.0
        if serves(query, key, value, attn_mask):
            return FusedAttention.call(query, key, value, is_causal, float(scale))[0]
        return Attention.call(query, key, value, attn_mask, is_causal, float(scale))
    if is_causal:
        attn_mask = query.detach().new_ones(query.shape[-2], key.shape[-2]).tril() != 0
    if enable_gqa:
        key = key.repeat_interleave(query.shape[-3] // key.shape[-3], -3)
        value = value.repeat_interleave(query.shape[-3] // value.shape[-3], -3)
    weights = attention_weights(query, key, attn_mask, scale)
    if dropout_p > 0:
        weights = dropout(weights, dropout_p)
    return weights.matmul(value)


def attention_weights(query, key, attn_mask, scale):
    """softmax(scale q kᵀ + mask)."""
    if scale is None:
        scale = 1 / math.sqrt(query.shape[-1]) if query.shape[-1] else 1.0
    scores = (query * scale).matmul(key.transpose(-2, -1))
    if attn_mask is None:
        return scores.softmax(-1)
    if str(attn_mask.dtype) == "torch.bool":
        scores = scores.masked_fill(~attn_mask, -math.inf)
    else:
        scores = scores + attn_mask
    return SafeSoftmax.call(scores, -1)
