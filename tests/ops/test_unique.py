"""Sets: the answers and the gradients are torch's."""

import importlib.util
import sys
from pathlib import Path

import pytest

import rushlight
import rushlight as torch


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


@pytest.mark.parametrize(
    "call",
    [
        lambda x: x.nonzero(),
        lambda x: x.unique(),
        lambda x: torch.unique_consecutive(x),
        lambda x: x[x > 0],
        lambda x: x.masked_select(x > 0),
        lambda x: torch.bincount(x.long()),
        lambda x: torch.where(x),
        lambda x: torch.linalg.lstsq(x[:, None], x[:, None]),
        lambda x: torch.equal(x, x),
    ],
)
def test_what_depends_on_values_refuses_meta_tensors(call):
    with pytest.raises(NotImplementedError, match="meta tensor"):
        call(torch.ones(3, device="meta"))


def test_repeats_of_meta_tensors_need_the_size():
    x, counts = torch.ones(2, 3, device="meta"), torch.tensor([1, 2, 3])
    with pytest.raises(RuntimeError, match="without output_size"):
        x.repeat_interleave(counts.to("meta"), dim=1)
    assert x.repeat_interleave(counts.to("meta"), dim=1, output_size=6).shape == (2, 6)
    with pytest.raises(RuntimeError, match="allocated size does not match"):
        torch.ones(3).repeat_interleave(counts, output_size=5)
    with pytest.raises(RuntimeError, match="expected 6 but got 5"):
        torch.ones(3).repeat_interleave(2, output_size=5)
    assert torch.nonzero_static(x, size=4).shape == (4, 2)
    with pytest.raises(RuntimeError, match=r"item\(\) cannot be called on meta"):
        torch.ones(3)[torch.tensor(1, device="meta")]
    assert x.expand(4, 2, 3).is_meta and x.unfold(1, 2, 1).is_meta and x.diagonal().is_meta
