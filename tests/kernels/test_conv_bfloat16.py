"""Convolutions of bfloat16 on CPUs that multiply it: the reference in float64, rounded once."""

import ml_dtypes
import numpy as np
import pytest

import rushlight as torch
from rushlight._core.backend import half_kernels
from rushlight._core.extension import C
from rushlight._core.op import OPS
from rushlight._kernels import conv_bfloat16

pytestmark = pytest.mark.skipif(
    C is None or not C.multiplies_bfloat16(), reason="this CPU does not multiply bfloat16"
)
BF16 = np.dtype(ml_dtypes.bfloat16)
F = torch.nn.functional

# samples, channels, size, outputs, kernel, stride, padding, dilation
GEOMETRIES = [
    (1, 1, (3, 3), 1, (3, 3), (1, 1), (0, 0), (1, 1)),
    (3, 1, (28, 27), 32, (3, 3), (1, 1), (0, 1), (1, 1)),  # one channel
    (2, 3, (17, 19), 9, (3, 3), (1, 1), (1, 2), (1, 1)),  # an odd number of them, few outputs
    (4, 64, (8, 8), 64, (3, 3), (1, 1), (1, 1), (1, 1)),  # several images at a time
    (9, 33, (7, 7), 65, (3, 3), (1, 1), (1, 1), (1, 1)),  # several blocks of outputs, odd lines
    (5, 40, (5, 13), 130, (3, 3), (1, 1), (2, 0), (1, 1)),
    (1, 130, (3, 2), 100, (3, 3), (1, 1), (1, 1), (1, 1)),  # channels in several ranges
    (2, 17, (33, 70), 20, (3, 3), (1, 1), (1, 1), (1, 1)),  # images in several parts
    (2, 6, (5, 90), 50, (3, 3), (1, 1), (1, 1), (1, 1)),
    (1, 700, (4, 4), 16, (3, 3), (1, 1), (1, 1), (1, 1)),  # sums in several parts
    (2, 5, (16, 15), 80, (3, 3), (2, 2), (1, 1), (1, 1)),  # steps
    (2, 18, (13, 40), 33, (3, 5), (3, 2), (1, 2), (1, 1)),
    (2, 18, (13, 40), 33, (2, 3), (1, 3), (0, 2), (1, 2)),
    (2, 8, (16, 15), 33, (3, 3), (1, 1), (2, 2), (2, 3)),  # dilation
    (2, 4, (20, 21), 7, (7, 7), (2, 2), (3, 3), (1, 1)),
    (2, 16, (9, 9), 30, (5, 5), (1, 1), (2, 2), (1, 1)),
    (3, 5, (9, 11), 30, (1, 1), (1, 1), (0, 0), (1, 1)),  # one element
    (3, 70, (9, 11), 30, (1, 1), (1, 1), (1, 2), (1, 1)),
    (2, 8, (100,), 13, (5,), (1,), (2,), (1,)),  # lines
    (1, 3, (700,), 5, (8,), (4,), (3,), (2,)),
    (2, 3, (5, 6, 7), 18, (3, 2, 3), (1, 2, 2), (1, 0, 2), (2, 1, 1)),  # volumes
]


def arrays(geometry, seed=5):
    """x, filters, biases, the result's gradient, and how."""
    n, channels, size, outputs, kernel, *how = geometry
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((n, channels, *size))
    out = result_size(size, kernel, *how)
    w, b = rng.standard_normal((outputs, channels, *kernel)), rng.standard_normal(outputs)
    g = rng.standard_normal((n, outputs, *out))
    return *[a.astype(BF16) for a in (x, w, b, g)], (*how, 1)


