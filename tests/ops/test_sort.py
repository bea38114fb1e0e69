"""Order: the answers and the gradients are torch's."""

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
e.median()
e.median(0)
e.mode(0)
e.kthvalue(1,0)
x.median((0,1))
x.topk(9)
x.topk(-1)
x.topk(2,5)
x.sort(5)
x.kthvalue(0)
x.kthvalue(9)
x.sort(stable=True)
torch.sort(x,descending=True,stable=True)[0].shape
torch.argsort(x,0,True).shape
x.to(torch.complex64).sort()
i.median()
torch.tensor(3.).sort()
torch.tensor(3.).topk(1)
torch.mode(torch.tensor([1,2,2,1]))
torch.mode(torch.tensor([1,2,2,1,1,2]))
torch.median(torch.tensor([3.,float('nan'),1]),0)
torch.nanmedian(torch.tensor([3.,float('nan'),1]),0)
torch.nanmedian(torch.tensor([float('nan')]*2),0)
torch.sort(torch.tensor([1.,float('nan'),-1,float('inf'),float('-inf'),-0.,0.]))
torch.sort(torch.tensor([1.,float('nan'),-1,float('inf'),float('-inf'),-0.,0.]),descending=True)
torch.sort(torch.tensor([1,2,1,2,-5,1,2],dtype=torch.int32),descending=True)
torch.sort(torch.tensor([1,2,1,2,-5,1,2]),descending=True)
torch.sort(torch.tensor([1,2,1,2],dtype=torch.uint8),descending=True)
torch.sort(torch.tensor([True,False,True]),descending=True)
torch.sort(torch.tensor([1.,float('nan'),-1],dtype=torch.float64),descending=True)
torch.topk(torch.tensor([1.,float('nan'),-1]),2)
torch.topk(torch.tensor([1.,float('nan'),-1]),2,largest=False)
torch.topk(x,0)
torch.argsort(i,descending=True)
torch.searchsorted(i,2)
torch.searchsorted(i,2.5)
torch.searchsorted(i,torch.tensor([1.]))
torch.searchsorted(i,i,side='up')
torch.searchsorted(i,i,right=True,side='left')
torch.searchsorted(x,i)
torch.bucketize(2,i)
torch.bucketize(i,x)
x.half().sort()
torch.sort(x,out=(torch.empty(0),torch.empty(0,dtype=torch.int64)))[1]
""")

GRADIENTS = expressions.cases("""
lambda t, x: x.sort(1, descending=True).values
lambda t, x: x.topk(2, 0).values
lambda t, x: x.kthvalue(2, 1).values
lambda t, x: x.median()
lambda t, x: x.median(1, True).values
lambda t, x: x.msort()
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
