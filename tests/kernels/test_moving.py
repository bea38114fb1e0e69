"""Copies, casts, choices and indices in C++.

Each kernel says what its record's reference says, over shapes, strides, dtypes, zero sizes,
negative strides and expanded inputs.
"""

import ml_dtypes
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import rushlight
from rushlight._core import casting, extension
from rushlight._core.op import OPS
from rushlight._ops.copy import convert

C = extension.C
pytestmark = pytest.mark.skipif(C is None, reason="rushlight._C is not built")
HALF = [np.dtype(ml_dtypes.bfloat16), np.dtype("f2")]
PLAIN = [np.dtype(c) for c in ("?", "u1", "i1", "i2", "i4", "i8", "f4", "f8")]
MOVED = [*PLAIN, *HALF, np.dtype("c8"), np.dtype("c16"), np.dtype("u2"), np.dtype("u8")]
ADDED = [np.dtype(c) for c in ("f4", "f8", "i4", "i8")]
quick = settings(max_examples=60, deadline=None)
LEVELS = C.isas() if C else [None]


@pytest.fixture(params=LEVELS, autouse=True, scope="module")
def level(request):
    """Every test once for each instruction set this CPU has."""
    before = C.isa()
    C.use(request.param)
    yield
    C.use(before)


@pytest.fixture(autouse=True, scope="module")
def two_threads():
    """The pieces of work are shared out whatever the machine."""
    before = C.get_num_threads()
    C.set_num_threads(3)
    yield
    C.set_num_threads(before)


def filled(shape, dtype, seed):
    """Whole numbers, so that sums are exact in any order."""
    x = np.random.default_rng(seed).integers(-100 if dtype.kind != "u" else 0, 100, shape)
    return (x % 2 == 0) if dtype.kind == "b" else x.astype(dtype)


SIDES = st.sampled_from([0, 1, 2, 3, 5, 16, 17, 33, 70])
SEEDS = st.integers(0, 2**30)


@st.composite
def laid_out(draw, shape, dtype):
    """An array of this shape: permuted, with steps, reversed, expanded, or plain."""
    seed, order = draw(SEEDS), draw(st.permutations(range(len(shape))))
    steps = [draw(st.sampled_from([1, 1, 1, 2, -1, -3])) for _ in shape]
    expanded = [draw(st.integers(0, 7)) == 0 for _ in shape]
    base = [1 if e else n * abs(s) for n, s, e in zip(shape, steps, expanded, strict=True)]
    x = filled([base[d] for d in order], dtype, seed).transpose(np.argsort(order))
    x = x[
        tuple(
            slice(None) if e else slice(None, None, s) for s, e in zip(steps, expanded, strict=True)
        )
    ]
    return np.broadcast_to(x, shape)


@st.composite
def array(draw, dtypes=MOVED, low=0, high=4):
    shape = draw(st.lists(SIDES, min_size=low, max_size=high).filter(lambda s: np.prod(s) < 2e5))
    return draw(laid_out(tuple(shape), draw(st.sampled_from(dtypes))))


def same(found, expected, layout=False):
    """The same dtype, shape and bits (of NaN: that it is one)."""
    assert found is not NotImplemented
    expected = np.asarray(expected)
    assert found.dtype == expected.dtype and found.shape == expected.shape
    if found.dtype in HALF:
        found, expected = found.astype("f4"), expected.astype("f4")
    np.testing.assert_array_equal(found, expected)
    if layout and found.size:
        assert found.strides == expected.strides


def check(name, *args):
    """Kernel and reference: the same result, or the kernel leaves it to the reference."""
    op = OPS[name]
    found = op.native(*args)
    try:
        expected = op.reference(np, *args)
    except Exception:
        assert found is NotImplemented, "the reference refuses this"
        return
    if found is not NotImplemented:
        same(found, expected)


# ---- casts ---------------------------------------------------------------------------------------


@quick
@given(array([*PLAIN, *HALF]), st.sampled_from([*PLAIN, *HALF]))
def test_casts(x, dtype):
    assume(x.dtype != dtype)
    with np.errstate(all="ignore"):
        same(C.cast(x, dtype), x.astype(dtype), layout=True)


@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_casts_of_what_does_not_fit(dtype):
    values = [np.nan, np.inf, -np.inf, 300, -1, -1.5, 3e9, -3e9, 1e19, 1e30, 127.9, -0.0, 65520]
    x = np.array(values * 5, dtype)
    with np.errstate(all="ignore"):
        for to in PLAIN:
            if to != x.dtype:
                same(C.cast(x, to), x.astype(to))
        for to in HALF:
            same(C.cast(x, to), x.astype("f4").astype(to))


