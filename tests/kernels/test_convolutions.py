"""The native convolutions against the reference in float64: every way of computing them."""

import itertools

import numpy as np
import pytest

from rushlight._core.extension import C
from rushlight._ops import conv_kernels as reference

pytestmark = pytest.mark.skipif(C is None, reason="the extension is not built")

# samples, channels, size, outputs, kernel, stride, padding, dilation, groups
GEOMETRIES = [
    (1, 1, (3, 3), 1, (1, 1), (1, 1), (0, 0), (1, 1), 1),
    (2, 3, (17, 19), 9, (3, 2), (2, 2), (1, 1), (1, 1), 1),
    (1, 4, (20, 21), 7, (5, 3), (1, 3), (2, 2), (2, 1), 1),
    (3, 2, (30, 31), 16, (7, 7), (2, 2), (3, 3), (1, 1), 1),
    (5, 4, (8, 8), 70, (3, 3), (1, 1), (1, 1), (1, 1), 1),
    (2, 33, (9, 5), 65, (2, 2), (3, 2), (0, 1), (1, 2), 1),
    (40, 3, (4, 4), 20, (3, 3), (1, 1), (1, 1), (1, 1), 1),  # several images at a time
    (1, 150, (6, 6), 17, (3, 3), (2, 2), (1, 1), (1, 1), 1),  # sums in parts
    (2, 6, (9, 10), 9, (3, 3), (2, 1), (1, 2), (1, 2), 3),  # groups
    (2, 8, (100,), 13, (5,), (1,), (2,), (1,), 1),  # lines
    (1, 3, (1500,), 5, (8,), (4,), (3,), (2,), 1),  # a line in several parts
    (2, 3, (5, 6, 7), 18, (3, 2, 3), (1, 2, 2), (1, 0, 2), (2, 1, 1), 1),  # volumes
    (3, 16, (8, 8), 16, (3, 3), (1, 1), (1, 1), (1, 1), 1),  # Winograd: even, odd, no padding,
    (2, 17, (9, 11), 70, (3, 3), (1, 1), (0, 2), (1, 1), 1),  # several blocks of outputs,
    (9, 40, (5, 13), 130, (3, 3), (1, 1), (2, 0), (1, 1), 1),  # and rows of several images
    (9, 33, (4, 5), 200, (3, 3), (1, 1), (1, 1), (1, 1), 1),  # all tiles at a time
    (7, 65, (7, 3), 260, (3, 3), (1, 1), (2, 1), (1, 1), 1),
    (3, 5, (7, 9), 30, (1, 1), (1, 1), (0, 0), (1, 1), 1),  # a matrix product
    (2, 70, (8, 16), 3, (1, 1), (1, 1), (0, 0), (1, 1), 1),
    (3, 5, (9, 20), 5, (3, 3), (1, 1), (1, 1), (1, 1), 5),  # a filter for each channel
    (2, 4, (11, 35), 12, (3, 5), (2, 1), (1, 2), (1, 2), 4),
    (2, 6, (15, 13), 6, (3, 3), (2, 2), (1, 1), (1, 1), 6),
    (2, 3, (16, 17), 3, (4, 2), (3, 3), (0, 1), (1, 1), 3),
    (2, 3, (16, 17), 3, (3, 3), (1, 1), (3, 2), (1, 1), 3),
    (2, 3, (16, 20), 3, (2, 2), (3, 4), (1, 0), (1, 1), 3),
    (2, 16, (9, 21), 24, (3, 3), (1, 1), (1, 1), (1, 1), 4),  # groups of a few channels
    (2, 10, (12, 19), 35, (3, 4), (2, 3), (2, 1), (2, 1), 5),
    (2, 14, (9,), 6, (3,), (2,), (1,), (1,), 2),
    (2, 9, (9, 11), 5, (1, 1), (2, 3), (0, 0), (1, 1), 1),  # one element, not everywhere
    (1, 4, (3, 9, 11), 6, (1, 1, 1), (2, 1, 3), (0, 0, 0), (1, 1, 1), 2),
    (1, 30, (9, 11), 20, (3, 2), (2, 1), (1, 0), (1, 2), 1),  # few pixels
    (2, 50, (4, 4), 70, (3, 3), (1, 1), (1, 1), (1, 1), 1),
    (1, 80, (9, 15), 40, (3, 3), (1, 1), (1, 1), (1, 1), 2),
    (1, 64, (16,), 64, (5,), (1,), (0,), (1,), 1),
]


@pytest.fixture(params=[(level, n) for level in (C.isas() if C else []) for n in (1, 2)], ids=str)
def setting(request):
    """Each instruction set, with one thread and with two."""
    level, threads = C.isa(), C.get_num_threads()
    C.use(request.param[0])
    C.set_num_threads(request.param[1])
    yield
    C.use(level)
    C.set_num_threads(threads)


def close(found, expected, terms):
    """Float32 sums of so many products of standard normal numbers, added one by one."""
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=0, atol=4e-6 + 2e-7 * terms)


