"""autograd.graph: hooks on saved tensors, on several gradients, and edges."""

import pytest

import rushlight as torch
from rushlight import nn
from rushlight.autograd import graph

FUNCTIONS = {
    "mul": lambda x: x * x,
    "exp": lambda x: x.exp(),
    "matmul": lambda x: x @ x.t(),
    "linear": lambda x: nn.functional.linear(x, x),
    "softmax": lambda x: torch.softmax(x, 1)[:, 0],
    "cat": lambda x: torch.cat([x * x, x]).sin(),
    "max": lambda x: x.max(1)[0],
    "layer_norm": lambda x: nn.functional.layer_norm(x, (3,)),
    "conv": lambda x: nn.functional.conv2d(x[None, None], torch.ones(1, 1, 2, 2)).pow(2),
    "in_place": lambda x: (x * 1).mul_(x).add_(x).sigmoid_(),
    "loss": lambda x: nn.functional.cross_entropy(x, torch.tensor([1, 0, 2])),
}


def make_input():
    return (torch.arange(9.0).reshape(3, 3) / 3 + 0.1).requires_grad_()


@pytest.mark.parametrize("name", FUNCTIONS)
def test_copies_serve_as_well(name):
    x, y = make_input(), make_input()
    packed = []
    with graph.saved_tensors_hooks(lambda t: packed.append(1) or t.clone(), lambda t: t):
        z = FUNCTIONS[name](x).sum()
    z.backward()
    FUNCTIONS[name](y).sum().backward()
    assert packed
    assert torch.equal(x.grad, y.grad)


def test_unpacked_values_are_used():
    x = torch.tensor([3.0], requires_grad=True)
    with graph.saved_tensors_hooks(lambda t: t.item(), lambda value: torch.tensor([value * 10])):
        y = x * x
    y.backward()
    assert x.grad.tolist() == [60.0]


def test_only_inside_and_innermost():
    outer, inner = [], []
    x = make_input()
    with graph.saved_tensors_hooks(lambda t: outer.append(1) or t, lambda t: t):
        with graph.saved_tensors_hooks(lambda t: inner.append(1) or t, lambda t: t):
            x.exp()
        x.exp()
    x.exp()
    assert (len(outer), len(inner)) == (1, 1)


def test_functions_of_users_are_packed():
    class Exp(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            y = x.exp()
            ctx.save_for_backward(x, y)
            return y

        @staticmethod
        def backward(ctx, g):
            return g * ctx.saved_tensors[1]

    x, packed = make_input(), []
    with graph.saved_tensors_hooks(lambda t: packed.append(1) or t * 1, lambda t: t * 2):
        y = Exp.apply(x)
    y.sum().backward()
    assert len(packed) == 2
    torch.testing.assert_close(x.grad, 2 * x.detach().exp())


def test_packed_tensors_may_be_written_to():
    x = torch.ones(2, requires_grad=True)
    with graph.saved_tensors_hooks(lambda t: t.clone(), lambda t: t):
        a = x * 1
        y = (a * a).sum()
    a.add_(5)
    y.backward()
    assert x.grad.tolist() == [2.0, 2.0]


def test_double_backward():
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    with graph.save_on_cpu(pin_memory=True):
        y = (x.exp() * x).sum()
    (g,) = torch.autograd.grad(y, x, create_graph=True)
    (h,) = torch.autograd.grad(g.sum(), x)
    torch.testing.assert_close(h, (x.exp() * (x + 2)).detach())


def test_what_hooks_may_not_do():
    x = make_input()
    with graph.saved_tensors_hooks(lambda t: 1, lambda value: value):
        y = x.exp().sum()
    with pytest.raises(TypeError, match="expected to be a Tensor but got result of type int"):
        y.backward()
    hooks = graph.saved_tensors_hooks(lambda t: t.add_(1), lambda t: t)
    with hooks, pytest.raises(RuntimeError, match="modifying its input in place"):
        (x * 1).pow(2)
    with graph.disable_saved_tensors_hooks("not here"), pytest.raises(RuntimeError, match="not he"):
        hooks.__enter__()
    x.exp().sum().backward()


def test_allow_mutation():
    a = torch.ones(2, requires_grad=True)
    with graph.allow_mutation_on_saved_tensors():
        b = a.clone()
        out = (b**2).sum()
        b.sin_()
        out.backward(retain_graph=True)
    assert a.grad.tolist() == [2.0, 2.0]
    with pytest.raises(AssertionError, match="outside of the 'allow_mutation"):
        out.backward()


def test_multi_grad_hook():
    a, b, c = (torch.ones(1, requires_grad=True) for _ in range(3))
    seen = []
    handle = graph.register_multi_grad_hook((a, b, c), seen.append)
    (a * b * 2).sum().backward()
    (a * b * c).sum().backward(inputs=[a, c])
    handle.remove()
    (a * b * c).sum().backward()
    assert [[None if g is None else g.item() for g in grads] for grads in seen] == [
        [2.0, 2.0, None],
        [1.0, None, 1.0],
    ]
    first = []
    graph.register_multi_grad_hook((a, b), first.append, mode="any")
    (a * b).sum().backward()
    assert len(first) == 1


def test_edges_and_versions():
    x = torch.ones(2, requires_grad=True)
    edge = graph.get_gradient_edge(x * 2)
    assert isinstance(edge.node, graph.Node)
    assert edge.output_nr == 0
    with pytest.raises(RuntimeError, match="does not require gradients"):
        graph.get_gradient_edge(torch.ones(1))
    t = torch.ones(1)
    graph.increment_version([t, t])
    assert t._version == 2
