"""Draws from a seed are PyTorch's, bit for bit: any function, shape, dtype, seed and layout.

The generator's state is compared after every draw, so that the next draws agree too.
"""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rushlight
from rushlight._core.extension import C
from rushlight._ops.gumbel import log_float32

torch = pytest.importorskip("torch", reason="parity with PyTorch needs torch")

FLOATS = ("float32", "float64", "float16", "bfloat16")
WIDE = ("float32", "float64")
COMPLEX = ("complex64", "complex128")
WHOLE = ("int8", "int16", "int32", "int64", "uint8", "bool")
SEEDS = st.one_of(st.integers(0, 20), st.integers(-(2**63), 2**64 - 1))
# below, at and above the bounds of the vector paths
LENGTHS = st.one_of(
    st.integers(0, 50), st.sampled_from([63, 64, 65, 127, 128, 255, 257, 1000, 2049])
)
SHAPES = st.one_of(
    st.tuples(LENGTHS), st.lists(st.integers(0, 7), min_size=0, max_size=4).map(tuple)
)
FULL_SHAPES = SHAPES.filter(lambda shape: 0 not in shape)


def contiguous(api, shape, dtype):
    return api.zeros(shape, dtype=dtype)


def transposed(api, shape, dtype):
    return api.zeros(shape[::-1], dtype=dtype).permute(tuple(range(len(shape)))[::-1])


def strided(api, shape, dtype):
    if not shape:
        return api.zeros(3, dtype=dtype)[1]
    return api.zeros((*shape[:-1], 2 * shape[-1] + 1), dtype=dtype)[..., 1::2]


def shifted(api, shape, dtype):
    return api.zeros((3, *shape), dtype=dtype)[1]


def turned(api, shape, dtype):
    if len(shape) < 2:
        return strided(api, shape, dtype)
    return api.zeros((shape[1], shape[0], *shape[2:]), dtype=dtype).transpose(0, 1)


LAYOUTS = st.sampled_from([contiguous, transposed, strided, shifted, turned])

FILLS = {
    "uniform_": (FLOATS, lambda api, t: t.uniform_()),
    "uniform_ range": (FLOATS, lambda api, t: t.uniform_(-0.2236, 0.7)),
    "normal_": (FLOATS + COMPLEX, lambda api, t: t.normal_()),
    "normal_ moved": (FLOATS, lambda api, t: t.normal_(1.5, 0.3)),
    "exponential_": (FLOATS, lambda api, t: t.exponential_(1.7)),
    "cauchy_": (FLOATS, lambda api, t: t.cauchy_(0.5, 2.0)),
    "log_normal_": (FLOATS, lambda api, t: t.log_normal_(0.1, 0.4)),
    "geometric_": (FLOATS + WHOLE[:5], lambda api, t: t.geometric_(0.3)),
    "random_": (FLOATS + WHOLE, lambda api, t: t.random_()),
    "random_ to": (FLOATS + WHOLE[:5], lambda api, t: t.random_(100)),
    "random_ range": (WIDE + WHOLE[:4], lambda api, t: t.random_(-7, 50)),
    "random_ wide": (("int64", "float64"), lambda api, t: t.random_(-(2**40), 2**41)),
    "bernoulli_": (FLOATS + WHOLE, lambda api, t: t.bernoulli_(0.3)),
    "rand_like": (FLOATS, lambda api, t: api.rand_like(t)),
    "randn_like": (FLOATS + COMPLEX, lambda api, t: api.randn_like(t)),
    "randint_like": (WIDE + WHOLE[:5], lambda api, t: api.randint_like(t, 3, 90)),
    "bernoulli": (FLOATS, lambda api, t: api.bernoulli(t + 0.4)),
    "poisson": (WIDE, lambda api, t: api.poisson(t + 3.5)),
    "poisson large": (WIDE, lambda api, t: api.poisson(t + 40.25)),
    "binomial": (WIDE, lambda api, t: api.binomial(t + 20, t + 0.3)),
    "binomial large": (WIDE, lambda api, t: api.binomial(t + 200, t + 0.6)),
    "normal tensors": (WIDE, lambda api, t: api.normal(t + 1, t + 0.5)),
    "normal mean": (WIDE, lambda api, t: api.normal(t + 1, 0.5)),
    "normal std": (WIDE, lambda api, t: api.normal(2.0, t + 0.5)),
    "dropout": (FLOATS, lambda api, t: api.nn.functional.dropout(t + 1, 0.3)),
    "alpha_dropout": (WIDE, lambda api, t: api.nn.functional.alpha_dropout(t + 1, 0.3)),
    "rrelu": (WIDE, lambda api, t: api.nn.functional.rrelu(t - 1, training=True)),
}  # fmt: skip


