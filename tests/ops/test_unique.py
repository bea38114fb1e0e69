"""Sets: the answers and the gradients are torch's."""

import importlib.util
import sys
from pathlib import Path

import pytest

import rushlight


def load(name):
    """A helper that lies beside the tests."""
    spec = importlib.util.spec_from_file_location(name, Path(__file__).parent / f"{name}.py")
    module = sys.modules.setdefault(name, importlib.util.module_from_spec(spec))
    spec.loader.exec_module(module)
    return module


expressions = load("expressions")

CASES = expressions.cases("""
torch.unique(torch.tensor([3,1,2,1]),return_inverse=True,return_counts=True)
torch.unique(x>0,dim=0)
torch.unique(torch.tensor([[1,2],[1,2],[0,1]]),dim=0,return_inverse=True,return_counts=True)
torch.unique(torch.tensor([float('nan'),1,float('nan')]))
torch.unique_consecutive(torch.tensor([[1,1],[1,1],[2,3]]),dim=0,return_counts=True)
torch.isin(2,i)
torch.isin(i,2)
torch.isin(i,i[:2],invert=True)
torch.unique(e,dim=1)
torch.unique(e,dim=0)
torch.unique(e)
torch.unique(z)
torch.unique(z,return_counts=True)
x.unique(sorted=False).shape
""")


@pytest.mark.parametrize("expression", CASES)
def test_answer(expression):
    expressions.check(rushlight, expression)
