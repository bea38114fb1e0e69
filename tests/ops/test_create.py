"""Creation: values, dtypes, strides and errors are PyTorch's; memory is shared where it says so."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest

import rushlight
from rushlight._core.extension import C

spec = importlib.util.spec_from_file_location(
    "recorded_cases", Path(__file__).parent / "recorded_cases.py"
)
recorded_cases = importlib.util.module_from_spec(spec)
spec.loader.exec_module(recorded_cases)


@pytest.mark.parametrize(("expression", "expected"), recorded_cases.load("create"))
def test_answers_as_torch_does(expression, expected):
    assert recorded_cases.answer(rushlight, expression) == expected


def test_from_numpy_shares_memory_both_ways():
    array = np.zeros(3, np.float32)
    t = rushlight.from_numpy(array)
    array[0] = 1
    t[1] = 2
    assert t.tolist() == array.tolist() == [1, 2, 0]


def test_tensor_copies_and_as_tensor_does_not():
    array = np.zeros(2)
    copy, shared = rushlight.tensor(array), rushlight.as_tensor(array)
    array[:] = 5
    assert copy.tolist() == [0, 0]
    assert shared.tolist() == [5, 5]


def test_asarray_takes_dlpack_and_buffers():
    array = np.arange(4.0)
    shared = rushlight.asarray(array)
    array[0] = 9
    assert shared[0] == 9
    assert rushlight.asarray(bytearray(b"\0\0\0\0"), dtype=rushlight.int32).tolist() == [0]


def test_out_is_resized_and_keeps_its_dtype():
    out = rushlight.empty(0, dtype=rushlight.float64)
    result = rushlight.ones(2, 2, out=out)
    assert result is out
    assert out.dtype is rushlight.float64
    assert out.tolist() == [[1, 1], [1, 1]]


def test_default_dtype_reaches_every_float():
    rushlight.set_default_dtype(rushlight.float64)
    for made in (
        rushlight.tensor([1.0]),
        rushlight.zeros(1),
        rushlight.arange(1.0),
        rushlight.full((1,), 0.5),
    ):
        assert made.dtype is rushlight.float64
    assert rushlight.tensor([1j]).dtype is rushlight.complex128


def test_meta_device_allocates_nothing():
    t = rushlight.zeros(10**6, 10**6, device="meta")
    assert tuple(t.shape) == (10**6, 10**6)
    assert t.device.type == "meta"


def test_default_device_is_honoured():
    with rushlight.device("meta"):
        assert rushlight.zeros(2).device.type == "meta"
        assert rushlight.tensor([1.0]).device.type == "meta"
        assert rushlight.rand(2).device.type == "meta"
    assert rushlight.zeros(2).device.type == "cpu"


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    ("start", "end", "step"), [(0, 1, 0.001), (-5, 5, 0.1), (0.3, 77.7, 0.013)]
)
def test_ranges_have_torch_bits(dtype, start, end, step):
    torch = pytest.importorskip("torch")
    theirs = torch.arange(start, end, step, dtype=getattr(torch, dtype)).numpy()
    ours = rushlight.arange(start, end, step, dtype=getattr(rushlight, dtype)).numpy()
    assert (theirs == ours).all()
    theirs = torch.linspace(start, end, 1001, dtype=getattr(torch, dtype)).numpy()
    ours = rushlight.linspace(start, end, 1001, dtype=getattr(rushlight, dtype)).numpy()
    assert (theirs == ours).all()


def test_creation_is_cheap():
    """The benchmark's two. A step to tens of microseconds must show, the machine's noise not, so
    functions are counted, each of which takes some 0.1 us; a front of C++ calls none.
    """

    def functions(make):
        seen = []
        sys.setprofile(lambda frame, event, value: seen.append(event))
        try:
            make()
        finally:
            sys.setprofile(None)
        return sum(event in ("call", "c_call") for event in seen) - 2  # itself, and setprofile

    rows = [[1.0, 2.0], [3.0, 4.0]]
    for make in (lambda: rushlight.zeros(10, 4), lambda: rushlight.tensor(rows)):
        assert functions(make) <= (20 if C is None else 0)


REFUSED_IN_OTHER_WORDS = {
    "step must be nonzero": lambda: rushlight.arange(0, 64, 0.5, dtype=rushlight.int64),
    "received an invalid combination of arguments - got (int, int, float": lambda: (
        rushlight.linspace(0, 1, 2.5)
    ),
    "Duplicate dim not allowed": lambda: rushlight.empty_permuted((2, 3), (0, 0)),
    "Dimension out of range (expected to be between 0 and 1, but got 2 at index 1)": lambda: (
        rushlight.empty_permuted((2, 3), (0, 2))
    ),
    "start (1) + length (-1) exceeds dimension size (2).": lambda: rushlight.ones(2, 3).narrow_copy(
        0, -1, -1
    ),
    "Expected dim < static_cast": lambda: rushlight.ones(2).narrow_copy(1, 0, 1),
    "multinomial expects Long tensor out, got: Double": lambda: rushlight.multinomial(
        rushlight.ones(3), 1, out=rushlight.empty(1, dtype=rushlight.double)
    ),
    "encountering probability entry < 0": lambda: rushlight.multinomial(
        rushlight.tensor([1.0, -1.0]), 2, True
    ),
    "Expected object of scalar type ComplexFloat but got scalar type Float for argument": lambda: (
        rushlight.complex(rushlight.ones(2), rushlight.ones(2), out=rushlight.empty(2))
    ),
}


@pytest.mark.parametrize("words", REFUSED_IN_OTHER_WORDS)
def test_refusals_with_words_of_their_own(words):
    with pytest.raises((RuntimeError, ValueError, TypeError)) as raised:
        REFUSED_IN_OTHER_WORDS[words]()
    assert words in str(raised.value)
