"""What backward and grad do: accumulation, hooks, errors, modes, anomaly detection."""

import gc
import warnings
import weakref

import pytest

import rushlight as torch
from rushlight.autograd import detect_anomaly, grad


def leaf(*values):
    return torch.tensor(values or [1.0, 2.0, 3.0], requires_grad=True)


def test_gradients_accumulate_in_place():
    x = leaf()
    (x * x).sum().backward()
    first = x.grad
    (x * 3).sum().backward()
    assert x.grad is first
    assert x.grad.tolist() == [5.0, 7.0, 9.0]


def test_the_gradient_never_shares_memory_with_what_the_user_holds():
    x, y, g = leaf(), leaf(), torch.ones(3)
    (x + y).backward(g)
    assert len({x.grad.data_ptr(), y.grad.data_ptr(), g.data_ptr()}) == 3


@pytest.mark.parametrize(
    ("program", "kind", "text"),
    [
        (
            lambda: leaf().backward(),
            RuntimeError,
            "grad can be implicitly created only for scalar outputs",
        ),
        (
            lambda: torch.ones(1).backward(),
            RuntimeError,
            "element 0 of tensors does not require grad",
        ),
        (
            lambda: leaf().sum().backward(torch.ones(3)),
            RuntimeError,
            "Mismatch in shape: grad_output",
        ),
        (
            lambda: grad(leaf().sum(), leaf()),
            RuntimeError,
            "appears to not have been used in the graph",
        ),
        (lambda: leaf().add_(1), RuntimeError, "a leaf Variable that requires grad is being used"),
        (lambda: leaf()[0].mul_(2), RuntimeError, "a view of a leaf Variable that requires grad"),
        (lambda: leaf().numpy(), RuntimeError, "Can't call numpy() on Tensor that requires grad"),
        (lambda: torch.ones(2).requires_grad_().register_hook(3), None, None),
        (
            lambda: torch.tensor([1]).requires_grad_(),
            RuntimeError,
            "only Tensors of floating point",
        ),
        (
            lambda: (leaf() * 2).requires_grad_(False),
            RuntimeError,
            "you can only change requires_grad flags",
        ),
    ],
)
def test_errors_are_pytorchs(program, kind, text):
    if kind is None:
        program()
        return
    with pytest.raises(kind) as caught:
        program()
    assert text in str(caught.value)


def test_backward_twice_needs_retain_graph():
    x = leaf()
    y = (x * x).sum()
    y.backward(retain_graph=True)
    y.backward()
    assert x.grad.tolist() == [4.0, 8.0, 12.0]
    with pytest.raises(RuntimeError, match="Trying to backward through the graph a second time"):
        y.backward()


def test_a_graph_that_saved_nothing_may_be_walked_again():
    x = leaf()
    y = (x + 1).sum()
    y.backward()
    y.backward()
    assert x.grad.tolist() == [2.0, 2.0, 2.0]


def test_modified_saved_tensor_is_found_with_its_versions():
    x = leaf()
    y = x.exp()
    y.add_(1)
    with pytest.raises(
        RuntimeError, match=r"\[torch.FloatTensor \[3\]\].*is at version 1; expected version 0"
    ):
        y.sum().backward()


def test_tensor_hooks_see_and_replace_the_gradient():
    x = leaf()
    y = x * 2
    seen = []
    y.register_hook(lambda g: seen.append(g.tolist()))
    handle = y.register_hook(lambda g: g * 10)
    y.sum().backward()
    assert seen == [[1.0, 1.0, 1.0]]
    assert x.grad.tolist() == [20.0] * 3
    handle.remove()
    (x * 1).sum().backward()


def test_leaf_hooks_and_post_accumulate_hooks():
    x = leaf()
    x.register_hook(lambda g: g + 1)
    calls = []
    x.register_post_accumulate_grad_hook(lambda p: calls.append(p.grad.tolist()))
    x.sum().backward()
    assert calls == [[2.0, 2.0, 2.0]]


def test_node_hooks():
    x = leaf()
    y = x * 2
    y.grad_fn.register_hook(lambda gi, go: tuple(None if g is None else g * 5 for g in gi))
    y.grad_fn.register_prehook(lambda go: tuple(g * 2 for g in go))
    y.sum().backward()
    assert x.grad.tolist() == [20.0] * 3


