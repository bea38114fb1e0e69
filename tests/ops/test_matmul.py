"""Matrix products: the answers and the gradients are torch's."""

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
x.half()@x.half().T
torch.dot(v,w)
torch.mv(y,v)
torch.mv(v,v)
torch.mm(y,v)
y@y
v@y.mT
y@v
A@y
A@v[:2]
v[:2]@A
A@A
y@A
torch.bmm(A,A)
torch.bmm(y,y)
torch.mm(y,s.double())
torch.matmul(A,s.double())
torch.matmul(A,A.mT.double())
y@v[:3].double()
v@v.double()
torch.addmm(v,y,s)
torch.addmm(v,y,y)
torch.addmm(v,v,y)
torch.addmm(y.double(),y,s)
torch.addmm(y,y,s.double())
torch.baddbmm(v,A,A.mT)
torch.addmv(v,y,v)
torch.addr(v,v,v)
torch.matmul(v,2)
torch.matmul(torch.tensor(1.),v)
torch.ones(2,2,dtype=torch.bool)@torch.ones(2,2,dtype=torch.bool)
torch.mm(y,w.T,out=v)
torch.linalg.multi_dot([y,s,s])
torch.linalg.multi_dot([v])
torch.linalg.multi_dot([v,y,s])
torch.linalg.multi_dot([y,y])
torch.linalg.multi_dot([y,A,y])
torch.chain_matmul(y,s)
torch.kron(s,torch.eye(2))
torch.cross(s,s*2)
torch.cross(y,y,dim=0)
torch.linalg.cross(y,y)
torch.linalg.vecdot(y,y)
torch.linalg.vecdot(y,y.double())
torch.outer(v,v[:2])
torch.outer(v,y)
torch.inner(y,s)
torch.inner(y,w)
torch.inner(v,z)
torch.tensordot(y,s,1)
torch.tensordot(y,w,([0],[0]))
torch.tensordot(y,s,2)
torch.tensordot(y,s,5)
torch.tensordot(y,s,([0],[0]))
torch.einsum('ij,jk',y,s)
torch.einsum('ii',s)
torch.einsum('ii->i',s)
torch.einsum('...j,j',A,s[0])
torch.einsum('ij,jk->ik',y,y)
torch.einsum('ijk,jk->ik',y,s)
torch.einsum('ij->k',y)
torch.einsum('ij->ii',y)
torch.einsum('i1,jk->ik',y,y)
torch.einsum('ij',y,y)
torch.einsum('ij,jk',y)
torch.einsum(y,[0,1],s,[1,2],[0,2])
torch.einsum('bij,bjk->bik',A,A.mT)
torch.einsum('i,j->ij',v,v[:2])
torch.einsum('ij->',y)
torch.einsum('ij->ji',y)
torch.einsum('bij,kj,lk->bil',A,s,s)
torch.einsum('ii',y)
torch.vdot(v,v)
torch.dot(v,v[:2])
torch.dot(v,v)
torch.addmm(z,y,s,beta=.5,alpha=2)
torch.addbmm(z,A,A.mT)
torch.baddbmm(z,A,A.mT,beta=0)
torch.addr(z,v,v)
torch.arange(6).reshape(2,3)@torch.arange(6).reshape(3,2)
""")

GRADIENTS = expressions.cases("""
lambda t, x: x @ x.mT
lambda t, x: x @ x[0]
lambda t, x: x[0] @ x.mT
lambda t, x: x[0] @ x[1]
lambda t, x: x.expand(2, 3, 4) @ x.mT
lambda t, x: x.expand(2, 3, 4) @ x[0]
lambda t, x: x[0] @ x.mT.expand(2, 4, 3)
lambda t, x: t.bmm(x.expand(2, 3, 4), x.mT.expand(2, 4, 3))
lambda t, x: t.addmm(x[:, :3], x, x.mT, beta=2, alpha=3)
lambda t, x: t.addmv(x[:, 0], x, x[0], alpha=2)
lambda t, x: t.baddbmm(x[:, :3], x.expand(2, 3, 4), x.mT.expand(2, 4, 3))
lambda t, x: t.addbmm(x[:, :3], x.expand(2, 3, 4), x.mT.expand(2, 4, 3))
lambda t, x: t.addr(x, x[:, 0], x[0])
lambda t, x: t.einsum("ij,kj,il->kl", x, x, x)
lambda t, x: t.tensordot(x, x, ([0], [0]))
lambda t, x: t.kron(x, x)
lambda t, x: t.cross(x, x.flip(0), 0)
lambda t, x: t.linalg.multi_dot([x, x.mT, x])
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
