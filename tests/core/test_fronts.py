"""The fronts in C++ do what the Python entries behind them do: values, history, refusals, names."""

import copy
import pickle
import warnings

import numpy as np
import pytest

import rushlight as torch
from rushlight._core.extension import C
from rushlight._core.op import OPS, Binary, Reduce, Unary
from rushlight._core.tensor import Tensor

pytestmark = pytest.mark.skipif(C is None, reason="the native extension is not built or is off")


LAYOUTS = {
    "contiguous": lambda x: x,
    "transposed": lambda x: np.ascontiguousarray(x.T).T,
    "zero_dim": lambda x: x.reshape(-1)[:1].reshape(()),
    "empty": lambda x: x[:0],
}
POINTWISE = sorted(n for n, op in OPS.items() if issubclass(op, (Unary, Binary)) and op.public)
REDUCTIONS = sorted(n for n, op in OPS.items() if issubclass(op, Reduce) and op.public)


def sample(op, layout, dtype):
    rng = np.random.default_rng(len(op.name))
    arrays = [rng.uniform(0.3, 0.9, (3, 4)) for _ in op.tensors]
    return [LAYOUTS[layout](a.astype(dtype)) for a in arrays]


def behind(op):
    return op.call.__python__


def described(value):
    """A result or a saved slot as something to compare: arrays by value, tensors by place."""
    if isinstance(value, Tensor):
        return ("tensor", described(value._data))
    if isinstance(value, np.ndarray):
        return ("array", value.dtype, value.shape, value.tobytes())
    if isinstance(value, (tuple, list)):
        return [described(v) for v in value]
    return value


def history(result):
    """What a node holds, the edges by identity."""
    node = result._node
    if node is None:
        return None
    edges = [id(e) for e in node.edges]
    kept = node.saved[: len(edges) + len(node.op.keep_results)]  # an entry may add a None
    return node.op, edges, described(kept), node.shape, node.dtype, node.params, node.hooks


def outcome(function, *args, **kw):
    try:
        result = function(*args, **kw)
    except Exception as error:
        return type(error), str(error)
    if result is NotImplemented:
        return result
    results = result if isinstance(result, tuple) else (result,)
    return [described(r) for r in results], [history(r) for r in results]


@pytest.mark.parametrize("grad", [False, True], ids=["plain", "grad"])
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", POINTWISE + REDUCTIONS)
def test_front_and_entry_agree(name, layout, grad):
    op = OPS[name]
    for dtype in (np.float32, np.float64):
        tensors = [torch.from_numpy(a) for a in sample(op, layout, dtype)]
        for t in tensors if grad and op.differentiable else ():
            t.requires_grad_()
        assert outcome(op.call, *tensors) == outcome(behind(op), *tensors)


def test_integers_and_bools_agree():
    for name in POINTWISE + REDUCTIONS:
        op = OPS[name]
        for values in ([[3, 1], [2, 5]], [[True, False], [True, True]]):
            tensors = [torch.tensor(values) for _ in op.tensors]
            assert outcome(op.call, *tensors) == outcome(behind(op), *tensors), name


@pytest.mark.parametrize("number", [2, 2.5, True, 2 + 1j, 10**30, "a", None])
@pytest.mark.parametrize("name", ["add", "mul", "sub", "div", "maximum", "eq", "pow"])
def test_numbers_beside_tensors(name, number):
    op = OPS[name]
    for t in (torch.ones(2), torch.arange(3), torch.ones(2, requires_grad=True), torch.tensor(1.0)):
        assert outcome(op.call, t, number) == outcome(behind(op), t, number)
        left, right = getattr(Tensor, f"__r{name}__", None), t
        if left is not None and hasattr(left, "__python__"):
            assert outcome(left, right, number) == outcome(left.__python__, right, number)


CALLS = [
    ("softmax", (-1,), {}),
    ("softmax", (), {"dim": 1}),
    ("softmax", (), {"axis": 1}),
    ("softmax", (7,), {}),
    ("sum", (1,), {"keepdim": True}),
    ("sum", (), {"keepdim": True}),
    ("sum", (), {"dim": (0, 1)}),
    ("sum", (0, True, 5), {}),
    ("transpose", (0, 1), {}),
    ("transpose", (0,), {"dim1": 1}),
    ("transpose", (0,), {}),
    ("permute", (1, 0), {}),
    ("permute", ((1, 0),), {}),
    ("permute", (), {"dims": (1, 0)}),
    ("cumsum", (0,), {}),
    ("sort", (), {"descending": True}),
    ("cat", (), {"dim": 1}),
]


@pytest.mark.parametrize(("name", "args", "kw"), CALLS)
def test_arguments_are_bound_alike(name, args, kw):
    op = OPS[name]
    for t in (torch.ones(2, 3), torch.ones(2, 3, requires_grad=True)):
        given = [t, t] if op.variadic else t
        assert outcome(op.call, given, *args, **kw) == outcome(behind(op), given, *args, **kw)


def test_views_are_tied_to_their_base():
    for make in (OPS["transpose"].call, behind(OPS["transpose"])):
        base = torch.ones(2, 3, requires_grad=True) * 2
        view = make(base, 0, 1)
        assert view._base is base
        assert view._ver is base._ver
        assert view.t()._base is base
        base.mul_(3)  # the view is re-derived when it is used
        view.sum().backward()
        with torch.no_grad():
            hidden = make(base, 0, 1)
        assert hidden._seen == -1


def test_a_front_looks_like_its_function():
    add = torch.exp
    assert add.__name__ == add.__qualname__ == "exp"
    assert "exponential" in add.__doc__ or add.__doc__
    assert copy.deepcopy(add) is add
    assert pickle.loads(pickle.dumps(torch.Size([2]))) == torch.Size([2])
    assert repr(add).startswith("<function exp")
    assert torch.ones(2).exp.__self__.shape == (2,)
    with pytest.raises(AttributeError, match="no attribute 'colour'"):
        _ = add.colour


def test_numpy_warns_nobody():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", category=RuntimeWarning, module=r"rushlight\b")
        (torch.tensor([1e38]) * torch.tensor([1e38]) * torch.ones(3, 1)).sum()
        torch.full((2,), 1e30, dtype=torch.float64).pow(20).sum(0)
        torch.zeros(2).log()


def test_modes_and_subclasses_pass_by():
    class Loud(torch.Tensor):
        pass

    t = torch.ones(2).as_subclass(Loud)
    assert type(t + 1) is Loud
    assert type(torch.exp(t)) is Loud
    with torch.no_grad():
        assert (torch.ones(2, requires_grad=True) * 2)._node is None
