"""torch.nn.functional: every name of torch's is there, with its signature."""

import importlib
import inspect

import pytest

import rushlight
import rushlight.nn.functional as F

torch = pytest.importorskip("torch")
theirs = importlib.import_module("torch.nn.functional")

# Products of scaled low-precision matrices, for GPUs.
NOT_HERE = {"grouped_mm", "scaled_grouped_mm", "scaled_mm"}
# Not functions of the namespace but what its module imports or decorates with.
TOOLS = {"assert_int_or_pair", "boolean_dispatch", "handle_torch_function", "has_torch_function",
         "has_torch_function_unary", "has_torch_function_variadic"}  # fmt: skip


def functions():
    public = (n for n in dir(theirs) if not n.startswith("_"))
    found = [n for n in public if callable(getattr(theirs, n)) and n[0].islower()]
    return sorted(set(found) - NOT_HERE - TOOLS - {"dataclasses", "importlib", "math", "np"})


@pytest.mark.parametrize("name", functions())
def test_there_with_torchs_arguments(name):
    mine, other = getattr(F, name), getattr(theirs, name)
    assert mine.__doc__
    try:
        expected = inspect.signature(other).parameters
    except ValueError:
        return
    if any(p.kind is p.VAR_POSITIONAL for p in expected.values()):
        return
    found = inspect.signature(mine).parameters
    if any(p.kind is p.VAR_POSITIONAL for p in found.values()):
        return
    assert list(found) == list(expected)
    for n, p in expected.items():
        if p.default is not p.empty:
            assert found[n].default == p.default


def test_a_training_step_of_a_small_network():
    rushlight.manual_seed(0)
    x, y = rushlight.randn(64, 2), rushlight.arange(64).remainder(2)
    x = x + y.unsqueeze(1) * 2
    w1, b1 = rushlight.randn(8, 2, requires_grad=True), rushlight.zeros(8, requires_grad=True)
    w2, b2 = rushlight.randn(2, 8, requires_grad=True), rushlight.zeros(2, requires_grad=True)
    losses = []
    for _ in range(30):
        loss = F.cross_entropy(F.linear(F.relu(F.linear(x, w1, b1)), w2, b2), y)
        losses.append(loss.item())
        loss.backward()
        with rushlight.no_grad():
            for p in (w1, b1, w2, b2):
                p -= 0.1 * p.grad
                p.grad = None
    assert losses[-1] < 0.6 * losses[0]


def test_linear_prints_what_torch_prints():
    w, b = rushlight.ones(5, 3, requires_grad=True), rushlight.ones(5, requires_grad=True)
    tw, tb = torch.ones(5, 3, requires_grad=True), torch.ones(5, requires_grad=True)
    for shape in ((3,), (2, 3), (2, 4, 3)):
        for mine, other in (((w, b), (tw, tb)), ((w,), (tw,))):
            expected = theirs.linear(torch.ones(shape), *other).grad_fn.name()
            assert F.linear(rushlight.ones(shape), *mine).grad_fn.name() == expected


def test_linear_errors():
    ones = torch.ones
    for args in (
        (ones(2, 4), ones(5, 3)),
        (ones(2, 2, 4), ones(5, 3), ones(5)),
        (ones(2, 3).double(), ones(5, 3), ones(5)),
        (ones(2, 3), ones(5, 3), ones(4)),
    ):
        with pytest.raises(RuntimeError) as expected:
            theirs.linear(*args)
        with pytest.raises(RuntimeError) as found:
            F.linear(*[rushlight.tensor(a.numpy()) for a in args])
        assert str(found.value) == str(expected.value)
