"""Activations and softmax: values, gradients and errors are PyTorch's."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

import rushlight
import rushlight.nn.functional as F

spec = importlib.util.spec_from_file_location(
    "same_as_torch", Path(__file__).parent / "same_as_torch.py"
)
same = importlib.util.module_from_spec(spec)
spec.loader.exec_module(same)

POINTWISE = [
    ("relu", {}), ("relu6", {}), ("elu", {"alpha": 0.7}), ("selu", {}), ("celu", {"alpha": 1.3}),
    ("leaky_relu", {"negative_slope": 0.2}), ("hardtanh", {"min_val": -0.5, "max_val": 0.7}),
    ("hardswish", {}),
    ("hardshrink", {}), ("softshrink", {"lambd": 0.3}), ("softplus", {"beta": 2}),
    ("softsign", {}), ("tanhshrink", {}), ("gelu", {}), ("gelu", {"approximate": "tanh"}),
    ("silu", {}), ("mish", {}), ("threshold", {"threshold": 0.1, "value": 20}), ("logsigmoid", {}),
    ("glu", {"dim": 1}), ("softmax", {"dim": 1}), ("log_softmax", {"dim": 0}),
    ("softmin", {"dim": 1}), ("normalize", {}),
    ("normalize", {"p": 3, "dim": 0}), ("sigmoid", {}), ("tanh", {}),
]  # fmt: skip


@pytest.mark.parametrize(("name", "kwargs"), POINTWISE)
def test_values_and_two_orders_of_gradient(name, kwargs):
    same.check(name, same.randn(5, 6), **kwargs)


def test_hardsigmoid_has_one_order_in_torch():
    same.check("hardsigmoid", same.randn(5, 6) * 4, order=1)


@pytest.mark.parametrize("weight", [1, 6])
def test_prelu(weight):
    same.check("prelu", same.randn(5, 6, 2), same.randn(weight))


@pytest.mark.parametrize(
    "name",
    ["relu", "relu6", "elu", "selu", "celu", "leaky_relu", "hardtanh", "silu", "mish", "hardswish"],
)
def test_inplace_writes_and_keeps_the_gradient(name):
    x = rushlight.linspace(-2, 2, 7, requires_grad=True)
    expected = getattr(F, name)(x)
    (gradient,) = rushlight.autograd.grad(expected.sum(), x)
    y = x.clone()
    result = getattr(F, name)(y, inplace=True)
    assert result is y
    assert y.tolist() == expected.tolist()
    (found,) = rushlight.autograd.grad(y.sum(), x)
    np.testing.assert_allclose(found.numpy(), gradient.numpy(), rtol=1e-6)


def test_softmax_is_stable_and_sums_to_one():
    x = rushlight.tensor([[1e30, 0.0, -1e30], [1.0, 1.0, 1.0]])
    assert F.softmax(x, 1).sum(1).tolist() == pytest.approx([1, 1])
    assert rushlight.isfinite(F.log_softmax(rushlight.tensor([1000.0, 0.0]), 0)).all()


def test_implicit_dimension_warns():
    with pytest.warns(UserWarning, match="Implicit dimension choice for softmax"):
        assert F.softmax(rushlight.zeros(2, 2)).tolist() == [[0.5, 0.5], [0.5, 0.5]]


@pytest.mark.parametrize(
    ("name", "args"),
    [
        ("softmax", (same.torch.ones(2, dtype=same.torch.int64), 0)),
        ("softmax", (same.torch.ones(2), 3)),
        ("prelu", (same.torch.ones(2, 3), same.torch.ones(2))),
        ("glu", (same.torch.ones(3),)),
        ("gelu", (same.torch.ones(3), None)),
        ("hardtanh", (same.torch.ones(3), 2.0, 1.0)),
        ("softshrink", (same.torch.ones(3), -1.0)),
    ],
)
def test_errors(name, args):
    if name == "gelu":
        with pytest.raises(RuntimeError, match="approximate argument must be either none or tanh"):
            F.gelu(rushlight.ones(3), approximate="sine")
        return
    same.check_error(name, *args)


def test_names_in_the_graph():
    x = rushlight.ones(2, 4, requires_grad=True)
    for name, shown in [("relu", "Relu"), ("gelu", "Gelu"), ("silu", "Silu"), ("selu", "Elu")]:
        assert getattr(F, name)(x).grad_fn.name() == f"{shown}Backward0"
    assert F.softmax(x, 1).grad_fn.name() == "SoftmaxBackward0"
    assert F.log_softmax(x, 1).grad_fn.name() == "LogSoftmaxBackward0"


def test_half_precision_is_rounded_once():
    x = rushlight.linspace(-3, 3, 9)
    for dtype in (rushlight.bfloat16, rushlight.float16):
        result = F.gelu(x.to(dtype))
        assert result.dtype is dtype
        assert result.tolist() == F.gelu(x.to(dtype).float()).to(dtype).tolist()


def test_gumbel_softmax_hard_is_one_hot_with_a_gradient():
    x = rushlight.zeros(4, 3, requires_grad=True)
    y = F.gumbel_softmax(x, hard=True)
    assert sorted(set(y.detach().flatten().round().tolist())) == [0, 1]
    y[:, 0].sum().backward()
    assert x.grad.abs().sum() > 0
