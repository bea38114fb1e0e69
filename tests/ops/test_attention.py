"""Attention: values, gradients and masks are PyTorch's."""

import importlib.util
from pathlib import Path

import pytest

import rushlight
import rushlight.nn.functional as F

spec = importlib.util.spec_from_file_location(
    "same_as_torch", Path(__file__).parent / "same_as_torch.py"
)
same = importlib.util.module_from_spec(spec)
spec.loader.exec_module(same)

randn, torch = same.randn, same.torch
bools = torch.tensor([[True, False, True], [True, True, False]])


@pytest.mark.parametrize(
    "kwargs",
    [
        {},
        {"is_causal": True},
        {"scale": 0.3},
        {"attn_mask": bools},
        {"attn_mask": randn(2, 3, grad=False)},
    ],
)
def test_scaled_dot_product_attention(kwargs):
    # torch's fused kernel has one order of gradient
    q, k, v = randn(2, 4, 2, 5), randn(2, 4, 3, 5), randn(2, 4, 3, 6)
    same.check("scaled_dot_product_attention", q, k, v, order=1, **kwargs)


def test_grouped_queries():
    q, k, v = randn(2, 4, 2, 5), randn(2, 2, 3, 5), randn(2, 2, 3, 5)
    same.check("scaled_dot_product_attention", q, k, v, enable_gqa=True, order=1)


def test_second_order_is_the_formulas():
    q = rushlight.rand(1, 2, 3, dtype=rushlight.float64, requires_grad=True)
    attend = lambda q: F.scaled_dot_product_attention(q, q, q)  # noqa: E731
    assert rushlight.autograd.gradgradcheck(attend, (q,))


def test_a_row_with_nothing_to_attend_to_is_zero():
    q = rushlight.ones(1, 2, 3)
    mask = rushlight.tensor([[True, True], [False, False]])
    assert F.scaled_dot_product_attention(q, q, q, mask)[0, 1].tolist() == [0, 0, 0]


def test_dropout_drops():
    rushlight.manual_seed(0)
    v = rushlight.ones(1, 50, 1)
    y = F.scaled_dot_product_attention(rushlight.zeros(1, 50, 1), v, v, dropout_p=0.5)
    assert 0.3 < y.mean() < 1.7
    assert y.std() > 0


def test_causal_and_mask_exclude_each_other():
    q = rushlight.ones(1, 2, 2)
    with pytest.raises(RuntimeError, match="Explicit attn_mask should not be set"):
        F.scaled_dot_product_attention(q, q, q, q, is_causal=True)


@pytest.mark.parametrize("need_weights", [True, False])
@pytest.mark.parametrize("masked", [True, False])
@pytest.mark.parametrize("extra", [True, False])
def test_multi_head_attention_forward(need_weights, masked, extra):
    size, heads = 6, 2
    q, k, v = randn(3, 2, size), randn(4, 2, size), randn(4, 2, size)
    packed, bias = randn(3 * size, size), randn(3 * size)
    row = (randn(1, 1, size), randn(1, 1, size)) if extra else (None, None)
    kwargs = {"need_weights": need_weights}
    if masked:
        kwargs["key_padding_mask"] = torch.tensor([[False, True, False, False], [False] * 4])
        kwargs["attn_mask"] = torch.ones(3, 4, dtype=torch.bool).triu(2)
    args = size, heads, packed, bias, *row, extra, 0.0, randn(size, size), randn(size)
    same.check("multi_head_attention_forward", q, k, v, *args, order=1, **kwargs)
