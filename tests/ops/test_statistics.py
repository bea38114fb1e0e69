"""Statistics: the answers and the gradients are torch's."""

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
z.var(correction=2)
torch.quantile(x,1.5)
torch.quantile(i,0.5)
torch.quantile(x,torch.tensor([.5],dtype=torch.float64))
torch.quantile(x,.5,interpolation='foo')
e.quantile(.5)
torch.histc(i)
torch.histc(x,0)
torch.histc(x,min=3,max=1)
torch.bincount(x)
torch.bincount(-i)
torch.bincount(i,minlength=-1)
torch.bincount(i,weights=torch.ones(2))
i.quantile(0.5)
torch.dist(x,x[0])
torch.cov(x.reshape(1,3,4))
torch.histogram(x,4)
torch.histogram(x,torch.tensor([-1.,0,1]))
torch.histogram(x,3,range=(-1,1),density=True)
torch.histogram(x,3,weight=x)
torch.histogramdd(x,[2,2,2,2])[1]
torch.histogramdd(x,2)
torch.cov(x)
torch.cov(x,correction=0,fweights=i)
torch.cov(x,aweights=v.abs())
torch.corrcoef(x)
torch.cov(v)
torch.cov(z)
torch.corrcoef(z)
torch.bincount(i)
torch.bincount(i[:0])
torch.bincount(i[:0],minlength=3)
torch.bincount(i,v)
torch.histc(x,5)
torch.histc(x,5,-1,1)
torch.quantile(x,torch.tensor([.1,.5]),dim=1,keepdim=True)
torch.quantile(x,.5,dim=0,interpolation='nearest')
torch.nanquantile(torch.tensor([1.,float('nan'),3]),.5)
torch.quantile(torch.tensor([1.,float('nan'),3]),.5)
x.var(1,correction=0)
""")

GRADIENTS = expressions.cases("""
lambda t, x: x.quantile(0.3, 1)
lambda t, x: t.cov(x)
lambda t, x: t.corrcoef(x)
lambda t, x: t.dist(x, x.flip(0), 3)
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
