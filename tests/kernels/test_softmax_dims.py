"""softmax, its relatives and logsumexp along any dimension against the records' own forwards."""

import numpy as np
import pytest

from rushlight._core.extension import C
from rushlight._core.op import OPS

pytestmark = pytest.mark.skipif(C is None, reason="no native extension")
rng = np.random.default_rng(0)
CASES = [
    ((5,), 0),
    ((7, 3), 0),
    ((100, 65), 0),
    ((3, 40, 130), 1),
    ((300, 257), 0),
    ((2, 3, 4, 17), -2),
    ((4, 5, 1), 1),
    ((600, 300), 1),
]


@pytest.mark.parametrize("shape, dim", CASES)
@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
def test_along_dims(name, shape, dim):
    x = rng.standard_normal(shape).astype(np.float32) * 5
    g = rng.standard_normal(shape).astype(np.float32)
    want = OPS[name].reference(np, x, dim)
    got = getattr(C, name)(x, dim)
    assert got is not NotImplemented
    np.testing.assert_allclose(got, want, rtol=5e-6, atol=5e-6)
    got = getattr(C, name + "_backward")(g, want, dim)
    want = OPS[name + "_backward"].reference(np, g, want, dim)
    np.testing.assert_allclose(got, want, rtol=2e-5, atol=2e-5)


@pytest.mark.parametrize("keepdim", [False, True])
@pytest.mark.parametrize("shape", [(5,), (3, 4), (2, 3, 100), (300, 400), (4, 1)])
def test_logsumexp(shape, keepdim):
    x = rng.standard_normal(shape).astype(np.float32) * 5
    x.reshape(-1)[0] = -np.inf
    if len(shape) > 1:
        x[-1] = -np.inf
    with np.errstate(divide="ignore"):
        want = OPS["logsumexp"].reference(np, x, -1, keepdim)
    got = C.logsumexp(x, -1, keepdim)
    assert got.shape == want.shape
    np.testing.assert_allclose(got, want, rtol=2e-6, atol=2e-6)
    np.testing.assert_array_equal(C.logsumexp(x, (len(shape) - 1,), keepdim), got)


def test_logsumexp_of_infinities_and_nan():
    x = np.array([[np.inf, 1.0], [np.nan, 1.0], [1.0, np.nan], [-np.inf, np.inf]], np.float32)
    np.testing.assert_array_equal(C.logsumexp(x, 1, False), [np.inf, np.nan, np.nan, np.inf])


def test_what_is_not_served():
    x = np.ones((2, 3), np.float32)
    assert C.softmax(x, 2) is NotImplemented
    assert C.softmax(x.astype(np.float64), 1) is NotImplemented
    assert C.logsumexp(np.ones((2, 3, 4), np.float32), (0, 2), False) is NotImplemented


def test_any_layout_is_served():
    x = np.random.default_rng(0).standard_normal((5, 7, 70)).astype(np.float32)
    for y in (x.T, x[::2], x[..., ::3], x.swapaxes(0, 1)):
        for dim in range(3):
            np.testing.assert_array_equal(C.softmax(y, dim), C.softmax(y.copy(), dim))
            wanted = np.log(np.exp(y.astype(np.float64)).sum(dim))
            np.testing.assert_allclose(C.logsumexp(y, dim, False), wanted, rtol=2e-6, atol=1e-6)
        wanted = np.log(np.exp(y.astype(np.float64)).sum((1, 2), keepdims=True))
        np.testing.assert_allclose(C.logsumexp(y, (1, 2), True), wanted, rtol=2e-6)
