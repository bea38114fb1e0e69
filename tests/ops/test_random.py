"""Random numbers: PyTorch's own, bit for bit, and its errors."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

import rushlight

spec = importlib.util.spec_from_file_location(
    "recorded_cases", Path(__file__).parent / "recorded_cases.py"
)
recorded_cases = importlib.util.module_from_spec(spec)
spec.loader.exec_module(recorded_cases)

# What the same seed must give, whatever the dtype, length and memory layout.
DRAWS = [
    "torch.rand({n}, dtype={d})",
    "torch.randn({n}, dtype={d})",
    "torch.empty({n}, dtype={d}).uniform_(-0.2236, 0.3)",
    "torch.empty({n}, dtype={d}).normal_(2, 3)",
    "torch.empty({n}, dtype={d}).exponential_(1.5)",
    "torch.empty({n}, dtype={d}).cauchy_(0.5, 2.0)",
    "torch.empty({n}, dtype={d}).log_normal_(1.0, 2.0)",
    "torch.empty({n}, dtype={d}).geometric_(0.3)",
    "torch.empty({n}, dtype={d}).bernoulli_(0.3)",
    "torch.empty({n}, dtype={d}).random_()",
    "torch.empty({n}, dtype={d}).random_(0, 3000)",
    "torch.bernoulli(torch.linspace(0, 1, {n}).to({d}))",
    "torch.empty({n}, 5, dtype={d}).t().normal_(1, 2)",
    "torch.empty({n}, 5, dtype={d}).t().uniform_(1, 2)",
    "torch.empty({n}, 6, dtype={d})[:, ::2].uniform_(1, 2)",
    "torch.rand_like(torch.ones({n}, 3, dtype={d}).t())",
    "torch.nn.functional.dropout(torch.ones({n}, 3, dtype={d}), 0.4)",
    "torch.nn.functional.dropout(torch.ones({n}, 3, dtype={d}).t(), 0.4)",
]
FLOATS = ["torch.float32", "torch.float64", "torch.float16", "torch.bfloat16"]
OTHERS = [
    "torch.randint(10, (20,))",
    "torch.randint(-5, 100, (4, 5))",
    "torch.randint(0, 2**28 - 1, (9,))",
    "torch.randint(0, 2**28, (9,))",
    "torch.randint(-2**62, 2**62, (9,))",
    "torch.randint(0, 7, (10,), dtype=torch.int32)",
    "torch.empty(9, dtype=torch.int64).random_()",
    "torch.empty(9, dtype=torch.int64).random_(-2**63, None)",
    "torch.empty(9, dtype=torch.int32).random_(5, None)",
    "torch.empty(9, dtype=torch.bool).random_()",
    "torch.randperm(1000)",
    "torch.randn(10, dtype=torch.complex64)",
    "torch.rand(40, dtype=torch.complex128)",
    "torch.poisson(torch.tensor([0.5, 3.0, 9.99, 10.0, 20.0, 200.0]).repeat(50))",
    "torch.binomial(torch.tensor([5.0, 20.0, 200.0]).repeat(60), torch.linspace(0, 1, 180))",
    "torch.normal(torch.arange(20.0), torch.arange(20.0))",
    "torch.normal(torch.arange(20.0), 2.0)",
    "torch.normal(3.0, torch.arange(20.0))",
    "torch.multinomial(torch.tensor([0.1, 0.2, 0.3, 0.4]), 3)",
    "torch.multinomial(torch.ones(3, 6), 2)",
    "torch.multinomial(torch.tensor([0.1, 0.2, 0.7]), 20, replacement=True)",
    "torch.multinomial(torch.rand(4, 100, dtype=torch.float64), 50, replacement=True)",
    "(torch.randn(3), torch.randn(3), torch.rand(2))",
    "torch.nn.functional.dropout2d(torch.ones(2, 6, 3, 3), 0.4)",
    "torch.nn.functional.dropout1d(torch.ones(6, 3), 0.4)",
    "torch.nn.functional.alpha_dropout(torch.ones(30), 0.3, training=True)",
    "torch.nn.functional.feature_alpha_dropout(torch.ones(2, 8, 3), 0.3, training=True)",
    "torch.nn.functional.rrelu(torch.linspace(-1, 1, 30), training=True)",
    "torch.native_dropout(torch.ones(40), 0.5, True)",
]


@pytest.mark.parametrize(("expression", "expected"), recorded_cases.load("random"))
def test_answers_as_torch_does(expression, expected):
    assert recorded_cases.answer(rushlight, expression) == expected


def bits(torch, t):
    """The bytes of a tensor's elements in logical order."""
    return torch.empty(t.numel(), dtype=t.dtype).copy_(t.reshape(-1)).view(torch.uint8).tolist()


