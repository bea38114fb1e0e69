"""Recurrent layers and cells: values and gradients are PyTorch's, padded and packed."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

import rushlight

spec = importlib.util.spec_from_file_location(
    "same_as_torch", Path(__file__).parent / "same_as_torch.py"
)
same = importlib.util.module_from_spec(spec)
spec.loader.exec_module(same)

torch, randn = same.torch, same.randn
GATES = {"lstm": 4, "gru": 3, "rnn_tanh": 1, "rnn_relu": 1}
SETTINGS = [(1, False, False, 0, True), (2, True, True, 0, True), (1, True, False, 0, False)]


def parameters(kind, layers, directions, features, hidden, proj, biases):
    result = []
    for layer in range(layers):
        for _ in range(directions):
            size = features if layer == 0 else directions * (proj or hidden)
            n = GATES[kind] * hidden
            result += [randn(n, size), randn(n, proj or hidden)]
            result += [randn(n), randn(n)] if biases else []
            result += [randn(proj, hidden)] if proj else []
    return result


def check_layer(kind, layers, bidirectional, proj, biases, input, *rest):
    """Same results and gradients as torch's; rest: batch_first, or nothing with packed data."""
    directions = 2 if bidirectional else 1
    params = parameters(kind, layers, directions, 5, 4, proj, biases)
    h, c = randn(layers * directions, 3, proj or 4), randn(layers * directions, 3, 4)
    state = (h, c) if kind == "lstm" else h
    tail = biases, layers, 0.0, True, bidirectional, *rest
    other = getattr(torch._VF, kind)(*input, state, params, *tail)
    leaves = [input[0], h, *([c] if kind == "lstm" else []), *params]
    converted = {id(t): same.to_ours(t) for t in [*leaves, *input]}

    def swap(value):
        return tuple(map(swap, value)) if isinstance(value, tuple) else converted[id(value)]

    mine = getattr(rushlight, kind)(
        *map(swap, input), swap(state), [swap(p) for p in params], *tail
    )
    for a, b in zip(other, mine, strict=True):
        np.testing.assert_allclose(b.detach().numpy(), a.detach().numpy(), rtol=1e-7, atol=1e-12)
        weight = np.random.default_rng(0).standard_normal(tuple(a.shape))
        (a * torch.tensor(weight)).sum().backward(retain_graph=True)
        (b * rushlight.tensor(weight)).sum().backward(retain_graph=True)
    for leaf in leaves:
        np.testing.assert_allclose(
            converted[id(leaf)].grad.numpy(), leaf.grad.numpy(), rtol=1e-6, atol=1e-9
        )


@pytest.mark.parametrize(("layers", "bidirectional", "batch_first", "proj", "biases"), SETTINGS)
@pytest.mark.parametrize("kind", GATES)
def test_padded(kind, layers, bidirectional, batch_first, proj, biases):
    x = randn(3, 6, 5) if batch_first else randn(6, 3, 5)
    check_layer(kind, layers, bidirectional, proj, biases, (x,), batch_first)


@pytest.mark.parametrize("bidirectional", [True, False])
@pytest.mark.parametrize("kind", GATES)
def test_packed(kind, bidirectional):
    x = torch.nn.utils.rnn.pack_padded_sequence(randn(6, 3, 5, grad=False), [6, 4, 1])
    check_layer(kind, 2, bidirectional, 0, True, (x.data.requires_grad_(), x.batch_sizes))


def test_projections():
    check_layer("lstm", 2, True, 3, True, (randn(6, 3, 5),), False)


@pytest.mark.parametrize("kind", GATES)
def test_cells(kind):
    n = GATES[kind] * 4
    args = randn(2, 5), randn(2, 4), randn(2, 4), randn(n, 5), randn(n, 4), randn(n), randn(n)

    def cell(module):
        if kind == "lstm":
            return lambda x, h, c, *rest: module.lstm_cell(x, (h, c), *rest)
        return lambda x, h, c, *rest: getattr(module, f"{kind}_cell")(x, h, *rest)

    same.check((cell(rushlight), cell(torch)), *args)


def test_second_derivatives_of_a_layer_are_refused_not_wrong():
    x = rushlight.rand(2, 1, 2, requires_grad=True)
    h, w = rushlight.zeros(1, 1, 2), rushlight.rand(6, 2)
    out, _ = rushlight.gru(x, h, [w, w], False, 1, 0.0, False, False, False)
    (g,) = rushlight.autograd.grad(out.sum(), x, create_graph=True)
    with pytest.raises(RuntimeError, match="gru_cell"):
        g.sum().backward()
