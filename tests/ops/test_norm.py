"""Normalization: values, gradients of two orders, running statistics and errors."""

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

randn = same.randn


@pytest.mark.parametrize("shape", [(4, 3), (4, 3, 5), (4, 3, 5, 2)])
def test_batch_norm(shape):
    x, w, b = randn(*shape), randn(3), randn(3)
    mean, var = randn(3, grad=False), randn(3, grad=False) ** 2

    def running(F):
        return lambda x, w, b, m, v, t: F.batch_norm(x, m.clone(), v.clone(), w, b, t)

    for training in (True, False):
        same.check((running(F), running(same.theirs)), x, w, b, mean, var, training)


@pytest.mark.parametrize(
    ("name", "args"),
    [
        ("layer_norm", (randn(4, 3, 5), (3, 5), randn(3, 5), randn(3, 5))),
        ("layer_norm", (randn(4, 5), (5,))),
        ("group_norm", (randn(4, 6, 5), 3, randn(6), randn(6))),
        ("instance_norm", (randn(4, 3, 5), None, None, randn(3), randn(3))),
        ("rms_norm", (randn(4, 5), (5,), randn(5))),
        ("local_response_norm", (randn(2, 5, 4), 3)),
        ("local_response_norm", (randn(2, 5, 4, 3), 3)),
    ],
)
def test_the_others(name, args):
    same.check(name, *args)


@pytest.mark.parametrize("name", ["batch_norm", "instance_norm"])
def test_running_statistics_move(name):
    x = randn(4, 3, 5, grad=False)
    mean, var = randn(3, grad=False), randn(3, grad=False) ** 2
    mine = [same.to_ours(t) for t in (x, mean, var)]
    extra = {"training": True} if name == "batch_norm" else {}
    getattr(same.theirs, name)(x, mean, var, momentum=0.3, **extra)
    getattr(F, name)(*mine, momentum=0.3, **extra)
    np.testing.assert_allclose(mine[1].numpy(), mean.numpy(), rtol=1e-9)
    np.testing.assert_allclose(mine[2].numpy(), var.numpy(), rtol=1e-9)


ones = same.torch.ones


@pytest.mark.parametrize(
    ("name", "args", "kwargs"),
    [
        ("batch_norm", (ones(1, 3), None, None), {"training": True}),
        ("batch_norm", (ones(2, 3), None, None), {}),
        ("batch_norm", (ones(2, 4), ones(3), ones(3)), {}),
        ("layer_norm", (ones(2, 3), (4,)), {}),
        ("layer_norm", (ones(2, 3), (3,), ones(2)), {}),
        ("group_norm", (ones(2, 3), 2), {}),
        ("instance_norm", (ones(2, 3, 1),), {}),
        ("local_response_norm", (ones(2, 3), 2), {}),
    ],
)
def test_errors(name, args, kwargs):
    same.check_error(name, *args, **kwargs)


def test_names_in_the_graph():
    x = rushlight.rand(2, 4, 3, requires_grad=True)
    assert F.layer_norm(x, (3,)).grad_fn.name() == "NativeLayerNormBackward0"
    assert F.group_norm(x, 2).grad_fn.name() == "NativeGroupNormBackward0"
    for training in (True, False):
        y = F.batch_norm(x, rushlight.zeros(4), rushlight.ones(4), training=training)
        assert y.grad_fn.name() == "NativeBatchNormBackward0"
