"""dtypes: names, promotion, limits, defaults."""

import copy
import pickle

import pytest

import rushlight as torch

NAMES = (
    "uint8",
    "int8",
    "int16",
    "int32",
    "int64",
    "float16",
    "bfloat16",
    "float32",
    "float64",
    "complex64",
    "complex128",
    "bool",
    "uint16",
    "uint32",
    "uint64",
    "float8_e4m3fn",
    "float8_e5m2",
)


def test_names_and_aliases():
    assert torch.float is torch.float32
    assert torch.long is torch.int64
    assert torch.half is torch.float16
    assert repr(torch.bool) == "torch.bool"
    assert torch.tensor([1]).dtype is torch.int64
    assert pickle.loads(pickle.dumps(torch.bfloat16)) is torch.bfloat16
    assert copy.deepcopy(torch.float64) is torch.float64
    assert torch.float16.itemsize == 2 and torch.complex64.to_real() is torch.float32


@pytest.mark.parametrize(
    ("left", "right", "dtype"),
    [
        (lambda: torch.ones(2, dtype=torch.int32), 2.5, "float32"),
        (lambda: torch.ones(2, dtype=torch.uint8), 2, "uint8"),
        (lambda: torch.ones(2, dtype=torch.bool), 2, "int64"),
        (lambda: torch.ones(2, dtype=torch.float16), 2.5, "float16"),
        (lambda: torch.ones(2), 1j, "complex64"),
        (lambda: torch.ones(2, dtype=torch.float64), 1j, "complex128"),
        (
            lambda: torch.ones(2, dtype=torch.int32),
            lambda: torch.tensor(2.5, dtype=torch.float64),
            "float64",
        ),
        (lambda: torch.ones(2), lambda: torch.tensor(2.5, dtype=torch.float64), "float32"),
        (
            lambda: torch.ones(2, dtype=torch.int8),
            lambda: torch.ones(2, dtype=torch.uint8),
            "int16",
        ),
        (
            lambda: torch.ones(2, dtype=torch.float16),
            lambda: torch.ones(2, dtype=torch.bfloat16),
            "float32",
        ),
    ],
)
def test_promotion_of_operands(left, right, dtype):
    other = right() if callable(right) else right
    assert (left() + other).dtype is getattr(torch, dtype)
    assert torch.result_type(left(), other) is getattr(torch, dtype)


def test_default_dtype_is_what_floats_get():
    torch.set_default_dtype(torch.float64)
    assert torch.tensor([1.5]).dtype is torch.float64
    assert (torch.ones(2, dtype=torch.int64) / 2).dtype is torch.float64
    with pytest.raises(
        TypeError, match="only floating-point types are supported as the default type"
    ):
        torch.set_default_dtype(torch.int32)


def test_limits():
    assert torch.finfo(torch.float32).eps == 2**-23
    assert torch.finfo(torch.bfloat16).bits == 16
    assert torch.iinfo(torch.int16).max == 32767
    with pytest.raises(TypeError, match="requires a floating point input type"):
        torch.finfo(torch.int64)
    with pytest.raises(TypeError, match="requires an integer input type"):
        torch.iinfo(torch.float32)


def test_wide_unsigned_integers_do_not_promote_to_signed():
    with pytest.raises(
        RuntimeError, match="Promotion for uint16, uint32, uint64 types is not supported"
    ):
        torch.ones(1, dtype=torch.uint16) + torch.ones(1, dtype=torch.int32)


def test_the_whole_promotion_table_is_pytorchs():
    oracle = pytest.importorskip("torch", reason="parity with PyTorch needs torch")
    for a in NAMES:
        for b in NAMES:
            try:
                want = str(oracle.promote_types(getattr(oracle, a), getattr(oracle, b)))
            except RuntimeError:
                with pytest.raises(RuntimeError):
                    torch.promote_types(getattr(torch, a), getattr(torch, b))
                continue
            assert str(torch.promote_types(getattr(torch, a), getattr(torch, b))) == want, (a, b)
            assert torch.can_cast(getattr(torch, a), getattr(torch, b)) == oracle.can_cast(
                getattr(oracle, a), getattr(oracle, b)
            ), (a, b)
