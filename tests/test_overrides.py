"""overrides: modes see operators, types answer for themselves."""

import pytest

import rushlight as torch
from rushlight import overrides


class Record(overrides.TorchFunctionMode):
    def __init__(self):
        self.names = []

    def __torch_function__(self, func, types, args=(), kwargs=None):
        self.names.append(func.__name__)
        return func(*args, **(kwargs or {}))


def test_a_mode_sees_operators_and_changes_nothing():
    x = torch.arange(6.0).reshape(2, 3).requires_grad_()
    with Record() as mode:
        y = (x.exp() + 1)[0].sum()
        y.backward()
        torch.zeros(2).add_(1)
    assert mode.names[:2] == ["exp", "add"]
    assert "add_" in mode.names
    torch.testing.assert_close(x.grad[0], x.detach()[0].exp())
    before = len(mode.names)
    x.exp()
    assert len(mode.names) == before


def test_views_stay_views_under_a_mode():
    x = torch.zeros(2, 3)
    with Record():
        x.t().add_(1)
        x.view(6)[1:3].mul_(2)
    assert x.tolist() == [[1.0, 2.0, 2.0], [1.0, 1.0, 1.0]]


def test_a_mode_may_replace_the_result():
    class Twice(overrides.TorchFunctionMode):
        def __torch_function__(self, func, types, args=(), kwargs=None):
            return func(*args, **(kwargs or {})) * 2

    with Twice():
        assert torch.ones(1).exp().item() == pytest.approx(2 * 2.7182818)


class Answer:
    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        return func.__name__, len(args)


def test_handling():
    def api(x):
        if overrides.has_torch_function((x,)):
            return overrides.handle_torch_function(api, (x,), x)
        return "plain"

    assert api(torch.ones(1)) == "plain"
    assert api(Answer()) == ("api", 1)
    assert overrides.is_tensor_like(Answer())
    assert not overrides.is_tensor_like(3)


def test_names():
    functions = overrides.get_overridable_functions()
    assert torch.exp in functions["torch"]
    assert overrides.resolve_name(torch.exp) == "torch.exp"
    assert overrides.is_tensor_method_or_property(torch.Tensor.add_)
