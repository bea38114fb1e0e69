"""The stand-in as the array module of CUDA devices, for the length of each test here."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
import standin as stand_in

from rushlight._core import gpu


@pytest.fixture(autouse=True)
def cupy():
    """The stand-in, installed."""
    gpu.install(stand_in)
    stand_in.copies.clear()
    yield stand_in
    stand_in._current[0] = 0
    gpu.install(None)


@pytest.fixture
def compiled(cupy):
    """For tests of kernels: there is a compiler."""
    if not hasattr(cupy, "RawModule"):
        pytest.skip("no C++ compiler for the emulated kernels")
