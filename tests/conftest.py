"""What every test starts from: the default dtype, a seed, gradients on."""

import pytest

import rushlight


@pytest.fixture(autouse=True)
def fresh_state():
    rushlight.manual_seed(0)
    rushlight.set_grad_enabled(True)
    yield
    rushlight.set_default_dtype(rushlight.float32)
