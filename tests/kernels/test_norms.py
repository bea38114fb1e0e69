"""The native normalizations and their gradients against the records' own forwards."""

import numpy as np
import pytest

import rushlight as torch
from rushlight._core.backend import kernel_for
from rushlight._core.extension import C
from rushlight._core.op import OPS

needs_native = pytest.mark.skipif(C is None, reason="no native extension")
F = torch.nn.functional
rng = np.random.default_rng(0)
# record, view, affine, axes
VIEWS = [
    ("native_batch_norm", (3, 5, 16), (5, 1), (0, 2)),
    ("native_batch_norm", (32, 7, 1025), (7, 1), (0, 2)),
    ("native_batch_norm", (3, 5, 9), (5, 1), (2,)),
    ("native_group_norm", (3, 2, 4, 33), (2, 4, 1), (2, 3)),
    ("native_group_norm", (8, 1, 3, 3000), (1, 3, 1), (2, 3)),
]
LAYERS = [(1, 1), (3, 7), (65, 128), (300, 130), (129, 16)]


def draw(*shape):
    return rng.standard_normal(shape).astype(np.float32)


def agree(got, want, tol=2e-5):
    for a, b in zip(got, want, strict=True):
        assert a.shape == b.shape and a.dtype == b.dtype
        np.testing.assert_allclose(a, b, rtol=tol, atol=tol * max(1, np.abs(b).max()))


@needs_native
@pytest.mark.parametrize("case", VIEWS, ids=str)
@pytest.mark.parametrize("affine_given", [True, False])
def test_runs(case, affine_given):
    name, view, affine, axes = case
    x, g, weight = draw(*view) * 3 + 1, draw(*view), draw(*affine)
    flat = (weight.reshape(-1), draw(weight.size)) if affine_given else (None, None)
    args = (x, *flat, view, affine, axes, 1e-5)
    want = OPS[name].reference(np, *args)
    got = kernel_for(name)(*args)
    assert got is not NotImplemented
    agree(got, want)
    args = (g, x, weight, want[1], want[2], view, axes)
    agree(kernel_for("norm_backward")(*args), OPS["norm_backward"].reference(np, *args), 1e-4)


@needs_native
@pytest.mark.parametrize("shape", LAYERS)
def test_rows(shape):
    x, g, weight = draw(*shape), draw(*shape), draw(shape[1])
    mean = x.mean(1, keepdims=True)
    rstd = 1 / np.sqrt(x.var(1, keepdims=True) + np.float32(1e-5))
    args = (g, x, weight, mean, rstd, shape, (1,))
    want = OPS["norm_backward"].reference(np, *args)
    agree(kernel_for("norm_backward")(*args), want, 1e-4)


@needs_native
def test_inference():
    x, weight, bias, mean, var = draw(3, 4, 5, 5), draw(4), draw(4), draw(4), np.abs(draw(4))
    for w, b in ((weight, bias), (None, None)):
        args = (x, w, b, mean, var, 1e-5)
        want = OPS["batch_norm_inference"].reference(np, *args)
        agree([C.batch_norm_inference(*args)], [want])


NORMS = {
    "layer": lambda x, w, b: F.layer_norm(x, (4,), w, b),
    "group": lambda x, w, b: F.group_norm(x, 2, w, b),
    "batch": lambda x, w, b: F.batch_norm(x, None, None, w, b, True),
    "instance": lambda x, w, b: F.instance_norm(x, None, None, w, b),
}


@pytest.mark.parametrize("norm", NORMS)
def test_gradients(norm):
    torch.manual_seed(0)
    x = torch.randn(2, 4, 4, dtype=torch.float64, requires_grad=True)
    w = torch.rand(4, dtype=torch.float64, requires_grad=True)
    b = torch.rand(4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(NORMS[norm], (x, w, b))
    assert torch.autograd.gradgradcheck(NORMS[norm], (x, w, b))
