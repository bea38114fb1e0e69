"""Which dtype a pointwise operator answers in: all pairs of dtypes and of tensors and numbers."""

import itertools

import pytest

import rushlight as torch

INTEGERS = ["bool", "uint8", "int8", "int16", "int32", "int64"]
FLOATS = ["float16", "bfloat16", "float32", "float64", "complex64", "complex128"]
DTYPES = INTEGERS + FLOATS
NUMBERS = [True, 2, 2.5, 2j]
OPS = ["add", "mul", "div", "pow", "eq", "maximum", "xlogy", "copysign", "bitwise_and", "fmod"]
OPS += ["logical_and", "atan2", "floor_divide", "float_power", "heaviside"]


def answer(module, name, *operands):
    """The dtype of the result, or the kind of error."""
    built = [
        module.ones(o[1], dtype=getattr(module, o[0])) if isinstance(o, tuple) else o
        for o in operands
    ]
    try:
        return str(getattr(module, name)(*built).dtype)
    except (RuntimeError, TypeError) as error:
        return type(error).__name__


def not_in_numpy(*operands):
    """float16 next to a complex number is complex32, which NumPy does not have."""
    names = [o[0] if isinstance(o, tuple) else "complex" if o == 2j else "" for o in operands]
    return "float16" in names and any("complex" in n for n in names)


@pytest.mark.parametrize("name", OPS)
@pytest.mark.parametrize("shapes", [((2,), (2,)), ((2,), ()), ((), (2,)), ((), ())])
def test_pairs_promote_as_torchs(name, shapes):
    oracle = pytest.importorskip("torch")
    for pair in itertools.product(DTYPES, repeat=2):
        operands = tuple(zip(pair, shapes, strict=True))
        if not_in_numpy(*operands):
            continue
        assert answer(torch, name, *operands) == answer(oracle, name, *operands), operands


@pytest.mark.parametrize("name", OPS)
def test_numbers_promote_as_torchs(name):
    oracle = pytest.importorskip("torch")
    for dtype, number, shape in itertools.product(DTYPES, NUMBERS, [(2,), ()]):
        operands = ((dtype, shape), number)
        if not_in_numpy(*operands) or (name, dtype, number) == ("pow", "bool", True):
            continue
        assert answer(torch, name, *operands) == answer(oracle, name, *operands), operands
        if name not in ("atan2", "maximum", "heaviside", "logical_and", "copysign", "fmod"):
            swapped = operands[::-1]
            assert answer(torch, name, *swapped) == answer(oracle, name, *swapped), swapped


def test_the_rule_in_a_few_lines():
    ints, floats = torch.tensor([1, 2]), torch.tensor([1.0, 2.0])
    assert (ints / 2).dtype is torch.float32
    assert (ints // 2).dtype is torch.int64
    assert (ints + 2.5).dtype is torch.float32
    assert (floats + torch.tensor(1.0, dtype=torch.float64)).dtype is torch.float32
    assert (floats * 1j).dtype is torch.complex64
    assert (torch.tensor([True]) + torch.tensor([True])).dtype is torch.bool
    assert (torch.ones(1, dtype=torch.uint8) + torch.ones(1, dtype=torch.int8)).dtype is torch.int16
    assert torch.abs(torch.tensor([1j])).dtype is torch.float32
    assert torch.exp(ints).dtype is torch.float32
    assert torch.float_power(floats, 2).dtype is torch.float64


def test_the_default_dtype_is_what_integers_become():
    torch.set_default_dtype(torch.float64)
    assert torch.exp(torch.tensor([1, 2])).dtype is torch.float64
    assert (torch.tensor([1, 2]) / 2).dtype is torch.float64
    assert torch.erf(torch.tensor(1)).dtype is torch.float64
