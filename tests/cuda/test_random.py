"""PyTorch's CUDA generator: Philox's published vectors, numbers that PyTorch printed, and the
kernels beside the NumPy reference."""

import numpy as np
import pytest

import rushlight as torch
from rushlight._core import backend, device_entries, philox

SHAPES = [(1,), (3,), (8,), (1000,), (2050,), (70000,)]  # the stand-in runs 2048 threads


def test_published_vectors():
    def of(counter, key):
        low = np.array([counter[0] | counter[1] << 32], np.uint64)
        high = np.array([counter[2] | counter[3] << 32], np.uint64)
        return [int(w[0]) for w in philox.words(key[0] | key[1] << 32, low, high)]

    ones = 0xFFFFFFFF
    assert of((0, 0, 0, 0), (0, 0)) == [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]
    assert of((ones,) * 4, (ones,) * 2) == [0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD]
    pi = (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344), (0xA4093822, 0x299F31D0)
    assert of(*pi) == [0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1]


def test_numbers_that_torch_printed():
    torch.manual_seed(0)
    found = torch.rand(5, device="cuda").tolist()
    assert np.allclose(found, [0.3990, 0.5167, 0.0249, 0.9401, 0.9459], atol=5e-5)
    torch.manual_seed(0)
    found = torch.randn(6, device="cuda").tolist()
    assert np.allclose(found, [-0.9247, -0.4253, -2.6438, 0.1452, -0.1209, -0.5797], atol=5e-5)


CALLS = {
    "rand": lambda s, d: torch.rand(s, device="cuda", dtype=d),
    "uniform_": lambda s, d: torch.empty(s, device="cuda", dtype=d).uniform_(-2, 3),
    "randn": lambda s, d: torch.randn(s, device="cuda", dtype=d),
    "normal": lambda s, d: torch.normal(1.0, 2.0, s, device="cuda", dtype=d),
    "bernoulli_": lambda s, d: torch.empty(s, device="cuda", dtype=d).bernoulli_(0.3),
    "exponential_": lambda s, d: torch.empty(s, device="cuda", dtype=d).exponential_(2.0),
    "cauchy_": lambda s, d: torch.empty(s, device="cuda", dtype=d).cauchy_().atan(),
    "log_normal_": lambda s, d: torch.empty(s, device="cuda", dtype=d).log_normal_(),
    "geometric_": lambda s, d: torch.empty(s, device="cuda", dtype=d).geometric_(0.4),
    "dropout": lambda s, d: torch.nn.functional.dropout(torch.ones(s, device="cuda", dtype=d), 0.3),
}


def both(call):
    """What the kernels draw, and what the reference draws."""
    torch.cuda.manual_seed(7)
    by_kernel, after = call().cpu(), torch.cuda.get_rng_state()
    kept = dict(backend.device_kernels)
    for name in ("philox_draw", "philox_integers", "fused_dropout"):
        del backend.device_kernels[name]
    device_entries.install(True)  # they keep the kernels that they found
    try:
        torch.cuda.manual_seed(7)
        reference = call().cpu()
        assert torch.equal(torch.cuda.get_rng_state(), after)
    finally:
        backend.device_kernels.update(kept)
        device_entries.install(True)
    return by_kernel, reference


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("name", CALLS)
def test_kernels_draw_as_the_reference(name, dtype, compiled):
    for shape in SHAPES if dtype == torch.float32 else SHAPES[:5]:
        found, expected = both(lambda shape=shape: CALLS[name](shape, dtype))
        torch.testing.assert_close(found, expected, rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize("high", [10, 2**40])
def test_integers(high, compiled):
    for shape in SHAPES[:5]:
        found, expected = both(lambda shape=shape: torch.randint(high, shape, device="cuda"))
        assert torch.equal(found, expected)


def test_states():
    g = torch.Generator("cuda").manual_seed(5)
    assert g.get_offset() == 0
    assert g.get_state().numel() == 16
    first = torch.rand(3, device="cuda", generator=g)
    assert g.get_offset() == 4
    g.set_offset(0)
    assert torch.equal(first, torch.rand(3, device="cuda", generator=g))
    state = g.get_state()
    second = torch.rand(3, device="cuda", generator=g)
    g.set_state(state)
    assert torch.equal(second, torch.rand(3, device="cuda", generator=g))
    assert g.initial_seed() == 5


def test_dropout_gradients(compiled):
    x = torch.ones(1000, device="cuda", requires_grad=True)
    y = torch.nn.functional.dropout(x, 0.25)
    y.sum().backward()
    assert torch.equal(y.detach(), x.grad)
    assert 650 < int((y != 0).sum()) < 850
    assert set(y.tolist()) == {0.0, float(np.float32(1) / np.float32(0.75))}
