"""differentiable=True: gradients flow through steps as they do in PyTorch."""

import numpy as np
import pytest

import rushlight

torch = pytest.importorskip("torch")

CASES = [
    ("SGD", {"weight_decay": 0.1}),
    ("SGD", {"momentum": 0.9, "dampening": 0.1, "maximize": True}),
    ("SGD", {"momentum": 0.9, "nesterov": True}),
    ("Adam", {"weight_decay": 0.1}),
    ("Adam", {"amsgrad": True, "maximize": True, "betas": (0.3, 0.4)}),
    ("AdamW", {"weight_decay": 0.1}),
    ("RMSprop", {"weight_decay": 0.1}),
    ("RMSprop", {"centered": True, "momentum": 0.5, "eps": 1e-3}),
    ("Adagrad", {"lr_decay": 0.1, "weight_decay": 0.1}),
    ("Adadelta", {"weight_decay": 0.1, "maximize": True}),
    ("Adamax", {"weight_decay": 0.1}),
    ("NAdam", {"weight_decay": 0.1, "decoupled_weight_decay": True}),
    ("RAdam", {"weight_decay": 0.1, "betas": (0.9, 0.6)}),
    ("ASGD", {"t0": 1, "lambd": 0.1, "weight_decay": 0.1}),
    ("Rprop", {}),
]
NUMBERS = np.random.default_rng(0).standard_normal((4, 6))


# Of these PyTorch cannot differentiate more than one step: it overwrites what it has saved.
ONCE = ("Adamax", "Rprop", {"centered", "momentum", "eps"}, {"amsgrad", "maximize", "betas"})


def gradients(api, name, kwargs, lr, complex_numbers=False):
    """Of a weighted sum of the parameter after three steps (or one), by where it began, by the
    gradients of the steps, and by the learning rate if that is a tensor.
    """
    start, *steps = (api.tensor(x, requires_grad=True) for x in NUMBERS)
    p, grads = start * 1, [s * 1 for s in steps]
    if complex_numbers:
        p, *grads = (api.view_as_complex(x.reshape(3, 2)) for x in (p, *grads))
    lr = api.tensor(lr, dtype=api.float64, requires_grad=True) if lr else None
    rate = {} if lr is None else {"lr": lr}
    optimizer = getattr(api.optim, name)([p], differentiable=True, **rate, **kwargs)
    for g in grads[: 1 if name in ONCE or set(kwargs) in ONCE else 3]:
        p.grad = g
        optimizer.step()
    p = api.view_as_real(p).reshape(6) if complex_numbers else p
    (p * api.arange(6.0, dtype=api.float64)).sum().backward()
    wanted = [start, *steps] if lr is None else [start, *steps, lr]
    return p, [None if t.grad is None else t.grad.tolist() for t in wanted]


def compare(*args):
    (p, ours), (q, theirs) = gradients(rushlight, *args), gradients(torch, *args)
    np.testing.assert_allclose(p.detach().numpy(), q.detach().numpy(), rtol=2e-5)
    for a, b in zip(ours, theirs, strict=True):
        assert (a is None) == (b is None)
        if a is not None:
            np.testing.assert_allclose(a, b, rtol=2e-5, atol=1e-7)


@pytest.mark.parametrize(("name", "kwargs"), CASES)
def test_gradients_through_steps(name, kwargs):
    compare(name, kwargs, None)


@pytest.mark.parametrize("name", ["SGD", "Adam", "AdamW"])
def test_gradients_by_the_learning_rate(name):
    compare(name, {}, 0.1)


@pytest.mark.parametrize("name", ["SGD", "Adam", "RMSprop"])
def test_complex_parameters(name):
    compare(name, {}, None, True)


def test_a_leaf_cannot_be_stepped():
    p = rushlight.nn.Parameter(rushlight.ones(2))
    p.grad = rushlight.ones(2)
    optimizer = rushlight.optim.SGD([p], differentiable=True)
    with pytest.raises(RuntimeError, match="a leaf Variable that requires grad is being used"):
        optimizer.step()


def test_gradients_by_betas_and_decay():
    results = []
    for api in (rushlight, torch):
        start, *steps = (api.tensor(x) for x in NUMBERS)
        betas = [api.tensor(b, dtype=api.float64, requires_grad=True) for b in (0.8, 0.9)]
        decay = api.tensor(0.1, dtype=api.float64, requires_grad=True)
        p = (start * 1).requires_grad_() * 1
        optimizer = api.optim.Adam(
            [p], betas=tuple(betas), weight_decay=decay, differentiable=True, foreach=False
        )
        for g in steps:
            p.grad = g
            optimizer.step()
        p.sum().backward()
        results.append([t.grad.item() for t in (*betas, decay)])
    np.testing.assert_allclose(*results, rtol=1e-5)
