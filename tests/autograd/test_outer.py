"""The gradient of a linear layer's weight that is computed when somebody looks at it: nobody can
tell."""

import copy
import gc
import pickle
import threading

import numpy as np
import pytest

import rushlight as torch
from rushlight._core.extension import C, Outer

needs_native = pytest.mark.skipif(C is None, reason="products are computed at once without C++")
F = torch.nn.functional


def layer(outputs=96, inputs=512, dtype=torch.float32):
    torch.manual_seed(outputs)
    return torch.nn.Parameter(torch.randn(outputs, inputs, dtype=dtype) / 16)


def batch(*shape, dtype=torch.float32):
    torch.manual_seed(sum(shape))
    return torch.randn(*shape, dtype=dtype)


def run(w, x, scale=3.0):
    (F.linear(x, w).tanh() * scale).sum().backward()


def at_once(w, x, scale=3.0):
    """The gradient where a hook makes the engine compute it."""
    other = torch.nn.Parameter(w.detach().clone())
    other.register_hook(lambda g: None)
    run(other, x, scale)
    assert type(other._grad) is not Outer
    return other.grad


@needs_native
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("shape", [(4, 512), (1, 512), (2, 3, 512), (7, 512), (512,)])
@pytest.mark.parametrize("outputs", [96, 100, 333])
def test_it_waits_and_is_the_gradient(dtype, shape, outputs):
    w, x = layer(outputs, dtype=dtype), batch(*shape, dtype=dtype)
    run(w, x)
    assert type(w._grad) is Outer
    g = w.grad
    assert g is w.grad and type(g) is torch.Tensor
    assert g.shape == w.shape and g.dtype == w.dtype and g.grad_fn is None and not g.requires_grad
    np.testing.assert_array_equal(g.numpy(), at_once(w, x).numpy())


def test_inputs_may_change_meanwhile():
    w, x = layer(), batch(4, 512)
    expected = at_once(w, x)
    run(w, x)
    x.zero_()
    assert torch.equal(w.grad, expected)


def test_gradients_add_up():
    w, x, y = layer(), batch(4, 512), batch(3, 512)
    run(w, x)
    run(w, y)
    assert torch.equal(w.grad, at_once(w, x) + at_once(w, y))
    w.grad = None
    (F.linear(x, w).tanh() * 3.0).sum().add((F.linear(y, w).tanh() * 3.0).sum()).backward()
    assert torch.allclose(w.grad, at_once(w, x) + at_once(w, y), atol=1e-5)
    w.grad = None
    (F.linear(x, w).tanh().sum() + (w * w).sum()).backward()
    assert torch.allclose(w.grad, at_once(w, x, 1.0) + 2 * w.detach(), atol=1e-5)


def test_hooks_see_tensors():
    w, x, seen = layer(), batch(4, 512), []
    handle = w.register_post_accumulate_grad_hook(lambda p: seen.append(p.grad.clone()))
    run(w, x)
    handle.remove()
    expected = at_once(w, x)
    assert torch.equal(seen[0], expected)
    w.grad = None
    w.register_hook(lambda g: seen.append(g) or g * 2)
    run(w, x)
    assert torch.equal(seen[1], expected) and torch.equal(w.grad, expected * 2)


def test_a_hook_that_comes_in_the_middle():
    w, x, seen = layer(), batch(4, 512), []
    y = F.linear(x, w)
    z = torch.zeros(1, requires_grad=True)
    z.register_hook(lambda g: w.register_hook(lambda g: seen.append(g)) and None)
    loss = (y.tanh() * 3.0).sum() + z.sum()
    loss.backward()
    w._node.hooks = None
    assert torch.equal(w.grad, at_once(w, x))
    assert all(type(g) is torch.Tensor for g in seen)


def test_graphs_kept_and_made():
    w, x = layer(), batch(4, 512)
    loss = (F.linear(x, w).tanh() * 3.0).sum()
    loss.backward(retain_graph=True)
    expected = at_once(w, x)
    assert torch.equal(w.grad, expected)
    loss.backward()
    assert torch.equal(w.grad, expected * 2)
    (g,) = torch.autograd.grad((F.linear(x, w).tanh() * 3.0).sum(), w, create_graph=True)
    assert g.requires_grad and torch.equal(g.detach(), expected)


def test_copies_and_files(tmp_path):
    w, x = layer().detach().requires_grad_(), batch(4, 512)
    run(w, x)
    twin = copy.deepcopy(w)
    assert torch.equal(twin.grad, w.grad) and twin.grad is not w.grad
    w.grad = None
    run(w, x)
    assert pickle.loads(pickle.dumps(w)).grad is None
    torch.save(w, tmp_path / "w.pt")
    assert torch.equal(torch.load(tmp_path / "w.pt", weights_only=False), w)


