"""The pointwise operators against PyTorch, on numbers that hurt, and facts that need no PyTorch."""

import itertools
import math

import numpy as np
import pytest

import rushlight as torch

inf, nan = math.inf, math.nan


def listed(text):
    """The expressions between semicolons."""
    return [" ".join(e.split()) for e in text.split(";")]


FLOATS = [0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 2.5, -2.5, 3.0, -3.0, 0.3, -0.7, 10.0, 1e4]
FLOATS += [inf, -inf, nan]
COMPLEX = [complex(a, b) for a in (0, 1, -1, 0.5, -2) for b in (0.0, -1.0, 0.5, 3.0)]
DTYPES = listed("""
bool; uint8; int8; int32; int64; float16; bfloat16; float32; float64; complex64; complex128
""")
TOLERANCE = {
    "float16": 2e-3, "bfloat16": 1.6e-2, "float32": 2e-6, "float64": 1e-12,
    "complex64": 1e-5, "complex128": 1e-11,
}  # fmt: skip

UNARY = listed("""
abs; neg; positive; sign; sgn; signbit; ceil; floor; trunc; fix; frac; round; exp; exp2;
expm1; log; log2; log10; log1p; sqrt; rsqrt; square; reciprocal; sin; cos; tan; asin; acos;
atan; sinh; cosh; tanh; asinh; acosh; atanh; sinc; isfinite; isinf; isnan; isposinf; isneginf;
isreal; logical_not; bitwise_not; conj; conj_physical; angle; sigmoid; logit; nan_to_num;
deg2rad; rad2deg; frexp
""")
BINARY = listed("""
add; sub; rsub; mul; div; floor_divide; remainder; fmod; maximum; minimum; fmax; fmin;
logaddexp; logaddexp2; copysign; nextafter; gcd; lcm; ldexp; heaviside; eq; ne; lt; le; gt;
ge; isclose; logical_and; logical_or; logical_xor; bitwise_and; bitwise_or; bitwise_xor;
bitwise_left_shift; bitwise_right_shift; pow; float_power; atan2; hypot; xlogy
""")


def values(dtype):
    """Elements of a dtype, its limits included."""
    if dtype == "bool":
        return [True, False]
    if "int" in dtype:
        info = np.iinfo(dtype)
        return [v for v in (0, 1, 2, 3, 7, -1, -2, -7, 100, info.max) if info.min <= v <= info.max]
    return COMPLEX if "complex" in dtype else FLOATS


def outcome(module, name, arrays, dtypes, numbers=(), **kwargs):
    """What a function of a module gives, as NumPy, or the type and first line of its error."""
    tensors = [
        module.tensor(a, dtype=getattr(module, d)) for a, d in zip(arrays, dtypes, strict=True)
    ]
    try:
        result = getattr(module, name)(*tensors, *numbers, **kwargs)
    except (RuntimeError, TypeError) as error:
        return type(error), str(error).split("\n")[0]
    results = result if isinstance(result, tuple) else (result,)
    return [(str(r.dtype), tuple(r.shape), plain(module, r)) for r in results]


def plain(module, t):
    half = str(t.dtype) in ("torch.bfloat16", "torch.float16")
    return (t.to(module.float32) if half else t).resolve_conj().numpy()


def check(got, want, dtype):
    assert type(got) is type(want), (got, want)
    if isinstance(want, tuple):
        assert got == want
        return
    for (d, shape, a), (e, expected_shape, b) in zip(got, want, strict=True):
        assert (d, shape) == (e, expected_shape)
        rtol = TOLERANCE.get(e.removeprefix("torch."), 0)
        if np.iscomplexobj(b):  # which part of a pole is infinite and which NaN is left open
            finite = np.isfinite(b)
            assert not np.isfinite(a[~finite]).any()
            a, b = a[finite], b[finite]
        np.testing.assert_allclose(a, b, rtol=rtol, atol=rtol / 10, err_msg=dtype)


