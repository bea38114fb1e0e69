"""Whole networks (``weights_only=False``) go both ways between rushlight and PyTorch."""

import io
import os
import pickle
import subprocess
import sys
import types
from pathlib import Path

import pytest

import rushlight
from rushlight import nn, optim, serialization
from rushlight.serialization import legacy

MODULES = {
    "linear": "nn.Linear(2, 3)",
    "sequential": "nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Dropout(0.3))",
    "convolution": "nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.Flatten())",
    "embedding": "nn.Embedding(5, 3)",
    "norms": "nn.ModuleList([nn.LayerNorm(4), nn.GroupNorm(2, 4)])",
    "dict": "nn.ModuleDict({'a': nn.Tanh(), 'b': nn.Identity()})",
    "parameters": "nn.ParameterList([nn.Parameter(torch.ones(2))])",
    "loss": "nn.CrossEntropyLoss()",
    "transposed": "nn.ConvTranspose2d(2, 3, 2)",
    "optimizer": "optim.SGD([nn.Parameter(torch.ones(2))], lr=0.1, momentum=0.9)",
    "adam": "optim.Adam([nn.Parameter(torch.ones(2))])",
    "lstm": "nn.LSTM(3, 4)",
    "gru": "nn.GRU(3, 4, 2, bidirectional=True)",
    "attention": "nn.MultiheadAttention(8, 2)",
    "encoder": "nn.TransformerEncoderLayer(8, 2, 16)",
    "activations": "nn.Sequential(nn.GELU(), nn.LeakyReLU(), nn.PReLU(), nn.ELU())",
}
# Their attributes are those of PyTorch, in another order.
OTHER_ORDER = {"lstm", "gru", "attention", "encoder", "activations"}
HERE = types.SimpleNamespace(torch=rushlight, nn=nn, optim=optim)


def make(api, name):
    api.torch.manual_seed(0)
    return eval(MODULES[name], vars(api))


def saved(api, obj):
    buffer = io.BytesIO()
    api.torch.save(obj, buffer)
    return buffer.getvalue()


def loaded(api, data):
    return api.torch.load(io.BytesIO(data), weights_only=False)


def shown(obj):
    """What can be compared across the two: the printed form, and the printed state."""
    state = repr(obj.state_dict()) if hasattr(obj, "state_dict") else ""
    return repr(obj), state


@pytest.fixture
def there():
    torch = pytest.importorskip("torch")
    return types.SimpleNamespace(torch=torch, nn=torch.nn, optim=torch.optim)


@pytest.mark.parametrize("name", MODULES)
def test_there_and_back(name):
    module = make(HERE, name)
    assert shown(loaded(HERE, saved(HERE, module))) == shown(module)


@pytest.mark.parametrize("name", MODULES)
def test_theirs_loads_here(name, there):
    module = make(there, name)
    assert shown(loaded(HERE, saved(there, module))) == shown(module)


@pytest.mark.parametrize("name", MODULES)
def test_ours_loads_there(name, there):
    module = make(HERE, name)
    assert shown(loaded(there, saved(HERE, module))) == shown(module)


@pytest.mark.parametrize("name", sorted(set(MODULES) - OTHER_ORDER))
def test_same_bytes(name, there):
    assert saved(HERE, make(HERE, name)) == saved(there, make(there, name))


def test_loaded_networks_work(there):
    torch = there.torch
    module = make(there, "convolution")
    x = torch.randn(2, 3, 4, 4)
    here = loaded(HERE, saved(there, module))(rushlight.from_numpy(x.numpy()))
    assert here.detach().numpy() == pytest.approx(module(x).detach().numpy(), abs=1e-5)
    lstm = make(there, "lstm")
    x = torch.randn(5, 2, 3)
    here = loaded(HERE, saved(there, lstm))(rushlight.from_numpy(x.numpy()))[0]
    assert here.detach().numpy() == pytest.approx(lstm(x)[0].detach().numpy(), abs=1e-5)


def test_stream_format_keeps_the_source_of_own_classes(there, tmp_path):
    module = make(HERE, "sequential")
    rushlight.save(module, tmp_path / "m.pt", _use_new_zipfile_serialization=False)
    assert shown(rushlight.load(tmp_path / "m.pt", weights_only=False)) == shown(module)
    assert shown(there.torch.load(tmp_path / "m.pt", weights_only=False)) == shown(module)
    theirs = make(there, "sequential")
    there.torch.save(theirs, tmp_path / "t.pt", _use_new_zipfile_serialization=False)
    assert shown(rushlight.load(tmp_path / "t.pt", weights_only=False)) == shown(theirs)


def test_plain_pickles_of_pytorch_load_under_the_hook(there, tmp_path):
    made = {"tensor": there.torch.arange(3.0), "net": make(there, "sequential")}
    made["tensor"].note = "kept"
    (tmp_path / "plain.pkl").write_bytes(pickle.dumps(made))
    code = (
        "import pickle, sys; d = pickle.load(open(sys.argv[1], 'rb')); print(d, d['tensor'].note)"
    )
    done = subprocess.run(
        [sys.executable, "-m", "rushlight", "-c", code, str(tmp_path / "plain.pkl")],
        env={**os.environ, "PYTHONPATH": str(Path(rushlight.__file__).parents[1])},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == f"{made} kept"


class Own(nn.Module):
    def forward(self, x):
        return x


def test_changed_source_is_told(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, Own.__module__, types.SimpleNamespace(Own=Own))
    monkeypatch.setattr(legacy, "_source", lambda cls: ("x.py", "class Own: before"))
    rushlight.save(Own(), tmp_path / "n.pt", _use_new_zipfile_serialization=False)
    rushlight.load(tmp_path / "n.pt", weights_only=False)
    monkeypatch.setattr(legacy, "_source", lambda cls: ("x.py", "class Own: after"))
    with pytest.warns(serialization.SourceChangeWarning, match="has changed"):
        rushlight.load(tmp_path / "n.pt", weights_only=False)
