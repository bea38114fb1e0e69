"""Conversions to 8-bit floats, bit for bit."""

import numpy as np
import pytest

import rushlight

torch = pytest.importorskip("torch")

EDGES = [
    *(0.0, -0.0, 1.0, 447.0, 448.0, 464.0, 464.1, 500.0, 1e9, np.inf, -np.inf, np.nan, -465.0),
    *(240.0, 248.0, 57344.0, 61440.0, 65504.0, 1e-10, 2**-10, 3 * 2**-11, 2**-128, 3e38, 1e-40),
]
KINDS = ["float8_e4m3fn", "float8_e5m2", "float8_e4m3fnuz", "float8_e5m2fnuz", "float8_e8m0fnu"]


@pytest.mark.parametrize("source", ["float32", "float64", "float16", "bfloat16"])
@pytest.mark.parametrize("kind", KINDS)
def test_bits_are_those_of_pytorch(kind, source):
    rng = np.random.default_rng(0)
    wide = rng.standard_normal(3000) * np.exp(rng.uniform(-30, 30, 3000))
    values = [*EDGES, *wide.tolist()]
    if source == "bfloat16":  # the sign of its NaN is another in PyTorch's vectorised conversion
        values = [v for v in values if v == v]
    bits = []
    for t in (torch, rushlight):
        x = t.tensor(values, dtype=t.float64).to(getattr(t, source))
        made = x.to(getattr(t, kind))
        copied = t.zeros(len(values), dtype=getattr(t, kind)).copy_(x)
        bits.append((made.view(t.uint8).tolist(), copied.view(t.uint8).tolist()))
    assert bits[0] == bits[1]


def test_scalars_and_empty():
    for t in (torch, rushlight):
        assert t.tensor(1000.0).to(t.float8_e4m3fn).float().item() == 448.0
        assert t.tensor(0.0).to(t.float8_e8m0fnu).view(t.uint8).item() == 0
        assert t.zeros(0).to(t.float8_e4m3fn).shape == (0,)
        assert t.tensor(1000).to(t.float8_e4m3fn).float().item() == 448.0