@pytest.mark.parametrize("name", UNARY)
def test_unary_is_torchs(name):
    oracle = pytest.importorskip("torch")
    for dtype in DTYPES:
        arrays, dtypes = [values(dtype)], [dtype]
        got, want = (outcome(m, name, arrays, dtypes) for m in (torch, oracle))
        check(got, want, dtype)


@pytest.mark.parametrize("name", BINARY)
def test_binary_is_torchs(name):
    oracle = pytest.importorskip("torch")
    for dtype in DTYPES:
        pairs = list(itertools.product(values(dtype), repeat=2))
        if name in ("floor_divide", "remainder", "fmod") and "int" in dtype:
            pairs = [p for p in pairs if p[1] not in (0, -1)]
        if name in ("pow", "float_power"):  # 0j ** 0j is NaN in PyTorch
            pairs = [p for p in pairs if p != (0j, 0j)]
        if name == "lcm":
            pairs = [p for p in pairs if max(map(abs, p)) <= 100]
        if (
            name == "ldexp" and dtype == "float16"
        ):  # PyTorch's 2**y overflows before it is multiplied
            pairs = [p for p in pairs if not abs(p[1]) > 15]
        arrays, dtypes = list(zip(*pairs, strict=True)), [dtype, dtype]
        got, want = (outcome(m, name, arrays, dtypes) for m in (torch, oracle))
        check(got, want, dtype)


@pytest.mark.parametrize("number", [2, 2.5, True, -3])
@pytest.mark.parametrize("name", ["add", "sub", "mul", "div", "pow", "eq", "lt", "xlogy", "fmod"])
def test_numbers_are_torchs(name, number):
    oracle = pytest.importorskip("torch")
    for dtype in DTYPES:
        if name == "pow" and dtype == "bool" and number is True:
            continue  # PyTorch copies for the power one, even where it has no power
        arrays = [[abs(v) for v in values(dtype)]]
        got, want = (outcome(m, name, arrays, [dtype], (number,)) for m in (torch, oracle))
        check(got, want, dtype)


@pytest.mark.parametrize(
    ("name", "kwargs"),
    [
        ("clamp", {"min": 0}),
        ("clamp", {"max": 0.5}),
        ("clamp", {"min": -1, "max": 2.5}),
        ("clamp", {"min": 3, "max": 2}),
        ("clamp", {"min": nan}),
        ("clamp", {}),
        ("round", {"decimals": 2}),
        ("round", {"decimals": -1}),
        ("nan_to_num", {"nan": 1.0, "posinf": 2.0, "neginf": 3.0}),
        ("nan_to_num", {"nan": inf}),
        ("logit", {"eps": 0.1}),
        ("clamp_min", {"min": 0.5}),
        ("clamp_max", {"max": 1}),
    ],
)
def test_parameters_are_torchs(name, kwargs):
    oracle = pytest.importorskip("torch")
    for dtype in DTYPES:
        arrays = [values(dtype)]
        got, want = (outcome(m, name, arrays, [dtype], **kwargs) for m in (torch, oracle))
        check(got, want, dtype)


OPERATORS = listed("""
x + y; x - y; x * y; x / y; x // y; x % y; x ** y; 2 + x; 2 - x; 2 * x; 2 / x; 2 // x; 2 % x;
2 ** x; x & y; x | y; x ^ y; ~x; x << y; x >> y; 1 << x; -x; +x; abs(x); x == y; x != 1; x <
y; x <= 1; 1 > x; x >= y; x == None; x == "a"; x + "a"; None < x; x & 1.5
""")


@pytest.mark.parametrize("expression", OPERATORS)
@pytest.mark.parametrize("dtype", ["int64", "float32", "bool"])
def test_operators_are_torchs(expression, dtype):
    oracle = pytest.importorskip("torch")
    results = []
    for m in (torch, oracle):
        x = m.tensor([1, 2, 3], dtype=getattr(m, dtype))
        y = m.tensor([3, 1, 2], dtype=getattr(m, dtype))
        try:
            result = eval(expression, {"x": x, "y": y})
        except (TypeError, RuntimeError) as error:
            results.append((type(error), str(error).split("\n")[0]))
            continue
        results.append(result if isinstance(result, bool) else (str(result.dtype), result.tolist()))
    assert same(*results), results