def test_retain_grad_keeps_a_gradient_of_a_non_leaf():
    x = leaf()
    y = x * 2
    y.retain_grad()
    (y * y).sum().backward()
    assert y.retains_grad
    assert y.grad.tolist() == [4.0, 8.0, 12.0]


def test_backward_inputs_accumulates_only_there():
    x, w = leaf(), leaf()
    (x * w).sum().backward(inputs=[w])
    assert x.grad is None
    assert w.grad.tolist() == [1.0, 2.0, 3.0]


def test_grad_does_not_touch_dot_grad_and_gives_higher_orders():
    x = leaf()
    (g,) = grad((x**3).sum(), x, create_graph=True)
    (h,) = grad(g.sum(), x)
    assert x.grad is None
    assert h.tolist() == [6.0, 12.0, 18.0]


def test_unused_and_materialized():
    x, z = leaf(), leaf()
    assert grad(x.sum(), [x, z], allow_unused=True)[1] is None
    assert grad(x.sum(), [x, z], materialize_grads=True)[1].tolist() == [0.0] * 3


def test_modes_nest_and_decorate():
    @torch.no_grad()
    def quiet(x):
        return x * 2

    x = leaf()
    assert not quiet(x).requires_grad
    with torch.no_grad():
        with torch.enable_grad():
            assert (x * 2).requires_grad
        assert not (x * 2).requires_grad
    with torch.set_grad_enabled(False):
        assert not torch.is_grad_enabled()
    with torch.inference_mode():
        assert torch.is_inference_mode_enabled()
        assert not (x * 2).requires_grad
    assert torch.is_grad_enabled()


def test_no_grad_is_per_thread():
    import threading

    x, found = leaf(), []
    with torch.no_grad():
        thread = threading.Thread(target=lambda: found.append((x * 2).requires_grad))
        thread.start()
        thread.join()
    assert found == [True]


def test_graph_attributes():
    x = leaf()
    y = (x * 2).sum()
    assert y.grad_fn.name() == "SumBackward0"
    (mul, index), *_ = y.grad_fn.next_functions
    assert (mul.name(), index) == ("MulBackward0", 0)
    accumulate = mul.next_functions[0][0]
    assert accumulate.name() == "torch::autograd::AccumulateGrad"
    assert accumulate.variable is x
    assert x.is_leaf and not y.is_leaf


def test_detach_shares_memory_and_versions():
    x = leaf()
    y = x * 1
    d = y.detach()
    d.zero_()
    assert y.tolist() == [0.0] * 3
    assert y._version == 1
    assert not d.requires_grad


def test_gradient_is_cast_and_summed_to_its_input():
    x = torch.ones(3, 1, requires_grad=True)
    y = torch.ones(2, dtype=torch.float64, requires_grad=True)
    (x * y).sum().backward()
    assert x.grad.dtype is torch.float32
    assert x.grad.shape == (3, 1)
    assert y.grad.tolist() == [3.0, 3.0]


def test_anomaly_mode_names_the_forward_call():
    x = torch.zeros(1, requires_grad=True)
    with detect_anomaly(), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        y = x.sqrt() * 0
        with pytest.raises(
            RuntimeError, match="Function 'SqrtBackward0' returned nan values in its 0th output"
        ):
            y.sum().backward()
    (told,) = [w for w in caught if w.category is UserWarning]
    assert "Error detected in SqrtBackward0" in str(told.message)
    assert "y = x.sqrt() * 0" in str(told.message)


def test_a_freed_graph_frees_its_tensors():
    gc.collect()
    gc.disable()
    try:
        x = leaf()
        y = (x.exp() * 2).tanh()
        ref = weakref.ref(y)
        y.sum().backward()
        del y
        assert ref() is None  # by reference counts alone: no cycle holds it
    finally:
        gc.enable()


def test_a_long_chain_is_walked_and_freed_without_recursion():
    x = leaf()
    y = x
    for _ in range(20_000):
        y = y + 0.0
    y.sum().backward()
    assert x.grad.tolist() == [1.0] * 3
    del y
