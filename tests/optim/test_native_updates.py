"""The native updates give the bits of their references, at every instruction set."""

import numpy as np
import pytest
from ml_dtypes import bfloat16

from rushlight._core import extension
from rushlight._ops import optimizer_updates
from rushlight._ops.optimizer_blocks import blocks, count

C = extension.C
pytestmark = [
    pytest.mark.usefixtures("level"),
    pytest.mark.skipif(C is None, reason="rushlight._C is not built"),
]

# update: number of arrays, which of them are not used (None), numbers
CASES = [
    ("sgd_update", 3, [2], (-0.1, 0, 1)),
    ("sgd_update", 3, [2], (-0.1, 0.3, -1)),
    ("momentum_update", 3, [], (-0.1, 0, 1, 0.9, 1, False, False)),
    ("momentum_update", 3, [], (-0.1, 0.2, -1, 0.9, 0.7, True, False)),
    ("momentum_update", 3, [], (-0.1, 0.2, -1, 0.9, 0.7, True, True)),
    ("asgd_update", 3, [], (-0.1, 0.2, 1, 0.99, 1)),
    ("asgd_update", 3, [], (-0.1, 0, -1, 0.99, 0.25)),
    ("rprop_update", 4, [], (1, 0.5, 1.2, 1e-6, 50)),
    ("rprop_update", 4, [], (-1, 0.3, 1.4, 0.1, 2)),
    ("adagrad_update", 3, [], (-0.1, 0.1, 1, 1e-10)),
    ("rmsprop_update", 5, [3, 4], (-0.1, 0, 1, 0.99, 1e-8, 0, False, False)),
    ("rmsprop_update", 5, [3], (-0.1, 0.1, 1, 0.9, 1e-8, 0.9, False, True)),
    ("rmsprop_update", 5, [4], (-0.1, 0, -1, 0.3, 1e-8, 0, True, False)),
    ("rmsprop_update", 5, [], (-0.1, 0.1, -1, 0.9, 1e-8, 0.9, True, True)),
    ("adadelta_update", 4, [], (-1.0, 0.1, -1, 0.9, 1e-6)),
    ("adam_update", 5, [4], (-0.1, 0, 1, 1, 0.1, 0.999, 0.3, 1e-8, False)),
    ("adam_update", 5, [4], (-0.1, 0.1, -1, 0.98, 0.7, 0.999, 0.3, 1e-8, False)),
    ("adam_update", 5, [], (-0.1, 0.1, 1, 0.98, 0.1, 0.999, 0.3, 1e-8, True)),
    ("adamax_update", 4, [], (-0.1, 0.1, -1, 0.1, 0.999, 1e-8)),
    ("nadam_update", 4, [], (-0.1, 0.1, -1, 0.98, 0.1, 0.999, 0.3, 1e-8, -0.05)),
    ("radam_update", 4, [], (0.1, 0.1, -1, 0.98, 0.1, 0.999, 0.2, 0.3, 1e-8, 0)),
    ("radam_update", 4, [], (0.1, 0, 1, 1, 0.1, 0.999, 0.2, 0.3, 1e-8, 0.4)),
    ("scale_update", 1, [], (0.3,)),
    ("clamp_update", 1, [], (-0.5, 0.25)),
    ("mix_update", 2, [], (0.01,)),
    ("mix_update", 2, [], (0.9,)),
]
SHAPES = [(), (0, 3), (1,), (7,), (16,), (33,), (65, 3), (40000,), (4, 8200), (3,)]
EDGES = [0.0, -0.0, np.inf, -np.inf, np.nan, 1e-45, -1e-40, 3e38, -1.0, 1.0]
rng = np.random.default_rng(0)


def draw(shape, dtype, edges):
    x = rng.standard_normal(shape)
    if dtype.startswith("complex"):
        x = x + 1j * rng.standard_normal(shape)
    x = np.asarray(x).astype(bfloat16 if dtype == "bfloat16" else dtype)
    if edges and x.size >= len(EDGES):
        with np.errstate(over="ignore"):
            x.ravel()[rng.permutation(x.size)[: len(EDGES)]] = EDGES
    return np.asfortranarray(x) if x.ndim > 1 and rng.random() < 0.5 else x


def same_order(lists):
    """Copies in the memory order of the first list."""
    return [
        [
            np.array(y, order="C" if x.flags.c_contiguous else "F")
            for x, y in zip(lists[0], one, strict=True)
        ]
        for one in lists
    ]


def copies(lists):
    return [[np.array(x, order="K") for x in one] for one in lists]