def check_bits(expression, seeds=(0, 42, 1234567890123)):
    torch = pytest.importorskip("torch")
    for seed in seeds:
        torch.manual_seed(seed)
        rushlight.manual_seed(seed)
        theirs, ours = (eval(expression, {"torch": t}) for t in (torch, rushlight))
        if not isinstance(theirs, tuple):
            theirs, ours = (theirs,), (ours,)
        for a, b in zip(theirs, ours, strict=True):
            assert str(a.dtype) == str(b.dtype)
            assert bits(torch, a) == bits(rushlight, b)
        assert torch.get_rng_state().tolist() == rushlight.get_rng_state().tolist()


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("form", DRAWS)
@pytest.mark.filterwarnings("ignore:(from|to - 1) is out of bounds")
def test_same_bits_as_torch(form, dtype):
    for n in (1, 15, 16, 17, 100):
        check_bits(form.format(n=n, d=dtype))


@pytest.mark.parametrize("expression", OTHERS)
def test_same_bits_as_torch_elsewhere(expression):
    check_bits(expression)


def test_known_numbers():
    rushlight.manual_seed(0)
    assert rushlight.rand(3).tolist() == [
        0.49625658988952637,
        0.7682217955589294,
        0.08847743272781372,
    ]
    rushlight.manual_seed(0)
    expected = [1.5409960746765137, -0.293428897857666, -2.1787893772125244]
    assert rushlight.randn(3).tolist() == expected
    rushlight.manual_seed(0)


def test_states_travel_to_torch_and_back():
    torch = pytest.importorskip("torch")
    rushlight.manual_seed(5)
    rushlight.randn(3)
    rushlight.rand(700)
    torch.set_rng_state(torch.from_numpy(rushlight.get_rng_state().numpy()))
    assert torch.randn(5).tolist() == rushlight.randn(5).tolist()
    rushlight.set_rng_state(rushlight.from_numpy(torch.get_rng_state().numpy()))
    assert torch.randn(20).tolist() == rushlight.randn(20).tolist()


def test_fork_rng_restores_the_state():
    from rushlight import random

    before = rushlight.get_rng_state()
    with random.fork_rng():
        rushlight.rand(10)
    assert rushlight.equal(before, rushlight.get_rng_state())


def test_in_place_draw_ends_the_gradient():
    a = rushlight.ones(3, requires_grad=True)
    b = a * 2
    b.uniform_()
    assert b.grad_fn.name() == "UniformBackward0"
    b.sum().backward()
    assert a.grad.tolist() == [0, 0, 0]


def test_in_place_draw_counts_as_a_write():
    a = rushlight.ones(3, requires_grad=True)
    w = rushlight.ones(3)
    y = a * w
    w.normal_()
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()


def test_dropout_gradient_is_its_mask():
    x = rushlight.ones(50, requires_grad=True)
    y = rushlight.nn.functional.dropout(x, 0.5)
    assert y.grad_fn.name() == "MulBackward0"
    y.sum().backward()
    assert rushlight.equal(x.grad, y)
    assert set(y.tolist()) == {0.0, 2.0}


def test_rrelu_gradient_is_its_slopes():
    x = rushlight.linspace(-1, 1, 20).requires_grad_()
    y = rushlight.nn.functional.rrelu(x, training=True)
    y.sum().backward()
    assert np.allclose((x.grad * x).detach().numpy(), y.detach().numpy())


def test_multinomial_follows_its_weights():
    counts = np.bincount(rushlight.multinomial(rushlight.tensor([1.0, 3.0]), 4000, True).numpy())
    assert abs(counts[1] / 4000 - 0.75) < 0.03
