"""Native kernels: within 2.5 ulp of mathematics, right at the edges, and silent where they do not
serve.
"""

import math
import subprocess
import sys

import numpy as np
import pytest

from rushlight._core import extension
from rushlight._core.backend import kernel_for

C = extension.C
pytestmark = [
    pytest.mark.usefixtures("level"),
    pytest.mark.skipif(C is None, reason="rushlight._C is not built"),
]
special = pytest.importorskip("scipy.special")


ROOT_HALF = math.sqrt(0.5)
TRUTH = {
    "exp": np.exp,
    "log": lambda x: np.log(np.abs(x)),
    "sigmoid": special.expit,
    "erf": special.erf,
    "gelu": lambda x: 0.5 * x * special.erfc(-x * ROOT_HALF),
    "gelu_tanh": lambda x: x * special.expit(2 * math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)),
    "silu": lambda x: x * special.expit(x),
}
# gelu's own error in units of its argument: PyTorch's is 1.2e-6 there, relative accuracy ends in
# its tail.
ABSOLUTE = {"gelu": 5e-7, "gelu_tanh": 6e-7, "silu": 4e-37, "sigmoid": 1e-37}
EDGES = np.array(
    [0.0, -0.0, np.inf, -np.inf, np.nan, 1e-45, -1e-45, 1e-40, 88.72, -87.4, -103.9], np.float32
)
SIZES = [0, 1, 3, 4, 7, 8, 9, 15, 16, 17, 31, 32, 33, 100, 40000]


def numbers(n=40000):
    rng = np.random.default_rng(0)
    scales = rng.choice([0.01, 1.0, 8.0, 30.0], n)
    return (rng.standard_normal(n) * scales).astype(np.float32)


@pytest.mark.parametrize("name", TRUTH)
def test_accuracy(name):
    x = numbers()
    x = np.abs(x) if name == "log" else x
    truth = TRUTH[name](x.astype(np.float64))
    found = getattr(C, name)(x)
    normal = np.abs(truth) < 3e38
    ulp = np.spacing(np.maximum(np.abs(truth[normal]), 2.0**-126).astype(np.float32))
    error = np.abs(found[normal] - truth[normal])
    assert (error <= 2.5 * ulp + ABSOLUTE.get(name, 0)).all()
    assert np.isinf(found[~normal]).all()


@pytest.mark.parametrize("name", TRUTH)
def test_every_length_has_the_same_bits(name):
    """The tail past the last vector is computed like the rest."""
    x = numbers()
    whole = getattr(C, name)(x)
    for n in SIZES:
        np.testing.assert_array_equal(getattr(C, name)(x[:n].copy()), whole[:n])


def test_edges():
    with np.errstate(all="ignore"):
        np.testing.assert_allclose(C.exp(EDGES), np.exp(EDGES), rtol=3e-7)
        np.testing.assert_allclose(C.log(EDGES), np.log(EDGES), rtol=3e-7)
    np.testing.assert_allclose(C.sigmoid(EDGES), special.expit(EDGES), rtol=3e-7)
    np.testing.assert_allclose(C.erf(EDGES), special.erf(EDGES), rtol=3e-7)
    assert np.signbit(C.erf(EDGES)[1])
    assert C.gelu(np.float32([1e38, -1e38, 0.0]).copy()).tolist() == [np.float32(1e38), 0.0, 0.0]
    assert math.isnan(C.gelu(EDGES)[4])


@pytest.mark.parametrize("shape", [(1, 1), (3, 5), (4, 16), (7, 33), (2, 3, 1000), (300, 257)])
def test_rows_match_mathematics(shape):
    x = np.random.default_rng(1).standard_normal(shape).astype(np.float32) * 3
    g = np.random.default_rng(2).standard_normal(shape).astype(np.float32)
    wide = x.astype(np.float64)
    soft = special.softmax(wide, -1)
    np.testing.assert_allclose(C.softmax(x, -1), soft, rtol=2e-6)
    np.testing.assert_allclose(
        C.log_softmax(x, x.ndim - 1), special.log_softmax(wide, -1), rtol=2e-6, atol=1e-6
    )
    y = C.softmax(x, -1)
    expected = soft * (g - (g * soft).sum(-1, keepdims=True))
    np.testing.assert_allclose(C.softmax_backward(g, y, -1), expected, rtol=1e-4, atol=1e-6)
    logs = C.log_softmax(x, -1)
    expected = g - soft * g.sum(-1, keepdims=True)
    np.testing.assert_allclose(C.log_softmax_backward(g, logs, -1), expected, rtol=1e-4, atol=3e-5)


