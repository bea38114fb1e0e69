"""The losses of small trainings from a seed: PyTorch's, at every step."""

import importlib.util
import json
from pathlib import Path

import pytest

import rushlight

HERE = Path(__file__).parent
_spec = importlib.util.spec_from_file_location("training_programs", HERE / "training_programs.py")
training_programs = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(training_programs)
PROGRAMS = {program.__name__: program for program in training_programs.PROGRAMS}
RECORDED = json.loads((HERE / "training_programs.json").read_text())
STEPS = 50


@pytest.mark.parametrize("name", PROGRAMS)
def test_losses_are_those_of_pytorch(name):
    torch = pytest.importorskip("torch", reason="parity with PyTorch needs torch")
    ours = PROGRAMS[name](rushlight, STEPS)
    assert ours == pytest.approx(PROGRAMS[name](torch, STEPS), rel=1e-4)
    assert min(ours[-10:]) < max(ours[:10])  # it learns


@pytest.mark.parametrize("name", PROGRAMS)
def test_losses_are_those_recorded(name):
    """The first ten, as torch 2.13 gave them: ``python tests/parity/record_training.py``."""
    assert PROGRAMS[name](rushlight, 10) == pytest.approx(RECORDED[name], rel=1e-5)


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_seed_gives_the_same_losses_twice(name):
    assert PROGRAMS[name](rushlight, 5) == PROGRAMS[name](rushlight, 5)
