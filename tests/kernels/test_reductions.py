"""Reductions in C++ against NumPy in float64: any dimensions, strides and dtypes, and the edges."""

import itertools

import numpy as np
import pytest

from rushlight._core import extension

C = extension.C
pytestmark = [
    pytest.mark.usefixtures("level"),
    pytest.mark.skipif(C is None, reason="rushlight._C is not built"),
    pytest.mark.filterwarnings("ignore::RuntimeWarning"),
]


def layouts(x):
    """The same elements, laid out otherwise."""
    yield x
    yield np.asfortranarray(x)
    yield np.repeat(x, 2, -1)[..., ::2]
    yield np.ascontiguousarray(x[::-1])[::-1]
    wide = np.empty((*x.shape[:-1], x.shape[-1] + 5), x.dtype)
    wide[..., : x.shape[-1]] = x
    yield wide[..., : x.shape[-1]]
    if x.ndim > 2:
        yield np.ascontiguousarray(x.swapaxes(0, -1)).swapaxes(0, -1)
        yield np.ascontiguousarray(np.moveaxis(x, 1, 0)).transpose(1, 0, *range(2, x.ndim))


def dims_of(ndim):
    yield None
    yield ()
    for r in range(1, ndim + 1):
        yield from itertools.combinations(range(ndim), r)


def axis(dim):
    return None if dim in (None, ()) else dim


