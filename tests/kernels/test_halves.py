"""Half precision by the native kernels: what float32 gives, rounded once."""

import ml_dtypes
import numpy as np
import pytest

import rushlight as torch
from rushlight._core.backend import half_kernels
from rushlight._core.extension import C
from rushlight._core.op import OPS

pytestmark = pytest.mark.skipif(C is None, reason="without the native extension")
HALVES = [np.dtype(ml_dtypes.bfloat16), np.dtype(np.float16)]
F = torch.nn.functional


def halves(shape, dtype, seed=0):
    """Numbers of both signs, with specials among them if there are some."""
    x = np.random.default_rng(seed).standard_normal(shape).astype(np.float32)
    if x.size > 40:
        x.flat[:6] = [np.nan, np.inf, -np.inf, -0.0, 0.0, 1e-7]
    return x.astype(dtype)


def same(got, want):
    """The same bits, but for which nan it is."""
    assert got.dtype == want.dtype
    assert got.shape == want.shape
    nan = np.isnan(want.astype(np.float32)) if want.dtype != bool else np.zeros(want.shape, bool)
    assert np.array_equal(np.isnan(got.astype(np.float32)), nan)
    bits = np.uint8 if want.dtype == bool else np.uint16
    assert np.array_equal(got.view(bits)[~nan], want.view(bits)[~nan])


LAYOUTS = {
    "whole": lambda x, y: (x, y),
    "turned": lambda x, y: (x.T, y.T),
    "one turned": lambda x, y: (x, np.asfortranarray(y)),
    "apart": lambda x, y: (x[::2], y[::2]),
    "gaps": lambda x, y: (x[:, ::2], y[:, ::2]),
    "rows": lambda x, y: (x, y[0]),
    "columns": lambda x, y: (x, y[:, :1]),
    "one": lambda x, y: (x, y[20, 3]),
    "one first": lambda x, y: (np.asarray(x[20, 3]), y),
    "reversed": lambda x, y: (x[::-1], y[:, ::-1]),
    "empty": lambda x, y: (x[:0], y[:0]),
}
UFUNCS = {
    "add": np.add, "sub": np.subtract, "mul": np.multiply, "div": np.true_divide,
    "maximum": np.maximum, "minimum": np.minimum, "eq": np.equal, "ne": np.not_equal,
    "lt": np.less, "le": np.less_equal, "gt": np.greater, "ge": np.greater_equal,
}  # fmt: skip


@pytest.mark.parametrize("dtype", HALVES, ids=str)
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", UFUNCS)
def test_two_arrays_have_numpys_bits(name, layout, dtype):
    x, y = LAYOUTS[layout](halves((129, 67), dtype), halves((129, 67), dtype, 1))
    with np.errstate(all="ignore"):
        want = np.asarray(UFUNCS[name](x, y))
    same(np.asarray(getattr(C, name)(x, y)), want)


@pytest.mark.parametrize("dtype", HALVES, ids=str)
def test_a_sum_may_be_written_to_its_operand(dtype):
    x, y = halves(5000, dtype), halves(5000, dtype, 1)
    with np.errstate(all="ignore"):
        want = x + y
    assert C.add(x, y, x) is x
    same(x, want)


@pytest.mark.parametrize("dtype", HALVES, ids=str)
@pytest.mark.parametrize("name", ["neg", "abs", "relu"])
def test_signs(name, dtype):
    x = halves((70, 65), dtype)
    relu = np.maximum(x.astype(np.float32), 0).astype(dtype)  # the sign of a zero is its choice
    want = {"neg": -x, "abs": np.abs(x), "relu": relu}[name]
    same(getattr(C, name)(x), want)
    same(getattr(C, name)(x.T), want.T)


def next_to_a_number(name, x, number):
    """PyTorch multiplies and divides by it in float32, and rounds it for all else."""
    wide = x.astype(np.float32)
    s = np.float32(number) if name in ("mul", "div") else x.dtype.type(number).astype(np.float32)
    with np.errstate(all="ignore"):
        found = UFUNCS[name](wide, s)
        return found if found.dtype == bool else found.astype(x.dtype)


@pytest.mark.parametrize("number", [1.001, 0.3333, -2, 0, float("inf"), 1e-30])
@pytest.mark.parametrize("dtype", HALVES, ids=str)
@pytest.mark.parametrize("name", [n for n in UFUNCS if n not in ("maximum", "minimum")])
def test_numbers_next_to_half_precision(name, dtype, number):
    x = halves((129, 67), dtype)
    for part in (x, x.T, x[:, ::3], x[5, 7:8].reshape(())):
        same(np.asarray(getattr(C, name)(part, number)), next_to_a_number(name, part, number))
    t = torch.from_numpy(x.astype(np.float32)).to(getattr(torch, dtype.name))
    function = getattr(torch, name)
    out = torch.empty(0, dtype=function(t, number).dtype)
    assert str(function(t, number, out=out)) == str(function(t, number))  # by the general path


@pytest.mark.parametrize("name", ["exp", "log1p", "sqrt", "tanh", "isnan", "floor", "arctan2"])
def test_ufuncs_of_bfloat16_have_ml_dtypes_bits(name):
    ufunc, dtype = getattr(np, name), HALVES[0]
    arrays = [halves((129, 67), dtype, k) for k in range(ufunc.nin)]
    for given in (arrays, [a.T for a in arrays], [a[:, ::3] for a in arrays]):
        with np.errstate(all="ignore"):
            want, wide = ufunc(*given), ufunc(*(a.astype(np.float32) for a in given))
        got = C.threaded(ufunc)(*given)
        assert got.dtype == want.dtype
        if want.dtype == bool:
            same(got, want)
        else:
            same(got, wide.astype(dtype))