def test_wide_numbers_reach_half_precision_through_float32():
    x = np.full(20, 1 + 2.0**-11 + 2.0**-40)
    assert (C.cast(x, np.dtype("f2")) == 1).all()  # torch.tensor(x).half()


@quick
@given(st.integers(0, 2**32 - 4000), st.sampled_from(HALF))
def test_rounding_to_half_precision(start, dtype):
    x = np.arange(start, start + 4000, dtype="u4").view("f4")
    with np.errstate(all="ignore"):
        same(C.cast(x, dtype), x.astype(dtype))


def test_every_half_precision_number_widens():
    for dtype in HALF:
        x = np.arange(2**16, dtype="u2").view(dtype)
        same(C.cast(x, np.dtype("f4")), x.astype("f4"))


# ---- copies --------------------------------------------------------------------------------------


@quick
@given(array(), st.sampled_from("CK"))
def test_clone(x, order):
    found = C.clone(x, order)
    same(found, x.copy("C" if 0 in x.strides else order), layout=order == "C")
    assert not np.may_share_memory(found, x)


@quick
@given(st.data(), st.sampled_from(MOVED), st.lists(SIDES, max_size=3))
def test_copies_into_arrays(data, dtype, shape):
    assume(np.prod(shape) < 2e5)
    x, y = (data.draw(laid_out(tuple(shape), dtype)) for _ in range(2))
    assume(0 not in x.strides)
    x = x.copy("K") if not x.flags.writeable else x
    casting.assign(x, y)
    same(x, y)


@pytest.mark.parametrize("shift", [0, 1, 3])
def test_copies_between_parts_of_one_array(shift):
    x = np.arange(1000.0)
    expected = x.copy()
    expected[shift:] = expected[: 1000 - shift].copy()
    casting.assign(x[shift:], x[: 1000 - shift])
    same(x, expected)


@pytest.mark.parametrize("dtype", MOVED)
@pytest.mark.parametrize("shape", [(300, 301), (64, 65), (3, 129, 200), (5, 7, 33, 64)])
def test_large_transpositions(shape, dtype):
    x = filled(shape, dtype, 1)
    for order in (
        (*range(1, len(shape)), 0),
        tuple(reversed(range(len(shape)))),
        (len(shape) - 1, *range(len(shape) - 1)),
    ):
        same(C.contiguous(x.transpose(order)), x.transpose(order))


@quick
@given(array(low=1), st.data())
def test_reshape(x, data):
    assume(x.size)
    ways = [(-1,), (x.size,), x.shape[::-1], (1, *x.shape, 1), (x.shape[0], -1), (-1, x.shape[-1])]
    shape = data.draw(st.sampled_from(ways))
    found = C.reshaped(x, shape)
    if found is NotImplemented or np.shares_memory(found, x):
        return
    same(found, x.reshape(shape))
    assert not np.may_share_memory(x.reshape(shape), x), "there is a view"


@quick
@given(st.data(), st.sampled_from(MOVED), st.lists(SIDES, min_size=1, max_size=3))
def test_cat_and_stack(data, dtype, shape):
    assume(np.prod(shape) < 2e4)
    dim = data.draw(st.integers(-len(shape), len(shape) - 1))
    arrays = [data.draw(laid_out(tuple(shape), dtype)) for _ in range(data.draw(st.integers(1, 5)))]
    same(C.stack(arrays, dim), np.stack(arrays, dim))
    longer = list(shape)
    longer[dim] = data.draw(SIDES)
    arrays.append(data.draw(laid_out(tuple(longer), dtype)))
    same(C.cat(arrays, dim), np.concatenate(arrays, dim))


def test_cat_of_large_arrays():
    for shape in ((400, 300), (3, 70000), (1, 9, 4096)):
        arrays = [filled(shape, np.dtype("f4"), k) for k in range(3)]
        for dim in range(len(shape)):
            same(C.cat(arrays, dim), np.concatenate(arrays, dim))
            same(C.stack(arrays, dim), np.stack(arrays, dim))


@quick
@given(array(low=1), st.data())
def test_flip(x, data):
    dims = data.draw(st.lists(st.integers(0, x.ndim - 1), unique=True))
    check("flip", x, tuple(dims))


# ---- choices -------------------------------------------------------------------------------------


