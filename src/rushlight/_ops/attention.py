"""Attention by many heads, with its projections."""

import math
import warnings

from rushlight._core.op import public
from rushlight._ops.dropout import dropout
from rushlight._ops.join import Cat
from rushlight._ops.linear import Linear
from rushlight._ops.pad import ConstantPadNd
from rushlight._ops.scaled_dot_product import scaled_dot_product_attention


def _check_mha(query, key, value, key_padding_mask, attn_mask, num_heads):
    """Refuse inputs that are not all batched or all not; True if they are."""
    if query.dim() not in (2, 3):
        raise AssertionError(
            f"query should be unbatched 2D or batched 3D tensor but received {query.dim()}-D "
            "query tensor"
        )
    batched = query.dim() == 3
    kind, n = ("batched (3-D)", 3) if batched else ("unbatched (2-D)", 2)
    if key.dim() != n or value.dim() != n:
        raise AssertionError(
            f"For {kind} `query`, expected `key` and `value` to be {n}-D but found {key.dim()}-D "
            f"and {value.dim()}-D "
            "tensors respectively"
        )
    if key_padding_mask is not None and key_padding_mask.dim() != n - 1:
        raise AssertionError(
            f"For {kind} `query`, expected `key_padding_mask` to be `None` or {n - 1}-D but found "
            f"{key_padding_mask.dim()}-D tensor instead"
        )
    if attn_mask is not None:
        if attn_mask.dim() not in (2, 3):
            raise AssertionError(
                f"For {kind} `query`, expected `attn_mask` to be `None`, 2-D or 3-D but found "
                f"{attn_mask.dim()}-D "
                "tensor instead"
            )
        if not batched and attn_mask.dim() == 3:
            shape = (num_heads, query.shape[0], key.shape[0])
            if tuple(attn_mask.shape) != shape:
                raise AssertionError(
                    f"Expected `attn_mask` shape to be {shape} but got {attn_mask.shape}"
                )
    return batched


def _none_or_dtype(input):
    """The dtype of a tensor or None."""
    return None if input is None else input.dtype


def _canonical_mask(mask, mask_name, other_type, other_name, target_type, check_other=True):
    """A boolean mask (True: leave out) as one of floats to add; float masks as they are."""
    if mask is None:
        return None
    is_bool = str(mask.dtype) == "torch.bool"
    if not is_bool and not mask.is_floating_point():
        raise AssertionError(f"only bool and floating types of {mask_name} are supported")
    if check_other and other_type is not None and mask.dtype != other_type:
        warnings.warn(
            f"Support for mismatched {mask_name} and {other_name} is deprecated. Use same type "
            "for both instead.",
            stacklevel=2,
        )
    if is_bool:
        return mask.new_zeros(mask.shape).to(target_type).masked_fill_(mask, -math.inf)
    return mask


def _in_projection_packed(q, k, v, w, b=None):
    """The three projections from one weight (3 E, E)."""
    size = q.shape[-1]
    if k is v and q is k:
        q, k, v = Linear.call(q, w, b).split(size, -1)
        return q.contiguous(), k.contiguous(), v.contiguous()
    weights = w.split(size)
    biases = (None, None, None) if b is None else b.split(size)
    return tuple(Linear.call(x, w, b) for x, w, b in zip((q, k, v), weights, biases, strict=True))


def _in_projection(q, k, v, w_q, w_k, w_v, b_q=None, b_k=None, b_v=None):
    """The three projections from three weights."""
    return Linear.call(q, w_q, b_q), Linear.call(k, w_k, b_k), Linear.call(v, w_v, b_v)


def _attention_mask(attn_mask, heads, target, source, batch):
    """``attn_mask`` as (N heads or 1, L, S), refused if it has another shape."""
    if attn_mask is None:
        return None
    expected = (target, source) if attn_mask.dim() == 2 else (batch * heads, target, source)
    if tuple(attn_mask.shape) != expected:
        raise RuntimeError(
            f"The shape of the {attn_mask.dim()}D attn_mask is {attn_mask.shape}, but should be "
            f"{expected}."
        )
    return attn_mask.unsqueeze(0) if attn_mask.dim() == 2 else attn_mask


