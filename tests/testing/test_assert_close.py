"""assert_close says what torch's says, of what it refuses and of what differs."""

import numpy as np
import pytest

import rushlight
from rushlight import testing

NAN = float("nan")

# What is compared, with `t` for tensor, `m` for the module; each is run with rushlight and torch.
CASES = [
    "t([1.0, 2.0, 3.0]), t([1.0, 2.5, 3.0])",
    "t([[1.0, 2.0], [3.0, 4.0]]), t([[1.0, 2.5], [3.0, 5.0]]), dict(rtol=1e-2, atol=1e-3)",
    "t([1, 2]), t([1, 3])",
    "t(1.0), t(2.0)",
    "t([1.0]), t([2.0, 3.0])",
    "t([1.0]), t([2])",
    "t([1.0]), t([1]), dict(check_dtype=False)",
    "t([NAN]), t([NAN])",
    "t([NAN]), t([NAN]), dict(equal_nan=True)",
    "1, 2",
    "1.0, 1.1",
    "1, 1.0",
    "1, 1.5, dict(check_dtype=False)",
    "1 + 1j, 1 + 2j",
    "NAN, NAN",
    "2.0, 0.0",
    "True, False",
    "'a', 'a'",
    "None, None",
    "None, t(1.0)",
    "[1.0, t(1.0)], [1.0, t(2.0)]",
    "[1], [1, 2]",
    "{'a': 1, 'c': 2}, {'b': 1}",
    "[t(1.0), {'x': [t([1.0, 2.0])]}], [t(1.0), {'x': [t([1.0, 3.0])]}]",
    "np.array([1.0, 2.0]), np.array([1.0, 3.0])",
    "np.float32(1), np.float32(2)",
    "[1.0], [object()]",
    "t([1.0]), t([2.0]), dict(rtol=1.0)",
    "t([1.0]), t([2.0]), dict(msg='mine')",
    "[t([1.0])], [t([2.0])], dict(msg=lambda text: 'before ' + text)",
    "t([True, False]), t([True, True])",
    "t([1 + 1j]), t([1 + 2j])",
    "t([1.0], dtype=m.float16), t([1.01], dtype=m.float16)",
    "t([1.0], dtype=m.bfloat16), t([1.01], dtype=m.bfloat16)",
    "m.ones(2, 3), m.ones(3, 2).t(), dict(check_stride=True)",
    "m.ones(2, device='meta'), m.ones(2)",
    "t([float('inf')]), t([1.0])",
    "t(3, dtype=m.uint8), t(255, dtype=m.uint8)",
    "t([2**60]), t([2**60 + 1])",
    "m.ones(2, 2, 2), m.ones(2, 2, 2) + 1",
]


def outcome(module, assert_close, case):
    names = {"t": module.tensor, "m": module, "np": np, "NAN": NAN}
    given = eval(f"({case},)", names)
    args, options = (given[:2], given[2]) if len(given) == 3 else (given, {})
    try:
        assert_close(*args, **options)
    except (AssertionError, TypeError, ValueError) as error:
        return type(error), str(error).replace("rushlight._core.tensor", "torch")
    return None


@pytest.mark.parametrize("case", CASES)
def test_says_what_torch_says(case):
    torch = pytest.importorskip("torch")
    ours = outcome(rushlight, testing.assert_close, case)
    assert ours == outcome(torch, torch.testing.assert_close, case)


def test_message():
    with pytest.raises(AssertionError) as error:
        testing.assert_close(rushlight.tensor([1, 2]), rushlight.tensor([1, 3]))
    assert str(error.value) == (
        "Tensor-likes are not equal!\n\nMismatched elements: 1 / 2 (50.0%)\n"
        "Greatest absolute difference: 1 at index (1,)\n"
        "Greatest relative difference: 0.3333333432674408 at index (1,)"
    )


def test_inputs_are_left_alone():
    x, y = rushlight.tensor([1.0, 2.0], requires_grad=True), rushlight.tensor([1.0, 2.0])
    testing.assert_close(x, y)
    assert x.tolist() == [1.0, 2.0]
    assert y._version == 0
