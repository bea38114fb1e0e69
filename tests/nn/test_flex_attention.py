"""flex_attention is scaled_dot_product_attention with functions for masks and biases."""

import pytest

import rushlight as torch
from rushlight.nn.attention.flex_attention import (
    AuxRequest,
    and_masks,
    create_block_mask,
    create_mask,
    flex_attention,
    or_masks,
)

sdpa = torch.nn.functional.scaled_dot_product_attention


def inputs(heads=4, keys=6):
    torch.manual_seed(0)
    return (
        torch.randn(2, 4, 6, 8, requires_grad=True),
        torch.randn(2, heads, keys, 8, requires_grad=True),
        torch.randn(2, heads, keys, 3, requires_grad=True),
    )


def causal(b, h, q, k):
    return q >= k


def test_plain_and_causal():
    q, k, v = inputs()
    assert torch.allclose(flex_attention(q, k, v), sdpa(q, k, v), atol=1e-6)
    mask = create_block_mask(causal, None, None, 6, 6, "cpu")
    mine, theirs = flex_attention(q, k, v, block_mask=mask), sdpa(q, k, v, is_causal=True)
    assert torch.allclose(mine, theirs, atol=1e-6)
    g = torch.randn(2, 4, 6, 3)
    ours = torch.autograd.grad(mine, (q, k, v), g)
    for a, b in zip(ours, torch.autograd.grad(theirs, (q, k, v), g), strict=True):
        assert torch.allclose(a, b, atol=1e-5)


def test_scores_are_changed_by_place():
    q, k, v = inputs()
    bias = create_mask(lambda b, h, i, j: 0.1 * (i - j) * (h + 1), 2, 4, 6, 6)
    mine = flex_attention(q, k, v, score_mod=lambda s, b, h, i, j: s + 0.1 * (i - j) * (h + 1))
    assert torch.allclose(mine, sdpa(q, k, v, attn_mask=bias), atol=1e-6)


def test_shared_heads_and_scale():
    q, k, v = inputs(heads=2)
    mine = flex_attention(q, k, v, enable_gqa=True, scale=0.3)
    assert torch.allclose(mine, sdpa(q, k, v, enable_gqa=True, scale=0.3), atol=1e-6)
    with pytest.raises(ValueError, match="Try setting enable_gqa=True for GQA"):
        flex_attention(q, k, v)
    with pytest.raises(NotImplementedError, match="must be 4D tensors"):
        flex_attention(q[0], k[0], v[0])


def test_rows_without_a_key_give_zero():
    q, k, v = inputs()
    mask = create_block_mask(lambda b, h, i, j: i > j, None, None, 6, 6, "cpu")
    result, lse = flex_attention(q, k, v, block_mask=mask, return_lse=True)
    assert result[0, 0, 0].tolist() == [0, 0, 0] and lse[0, 0, 0].item() == -float("inf")
    aux = flex_attention(q, k, v, block_mask=mask, return_aux=AuxRequest(lse=True))[1]
    assert torch.equal(aux.lse, lse) and aux.max_scores is None


def test_masks():
    near = and_masks(causal, lambda b, h, q, k: q - k < 2)
    assert create_mask(near, 1, 1, 3, 3)[0, 0].int().tolist() == [[1, 0, 0], [1, 1, 0], [0, 1, 1]]
    either = or_masks(lambda b, h, q, k: q == k, lambda b, h, q, k: k == 0)
    assert create_mask(either, 1, 1, 2, 2)[0, 0].tolist() == [[True, False], [True, True]]
    blocks = create_block_mask(causal, 2, 4, 6, 5, "cpu", BLOCK_SIZE=4)
    assert blocks.shape == (2, 4, 6, 5) and blocks.to_dense()[0, 0].tolist() == [[1, 0], [1, 1]]
    assert blocks.kv_num_blocks[0, 0].tolist() == [1, 2] and blocks.sparsity() == 25
