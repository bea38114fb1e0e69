"""Laws over every public operator: its samples x layouts x dtypes.

It equals PyTorch (installed, or recorded), leaves its inputs alone, gives the same whatever the
strides of its inputs, ``out=`` and ``X_`` agree with it, its results share memory where PyTorch's
do, its gradients are PyTorch's. Pointwise operators and reductions are differentiated numerically
too, twice; every record is reached by a sample or says why not.
"""

import sys
import warnings
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))  # cases.py is a plain module beside this one
from cases import Array, array_of, cases_of, contiguous, function_of, leaves, recorded, tensors_of

import rushlight as torch
from rushlight._core.op import OPS, Binary, Reduce, Unary
from rushlight._core.state import S
from rushlight.autograd import gradcheck, gradgradcheck

NAMES = sorted(recorded())
TOLERANCE = {  # dtype of a result -> rtol, atol
    "float64": (1e-7, 1e-7),
    "complex128": (1e-7, 1e-7),
    "float32": (1e-4, 1e-4),
    "complex64": (1e-4, 1e-4),
    "bfloat16": (4e-2, 4e-2),
    "float16": (4e-3, 4e-3),
}
WIDE = ("float64", "complex128")
# Entries a law does not speak of, and why.
MEMORY = "the result is what happened to be in memory"
MANY = "one of many right answers: the order of equals, the sign of an eigenvector"
PRECISION = "PyTorch's own answer is far from the exact one"
STRIDES = "what it does depends on the strides of its input, as in PyTorch"
COPIES = "PyTorch's may be a view where nothing moves; here it is a copy"
WRITES = "it writes into its argument by design"
LOST = "a case does not keep what the input of PyTorch's sample is a view of"
UNREAD = "PyTorch gives elements that are not read a gradient, here it is zero"
SWAPPED = "PyTorch accepts the arguments exchanged, with a warning"

EMPTY = ["empty", "empty_like", "empty_permuted", "empty_strided", "new_empty", "new_empty_strided"]
BESSEL = ["special.bessel_j0", "special.bessel_j1", "special.bessel_y1"]
VALUES = {
    **dict.fromkeys(EMPTY, MEMORY),
    **dict.fromkeys(BESSEL, PRECISION),
    **dict.fromkeys(["topk", "kthvalue", "linalg.eig", "linalg.eigh"], MANY),
    "as_strided.partial_views": LOST,
    "nn.functional.embedding_bag": SWAPPED,
}
SKIPPED: dict[str, dict[str, str]] = {
    "equal": VALUES
    | dict.fromkeys(["native_batch_norm", "nn.functional.batch_norm"], WRITES)
    | dict.fromkeys(["nn.functional.instance_norm", "resize_", "zero_"], WRITES),
    "layout": VALUES
    | dict.fromkeys(["as_strided", "as_strided_copy", "as_strided_scatter"], STRIDES)
    | {"multinomial": "PyTorch draws in the order of memory, and so do we"}
    | dict.fromkeys(["view", "view_as", "view_copy", "view_as_complex"], STRIDES),
    "out": VALUES | {"equal": "the answer is a bool", "histogramdd": "a list of tensors within"},
    "in place": VALUES,
    "alias": {
        "as_strided.partial_views": LOST,
        "nn.functional.embedding_bag": SWAPPED,
        **dict.fromkeys(["nn.functional.pixel_shuffle", "nn.functional.pixel_unshuffle"], COPIES),
        "conj": "a conjugate is computed at once, not when it is read",
    },
    "gradient": VALUES
    | dict.fromkeys(["cholesky_inverse", "cholesky_solve"], UNREAD)
    | {"as_strided_scatter": "PyTorch passes a gradient to what was overwritten"},
}


# In one dtype only: few of bfloat16's eight bits are left after a chain of products.
IMPRECISE = {("addbmm", "bfloat16"), ("matrix_exp", "bfloat16")}


def lawful(name):
    """The cases of an entry that its laws speak of."""
    return [c for c in cases_of(name) if (name, c["dtype"]) not in IMPRECISE]


def spoken_of(law):
    """The entries a law speaks of."""
    return [n for n in NAMES if n not in SKIPPED.get(law, {})]