def _split_heads(x, batch, heads, size, static, name):
    """(S, N, heads * size) as (N * heads, S, size), unless given ready as ``static``."""
    if static is None:
        return x.reshape(x.shape[0], batch * heads, size).transpose(0, 1)
    for what, dim, wanted in ((batch * heads, 0, batch * heads), (size, 2, size)):
        if static.size(dim) != wanted:
            raise AssertionError(
                f"expecting {name}.size({dim}) of {what}, but got {static.size(dim)}"
            )
    return static


def _grow(x):
    """One more column of zeros for a mask."""
    return None if x is None else ConstantPadNd.call(x, (0, 1), 0)


@public("nn.functional", out=False)
def multi_head_attention_forward(
    query, key, value, embed_dim_to_check, num_heads, in_proj_weight, in_proj_bias, bias_k, bias_v,
    add_zero_attn, dropout_p, out_proj_weight, out_proj_bias, training=True, key_padding_mask=None,
    need_weights=True, attn_mask=None, use_separate_proj_weight=False, q_proj_weight=None,
    k_proj_weight=None, v_proj_weight=None, static_k=None, static_v=None,
    average_attn_weights=True, is_causal=False,
):  # fmt: skip
    """multi_head_attention_forward(query, key, value, embed_dim_to_check, num_heads,
    in_proj_weight, in_proj_bias, bias_k, bias_v, add_zero_attn, dropout_p, out_proj_weight,
    out_proj_bias, training=True, ...) -> (Tensor, Tensor)

    Attention by ``num_heads`` heads of ``query`` (L, N, E) to ``key`` and ``value`` (S, N, E), and
    its weights.

    >>> x, w = torch.ones(2, 1, 2), torch.ones(6, 2)
    >>> out, weights = torch.nn.functional.multi_head_attention_forward(
    ...     x, x, x, 2, 1, w, None, None, None, False, 0.0, torch.eye(2), None)
    >>> weights
    tensor([[[0.5000, 0.5000],
             [0.5000, 0.5000]]])
    """
    batched = _check_mha(query, key, value, key_padding_mask, attn_mask, num_heads)
    if not batched:
        query, key, value = query.unsqueeze(1), key.unsqueeze(1), value.unsqueeze(1)
        key_padding_mask = None if key_padding_mask is None else key_padding_mask.unsqueeze(0)
    target, batch, size = query.shape
    head = _head_size(size, embed_dim_to_check, num_heads)
    attn_mask, key_padding_mask, is_causal = _canonical_masks(
        attn_mask, key_padding_mask, is_causal, need_weights, query.dtype
    )
    q, k, v = _projections(
        query, key, value, in_proj_weight, in_proj_bias, use_separate_proj_weight,
        q_proj_weight, k_proj_weight, v_proj_weight,
    )  # fmt: skip
    masks = _attention_mask(attn_mask, num_heads, target, key.shape[0], batch), key_padding_mask
    if bias_k is not None and bias_v is not None:
        k = Cat.call([k, bias_k.repeat(1, batch, 1)], 0)
        v = Cat.call([v, bias_v.repeat(1, batch, 1)], 0)
        masks = _grow(masks[0]), _grow(masks[1])
    q = q.reshape(target, batch * num_heads, head).transpose(0, 1)
    k = _split_heads(k, batch, num_heads, head, static_k, "static_k")
    v = _split_heads(v, batch, num_heads, head, static_v, "static_v")
    if add_zero_attn:
        zero = k.new_zeros(batch * num_heads, 1, head)
        k, v = Cat.call([k, zero], 1), Cat.call([v, zero], 1)
        masks = _grow(masks[0]), _grow(masks[1])
    mask = _merge_masks(*masks, batch, num_heads, k.shape[1])
    dropout_p = dropout_p if training else 0.0
    attend = _attend_with_weights if need_weights else _attend
    out, weights = attend(q, k, v, mask, dropout_p, is_causal, batch)
    out = Linear.call(out, out_proj_weight, out_proj_bias).reshape(target, batch, -1)
    if weights is not None and average_attn_weights:
        weights = weights.mean(1)
    if batched:
        return out, weights
    return out.squeeze(1), None if weights is None else weights.squeeze(0)


