"""Activations, slopes and threaded ufuncs in C++ against their formulas in float64."""

import itertools
import math

import numpy as np
import pytest

import rushlight  # noqa: F401 (makes the records)
from rushlight._core import extension
from rushlight._core.op import OPS

C = extension.C
pytestmark = [
    pytest.mark.usefixtures("level"),
    pytest.mark.skipif(C is None, reason="rushlight._C is not built"),
    pytest.mark.filterwarnings("ignore::RuntimeWarning"),
]


CURVES = {  # name -> numbers
    "elu": (1.0, 1.0, 1.0),
    "leaky_relu": (0.1,),
    "hardsigmoid": (),
    "hardswish": (),
    "hardshrink": (0.5,),
    "softshrink": (0.5,),
    "threshold": (0.5, 7.0),
    "mish": (),
    "softplus": (1.0, 20.0),
    "logsigmoid": (),
    "rsqrt": (),
}
SLOPES = {
    "elu_backward": (1.5, 1.1, 1.0),
    "leaky_relu_backward": (0.1,),
    "hardsigmoid_backward": (),
    "hardswish_backward": (),
    "hardshrink_backward": (0.5,),
    "threshold_backward": (0.5,),
    "hardtanh_backward": (-1.0, 1.0),
    "mish_backward": (),
    "softplus_backward": (2.0, 20.0),
    "logsigmoid_backward": (),
    "sqrt_backward": (),
    "rsqrt_backward": (),
    "reciprocal_backward": (),
    "silu_backward": (),
    "gelu_backward": ("none",),
}
# Beside 2.5 ulp: where a slope is a difference of larger numbers.
ABSOLUTE = {
    "mish_backward": 3e-7,
    "silu_backward": 1e-6,
    "hardswish_backward": 1e-7,
    "gelu_backward": 1e-6,
    "mish": 3e-37,
}
ABSOLUTE |= {"logsigmoid_backward": 1e-37, "softplus_backward": 1e-37, "elu_backward": 1e-37}
LOOSE = {"gelu_backward", "mish_backward", "silu_backward", "rsqrt_backward"}


def numbers(n=20_000, seed=0):
    rng = np.random.default_rng(seed)
    x = (rng.standard_normal(n) * rng.choice([0.01, 1.0, 8.0, 30.0], n)).astype(np.float32)
    x[:8] = [0.0, -0.0, 3.0, -3.0, 0.5, -0.5, 1.0, -1.0]
    return x


def close(name, found, truth, factor=1.0):
    truth = np.where(np.abs(truth) > 3.4028235e38, np.sign(truth) * np.inf, truth)
    ulp = np.spacing(np.maximum(np.abs(truth), 2.0**-126).astype(np.float32))
    units = 6 if name in LOOSE else 2.5
    finite = np.isfinite(truth)
    np.testing.assert_array_equal(found[~finite], truth[~finite])
    error = np.abs(found[finite] - truth[finite])
    allowed = units * ulp[finite] + ABSOLUTE.get(name, 0) * factor
    worst = (error / allowed).max()
    assert worst <= 1, f"{name}: {worst} of what is allowed at {np.argmax(error / allowed)}"


@pytest.mark.parametrize("name", CURVES)
def test_activations(name):
    x = np.abs(numbers()) + 1e-3 if name == "rsqrt" else numbers()
    params = CURVES[name]
    truth = OPS[name].reference(np, x.astype(np.float64), *params)
    if name == "hardswish":
        truth = truth.astype(np.float32).astype(np.float64)
    close(name, getattr(C, name)(x, *params), truth)


@pytest.mark.parametrize("name", SLOPES)
def test_slopes(name):
    x, g = numbers(), numbers(seed=1)
    if name in ("sqrt_backward", "rsqrt_backward", "reciprocal_backward"):
        x = np.abs(x) + np.float32(0.1)
    params = SLOPES[name]
    truth = OPS[name].reference(np, g.astype(np.float64), x.astype(np.float64), *params)
    close(name, OPS[name].native(g, x, *params), truth, np.abs(g))