def draw(rng, *shape):
    return rng.standard_normal(shape).astype(np.float32)


@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_forward_and_both_gradients(setting, geometry):
    n, channels, size, outputs, kernel, *how, groups = geometry
    rng = np.random.default_rng(0)
    x, weight = draw(rng, n, channels, *size), draw(rng, outputs, channels // groups, *kernel)
    bias, plain = draw(rng, outputs), [a.astype(np.float64) for a in (x, weight)]
    per_tap = np.prod(kernel)
    expected = reference.convolve(np, *plain, *how, groups)
    found = C.convolution(x, weight, None, *how, groups)
    close(found, expected, per_tap * channels / groups)
    with_bias = C.convolution(x, weight, bias, *how, groups)
    close(with_bias, expected + bias.reshape(-1, *[1] * len(kernel)), per_tap * channels / groups)
    g = draw(rng, *expected.shape)
    arguments = np, g.astype(np.float64), plain[1], x.shape, *how, groups
    expected = reference.input_gradient(*arguments)
    found = C.conv_transpose(g, weight, None, x.shape, *how, groups)
    close(found, expected, per_tap * outputs / groups)
    expected = reference.weight_gradient(
        np, g.astype(np.float64), plain[0], weight.shape, *how, groups
    )
    close(C.conv_weight(g, x, weight.shape, *how, groups), expected, g.size / outputs)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_float64(geometry, threads):
    n, channels, size, outputs, kernel, *how, groups = geometry
    rng = np.random.default_rng(0)
    x, weight = (
        rng.standard_normal(s)
        for s in ((n, channels, *size), (outputs, channels // groups, *kernel))
    )
    bias, back = rng.standard_normal(outputs), rng.standard_normal(channels)
    expected = reference.convolve(np, x, weight, *how, groups)
    g = rng.standard_normal(expected.shape)
    before = C.get_num_threads()
    C.set_num_threads(threads)
    try:
        made = C.convolution(x, weight, bias, *how, groups)
        to_x = C.conv_transpose(g, weight, back, x.shape, *how, groups)
        to_weight = C.conv_weight(g, x, weight.shape, *how, groups)
    finally:
        C.set_num_threads(before)
    near = {"rtol": 1e-10, "atol": 1e-10}
    ones = [1] * len(kernel)
    np.testing.assert_allclose(made, expected + bias.reshape(-1, *ones), **near)
    expected = reference.input_gradient(np, g, weight, x.shape, *how, groups)
    np.testing.assert_allclose(to_x, expected + back.reshape(-1, *ones), **near)
    expected = reference.weight_gradient(np, g, x, weight.shape, *how, groups)
    np.testing.assert_allclose(to_weight, expected, **near)


@pytest.mark.parametrize("extra", list(itertools.product((0, 1), (0, 2))))
def test_transposed_with_more_outputs_than_inputs_reach(setting, extra):
    rng = np.random.default_rng(1)
    g, weight, bias = draw(rng, 2, 5, 4, 3), draw(rng, 5, 7, 3, 4), draw(rng, 7)
    how = (2, 3), (1, 0), (1, 1), 1
    shape = (2, 7, 7 + extra[0], 10 + extra[1])
    expected = reference.input_gradient(np, g, weight, shape, *how) + bias[:, None, None]
    close(C.conv_transpose(g, weight, bias, shape, *how), expected, 60)


def test_arrays_that_are_not_contiguous():
    rng = np.random.default_rng(2)
    x, weight = draw(rng, 9, 8, 3, 2).T, draw(rng, 4, 3, 3, 6)[..., ::2]
    how = (1, 1), (1, 1), (1, 1), 1
    expected = reference.convolve(np, x, weight, *how)
    close(C.convolution(x, weight, None, *how), expected, 27)


def test_what_is_not_served():
    x, weight = np.zeros((1, 2, 3, 3), np.float32), np.zeros((4, 2, 5, 5), np.float32)
    how = (1, 1), (0, 0), (1, 1), 1
    assert C.convolution(x, weight, None, *how) is NotImplemented
    assert C.convolution(x, weight[:, :1, :2, :2], None, *how) is NotImplemented
    assert C.convolution(x.astype("f8"), weight[..., :2, :2], None, *how) is NotImplemented
    assert C.convolution(x[:0], weight[..., :2, :2], None, *how) is NotImplemented
    assert C.conv_transpose(x, weight, None, (1, 4, 7, 7), *how) is NotImplemented
    assert C.conv_weight(x, x, (2, 2, 2, 2), *how) is NotImplemented


def test_nan_and_inf_stay_where_they_belong():
    x = np.zeros((1, 3, 40, 7), np.float32)
    x[0, 1, 20, 3] = np.nan
    weight = np.ones((5, 3, 3, 3), np.float32)
    found = C.convolution(x, weight, None, (1, 1), (1, 1), (1, 1), 1)
    assert np.isnan(found[0, :, 19:22, 2:5]).all()
    assert np.isnan(found).sum() == 5 * 9