@st.composite
def broadcast(draw, dtypes):
    """Arrays that broadcast to one shape."""
    shape = draw(st.lists(SIDES, max_size=3).filter(lambda s: np.prod(s) < 1e5))
    arrays = []
    for dtype in dtypes:
        mine = tuple(n if draw(st.integers(0, 3)) else 1 for n in shape)
        arrays.append(draw(laid_out(mine[draw(st.integers(0, len(shape))) :], dtype)))
    return arrays


@quick
@given(st.data(), st.sampled_from(MOVED))
def test_where(data, dtype):
    check("where", *data.draw(broadcast([np.dtype(bool), dtype, dtype])))


@quick
@given(st.data(), st.sampled_from(MOVED), st.sampled_from([0, 1.5, True, -3]))
def test_masked_fill(data, dtype, value):
    x, mask = data.draw(broadcast([dtype, np.dtype(bool)]))
    check("masked_fill", x, mask, np.asarray(value))


@quick
@given(st.data(), st.sampled_from(PLAIN))
@pytest.mark.parametrize("name", ["eq", "ne", "lt", "le", "gt", "ge"])
def test_comparisons(name, data, dtype):
    x, y = data.draw(broadcast([dtype, dtype]))
    same(np.asarray(OPS[name].native(x, y)), OPS[name].reference(np, x, y))


@pytest.mark.parametrize("number", [0, 0.5, -3, 2**40, np.nan, True])
@pytest.mark.parametrize("name", ["eq", "ne", "lt", "le", "gt", "ge"])
def test_comparisons_with_numbers(name, number):
    for dtype in ("f4", "f8", "i8"):
        x = filled((7, 50), np.dtype(dtype), 3)
        same(OPS[name].native(x, number), OPS[name].reference(np, x, number))


@quick
@given(st.data(), st.sampled_from(PLAIN[:6]))
@pytest.mark.parametrize("name", ["bitwise_and", "bitwise_or", "bitwise_xor"])
def test_bits(name, data, dtype):
    x, y = data.draw(broadcast([dtype, dtype]))
    same(np.asarray(OPS[name].native(x, y)), OPS[name].reference(np, x, y))
    if dtype.kind == "b":
        logical = name.replace("bitwise", "logical")
        check(logical, x, y)
        check("logical_not", x)
        check("bitwise_not", x)


@quick
@given(array(ADDED), st.sampled_from([None, -5, 0.5, 0]), st.sampled_from([None, 7, -20, 1e3]))
def test_clamp(x, low, high):
    assume(low is not None or high is not None)
    assume(x.dtype.kind == "f" or not any(isinstance(b, float) for b in (low, high)))
    if x.dtype.kind == "f" and x.size:
        x = x.copy()
        x.flat[0] = np.nan
    check("clamp_numbers", x, low, high)


@quick
@given(array(low=1), st.data(), st.integers(1, 4), st.sampled_from([0.0, 0.02, 0.5, 1.0]))
def test_masks(x, data, covered, share):
    assume(covered <= x.ndim)
    mask = np.random.default_rng(data.draw(SEEDS)).random(x.shape[:covered]) < share
    check("index", x, (mask,))


@pytest.mark.parametrize("dtype", MOVED)
def test_large_masks(dtype):
    for share in (0.001, 0.5, 0.999):
        x = filled((300, 301), dtype, 5)
        mask = np.random.default_rng(6).random(x.shape) < share
        same(OPS["index"].native(x, (mask,)), x[mask])
        same(OPS["index"].native(x.T, (mask.T,)), x.T[mask.T])
        same(OPS["nonzero"].native(mask), np.stack(mask.nonzero(), 1))


def test_masks_of_other_bytes_than_one():
    mask = np.arange(200, dtype="u1").view(bool)
    x = np.arange(200.0)
    same(C.masked_rows(x, mask), x[1:])


@quick
@given(array(low=1))
def test_nonzero(x):
    check("nonzero", x)


# ---- indices -------------------------------------------------------------------------------------


@st.composite
def along(draw, dtypes, low=1, wild=False):
    """An array, a dimension, and indices along it (with ``wild``, now and then a bad one)."""
    x = draw(array(dtypes, low=low, high=3))
    dim = draw(st.integers(-x.ndim, x.ndim - 1))
    shape = list(x.shape)
    shape[dim] = draw(SIDES)
    n = x.shape[dim]
    assume(n or not np.prod(shape))
    index = np.random.default_rng(draw(SEEDS)).integers(0, max(n, 1), shape)
    if wild and index.size and draw(st.integers(0, 3)) == 0:
        index.flat[draw(st.integers(0, index.size - 1))] = draw(
            st.sampled_from([n, -1, -n - 1, 2**62, -(2**63)])
        )
    return x, dim, index.astype(draw(st.sampled_from(["i8", "i8", "i4"])))


