"""Laws that hold on every device: operators' gradients and writing in place, modules' ways.

The CUDA half runs on the stand-in, or on a GPU (conftest.py).
"""

import copy
import io
import pickle
import sys
import warnings
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "ops"))
sys.path.insert(0, str(Path(__file__).parent))
import census
from cases import contiguous, function_of, leaves, recorded, tensors_of
from census import on_device

import rushlight as torch
from rushlight import nn
from rushlight._core import device_entries, dispatch

DEVICES = ["cpu", "cuda"]
SEEDED = (
    *("rand", "dropout", "bernoulli", "multinomial", "normal", "exponential", "geometric"),
    *("fractional", "rrelu"),
)
# Entries whose gradient is one of many right ones, or that draw numbers.
APART = {
    *("linalg.eigh", "linalg.svd", "svd", "svd_lowrank", "pca_lowrank", "linalg.qr", "qr"),
    *("linalg.householder_product", "ormqr", "geqrf", "lobpcg", "cdist", "linalg.lstsq"),
}
NAMES = sorted(
    n for n in set(recorded()) - set(census.APART) - APART if not any(s in n for s in SEEDED)
)


def floats(tree):
    """The floating tensors of a tree, made leaves that require gradients."""
    if isinstance(tree, torch.Tensor):
        if not tree.is_floating_point() or tree.dtype.itemsize < 4:
            return tree, []
        leaf = tree.detach().clone().requires_grad_()
        return leaf, [leaf]
    if isinstance(tree, (list, tuple)):
        made = [floats(v) for v in tree]
        return type(tree)(m for m, _ in made), [x for _, xs in made for x in xs]
    if isinstance(tree, dict):
        made = {k: floats(v) for k, v in tree.items()}
        return {k: m for k, (m, _) in made.items()}, [x for _, xs in made.values() for x in xs]
    return tree, []


def outputs(result):
    """The floating tensors of a result that have a history."""
    if isinstance(result, torch.Tensor):
        return [result] if result.requires_grad and result.is_floating_point() else []
    return [t for r in result for t in outputs(r)] if isinstance(result, (list, tuple)) else []


def gradients(case, device):
    """What backward gives for a case's inputs; None where it has no gradients."""
    args, kwargs = tensors_of((case["args"], case["kwargs"]), contiguous)
    if device == "cuda":
        args, kwargs = on_device(args), on_device(kwargs)
    (args, kwargs), given = floats((args, kwargs))
    if not given:
        return None
    found = outputs(function_of(case["function"])(*args, **kwargs))
    if not found:
        return None
    sum((t * t).sum() for t in found).backward()
    return [None if x.grad is None else x.grad for x in given]


@pytest.mark.usefixtures("contracts")
@pytest.mark.parametrize("name", NAMES)
def test_gradients_are_the_cpu_s(name):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for case in recorded()[name][:2]:
            try:
                expected = gradients(case, "cpu")
            except (RuntimeError, NotImplementedError, TypeError):
                continue  # not differentiable in this form
            if expected is None:
                continue
            found = gradients(case, "cuda")
            for a, b in zip(found, expected, strict=True):
                assert (a is None) == (b is None)
                if a is not None:
                    assert a.is_cuda
                    torch.testing.assert_close(
                        a.cpu(), b, rtol=2e-3, atol=2e-4, equal_nan=True, check_stride=False
                    )


@pytest.mark.parametrize("name", NAMES[::7])
def test_the_thin_entry_agrees_with_the_general_path(name):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for case in recorded()[name][:2]:
            args, kwargs = tensors_of((case["args"], case["kwargs"]), contiguous)
            if not leaves((args, kwargs)):
                continue
            args, kwargs = on_device(args), on_device(kwargs)
            call = function_of(case["function"])
            thin = call(*args, **kwargs)
            dispatch.thin = None
            try:
                general = call(*args, **kwargs)
            finally:
                device_entries.install(True)
            same_trees(thin, general)


def same_trees(a, b):
    if isinstance(a, torch.Tensor):
        assert a.dtype == b.dtype
        assert a.shape == b.shape
        torch.testing.assert_close(a, b, equal_nan=True, check_stride=False)
    elif isinstance(a, (list, tuple)):
        for x, y in zip(a, b, strict=True):
            same_trees(x, y)


# ---- operators, a few laws on both devices -------------------------------------------------------

POINTWISE = ["exp", "tanh", "sigmoid", "relu", "neg", "sqrt", "abs", "square"]


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("name", POINTWISE)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_in_place_and_out(name, dtype, device):
    x = (torch.arange(1, 13, dtype=torch.float32).reshape(3, 4) / 7).to(dtype).to(device)
    expected = getattr(torch, name)(x)
    for layout in (x, x.t().contiguous().t(), x[:, ::2]):
        wanted = getattr(torch, name)(layout)
        y = layout.clone()
        version = y._version
        assert getattr(y, name + "_")() is y
        assert y._version == version + 1
        torch.testing.assert_close(y, wanted)
    target = torch.empty_like(x)
    assert getattr(torch, name)(x, out=target) is target
    torch.testing.assert_close(target, expected)
    assert target.device == x.device


@pytest.mark.parametrize("device", DEVICES)
def test_saved_tensors_notice_writes(device):
    x = torch.ones(3, device=device, requires_grad=True)
    y = x.exp()
    y.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()


