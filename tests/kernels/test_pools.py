"""The native pooling against the reference, over windows of many kinds."""

import itertools

import ml_dtypes
import numpy as np
import pytest

from rushlight._core.extension import C
from rushlight._ops import pool_kernels as reference
from rushlight._ops.pool import (
    AvgPool,
    AvgPoolBackward,
    MaxPoolBackward,
    MaxPoolWithIndices,
    PlaneScatter,
)
from rushlight._ops.pool_adaptive import AdaptiveAvgPool, AdaptiveAvgPoolBackward
from rushlight._ops.resample import Resample, ResampleBackward

if C is None:
    pytest.skip("the extension is not built", allow_module_level=True)

from rushlight._kernels import pooling

SLIDING = [  # size, kernel, stride, padding
    ((8, 8), (2, 2), (2, 2), (0, 0)),
    ((9, 7), (2, 2), (2, 2), (0, 0)),
    ((9, 70), (3, 3), (2, 2), (1, 1)),
    ((9, 11), (3, 2), (1, 1), (1, 0)),
    ((6, 5), (2, 2), (3, 4), (1, 1)),
    ((7, 40), (7, 3), (1, 3), (3, 1)),
    ((30,), (4,), (3,), (2,)),
    ((16,), (2,), (2,), (0,)),
    ((6, 8, 7), (2, 2, 2), (2, 2, 2), (0, 0, 0)),
    ((5, 6, 7), (3, 2, 3), (1, 2, 2), (1, 0, 1)),
]
VOLUMES = [  # size, kernel, stride, padding, dilation
    ((6, 8, 7), (2, 2, 2), (2, 2, 2), (0, 0, 0), (1, 1, 1)),
    ((5, 6, 7), (3, 2, 3), (1, 2, 2), (1, 0, 1), (1, 1, 1)),
    ((7, 6, 8), (2, 3, 2), (2, 1, 3), (1, 1, 0), (2, 1, 2)),
]
COVERING = [((24, 24), (1, 1)), ((7, 5), (3, 5)), ((6, 9), (4, 2)), ((3, 2), (5, 7)), ((11,), (4,)),
            ((4, 6, 5), (2, 3, 5))]  # fmt: skip


@pytest.fixture(params=C.isas(), autouse=True)
def level(request):
    """Every test once for each instruction set this CPU has."""
    before = C.isa()
    C.use(request.param)
    yield
    C.use(before)


def draw(*shape):
    return np.random.default_rng(0).standard_normal(shape).astype(np.float32)


def same(found, expected):
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("ceil_mode", [False, True])
@pytest.mark.parametrize("geometry", VOLUMES)
def test_largest_of_volumes(geometry, ceil_mode):
    """Made of two passes over planes; among equals the first counts, among nan the last."""
    size, *windows = geometry
    x = np.random.default_rng(0).integers(-2, 3, (2, 3, *size)).astype(np.float32)
    x[0, 0, 2] = np.nan
    x[1, 1] = -np.inf
    how = (*windows, ceil_mode)
    expected, at = MaxPoolWithIndices.forward(np, x, *how)
    same(pooling.max_pool(x, *how), expected)
    found = pooling.max_pool_with_indices(x, *how)
    same(found[0], expected)
    np.testing.assert_array_equal(found[1], at)
    g = draw(*expected.shape)
    x = np.nan_to_num(x, neginf=0)
    result = MaxPoolWithIndices.forward(np, x, *how)[0]
    expected = MaxPoolBackward.forward(np, g, x, result, *windows)
    same(pooling.max_pool_backward(g, x, result, *windows), expected)


@pytest.mark.parametrize("how", list(itertools.product((False, True), (False, True), (None, 5))))
@pytest.mark.parametrize("geometry", SLIDING)
def test_means_of_windows_that_slide(geometry, how):
    size, *windows = geometry
    x = draw(3, 2, *size)
    expected = AvgPool.forward(np, x, *windows, *how)
    same(pooling.avg_pool(x, *windows, *how), expected)
    g = draw(*expected.shape)
    expected = AvgPoolBackward.forward(np, g, size, *windows, *how)
    same(pooling.avg_pool_backward(g, size, *windows, *how), expected)


@pytest.mark.parametrize("geometry", COVERING)
def test_means_of_windows_that_cover(geometry):
    size, out = geometry
    x, g = draw(3, 4, *size), draw(3, 4, *out)
    same(pooling.adaptive_avg_pool(x, out), AdaptiveAvgPool.forward(np, x, out))
    expected = AdaptiveAvgPoolBackward.forward(np, g, size)
    same(pooling.adaptive_avg_pool_backward(g, size), expected)


