"""Gradients of both orders against differences: operators, and what has kernels of its own."""

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "ops"))
from test_laws import RANGES, SMOOTH

import rushlight as torch
from rushlight._core.op import OPS
from rushlight.autograd import gradcheck, gradgradcheck

pytestmark = pytest.mark.usefixtures("contracts")
F = torch.nn.functional


@pytest.mark.parametrize("name", SMOOTH)
def test_operators(name):
    """What tests/ops holds for the CPU; there it is said what an operator refuses."""
    op = OPS[name]
    rng = np.random.default_rng(len(name))
    arrays = [rng.uniform(*RANGES.get(name, (0.3, 2.7)), (2, 2)) for _ in op.tensors]
    here = [torch.from_numpy(a).requires_grad_() for a in arrays]
    inputs = [t.detach().cuda().requires_grad_() for t in here]
    try:
        outcome = op.call(*here)
    except (RuntimeError, NotImplementedError, TypeError, IndexError) as error:
        with pytest.raises(type(error)):
            op.call(*inputs)
        return
    first = outcome[0] if isinstance(outcome, tuple) else outcome
    if not first.requires_grad:
        pytest.skip("not differentiable in a tensor argument")
    try:
        assert gradcheck(op.call, inputs)
        assert gradgradcheck(op.call, inputs, atol=1e-4)
    except (RuntimeError, NotImplementedError) as error:
        if "not implemented" not in str(error):
            raise
        pytest.skip(f"as in PyTorch: {error}")


def drawn(*shape):
    return torch.randn(shape, dtype=torch.float64)


T = torch.tensor([1, 0, 2])
LAYERS = {
    "linear": (F.linear, lambda: (drawn(3, 4), drawn(2, 4), drawn(2))),
    "matmul": (torch.matmul, lambda: (drawn(2, 3, 4), drawn(4, 2))),
    "bmm": (torch.bmm, lambda: (drawn(2, 3, 2), drawn(2, 2, 2))),
    "softmax": (lambda x: x.softmax(-1), lambda: (drawn(3, 4),)),
    "log_softmax": (lambda x: x.log_softmax(0), lambda: (drawn(3, 4),)),
    "cross_entropy": (lambda x: F.cross_entropy(x, T.to(x.device)), lambda: (drawn(3, 3),)),
    "mse_loss": (F.mse_loss, lambda: (drawn(3, 4), drawn(3, 4))),
    "layer_norm": (lambda x, w, b: F.layer_norm(x, (4,), w, b),
                   lambda: (drawn(3, 4), drawn(4), drawn(4))),
    "rms_norm": (lambda x, w: F.rms_norm(x, (4,), w), lambda: (drawn(3, 4), drawn(4))),
    "group_norm": (lambda x, w, b: F.group_norm(x, 2, w, b),
                   lambda: (drawn(1, 4, 2), drawn(4), drawn(4))),
    "instance_norm": (lambda x, w, b: F.instance_norm(x, weight=w, bias=b),
                      lambda: (drawn(2, 2, 4), drawn(2), drawn(2))),
    "batch_norm": (lambda x, w, b: F.batch_norm(x, None, None, w, b, True),
                   lambda: (drawn(3, 2), drawn(2), drawn(2))),
    "conv1d": (F.conv1d, lambda: (drawn(1, 2, 5), drawn(2, 2, 3), drawn(2))),
    "conv2d": (F.conv2d, lambda: (drawn(1, 1, 4, 3), drawn(2, 1, 2, 2))),
    "max_pool2d": (lambda x: F.max_pool2d(x, 2), lambda: (drawn(1, 1, 4, 4),)),
    "avg_pool2d": (lambda x: F.avg_pool2d(x, 2, 1), lambda: (drawn(1, 1, 3, 4),)),
    "embedding": (lambda w: F.embedding(T.to(w.device), w), lambda: (drawn(4, 3),)),
    "bilinear": (lambda x: F.interpolate(x, scale_factor=2, mode="bilinear"),
                 lambda: (drawn(1, 1, 2, 3),)),
    "nearest": (lambda x: F.interpolate(x, size=5), lambda: (drawn(1, 2, 3),)),
    "grid_sample": (lambda x, g: F.grid_sample(x, g.tanh(), align_corners=False),
                    lambda: (drawn(1, 1, 2, 3), drawn(1, 1, 2, 2))),
    "attention": (F.scaled_dot_product_attention,
                  lambda: (drawn(1, 3, 2), drawn(1, 3, 2), drawn(1, 3, 2))),
    "lstm_cell": (lambda x, h, c, w, v: torch.lstm_cell(x, (h, c), w, v),
                  lambda: (drawn(1, 2), drawn(1, 1), drawn(1, 1), drawn(4, 2), drawn(4, 1))),
    "gru_cell": (torch.gru_cell, lambda: (drawn(2, 2), drawn(2, 1), drawn(3, 2), drawn(3, 1))),
    "lstm": (lambda x, h, c, w, v: torch.lstm(x, (h, c), [w, v], False, 1, 0.0, True, False, False),
             lambda: (drawn(1, 1, 1), drawn(1, 1, 1), drawn(1, 1, 1), drawn(4, 1), drawn(4, 1))),
    "gru": (lambda x, h, w, v: torch.gru(x, h, [w, v], False, 1, 0.0, True, False, False),
            lambda: (drawn(2, 1, 1), drawn(1, 1, 1), drawn(3, 1), drawn(3, 1))),
    "rnn": (lambda x, h, w, v: torch.rnn_tanh(x, h, [w, v], False, 1, 0.0, True, False, False),
            lambda: (drawn(2, 2, 2), drawn(1, 2, 2), drawn(2, 2), drawn(2, 2))),
    "scatter_reduce": (lambda x, s: x.scatter_reduce(0, T.to(x.device), s, "prod"),
                       lambda: (drawn(4), drawn(3))),
    "solve": (torch.linalg.solve, lambda: (drawn(2, 2) + 3 * torch.eye(2).double(), drawn(2, 1))),
    "lu": (lambda a: torch.linalg.lu_factor(a)[0], lambda: (drawn(3, 3),)),
    "pinv": (torch.linalg.pinv, lambda: (drawn(3, 2),)),
    "in place": (lambda x, y: (x * 1).mul_(y).add_(y, alpha=0.5).clamp_(min=-9).exp_(),
                 lambda: (drawn(3), drawn(3))),
    "index": (lambda x: x[T.to(x.device)] * x[0], lambda: (drawn(3, 2),)),
    "cumsum": (lambda x: x.cumsum(0).cumprod(1), lambda: (drawn(3, 2),)),
}  # fmt: skip


@pytest.mark.parametrize("device", ["cpu", "cuda"])
@pytest.mark.parametrize("name", LAYERS)
def test_layers(name, device):
    function, make = LAYERS[name]
    torch.manual_seed(0)
    inputs = [t.to(device).detach().requires_grad_() for t in make()]
    assert gradcheck(function, inputs)
    assert gradgradcheck(function, inputs, atol=1e-4)
