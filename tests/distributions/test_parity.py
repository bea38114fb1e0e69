"""The same against PyTorch itself: it says what was recorded; and edges."""

import importlib.util
import json
import warnings
from pathlib import Path

import pytest

import rushlight
from rushlight import _api
from rushlight import distributions as ours

torch = pytest.importorskip("torch")
theirs = pytest.importorskip("torch.distributions")
HERE = Path(__file__).parent


def load(name):
    spec = importlib.util.spec_from_file_location(f"parity_{name}", HERE / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


cases, near = load("cases"), load("compare").near


def test_recorded_is_what_pytorch_says():
    recorded = json.loads((HERE / "recorded.json").read_text(encoding="utf-8"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        # Another test may have imported what turns PyTorch's checks off for the whole process.
        theirs.Distribution.set_default_validate_args(True)
        said = cases.everything(torch)
    for part in recorded:
        for name in recorded[part]:
            assert near(recorded[part][name], said[part][name], 1e-5, 1e-6), (part, name)


def test_all_names():
    assert set(theirs.__all__) == set(ours.__all__)
    for module in ("constraints", "transforms", "utils", "kl", "constraint_registry"):
        assert set(getattr(theirs, module).__all__) <= set(vars(getattr(ours, module))), module


def names(registry):
    return {(p.__name__, q.__name__) for p, q in registry}


def test_all_divergences():
    assert names(theirs.kl._KL_REGISTRY) == names(ours.kl._KL_REGISTRY)


@pytest.mark.parametrize("name", cases.FAMILIES)
def test_signatures(name):
    import inspect

    name = name.split()[0]
    mine, real = (inspect.signature(getattr(d, name).__init__) for d in (ours, theirs))
    assert list(mine.parameters) == list(real.parameters)
    assert [p.default for p in mine.parameters.values()] == [
        p.default for p in real.parameters.values()
    ]


@pytest.mark.parametrize("a", [1e-3, 0.1, 0.9, 1.0, 5.0, 60.0, 2e3, 1e5])
def test_gamma_slope(a):
    """PyTorch's is an approximation, good to three digits."""
    alpha = torch.full((50,), a, dtype=torch.float64)
    torch.manual_seed(1)
    x = torch._standard_gamma(alpha)
    real = torch._standard_gamma_grad(alpha, x)
    mine = _api._standard_gamma_grad(
        *(rushlight.tensor(t.tolist(), dtype=rushlight.float64) for t in (alpha, x))
    )
    assert near(mine.tolist(), real.tolist(), 5e-3, 1e-9)


@pytest.mark.parametrize("a", [0.01, 0.5, 3.0, 50.0, 2e3])
@pytest.mark.parametrize("b", [0.01, 0.7, 4.0, 60.0, 1e3])
def test_beta_slope(a, b):
    """PyTorch's is an approximation, good to two digits."""
    torch.manual_seed(1)
    alpha = torch.tensor([a, b], dtype=torch.float64).expand(50, 2)
    x = torch._sample_dirichlet(alpha)
    total = alpha.sum(-1, True).expand(50, 2)
    real = torch._dirichlet_grad(x, alpha, total)
    given = [rushlight.tensor(t.tolist(), dtype=rushlight.float64) for t in (x, alpha, total)]
    mine = _api._dirichlet_grad(*given)
    assert near(mine.tolist(), real.tolist(), 2e-2, 1e-9)