@pytest.mark.parametrize("ceil_mode", [False, True])
@pytest.mark.parametrize("geometry", SLIDING)
def test_largest_of_windows(geometry, ceil_mode):
    size, kernel, stride, padding = geometry
    ones = (1,) * len(size)
    x = draw(2, 3, *size)
    x[0, 0] = np.round(x[0, 0])  # ties
    out = reference.output_size(size, kernel, stride, padding, ones, ceil_mode)
    expected = reference.max_indices(np, x, out, kernel, stride, padding, ones)
    found = pooling.max_pool_with_indices(x, kernel, stride, padding, ones, ceil_mode)
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_array_equal(a, b)
    values = pooling.max_pool(x, kernel, stride, padding, ones, ceil_mode)
    np.testing.assert_array_equal(values, expected[0])
    g = draw(*values.shape)
    expected = reference.max_pool_backward(np, g, x, values, kernel, stride, padding, ones)
    same(pooling.max_pool_backward(g, x, values, kernel, stride, padding, ones), expected)
    shape = x.shape
    expected = PlaneScatter.forward(np, g, found[1], shape, len(size))
    same(pooling.plane_scatter(g, found[1], shape, len(size)), expected)


def test_an_index_outside_is_not_served():
    index = np.full((1, 1, 2), 4)
    assert pooling.plane_scatter(draw(1, 1, 2), index, (1, 1, 4), 1) is NotImplemented
    assert pooling.plane_scatter(draw(1, 1, 2), -index, (1, 1, 4), 1) is NotImplemented


@pytest.mark.parametrize("mode", ["bilinear", "bicubic"])
@pytest.mark.parametrize("size", [(9, 30), (3, 2), (5, 7)])
@pytest.mark.parametrize("antialias", [False, True])
def test_resampling(mode, size, antialias):
    x = np.random.default_rng(0).standard_normal((2, 3, 5, 7))
    args = (size, mode, False, (None, None), antialias)
    want = Resample.forward(np, x, *args)
    got = Resample.forward(np, x.astype(np.float32), *args)
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, want, atol=2e-6)


def test_resampling_refuses():
    x, index, weight = np.ones((2, 3), np.float32), np.zeros((4, 2), np.int64), np.ones((4, 2))
    assert C.resample(x, index, weight, 1).shape == (2, 4)
    assert C.resample(x, index + 3, weight, 1) is NotImplemented
    assert C.resample(x, index - 1, weight, 0) is NotImplemented
    assert C.resample(x, index, weight, 2) is NotImplemented
    assert C.resample(x, index, weight[:1], 1) is NotImplemented
    assert C.resample(x.astype("f8"), index, weight, 1) is NotImplemented


@pytest.mark.parametrize("mode", ["nearest", "bilinear", "bicubic"])
@pytest.mark.parametrize("out", [(3, 4), (16, 1), (1, 7), (5, 12)])
def test_gradients_of_resizing(mode, out):
    """The transposed taps against the matrices that float64 takes."""
    g = draw(2, 3, *out)
    how = ((8, 6), mode, False, (None, None), False)
    expected = ResampleBackward.forward(np, g.astype(np.float64), *how)
    same(ResampleBackward.forward(np, g, *how), expected.astype(np.float32))


@pytest.mark.parametrize("dtype", [np.float32, np.float16, ml_dtypes.bfloat16])
@pytest.mark.parametrize("width", [2, 3, 14, 24, 31, 32, 33, 66, 70])
def test_largest_of_squares(width, dtype):
    """Windows of 2 x 2 next to each other: the last nan, the first of equals."""
    x = np.random.default_rng(0).integers(-2, 3, (2, 3, 5, width)).astype(dtype)
    x.flat[::7] = np.nan
    x[1, 1] = -np.inf
    how = (2, 2), (2, 2), (0, 0), (1, 1)
    expected = MaxPoolWithIndices.forward(np, x.astype(np.float32), *how, False)[0]
    found = pooling.max_pool(x, *how, False)
    assert found.dtype == dtype
    np.testing.assert_array_equal(found.astype(np.float32), expected)
    g = np.arange(1, 1 + found.size).reshape(found.shape).astype(dtype)
    wide = [a.astype(np.float32) for a in (g, x)]
    expected = MaxPoolBackward.forward(np, *wide, expected, *how)
    found = pooling.max_pool_backward(g, x, found, *how)
    assert found.dtype == dtype
    np.testing.assert_array_equal(found.astype(np.float32), expected)
