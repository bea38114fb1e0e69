"""What tensors look like: recorded facts, and live agreement with PyTorch on random tensors."""

import random

import numpy as np
import pytest

import rushlight

# expression -> what PyTorch 2.13 prints
FACTS = {
    "torch.tensor([1, 2, 3])": "tensor([1, 2, 3])",
    "torch.tensor([-1, 20, -300])": "tensor([  -1,   20, -300])",
    "torch.tensor(3.14159265)": "tensor(3.1416)",
    "torch.tensor([1., 2., 3.])": "tensor([1., 2., 3.])",
    "torch.tensor([1e-5, 1.0])": "tensor([1.0000e-05, 1.0000e+00])",
    "torch.tensor([float('inf'), 2.0])": "tensor([inf, 2.])",
    "torch.tensor([float('nan'), 1.5])": "tensor([   nan, 1.5000])",
    "torch.tensor([True, False])": "tensor([ True, False])",
    "torch.tensor([1 + 2j, -3.5 + 0.25j])": "tensor([ 1.0000+2.0000j, -3.5000+0.2500j])",
    "torch.tensor([], dtype=torch.int64)": "tensor([], dtype=torch.int64)",
    "torch.empty(2, 0, 3, dtype=torch.float64)": "tensor([], size=(2, 0, 3), dtype=torch.float64)",
    "torch.tensor([1.0, 2.5], dtype=torch.bfloat16)": (
        "tensor([1.0000, 2.5000], dtype=torch.bfloat16)"
    ),
    "torch.arange(1001)": "tensor([   0,    1,    2,  ...,  998,  999, 1000])",
    "torch.ones(2, requires_grad=True) + 1": "tensor([2., 2.], grad_fn=<AddBackward0>)",
    "torch.empty(2, 3, device='meta')": "tensor(..., device='meta', size=(2, 3))",
    "torch.zeros(2, 2, 1)": "tensor([[[0.],\n         [0.]],\n\n        [[0.],\n         [0.]]])",
    "format(torch.tensor(2.5), '.3f')": "'2.500'",
}


@pytest.fixture(autouse=True)
def default_options():
    yield
    rushlight.set_printoptions(profile="default")


@pytest.mark.parametrize("code", FACTS)
def test_fact(code):
    assert repr(eval(code, {"torch": rushlight})) == FACTS[code]


def test_settings_stay_until_changed():
    rushlight.set_printoptions(precision=2)
    assert repr(rushlight.tensor([1.2345])) == "tensor([1.23])"
    rushlight.set_printoptions(threshold=5, edgeitems=1)
    assert repr(rushlight.arange(10.0)) == "tensor([0.,  ..., 9.])"
    rushlight.set_printoptions(profile="short")
    assert repr(rushlight.tensor([1.2345])) == "tensor([1.23])"
    rushlight.set_printoptions(sci_mode=True, profile="default")
    assert repr(rushlight.tensor([1.5])) == "tensor([1.5000e+00])"


def test_long_suffixes_go_to_a_line_of_their_own():
    shown = repr(rushlight.ones(18, requires_grad=True) * 2)
    assert shown.splitlines()[-1] == "       grad_fn=<MulBackward0>)"


SPECIAL = [
    float("nan"), float("inf"), -float("inf"), 0.0, -0.0, 1e-45, 5e-324, 1e308, 1e8, 1.1e8, 1e-4,
    9e-5, 1000.0, 1001.0,
]  # fmt: skip
DTYPES = [
    "float32", "float64", "float16", "bfloat16", "int64", "int8", "uint8", "bool", "complex64",
    "complex128", "uint16",
]  # fmt: skip


def random_values(rng):
    shape = tuple(rng.choice([0, 1, 2, 3, 5, 9, 30]) for _ in range(rng.choice([0, 1, 1, 2, 3])))
    numbers = np.random.default_rng(rng.getrandbits(32)).standard_normal(shape)
    numbers = np.asarray(numbers * 10.0 ** rng.randint(-6, 9))
    if rng.random() < 0.3:
        numbers = np.asarray(numbers.round())
    for _ in range(rng.randint(0, 3)):
        if numbers.size and rng.random() < 0.6:
            numbers.reshape(-1)[rng.randrange(numbers.size)] = rng.choice(SPECIAL)
    return numbers


def random_options(rng):
    choices = {
        "precision": range(9), "threshold": [0, 1, 5, 50], "edgeitems": range(5),
        "linewidth": [20, 40, 120], "sci_mode": [True, False], "profile": ["short", "full"],
    }  # fmt: skip
    return {k: rng.choice(list(v)) for k, v in choices.items() if rng.random() < 0.3}


@pytest.mark.parametrize("seed", range(300))
def test_random_tensors_look_as_in_pytorch(seed):
    torch = pytest.importorskip("torch")
    rng = random.Random(seed)
    values, options, dtype = random_values(rng), random_options(rng), rng.choice(DTYPES)
    if dtype in ("int8", "uint8", "int64", "uint16", "bool"):  # casts of large floats differ
        values = np.asarray(np.nan_to_num(values).clip(0, 100))

    def shown(api):
        tensor = api.from_numpy(values.copy()).to(getattr(api, dtype))
        if tensor.is_floating_point() and seed % 3 == 0:
            tensor.requires_grad_()
        api.set_printoptions(**options)
        try:
            return repr(tensor)
        finally:
            api.set_printoptions(profile="default")

    assert shown(rushlight) == shown(torch)