SHAPES = [
    (3,),
    (4, 5),
    (300, 7),
    (7, 300),
    (1, 40),
    (2, 3, 4, 5),
    (6, 1, 33),
    (5000, 3),
    (40, 70, 3),
]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_sums_means_and_norms(shape, dtype):
    whole = (np.random.default_rng(0).standard_normal(shape) * 3).astype(dtype)
    exact = whole.astype(np.float64)
    tolerance = {"rtol": 1e-5, "atol": 1e-4} if dtype == "f4" else {"rtol": 1e-12, "atol": 1e-11}
    for x, dim, keep in itertools.product(layouts(whole), dims_of(whole.ndim), (False, True)):
        over = {"axis": axis(dim), "keepdims": keep}
        for found, wanted in (
            (C.sum(x, dim, keep, None), exact.sum(**over)),
            (C.mean(x, dim, keep, None), exact.mean(**over)),
            (C.prod(x / 3, dim, keep, None), (exact / 3).prod(**over)),
            (C.linalg_vector_norm(x, 2.0, dim, keep, None), np.sqrt((exact**2).sum(**over))),
            (C.linalg_vector_norm(x, 1.0, dim, keep, None), np.abs(exact).sum(**over)),
        ):
            assert found.dtype == dtype
            assert found.shape == np.shape(wanted)
            np.testing.assert_allclose(found, wanted, **tolerance)
        inf = C.linalg_vector_norm(x, np.inf, dim, keep, None)
        np.testing.assert_array_equal(inf, np.abs(whole).max(**over))
        np.testing.assert_array_equal(C.amax(x, dim, keep), whole.max(**over))
        np.testing.assert_array_equal(C.amin(x, dim, keep), whole.min(**over))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_variances(shape, dtype):
    whole = (np.random.default_rng(1).standard_normal(shape) * 3 + 100).astype(dtype)
    exact = whole.astype(np.float64)
    for x, dim, keep in itertools.product(layouts(whole), dims_of(whole.ndim), (False, True)):
        found = C.var_mean(x, dim, 0, keep)
        over = {"axis": axis(dim), "keepdims": keep}
        np.testing.assert_allclose(found[0], exact.var(**over), rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(found[1], exact.mean(**over), rtol=1e-6)
        np.testing.assert_array_equal(found[0], C.var(x, dim, 0, keep))
        np.testing.assert_allclose(C.std(x, dim, 0, keep), exact.std(**over), rtol=1e-5, atol=1e-3)
    assert C.var(whole, None, whole.size, False) is NotImplemented  # the reference warns


def test_variances_of_long_arrays():
    x = (np.random.default_rng(2).standard_normal(3_000_000) + 1000).astype(np.float32)
    for shape in ((-1,), (3, -1), (-1, 3), (-1, 300)):
        y = x.reshape(shape)
        for dim in range(y.ndim):
            exact = y.astype(np.float64)
            found = C.var_mean(y, dim, 1, False)
            np.testing.assert_allclose(found[0], exact.var(dim, ddof=1), rtol=1e-4)
            np.testing.assert_allclose(found[1], exact.mean(dim), rtol=2e-7)


@pytest.mark.parametrize("dtype", ["f4", "f8", "i8", "i4", "u1", "?"])
def test_extrema_and_their_places(dtype):
    rng = np.random.default_rng(3)
    for shape in [*SHAPES, (70_000,), (2, 70_000)]:
        whole = (rng.standard_normal(shape) * 3).round().astype(dtype)
        if whole.dtype.kind == "f" and whole.size > 50:
            whole.flat[rng.integers(0, whole.size, 3)] = np.nan
        for x, keep in itertools.product(layouts(whole), (False, True)):
            for dim in range(-whole.ndim, whole.ndim):
                for name in ("max", "min"):
                    values, index = getattr(C, name)(x, dim, keep)
                    wanted = getattr(whole, f"arg{name}")(dim, None, keepdims=keep)
                    np.testing.assert_array_equal(index, wanted)
                    np.testing.assert_array_equal(values, getattr(whole, name)(dim, keepdims=keep))
                    assert values.dtype == whole.dtype
            if dtype != "?":
                np.testing.assert_array_equal(C.argmax(x, None, False), whole.argmax())
                np.testing.assert_array_equal(C.argmin(x, None, True), whole.argmin(keepdims=True))
            np.testing.assert_array_equal(C.max_full(x), whole.max())
            np.testing.assert_array_equal(C.min_full(x), whole.min())


@pytest.mark.parametrize("dtype", ["i8", "i4", "u1", "?", "i2"])
def test_sums_of_integers(dtype):
    rng = np.random.default_rng(4)
    for shape in [*SHAPES, (100_000,)]:
        whole = (rng.integers(0, 2 if dtype == "?" else 100, shape)).astype(dtype)
        for x, dim in itertools.product(layouts(whole), dims_of(whole.ndim)):
            wanted = whole.sum(axis(dim), dtype=np.int64)
            found = C.sum(x, dim, False, None)
            assert found.dtype == np.int64
            np.testing.assert_array_equal(found, wanted)
            if dtype == "?" and dim != ():
                np.testing.assert_array_equal(C.any(x, dim, False), whole.any(axis(dim)))
                np.testing.assert_array_equal(
                    C.all(x, dim, True), whole.all(axis(dim), keepdims=True)
                )


def test_edges():
    inf, nan = np.inf, np.nan
    x = np.ones((70, 130), np.float32)
    x[3, 4], x[5, 6], x[7, 7], x[7, 8] = nan, inf, inf, -inf
    for dim in (0, 1, None):
        wanted = x.astype(np.float64)
        with np.errstate(all="ignore"):
            np.testing.assert_array_equal(C.amax(x, dim, False), wanted.max(dim))
            np.testing.assert_array_equal(C.amin(x, dim, False), wanted.min(dim))
            np.testing.assert_array_equal(C.sum(x, dim, False, None), wanted.sum(dim))
            var, mean = C.var_mean(x, dim, 0, False)
            np.testing.assert_allclose(var, wanted.var(dim), atol=1e-7)
            np.testing.assert_allclose(mean, wanted.mean(dim))
    zeros = np.full((3, 200), -0.0, np.float32)
    assert not np.signbit(C.linalg_vector_norm(zeros, inf, 1, False, None)).any()
    assert not np.signbit(C.linalg_vector_norm(zeros, -inf, 0, False, None)).any()
    assert C.sum(zeros[:0], 0, False, None) is NotImplemented
    assert C.sum(np.float32(3).reshape(()), None, False, None) is NotImplemented


def test_long_sums_are_accurate():
    x = np.random.default_rng(0).random(2_000_000, np.float32)
    for shape in ((-1,), (2, -1), (-1, 2), (-1, 5), (-1, 500)):
        y = x.reshape(shape)
        for dim in range(y.ndim):
            exact = y.astype(np.float64).sum(dim)
            np.testing.assert_allclose(C.sum(y, dim, False, None), exact, rtol=2e-6)


def test_any_number_of_threads_gives_the_same_bits():
    before = C.get_num_threads()
    x = np.random.default_rng(5).standard_normal((1000, 300)).astype(np.float32)
    shapes = [x, x.T, x.reshape(-1), x.reshape(-1, 3), x.reshape(3, -1)]
    try:
        C.set_num_threads(1)
        alone = [(C.sum(y, 0, False, None), *C.var_mean(y, 0, 1, False)) for y in shapes]
        for n in (2, 3):
            C.set_num_threads(n)
            for y, wanted in zip(shapes, alone, strict=True):
                found = (C.sum(y, 0, False, None), *C.var_mean(y, 0, 1, False))
                for f, w in zip(found, wanted, strict=True):
                    np.testing.assert_array_equal(f, w)
    finally:
        C.set_num_threads(before)