def values(t):
    """The bits of a tensor, nan included."""
    if str(t.dtype).endswith("bfloat16"):
        t = t.float()
    return np.ascontiguousarray(t.detach().numpy()).tobytes()


def steps(t):
    """The strides that say where elements are."""
    return [step for n, step in zip(t.shape, t.stride(), strict=True) if n > 1 and t.numel()]


def same(draw, seed):
    """Whether `draw(api)` gives the same tensor, and leaves the same state."""
    torch.manual_seed(seed)
    rushlight.manual_seed(seed)
    theirs, ours = draw(torch), draw(rushlight)
    assert tuple(ours.shape) == tuple(theirs.shape)
    assert str(ours.dtype).rpartition(".")[2] == str(theirs.dtype).rpartition(".")[2]
    assert steps(ours) == steps(theirs)
    assert values(ours) == values(theirs)
    assert rushlight.get_rng_state().tolist() == torch.get_rng_state().tolist()


@pytest.mark.parametrize("name", FILLS)
@settings(max_examples=40, deadline=None, derandomize=True)
@given(SHAPES, st.integers(0, 99), SEEDS, LAYOUTS)
def test_fills(name, shape, kind, seed, layout):
    dtypes, fill = FILLS[name]
    dtype = dtypes[kind % len(dtypes)]
    same(lambda api: fill(api, layout(api, shape, getattr(api, dtype))), seed)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(LENGTHS, SEEDS)
def test_functions_of_a_length(n, seed):
    for draw in (
        lambda api: api.rand(n),
        lambda api: api.rand(n, dtype=api.complex64),
        lambda api: api.randn(n, dtype=api.float64),
        lambda api: api.randint(-5, 2**35, (n,)),
        lambda api: api.randperm(n),
        lambda api: api.randperm(n, dtype=api.int32),
        lambda api: api.normal(0.5, 2.0, (n,)),
    ):
        same(draw, seed)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(
    st.integers(1, 40), st.integers(0, 4), st.integers(1, 60), st.booleans(), SEEDS, st.booleans()
)
def test_multinomial(n, rows, count, replacement, seed, double):
    count = count if replacement else min(count, n)
    weights = np.random.default_rng(seed % 1000).random((rows, n) if rows else n) + 0.01

    def draw(api):
        w = api.from_numpy(weights.copy())
        return api.multinomial(w if double else w.float(), count, replacement)

    same(draw, seed)


def gamma(api):
    """PyTorch has it under a private name."""
    return torch._standard_gamma if api is torch else rushlight._api._standard_gamma


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.integers(1, 60), SEEDS, st.sampled_from(WIDE))
def test_binomial_and_gamma_of_many_kinds(n, seed, dtype):
    rng = np.random.default_rng(seed % 1000)
    counts, chances = rng.integers(0, 300, n), rng.random(n)
    shapes = rng.random(n) * 5 + 0.05

    def made(api, array):
        return api.from_numpy(np.array(array)).to(getattr(api, dtype))

    same(lambda api: api.binomial(made(api, counts), made(api, chances)), seed)
    same(lambda api: api.poisson(made(api, shapes * 8)), seed)
    same(lambda api: gamma(api)(made(api, shapes)), seed)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(SEEDS, st.lists(st.sampled_from(["rand", "randn", "scalar", "perm"]), max_size=6))
def test_states_move_between_the_two(seed, calls):
    """After any draws, each continues from the bytes of the other's state."""

    def draw(api, g, call):
        made = {
            "rand": lambda: api.rand(5, generator=g),
            "randn": lambda: api.randn(40, generator=g),
            "scalar": lambda: api.randn(3, generator=g),
            "perm": lambda: api.randperm(9, generator=g),
        }
        return made[call]().tolist()

    ours, theirs = rushlight.Generator(), torch.Generator()
    ours.manual_seed(seed)
    for call in calls:
        draw(rushlight, ours, call)
    theirs.set_state(torch.from_numpy(ours.get_state().numpy()))
    assert theirs.initial_seed() == ours.initial_seed()
    assert theirs.get_state().tolist() == ours.get_state().tolist()
    for call in ("scalar", "rand", "randn", "perm"):
        assert draw(rushlight, ours, call) == draw(torch, theirs, call)
    again = rushlight.Generator()
    again.set_state(rushlight.from_numpy(theirs.get_state().numpy()))
    assert draw(rushlight, again, "scalar") == draw(torch, theirs, "scalar")


