"""Module, states, hooks, containers, initialisers, utilities: programs with the same answers as
PyTorch's.
"""

import sys
import warnings
from pathlib import Path

import pytest

import rushlight

sys.path.insert(0, str(Path(__file__).parent))  # the programs are plain modules beside this one

import programs_layers
import programs_module
import programs_training
import programs_utils
from same import difference

PROGRAMS = [
    *programs_module.PROGRAMS,
    *programs_utils.PROGRAMS,
    *programs_layers.PROGRAMS,
    *programs_training.PROGRAMS,
]


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda p: p.__name__)
def test_same_as_pytorch(program):
    torch = pytest.importorskip("torch")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.manual_seed(0)
        expected = program(torch)
        rushlight.manual_seed(0)
        got = program(rushlight)
    assert difference(expected, got) is None
