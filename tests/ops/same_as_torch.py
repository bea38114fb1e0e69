"""The same call in rushlight and in torch: values, first and second gradients."""

import importlib

import numpy as np
import pytest

import rushlight
import rushlight.nn.functional as ours

torch = pytest.importorskip("torch")
theirs = importlib.import_module("torch.nn.functional")


def to_ours(value):
    """A torch tensor (or a nest of them) as rushlight's, with its requires_grad."""
    if isinstance(value, torch.Tensor):
        made = rushlight.tensor(value.detach().numpy())
        return made.requires_grad_() if value.requires_grad else made
    if isinstance(value, (tuple, list)):
        return type(value)(to_ours(v) for v in value)
    return value


def tensors(result):
    result = result if isinstance(result, (tuple, list)) else (result,)
    return [t for t in result if t is not None]


def randn(*shape, grad=True):
    return torch.randn(*shape, dtype=torch.float64, requires_grad=grad)


def gradients(autograd, roots, weights, wanted):
    """Gradients of the roots that have any, zeros for those that do not."""
    live = [
        (r, w) for r, w in zip(roots, weights, strict=True) if r is not None and r.requires_grad
    ]
    if not live or not wanted:
        return [None] * len(wanted)
    return autograd.grad(
        [r for r, _ in live], wanted, [w for _, w in live], create_graph=True, allow_unused=True
    )


def derivatives(module, autograd, result, inputs, order):
    """The results, and their gradients up to ``order``, as arrays."""
    rng = np.random.default_rng(0)

    def random(shape):
        return module.tensor(rng.standard_normal(tuple(shape)))

    arrays = [t.detach().numpy() for t in result]
    wanted = [t for t in inputs if isinstance(t, module.Tensor) and t.requires_grad]
    weights = [random(t.shape).requires_grad_() for t in result]
    first = gradients(autograd, result, weights, wanted) if order else []
    again = [random(t.shape) for t in wanted]
    second = gradients(autograd, first, again, [*wanted, *weights]) if order > 1 else []
    for g, t in zip([*first, *second], [*wanted, *wanted, *weights], strict=False):
        arrays.append(np.zeros(tuple(t.shape)) if g is None else (g.detach() + 0).numpy())
    return arrays


def check(function, *args, order=2, **kwargs):
    """``function`` is a name in nn.functional, or a pair of functions."""
    mine, other = (
        (getattr(ours, function), getattr(theirs, function))
        if isinstance(function, str)
        else function
    )
    converted = to_ours(args)
    theirs_result = tensors(other(*args, **kwargs))
    ours_result = tensors(mine(*converted, **{k: to_ours(v) for k, v in kwargs.items()}))
    expected = derivatives(torch, torch.autograd, theirs_result, args, order)
    found = derivatives(rushlight, rushlight.autograd, ours_result, converted, order)
    assert len(expected) == len(found)
    for e, f in zip(expected, found, strict=True):
        assert e.shape == f.shape
        assert e.dtype == f.dtype
        np.testing.assert_allclose(f, e, rtol=1e-7, atol=1e-9)


def check_error(function, *args, **kwargs):
    """Both refuse, with the same exception and text."""
    with pytest.raises(Exception) as theirs_error:
        getattr(theirs, function)(*args, **kwargs)
    with pytest.raises(type(theirs_error.value)) as ours_error:
        getattr(ours, function)(*to_ours(args), **{k: to_ours(v) for k, v in kwargs.items()})
    assert str(ours_error.value) == str(theirs_error.value)
