"""The native normalizations and their gradients against the records' own forwards."""

import ml_dtypes
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
    ("native_batch_norm", (64, 130, 1), (130, 1), (0, 2)),  # by columns
    ("native_batch_norm", (130, 3, 9), (3, 1), (0, 2)),
    ("native_batch_norm", (2, 300, 4), (300, 1), (0, 2)),
    ("native_batch_norm", (5, 7, 31), (7, 1), (0, 2)),
    ("native_batch_norm", (5, 7, 49), (7, 1), (0, 2)),
    ("native_batch_norm", (4, 6, 3), (6, 1), (2,)),
    ("native_group_norm", (3, 2, 4, 33), (2, 4, 1), (2, 3)),
    ("native_group_norm", (3, 2, 4, 1), (2, 4, 1), (2, 3)),
    ("native_group_norm", (8, 1, 3, 3000), (1, 3, 1), (2, 3)),
]
LAYERS = [(1, 1), (3, 7), (65, 128), (300, 130), (129, 16)]


def draw(*shape):
    return rng.standard_normal(shape).astype(np.float32)


def agree(got, want, tol=2e-5):
    for a, b in zip(got, want, strict=True):
        assert a.shape == b.shape and a.dtype == b.dtype
        np.testing.assert_allclose(a, b, rtol=tol, atol=tol * max(1, np.abs(b).max()))


@pytest.fixture(params=C.isas() if C else [])
def level(request):
    """Each instruction set."""
    before = C.isa()
    C.use(request.param)
    yield
    C.use(before)


HALVES = [np.dtype(ml_dtypes.bfloat16), np.dtype(np.float16)]


@needs_native
@pytest.mark.parametrize("dtype", HALVES, ids=str)
@pytest.mark.parametrize("wide", [True, False])
@pytest.mark.parametrize("case", VIEWS, ids=str)
def test_runs_of_half_precision(level, case, wide, dtype):
    """With weights of float32 the statistics and their gradients are float32."""
    name, view, affine, axes = case
    x, g = ((draw(*view) * 3 + 1).astype(dtype) for _ in range(2))
    w, b = (draw(*affine).astype(np.float32 if wide else dtype) for _ in range(2))
    args = (x, w.reshape(-1), b.reshape(-1), view, affine, axes, 1e-5)
    short = view[-1] < 8 and axes != (2,)  # left to others
    got = kernel_for(name)(*args)
    assert (got is NotImplemented) == short
    if short:
        return
    own = w.dtype
    f4 = [a.astype(np.float32) for a in (x, g, w, b)]
    want = OPS[name].reference(np, f4[0], f4[2].reshape(-1), f4[3].reshape(-1), *args[3:])
    rounded(got, [want[0].astype(dtype), *[a.astype(own) for a in want[1:]]])
    mean, rstd = got[1:3]
    got = kernel_for("norm_backward")(g, x, w, mean, rstd, view, axes)
    stats = [a.astype(np.float32) for a in (mean, rstd)]
    want = OPS["norm_backward"].reference(np, f4[1], f4[0], f4[2], *stats, view, axes)
    rounded(got, [want[0].astype(dtype), *[a.astype(own) for a in want[1:]]])
    got = kernel_for("norm_backward")(g, x, None, mean, rstd, view, axes)
    want = OPS["standardize_backward"].reference(np, f4[1], f4[0], *stats, axes)
    rounded([got], [want.astype(dtype)])


