"""Fourier transforms: the answers and the gradients are torch's."""

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
torch.fft.fft(v)
torch.fft.fft(v,n=0)
torch.fft.fft(z)
torch.fft.fft(v,norm='foo')
torch.fft.rfft(v+0j)
torch.fft.irfft(v)
torch.fft.irfft(v,n=0)
torch.fft.fft2(v)
torch.fft.fftn(y,s=(2,2,2))
torch.fft.fftn(y,s=(2,),dim=(0,1))
torch.fft.fftn(y,dim=(0,0))
torch.fft.rfftn(y,dim=())
torch.fft.fftn(y,dim=())
torch.fft.fftfreq(5)
torch.fft.rfftfreq(5,d=2)
torch.fft.fftfreq(4,dtype=torch.float64)
torch.fft.fftshift(i)
torch.fft.ifftshift(y,0)
torch.fft.fft(i)
torch.fft.fft(v.half())
torch.fft.fft(v.double()).dtype
torch.fft.hfft(v+1j)
torch.fft.ihfft(v)
torch.fft.rfft2(y)
torch.fft.irfft2(y+1j)
torch.fft.ifftn(y,norm='ortho')
torch.fft.fft(v,3)
torch.fft.fft(v,6,norm='forward')
torch.fft.rfft(v,7)
torch.stft(v,2)
torch.stft(v,2,hop_length=1,return_complex=True)
torch.stft(v,9,hop_length=1,return_complex=True)
torch.stft(torch.arange(20.),8,return_complex=True,window=torch.ones(8))
torch.stft(torch.arange(20.),8,return_complex=False,window=torch.ones(8)).shape
torch.istft(torch.stft(torch.arange(20.),8,return_complex=True,window=torch.ones(8)),8,window=torch.ones(8))
torch.istft(y,8)
""")

GRADIENTS = expressions.cases("""
lambda t, x: t.fft.fft(x).abs()
lambda t, x: t.fft.rfft(x).abs()
lambda t, x: t.fft.irfft(x)
lambda t, x: t.fft.irfft(t.complex(x, x * x), 5)
lambda t, x: t.fft.hfft(t.complex(x, x * x))
lambda t, x: t.fft.ihfft(x).abs()
lambda t, x: t.fft.fft2(x, norm="ortho").abs()
lambda t, x: t.fft.rfft2(x).abs()
lambda t, x: t.fft.irfft2(t.complex(x, x))
lambda t, x: t.fft.fftshift(x)
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