@pytest.fixture(autouse=True)
def quiet():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of deprecated names; what they say is another test's
        yield


def arguments(case, layout=contiguous, grad=False):
    """The positional and keyword arguments of a case."""
    return tensors_of((case["args"], case["kwargs"]), layout, grad)


def call(case, args, kwargs, **extra):
    """The result of a case in rushlight, after seeding as PyTorch was seeded."""
    torch.manual_seed(42)
    return function_of(case["function"])(*args, **kwargs, **extra)


def check_same(result, expected, where):
    """Structure, dtypes, shapes and values of a result are the expected ones."""
    if isinstance(expected, Array):
        assert str(result.dtype) == f"torch.{expected.dtype}", where
        assert tuple(result.shape) == expected.data.shape, where
        check_values(array_of(result), expected.data, where)
    elif isinstance(expected, (list, tuple)):
        assert isinstance(result, (list, tuple)), where
        assert len(result) == len(expected), where
        for r, e in zip(result, expected, strict=True):
            check_same(r, e, where)
    else:
        assert result == expected or (result != result and expected != expected), where


def check_values(found, expected, where):
    """The same numbers, to the tolerance of the dtype."""
    rtol, atol = TOLERANCE.get(expected.dtype.name, (0, 0))
    if rtol and expected.dtype.kind != "c":
        found, expected = found.astype(np.float64), expected.astype(np.float64)
    np.testing.assert_allclose(found, expected, rtol, atol, equal_nan=True, err_msg=where)


def shown(case):
    """A case in a few words."""
    return f"{case['function']} {case['dtype']} {case['args']} {case['kwargs']}"[:300]


@pytest.mark.parametrize("name", spoken_of("equal"))
def test_equals_torch_and_leaves_its_inputs_alone(name):
    for case in lawful(name):
        args, kwargs = arguments(case)
        before = [array_of(t).copy() for t in leaves((args, kwargs))]
        check_same(call(case, args, kwargs), case["result"], shown(case))
        for t, b in zip(leaves((args, kwargs)), before, strict=True):
            np.testing.assert_array_equal(array_of(t), b, err_msg="an input was modified")