@pytest.mark.parametrize("name", [*CURVES, *SLOPES])
def test_special_numbers(name):
    x = np.array([np.nan, np.inf, -np.inf, 0.0, -0.0, 1e-45, -1e-40, 3e38, -3e38], np.float32)
    params = CURVES.get(name) or SLOPES.get(name, ())
    args = (x,) if name in CURVES else (np.ones_like(x), x)
    with np.errstate(all="ignore"):
        wide = np.float32 if name == "hardswish" else np.float64  # one overflows as PyTorch's does
        wanted = OPS[name].reference(np, *[a.astype(wide) for a in args], *params)
        found = OPS[name].native(*args, *params)
        wanted = wanted.astype(np.float32)
    skip = name in ("silu_backward", "mish_backward", "gelu_backward")  # 0 x inf at the ends
    kept = np.isfinite(x) | np.isnan(x) if skip else np.ones_like(x, bool)
    np.testing.assert_allclose(found[kept], wanted[kept], rtol=1e-6, atol=2e-38)
    assert np.isnan(found[0]) == np.isnan(wanted[0])


def laid_out(x):
    yield x
    yield np.asfortranarray(x)
    yield np.repeat(x, 2, -1)[..., ::2]
    yield x[::-1]


@pytest.mark.parametrize("name", ["elu", "leaky_relu", "exp", "gelu_tanh", "sigmoid"])
def test_results_lie_as_their_inputs_do(name):
    whole = numbers(120).reshape(2, 3, 20)
    params = CURVES.get(name, ())
    wanted = getattr(C, name)(whole, *params)
    for x in laid_out(whole):
        found = getattr(C, name)(x, *params)
        np.testing.assert_array_equal(found, wanted[::-1] if x.strides[0] < 0 else wanted)
        assert found.flags.f_contiguous == x.flags.f_contiguous


@pytest.mark.parametrize("name", ["leaky_relu_backward", "mish_backward", "sqrt_backward"])
def test_slopes_broadcast(name):
    g = np.abs(numbers(5 * 7 * 2100)).reshape(5, 7, 2100) + 1
    params = SLOPES[name]
    one = np.broadcast_to(np.float32(2), g.shape)
    for a, b in ((g, g[:, :1]), (g[..., :1], g), (one, g), (g, one), (g.transpose(2, 1, 0),) * 2):
        full = [
            np.ascontiguousarray(np.broadcast_to(t, np.broadcast_shapes(a.shape, b.shape)))
            for t in (a, b)
        ]
        wanted = OPS[name].native(*full, *params)
        np.testing.assert_array_equal(OPS[name].native(a, b, *params), wanted)


def test_three_arrays():
    x, y, g = (numbers(3000, s).reshape(30, 100) for s in range(3))
    y[3] = x[3]
    for name, params in (
        ("larger_backward", ()),
        ("smaller_backward", ()),
        ("quotient_backward", ()),
        ("addcmul", (0.5,)),
        ("addcdiv", (2,)),
    ):
        with np.errstate(all="ignore"):
            for a, b, c in ((g, x, y), (g[:1], x, y[:, :1]), (g.T, x.T, y.T)):
                wanted = OPS[name].reference(np, a, b, c, *params)
                np.testing.assert_allclose(
                    getattr(C, name)(a, b, c, *params), wanted, rtol=1e-5, atol=1e-5
                )


def test_in_place_sums():
    x, y = numbers(500), numbers(500, 1)
    expected = x + np.float32(0.5) * y
    assert C.add_scaled_backward(x, y, 0.5, x) is x
    np.testing.assert_allclose(x, expected, rtol=1e-6, atol=1e-6)


UNARY = ("sin", "sqrt", "tanh", "floor", "exp2", "log1p", "arctan", "isnan")
BINARY = ("power", "arctan2", "fmax", "hypot", "copysign", "floor_divide", "logaddexp2")


