"""What C++ answers before Python is asked says what Python says."""

import io
import itertools
import pickle

import numpy as np
import pytest

import rushlight as torch
from rushlight._core.extension import C
from rushlight._core.op import OPS
from rushlight._core.shape import Size
from rushlight._ops import gumbel

pytestmark = pytest.mark.skipif(C is None, reason="the extension is not built")

SPECIAL = [0.0, -0.0, 1.0, -1.0, 2.0, -3.0, 0.5, np.inf, -np.inf, np.nan, 1e30, -1e30, 3.7, 2.0**24]
WHOLE = [0, 1, -1, 7, -7, 100]


def pairs(dtype):
    values = np.array(SPECIAL if dtype[0] == "f" else WHOLE, dtype)
    return np.repeat(values, len(values)), np.tile(values, len(values))


def same(x, y, rtol=0.0):
    assert x.dtype == y.dtype and x.shape == y.shape
    np.testing.assert_allclose(x, y, rtol=rtol, atol=0, equal_nan=True)
    if not rtol and x.dtype.kind == "f":
        known = ~np.isnan(x)
        np.testing.assert_array_equal(np.signbit(x)[known], np.signbit(y)[known])


@pytest.mark.parametrize("dtype", ["float32", "float64", "int32", "int64"])
@pytest.mark.parametrize("name", ["remainder", "floor_divide", "fmod"])
@pytest.mark.filterwarnings("ignore:.*encountered")
def test_quotients(name, dtype):
    x, y = pairs(dtype)
    if dtype[0] == "i":
        assert getattr(C, name)(x, y) is NotImplemented  # divisions by zero: the reference refuses
        x, y = x[y != 0], y[y != 0]
    reference = OPS[name].reference
    same(getattr(C, name)(x, y), reference(np, x, y))
    same(getattr(C, name)(x[:6, None], y[:5]), reference(np, x[:6, None], y[:5]))
    same(getattr(C, name)(x, -3), reference(np, x, -3))
    assert getattr(C, name)(x[: y.size // 2], y) is NotImplemented


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.filterwarnings("ignore:.*encountered")
def test_functions_of_two_numbers(dtype):
    x, y = pairs(dtype)
    rtol = 1e-6 if dtype == "float32" else 1e-15
    for name in ("logaddexp", "xlogy"):
        same(getattr(C, name)(x, y), OPS[name].reference(np, x, y), rtol)
    same(C.sign(x), OPS["sign"].reference(np, x))
    w = np.linspace(-1, 2, x.size).astype(dtype)
    same(C.lerp(x, y, w), OPS["lerp"].reference(np, x, y, w))


def test_elements_named_one_by_one():
    x = np.arange(60.0).reshape(5, 4, 3)
    i, j = np.array([[0, -1], [4, 2]]), np.array([[3, 0], [-4, 1]])
    same(C.pick(x, (i, j)), x[i, j])
    assert C.pick(x, (i + 5, j)) is NotImplemented
    index = np.array([[[1, 0]], [[0, 3]]])
    same(C.gather(x, index, 1), OPS["gather"].reference(np, x, index, 1))
    assert C.gather(x, index + 2, 1) is NotImplemented
    how = ((2, 0), ((2, 1, 0, 1), (0, 0, 1, 4, 4)), "reflect")
    same(C.gathered(x, *how), OPS["gathered"].reference(np, x, *how))
    g = np.arange(80.0).reshape(5, 4, 4)
    back = (*how[:2], (3, 5), "reflect")
    same(C.gathered_backward(g, *back), OPS["gathered_backward"].reference(np, g, *back))
    same(C.one_hot(np.array([2, 0]), 4), OPS["one_hot_rows"].reference(np, np.array([2, 0]), 4))
    assert C.one_hot(np.array([2, 0]), 2) is C.one_hot(np.array([-1]), 2) is NotImplemented


def test_gumbel_bits(monkeypatch):
    x = np.abs(np.random.default_rng(0).standard_normal(5000)).astype(np.float32)
    x = np.concatenate([x, x[:50] * np.float32(1e-39), [0, np.inf, 1]]).astype(np.float32)
    native = gumbel.log_float32(x), gumbel.exp_float32(-30 * x[:-2])
    monkeypatch.setattr(gumbel, "C", None)
    same(native[0], gumbel.log_float32(x))
    same(native[1], gumbel.exp_float32(-30 * x[:-2]))


@pytest.mark.parametrize("align", [True, False])
@pytest.mark.parametrize("padding", ["zeros", "border", "reflection"])
@pytest.mark.parametrize(
    ("mode", "dims"), [("bilinear", 2), ("nearest", 2), ("bicubic", 2), ("bilinear", 3)]
)
def test_grid_sample(mode, dims, padding, align):
    rng = np.random.default_rng(1)
    x, grid = rng.standard_normal((2, 3, 5, 4, 3)[: dims + 2]), rng.normal(0, 0.8, (2, 7, 2, 2))
    if dims == 3:
        grid = rng.normal(0, 0.8, (2, 7, 2, 2, 3))
    grid = grid[..., :dims]
    how = (mode, padding, align)
    out = C.grid_sample(x, grid, *how, dims)
    np.testing.assert_allclose(out, OPS["grid_sampler"].reference(np, x, grid, *how), atol=1e-12)
    g, both = rng.standard_normal(out.shape), (True, True)
    native = C.grid_sample_backward(g, x, grid, *how, *both)
    reference = OPS["grid_sampler_backward"].reference(np, g, x, grid, *how, *both)
    for a, b in zip(native, reference, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-12)


def kinds():
    numbers = torch.tensor([1.5, 2.0, 3.0])
    for dtype in (torch.float32, torch.float64, torch.int64, torch.uint8, torch.bool):
        yield numbers.to(dtype)
        yield numbers[0].to(dtype)


@pytest.mark.parametrize("name", ["add", "mul", "div", "eq", "maximum", "remainder", "atan2"])
def test_two_dtypes(name):
    function = getattr(torch, name)
    for _, (a, b) in itertools.product(range(2), itertools.product([*kinds(), 2, 2.5], repeat=2)):
        results = []
        for call in (function, function.__python__):
            try:
                r = call(a, b)
                results.append((r.dtype, r.shape, r.tolist()))
            except Exception as error:
                results.append((type(error), str(error)))
        assert results[0] == results[1], (a, b)


def test_the_default_dtype_is_asked():
    whole = torch.tensor([1, 2])
    assert (whole / 2).dtype is torch.float32
    torch.set_default_dtype(torch.float64)
    try:
        assert (whole / 2).dtype is torch.float64
    finally:
        torch.set_default_dtype(torch.float32)


def test_half_precision_of_an_op_without_a_kernel_for_it():
    x = torch.randn(4, 6).bfloat16().requires_grad_()
    w = torch.ones(6, dtype=torch.bfloat16)
    native = torch.nn.functional.layer_norm(x, (6,), w, w)
    wide = torch.nn.functional.layer_norm(x.float(), (6,), w.float(), w.float())
    assert native.dtype is torch.bfloat16 and torch.equal(native, wide.bfloat16())
    native.sum().backward()
    assert x.grad.dtype is torch.bfloat16


def test_sizes():
    size = torch.ones(2, 3).shape
    assert type(size) is Size is torch.Size and Size.__mro__ == (Size, tuple, object)
    assert size[0] == 2 and type(size[1:]) is Size and size[-1:] == (3,)
    assert type(pickle.loads(pickle.dumps(size))) is Size
    assert repr(torch.Size([1, True])) == repr(torch.Size((1, 1)))
    with pytest.raises(TypeError, match="iterable of 'int'"):
        torch.Size((1.5,))
    with pytest.raises(IndexError):
        size[2]


@pytest.mark.parametrize(
    "name", ["shape", "dtype", "ndim", "requires_grad", "is_leaf", "grad_fn", "grad", "nbytes"]
)
def test_attributes(name):
    attribute = vars(torch.Tensor)[name]
    w = torch.ones(3, requires_grad=True)
    (w * 2).sum().backward()
    for x in (torch.ones(2, 3), torch.ones(0), w, w[1:], torch.nn.Parameter(w), w.bfloat16()):
        if name != "grad" or x.is_leaf:
            python = attribute.fget(x)
            assert getattr(x, name) is python or getattr(x, name) == python
    assert isinstance(attribute, property) and attribute.__doc__ == attribute.fget.__doc__


@pytest.mark.parametrize("name", ["size", "stride", "dim", "numel", "data_ptr", "is_contiguous"])
def test_methods(name):
    method = getattr(torch.Tensor, name)
    for x in (torch.ones(2, 3), torch.ones(2, 3).t(), torch.ones(()), torch.ones(0, 2)):
        assert method(x) == method.__python__(x)
    if name in ("size", "stride"):
        assert method(torch.ones(2, 3), -1) == method.__python__(torch.ones(2, 3), -1)


def test_saved_bytes_are_the_picklers(monkeypatch):
    base = torch.arange(12.0)
    state = {
        "x": base,
        "same": base,
        "view": base[3:].view(3, 3).t(),
        "p": torch.nn.Parameter(torch.ones(2)),
        "five": torch.zeros(1, 2, 3, 4, 5),
        **{f"{i}": torch.full((3,), float(i)) for i in range(300)},
    }

    def saved():
        torch.save(state, file := io.BytesIO())
        return file.getvalue()

    native = saved()
    monkeypatch.setattr("rushlight.serialization.tensor_opcodes.PROTOCOLS", ())
    assert saved() == native


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_without_dimensions_stays(dtype):
    x = torch.tensor(3.0, dtype=dtype)
    assert torch.frexp(x)[0].dtype == dtype
    for several in (torch.var_mean, torch.std_mean):
        assert [r.dtype for r in several(x, unbiased=False)] == [dtype, dtype]
