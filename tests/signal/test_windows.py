"""torch.signal.windows: PyTorch's weights, its checks, and what a window is."""

import numpy as np
import pytest

import rushlight as torch
from rushlight.signal import windows

ARGUMENTS = {"general_cosine": {"a": [0.46, 0.23, 0.31]}}
NAMES = windows.__all__
EXTRA = {
    "exponential": [{"tau": 0.4}, {"center": 1.0, "sym": False}],
    "gaussian": [{"std": 0.3}],
    "kaiser": [{"beta": 0.0}, {"beta": 3.0}],
    "general_hamming": [{"alpha": 0.7}],
    "general_cosine": [{"a": (1.0,)}],
}


def window(name, *args, **kw):
    return getattr(windows, name)(*args, **{**ARGUMENTS.get(name, {}), **kw})


@pytest.mark.parametrize("name", NAMES)
def test_symmetric_windows_mirror_and_periodic_ones_are_longer_ones_cut(name):
    w = window(name, 9, dtype=torch.float64)
    assert torch.allclose(w, w.flip(0))
    longer = window(name, 10, dtype=torch.float64)
    assert torch.allclose(window(name, 9, sym=False, dtype=torch.float64), longer[:-1])


@pytest.mark.parametrize("name", NAMES)
def test_sizes_and_dtypes(name):
    assert window(name, 0).shape == (0,)
    assert window(name, 1).tolist() == [1.0]
    assert window(name, 5).dtype is torch.float32
    assert window(name, 5, dtype=torch.float64).dtype is torch.float64
    assert window(name, 5, requires_grad=True).requires_grad
    assert window(name, 5, device="meta").shape == (5,)


@pytest.mark.parametrize("name", NAMES)
def test_refusals(name):
    with pytest.raises(ValueError, match="requires non-negative window length, got M=-1"):
        window(name, -1)
    with pytest.raises(ValueError, match=r"expects float32 or float64 dtypes, got: torch\.int64"):
        window(name, 3, dtype=torch.int64)
    with pytest.raises(ValueError, match="is implemented for strided tensors only"):
        window(name, 3, layout=torch.sparse_coo)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: windows.exponential(3, tau=0), ValueError, "Tau must be positive, got: 0 instead"),
        (lambda: windows.exponential(3, center=1.0), ValueError, "Center must be None"),
        (lambda: windows.gaussian(3, std=-1), ValueError, "Standard deviation must be positive"),
        (lambda: windows.kaiser(3, beta=-1), ValueError, "beta must be non-negative, got: -1"),
        (lambda: windows.general_cosine(3, a=2), TypeError, "Coefficients must be a list/tuple"),
        (lambda: windows.general_cosine(3, a=[]), ValueError, "Coefficients cannot be empty"),
    ],
)
def test_parameters_without_a_window(call, error, words):
    with pytest.raises(error, match=words):
        call()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("sym", [True, False])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_equals_torch(name, sym, dtype):
    oracle = pytest.importorskip("torch")
    for more in [{}, *EXTRA.get(name, [])]:
        given = {**ARGUMENTS.get(name, {}), "sym": sym, **more}
        for length in (0, 1, 2, 3, 8, 33):
            try:
                expected = getattr(oracle.signal.windows, name)(
                    length, dtype=getattr(oracle, dtype), **given
                )
            except ValueError:  # a center and sym
                continue
            got = getattr(windows, name)(length, dtype=getattr(torch, dtype), **given)
            np.testing.assert_allclose(got.numpy(), expected.numpy(), 1e-6, 1e-7)