def same(x, y):
    """The same bits, but for those of a nan."""
    if x.dtype.kind == "c":
        same(x.real, y.real)
        same(x.imag, y.imag)
        return
    x, y = x.astype(np.float64), y.astype(np.float64)
    np.testing.assert_array_equal(x, y)
    assert (np.signbit(x) == np.signbit(y))[~np.isnan(x)].all()


@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64", "float16", "bfloat16"])
@pytest.mark.parametrize(("name", "arrays", "unused", "numbers"), CASES)
def test_bits(name, arrays, unused, numbers, dtype):
    lists = same_order([[draw(s, dtype, True) for s in SHAPES] for _ in range(arrays)])
    ours, theirs = copies(lists), copies(lists)
    given = tuple(None if i in unused else one for i, one in enumerate(ours))
    assert C.update(name, given, numbers) == []
    reference = getattr(optimizer_updates, name)
    with np.errstate(all="ignore"):
        for i in range(len(SHAPES)):
            row = [(theirs[0] if j in unused else one)[i] for j, one in enumerate(theirs)]
            for pieces in blocks(*row):
                reference(*pieces, *numbers)
    for one, other in zip(ours, theirs, strict=True):
        for x, y in zip(one, other, strict=True):
            same(x, y)


def test_numbers_of_each_parameter():
    params = [np.ones(5, np.float32), np.ones(4)]
    grads = [np.ones(5, np.float32), np.ones(4)]
    assert C.update("sgd_update", (params, grads, None), [(-0.5, 0, 1), (-0.25, 0, 1)]) == []
    assert params[0].tolist() == [0.5] * 5
    assert params[1].tolist() == [0.75] * 4


def test_what_is_not_served_is_named_and_left_alone():
    plain = np.ones((4, 4), np.float32)
    read_only = np.ones(3)
    read_only.flags.writeable = False
    unlike = np.ones((2, 3), order="F")
    params = [plain[:, ::2], plain.copy(), np.ones(3, np.int32), read_only, np.ones((2, 3)),
              np.ones(3).astype(">f8"), np.ones((2, 3)), np.ones(3, np.float32)]  # fmt: skip
    grads = [np.ones_like(p) for p in params]
    grads[4], grads[6], grads[7] = unlike, np.ones((3, 2)), np.ones(3)
    before = [p.copy() for p in params]
    rest = C.update("sgd_update", (params, grads, None), (-1, 0, 1))
    assert rest == [0, 2, 3, 4, 5, 6, 7]
    for i in rest:
        np.testing.assert_array_equal(params[i], before[i])
    assert params[1].tolist() == [[0.0] * 4] * 4


def test_arguments_are_checked():
    x = [np.ones(2)]
    with pytest.raises(ValueError, match="no update is called"):
        C.update("x", (x, x), (1,))
    with pytest.raises(TypeError, match="lists of arrays"):
        C.update("sgd_update", (x, [], None), (1, 0, 1))
    with pytest.raises(TypeError, match="tuple"):
        C.update("sgd_update", (x, x, None), 1)
    with pytest.raises(ValueError, match="one tuple"):
        C.update("sgd_update", (x, x, None), [])
    with pytest.raises(TypeError):
        C.update("sgd_update", (x, x, None), ("a", 0, 1))


def test_count():
    steps = [np.array(3.0, np.float32), np.array(7.0)]
    assert C.count(steps) == [4.0, 8.0]
    assert [s.item() for s in steps] == [4.0, 8.0]
    assert count([np.array(3)]) == [4]


def test_norms():
    arrays = [draw(s, t, False) for s in SHAPES for t in ("float32", "float64", "complex64")]
    truth = [np.sqrt((np.abs(x.astype(complex)) ** 2).sum()) for x in arrays]
    np.testing.assert_allclose(C.norms(arrays), truth, rtol=1e-6)
    assert C.norms([np.ones(4, np.int64)]) is NotImplemented


@pytest.mark.parametrize("dtype", [np.float16, bfloat16])
def test_half_precision_rounds_as_numpy_does(dtype):
    """x *= 1 - 1e-3 in float32, of every value."""
    every = np.arange(1 << 16, dtype=np.uint16).view(dtype)
    ours = every.copy()
    assert C.update("scale_update", ([ours],), (1 - 1e-3,)) == []
    with np.errstate(all="ignore"):
        theirs = (every.astype(np.float32) * np.float32(1 - 1e-3)).astype(dtype)
    nan = np.isnan(theirs)
    assert (np.isnan(ours) == nan).all()
    assert (ours.view(np.uint16)[~nan] == theirs.view(np.uint16)[~nan]).all()
