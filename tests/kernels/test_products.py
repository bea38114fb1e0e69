"""Matrix products in C++ against products of float64: every dtype, layout and instruction set."""

import itertools

import numpy as np
import pytest
from ml_dtypes import bfloat16

from rushlight._core import extension

C = extension.C
pytestmark = [
    pytest.mark.usefixtures("level"),
    pytest.mark.skipif(C is None, reason="rushlight._C is not built"),
]


# Of a result's element next to a sum of k products of normal numbers.
CLOSE = {np.float32: 3e-6, np.float64: 1e-14, bfloat16: 8e-3, np.float16: 1e-3}
DTYPES = list(CLOSE)
# m, k, n: of one task and of several, with and without what fills no tile, thin, deep and wide.
SHAPES = [
    (1, 1, 1), (3, 5, 2), (8, 16, 48), (17, 33, 49), (64, 64, 64), (65, 130, 97), (40, 1030, 50),
    (1, 3000, 1), (1, 300, 700), (5, 700, 300), (700, 300, 1), (300, 3, 200), (130, 257, 400),
    (9, 2000, 16),
]  # fmt: skip
LAYOUTS = ("rows", "columns", "padded", "scattered")


def matrix(shape, layout, dtype, seed):
    x = np.random.default_rng(seed).standard_normal(shape).astype(dtype)
    if layout == "columns":
        return np.asfortranarray(x)
    if layout == "padded":
        held = np.zeros((shape[0], shape[1] + 5), dtype)
        held[:, : shape[1]] = x
        return held[:, : shape[1]]
    if layout == "scattered":
        held = np.zeros((2 * shape[0], 3 * shape[1]), dtype)
        held[::2, ::3] = x
        return held[::2, ::3]
    return x


def same(found, expected, dtype, k):
    assert found.dtype == dtype and found.shape == expected.shape
    error = np.abs(found.astype(np.float64) - expected)
    scale = 1 if np.dtype(dtype).itemsize > 2 else 0.01  # half precision: of the result itself
    limit = CLOSE[dtype] * (np.abs(expected) + scale * (np.sqrt(k) + 1))
    assert (error <= limit).all()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES)
def test_products(dtype, shape):
    m, k, n = shape
    bias = matrix((1, n), "rows", dtype, 2)[0]
    lefts = [matrix((m, k), layout, dtype, 0) for layout in LAYOUTS]
    rights = [matrix((k, n), layout, dtype, 1) for layout in LAYOUTS]
    expected = lefts[0].astype(np.float64) @ rights[0].astype(np.float64)
    with_bias = expected + bias.astype(np.float64)
    for x, y in itertools.product(lefts, rights):
        same(C.mm(x, y), expected, dtype, k)
        same(C.linear(x, y.T, bias), with_bias, dtype, k)
        same(C.addmm(bias, x, y, 1, 1.0), with_bias, dtype, k)


@pytest.mark.parametrize("dtype", DTYPES)
def test_batches(dtype):
    x = matrix((6, 30 * 20), "rows", dtype, 0).reshape(6, 30, 20)
    y = matrix((6, 20 * 70), "rows", dtype, 1).reshape(6, 20, 70)
    expected = x.astype(np.float64) @ y.astype(np.float64)
    same(C.bmm(x, y), expected, dtype, 20)
    expected = x[:, None].astype(np.float64) @ y[0].astype(np.float64)
    same(C.batched_matmul(x[:, None], y[0]), expected, dtype, 20)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(3, 0, 4), (0, 3, 4), (3, 4, 0)])
def test_nothing_to_multiply(dtype, shape):
    m, k, n = shape
    x, y, bias = np.ones((m, k), dtype), np.ones((k, n), dtype), np.full(n, 2, dtype)
    assert (C.mm(x, y) == 0).all() and C.mm(x, y).shape == (m, n)
    assert (C.linear(x, y.T, bias) == 2).all()


@pytest.mark.parametrize("dtype", DTYPES)
def test_what_is_not_finite(dtype):
    x, y = np.ones((70, 90), dtype), np.ones((90, 80), dtype)
    x[3, 5], x[4, 6], y[7, 9] = np.inf, np.nan, -np.inf
    found = C.mm(x, y)
    assert np.isinf(found[3, :9]).all() and np.isnan(found[3, 9]) and np.isnan(found[4]).all()
    assert (found[:3, 9] == -np.inf).all() and (found[5:, 10:] == 90).all()


def test_other_beta_and_bias_are_not_served():
    x = np.ones((3, 3), np.float32)
    assert C.addmm(x[0], x, x, 2, 1) is NotImplemented
    assert C.addmm(x, x, x, 1, 1) is NotImplemented
    assert C.addmm(x[0].astype(np.float64), x, x, 1, 1) is NotImplemented