@needs_native
def test_modules_drop_it_unread():
    m = torch.nn.Linear(512, 96)
    run(m.weight, batch(4, 512))
    assert type(m.weight._grad) is Outer
    m.zero_grad()
    assert m.weight.grad is None
    run(m.weight, batch(4, 512))
    m.double()
    assert m.weight.grad.dtype == torch.float64


OPTIMIZERS = {
    "SGD": {"lr": 0.1, "weight_decay": 0.01},
    "momentum": {"lr": 0.1, "momentum": 0.9, "nesterov": True},
    "Adam": {"amsgrad": True},
    "AdamW": {},
    "Adagrad": {},
    "RMSprop": {"momentum": 0.5, "centered": True},
    "Adadelta": {},
    "Adamax": {},
    "NAdam": {},
    "RAdam": {},
    "ASGD": {},
    "Rprop": {},
    "Adafactor": {},
    "Muon": {},
    "fused": {"lr": 0.1, "fused": True},
    "maximize": {"lr": 0.1, "maximize": True},
}


def trained(name, look, dtype, outputs):
    """Weights after three steps; `look`: every gradient is read before its step."""
    kind = getattr(torch.optim, name, torch.optim.SGD)
    w, bias = layer(outputs, dtype=dtype), torch.nn.Parameter(torch.zeros(outputs, dtype=dtype))
    optimizer = kind([w] if name == "Muon" else [w, bias], **OPTIMIZERS[name])
    for step in range(3):
        optimizer.zero_grad()
        x = batch(3, 512 + 0 * step, dtype=dtype) + step
        F.linear(x, w, bias).tanh().sum().backward()
        if look:
            assert type(w.grad) is torch.Tensor
        optimizer.step()
        after = w.grad
    return w.detach(), after


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("outputs", [96, 331])
def test_optimizers_cannot_tell(name, dtype, outputs):
    left, right = (trained(name, look, dtype, outputs) for look in (False, True))
    for a, b in zip(left, right, strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy())


@needs_native
def test_a_step_does_not_compute_it():
    w = layer()
    optimizer = torch.optim.Adam([w])
    run(w, batch(4, 512))
    before = w._version
    optimizer.step()
    assert type(w._grad) is Outer and w._version == before + 1


def test_a_weight_given_twice():
    results = []
    for look in (False, True):
        w = layer()
        with pytest.warns(UserWarning, match="duplicate"):
            optimizer = torch.optim.SGD([w, w], lr=0.1)
        run(w, batch(4, 512))
        if look:
            assert w.grad is not None
        optimizer.step()
        results.append(w.detach().numpy())
    np.testing.assert_array_equal(*results)


def test_other_data_before_the_step():
    w, x = layer(), batch(4, 512)
    run(w, x)
    expected = at_once(w, x)
    with torch.no_grad():
        w.data = w.data.t().contiguous().t()  # the same numbers in columns
    start = w.detach().clone()
    torch.optim.SGD([w], lr=1.0).step()
    assert torch.allclose(w.detach(), start - expected)


def test_clipping_and_scaling():
    w, x = layer(), batch(4, 512)
    run(w, x)
    norm = torch.nn.utils.clip_grad_norm_([w], 1.0)
    expected = at_once(w, x)
    assert torch.allclose(norm, expected.norm())
    assert torch.allclose(w.grad.norm(), torch.tensor(1.0))
    w.grad = None
    scaler = torch.amp.GradScaler("cpu", init_scale=4.0)
    optimizer = torch.optim.SGD([w], lr=1.0)
    start = w.detach().clone()
    scaler.scale((F.linear(x, w).tanh() * 3.0).sum()).backward()
    scaler.step(optimizer)
    assert torch.allclose(start - w.detach(), expected, atol=1e-5)


def test_threads_read_one_tensor():
    w, x, seen = layer(512, 1024), batch(4, 1024), []
    run(w, x)
    barrier = threading.Barrier(4)

    def read():
        barrier.wait()
        seen.append(w.grad)

    threads = [threading.Thread(target=read) for _ in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert all(g is seen[0] for g in seen) and torch.equal(seen[0], at_once(w, x))


def test_nothing_is_kept():
    w = layer()
    run(w, batch(4, 512))
    gc.collect()
    before = len(gc.get_objects())
    for _ in range(50):
        w.grad = None
        run(w, batch(4, 512))
    gc.collect()
    assert len(gc.get_objects()) <= before + 20


def test_small_and_wide_batches_do_not_wait():
    w, x = layer(8, 16), batch(4, 16)
    run(w, x)
    assert type(w._grad) is torch.Tensor
    w, x = layer(), batch(64, 512)
    run(w, x)
    assert type(w._grad) is torch.Tensor
