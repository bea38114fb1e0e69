"""L-BFGS makes PyTorch's operations in PyTorch's order.

Its steps amplify rounding, so that results of two libraries cannot be compared for long: PyTorch
differs from itself by 1e-4 after ten steps if its matrix products take another path through MKL.
But our code run on PyTorch's operators must have PyTorch's bits.
"""

import sys
import types
from pathlib import Path

import numpy as np
import pytest

import rushlight.optim

torch = pytest.importorskip("torch")

HERE = Path(rushlight.optim.__file__).parent
IMPORTS = {
    "from rushlight import _api as torch": "import torch",
    "from rushlight.optim._group import require_lr": "require_lr = float",
    "from rushlight.optim._line_search": "from line_search_on_torch",
    "from rushlight.optim.optimizer import Optimizer, Params": (
        "from torch.optim import Optimizer\nParams = object"
    ),
}


def on_torch(name, monkeypatch, imported_as):
    source = (HERE / f"{name}.py").read_text()
    for ours, theirs in IMPORTS.items():
        source = source.replace(ours, theirs)
    assert "rushlight" not in source
    module = types.ModuleType(imported_as)
    monkeypatch.setitem(sys.modules, imported_as, module)
    exec(compile(source, name, "exec"), module.__dict__)
    return module


def train(make, dtype, seed, **settings):
    rng = np.random.default_rng(seed)
    shapes = (4, 8), (8, 3), (8,), (3,), (16, 4), (16, 3)
    w, v, b, c, x, y = (torch.tensor(rng.standard_normal(s), dtype=dtype) for s in shapes)
    params = [torch.nn.Parameter(p) for p in (w, v, b, c)]
    w, v, b, c = params
    optimizer, losses = make(params, **settings), []

    def closure():
        optimizer.zero_grad()
        loss = (((x @ w + b).tanh() @ v + c - y) ** 2).mean()
        loss.backward()
        losses.append(loss.item())
        return loss

    for _ in range(2):
        optimizer.step(closure)
    state = optimizer.state_dict()["state"][0]
    return losses, [p.tolist() for p in params], {k: str(v) for k, v in state.items()}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"lr": 0.01, "tolerance_grad": 1e-3},
        {"line_search_fn": "strong_wolfe"},
        {"line_search_fn": "strong_wolfe", "history_size": 3, "max_iter": 6, "lr": 2.0},
    ],
    ids=str,
)
def test_our_code_on_their_operators_has_their_bits(settings, dtype, monkeypatch):
    on_torch("_line_search", monkeypatch, "line_search_on_torch")
    ours = on_torch("lbfgs", monkeypatch, "lbfgs_on_torch").LBFGS
    for seed in range(2):
        theirs = train(torch.optim.LBFGS, dtype, seed, **settings)
        assert train(ours, dtype, seed, **settings) == theirs
