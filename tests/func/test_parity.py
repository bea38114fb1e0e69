"""Programs of torch.func give what PyTorch gives, and refuse what it refuses in its words."""

import importlib
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))  # transforms.py is a plain module beside this
from transforms import flat, programs, refusals

import rushlight

torch = pytest.importorskip("torch")
importlib.import_module("torch.func")
importlib.import_module("rushlight.func")
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    OURS, THEIRS = programs(rushlight), programs(torch)
REFUSED, BY_TORCH = refusals(rushlight), refusals(torch)


@pytest.mark.parametrize("name", OURS)
@pytest.mark.filterwarnings("ignore")
def test_program(name):
    ours, theirs = flat(rushlight, OURS[name]()), flat(torch, THEIRS[name]())
    assert len(ours) == len(theirs)
    for a, b in zip(ours, theirs, strict=True):
        assert tuple(a.shape) == tuple(b.shape)
        assert np.allclose(a.detach().numpy(), b.detach().numpy(), 1e-4, 1e-5)


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.filterwarnings("ignore")
def test_refusal(name):
    with pytest.raises(Exception) as theirs:
        BY_TORCH[name]()
    with pytest.raises(theirs.type) as ours:
        REFUSED[name]()
    assert str(ours.value) == str(theirs.value)