def test_softmax_at_the_edges():
    inf, nan = np.inf, np.nan
    rows = np.array(
        [[1, nan, 2], [-inf, -inf, -inf], [inf, 1, 2], [-inf, 0, 0], [1e38, 0, -1e38]], np.float32
    )
    found = C.softmax(rows, 1)
    assert np.isnan(found[:3]).all()
    assert found[3].tolist() == [0, 0.5, 0.5]
    assert found[4].tolist() == [1, 0, 0]


def test_layer_norm_and_its_gradient():
    rng = np.random.default_rng(3)
    x, g = (rng.standard_normal((50, 77)).astype(np.float32) for _ in range(2))
    w, b = (rng.standard_normal(77).astype(np.float32) for _ in range(2))
    out, mean, rstd = C.layer_norm(x, w, b, 77, 1e-5)
    wide = x.astype(np.float64)
    m, v = wide.mean(1, keepdims=True), wide.var(1, keepdims=True)
    hat = (wide - m) / np.sqrt(v + 1e-5)
    np.testing.assert_allclose(out, hat * w + b, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(mean, m[:, 0], atol=1e-6)
    expected = (g - g.mean(1, keepdims=True) - hat * (g * hat).mean(1, keepdims=True)) / np.sqrt(
        v + 1e-5
    )
    found = C.standardize_backward(g, x, mean, rstd, 77)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    assert C.layer_norm(x, None, None, 77, 1e-5)[0].shape == x.shape


def test_gradients_of_gelu_and_silu():
    x, g = numbers(1000), numbers(1000)[::-1].copy()
    wide = x.astype(np.float64)
    pdf = np.exp(-wide * wide / 2) / math.sqrt(2 * math.pi)
    cdf = 0.5 * special.erfc(-wide * ROOT_HALF)
    error = np.abs(C.gelu_backward(g, x) - g * (cdf + wide * pdf))
    assert (error <= 1e-6 * np.abs(g)).all()
    s = special.expit(wide)
    np.testing.assert_allclose(
        C.silu_backward(g, x), g * s * (1 + wide * (1 - s)), rtol=1e-5, atol=1e-6
    )


@pytest.mark.parametrize(
    "wrong",
    [
        np.zeros((4, 4)),  # float64
        np.zeros((4, 4), ">f4"),  # the other byte order
        np.zeros((4, 4), np.int64),
        np.zeros((2, 2), np.float32).view(np.recarray),  # a subclass
        3.0,
    ],
)
def test_others_are_not_served(wrong):
    assert C.exp(wrong) is NotImplemented
    assert C.softmax(wrong, -1) is NotImplemented
    assert C.gelu_backward(wrong, wrong) is NotImplemented


def test_empty_rows_are_not_served():
    x = np.zeros((3, 4), np.float32)
    assert C.softmax(x[:0], 1) is NotImplemented
    assert C.softmax(np.zeros((), np.float32), 0) is NotImplemented


def test_any_number_of_threads_gives_the_same_bits():
    before = C.get_num_threads()
    x = numbers(300_000)
    rows = x.reshape(300, 1000)
    try:
        C.set_num_threads(1)
        alone = [C.exp(x), C.softmax(rows, 1)]
        for n in (2, 3, 4):
            C.set_num_threads(n)
            for _ in range(5):
                np.testing.assert_array_equal(C.exp(x), alone[0])
                np.testing.assert_array_equal(C.softmax(rows, 1), alone[1])
    finally:
        C.set_num_threads(before)


FORKING = """
import os, numpy as np
from rushlight._core.extension import C
C.set_num_threads(2)
x = np.linspace(-5, 5, 400000, dtype=np.float32)
expected = C.exp(x)
pid = os.fork()
if pid == 0:
    os._exit(0 if (C.exp(x) == expected).all() else 1)
assert os.waitpid(pid, 0)[1] == 0
"""


@pytest.mark.skipif(not hasattr(__import__("os"), "fork"), reason="the system has no fork")
def test_a_forked_child_has_threads_of_its_own():
    subprocess.run([sys.executable, "-W", "ignore", "-c", FORKING], check=True, timeout=600)


def test_kernels_are_entered_under_their_ops():
    for name in (
        "exp",
        "sigmoid",
        "gelu",
        "softmax",
        "log_softmax",
        "native_layer_norm",
        "cross_entropy",
    ):
        assert kernel_for(name) is not None


def test_the_environment_turns_them_off():
    code = (
        "from rushlight._core.extension import C; assert not C; import rushlight as r; r.randn(3)"
    )
    env = {**__import__("os").environ, "RUSHLIGHT_NATIVE": "0"}
    subprocess.run([sys.executable, "-c", code], check=True, timeout=600, env=env)
