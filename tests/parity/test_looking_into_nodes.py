"""grad_fn called, and its ``_saved_*`` values."""

import pytest

import rushlight

torch = pytest.importorskip("torch")

CASES = {
    "mul": (lambda t, a, b: a * b, ["self", "other"]),
    "div": (lambda t, a, b: a / b, ["self", "other"]),
    "exp": (lambda t, a, b: a.exp(), ["result"]),
    "log": (lambda t, a, b: a.log(), ["self"]),
    "sum": (lambda t, a, b: a.sum(), ["self_sym_sizes"]),
    "relu": (lambda t, a, b: a.relu(), ["result"]),
    "tanh": (lambda t, a, b: a.tanh(), ["result"]),
    "softmax": (lambda t, a, b: a.softmax(0), ["result", "dim"]),
    "mm": (lambda t, a, b: a.reshape(1, 2) @ b.reshape(2, 1), ["self", "mat2"]),
    "view": (lambda t, a, b: a.view(2, 1), ["self_sym_sizes"]),
    "mse_loss": (lambda t, a, b: t.nn.functional.mse_loss(a, b), ["self", "target"]),
    "abs": (lambda t, a, b: a.abs(), ["self"]),
    "gelu": (lambda t, a, b: t.nn.functional.gelu(a), ["self", "approximate"]),
}


def pair(t):
    return t.tensor([1.0, 2.0], requires_grad=True), t.tensor([3.0, 4.0], requires_grad=True)


@pytest.mark.parametrize("name", CASES)
def test_saved_values_and_calls(name):
    function, saved = CASES[name]
    seen = []
    for t in (torch, rushlight):
        y = function(t, *pair(t))
        node = y.grad_fn
        values = [getattr(node, f"_saved_{s}") for s in saved]
        values = [v.detach().tolist() if hasattr(v, "detach") else v for v in values]
        assert {f"_saved_{s}" for s in saved} <= set(dir(node))
        with t.no_grad():
            g = node(t.ones_like(y))
        seen.append((values, [x.tolist() for x in (g if isinstance(g, tuple) else (g,))]))
    assert close(*seen), seen


def close(x, y):
    """Equal, numbers to rounding."""
    if isinstance(x, list | tuple):
        return len(x) == len(y) and all(map(close, x, y))
    return abs(x - y) < 1e-5 if isinstance(x, float) else x == y


def test_a_saved_input_is_the_tensor_itself():
    for t in (torch, rushlight):
        a, b = pair(t)
        y = a * b
        assert y.grad_fn._saved_self is a
        y.sum().backward()
        with pytest.raises(RuntimeError, match="a second time"):
            _ = y.grad_fn._saved_self
        with pytest.raises(RuntimeError, match="a second time"):
            y.grad_fn(t.ones(2))
        with pytest.raises(AttributeError):
            _ = y.grad_fn._saved_nothing


def test_a_leaf_accumulates():
    for t in (torch, rushlight):
        a, _ = pair(t)
        leaf = a.sum().grad_fn.next_functions[0][0]
        with t.no_grad():
            assert leaf(t.ones(2)) == ()
            leaf(t.ones(2))
        assert a.grad.tolist() == [2.0, 2.0]