@pytest.mark.parametrize("dtype", HALVES, ids=str)
def test_rounding_to_even_of_numbers_of_every_size(dtype):
    """Ties, nan, infinities, what overflows and what is below the normal range."""
    every = np.arange(1 << 16, dtype=np.uint16).view(dtype)
    other = np.random.default_rng(7).permutation(every)
    scale = np.array([1.0, 1 + 2**-7, 2.0**-20, 2.0**-126, 3.0], np.float32).astype(dtype)
    with np.errstate(all="ignore"):
        for y in (other, *[np.full_like(every, s) for s in scale]):
            wide = every.astype(np.float32) * y.astype(np.float32)
            got = (torch.from_numpy(every.view(np.int16)).view(of(dtype)) *
                   torch.from_numpy(y.view(np.int16)).view(of(dtype)))  # fmt: skip
            same(got.view(torch.int16).numpy().view(dtype), wide.astype(dtype))
        # The same by a kernel that is given the arrays as they are.
        same(C.gelu(every), C.gelu(every.astype(np.float32)).astype(dtype))
        short = every[0x7F60:0x8083]
        same(C.gelu(short), C.gelu(short.astype(np.float32)).astype(dtype))


def of(dtype):
    """The torch dtype of that name."""
    return getattr(torch, dtype.name)


@pytest.mark.parametrize("dtype", HALVES, ids=str)
@pytest.mark.parametrize("name", ["sum", "mean", "amax", "argmax", "max", "var_mean"])
def test_reductions_add_in_float32(name, dtype):
    x = torch.from_numpy(np.random.default_rng(2).standard_normal((9, 3000)).astype(np.float32))
    x = x.to(getattr(torch, dtype.name))
    got, want = (getattr(torch, name)(a, 1) for a in (x, x.float()))
    pairs = zip(got, want, strict=True) if isinstance(got, tuple) else [(got, want)]
    for g, w in pairs:
        assert torch.equal(g, w.to(g.dtype))


CASES = {
    "convolution": lambda x, w, g: (x, w, None, (1, 1), (1, 1), (1, 1), 1),
    "conv_transpose": lambda x, w, g: (g, w, None, x.shape, (1, 1), (1, 1), (1, 1), 1),
    "conv_weight": lambda x, w, g: (g, x, w.shape, (1, 1), (1, 1), (1, 1), 1),
    "max_pool": lambda x, w, g: (x, (3, 3), (2, 2), (1, 1), (1, 1), False),
}


@pytest.mark.parametrize("samples", [1, 5, 400])
@pytest.mark.parametrize("dtype", HALVES, ids=str)
@pytest.mark.parametrize("name", CASES)
def test_samples_by_way_of_float32(name, dtype, samples):
    rng = np.random.default_rng(3)
    x, g = (rng.standard_normal((samples, c, 20, 11)).astype(dtype) for c in (3, 4))
    w = rng.standard_normal((4, 3, 3, 3)).astype(dtype)
    args = CASES[name](x, w, g)
    wide = [
        a.astype(np.float32) if isinstance(a, np.ndarray) and a.dtype == dtype else a for a in args
    ]
    got = half_kernels[name](*args).astype(np.float32)
    want = OPS[name].reference(np, *wide)
    unit = float(ml_dtypes.finfo(dtype).eps)
    np.testing.assert_allclose(got, want, rtol=unit, atol=unit * np.abs(want).max() / 50)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_a_step_in_half_precision_follows_that_in_float32(dtype):
    torch.manual_seed(0)
    net = torch.nn.Sequential(
        torch.nn.Conv2d(3, 8, 3, padding=1), torch.nn.ReLU(), torch.nn.MaxPool2d(2),
        torch.nn.Conv2d(8, 8, 3, stride=2), torch.nn.SiLU(), torch.nn.Flatten(),
        torch.nn.Linear(72, 10),
    )  # fmt: skip
    x, gradients = torch.randn(33, 3, 16, 16), []
    half_type = getattr(torch, dtype)
    for d in (torch.float32, half_type):
        copy = torch.nn.Sequential(*net).to(d) if d is not torch.float32 else net
        copy.zero_grad()
        F.cross_entropy(copy(x.to(d)).float(), torch.arange(33) % 10).backward()
        gradients.append([p.grad.float().clone() for p in copy.parameters()])
    for wide, half in zip(*gradients, strict=True):
        # Units of rounding, as in PyTorch (19.5): a tie may choose another place in the pooling.
        assert (wide - half).norm() < 24 * torch.finfo(half_type).eps * wide.norm()


POINTWISE = [n for n in sorted(half_kernels) if not OPS[n].params and n not in CASES]


@pytest.mark.parametrize("dtype", HALVES, ids=str)
@pytest.mark.parametrize("name", POINTWISE)
def test_pointwise_kernels_round_once(name, dtype):
    arrays = [halves((129, 67), dtype, k) for k in range(len(OPS[name].tensors))]
    with np.errstate(all="ignore"):
        got = half_kernels[name](*arrays)
        wide = OPS[name].native(*(a.astype(np.float32) for a in arrays))
        same(got, wide.astype(dtype))
    odd = [a.astype(np.complex64) for a in arrays]
    assert half_kernels[name](*odd) is NotImplemented
