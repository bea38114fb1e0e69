"""Reductions: the answers and the gradients are torch's."""

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
e.max()
e.min()
e.argmax()
e.argmax(0)
e.max(0)
e.amax()
e.amax(0)
e.amax(1)
e.aminmax()
e.aminmax(dim=0)
e.logsumexp(0)
i.mean()
i.std()
i.float().std(0).item()
z.std()
torch.std(x,5)
x.sum(5)
x.sum((0,0))
x.sum([])
x.sum(())
x.mean(())
x.amax(())
x.std(())
x.all(())
x.any([])
u.any()
u.all()
b.argmax()
b.max()
b.sum()
u.sum().dtype
b.sum(dtype=torch.int32)
x.to(torch.complex64).max()
x.to(torch.complex64).argmax()
i.logsumexp(0)
torch.std(x,0,True,True).shape
torch.std(x,True)
torch.var(x,dim=0,unbiased=False)
torch.var(x,False)
x.std(False)
x.argmax(keepdim=True)
x.argmax(None)
x.max(None)
torch.max(x,1,True)[0].shape
torch.max(x,dim=1,keepdims=True)[0].shape
torch.sum(x,axis=1,keepdims=True).shape
torch.count_nonzero(x,dim=5)
x.sum(dtype=torch.int64)
b.prod().dtype
x.all(dim=(0,1))
e.all(0)
e.any()
e.prod()
e.sum(0)
e.mean()
e.var()
torch.var_mean(x,())
x.nansum(dtype=torch.float64).dtype
x.sum(0,True).shape
torch.sum(x,'a')
torch.max(x, i)
torch.max(x,x,x)
torch.amax(x,dim=0,keepdim=True).shape
b.any(0).dtype
torch.tensor(3).sum(0)
torch.tensor(3.).max(0)
torch.tensor(3.).max(1)
torch.tensor(3.).argmax(0)
x.nanmean(dtype=torch.int64)
i.nanmean()
torch.sum(x,0,dtype=torch.float16).dtype
torch.max(x,torch.ones(4,dtype=torch.float64)).dtype
torch.aminmax(x,dim=0)
torch.aminmax(x,dim=0,keepdim=True)
torch.amax(x,(0,1))
torch.amin(x,-1)
x.nansum(1)
x.nanmean(1)
torch.std_mean(x,1)
torch.var_mean(x,unbiased=False)
torch.logsumexp(x,(0,1),keepdim=True)
torch.count_nonzero(x,(0,1))
torch.hash_tensor(i)
x.half().sum()
x.bfloat16().mean(0)
x.half().std()
x.bfloat16().max(1)
x.half().argmax()
x.half().prod()
x.half().var(0)
x.double().sum()
x.mean(dtype=torch.float64)
i.mean(dtype=torch.float32)
i.sum(0,dtype=torch.float32)
torch.sum(input=x,dim=0)
x.sum(dim=0)
x.max(dim=0).values
x.min(1,keepdim=True).indices
torch.min(x,x*0)
torch.max(input=x,other=x*0)
torch.max(x,other=x*0)
torch.std(x,dim=1,keepdim=True,unbiased=False)
torch.std(x,1,keepdim=True)
torch.std(x,1,False)
x.std(dim=(0,1))
torch.mean(x,0,keepdim=True,out=torch.empty(1,4))
torch.sum(x,1,out=torch.empty(3))
""")

GRADIENTS = expressions.cases("""
lambda t, x: x.sum()
lambda t, x: x.sum((0, -1), True)
lambda t, x: x.mean(1)
lambda t, x: x.prod()
lambda t, x: x.prod(1)
lambda t, x: (x * (x > 0)).prod(0)
lambda t, x: x.amax(0)
lambda t, x: x.round().amin((0, 1))
lambda t, x: x.max()
lambda t, x: x.round().max()
lambda t, x: x.min(1).values
lambda t, x: x.aminmax(dim=1)
lambda t, x: x.var(0)
lambda t, x: x.std(unbiased=False)
lambda t, x: t.var_mean(x, 1)
lambda t, x: x.logsumexp((0, 1))
lambda t, x: x.nansum(1)
lambda t, x: x.norm(3, 0)
lambda t, x: x.norm(1.5)
lambda t, x: x.norm(dim=1, keepdim=True)
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
