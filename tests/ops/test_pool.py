"""Pooling: values, indices, gradients of two orders and errors are PyTorch's."""

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

randn = same.randn
SIZES = {1: (9,), 2: (9, 8), 3: (5, 6, 4)}


@pytest.mark.parametrize(
    "kwargs",
    [{}, {"stride": 1}, {"padding": 1}, {"dilation": 2}, {"ceil_mode": True},
     {"return_indices": True},
     {"stride": 2, "padding": 1, "ceil_mode": True, "return_indices": True}],
)  # fmt: skip
@pytest.mark.parametrize("n", [1, 2, 3])
def test_max_pool(n, kwargs):
    same.check(f"max_pool{n}d", randn(2, 3, *SIZES[n]), 2, **kwargs)


@pytest.mark.parametrize(
    "kwargs",
    [
        {},
        {"stride": 1, "padding": 1},
        {"ceil_mode": True},
        {"padding": 1, "count_include_pad": False},
    ],
)
@pytest.mark.parametrize("n", [1, 2, 3])
def test_avg_pool(n, kwargs):
    same.check(f"avg_pool{n}d", randn(2, 3, *SIZES[n]), 2, **kwargs)


@pytest.mark.parametrize("n", [1, 2, 3])
def test_adaptive_and_lp_and_unpool(n):
    x = randn(2, 3, *SIZES[n])
    same.check(f"adaptive_avg_pool{n}d", x, 3)
    same.check(f"adaptive_max_pool{n}d", x, 3, return_indices=True)
    same.check(f"lp_pool{n}d", (randn(2, 3, *SIZES[n]) ** 2 + 1).detach().requires_grad_(), 3.0, 2)
    pooled, at = getattr(same.theirs, f"max_pool{n}d")(x, 2, return_indices=True)
    same.check(f"max_unpool{n}d", pooled.detach().requires_grad_(), at, 2)


@pytest.mark.parametrize("n", [2, 3])
def test_fractional(n):
    x, samples = randn(2, 3, *SIZES[n]), same.torch.rand(2, 3, n, dtype=same.torch.float64)
    same.check(
        f"fractional_max_pool{n}d",
        x,
        2,
        output_size=2,
        _random_samples=samples,
        return_indices=True,
    )


def test_one_gradient_per_window_among_equals():
    x = rushlight.zeros(1, 4, 4, requires_grad=True)
    F.max_pool2d(x, 2).sum().backward()
    assert x.grad.sum() == 4
    assert x.grad[0, 0].tolist() == [1, 0, 1, 0]


def test_nan_and_infinity():
    nan = float("nan")
    x = rushlight.tensor([[1.0, nan, 2.0, 3.0], [-float("inf")] * 4])
    values, at = F.max_pool1d(x, 2, return_indices=True)
    assert values[0, 0].isnan()
    assert at.tolist() == [[1, 3], [0, 2]]


ones = same.torch.ones


@pytest.mark.parametrize(
    ("name", "args", "kwargs"),
    [
        ("max_pool2d", (ones(1, 3, 8, 8), 3), {"padding": 2}),
        ("max_pool2d", (ones(1, 3, 8, 8), 20), {}),
        ("max_pool2d", (ones(8, 8), 2), {}),
        ("max_pool2d", (ones(1, 3, 8, 8), 2), {"stride": 0}),
        ("max_pool2d", (ones(1, 3, 8, 8), 2.5), {}),
        ("max_pool1d", (ones(3, 8), 20), {}),
        ("avg_pool2d", (ones(1, 3, 8, 8), 20), {}),
        ("avg_pool2d", (ones(1, 3, 8, 8), 2), {"divisor_override": 0}),
        ("adaptive_avg_pool2d", (ones(1, 2, 3, 4), ()), {}),
    ],
)
def test_errors(name, args, kwargs):
    same.check_error(name, *args, **kwargs)


def test_names_in_the_graph():
    x = rushlight.ones(1, 1, 4, 4, requires_grad=True)
    assert F.max_pool2d(x, 2).grad_fn.name() == "MaxPool2DWithIndicesBackward0"
    assert F.avg_pool2d(x, 2).grad_fn.name() == "AvgPool2DBackward0"
    assert F.adaptive_avg_pool2d(x, 2).grad_fn.name() == "AdaptiveAvgPool2DBackward0"
