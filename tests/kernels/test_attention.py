"""The blocked attention against its formula, forward and backward, in all it serves."""

import numpy as np
import pytest

import rushlight as torch
from rushlight._core.extension import C
from rushlight._ops.scaled_dot_product import Attention, AttentionBackward

needs_native = pytest.mark.skipif(C is None, reason="no native extension")
rng = np.random.default_rng(0)


def arrays(dtype, lead, kv_lead, length, source, width, wide, between=False):
    def make(lead, rows, items):
        if between:
            x = rng.standard_normal((*lead[:-1], rows, lead[-1], items)).astype(dtype)
            return np.swapaxes(x, -2, -3)
        return rng.standard_normal((*lead, rows, items)).astype(dtype)

    q, k, v = make(lead, length, width), make(kv_lead, source, width), make(kv_lead, source, wide)
    return q, k, v, make(lead, length, wide)


def masks(lead, length, source, dtype):
    yield None
    some = rng.random((length, source)) < 0.7
    some[0] = False
    yield some
    yield rng.standard_normal((*lead, length, source)).astype(dtype)
    yield rng.random((*[1] * len(lead), 1, source)) < 0.5


CASES = [
    ((2, 3), (2, 3), 5, 7, 4, 4, False),
    ((2, 4), (2, 2), 33, 70, 16, 8, True),
    ((), (), 3, 2, 1, 5, False),
    ((3,), (3,), 300, 300, 32, 32, False),
    ((1, 2), (1, 1), 290, 1100, 8, 8, True),
    ((2, 1, 2), (2, 1, 2), 9, 9, 3, 3, False),
]


@needs_native
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("case", CASES, ids=str)
@pytest.mark.parametrize("is_causal", [False, True])
def test_blocks_agree_with_the_formula(case, dtype, is_causal):
    *shapes, between = case
    q, k, v, g = arrays(dtype, *shapes, between and len(shapes[0]) > 1)
    tol = {"rtol": 2e-4, "atol": 2e-5} if dtype is np.float32 else {"rtol": 1e-9, "atol": 1e-11}
    for mask in [None] if is_causal else masks(shapes[0], shapes[2], shapes[3], dtype):
        rest = (mask, is_causal, 0.37)
        got, want = C.attention(q, k, v, *rest), Attention.forward(np, q, k, v, *rest)
        assert got is not NotImplemented and got.dtype == dtype
        np.testing.assert_allclose(got, want, **tol)
        got = C.attention_backward(g, q, k, v, *rest)
        want = AttentionBackward.forward(np, g, q, k, v, *rest)
        for a, b in zip(got, want, strict=True):
            np.testing.assert_allclose(a, b, **tol)


@needs_native
def test_what_is_not_served():
    q = np.ones((2, 3, 4), np.float32)
    assert C.attention(q, q, q[:1], None, False, 1.0) is NotImplemented
    assert C.attention(q.astype(np.int64), q, q, None, False, 1.0) is NotImplemented
    assert C.attention(q[:, :0], q, q, None, False, 1.0) is NotImplemented
    assert C.attention(q, q, q, np.ones((3, 4), bool), False, 1.0) is NotImplemented
    assert C.attention(q, q, q, np.ones((3, 3), np.float64), False, 1.0) is NotImplemented


def sdpa(*args, **kw):
    return torch.nn.functional.scaled_dot_product_attention(*args, **kw)


@pytest.mark.parametrize("is_causal", [False, True])
@pytest.mark.parametrize("heads", [4, 2])
@pytest.mark.parametrize("mask", [None, "bool", "float"])
def test_second_derivatives(is_causal, heads, mask):
    if is_causal and mask:
        return
    torch.manual_seed(0)
    q, k, v = (
        torch.randn(1, h, n, 3, dtype=torch.float64, requires_grad=True)
        for h, n in ((4, 3), (heads, 4), (heads, 4))
    )
    given = {"bool": torch.rand(3, 4) < 0.8, "float": torch.randn(3, 4).double()}.get(mask)

    def f(q, k, v):
        return sdpa(q, k, v, given, 0.0, is_causal, enable_gqa=heads < 4)

    assert torch.autograd.gradcheck(f, (q, k, v))
    assert torch.autograd.gradgradcheck(f, (q, k, v))


def test_a_batch_of_calls():
    q, k, v = (torch.randn(5, 2, 3, 4) for _ in range(3))
    mask = torch.rand(3, 3) < 0.7
    mask[:, 0] = True
    whole = sdpa(q, k, v, mask)
    torch.testing.assert_close(torch.func.vmap(lambda *x: sdpa(*x, mask))(q, k, v), whole)
    got = torch.func.vmap(lambda q: sdpa(q, k[0], v[0], mask))(q)
    torch.testing.assert_close(
        got, sdpa(q, k[:1].expand(5, 2, 3, 4), v[:1].expand(5, 2, 3, 4), mask)
    )


def test_gradient_of_a_mask_inside_grad():
    q, mask = torch.randn(2, 3, 4), torch.randn(3, 3)
    leaf = mask.clone().requires_grad_()
    sdpa(q, q, q, leaf).square().sum().backward()
    got = torch.func.grad(lambda m: sdpa(q, q, q, m).square().sum())(mask)
    torch.testing.assert_close(got, leaf.grad)
