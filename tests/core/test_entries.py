"""Laws over every record that takes plain samples: the thin entry agrees with the general path,
inputs stay as they were, ``out=`` and ``X_`` agree with X. What is asked of values and gradients
stands in tests/ops/test_laws.py."""

import pickle

import numpy as np
import pytest

import rushlight as torch
from rushlight._core import dispatch
from rushlight._core.op import OPS, Binary, Reduce, Unary

LAYOUTS = {
    "contiguous": lambda x: x,
    "transposed": lambda x: np.ascontiguousarray(x.T).T,
    "strided": lambda x: np.repeat(x, 2, axis=-1)[..., ::2],
    "zero_dim": lambda x: x.reshape(-1)[:1].reshape(()),
    "empty": lambda x: x[:0],
}
POINTWISE = sorted(n for n, op in OPS.items() if issubclass(op, (Unary, Binary)) and op.public)
REDUCTIONS = sorted(n for n, op in OPS.items() if issubclass(op, Reduce) and op.public)
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


def sample(op, layout, dtype=np.float64):
    """Arrays for an op's tensors, away from kinks and poles."""
    low, high = RANGES.get(op.name, (0.3, 2.7))
    rng = np.random.default_rng(len(op.name))
    arrays = [rng.uniform(low, high, (3, 4)) for _ in op.tensors]
    return [LAYOUTS[layout](a.astype(dtype)) for a in arrays]


def computed(op, layout, dtype=np.float64):
    """(tensors, result) of an op on its sample; skips what refuses the dtype or needs more
    arguments.
    """
    tensors = [torch.from_numpy(a) for a in sample(op, layout, dtype)]
    try:
        return tensors, op.call(*tensors)
    except (RuntimeError, NotImplementedError, TypeError, IndexError) as error:
        pytest.skip(f"{op.name} refuses this sample: {error}")


def arrays_of(result):
    return [r.detach().numpy() for r in (result if isinstance(result, tuple) else (result,))]


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", POINTWISE + REDUCTIONS)
def test_entry_agrees_with_general_path(name, layout):
    op = OPS[name]
    tensors, result = computed(op, layout)
    before = [t.numpy().copy() for t in tensors]
    params = tuple(op.defaults[len(op.tensors) :])
    general = dispatch.general(op, tuple(tensors), params)
    for a, b in zip(arrays_of(result), arrays_of(general), strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_array_equal(a, b)
    for t, b in zip(tensors, before, strict=True):
        np.testing.assert_array_equal(t.numpy(), b, err_msg="an input was modified")


@pytest.mark.parametrize("name", POINTWISE)
def test_out_and_in_place_agree(name):
    op = OPS[name]
    tensors, result = computed(op, "contiguous")
    if isinstance(result, tuple):
        pytest.skip("several results")
    out = torch.empty(0, dtype=result.dtype)
    assert op.call(*tensors, out=out) is out
    np.testing.assert_array_equal(out.numpy(), result.numpy())
    in_place = getattr(torch.Tensor, f"{name}_", None)
    if in_place is None or not op.inplace or not torch.can_cast(result.dtype, tensors[0].dtype):
        return
    target = tensors[0].clone()
    assert in_place(target, *tensors[1:]) is target
    np.testing.assert_array_equal(target.numpy(), result.to(target.dtype).numpy())


def test_every_record_has_documentation_or_is_internal():
    undocumented = [n for n, op in OPS.items() if op.public and not op.__doc__]
    assert not undocumented


def test_a_wrong_gradient_parameter_is_an_error_at_declaration():
    with pytest.raises(TypeError, match="asks for 'inputt'; it can have g, input"):

        class Misspelt(Unary):
            public = ()

            def forward(xp, x):
                return x

            def vjp(g, inputt):
                return g


def test_a_record_must_have_a_gradient_or_say_why_not():
    with pytest.raises(TypeError, match="has no vjp"):

        class Forgetful(Unary):
            public = ()

            def forward(xp, x):
                return x


def test_functions_are_pickled_by_the_name_they_are_imported_by():
    for function in (torch.relu, torch.cat, torch.nn.functional.gelu, torch.linalg.norm):
        assert pickle.loads(pickle.dumps(function)) is function
        assert function.__module__.startswith("rushlight")