LAYOUTS = {
    "transposed": lambda x: np.array(x.T, order="C", copy=True).T,
    "strided": lambda x: np.repeat(x, 2, axis=-1)[..., ::2] if x.ndim else x.copy(),
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", spoken_of("layout"))
def test_strides_of_the_inputs_do_not_matter(name, layout):
    for case in lawful(name):
        if case["dtype"] in WIDE:
            args, kwargs = arguments(case, LAYOUTS[layout])
            check_same(call(case, args, kwargs), case["result"], shown(case))


@pytest.mark.parametrize("name", spoken_of("out"))
def test_out_agrees(name):
    for case in lawful(name):
        if not case["out"]:
            continue
        args, kwargs = arguments(case)
        result = call(case, args, kwargs)
        out = (
            torch.empty(0, dtype=result.dtype)
            if isinstance(result, torch.Tensor)
            else type(result)([torch.empty(0, dtype=r.dtype) for r in result])
        )
        returned = call(case, args, kwargs, out=out)
        check_same(out, case["result"], shown(case))
        assert returned is out or all(r is o for r, o in zip(returned, out, strict=True))


@pytest.mark.parametrize("name", spoken_of("in place"))
def test_in_place_form_agrees(name):
    for case in lawful(name):
        method = getattr(torch.Tensor, case["function"].rpartition(".")[2] + "_", None)
        if not case["inplace"] or method is None or not isinstance(case["result"], Array):
            continue
        first, expected = case["args"][0], case["result"]
        if first.dtype == expected.dtype and first.data.shape == expected.data.shape:
            args, kwargs = arguments(case)
            torch.manual_seed(42)
            assert method(*args, **kwargs) is args[0]
            check_same(args[0], expected, shown(case))


@pytest.mark.parametrize("name", spoken_of("alias"))
def test_results_share_memory_where_those_of_torch_do(name):
    for case in lawful(name):
        if case["alias"] is None:
            continue
        args, kwargs = arguments(case)
        inputs = [array_of(t) for t in leaves((args, kwargs))]
        results = [array_of(r) for r in leaves(call(case, args, kwargs))]
        shares = any(np.may_share_memory(r, x) for r in results for x in inputs if r.size)
        assert shares == case["alias"], shown(case)


@pytest.mark.parametrize("name", spoken_of("gradient"))
def test_gradients_are_those_of_torch(name):
    for case in lawful(name):
        if case["grads"] is None:
            continue
        args, kwargs = arguments(case, grad=True)
        wanted = [t for t in leaves((args, kwargs)) if t.requires_grad]
        results = [r for r in leaves(call(case, args, kwargs)) if r.requires_grad]
        weights = [torch.from_numpy(weights_of(r)) for r in results]
        found = [None] * len(wanted)
        if results:
            found = torch.autograd.grad(results, wanted, weights, allow_unused=True)
        for g, e in zip(found, case["grads"], strict=True):
            if g is None or e is None:  # none is as good as zero
                assert g is None or not g.any(), shown(case)
                assert e is None or not e.data.any(), shown(case)
            else:
                check_same(g, e, shown(case))


def weights_of(result):
    """What a result is weighted with before it is differentiated; as in cases_of_torch.py."""
    count = result.numel()
    return (np.cos(np.arange(count)) + 1.5).reshape(result.shape).astype(array_of(result).dtype)


# ---- gradients against differences, twice --------------------------------------------------------

# Where a function is defined and smooth for sure: (low, high) of each argument.
RANGES = {
    "acosh": (1.5, 3),
    "atanh": (-0.8, 0.8),
    "acos": (-0.8, 0.8),
    "asin": (-0.8, 0.8),
    "erfinv": (-0.8, 0.8),
    "logit": (0.2, 0.8),
    "ndtri": (0.2, 0.8),
    "log1p": (0.1, 2),
    "polygamma": (0.6, 3),
}
SMOOTH = sorted(
    n
    for n, op in OPS.items()
    if issubclass(op, (Unary, Binary, Reduce)) and op.public and op.differentiable
)


@pytest.mark.parametrize("name", SMOOTH)
def test_gradients_of_order_one_and_two(name):
    op = OPS[name]
    low, high = RANGES.get(name, (0.3, 2.7))
    rng = np.random.default_rng(len(name))
    arrays = [rng.uniform(low, high, (3, 4))[:2, :2].copy() for _ in op.tensors]
    inputs = [torch.from_numpy(a).requires_grad_() for a in arrays]
    try:
        outcome = op.call(*inputs)
    except (RuntimeError, NotImplementedError, TypeError, IndexError) as error:
        pytest.skip(f"{name} refuses this sample: {error}")
    first = outcome if not isinstance(outcome, tuple) else outcome[0]
    if not first.requires_grad:
        pytest.skip("not differentiable in a tensor argument")
    try:
        assert gradcheck(op.call, inputs)
        assert gradgradcheck(op.call, inputs, atol=1e-4)
    except (RuntimeError, NotImplementedError) as error:
        if "not implemented" not in str(error):
            raise
        pytest.skip(f"as in PyTorch: {error}")


# ---- every record is reached ---------------------------------------------------------------------

# What reaches the records that no sample of PyTorch's does; `x` is a (2, 3) leaf, `F` is
# nn.functional. Their values are other tests' matter.
FURTHER = (
    "torch.add(x, x, alpha=2.5) + torch.sub(x, x, alpha=2.5) + torch.rsub(x, x, alpha=2.5)",
    "F.batch_norm(x, torch.zeros(3), torch.ones(3))",
    "torch.clamp_max(x, 1)",
    "torch.conj_physical(torch.complex(x, x)).real",
    "F.cross_entropy(torch.cat([x] * 3000, 1), torch.tensor([0, 1]))",
    "F.scaled_dot_product_attention(x, x, x)",
    "F.scaled_dot_product_attention(x, x, x, torch.zeros(2, 2, requires_grad=True))",
    "F.ctc_loss(x[:, None].log_softmax(-1), torch.tensor([[1]]), (2,), (1,))",
    "F.embedding(torch.tensor([0, 1]), x)",
    "F.embedding_bag(torch.tensor([[0, 1]]), x)",
    "F.affine_grid(x[None], (1, 1, 2, 2), False)",
    "torch.autograd.grad(F.gelu(x).sum(), x, create_graph=True)[0]",
    "torch.autograd.grad(F.max_pool1d(x, 2).sum() * x.sum(), x, create_graph=True)[0]",
    "torch.nn.LSTM(3, 2)(x)[0]",
    "torch.nn.LSTMCell(3, 2)(x)[0]",
    "F.leaky_relu(x) + F.hardswish(x)",
    "x.T * 1",
    "x.view(torch.int32)",
    "x.scatter(0, torch.tensor([[0]]), x)",
    "x.to_sparse().to_dense()",
    "torch.sparse_coo_tensor(torch.tensor([[0, 1]]), x[:, 0], (2,)).coalesce().values()",
    "torch.sparse.mm(x.to_sparse(), x.t())",
    "torch.sparse.sampled_addmm(torch.eye(2).to_sparse_csr(), x.detach(), x.detach().t())",
    "torch.distributions.Gamma(x.abs() + 1, 1.0).rsample()",
    "torch.distributions.Dirichlet(x.abs() + 1).rsample()",
)
# Records that nothing reaches, and why.
GUMBEL = "what gumbel_softmax draws with; tests/ops/test_random.py has it"
UNREACHED = {
    "rms_rows": "not where modes are looked for: tests/kernels/test_curves.py",
    "rms_rows_backward": "the same",
    "fused_attention": (DEVICES := "only tensors of a CUDA device take it; tests/cuda"),
    "fused_attention_backward": DEVICES,
    "gru_cell_step": DEVICES,
    "gru_cell_step_backward": DEVICES,
    "fused_dropout": DEVICES,
    "fused_dropout_backward": DEVICES,
    "fused_rms_norm": DEVICES,
    "rms_norm_backward": DEVICES,
    "grid_sampler": "not where modes are looked for: tests/ops/test_resample.py",
    "grid_sampler_backward": "the same",
    "noise_log": GUMBEL,
    "sparse_blocks": "block-sparse layouts; tests/sparse has them",
    "sample_softmax": GUMBEL,
    "embedding_lookup": "the second derivative of an embedding; tests/ops/test_embedding.py has it",
    "segment_reduce": "no sample in PyTorch's tables; tests/parity/test_smaller_names.py has them",
}


def records_by_code():
    """The code that only one record runs: its entry, its forward, its native kernel's wrapper."""
    found = {}
    for name, op in OPS.items():
        for function in (op.call, op.forward, op.reference, op.run, op.fast):
            code = getattr(function, "__code__", None)
            if code is not None:
                found.setdefault(id(code), set()).add(name)
    return {code: names.pop() for code, names in found.items() if len(names) == 1}


def reached_records():
    """The records that run, forward or backward, in a case of each entry."""
    codes, reached = records_by_code(), set()

    def profile(frame, event, arg):
        if event == "call" and (name := codes.get(id(frame.f_code))) is not None:
            reached.add(name)

    S.special += 1  # every call takes the general path: a front in C++ has no frame to see
    sys.setprofile(profile)
    try:
        for name in NAMES:
            for case in recorded()[name]:
                run_both_ways(case)
        for expression in FURTHER:
            evaluate_both_ways(expression)
    finally:
        sys.setprofile(None)
        S.special -= 1
    return reached


def run_both_ways(case):
    """Forward, and backward where PyTorch has gradients; what they give is other tests' matter."""
    args, kwargs = arguments(case, grad=case["grads"] is not None)
    try:
        results = [r for r in leaves(call(case, args, kwargs)) if r.requires_grad]
        if results:
            torch.autograd.backward(results, [torch.ones_like(r) for r in results])
    except (RuntimeError, TypeError):
        return


def evaluate_both_ways(expression):
    """Forward and, if it has a gradient, backward."""
    x = torch.tensor([[0.5, -1.0, 2.0], [1.5, 0.0, -0.5]], requires_grad=True)
    result = eval(expression, {"torch": torch, "F": torch.nn.functional, "x": x})
    if result.requires_grad:
        result.sum().backward()


def test_every_record_is_reached_or_says_why_not():
    missed = {n for n, op in OPS.items() if op.__module__.startswith("rushlight")}
    missed -= reached_records()
    assert sorted(missed - UNREACHED.keys()) == []
    assert sorted(UNREACHED.keys() - OPS.keys()) == []