def result_size(size, kernel, stride, padding, dilation):
    """The spatial shape of the result."""
    every = zip(size, kernel, stride, padding, dilation, strict=True)
    return [(n + 2 * p - d * (k - 1) - 1) // s + 1 for n, k, s, p, d in every]


def calls(x, w, b, g, how):
    """The three, with their arguments."""
    return {
        "convolution": (x, w, b, *how),
        "conv_transpose": (g, w, None, x.shape, *how),
        "conv_weight": (g, x, w.shape, *how),
    }


def check(got, name, args):
    """One rounding of the sum, whose own error is that of float32."""
    wide = [a.astype(np.float64) if isinstance(a, np.ndarray) else a for a in args]
    want = OPS[name].reference(np, *wide)
    assert got is not NotImplemented
    assert got.dtype == BF16
    assert got.shape == want.shape
    bound = 2.0**-8 * np.abs(want) + 1e-5 * np.abs(want).max()
    assert (np.abs(got.astype(np.float64) - want) <= bound).all()


@pytest.fixture(params=[1, 2])
def threads(request):
    """How many."""
    before = C.get_num_threads()
    C.set_num_threads(request.param)
    yield
    C.set_num_threads(before)


@pytest.mark.parametrize("geometry", GEOMETRIES, ids=str)
def test_the_sum_in_float32_rounded_once(threads, geometry):
    for name, args in calls(*arrays(geometry)).items():
        check(getattr(C, name)(*args), name, args)


@pytest.mark.parametrize("padding", [0, 1, 2])
@pytest.mark.parametrize("width", range(3, 9))
def test_every_width_and_padding(width, padding):
    geometry = (2, 3, (4, width), 4, (3, 3), (1, 1), (1, padding), (1, 1))
    for name, args in calls(*arrays(geometry)).items():
        check(getattr(C, name)(*args), name, args)


def test_the_same_bits_again(threads):
    for name, args in calls(*arrays(GEOMETRIES[3])).items():
        first = getattr(C, name)(*args)
        for _ in range(3):
            assert np.array_equal(first, getattr(C, name)(*args))


def test_other_layouts():
    x, w, b, g, how = arrays((2, 6, (8, 9), 20, (3, 3), (1, 1), (1, 1), (1, 1)))
    turned = [np.moveaxis(np.ascontiguousarray(np.moveaxis(a, 1, -1)), -1, 1) for a in (x, w, g)]
    apart = [np.repeat(a, 2, -1)[..., ::2] for a in (x, w, g)]
    for a, k, d in (turned, apart, [np.asfortranarray(a) for a in (x, w, g)]):
        for name, args in calls(a, k, b, d, how).items():
            check(getattr(C, name)(*args), name, args)


def test_infinities_stay_where_they_are():
    """An odd line's last number has no neighbour in what is summed."""
    x, w, b, g, how = arrays((1, 3, (5, 5), 4, (3, 3), (1, 1), (1, 1), (1, 1)))
    x[0, 1, 2, 4] = np.inf
    for name, args in calls(x, w, b, g, how).items():
        wide = [a.astype(np.float32) if isinstance(a, np.ndarray) else a for a in args]
        want, got = OPS[name].reference(np, *wide), getattr(C, name)(*args)
        assert np.array_equal(np.isfinite(want), np.isfinite(got.astype(np.float32)))
        assert name == "conv_transpose" or not np.isfinite(want).all()
        assert np.isfinite(want).any()


def test_what_is_left_to_others():
    x, w, b, g, how = arrays((2, 6, (8, 9), 20, (3, 3), (1, 1), (1, 1), (1, 1)))
    assert C.convolution(x[:0], w, b, *how) is NotImplemented
    assert C.convolution(x, w.astype(np.float32), b, *how) is NotImplemented
    assert C.convolution(x, w, b.astype(np.float32), *how) is NotImplemented
    assert C.conv_weight(g.astype(np.float32), x, w.shape, *how) is NotImplemented
    assert C.convolution(x, w[:, :3], b, *how[:3], 2) is NotImplemented  # groups
    assert half_kernels["convolution"](x, w[:, :3], b, *how[:3], 2) is not NotImplemented
    empty = F.conv2d(
        torch.zeros(0, 6, 8, 9).bfloat16(), torch.from_numpy(w.astype("f4")).bfloat16()
    )
    assert empty.shape == (0, 20, 6, 7)


@pytest.mark.parametrize("samples", [1, 7])
@pytest.mark.parametrize("stride", [(1, 1), (2, 3)])
def test_points_are_products(samples, stride):
    geometry = (samples, 66, (15, 13), 70, (1, 1), stride, (0, 0), (1, 1))
    for name, args in calls(*arrays(geometry)).items():
        made = getattr(conv_bfloat16, name)(*args)
        plain = name != "conv_transpose" or stride == (1, 1)
        assert (made is not NotImplemented) == plain
        assert (getattr(C, name)(*args) is NotImplemented) == plain
        got = half_kernels[name](*args).astype(np.float32)
        wide = [a.astype(np.float32) if isinstance(a, np.ndarray) else a for a in args]
        want = OPS[name].reference(np, *wide)
        np.testing.assert_allclose(got, want, rtol=2**-7, atol=2**-8 * np.abs(want).max())