@pytest.mark.parametrize("device", DEVICES)
def test_second_derivatives(device):
    x = torch.tensor([0.3, -0.7, 1.1], device=device, dtype=torch.float64, requires_grad=True)
    for f in (
        lambda t: t.tanh() * t.exp(),
        lambda t: torch.nn.functional.gelu(t),
        lambda t: torch.nn.functional.layer_norm(t, (3,)),
        lambda t: t.softmax(0),
        lambda t: torch.nn.functional.rms_norm(t, (3,)),
    ):
        (first,) = torch.autograd.grad((f(x) ** 2).sum(), x, create_graph=True)
        (second,) = torch.autograd.grad(first.sum(), x)
        here = x.detach().cpu().requires_grad_()
        (a,) = torch.autograd.grad((f(here) ** 2).sum(), here, create_graph=True)
        (b,) = torch.autograd.grad(a.sum(), here)
        torch.testing.assert_close(second.cpu(), b, rtol=1e-6, atol=1e-8)


# ---- modules -------------------------------------------------------------------------------------

MODULES = {
    "linear": (lambda: nn.Linear(6, 4), (3, 6)),
    "bilinear": (lambda: nn.Sequential(nn.Linear(6, 4), nn.Tanh(), nn.Linear(4, 2)), (3, 6)),
    "conv1d": (lambda: nn.Conv1d(2, 3, 3, padding=1), (2, 2, 7)),
    "conv2d": (lambda: nn.Conv2d(2, 4, 3, stride=2, groups=2), (2, 2, 7, 6)),
    "conv3d": (lambda: nn.Conv3d(1, 2, 2), (1, 1, 3, 4, 3)),
    "transpose": (lambda: nn.ConvTranspose2d(2, 3, 3, stride=2), (2, 2, 3, 4)),
    "batch norm": (lambda: nn.BatchNorm2d(3), (4, 3, 5, 5)),
    "batch norm 1d": (lambda: nn.BatchNorm1d(5), (7, 5)),
    "layer norm": (lambda: nn.LayerNorm(6), (4, 6)),
    "rms norm": (lambda: nn.RMSNorm(6), (4, 6)),
    "group norm": (lambda: nn.GroupNorm(2, 4), (2, 4, 3, 3)),
    "instance norm": (lambda: nn.InstanceNorm2d(3, affine=True), (2, 3, 4, 4)),
    "max pool": (lambda: nn.MaxPool2d(2), (2, 3, 6, 6)),
    "avg pool": (lambda: nn.AvgPool2d(3, 2, 1), (2, 3, 6, 6)),
    "adaptive": (lambda: nn.AdaptiveAvgPool2d(2), (2, 3, 5, 6)),
    "gelu": (lambda: nn.GELU(), (3, 6)),
    "softmax": (lambda: nn.Softmax(1), (3, 6)),
    "rnn": (lambda: nn.RNN(4, 3, batch_first=True), (2, 5, 4)),
    "lstm": (lambda: nn.LSTM(4, 3, num_layers=2), (5, 2, 4)),
    "gru": (lambda: nn.GRU(4, 3, bidirectional=True), (5, 2, 4)),
    "encoder": (lambda: nn.TransformerEncoderLayer(8, 2, 16, 0.0, batch_first=True), (2, 5, 8)),
    "prelu": (lambda: nn.PReLU(), (3, 6)),
    "upsample": (lambda: nn.Upsample(scale_factor=2, mode="bilinear"), (1, 2, 3, 4)),
}


WITHOUT_HALF = ("rnn", "lstm", "gru", "upsample")


def made(name, device, dtype=torch.float32):
    torch.manual_seed(0)
    make, shape = MODULES[name]
    module, x = make(), torch.randn(shape)
    return module.to(device=device, dtype=dtype), x.to(device=device, dtype=dtype)


def answered(module, x):
    result = module(x)
    return result[0] if isinstance(result, tuple) else result


@pytest.mark.parametrize("name", MODULES)
def test_modules_compute_the_same_everywhere(name):
    results = {}
    for device in DEVICES:
        module, x = made(name, device)
        x.requires_grad_()
        y = answered(module, x)
        (y * torch.arange(y.numel(), device=device).reshape(y.shape).cos()).sum().backward()
        grads = [p.grad.cpu() for p in module.parameters()]
        results[device] = [
            y.detach().cpu(),
            x.grad.cpu(),
            *grads,
            *map(torch.Tensor.cpu, module.buffers()),
        ]
        module.eval()
        results[device].append(answered(module, x).detach().cpu())
    for a, b in zip(results["cuda"], results["cpu"], strict=True):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("name", MODULES)
def test_modules_travel(name, device):
    module, x = made(name, device)
    module.eval()
    expected = answered(module, x)
    file = io.BytesIO()
    torch.save(module.state_dict(), file)
    file.seek(0)
    fresh = MODULES[name][0]().to(device).eval()
    fresh.load_state_dict(torch.load(file))
    for other in (copy.deepcopy(module), pickle.loads(pickle.dumps(module)), fresh):
        assert all(t.device.type == device for t in (*other.parameters(), *other.buffers()))
        torch.testing.assert_close(answered(other, x), expected)
    back = copy.deepcopy(module).cpu()
    assert all(not t.is_cuda for t in (*back.parameters(), *back.buffers()))
    torch.testing.assert_close(answered(back, x.cpu()), expected.cpu(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize(
    "name", [n for n in MODULES if n not in ("rnn", "lstm", "gru", "upsample")]
)
def test_modules_in_half_precision(name, device):
    exact, x = made(name, device)
    half, _ = made(name, device, torch.bfloat16)
    y = answered(half, x.to(torch.bfloat16))
    assert y.dtype == torch.bfloat16
    torch.testing.assert_close(y.float(), answered(exact, x).detach(), rtol=5e-2, atol=6e-2)
