"""Kernels called by several threads of Python at once give what they give one after the other."""

import threading

import pytest

import rushlight as torch
from rushlight._core.extension import C

F = torch.nn.functional
pytestmark = pytest.mark.skipif(C is None, reason="the native extension is not built or is off")


def programs(path):
    """Functions that use the pool of threads, the allocator and the caches of kernels."""
    x, y = torch.randn(300, 400), torch.randn(400, 200)
    image, weight = torch.randn(2, 16, 20, 20), torch.randn(24, 16, 3, 3)
    q = torch.randn(2, 2, 70, 16)
    rows = torch.arange(300).flip(0)
    large = torch.arange(300_000.0)

    def trained():
        w = y.clone().requires_grad_()
        F.cross_entropy(F.gelu(x @ w), rows % 200).backward()
        return w.grad

    def stored(name):
        torch.save([x, large], path / name)
        return torch.load(path / name)[1]

    return [
        lambda: x @ y,
        lambda: F.conv2d(image, weight, padding=1),
        lambda: F.max_pool2d(image, 2),
        lambda: F.scaled_dot_product_attention(q, q, q, is_causal=True),
        lambda: (x * 2 + x.t().contiguous().t()).exp().sum(0),
        lambda: x.softmax(1).cumsum(1),
        lambda: x.sort(1).values + x.mean(1, keepdim=True),
        lambda: torch.cat([x[rows], x.to(torch.float64).to(torch.float32)]),
        lambda: F.layer_norm(x, (400,)).var(0),
        trained,
        lambda: stored(str(threading.get_ident())),
    ]


def test_together_as_one_by_one(tmp_path):
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    work = programs(tmp_path)
    expected = [run() for run in work]
    wrong = []

    def again(shift):
        for i in range(2 * len(work)):
            at = (i + shift) % len(work)
            if not torch.equal(work[at](), expected[at]):
                wrong.append(at)

    threads = [threading.Thread(target=again, args=(3 * k,)) for k in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    torch.set_num_threads(before)
    assert not wrong
