"""What every test starts from: this source's extension, the default dtype, a seed, gradients on."""

import pytest

import rushlight
from rushlight._core import outdated
from rushlight._core.extension import C


def pytest_configure():
    reason = outdated.reason()
    if reason:
        raise pytest.UsageError(reason.removeprefix(": "))


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
