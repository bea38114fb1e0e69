"""Scans, sort, selection, searching and counting in C++ give what the records' references give."""

import numpy as np
import pytest

from rushlight._core import extension
from rushlight._ops.scan import Cummax, Cummin, Cumprod, Cumsum
from rushlight._ops.sort import (
    Kthvalue,
    MedianDim,
    MedianFull,
    NanmedianDim,
    NanmedianFull,
    Searchsorted,
    Sort,
    Topk,
)
from rushlight._ops.statistics import Bincount
from rushlight._ops.unique import UniqueValues

C = extension.C
pytestmark = [
    pytest.mark.usefixtures("level"),
    pytest.mark.skipif(C is None, reason="rushlight._C is not built"),
]

FLOATS, WHOLE = ("f4", "f8"), ("i8", "i4", "i2", "i1", "u1")
# about the bounds of the methods, and of the vectors
SHAPES = [
    (1,), (7,), (24,), (25,), (65,), (129,), (513,), (1030,), (5000,), (7001,), (40000,),
    (3, 5), (9, 100), (70, 3), (17, 130), (600, 40), (2, 3, 4), (3, 70, 5), (5, 1, 20),
    (2, 40, 700), (0,), (0, 3), (3, 0), (2, 0, 4),
]  # fmt: skip


def numbers(shape, dtype, nan=False, seed=0):
    """Numbers with equals among them; floats with both zeros, infinities and, if asked, nan."""
    rng = np.random.default_rng(seed)
    if dtype == "?":
        return rng.random(shape) < 0.5
    if dtype[0] != "f":
        return rng.integers(0 if dtype == "u1" else -40, 60, shape).astype(dtype)
    x = rng.standard_normal(shape).astype(dtype)
    some = rng.random(shape)
    x[some < 0.3] = np.round(x[some < 0.3] * 2) / 2
    x[some > 0.99] = -np.inf
    x[(some > 0.97) & (some < 0.98)] = -0.0
    if nan:
        x[(some > 0.3) & (some < 0.34)] = np.nan
    return x


def samples(dtypes):
    """Arrays in C order, with each of their dimensions."""
    for shape in SHAPES:
        for dtype in dtypes:
            for nan in (False, True) if dtype[0] == "f" else (False,):
                x = numbers(shape, dtype, nan)
                for dim in range(-1, x.ndim - 1):
                    yield x, dim


def layouts(x):
    """The same numbers in other layouts."""
    wide = np.zeros((*x.shape[:-1], 2 * x.shape[-1] + 1), x.dtype)
    wide[..., 1::2] = x
    return [wide[..., 1::2], np.asfortranarray(x), x[..., ::-1]]


def equal(found, wanted):
    """The same dtypes, shapes and bits (any nan equals any other)."""
    if not isinstance(wanted, tuple):
        found, wanted = (found,), (wanted,)
    for a, b in zip(found, wanted, strict=True):
        a, b = np.asarray(a), np.asarray(b)
        assert a.dtype == b.dtype
        assert a.shape == b.shape
        np.testing.assert_array_equal(a, b)
        if a.dtype.kind == "f":
            good = ~np.isnan(b)
            np.testing.assert_array_equal(np.signbit(a[good]), np.signbit(b[good]))


@pytest.mark.parametrize("record", [Cumsum, Cumprod])
def test_running_sums_and_products(record):
    kernel = getattr(C, record.name)
    with np.errstate(all="ignore"):
        for x, dim in samples((*FLOATS, *WHOLE, "?")):
            equal(kernel(x, dim, None), record.reference(np, x, dim, None))
            if x.dtype.itemsize == 4 and x.size < 3000:
                for y in layouts(x):
                    found = kernel(y, dim, None)
                    equal(found, record.reference(np, y, dim, None))
                    assert found.flags.c_contiguous


@pytest.mark.parametrize("record", [Cummax, Cummin])
def test_running_extrema(record):
    kernel = getattr(C, record.name)
    for x, dim in samples((*FLOATS, *WHOLE, "?")):
        equal(kernel(x, dim), record.reference(np, x, dim))
        if x.dtype.itemsize == 4 and x.size < 3000:
            for y in layouts(x):
                equal(kernel(y, dim), record.reference(np, y, dim))


@pytest.mark.parametrize("descending", [False, True])
def test_sort(descending):
    for x, dim in samples((*FLOATS, *WHOLE, "?")):
        equal(C.sort(x, dim, descending), Sort.reference(np, x, dim, descending))