@pytest.mark.parametrize("name", [*UNARY, *BINARY])
def test_threaded_ufuncs_have_numpys_bits(name):
    ufunc = getattr(np, name)
    run = C.threaded(ufunc)
    assert run.ufunc is ufunc
    rng = np.random.default_rng(0)
    with np.errstate(all="ignore"):
        for dtype, shape in itertools.product(
            ("f4", "f8", "f2", "i8"), ((), (0, 3), (7,), (40, 50), (3, 5, 4000))
        ):
            whole = np.asarray(rng.standard_normal(shape) * 5).astype(dtype)
            other = np.asarray(rng.standard_normal(shape) * 5).astype(dtype)
            for x in laid_out(whole) if whole.ndim > 1 else [whole]:
                if ufunc.nin == 1:
                    pairs = [(x,)]
                else:
                    pairs = [(x, other), (x, x), (x, 2.5), (3.0, x)]
                    pairs += [(x, other[..., :1]), (other[:1], x)] if x.ndim > 1 else []
                for args in pairs:
                    if dtype == "i8" and name == "power":
                        args = tuple(abs(a) for a in args)
                    found, wanted = run(*args), ufunc(*args)
                    assert found.dtype == wanted.dtype
                    assert np.shape(found) == wanted.shape
                    np.testing.assert_array_equal(found, wanted)
                    if x.ndim > 1 and len(args) == 1:
                        assert found.strides == wanted.strides


def test_threaded_ufuncs_write_in_place_and_raise():
    x, y = numbers(300) ** 2, numbers(300, 1)
    power = C.threaded(np.power)
    wanted = np.power(x, y)
    assert power(x, y, x) is x
    np.testing.assert_array_equal(x, wanted)
    with pytest.raises(ValueError, match="Integers to negative"):
        power(np.array([2, 3]), np.array([-1, 2]))
    with pytest.raises(ValueError, match="broadcast"):
        power(np.zeros(3), np.zeros(4))
    with pytest.raises(TypeError):
        C.threaded(math.sin)


@pytest.mark.parametrize("shape", [(1, 4), (3, 16), (70, 33), (300, 500)])
@pytest.mark.parametrize("weighted", [False, True])
def test_rms_norm(shape, weighted):
    rng = np.random.default_rng(0)
    x, g = (rng.standard_normal(shape).astype(np.float32) for _ in range(2))
    w = rng.standard_normal(shape[1]).astype(np.float32) if weighted else None
    wide = None if w is None else w.astype(np.float64)
    forward, backward = OPS["rms_rows"], OPS["rms_rows_backward"]
    wanted = forward.reference(np, x.astype(np.float64), wide, shape[1], 1e-6)
    np.testing.assert_allclose(forward.native(x, w, shape[1], 1e-6), wanted, rtol=2e-6)
    found = backward.native(g, x, w, shape[1], 1e-6)
    wanted = backward.reference(
        np, g.astype(np.float64), x.astype(np.float64), wide, shape[1], 1e-6
    )
    for f, t in zip(found, wanted, strict=True):
        np.testing.assert_allclose(f, t, rtol=1e-4, atol=1e-5)


def test_results_written_around_the_cache_are_the_same():
    x, y = numbers(100_003), numbers(100_003, 1)
    wide = x.astype(np.float64)
    runs = [
        lambda: C.add(x, y),
        lambda: C.add(x[1:], 2.5),
        lambda: C.exp(x),
        lambda: C.cast(x[3:], np.dtype("f8")),
        lambda: C.clamp_numbers(x, -1, 1),
        lambda: C.threaded(np.sin)(wide),
        lambda: C.mish_backward(x, y),
    ]
    wanted = [run() for run in runs]
    before = C.write_around(1000)
    try:
        for run, expected in zip(runs, wanted, strict=True):
            np.testing.assert_array_equal(run(), expected)
    finally:
        C.write_around(before)
