"""Recurrent layers and cells: values and gradients are PyTorch's, padded and packed."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

import rushlight
from rushlight._core.extension import C
from rushlight._kernels import recurrent
from rushlight._ops.rnn import RnnLayer, RnnLayerBackward

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


def second_derivatives(module, kind, x, state, params, biases, tail):
    """Gradients of a function of the gradients of a layer's results, and those gradients."""
    results = getattr(module._VF if module is torch else module, kind)(
        *x, state, params, biases, *tail
    )
    loss = sum((r * r).sum() for r in results)
    leaves = [x[0], *(state if kind == "lstm" else [state]), *params]
    first = module.autograd.grad(loss, leaves, create_graph=True)
    (sum((g * g).sum() for g in first)).backward()
    return [*first, *[leaf.grad for leaf in leaves]]


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("kind", GATES)
def test_second_derivatives_of_a_layer(kind, bidirectional, packed):
    directions = 2 if bidirectional else 1
    params = parameters(kind, 1, directions, 5, 4, 0, True)
    h, c = randn(directions, 3, 4), randn(directions, 3, 4)
    tail = [1, 0.0, True, bidirectional, *([] if packed else [False])]
    x = (randn(6, 3, 5),)
    if packed:
        sequence = torch.nn.utils.rnn.pack_padded_sequence(randn(6, 3, 5, grad=False), [6, 4, 1])
        x = sequence.data.requires_grad_(), sequence.batch_sizes
    mine = [same.to_ours(t) for t in x]
    ours = [same.to_ours(t) for t in (h, c)]
    found = second_derivatives(
        rushlight, kind, mine, tuple(ours) if kind == "lstm" else ours[0],
        [same.to_ours(p) for p in params], True, tail,
    )  # fmt: skip
    state = (h, c) if kind == "lstm" else h
    expected = second_derivatives(torch, kind, x, state, params, True, tail)
    for a, b in zip(expected, found, strict=True):
        np.testing.assert_allclose(b.detach().numpy(), a.detach().numpy(), rtol=1e-6, atol=1e-9)


def test_second_derivatives_through_projections():
    params = parameters("lstm", 1, 1, 1, 2, 1, False)
    args = [*params, randn(2, 1, 1), randn(1, 1, 1), randn(1, 1, 2)]

    def layer(*args):
        *params, x, h, c = args
        return rushlight.lstm(x, (h, c), list(params), False, 1, 0.0, True, False, False)[0]

    args = [rushlight.tensor(t.detach().numpy()).requires_grad_() for t in args]
    assert rushlight.autograd.gradgradcheck(layer, args)


@pytest.mark.parametrize("sizes", [(9, 9, 8), (5, 2, 1, 1)])
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("hidden", [5, 16, 40])
@pytest.mark.parametrize("kind", ["lstm", "gru", "tanh", "relu"])
def test_native_layers_agree_with_the_reference(kind, hidden, reverse, sizes):
    if C is None:
        pytest.skip("the extension is not built")
    rng = np.random.default_rng(0)
    total, batch = sum(sizes), max(sizes)
    count = {"lstm": 4, "gru": 3}.get(kind, 1) * hidden
    shapes = [(total, 16), (count, 16), count, (batch, hidden), (batch, hidden), (count, hidden)]
    data, w_ih, b_ih, h, c, w_hh = (rng.standard_normal(s) / 2 for s in shapes)
    c = c if kind == "lstm" else None
    b_hh = rng.standard_normal(count)
    inputs = data, w_ih, b_ih, h, c, w_hh, b_hh
    singles = [None if a is None else a.astype(np.float32) for a in inputs]
    expected = RnnLayer.forward(np, *inputs, None, kind, sizes, reverse)
    found = recurrent.rnn_layer(*singles, None, kind, sizes, reverse)
    compare(expected, found)
    grads = [rng.standard_normal(a.shape) if a.size else None for a in expected[:3]]
    given = [None if a is None else a.astype(np.float32) for a in grads]
    for missing in (None, 0, 1):
        if missing is not None:
            grads[missing] = given[missing] = None
        back = RnnLayerBackward.forward(
            np, *grads, data, *expected[3:], w_hh, None, kind, sizes, reverse
        )
        compare(
            back,
            recurrent.rnn_layer_backward(
                *given, singles[0], *found[3:], singles[5], None, kind, sizes, reverse
            ),
        )


def compare(expected, found):
    for a, b in zip(expected, found, strict=True):
        if a is None:
            assert b is None
        else:
            np.testing.assert_allclose(b, a, rtol=1e-5, atol=5e-5)
