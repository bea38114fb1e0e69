"""The array module of CUDA devices, for the length of each test here: the stand-in, or, with
RUSHLIGHT_GPU=1 on a machine that has a GPU, CuPy.
"""

import inspect
import os
import re
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))
import standin as stand_in

from rushlight._core import device_entries, dtypes, gpu
from rushlight._core.backend import device_kernels
from rushlight._core.op import OPS

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


LOST = re.compile(
    r"cudaError(Illegal|Misaligned|Assert|LaunchFailure|HardwareStack)"
    r"|CUDA_ERROR_(ILLEGAL|MISALIGNED|ASSERT|LAUNCH_FAILED|HARDWARE_STACK)"
)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """After an error that ends a GPU's context, a worker of pytest-xdist ends too: what follows is
    done by a new one."""
    outcome = yield
    report = outcome.get_result()
    if REAL and report.failed:  # at once: the run may be ended before its summary
        said = str(report.longrepr)
        reasons = [line[1:].strip() for line in said.splitlines() if line.startswith("E ")]
        reason = next(filter(None, reasons), said.strip().splitlines()[-1])
        with (Path(os.environ.get("OUT", ".")) / "failed.txt").open("a") as file:
            file.write(f"{item.nodeid}: {reason}\n")
        if "PYTEST_XDIST_WORKER" in os.environ and LOST.search(said):
            os._exit(3)


@pytest.fixture(autouse=True)
def cupy():
    """The array module, installed."""
    if REAL:
        found = __import__("cupy")
        if gpu.cuda.module is not found:  # handles and kernels stay from test to test
            gpu.install(found)
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


def checked(op, kernel):
    """A kernel that is held to its record: each of the forward's results, saved ones too."""

    def call(*given):
        made = kernel(*given)
        if made is NotImplemented:
            return made
        count = len(op.tensors)
        arrays = [
            a.astype(np.float32) if hasattr(a, "dtype") and a.dtype in dtypes.HALF else a
            for a in given[:count]
        ]
        with np.errstate(all="ignore"):
            expected = op.reference(gpu.cuda.xp, *arrays, *given[count:])
        several = isinstance(made, (tuple, list))
        for i, (a, b) in enumerate(
            zip(*((made, expected) if several else ([made], [expected])), strict=True)
        ):
            assert (a is None) == (b is None), f"{op.name}: result {i}"
            if a is None:
                continue
            half = a.dtype in dtypes.HALF or any(
                getattr(x, "dtype", 0) in dtypes.HALF for x in given
            )
            assert a.shape == b.shape, f"{op.name}: result {i} is {a.shape}, not {b.shape}"
            assert half or a.dtype == b.dtype, f"{op.name}: result {i} is {a.dtype}, not {b.dtype}"
            tolerance = 5e-2 if half else 1e-3 if a.dtype.itemsize == 4 else 1e-9
            found, wanted = (x.get().astype(np.complex128) for x in (a, b))
            with np.errstate(all="ignore"):
                close = (abs(found - wanted) <= tolerance * (1 + abs(wanted))).all()
            if not close:  # infinities and NaN, or wrong; assert_allclose says which
                np.testing.assert_allclose(
                    found, wanted, tolerance, tolerance, err_msg=f"{op.name}: result {i}"
                )
        return made

    return call


# What draws numbers, and what may answer differently: sums in another order that cancel.
UNCHECKED = ("dropout", "philox")


@pytest.fixture
def contracts(cupy):
    """Every kernel gives what its record's forward gives, whenever one is called."""
    if REAL:
        return
    for name, kernel in list(device_kernels.items()):
        op = OPS.get(name)
        if op is not None and not op.variadic and not any(u in name for u in UNCHECKED):
            device_kernels[name] = checked(op, kernel)
    device_entries.install(True)
