"""RUSHLIGHT_DEBUG: what its levels say, and that a wrong kernel is found."""

import io
import os
import subprocess
import sys

import pytest

import rushlight as torch
from rushlight._core.debug import DisagreementError, debug
from rushlight._core.op import OPS
from rushlight._core.state import S


def said(level, program):
    file = io.StringIO()
    with debug(level, file):
        program()
    return file.getvalue()


def test_level_1_says_why_a_call_left_its_entry():
    x = torch.ones(2)

    def program():
        for _ in range(3):
            x + torch.ones(2, dtype=torch.bfloat16)
        torch.add(x, x, out=torch.empty(2))
        x + x

    text = said(1, program)
    assert "add: dtypes differ: torch.float32, torch.bfloat16 (test_debug.py:" in text
    assert "add: out= is given" in text
    assert "3x  add: dtypes differ" in text
    assert text.count("add: ") == 3
    assert S.watch is None


def test_level_2_says_every_operator_and_those_of_backward():
    x = torch.ones(2, 3, requires_grad=True)
    text = said(2, lambda: (x * 2).exp().sum().backward())
    assert "us  mul  float32[2, 3] 2 -> float32[2, 3]" in text
    forward = [line.split()[2] for line in text.splitlines()]
    assert forward[:3] == ["mul", "exp", "sum"] and len(forward) > 3
    assert x.grad is not None and not S.special


def test_level_3_agrees_with_a_training_step():
    torch.manual_seed(0)
    model = torch.nn.Sequential(
        torch.nn.Conv2d(1, 4, 3),
        torch.nn.BatchNorm2d(4),
        torch.nn.ReLU(),
        torch.nn.MaxPool2d(2),
        torch.nn.Flatten(),
        torch.nn.Dropout(),
        torch.nn.Linear(36, 5),
    )
    optimizer = torch.optim.Adam(model.parameters())

    def program():
        loss = torch.nn.functional.cross_entropy(
            model(torch.randn(2, 1, 8, 8)), torch.tensor([1, 4])
        )
        loss.backward()
        optimizer.step()

    assert "convolution" in said(3, program)


def test_level_3_finds_a_wrong_kernel_and_a_changed_input(monkeypatch):
    x = torch.tensor([1.0, 2.0])
    wrong = staticmethod(lambda xp, a: a * 2 if xp.__name__ == "numpy" else a)
    monkeypatch.setattr(OPS["exp"], "run", wrong)
    monkeypatch.setattr(OPS["exp"], "native", lambda a: a * 2)
    with pytest.raises(DisagreementError, match=r"exp: result 0 of the kernel differs"):
        said(3, x.exp)

    def spoils(xp, a):
        a += 1
        return a * 1

    monkeypatch.setattr(OPS["sin"], "run", staticmethod(spoils))
    with pytest.raises(DisagreementError, match=r"sin changed its input float32\[2\]"):
        said(3, x.sin)
    assert not S.special and not S.modes


def test_the_environment_sets_the_level():
    code = "import rushlight as torch; torch.ones(2).exp()"
    run = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "RUSHLIGHT_DEBUG": "2"},
        capture_output=True,
        text=True,
        timeout=600,
        check=True,
    )
    assert "us  exp  float32[2] -> float32[2]" in run.stderr
    run = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "RUSHLIGHT_DEBUG": "7"},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert "must be 0, 1, 2 or 3, not 7" in run.stderr
