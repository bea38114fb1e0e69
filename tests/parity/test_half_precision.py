"""float16 and bfloat16 on the CPU: the bits are PyTorch's, over random numbers and random bits."""

import ml_dtypes
import numpy as np
import pytest

import rushlight
from rushlight._core.extension import C

torch = pytest.importorskip("torch")

DTYPES = {"float16": np.float16, "bfloat16": ml_dtypes.bfloat16}
SHAPE = (64, 64)  # no rest that PyTorch would compute one by one, where it rounds products too


def bits(rng, kind, dtype):
    """Random bits, or those of normal numbers."""
    if kind == "bits":
        return rng.integers(0, 65536, SHAPE).astype(np.uint16).view(np.int16)
    numbers = rng.standard_normal(SHAPE) * np.exp(rng.standard_normal(SHAPE))
    return numbers.astype(DTYPES[dtype]).view(np.int16)


def tensors(module, arrays, dtype):
    return [module.from_numpy(a.copy()).view(getattr(module, dtype)) for a in arrays]


def read(module, t):
    """A result's bits, all NaN alike."""
    return np.where(t.float().isnan().numpy(), 0x7FFF, t.view(module.int16).numpy())


EXACT = {
    **{f"pow({n})": lambda m, x, y, z, n=n: x**n for n in (2, 3, -1, -2, 0.5, -0.5, 0, 1)},
    "pow_": lambda m, x, y, z: x.pow_(3),
    **{f"add {a}": lambda m, x, y, z, a=a: m.add(x, y, alpha=a) for a in (2, 0.3, -1.7)},
    **{f"sub {a}": lambda m, x, y, z, a=a: m.sub(x, y, alpha=a) for a in (0.5, 0.3, -1.7)},
    "rsub": lambda m, x, y, z: m.rsub(x, y, alpha=0.3),
    "rsub of a number": lambda m, x, y, z: m.rsub(x, 2.3, alpha=0.7),
    "a number": lambda m, x, y, z: m.add(x, 1.7, alpha=0.3),
    "add_": lambda m, x, y, z: x.add_(y, alpha=0.3),
    "sub_": lambda m, x, y, z: x.sub_(y, alpha=0.3),
    **{f"lerp {w}": lambda m, x, y, z, w=w: m.lerp(x, y, w) for w in (0.3, 0.7, 1, -2.0)},
    "lerp_": lambda m, x, y, z: x.lerp_(y, 0.3),
    "lerp of tensors": lambda m, x, y, z: m.lerp(x, y, z),
}  # fmt: skip
NATIVE = {  # two roundings without fused products
    "addcmul": lambda m, x, y, z: m.addcmul(x, y, z, value=0.3),
    "addcdiv": lambda m, x, y, z: m.addcdiv(x, y, z, value=-0.3),
    "addcmul_": lambda m, x, y, z: x.addcmul_(y, z, value=2),
}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", ["numbers", "bits"])
@pytest.mark.parametrize("name", [*EXACT, *NATIVE])
@pytest.mark.filterwarnings("ignore")
def test_bits(name, kind, dtype):
    if name in NATIVE and C is None:
        pytest.skip("the native kernels are not built")
    function = EXACT.get(name) or NATIVE[name]
    arrays = [bits(np.random.default_rng(i), kind, dtype) for i in range(3)]
    expected = read(torch, function(torch, *tensors(torch, arrays, dtype)))
    found = read(rushlight, function(rushlight, *tensors(rushlight, arrays, dtype)))
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_factor_that_does_not_fit(dtype):
    for name in ("add", "sub", "add_", "sub_"):
        said = []
        for module in (torch, rushlight):
            x = module.ones(3, dtype=getattr(module, dtype))
            with pytest.raises(RuntimeError) as error:
                getattr(x, name)(x, alpha=1e39)
            said.append(str(error.value))
        assert said[0] == said[1]
