"""What every test starts from: this source's extension, the default dtype, a seed, gradients on."""

import gc
import importlib.util
import itertools

import pytest

import rushlight
from rushlight._core import outdated
from rushlight._core.extension import C


def pytest_configure():
    reason = outdated.reason()
    if reason:
        raise pytest.UsageError(reason.removeprefix(": "))
    if importlib.util.find_spec("hypothesis"):
        choose_the_same_examples()


def choose_the_same_examples():
    """In every run, however long they take: what fails, fails for everybody."""
    from hypothesis import HealthCheck, settings

    settings.register_profile(
        "rushlight", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow]
    )
    settings.load_profile("rushlight")


def pytest_collection_finish():
    """What was collected, and later what is kept of finished tests, stays to the end: a test that
    collects garbage need not look at it (it took 0.7 s each time).
    """
    gc.collect()
    gc.freeze()


done = itertools.count(1)


def pytest_runtest_logfinish():
    if next(done) % 2000 == 0:
        pytest_collection_finish()


@pytest.fixture(autouse=True)
def fresh_state():
    rushlight.manual_seed(0)
    rushlight.set_grad_enabled(True)
    yield
    rushlight.set_default_dtype(rushlight.float32)


@pytest.fixture(params=C.isas() if C else [None])
def level(request):
    """The kernels of each instruction set this CPU has: one test for each."""
    before = C.isa()
    C.use(request.param)
    yield
    C.use(before)
