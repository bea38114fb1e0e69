"""Arithmetic, reductions and convolution in C++ against NumPy and against sums written out."""

import itertools

import numpy as np
import pytest

from rushlight._core import extension

C = extension.C
pytestmark = [
    pytest.mark.usefixtures("level"),
    pytest.mark.skipif(C is None, reason="rushlight._C is not built"),
]


UFUNCS = {
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "div": np.true_divide,
    "maximum": np.maximum,
    "minimum": np.minimum,
}
SHAPES = [
    ((3, 4), (3, 4)),
    ((3, 40), (40,)),
    ((2, 3, 32), (3, 32)),
    ((5, 1000), (5, 1)),
    ((4, 1), (1, 4)),
    ((3, 4), ()),
    ((), (3, 4)),
    ((), ()),
    ((0, 3), (0, 3)),
    ((300, 300), (300, 300)),
]


def numbers(shape, dtype, seed=0):
    x = np.asarray(np.random.default_rng(seed).standard_normal(shape) * 9).astype(dtype)
    if x.dtype.kind == "f" and x.size > 2:
        x.flat[0], x.flat[1] = np.nan, np.inf
    return x


@pytest.mark.parametrize("name", UFUNCS)
@pytest.mark.parametrize("dtype", ["f4", "f8", "i4", "i8", "u1", "f2", "c8"])
def test_arithmetic_is_numpys(name, dtype):
    with np.errstate(all="ignore"):
        for left, right in SHAPES:
            x, y = numbers(left, dtype), numbers(right, dtype, 1)
            found, expected = getattr(C, name)(x, y), UFUNCS[name](x, y)
            assert found.dtype == expected.dtype
            np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("name", UFUNCS)
@pytest.mark.parametrize("number", [2.5, 3, -1, 2**40, True, 1e30])
def test_arithmetic_with_numbers_is_numpys(name, number):
    for dtype in ("f4", "f8", "i8"):
        x = np.arange(1, 50).astype(dtype)
        for args in ((x, number), (number, x)):
            found, expected = getattr(C, name)(*args), UFUNCS[name](*args)
            assert found.dtype == expected.dtype
            np.testing.assert_array_equal(found, expected)


def test_arithmetic_raises_as_numpy_does():
    with pytest.raises(ValueError, match="broadcast"):
        C.add(np.zeros(3, np.float32), np.zeros(4, np.float32))
    with pytest.raises(TypeError):
        C.add(np.zeros(3, np.float32))


@pytest.mark.parametrize(
    "shape", [(3,), (4, 5), (300, 7), (7, 300), (2, 3, 4, 5), (40000,), (3, 1, 5)]
)
@pytest.mark.parametrize("dtype", ["f4", "f8", "i8"])
def test_reductions_are_numpys(shape, dtype):
    x = (np.random.default_rng(0).standard_normal(shape) * 9).astype(dtype)
    axes = [None, -1, *range(x.ndim)]
    axes += [t for r in range(2, x.ndim + 1) for t in itertools.combinations(range(x.ndim), r)]
    for axis, keep in itertools.product(axes, (False, True)):
        for name in ("add", "maximum", "minimum"):
            found = getattr(C, f"{name}_reduce")(x, axis, None, None, keep)
            expected = getattr(np, name).reduce(x, axis, None, None, keep)
            assert found.dtype == expected.dtype
            assert np.shape(found) == np.shape(expected)
            np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-3)


def test_long_sums_are_accurate():
    x = np.random.default_rng(0).random(1_000_000, np.float32)
    exact = x.astype(np.float64).sum()
    assert abs(C.add_reduce(x, None, None, None, False) - exact) < 2e-7 * exact
    tall = x.reshape(-1, 10)
    exact = tall.astype(np.float64).sum(0)
    np.testing.assert_allclose(C.add_reduce(tall, 0, None, None, False), exact, rtol=5e-6)


def test_nan_wins_in_extrema():
    x = np.ones((50, 40), np.float32)
    x[3, 4] = np.nan
    for reduce in (C.maximum_reduce, C.minimum_reduce):
        assert np.isnan(reduce(x, 1, None, None, False)).nonzero()[0].tolist() == [3]
        assert np.isnan(reduce(x, 0, None, None, False)).nonzero()[0].tolist() == [4]
        assert np.isnan(reduce(x, None, None, None, False))


def test_empty_reductions_are_numpys():
    empty = np.zeros((0, 3), np.float32)
    assert C.add_reduce(empty, 0, None, None, False).tolist() == [0, 0, 0]
    with pytest.raises(ValueError, match="zero-size"):
        C.maximum_reduce(empty, 0, None, None, False)


POOLINGS = [  # height, width, kernel, stride, padding, dilation
    (8, 8, (2, 2), (2, 2), (0, 0), (1, 1)),
    (9, 7, (2, 2), (2, 2), (0, 0), (1, 1)),
    (9, 70, (3, 3), (2, 2), (1, 1), (1, 1)),
    (9, 11, (3, 2), (1, 1), (1, 0), (2, 1)),
    (1, 50, (1, 3), (1, 3), (0, 1), (1, 1)),
]


@pytest.mark.parametrize("kind", ["plain", "ties", "nan", "lowest"])
@pytest.mark.parametrize("geometry", POOLINGS)
def test_max_pooling_and_its_gradient(geometry, kind):
    """The first of equals wins, nan beats all, the frame is never chosen."""
    h, w, kernel, stride, padding, dilation = geometry
    rng = np.random.default_rng(0)
    x = rng.standard_normal((2, 3, h, w)).astype(np.float32)
    if kind == "ties":
        x = np.round(x)
    elif kind == "nan":
        x.flat[::5] = np.nan
    elif kind == "lowest":
        x[:] = -np.inf
    sizes = zip((h, w), kernel, stride, padding, dilation, strict=True)
    out = tuple((n + 2 * p - d * (k - 1) - 1) // s + 1 for n, k, s, p, d in sizes)
    ten = (*out, *kernel, *stride, *padding, *dilation)
    g = rng.standard_normal((2, 3, *out)).astype(np.float32)
    index = np.empty((2, 3, *out), np.int64)
    for at in np.ndindex(*index.shape):
        best = None
        for k in np.ndindex(*kernel):
            y, c = (at[2 + i] * stride[i] + k[i] * dilation[i] - padding[i] for i in (0, 1))
            if 0 <= y < h and 0 <= c < w:
                value = x[at[0], at[1], y, c]
                if best is None or value > best or np.isnan(value):
                    best, index[at] = value, y * w + c
    expected = np.take_along_axis(x.reshape(2, 3, -1), index.reshape(2, 3, -1), -1).reshape(g.shape)
    gradient = np.zeros((6, h * w), np.float32)
    np.add.at(gradient, (np.repeat(np.arange(6), out[0] * out[1]), index.ravel()), g.ravel())
    np.testing.assert_array_equal(C.max_pool2d(x, *ten), expected)
    values, found = C.max_indices2d(x, *ten)
    np.testing.assert_array_equal(values, expected)
    np.testing.assert_array_equal(found, index)
    backward = C.max_pool2d_backward(g, x, *ten)
    np.testing.assert_allclose(backward.reshape(6, -1), gradient, rtol=1e-5, atol=1e-6)
