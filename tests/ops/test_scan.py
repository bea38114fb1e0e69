"""Scans: the answers and the gradients are torch's."""

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
b.cumsum(0)
b.cumsum(0,dtype=torch.bool)
x.cumsum()
x.cumsum(3)
x.cummax(3)
torch.tensor(3.).cumsum(0)
torch.cumprod(x,0,dtype=torch.float64).dtype
torch.diff(i,n=2)
torch.diff(b)
torch.diff(z)
torch.diff(x,prepend=x,append=x[:,:1])
torch.diff(x,n=9)
torch.trapezoid(x,v)
torch.trapezoid(i)
torch.trapezoid(b)
torch.cumulative_trapezoid(i)
x.logcumsumexp(1)
torch.logcumsumexp(i,0)
x.cummax(1)
torch.tensor([1.,float('nan'),2.]).cummax(0)
x.cumprod(1)
i.cumprod(0)
x.half().cumsum(0)
""")

GRADIENTS = expressions.cases("""
lambda t, x: x.cumsum(1)
lambda t, x: x.cumprod(1)
lambda t, x: (x * (x > 0)).cumprod(0)
lambda t, x: x.cummax(1).values
lambda t, x: x.cummin(0).values
lambda t, x: x.logcumsumexp(1)
lambda t, x: x.diff(n=2)
lambda t, x: t.trapezoid(x, x * x)
lambda t, x: t.cumulative_trapezoid(x, dx=0.5)
""")


@pytest.mark.parametrize("expression", CASES)
def test_answer(expression):
    expressions.check(rushlight, expression)


@pytest.mark.parametrize("source", GRADIENTS)
def test_gradients(source):
    pytest.importorskip("torch")
    same = load("same_as_torch")
    same.torch.manual_seed(0)
    function = eval(source)
    x = same.randn(3, 4)
    same.check((lambda x: function(rushlight, x), lambda x: function(same.torch, x)), x)
