"""NVIDIA's libraries, where they are installed: every function that is called exists, and answers
without a device as it should."""

import ctypes
import importlib.util
from pathlib import Path

import pytest

from rushlight._kernels.cuda import blas, lt


def installed(name):
    """A library of the wheels nvidia-cublas, or none."""
    spec = importlib.util.find_spec("nvidia")
    for root in spec.submodule_search_locations if spec else ():
        for path in sorted(Path(root).glob(f"*/lib/lib{name}.so.*")):
            return ctypes.CDLL(str(path))
    return None


@pytest.mark.parametrize(
    ("name", "functions"), [("cublasLt", lt.FUNCTIONS), ("cublas", blas.FUNCTIONS)]
)
def test_functions_exist(name, functions):
    library = installed(name)
    if library is None:
        pytest.skip(f"{name} is not installed")
    for function in functions:
        assert hasattr(library, function), function


def test_the_heuristic_s_size():
    assert ctypes.sizeof(lt.Heuristic) == 64 + 8 + 4 + 4 + 16