@pytest.mark.parametrize("largest", [False, True])
def test_topk(largest):
    for x, dim in samples(("f4", "f8", "i8", "u1")):
        n = x.shape[dim]
        values, places = Sort.reference(np, x, dim, largest)
        for k in {0, min(1, n), min(5, n), min(16, n), n // 3, n}:
            first = (slice(None),) * (dim % x.ndim) + (slice(0, k),)
            equal(C.topk(x, k, dim, largest, True), (values[first], places[first]))
    for y in layouts(numbers((20, 200), "f4")):
        equal(C.topk(y, 9, 0, largest, True), Topk.reference(np, y, 9, 0, largest))


def test_elements_of_a_rank():
    for x, dim in samples(("f4", "f8", "i8", "i2")):
        n = x.shape[dim]
        if not n:
            continue
        order = Sort.reference(np, x, dim, False)
        for k in {1, (n + 1) // 2, n}:
            wanted = tuple(a.take([k - 1], dim) for a in order)
            equal(C.kthvalue(x, k, dim, True), wanted)
            equal(C.kthvalue(x, k, dim, False), tuple(a.squeeze(dim) for a in wanted))
    y = numbers((20, 200), "f4").T
    wanted = Kthvalue.reference(np, y, 3, 0, False)[0]
    np.testing.assert_array_equal(C.kthvalue(y, 3, 0, False)[0], wanted)


@pytest.mark.parametrize("record", [MedianDim, NanmedianDim])
def test_medians(record):
    kernel = getattr(C, record.name)
    for x, dim in samples(("f4", "f8", "i8", "i2")):
        if not x.shape[dim]:
            continue
        values, places = kernel(x, dim, True)
        # the reference takes any of equals, such as 0.0 and -0.0
        np.testing.assert_array_equal(values, record.reference(np, x, dim, True)[0])
        np.testing.assert_array_equal(np.take_along_axis(x, places, dim), values)
        if record is MedianDim and x.dtype.kind == "f":  # the first nan is meant
            bad = np.isnan(x).any(dim, keepdims=True)
            np.testing.assert_array_equal(places[bad], np.isnan(x).argmax(dim, keepdims=True)[bad])


@pytest.mark.parametrize("record", [MedianFull, NanmedianFull])
def test_medians_of_all(record):
    kernel = getattr(C, record.name)
    for x, _ in samples(("f4", "f8", "i8", "i2")):
        if x.size:
            np.testing.assert_array_equal(kernel(x), record.reference(np, x))
    allnan = np.full(5, np.nan, "f4")
    assert np.isnan(kernel(allnan))


def test_hard_rows():
    """Rows that are worst for one method or another."""
    n = 20000
    for x in (np.zeros(n), np.arange(n), np.arange(n)[::-1], np.arange(n) % 2, np.full(n, np.nan)):
        for dtype in ("f4", "f8"):
            y = x.astype(dtype)
            for largest in (False, True):
                values, places = Sort.reference(np, y, 0, largest)
                equal(C.sort(y, 0, largest), (values, places))
                for k in (1, 16, 17, 300):
                    equal(C.topk(y, k, 0, largest, True), (values[:k], places[:k]))
            np.testing.assert_array_equal(
                C.kthvalue(y, n // 2, 0, False)[0], np.sort(y)[n // 2 - 1]
            )


def test_what_is_left_to_the_reference():
    x = numbers((4, 5), "f4")
    assert C.sort(x.T, 0, False) is NotImplemented  # its strides are its input's
    assert C.sort(x, 2, False) is NotImplemented
    assert C.sort(x.astype("f2"), 0, False) is NotImplemented
    assert C.topk(x, 6, 1, True, True) is NotImplemented
    assert C.kthvalue(x, 0, 1, False) is NotImplemented
    assert C.median(np.zeros((3, 0), "f4"), 1, False) is NotImplemented
    assert C.median_full(np.zeros(0, "f4")) is NotImplemented
    assert C.cumsum(x, 0, "f8") is NotImplemented
    assert C.cumsum(np.float32(1), 0, None) is NotImplemented
    assert C.cummax(np.zeros((), "f4"), 0) is NotImplemented
    assert C.cummax(x.astype("c8"), 0) is NotImplemented


@pytest.mark.parametrize("right", [False, True])
@pytest.mark.parametrize("narrow", [False, True])
def test_searchsorted(right, narrow):
    for dtype in ("f4", "f8", "i8", "i4"):
        for n in (0, 1, 2, 3, 7, 8, 100, 1000):
            row = np.sort(numbers(n, dtype, nan=n > 3))
            for shape in ((), (1,), (9,), (0,), (5, 7), (40000,)):
                values = numbers(shape, dtype, nan=len(shape) > 0, seed=1) if shape else row.sum()
                values = np.asarray(values, dtype)
                found = C.searchsorted(row, values, narrow, right)
                equal(found, Searchsorted.reference(np, row, values, narrow, right))
        rows = np.sort(numbers((3, 4, 50), dtype), -1)
        values = numbers((3, 4, 30), dtype, seed=1)
        found = C.searchsorted(rows, values, narrow, right)
        equal(found, Searchsorted.reference(np, rows, values, narrow, right))
    assert C.searchsorted(rows, values[0], narrow, right) is NotImplemented
    assert C.searchsorted(rows, values.astype("f8"), narrow, right) is NotImplemented


@pytest.mark.parametrize("dtype", ["i8", "i4"])
def test_bincount(dtype):
    rng = np.random.default_rng(0)
    for n in (0, 1, 5, 100, 5000):
        for most in (1, 3, 1000, 20000):
            x = rng.integers(0, most, n).astype(dtype)
            for least in (0, 1, 5000):
                equal(C.bincount(x, None, least), Bincount.reference(np, x, None, least))
    assert C.bincount(x, None, -1) is NotImplemented
    assert C.bincount(-x - 1, None, 0) is NotImplemented
    assert C.bincount(x, x, 0) is NotImplemented
    assert C.bincount(x.reshape(2, -1), None, 0) is NotImplemented


@pytest.mark.parametrize("details", [False, True])
def test_unique(details):
    for x, _ in samples(("f4", "f8", "i8", "i4")):
        found = C.unique(x, None, details)
        if found is NotImplemented:
            assert x.dtype.kind == "i"
            assert x.size > 256
            continue
        wanted = UniqueValues.reference(np, x, None, details)
        for i, (a, b) in enumerate(zip(found, wanted, strict=True)):
            assert b is None or (a.dtype == b.dtype and a.shape == b.shape)
            good = x == x if i == 1 and details else ...  # the reference mixes nans up
            np.testing.assert_array_equal(np.asarray(a)[good], np.asarray(b)[good])
    assert C.unique(x, 0, details) is NotImplemented
