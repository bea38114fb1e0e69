"""Programs of views, in-place writes and gradients give what PyTorch gives, errors included."""

import importlib.util
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rushlight

torch = pytest.importorskip("torch", reason="parity with PyTorch needs torch")
_spec = importlib.util.spec_from_file_location(
    "straight_line", Path(__file__).with_name("straight_line.py")
)
straight_line = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(straight_line)


@settings(max_examples=400, deadline=None, derandomize=True)
@given(st.integers(0, 2**32))
def test_random_programs_agree(seed):
    assert straight_line.difference(rushlight, torch, seed) == ""