@pytest.mark.parametrize("seed", [0, 1, 624, -1, 2**63])
def test_fork_rng_and_clones(seed):
    def draws(api):
        api.manual_seed(seed)
        out = [api.randn(3)]
        with api.random.fork_rng():
            out.append(api.rand(700))
        out.append(api.randn(3))
        g = api.Generator().manual_seed(seed)
        twin = g.clone_state()
        out += [api.rand(4, generator=g), api.rand(4, generator=twin)]
        state = api.get_rng_state()
        out.append(api.randn(20))
        api.set_rng_state(state)
        out.append(api.randn(20))
        return api.cat(out)

    same(draws, seed)
    assert rushlight.initial_seed() == torch.initial_seed()


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize(
    "shape", [(4, 6), (1, 1), (5, 5), (7, 7), (9, 4), (3, 2, 4), (8, 3), (2, 5)]
)
def test_orthogonal(shape, seed):
    same(lambda api: api.nn.init.orthogonal_(api.empty(*shape), gain=0.7), seed)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("shape", [(12, 12), (16, 16), (64, 32), (3, 25, 2)])
def test_orthogonal_to_rounding(shape, seed):
    """Larger QR is LAPACK's: OpenBLAS and MKL round differently, so the last bits may."""
    torch.manual_seed(seed)
    rushlight.manual_seed(seed)
    ours = rushlight.nn.init.orthogonal_(rushlight.empty(*shape)).numpy()
    theirs = torch.nn.init.orthogonal_(torch.empty(*shape)).numpy()
    assert np.abs(ours - theirs).max() < 2e-6
    assert rushlight.rand(3).tolist() == torch.rand(3).tolist()


@settings(max_examples=60, deadline=None, derandomize=True)
@given(FULL_SHAPES, SEEDS, st.sampled_from([1, 0.5, 2.3]), st.booleans())
def test_gumbel_softmax(shape, seed, tau, hard):
    """Its logarithm and its softmax are PyTorch's to the last bit."""

    def draw(api):
        logits = api.linspace(-2, 3, int(np.prod(shape))).reshape(shape)
        return api.nn.functional.gumbel_softmax(logits, tau=tau, hard=hard)

    same(draw, seed)


def test_logarithms_of_float32():
    """The one elementwise function whose bits samples depend on: every kind of number."""
    rng = np.random.default_rng(0)
    bits = rng.integers(-(2**31), 2**31, 300_001).astype(np.int32)
    bits[:1000] %= 0x00900000  # about the smallest normal number
    bits[:4] = 0, -(2**31), 0x7F800000, 0x7FC00000
    x = bits.view(np.float32)
    theirs = torch.log(torch.from_numpy(x)).numpy()
    assert np.array_equal(log_float32(x), theirs, equal_nan=True)
    if C is not None:
        assert np.array_equal(rushlight.from_numpy(x).log().numpy(), theirs, equal_nan=True)


OUTS = {
    "transposed": lambda api: api.zeros(5, 7).t(),
    "strided": lambda api: api.zeros(5, 20)[:, ::3],
    "permuted": lambda api: api.zeros(3, 4, 5, 6).permute(2, 0, 3, 1),
}


@pytest.mark.parametrize("layout", OUTS)
def test_out_is_filled_in_the_order_of_its_memory(layout):
    for draw in (
        lambda api, o: api.rand(o.shape, out=o),
        lambda api, o: api.randn(o.shape, out=o),
        lambda api, o: api.randint(0, 50, tuple(o.shape), out=o),
        lambda api, o: api.normal(0.3, 0.2, tuple(o.shape), out=o),
        lambda api, o: api.normal(api.ones(o.shape), 0.3, out=o),
        lambda api, o: api.normal(0.2, api.ones(o.shape), out=o),
    ):
        same(lambda api, draw=draw: draw(api, OUTS[layout](api)), 3)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
@pytest.mark.parametrize("replacement", [True, False])
def test_multinomial_of_half_precision_and_of_views(dtype, replacement):
    def draw(api):
        return api.multinomial(api.rand(20, 6).to(getattr(api, dtype)).t(), 7, replacement)

    for seed in range(5):
        same(draw, seed)


@pytest.mark.filterwarnings("ignore:to - 1 is out of bounds")
@pytest.mark.parametrize("dtype", ["float32", "float64", "int64"])
def test_the_widest_range_of_integers(dtype):
    same(lambda api: api.randint(0, 2**63 - 1, (20,), dtype=getattr(api, dtype)), 5)


@pytest.mark.parametrize("training", [True, False])
def test_rrelu_of_bfloat16(training):
    same(
        lambda api: api.nn.functional.rrelu(
            api.linspace(-2, 1, 99).to(api.bfloat16), training=training
        ),
        0,
    )
