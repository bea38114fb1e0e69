"""The generator: the readable recipes and the native ones are the same, seeds and states are
PyTorch's.
"""

import copy
import pickle

import numpy as np
import pytest

from rushlight._core import extension, twister
from rushlight._core import generator as draws
from rushlight._core.fused import fma

RECIPES = [
    ("uniform", "f4", (-0.2236, 0.3)),
    ("uniform", "f8", (-0.2236, 0.3)),
    ("normal", "f4", (2.0, 3.0)),
    ("normal", "f8", (2.0, 3.0)),
    ("scalar_normal", "f4", (2.0, 3.0)),
    ("log_normal", "f8", (1.0, 2.0)),
    ("exponential", "f4", (1.5,)),
    ("exponential", "f8", (1.5,)),
    ("cauchy", "f4", (0.5, 2.0)),
    ("geometric", "f4", (0.3,)),
    ("geometric", "i8", (0.3,)),
    ("bernoulli", "f4", (0.3,)),
    ("bernoulli", "?", (0.3,)),
    ("integers", "i8", (10, -3, False)),
    ("integers", "i8", (2**40, 5, True)),
    ("integers", "i8", (0, 0, True)),
    ("integers", "i4", (2**31, 0, False)),
    ("integers", "u1", (1, 7, False)),
    ("integers", "f4", (2**24 + 1, 0, False)),
    ("randperm", "i8", ()),
    ("words", "u4", ()),
    ("words", "u8", ()),
]
needs_native = pytest.mark.skipif(extension.C is None, reason="rushlight._C is not built")


def engines(seed=3):
    """A native and a readable engine in one state."""
    pair = extension.C.Engine(), twister.Engine()
    for e in pair:
        e.seed(seed)
    return pair


def same_state(a, b):
    (key, pos, waiting), (other, position, waits) = a.get(), b.get()
    return bool((key == other).all()) and pos == position and waiting == waits


@needs_native
@pytest.mark.parametrize(("name", "dtype", "params"), RECIPES)
@pytest.mark.parametrize("n", [1, 15, 16, 40, 1300])
def test_native_recipe_is_the_readable_one(name, dtype, params, n):
    native, readable = engines()
    for _ in range(2):
        a, b = np.empty(n, dtype), np.empty(n, dtype)
        getattr(extension.C, name)(native, a, *params)
        getattr(twister, name)(readable, b, *params)
        assert a.tobytes() == b.tobytes()
        assert same_state(native, readable)


@needs_native
def test_every_instruction_set_draws_the_same_bits():
    before = extension.C.isa()
    drawn = set()
    for level in extension.C.isas():
        extension.C.use(level)
        e, x, y = extension.C.Engine(), np.empty(1000, np.float32), np.empty(1000, np.float32)
        e.seed(3)
        extension.C.normal(e, x, 1.0, 2.0)
        extension.C.uniform(e, y, -0.2236, 0.3)
        drawn.add(x.tobytes() + y.tobytes())
    extension.C.use(before)
    assert len(drawn) == 1


@needs_native
@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("name", ["poisson", "gamma", "binomial", "bernoulli_each"])
def test_native_recipe_by_parameter_is_the_readable_one(name, dtype):
    native, readable = engines()
    p = np.linspace(0, 1, 60).astype(dtype)
    params = {
        "poisson": (p * 40,),
        "gamma": (p * 3 + 0.01,),
        "binomial": (np.round(p[::-1] * 90), p),
    }
    given = [np.ascontiguousarray(x, dtype) for x in params.get(name, (p,))]
    a, b = np.empty(60, dtype), np.empty(60, dtype)
    getattr(extension.C, name)(native, a, *given)
    getattr(twister, name)(readable, b, *given)
    assert a.tobytes() == b.tobytes()
    assert same_state(native, readable)


def test_readable_engine_is_the_standard_twister():
    e = twister.Engine()
    e.seed(5489)
    assert e.r32(10000)[-1] == 4123659995  # the 10000th number of the reference implementation


def test_fma_rounds_once():
    # 1 + 2^-30 squared: the low term decides how 1 + 2^-29 + 2^-60 rounds in float32 after
    # cancellation.
    x = np.float64(1 + 2.0**-30)
    assert fma(x, x, -(1 + 2.0**-29), np.dtype("f8")) == 2.0**-60
    y = np.float32(1 + 2.0**-12)
    assert fma(y, y, -np.float32(1 + 2.0**-11), np.dtype("f4")) == np.float32(2.0**-24)


def test_seeds():
    g = draws.Generator()
    assert g.initial_seed() == 67280421310721
    assert g.manual_seed(-1).initial_seed() == 2**64 - 1
    for wrong in (2**64, -(2**63) - 1):
        with pytest.raises(ValueError, match="Overflow when unpacking long long"):
            g.manual_seed(wrong)
    assert g.seed() == g.initial_seed()


def test_state_bytes_continue_the_stream():
    g = draws.Generator().manual_seed(9)
    draws.normal(g, np.empty(3))  # leaves a normal waiting
    draws.uniform(g, np.empty(500))
    twin = draws.Generator()
    twin.set_state_bytes(g.state_bytes())
    a, b = (draws.normal(x, np.empty(5)) for x in (g, twin))
    assert a.tobytes() == b.tobytes()
    assert twin.initial_seed() == 9


@pytest.mark.parametrize("words", [0, 1, 623, 624, 625])
def test_state_bytes_at_the_edges_of_a_block(words):
    g = draws.Generator().manual_seed(1)
    draws.fill(g, "words", np.empty(words, np.uint32))
    twin = g.copy()
    assert twin.state_bytes().tobytes() == g.state_bytes().tobytes()
    assert draws.random64(twin) == draws.random64(g)


def test_generators_pickle_with_their_state():
    g = draws.Generator().manual_seed(4)
    draws.uniform(g, np.empty(3))
    for twin in (pickle.loads(pickle.dumps(g)), copy.deepcopy(g)):
        assert draws.random64(twin.copy()) == draws.random64(g.copy())


def test_bad_states_are_refused():
    g = draws.Generator()
    with pytest.raises(RuntimeError, match="size 5056 but found the input RNG state size to be 3"):
        g.set_state_bytes(np.zeros(3, np.uint8))
    with pytest.raises(RuntimeError, match="Invalid mt19937 state"):
        g.set_state_bytes(np.zeros(5056, np.uint8))


def test_memory_order_decides():
    """A transposed array is filled as its memory lies, and so holds the numbers of the contiguous
    one.
    """
    a = draws.uniform(draws.Generator(), np.empty((4, 5)))
    b = draws.uniform(draws.Generator(), np.empty((4, 5)).T)
    assert (b == a.T).all()