def rounded(got, want):
    """The same but for sums in another order and one rounding."""
    for a, b in zip(got, want, strict=True):
        assert a.shape == b.shape
        assert a.dtype == b.dtype
        unit = float(ml_dtypes.finfo(a.dtype).eps)
        a, b = a.astype(np.float32), b.astype(np.float32)
        np.testing.assert_allclose(a, b, rtol=max(unit, 1e-4), atol=2e-5 * max(1, np.abs(b).max()))


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_statistics_of_half_precision_are_float32_next_to_weights_of_it(dtype):
    """As PyTorch's: running statistics and the weight's gradient are not rounded twice."""
    x = (draw(16, 4, 12, 12) * 2 + 3).astype(np.float32)
    half = torch.from_numpy(x).to(getattr(torch, dtype)).requires_grad_()
    net, wide = torch.nn.BatchNorm2d(4), torch.nn.BatchNorm2d(4)
    slope = torch.arange(12.0)
    for module, given in ((net, half), (wide, half.detach().float())):
        (module(given).float() * slope).sum().backward()
    assert net.weight.grad.dtype == torch.float32
    torch.testing.assert_close(net.running_mean, wide.running_mean, rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(net.running_var, wide.running_var, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(net.weight.grad, wide.weight.grad, rtol=1e-3, atol=1e-1)
    assert half.grad.dtype == half.dtype
    of_its_own = torch.native_batch_norm(half, None, None, None, None, True, 0.1, 1e-5)
    assert {t.dtype for t in of_its_own} == {half.dtype}


@needs_native
@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("case", VIEWS, ids=str)
@pytest.mark.parametrize("affine_given", [True, False])
def test_runs(level, case, affine_given, dtype):
    name, view, affine, axes = case
    x, g, weight = ((draw(*s) * 3 + 1).astype(dtype) for s in (view, view, affine))
    flat = (weight.reshape(-1), draw(weight.size).astype(dtype)) if affine_given else (None, None)
    args = (x, *flat, view, affine, axes, 1e-5)
    want = OPS[name].reference(np, *args)
    got = kernel_for(name)(*args)
    assert got is not NotImplemented
    tol = 2e-5 if dtype == "f4" else 1e-12
    agree(got, want, tol)
    if not affine_given:
        args = (g, x, want[1], want[2], axes)
        want = OPS["standardize_backward"].reference(np, *args)
        agree([C.norm_backward(g, x, None, *args[2:4], view, axes)], [want], 5 * tol)
        return
    args = (g, x, weight, want[1], want[2], view, axes)
    agree(kernel_for("norm_backward")(*args), OPS["norm_backward"].reference(np, *args), 5 * tol)


@needs_native
def test_what_is_no_number_stays_in_its_channel(level):
    for length in (4, 40):
        x = draw(3, 5, length)
        x[1, 2, 3] = np.nan
        out, mean, rstd, var = C.norm(x, None, None, x.shape, (0, 2), 1e-5)
        for made in (mean, rstd, var):
            assert np.isnan(made.ravel()).tolist() == [False, False, True, False, False]
        assert np.isnan(out).sum() == 3 * length
        g = np.ones_like(x)
        to_x = C.norm_backward(g, x, None, mean, rstd, x.shape, (0, 2))
        assert np.isnan(to_x).sum() == 3 * length


@needs_native
def test_arrays_of_other_layouts():
    x, weight = draw(4, 6, 8, 5).transpose(0, 2, 3, 1), draw(16)[::2]
    args = (x, weight, None, (4, 8, 30), (8, 1), (0, 2), 1e-5)
    agree(kernel_for("native_batch_norm")(*args), OPS["native_batch_norm"].reference(np, *args))


@needs_native
@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_running_statistics(dtype):
    running, fresh = draw(9).astype(dtype), draw(1, 9, 1).astype(dtype)
    want = running * 0.75 + fresh.reshape(9) * (0.25 * 1.5)
    assert C.mix_running(running, fresh, 1.5, 0.25) is None
    np.testing.assert_allclose(running, want, rtol=1e-6)
    assert C.mix_running(running, fresh[:, :8], 1.5, 0.25) is NotImplemented
    running.flags.writeable = False
    assert C.mix_running(running, fresh, 1.5, 0.25) is NotImplemented


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
@pytest.mark.parametrize("size", [(), (3,), (5, 5), (9, 9)])
@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_inference(level, size, dtype):
    given = draw(3, 4, *size), draw(4), draw(4), draw(4), np.abs(draw(4))
    x, weight, bias, mean, var = (a.astype(dtype) for a in given)
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
