"""Autocast and GradScaler beside PyTorch's: every operator of the lists, and whole trainings."""

import sys
import warnings
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from amp_cases import CASES, Maker
from amp_programs import cnn, lstm, mlp, train, transformer

import rushlight

torch = pytest.importorskip("torch")

INPUTS = [
    ("float32",),
    ("bfloat16",),
    ("float16",),
    ("float64",),
    ("float32", "bfloat16"),
    ("bfloat16", "float32"),
]
# Their results are free up to signs or order.
UNIQUE = {"svd", "linalg.svd", "linalg.eig", "linalg.eigvals", "linalg.eigh"}
TOLERANCE = {"bfloat16": 2e-2, "float16": 3e-3, "float32": 2e-2, "complex64": 2e-2}


def flat(value):
    """The tensors of a result one by one."""
    if isinstance(value, tuple | list):
        return [t for v in value for t in flat(v)]
    return [value]


def run(t, name, inputs, dtype):
    """The results, or None where the call is refused."""
    t.manual_seed(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with t.autocast("cpu", dtype=getattr(t, dtype)):
                return flat(CASES[name](t, Maker(t, *inputs)))
        except (RuntimeError, NotImplementedError, TypeError, ValueError):
            return None


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
@pytest.mark.parametrize("name", CASES)
def test_every_listed_operator_gives_the_dtype_of_pytorch(name, dtype):
    for inputs in INPUTS:
        wanted = run(torch, name, inputs, dtype)
        if wanted is None:
            continue
        found = run(rushlight, name, inputs, dtype)
        assert found is not None, inputs
        assert [str(t.dtype) for t in found] == [str(t.dtype) for t in wanted], inputs
        if name in UNIQUE or inputs != ("float32",):
            continue
        for a, b in zip(found, wanted, strict=True):
            if not b.is_floating_point() and not b.is_complex():
                continue
            limit = TOLERANCE[str(b.dtype).removeprefix("torch.")]
            assert a.shape == b.shape
            for x, y in zip(a.flatten().tolist(), b.flatten().tolist(), strict=True):
                assert x == y or abs(x - y) <= limit * max(1, abs(y)), (x, y)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
@pytest.mark.parametrize("program", [mlp, cnn, transformer, lstm])
def test_training_in_mixed_precision_goes_as_in_pytorch(program, dtype):
    if program is lstm and dtype == "float16":
        pytest.skip("PyTorch's LSTM refuses float16 on this kind of CPU")
    options = {"init_scale": 2.0**10, "growth_interval": 5}
    losses, scales, dtypes = train(torch, program, dtype, **options)
    ours, our_scales, our_dtypes = train(rushlight, program, dtype, **options)
    assert our_scales == scales
    assert our_dtypes == dtypes
    assert losses[-1] < losses[0]
    for a, b in zip(ours, losses, strict=True):
        assert abs(a - b) <= 0.02 * max(abs(b), 0.1), (ours, losses)


def scaled_steps(t, gradients, **options):
    """What a parameter, the scale and the tracker are after steps with given gradients."""
    scaler = t.amp.GradScaler("cpu", **options)
    p = t.nn.Parameter(t.ones(2))
    optimizer = t.optim.SGD([p], lr=0.5)
    seen = []
    for g in gradients:
        optimizer.zero_grad()
        scaler.scale((p * t.tensor(g)).sum()).backward()
        scaler.step(optimizer)
        scaler.update()
        seen.append((p.tolist(), scaler.get_scale(), scaler.state_dict()))
    return seen


def test_infinite_gradients_skip_and_scales_grow_as_in_pytorch():
    inf, nan = float("inf"), float("nan")
    gradients = [
        [1.0, 2.0],
        [inf, 1.0],
        [0.5, 0.5],
        [1.0, 1.0],
        [nan, 0.0],
        [-inf, nan],
        [1.0, 1.0],
    ]
    for options in ({"init_scale": 4.0, "growth_interval": 2}, {"init_scale": 1e38},
                    {"init_scale": 3e38, "growth_interval": 1},
                    {"init_scale": 7.0, "growth_factor": 3.0, "backoff_factor": 0.3,
                     "growth_interval": 1}):  # fmt: skip
        assert scaled_steps(rushlight, gradients, **options) == scaled_steps(
            torch, gradients, **options
        )


def test_state_goes_both_ways():
    state = {"init_scale": 32.0, "growth_interval": 3}
    for a, b in ((torch, rushlight), (rushlight, torch)):
        first, second = a.amp.GradScaler("cpu", **state), b.amp.GradScaler("cpu")
        first.scale(a.ones(1))
        second.load_state_dict(first.state_dict())
        assert second.state_dict() == first.state_dict()
