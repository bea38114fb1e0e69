"""Every public operator's recorded samples on the stand-in: PyTorch's answers, on the device."""

import sys
import warnings
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1] / "ops"))
from cases import recorded
from census import APART, failure

pytestmark = pytest.mark.usefixtures("contracts")


@pytest.mark.parametrize("name", sorted(set(recorded()) - set(APART)))
def test_agrees_on_the_device(name):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what takes the way over the host says so
        for case in recorded()[name]:
            assert failure(case) is None, f"{case['function']} {case['dtype']}"