def same(got, want):
    if isinstance(want, tuple) and isinstance(want[1], list):
        return got[0] == want[0] and np.allclose(got[1], want[1], rtol=1e-6)
    return got == want


GRAD_NAMES = {
    "x + y": "Add0", "x - y": "Sub0", "1 - x": "Rsub1", "x * 2": "Mul0", "x / y": "Div0",
    "1 / x": "Mul0", "-x": "Neg0", "x ** 2": "Pow0", "x ** y": "Pow1", "2 ** x": "Pow2",
    "x.square()": "Pow0", "x.log1p()": "Log1P0", "x % 2": "Remainder0", "x % y": "Remainder1",
    "x.clamp(0, 1)": "Clamp1", "x.clamp(y)": "Clamp0", "x.clamp_min(0)": "ClampMin0",
    "x.clamp_min(y)": "ClampMin1", "x.round(decimals=1)": "Round1", "x.sigmoid()": "Sigmoid0",
    "x.deg2rad()": "Deg2Rad0", "x.lerp(y, 0.5)": "Lerp0", "x.lerp(y, y)": "Lerp1",
    "x.div(y, rounding_mode='floor')": "Div2", "x.fix()": "Trunc0", "x.copysign(y)": "Copysign0",
    "x.xlogy(2)": "Xlogy2", "x.abs()": "Abs0", "torch.add(x, y, alpha=2)": "Add0",
}  # fmt: skip


@pytest.mark.parametrize("expression", GRAD_NAMES)
def test_grad_names(expression):
    x = torch.tensor([0.5, 0.3], requires_grad=True)
    y = torch.tensor([0.7, 0.2], requires_grad=True)
    name = eval(expression, {"x": x, "y": y, "torch": torch}).grad_fn.name()
    want = GRAD_NAMES[expression]
    assert name == f"{want[:-1]}Backward{want[-1]}"


SMOOTH = listed("""
x * y; x / y; x ** y; x ** 3; 2.0 ** x; x.abs(); x.atan2(y); x.hypot(y); x.logaddexp(y);
x.logaddexp2(y); x.exp(); x.exp2(); x.expm1(); x.log(); x.log2(); x.log10(); x.log1p();
x.sqrt(); x.rsqrt(); x.reciprocal(); x.sin(); x.cos(); x.tan(); x.asin(); x.acos(); x.atan();
x.sinh(); x.cosh(); x.tanh(); x.asinh(); (x + 1).acosh(); x.atanh(); x.sinc(); x.sigmoid();
x.logit(); x.logit(0.1); x.xlogy(y); x.lerp(y, 0.3); x.lerp(y, x); x.addcmul(x, y, value=2);
x.addcdiv(x, y, value=3); x.ldexp(y); x.clamp(0.1, 0.9); x.clamp(y, y + 0.1); x.maximum(y);
x.fmin(y); x % y; x.fmod(y); x.deg2rad(); x.copysign(y); x.nan_to_num(); x.frexp()[0];
torch.add(x, y, alpha=2); torch.rsub(x, y, alpha=3); x.float_power(y)
""")


