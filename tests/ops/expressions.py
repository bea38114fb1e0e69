"""One expression in rushlight and in torch: same structure, dtypes, shapes, values, errors."""

import warnings

import numpy as np
import pytest

import rushlight

oracle = pytest.importorskip("torch")


def names(module):
    """The tensors that the expressions speak of."""
    rng = np.random.default_rng(0)

    def normal(*shape):
        return module.tensor(rng.standard_normal(shape).astype("f4"))

    return {
        "torch": module, "inf": float("inf"), "nan": float("nan"),
        "x": normal(3, 4), "A": normal(2, 4, 3), "v": normal(4), "s": normal(3, 3),
        "y": normal(4, 3), "w": normal(4, 2), "i": module.arange(4), "z": module.tensor(2.0),
        "e": module.empty(0, 3), "b": module.tensor([True, False]), "one": module.ones(3, 3),
        "u": module.tensor([1, 2], dtype=module.uint8),
        "odd": module.tensor([1.0, float("nan"), -1, float("inf"), -float("inf"), -0.0, 0.0]),
        "same": module.tensor([1, 2, 1, 2, -5, 1, 2]),
    }  # fmt: skip


def evaluate(module, expression):
    """The value, or the exception."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return eval(expression, names(module))
        except Exception as error:
            return error


def same(got, want):
    """Assert that a result is torch's."""
    if isinstance(want, Exception):
        assert isinstance(got, Exception), f"no error; expected {want!r}"
        assert isinstance(got, type(want)) or type(want).__name__ == type(got).__name__
        if not isinstance(want, TypeError):  # torch's list every overload
            assert str(got).split("\n")[0] == str(want).split("\n")[0]
        return
    if isinstance(got, Exception):
        raise got
    if isinstance(want, oracle.Tensor):
        assert str(got.dtype) == str(want.dtype)
        assert tuple(got.shape) == tuple(want.shape)
        if want.dtype in (oracle.bfloat16, oracle.float16):
            got, want = got.float(), want.float()
        rtol = 1e-2 if str(want.dtype) != str(got.dtype) else 2e-5
        expected, found = want.resolve_conj().numpy(), got.numpy()
        np.testing.assert_allclose(found, expected, rtol=max(rtol, 2e-5), atol=2e-5)
        return
    if isinstance(want, (tuple, list)):
        assert getattr(want, "__match_args__", ()) == getattr(got, "__match_args__", ())
        assert len(got) == len(want)
        for g, t in zip(got, want, strict=True):
            same(g, t)
        return
    assert str(got) == str(want)


def cases(text):
    """The expressions of a text, one a line."""
    return [line.strip() for line in text.strip().splitlines()]


def check(expression):
    """The one assertion of a case."""
    same(evaluate(rushlight, expression), evaluate(oracle, expression))
