"""The native losses against the records' own forwards, and their second derivatives."""

import numpy as np
import pytest

import rushlight as torch
from rushlight._core.extension import C
from rushlight._core.op import OPS

needs_native = pytest.mark.skipif(C is None, reason="no native extension")
F = torch.nn.functional
rng = np.random.default_rng(0)
# name, what stands before the reduction, what after, probabilities only
PAIRS = [
    ("mse_loss", (), (), False),
    ("l1_loss", (), (), False),
    ("smooth_l1_loss", (), (0.7,), False),
    ("huber_loss", (), (0.7,), False),
    ("binary_cross_entropy", (None,), (), True),
    ("binary_cross_entropy_with_logits", (None, None), (), True),
]


@needs_native
@pytest.mark.parametrize("name, before, after, unit", PAIRS, ids=lambda p: str(p)[:20])
@pytest.mark.parametrize("shape", [(), (1,), (7,), (16,), (100, 33), (300, 301)])
@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
def test_pairs(name, before, after, unit, shape, reduction):
    draw = rng.random if unit else rng.standard_normal
    x, y = draw(shape).astype(np.float32), draw(shape).astype(np.float32)
    x, y = np.asarray(x, np.float32), np.asarray(y, np.float32)
    got = getattr(C, name)(x, y, *before, reduction, *after)
    want = OPS[name].reference(np, x, y, *before, reduction, *after)
    assert got is not NotImplemented and got.dtype == np.float32
    np.testing.assert_allclose(got, want, rtol=2e-5, atol=1e-6)
    g = rng.standard_normal(got.shape).astype(np.float32) + np.zeros(got.shape, np.float32)
    before = () if name.endswith("logits") else before
    got = getattr(C, name + "_backward")(np.asarray(g), x, y, *before, reduction, *after)
    want = OPS[name + "_backward"].reference(np, g, x, y, *before, reduction, *after)
    np.testing.assert_allclose(got, want, rtol=2e-5, atol=1e-6)


@needs_native
@pytest.mark.parametrize("shape", [(1, 1), (32, 10), (5, 65), (700, 100)])
@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("ignore", [-100, 0])
def test_classes(shape, reduction, weighted, ignore):
    x = (rng.standard_normal(shape) * 3).astype(np.float32)
    target = rng.integers(0, shape[1], shape[0])
    weight = rng.random(shape[1]).astype(np.float32) if weighted else None
    rest = (target, weight, reduction, ignore)
    got, want = C.cross_entropy(x, *rest), OPS["cross_entropy"].reference(np, x, *rest)
    np.testing.assert_allclose(got[0], want[0], rtol=2e-6, atol=1e-6)
    np.testing.assert_allclose(got[1], want[1], rtol=2e-6, atol=2e-6)
    g = np.asarray(rng.standard_normal(np.shape(want[0])), np.float32)
    for name, args in (
        ("cross_entropy_backward", (g, want[1], *rest)),
        ("nll_loss", (want[1], *rest, 2)),
        ("nll_loss_backward", (g, target, weight, shape, reduction, ignore)),
    ):
        got, want2 = getattr(C, name)(*args), OPS[name].reference(np, *args)
        assert got is not NotImplemented
        np.testing.assert_allclose(got, want2, rtol=1e-5, atol=1e-6)


@needs_native
def test_what_is_not_served():
    x, t = np.zeros((2, 3), np.float32), np.array([0, 3])
    assert C.cross_entropy(x, t, None, "mean", -100) is NotImplemented
    assert C.cross_entropy(x, t[:1], None, "mean", -100) is NotImplemented
    assert C.cross_entropy(x, t * 0, None, "other", -100) is NotImplemented
    assert C.mse_loss(x, x[:1], "mean") is NotImplemented
    assert C.mse_loss(x.astype(np.float64), x, "mean") is NotImplemented
    assert C.binary_cross_entropy(x - 1, x, None, "mean") is NotImplemented
    assert C.smooth_l1_loss(x, x, "mean", 0.0) is NotImplemented


LOSSES = [
    F.mse_loss, F.l1_loss, F.smooth_l1_loss, F.huber_loss, F.binary_cross_entropy,
    F.binary_cross_entropy_with_logits,
]  # fmt: skip


@pytest.mark.parametrize("loss", LOSSES, ids=lambda f: f.__name__)
@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
def test_gradients(loss, reduction):
    torch.manual_seed(0)
    x = (torch.rand(3, 4, dtype=torch.float64) * 0.8 + 0.1).requires_grad_()
    y = (torch.rand(3, 4, dtype=torch.float64) * 0.8 + 0.1).requires_grad_()

    def f(x, y):
        return loss(x, y, reduction=reduction)

    assert torch.autograd.gradcheck(f, (x, y))
    assert torch.autograd.gradgradcheck(f, (x, y))


@pytest.mark.parametrize("shape", [(3, 4), (200, 50)])
def test_small_and_large_cross_entropy_agree(shape):
    x = torch.randn(shape, dtype=torch.float64)
    target = torch.randint(0, shape[1], shape[:1])
    single = x.float().requires_grad_()
    double = x.requires_grad_()
    F.cross_entropy(single, target).backward()
    F.cross_entropy(double, target).backward()
    torch.testing.assert_close(single.grad.double(), double.grad, rtol=1e-5, atol=1e-8)