@pytest.mark.parametrize("expression", SMOOTH)
def test_gradients_twice(expression):
    def f(x, y):
        return eval(expression, {"x": x, "y": y, "torch": torch})

    x = torch.tensor([0.31, 0.62], dtype=torch.float64, requires_grad=True)
    y = torch.tensor([0.47, 0.23], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(f, (x, y))
    assert torch.autograd.gradgradcheck(f, (x, y))


HOLOMORPHIC = listed("""
x * y; x / y; x ** y; x ** 3; x.exp(); x.log(); x.sqrt(); x.rsqrt(); x.sin(); x.tan();
x.asin(); x.acos(); x.atan(); x.sinh(); x.tanh(); x.asinh(); x.acosh(); x.atanh();
x.reciprocal(); x.sigmoid(); x.sinc(); x.expm1(); x.log1p(); x.log2(); x.exp2(); x.abs();
x.sgn(); x.angle(); x.real; x.imag; x.conj(); x.logaddexp(y); torch.view_as_real(x);
torch.view_as_complex(torch.view_as_real(x * y)); x.lerp(y, 0.3); x.addcdiv(x, y, value=3)
""")


@pytest.mark.parametrize("expression", HOLOMORPHIC)
def test_complex_gradients_twice(expression):
    def f(x, y):
        return eval(expression, {"x": x, "y": y, "torch": torch})

    x = torch.tensor([0.31 + 0.2j, 0.62 - 0.4j], dtype=torch.complex128, requires_grad=True)
    y = torch.tensor([0.47 - 0.3j, 0.23 + 0.1j], dtype=torch.complex128, requires_grad=True)
    assert torch.autograd.gradcheck(f, (x, y))
    assert torch.autograd.gradgradcheck(f, (x, y))


# ---- facts ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("f", [lambda x: x // 0, lambda x: x % 0, lambda x: x.fmod(0)])
def test_integers_do_not_divide_by_zero(f):
    with pytest.raises(RuntimeError, match="ZeroDivisionError"):
        f(torch.tensor([1, 2]))


def test_integers_to_negative_powers():
    with pytest.raises(RuntimeError, match="Integers to negative integer powers are not allowed"):
        torch.tensor([1, 2]) ** -1
    assert (torch.tensor([1, -1, 2]) ** torch.tensor([-1, -3, -2])).tolist() == [1, -1, 0]


def test_ties_share_the_gradient():
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = torch.tensor([1.0, 1.0], requires_grad=True)
    x.maximum(y).sum().backward()
    assert x.grad.tolist() == [0.5, 1.0]
    assert y.grad.tolist() == [0.5, 0.0]


def test_bounds_pass_the_gradient():
    x = torch.tensor([0.0, 1.0, 2.0], requires_grad=True)
    x.clamp(0, 1).sum().backward()
    assert x.grad.tolist() == [1.0, 1.0, 0.0]


def test_no_gradient_at_the_kinks():
    x = torch.tensor([0.0], requires_grad=True)
    (x.abs() + x.sgn() + x.atan2(x) + x**0).sum().backward()
    assert x.grad.tolist() == [0.0]


def test_scaled_in_place_sum():
    x, y = torch.ones(2), torch.tensor([1.0, 2.0])
    assert x.add_(y, alpha=3) is x
    assert x.sub_(y, alpha=2).tolist() == [2.0, 3.0]
    x += 1
    assert x.tolist() == [3.0, 4.0]


def test_results_of_a_higher_kind_do_not_fit_in_place():
    with pytest.raises(RuntimeError, match="result type Float can't be cast to the desired output"):
        torch.tensor([1, 2]).div_(2)


def test_parts_share_memory():
    z = torch.tensor([1 + 2j, 3 + 4j])
    z.real[0] = 7
    z.imag.mul_(10)
    torch.view_as_real(z)[1, 0] = 5
    assert z.tolist() == [7 + 20j, 5 + 40j]
    z.real = torch.tensor([0.0, 1.0])
    assert z.tolist() == [20j, 1 + 40j]


def test_view_as_complex_needs_pairs():
    with pytest.raises(RuntimeError, match="last dimension of size 2"):
        torch.view_as_complex(torch.ones(3))
    with pytest.raises(RuntimeError, match="last dimension with stride 1"):
        torch.view_as_complex(torch.ones(2, 3).t())


def test_half_rounds_once():
    x = torch.tensor([0.1, 0.2, 3.0]).to(torch.bfloat16)
    wide = x.to(torch.float32).sigmoid().to(torch.bfloat16)
    assert torch.equal(x.sigmoid(), wide)


def test_empty_and_scalars():
    assert torch.exp(torch.empty(0, 3)).shape == (0, 3)
    assert torch.erf(torch.tensor(0.5)).shape == ()
    assert (torch.tensor(3) ** 2).item() == 9
    assert torch.equal(torch.ones(2), torch.ones(2))
    assert not torch.equal(torch.ones(2), torch.ones(3))
