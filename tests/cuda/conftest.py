"""The array module of CUDA devices, for the length of each test here: the stand-in, or, with
RUSHLIGHT_GPU=1 on a machine that has a GPU, CuPy.
"""

import inspect
import os
import re
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
import standin as stand_in

from rushlight._core import gpu

REAL = os.environ.get("RUSHLIGHT_GPU") == "1"
# What a test says that needs a second device, or the stand-in's books.
SECOND = re.compile(r"cuda:1|\bcupy\b|device_count|stand-in")


def pytest_collection_modifyitems(items):
    if not REAL:
        return
    skip = pytest.mark.skip(reason="of the stand-in: two devices, or its books")
    for item in items:
        if "/cuda/" in str(item.path) and SECOND.search(inspect.getsource(item.function)):
            item.add_marker(skip)


LOST = re.compile(r"cudaError\w*(Illegal|Misaligned|Assert|LaunchFailure|HardwareStack)\w*")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """After an error that ends a GPU's context, a worker of pytest-xdist ends too: what follows is
    done by a new one."""
    outcome = yield
    report = outcome.get_result()
    if REAL and "PYTEST_XDIST_WORKER" in os.environ and LOST.search(str(report.longrepr)):
        place = Path(os.environ.get("OUT", ".")) / "lost.txt"
        with place.open("a") as file:
            file.write(f"{item.nodeid}\n{report.longrepr}\n\n")
        os._exit(3)


@pytest.fixture(autouse=True)
def cupy():
    """The array module, installed."""
    if REAL:
        gpu.install(__import__("cupy"))
        yield gpu.cuda.module
        return
    gpu.install(stand_in)
    stand_in.copies.clear()
    yield stand_in
    stand_in._current[0] = 0
    stand_in.recording.clear()
    gpu.install(None)


@pytest.fixture
def compiled():
    """For tests of kernels: there is a compiler."""
    if not hasattr(gpu.cuda.module, "RawModule"):
        pytest.skip("no C++ compiler for the emulated kernels")
