"""checkpoint: the gradients of a plain call, less memory, and torch's words when runs differ."""

import gc
import weakref

import pytest

import rushlight as torch
from rushlight import nn
from rushlight.utils.checkpoint import (
    CheckpointError,
    checkpoint,
    checkpoint_sequential,
    detach_variable,
    set_checkpoint_early_stop,
)

VARIANTS = pytest.mark.parametrize("reentrant", [True, False])


def make_input():
    return (torch.arange(6.0).reshape(2, 3) / 6).requires_grad_()


def gradients(call, model, x):
    model.zero_grad()
    call(model, x).pow(2).sum().backward()
    return [x.grad, *[p.grad.clone() for p in model.parameters()]]


@VARIANTS
def test_gradients_are_those_of_a_plain_call(reentrant):
    model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.LayerNorm(4), nn.Linear(4, 2))
    plain = gradients(lambda m, x: m(x), model, make_input())
    other = gradients(lambda m, x: checkpoint(m, x, use_reentrant=reentrant), model, make_input())
    for a, b in zip(plain, other, strict=True):
        torch.testing.assert_close(a, b)


@VARIANTS
def test_random_numbers_are_drawn_alike(reentrant):
    def dropped(x):
        return torch.dropout(x, 0.5, True)

    x = torch.ones(100, requires_grad=True)
    y = checkpoint(dropped, x, use_reentrant=reentrant)
    after = torch.get_rng_state()
    y.sum().backward()
    assert torch.equal(x.grad, y)
    assert torch.equal(after, torch.get_rng_state())


@VARIANTS
def test_sequential(reentrant):
    model = nn.Sequential(*[nn.Linear(3, 3) for _ in range(5)])
    x, y = make_input(), make_input()
    checkpoint_sequential(model, 2, x, use_reentrant=reentrant).sum().backward()
    model(y).sum().backward()
    torch.testing.assert_close(x.grad, y.grad)


def test_nothing_inside_is_kept():
    made = []

    def function(x):
        y = x.exp()
        made.append(weakref.ref(y))
        return y.exp().sum()

    x = make_input()
    y = checkpoint(function, x, use_reentrant=False)
    gc.collect()
    assert made[0]() is None
    y.backward()
    assert len(made) == 2


def test_early_stop():
    done = []

    def function(x):
        y = x.exp()
        done.append(1)
        return y * 2

    checkpoint(function, make_input(), use_reentrant=False).sum().backward()
    assert len(done) == 1
    with set_checkpoint_early_stop(False):
        checkpoint(function, make_input(), use_reentrant=False).sum().backward()
    assert len(done) == 3


def test_nested_and_twice_differentiated():
    def inner(x):
        return (x * x).sin()

    def outer(x):
        return checkpoint(inner, x.exp(), use_reentrant=False).cos()

    def second(call):
        x = make_input()
        (g,) = torch.autograd.grad(call(x).sum(), x, create_graph=True)
        return torch.autograd.grad(g.sum(), x)[0]

    plain = second(lambda x: (x.exp() * x.exp()).sin().cos())
    torch.testing.assert_close(
        second(lambda x: checkpoint(outer, x, use_reentrant=False)), plain, rtol=1e-4, atol=1e-4
    )


def test_retained_graph_runs_again():
    runs = []

    def function(x):
        runs.append(1)
        return (x * x).sum()

    x = make_input()
    y = checkpoint(function, x, use_reentrant=False)
    y.backward(retain_graph=True)
    y.backward()
    assert len(runs) == 3
    with pytest.raises(RuntimeError, match="a second time"):
        y.backward()


def changing(first, second):
    """A function that is another one when it runs again."""
    runs = []

    def function(x):
        runs.append(1)
        return first(x) if len(runs) == 1 else second(x)

    return function


@pytest.mark.parametrize(
    ("first", "second", "text"),
    [
        (lambda a: (a * a).exp().sum(), lambda a: (a * 2).sum(), "A different number of tensors"),
        (lambda a: (a * a).sum(), lambda a: (a * a).exp().sum(), "trying to save more tensors"),
        (lambda a: (a * a).sum(), lambda a: (a[:1] * a[:1]).sum(), "different metadata"),
    ],
)
def test_runs_that_differ(first, second, text):
    y = checkpoint(changing(first, second), make_input(), use_reentrant=False, early_stop=False)
    with pytest.raises(CheckpointError, match=text):
        y.backward()


def test_refusals():
    x = make_input()
    with pytest.raises(ValueError, match="Unexpected keyword arguments: k"):
        checkpoint(torch.exp, x, use_reentrant=True, k=1)
    with pytest.raises(ValueError, match="determinism_check"):
        checkpoint(torch.exp, x, use_reentrant=False, determinism_check="x")
    with pytest.raises(RuntimeError, match=r"incompatible with .grad\(\)"):
        torch.autograd.grad(checkpoint(torch.exp, x, use_reentrant=True).sum(), x)
    with pytest.raises(RuntimeError, match="Got Unsupported input type: list"):
        detach_variable([x])
    with pytest.warns(UserWarning, match="use_reentrant parameter should be passed"):
        checkpoint(torch.exp, x)
    with pytest.warns(UserWarning, match="None of the inputs have requires_grad"):
        checkpoint(torch.exp, x.detach(), use_reentrant=True)
