"""Convolutions: values, gradients of two orders and errors are PyTorch's."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

import rushlight
import rushlight.nn.functional as F
from rushlight._ops import conv_kernels as kernels

spec = importlib.util.spec_from_file_location(
    "same_as_torch", Path(__file__).parent / "same_as_torch.py"
)
same = importlib.util.module_from_spec(spec)
spec.loader.exec_module(same)

randn = same.randn

SETTINGS = [
    {}, {"stride": 2}, {"padding": 1}, {"dilation": 2}, {"groups": 2}, {"padding": "same"},
    {"stride": 2, "padding": 2, "dilation": 2, "groups": 2},
]  # fmt: skip


@pytest.mark.filterwarnings("ignore:Using padding='same'")  # torch's, once
@pytest.mark.parametrize("kwargs", SETTINGS)
@pytest.mark.parametrize("n", [1, 2, 3])
def test_conv(n, kwargs):
    groups = kwargs.get("groups", 1)
    size = (7, 6, 5)[:n]
    x, w = randn(2, 4, *size), randn(6, 4 // groups, *(3, 2, 2)[:n])
    same.check(f"conv{n}d", x, w, randn(6), **kwargs)


@pytest.mark.parametrize(
    "kwargs",
    [
        {},
        {"stride": 2},
        {"padding": 1},
        {"dilation": 2},
        {"groups": 2},
        {"stride": 2, "output_padding": 1},
    ],
)
@pytest.mark.parametrize("n", [1, 2, 3])
def test_conv_transpose(n, kwargs):
    groups = kwargs.get("groups", 1)
    x, w = randn(2, 4, *(4, 3, 3)[:n]), randn(4, 6 // groups, *(3, 2, 2)[:n])
    same.check(f"conv_transpose{n}d", x, w, randn(6), **kwargs)


def test_depthwise_and_unbatched_and_empty():
    same.check("conv2d", randn(2, 3, 5, 5), randn(3, 1, 3, 3), groups=3)
    same.check("conv2d", randn(3, 5, 5), randn(4, 3, 1, 1), stride=2)
    assert F.conv2d(rushlight.ones(0, 3, 5, 5), rushlight.ones(4, 3, 3, 3)).shape == (0, 4, 3, 3)


def test_complex_gradients_are_conjugated():
    x = same.torch.randn(1, 2, 5, dtype=same.torch.complex128, requires_grad=True)
    w = same.torch.randn(3, 2, 2, dtype=same.torch.complex128, requires_grad=True)
    other = same.theirs.conv1d(x, w)
    mine_x, mine_w = same.to_ours(x), same.to_ours(w)
    mine = F.conv1d(mine_x, mine_w)
    other.abs().sum().backward()
    mine.abs().sum().backward()
    np.testing.assert_allclose(mine_x.grad.numpy(), x.grad.numpy(), rtol=1e-9)
    np.testing.assert_allclose(mine_w.grad.numpy(), w.grad.numpy(), rtol=1e-9)


@pytest.mark.parametrize("block", [1, 3000, 10**9])
def test_blocks_of_any_size_give_the_same(monkeypatch, block):
    rng = np.random.default_rng(0)
    x, w = rng.standard_normal((5, 4, 9, 8)), rng.standard_normal((6, 2, 3, 3))
    how = (2, 1), (1, 1), (1, 2), 2
    reference = same.theirs.conv2d(*map(same.torch.tensor, (x, w)), None, *how)
    monkeypatch.setattr(kernels, "BLOCK", block)
    y = kernels.convolve(np, x, w, *how)
    np.testing.assert_allclose(y, reference.numpy(), rtol=1e-9)
    g = rng.standard_normal(y.shape)
    # <g, conv(x, w)> is linear in each of x and w
    dx = kernels.input_gradient(np, g, w, x.shape, *how)
    dw = kernels.weight_gradient(np, g, x, w.shape, *how)
    np.testing.assert_allclose((dx * x).sum(), (g * y).sum(), rtol=1e-9)
    np.testing.assert_allclose((dw * w).sum(), (g * y).sum(), rtol=1e-9)


ones = same.torch.ones


@pytest.mark.parametrize(
    ("name", "args", "kwargs"),
    [
        ("conv2d", (ones(1, 3, 8, 8), ones(6, 1, 3, 3)), {}),
        ("conv2d", (ones(3), ones(6, 1, 3, 3)), {}),
        ("conv2d", (ones(1, 3, 8, 8), ones(6, 3, 9, 9)), {}),
        ("conv2d", (ones(1, 3, 8, 8), ones(6, 3, 3, 3), ones(5)), {}),
        ("conv2d", (ones(1, 3, 8, 8), ones(6, 3, 3, 3)), {"stride": 0}),
        ("conv2d", (ones(1, 3, 8, 8), ones(6, 3, 3, 3)), {"stride": (1, 2, 3)}),
        ("conv2d", (ones(1, 3, 8, 8), ones(6, 3, 3, 3)), {"padding": -1}),
        ("conv2d", (ones(1, 3, 8, 8), ones(6, 3, 3, 3)), {"padding": "same", "stride": 2}),
        ("conv2d", (ones(1, 3, 8, 8), ones(6, 3, 3, 3)), {"groups": 2}),
        ("conv2d", (ones(1, 3, 8, 8), ones(5, 1, 3, 3)), {"groups": 3}),
        ("conv2d", (ones(1, 3, 8, 8).double(), ones(6, 3, 3, 3)), {}),
        ("conv_transpose2d", (ones(1, 3, 8, 8), ones(4, 3, 3, 3)), {}),
        ("conv_transpose2d", (ones(1, 3, 8, 8), ones(3, 3, 3, 3)), {"output_padding": 1}),
        ("conv_transpose2d", (ones(1, 3, 8, 8), ones(3, 3, 3, 3)), {"padding": 10}),
    ],
)
def test_errors(name, args, kwargs):
    same.check_error(name, *args, **kwargs)


@pytest.mark.parametrize(
    ("pad", "mode"),
    [
        ((1, 2), "reflect"),
        ((1, 2, 3, 1), "replicate"),
        ((2, 1, 1, 3), "circular"),
        ((-1, 1), "constant"),
    ],
)
def test_pad(pad, mode):
    same.check("pad", randn(2, 3, 5, 6) if len(pad) == 4 else randn(2, 3, 6), pad, mode)


def test_names_in_the_graph():
    x, w = rushlight.ones(1, 1, 4, 4), rushlight.ones(1, 1, 3, 3, requires_grad=True)
    assert F.conv2d(x, w).grad_fn.name() == "ConvolutionBackward0"
    assert F.conv_transpose2d(x, w).grad_fn.name() == "ConvolutionBackward0"