@quick
@given(along(MOVED, wild=True))
def test_gather(case):
    x, dim, index = case
    check("gather", x, index, dim)


@quick
@given(along(MOVED, wild=True), st.data())
def test_scatter(case, data):
    x, dim, index = case
    check("scatter", x, index, data.draw(laid_out(index.shape, x.dtype)), dim)
    check("scatter", x, index, np.zeros((), x.dtype), dim)
    check("scatter_zero", x, index, dim)


@quick
@given(along(ADDED, wild=True), st.data())
def test_scatter_add(case, data):
    x, dim, index = case
    check("scatter_add", x, index, data.draw(laid_out(index.shape, x.dtype)), dim)


@pytest.mark.parametrize("dtype", ADDED)
def test_many_additions_to_few_places_do_not_depend_on_threads(dtype):
    index = np.random.default_rng(0).integers(0, 50, 100000)
    source = np.random.default_rng(1).random(100000).astype(dtype) * 100
    x, results = filled((50,), dtype, 2), []
    for threads in (1, 2, 3):
        C.set_num_threads(threads)
        results.append(C.scatter_add(x, index, source, 0))
    same(results[0], results[1])
    same(results[0], results[2])
    expected = x + np.bincount(index, source, 50)
    np.testing.assert_allclose(results[0], expected, rtol=1e-6)
    index[777] = 50
    assert C.scatter_add(x, index, source, 0) is NotImplemented


@quick
@given(along(MOVED, wild=True))
def test_index_select(case):
    x, dim, index = case
    check("index_select", x, index.reshape(-1)[:40], dim)


@quick
@given(along(MOVED), st.booleans())
def test_rows(case, negative):
    x, dim, index = case
    dim %= x.ndim
    rows = index.reshape(-1)[:40] - (x.shape[dim] if negative else 0)
    found = OPS["index"].native(x, (*[slice(None)] * dim, rows))
    same(found, x[(*[slice(None)] * dim, rows)])
    if dim == 0:
        same(OPS["index_rows"].native(x, rows), x[rows])
        assert OPS["index_rows"].native(x, rows + 10**6) is NotImplemented or not rows.size


@quick
@given(along(ADDED), st.data())
def test_sums_of_rows(case, data):
    x, _, _ = case
    n = x.shape[0]
    assume(n)
    rows = np.random.default_rng(data.draw(SEEDS)).integers(0, n, data.draw(SIDES))
    source = data.draw(laid_out((rows.size, *x.shape[1:]), x.dtype))
    check("index_add", x, rows, source, 0)
    check("index_put", x, source, (rows - n * (rows % 2),), True)
    check("index_backward", source, x.shape, (rows - n * (rows % 2),))
    if x.ndim == 2 and x.shape[1]:
        for padding in (-1, int(rows[0]) if rows.size else -1):
            check("embedding_backward", source, rows, n, padding, False)


@quick
@given(st.integers(1, 300), st.integers(1, 70), SEEDS, st.sampled_from(MOVED))
def test_embedding(count, width, seed, dtype):
    weight = filled((count, width), dtype, seed)
    indices = np.random.default_rng(seed).integers(0, count, (5, 13))
    check("embedding", weight, indices, -1, False, False)
    indices[3, 3] = count
    assert C.embedding(weight, indices, -1, False, False) is NotImplemented


def test_large_sums_of_rows():
    rng = np.random.default_rng(0)
    rows = rng.integers(0, 1000, 5000)
    g = filled((5000, 64), np.dtype("f4"), 1)
    check("embedding_backward", g, rows, 1000, 7, False)
    check("index_add", filled((1000, 64), np.dtype("f4"), 2), rows, g, 0)


# ---- the whole way -------------------------------------------------------------------------------


def test_errors_are_the_references():
    x = rushlight.zeros(3, 4)
    with pytest.raises(RuntimeError, match="index 4 is out of bounds for dimension 1 with size 4"):
        x.gather(1, rushlight.tensor([[4]]).expand(3, 1))
    with pytest.raises(IndexError, match="index out of range in self"):
        x.index_select(0, rushlight.tensor([3]))
    with pytest.raises(IndexError, match="out of bounds"):
        x[rushlight.tensor([5])]


@pytest.mark.parametrize("kind", ["complex128", "complex64"])
def test_the_real_part_is_a_copy(kind):
    x = filled((3, 3), np.dtype(kind), 0)
    assert not np.shares_memory(convert(x, x.real.dtype), x)