def _head_size(size, expected, num_heads):
    if size != expected:
        raise AssertionError(f"was expecting embedding dimension of {expected}, but got {size}")
    if size % num_heads:
        raise AssertionError(f"embed_dim {size} not divisible by num_heads {num_heads}")
    return size // num_heads


def _canonical_masks(attn_mask, key_padding_mask, is_causal, need_weights, dtype):
    """Both masks as floats to add, and whether to rely on the hint instead of ``attn_mask``."""
    key_padding_mask = _canonical_mask(
        key_padding_mask, "key_padding_mask", _none_or_dtype(attn_mask), "attn_mask", dtype
    )
    if is_causal and attn_mask is None:
        raise RuntimeError(
            "Need attn_mask if specifying the is_causal hint. You may use the Transformer module "
            "method `generate_square_subsequent_mask` to create this mask."
        )
    if is_causal and key_padding_mask is None and not need_weights:
        return None, None, True
    attn_mask = _canonical_mask(attn_mask, "attn_mask", None, "", dtype, False)
    return attn_mask, key_padding_mask, False


def _attend(q, k, v, mask, dropout_p, is_causal, batch):
    """softmax(q kᵀ) v of (N heads, L, E / heads) as rows (L N, E); no weights."""
    heads, target, head = q.shape[0] // batch, q.shape[1], q.shape[2]
    split = [x.reshape(batch, heads, -1, head) for x in (q, k, v)]
    if mask is not None:
        many = mask.shape[0] != 1
        mask = mask.reshape(batch, heads, -1, k.shape[1]) if many else mask.unsqueeze(0)
    out = scaled_dot_product_attention(*split, mask, dropout_p, is_causal and mask is None)
    return out.permute(2, 0, 1, 3).reshape(target * batch, heads * head), None


def _attend_with_weights(q, k, v, mask, dropout_p, is_causal, batch):
    """The same, with the weights (N, heads, L, S)."""
    heads, target, head = q.shape[0] // batch, q.shape[1], q.shape[2]
    scores = (q * math.sqrt(1 / head)).matmul(k.transpose(-2, -1))
    weights = (scores if mask is None else scores + mask).softmax(-1)
    if dropout_p > 0:
        weights = dropout(weights, dropout_p)
    out = weights.matmul(v).transpose(0, 1).reshape(target * batch, heads * head)
    return out, weights.reshape(batch, heads, target, k.shape[1])


def _projections(query, key, value, weight, bias, separate, w_q, w_k, w_v):
    """q, k and v from one packed weight or from three."""
    if not separate:
        if key.shape != value.shape:
            raise AssertionError(f"key shape {key.shape} does not match value shape {value.shape}")
        if weight is None:
            raise AssertionError("use_separate_proj_weight is False but in_proj_weight is None")
        return _in_projection_packed(query, key, value, weight, bias)
    if key.shape[:2] != value.shape[:2]:
        raise AssertionError(
            f"key's sequence and batch dims {key.shape[:2]} do not match value's {value.shape[:2]}"
        )
    for name, w in (("q", w_q), ("k", w_k), ("v", w_v)):
        if w is None:
            raise AssertionError(f"use_separate_proj_weight is True but {name}_proj_weight is None")
    biases = (None, None, None) if bias is None else bias.chunk(3)
    return _in_projection(query, key, value, w_q, w_k, w_v, *biases)


def _merge_masks(attn_mask, key_padding_mask, batch, heads, source):
    """Both masks in one to add to the scores."""
    if key_padding_mask is None:
        return attn_mask
    if tuple(key_padding_mask.shape) != (batch, source):
        raise AssertionError(
            f"expecting key_padding_mask shape of {(batch, source)}, but got "
            f"{key_padding_mask.shape}"
        )
    padding = key_padding_mask.reshape(batch, 1, 1, source).expand(-1, heads, -1, -1)
    padding = padding.reshape(batch * heads, 1, source)
    return padding if attn_mask is None else attn_mask + padding


for _function in (_canonical_mask, _none_or_dtype, _in_projection, _in_projection_packed):
    public("_nn", out=False)(_function)
