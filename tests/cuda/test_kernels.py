"""Kernels of devices against the records' forwards on the CPU, where recorded samples are few."""

import copy
import os

import numpy as np
import pytest
import simt

import rushlight as torch
from rushlight._core import gpu
from rushlight._core.gpu_module import detours

FLOATS = [torch.float32, torch.float64, torch.float16, torch.bfloat16]
CLOSE = {torch.float32: 1e-5, torch.float64: 1e-12, torch.float16: 4e-3, torch.bfloat16: 4e-2}


pytestmark = pytest.mark.usefixtures("contracts")
NAMES = []  # of the kernels that ran


@pytest.fixture(autouse=True)
def names(monkeypatch):
    """The names of kernels as they are launched."""
    if not simt.available:
        return
    call = simt.Kernel.__call__

    def noted(self, *args, **kw):
        NAMES.append(self.name)
        return call(self, *args, **kw)

    monkeypatch.setattr(simt.Kernel, "__call__", noted)


@pytest.fixture(autouse=True)
def on_the_device():
    """Nothing here goes over the host."""
    detours.clear()
    yield
    assert not detours


def same(found, expected, dtype=torch.float32, factor=1):
    tolerance = CLOSE.get(dtype, 0) * factor
    torch.testing.assert_close(
        found.detach().cpu(), expected.detach(), rtol=tolerance, atol=tolerance, check_stride=False
    )


WHOLE = [torch.int8, torch.uint8, torch.int16, torch.int32, torch.int64]


@pytest.mark.parametrize("reduce", ["sum", "prod", "mean", "amax", "amin"])
@pytest.mark.parametrize("dtype", [*FLOATS, *WHOLE])
def test_scattered_reductions(compiled, reduce, dtype):
    torch.manual_seed(0)
    x, src = torch.randint(-3, 4, (5, 4)).to(dtype), torch.randint(-3, 4, (9, 4)).to(dtype)
    index = torch.randint(0, 5, (9, 4))
    for kept in (True, False):
        expected = x.scatter_reduce(0, index, src, reduce, include_self=kept)
        found = x.cuda().scatter_reduce(0, index.cuda(), src.cuda(), reduce, include_self=kept)
        same(found, expected, dtype)


@pytest.mark.parametrize("shape", [(5, 5), (3, 6, 6), (2, 3, 7), (40, 3, 3), (70, 70), (6, 4)])
@pytest.mark.parametrize("dtype", [torch.float64, torch.complex128])
def test_factors(shape, dtype):
    torch.manual_seed(0)
    A = torch.randn(shape, dtype=dtype)
    for found, expected in zip(
        torch.linalg.lu_factor_ex(A.cuda()), torch.linalg.lu_factor_ex(A), strict=True
    ):
        same(found, expected, torch.float64, 100)
    P, L, U = torch.linalg.lu(A.cuda())
    same(P.to(dtype) @ L @ U, A, torch.float64, 100)


def test_a_zero_pivot_is_told():
    A = torch.zeros(2, 3, 3)
    A[1] = torch.eye(3)
    A[1, 1, 1] = 0
    assert torch.linalg.lu_factor_ex(A.cuda()).info.tolist() == [1, 2]
    with pytest.raises(RuntimeError, match=r"Batch element 0.*U\[1,1\] is zero"):
        torch.linalg.lu_factor(A.cuda())


@pytest.mark.parametrize("left", [True, False])
@pytest.mark.parametrize("upper", [True, False])
@pytest.mark.parametrize("unit", [True, False])
def test_triangular_systems(left, upper, unit):
    torch.manual_seed(0)
    A = torch.randn(2, 1, 4, 4, dtype=torch.float64) + 4 * torch.eye(4, dtype=torch.float64)
    B = torch.randn(3, 4, 4, dtype=torch.float64)
    options = {"upper": upper, "left": left, "unitriangular": unit}
    found = torch.linalg.solve_triangular(A.cuda(), B.cuda(), **options)
    same(found, torch.linalg.solve_triangular(A, B, **options), torch.float64, 10)


def test_cupy_is_told_to_refuse_singular_matrices(cupy):
    states = cupy.libraries["cupyx"].states
    states.clear()
    with pytest.raises(RuntimeError, match="singular"):
        torch.linalg.inv(torch.zeros(2, 2, device="cuda"))
    assert states[0] == "raise"


@pytest.mark.parametrize("axis", [None, 0, (0, 2), -1])
@pytest.mark.parametrize("keepdims", [True, False])
def test_reductions_by_halves(cupy, axis, keepdims):
    x = np.random.default_rng(0).integers(0, 99, (7, 4, 5))
    found = gpu.cuda.xp.bitwise_xor.reduce(cupy.asarray(x), axis, None, None, keepdims)
    expected = np.bitwise_xor.reduce(x, axis, None, None, keepdims)
    assert np.array_equal(found.get(), expected)
    assert found.shape == expected.shape


def both(function, *given, factor=10, names=()):
    """The same results and gradients on the device, by the named kernels among others."""
    found = []
    for device in ("cpu", "cuda"):
        NAMES.clear()
        tensors = [t.to(device).detach() for t in given]
        tensors = [t.requires_grad_() if t.is_floating_point() else t for t in tensors]
        results = function(*tensors)
        results = results if isinstance(results, tuple) else (results,)
        weighted = [
            r * torch.arange(r.numel(), device=device).reshape(r.shape).cos() for r in results
        ]
        sum(w.sum() for w in weighted).backward()
        found.append([*results, *[t.grad for t in tensors if t.requires_grad]])
    for a, b in zip(found[1], found[0], strict=True):
        assert a.dtype == b.dtype
        assert a.is_cuda
        same(a, b, given[0].dtype, factor)
    launched(names)


def launched(names):
    """Did these kernels run? Only the emulator can say."""
    if os.environ.get("RUSHLIGHT_GPU") != "1":
        ran = {name.removesuffix("_packed").removesuffix("_single") for name in NAMES}
        assert set(names) <= ran


F = torch.nn.functional


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("shape", [(2, 6, 4, 2), (3, 6, 5), (2, 6), (1, 6, 37, 31)])
@pytest.mark.parametrize("groups", [2, 6, 1])
def test_group_norm(compiled, dtype, shape, groups):
    if len(shape) == 2 and groups == 6:
        pytest.skip("one value has no variance")
    torch.manual_seed(0)
    x, w, b = torch.randn(shape).to(dtype), torch.randn(6).to(dtype), torch.randn(6).to(dtype)
    names = "group_norm", "group_norm_backward", "channel_sums", "sum_parts"
    both(lambda x, w, b: F.group_norm(x, groups, w, b), x, w, b, names=names)
    both(lambda x: F.group_norm(x, groups), x, names=("group_norm", "layer_norm_backward"))


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("shape", [(2, 3, 4, 2), (3, 3, 5), (1, 3, 37, 31)])
def test_instance_norm(compiled, dtype, shape):
    torch.manual_seed(0)
    x, w, b = torch.randn(shape).to(dtype), torch.randn(3).to(dtype), torch.randn(3).to(dtype)
    names = "group_norm", "group_norm_backward", "channel_sums", "sum_parts"
    both(lambda x, w, b: F.instance_norm(x, weight=w, bias=b), x, w, b, names=names)
    both(lambda x: F.instance_norm(x), x, names=("group_norm", "layer_norm_backward"))
    means = [torch.zeros(3, dtype=dtype), torch.ones(3, dtype=dtype)]
    there = [t.cuda() for t in means]
    same(F.instance_norm(x.cuda(), *there), F.instance_norm(x, *means), dtype, 10)
    for a, b in zip(there, means, strict=True):
        same(a, b, dtype, 10)


MODES = [
    ((2, 3, 5), {"size": 8, "mode": "nearest"}),
    ((2, 3, 5), {"scale_factor": 1.7, "mode": "linear"}),
    ((1, 2, 4, 5), {"scale_factor": 2, "mode": "nearest"}),
    ((1, 2, 4, 5), {"size": (3, 9), "mode": "nearest-exact"}),
    ((2, 2, 4, 5), {"scale_factor": 2, "mode": "bilinear"}),
    ((1, 2, 7, 6), {"size": (3, 4), "mode": "bilinear", "align_corners": True}),
    ((1, 2, 7, 6), {"size": (4, 4), "mode": "bilinear", "antialias": True}),
    ((1, 1, 5, 6), {"size": (8, 3), "mode": "bicubic"}),
    ((1, 1, 3, 4, 2), {"scale_factor": 1.5, "mode": "trilinear"}),
    ((1, 2, 3, 2, 2), {"size": (2, 3, 4), "mode": "nearest"}),
]


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("shape, how", MODES)
def test_interpolate(compiled, dtype, shape, how):
    torch.manual_seed(0)
    x = torch.randn(shape).to(dtype)
    both(lambda x: F.interpolate(x, **how), x, names=("resample", "resample_backward"))
    found = F.interpolate(x.cuda().transpose(0, 1).contiguous().transpose(0, 1), **how)
    same(found, F.interpolate(x, **how), dtype, 10)


LAYERS = {
    "lstm": (torch.nn.LSTM, {}, ("lstm_step", "lstm_back")),
    "lstm without biases": (torch.nn.LSTM, {"bias": False}, ("lstm_step", "lstm_back")),
    "lstm both ways": (torch.nn.LSTM, {"bidirectional": True}, ("lstm_step", "lstm_back")),
    "gru": (torch.nn.GRU, {}, ("gru_step", "gru_back")),
    "gru of two layers": (torch.nn.GRU, {"num_layers": 2, "bias": False}, ("gru_step", "gru_back")),
    "tanh": (torch.nn.RNN, {}, ("plain_step", "plain_back")),
    "relu": (torch.nn.RNN, {"nonlinearity": "relu"}, ("plain_step", "plain_back")),
}


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("packed", [False, True])
def test_recurrent_layers(compiled, dtype, name, packed):
    kind, options, kernels = LAYERS[name]
    torch.manual_seed(0)
    layers = {"cpu": kind(3, 5, **options).to(dtype)}
    layers["cuda"] = copy.deepcopy(layers["cpu"]).cuda()
    x = torch.randn(4, 3, 3).to(dtype)

    def run(x):
        layer = layers[x.device.type]
        if packed:
            x = torch.nn.utils.rnn.pack_padded_sequence(x, [4, 2, 1])
        out, state = layer(x)
        state = state if isinstance(state, tuple) else (state,)
        return (out.data if packed else out, *state)

    both(run, x, names=kernels)
    for a, b in zip(layers["cuda"].parameters(), layers["cpu"].parameters(), strict=True):
        same(a.grad, b.grad, dtype, 20)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("parts", [(True, True), (True, False), (False, True)])
def test_lstm_cell(compiled, dtype, parts):
    torch.manual_seed(0)
    x, h, c = (torch.randn(2, n).to(dtype) for n in (3, 5, 5))
    w_ih, w_hh = torch.randn(20, 3).to(dtype), torch.randn(20, 5).to(dtype)

    def run(x, h, c, w_ih, w_hh):
        made = torch.lstm_cell(x, (h, c), w_ih, w_hh)
        return tuple(t for t, wanted in zip(made, parts, strict=True) if wanted)

    both(run, x, h, c, w_ih, w_hh, factor=20, names=("lstm_step", "cell_back"))


@pytest.mark.parametrize("dtype", FLOATS)
def test_gru_cell(compiled, dtype):
    torch.manual_seed(0)
    x, h = torch.randn(2, 3).to(dtype), torch.randn(2, 5).to(dtype)
    w, v, b = (torch.randn(15, 3), torch.randn(15, 5), torch.randn(15))
    given = x, h, w.to(dtype), v.to(dtype), b.to(dtype)
    both(torch.gru_cell, *given, factor=20, names=("gru_step", "gru_cell_back"))


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize(
    "shape", [(2, 3, 4, 5), (5,), (4, 5), (2, 1, 1, 5), (2, 1, 4, 5), (2, 3, 1, 1), (1, 5), ()]
)
def test_masked_fill(compiled, dtype, shape):
    torch.manual_seed(0)
    x, mask = torch.randn(2, 3, 4, 5).to(dtype), torch.rand(shape) < 0.5
    value = torch.tensor(0.25, dtype=dtype)

    def fill(x, mask, value):
        return x.masked_fill(mask, -1.5) + x.masked_fill(mask, value)

    both(fill, x, mask, value, names=("masked_fill",))
    there, mask_there = x.cuda(), mask.cuda()
    array = there._data
    same(there.masked_fill_(mask_there, float("-inf")), x.masked_fill(mask, float("-inf")), dtype)
    assert there._data is array
    scattered = torch.rand(2, 1, 4, 1) < 0.5  # repeated in two places: by CuPy
    there, expected = x.cuda(), x.masked_fill(scattered, 2)
    same(there.masked_fill_(scattered.cuda(), 2), expected, dtype)
    same(x.cuda().masked_fill(scattered.cuda(), 2), expected, dtype)


def widened(function, dtype, *given, names=()):
    """Results and gradients on the device are those that the CPU finds in float32 or float64."""
    found = []
    for there in (False, True):
        NAMES.clear()
        tensors = [t.cuda() if there else t if dtype.itemsize > 2 else t.float() for t in given]
        tensors = [t.detach().requires_grad_() for t in tensors]
        result = function(*tensors)
        weights = torch.arange(result.numel()).reshape(result.shape).cos().to(dtype)
        (result * weights.to(result)).sum().backward()
        found.append([result, *[t.grad for t in tensors]])
    for a, b in zip(found[1], found[0], strict=True):
        assert a.dtype == dtype
        same(a, b.to(dtype), dtype, 10)
    launched(names)


GRIDS = [
    (mode, padding, align)
    for mode in ("bilinear", "nearest", "bicubic")
    for padding in ("zeros", "border", "reflection")
    for align in (True, False)
]


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("how", GRIDS)
def test_grid_sample(compiled, dtype, how):
    torch.manual_seed(0)
    mode, padding, align = how
    taps = {"nearest": 1, "bilinear": 2, "bicubic": 4}[mode]
    for size in ((5, 4), (1, 7), (3, 4, 2)):
        dims = len(size)
        if mode == "bicubic" and dims == 3:
            continue
        x = torch.randn(2, 6, *size).to(dtype)
        grid = (torch.randn(2, *(3, 5, 2)[:dims], dims) * 1.5).to(dtype)
        names = f"sample_{dims}_{taps}", f"spread_{dims}_{taps}"
        widened(lambda x, g: F.grid_sample(x, g, mode, padding, align), dtype, x, grid, names=names)
    here, there = grid.clone().requires_grad_(), x.cuda()  # one gradient of two; with gaps
    there = there.transpose(0, 1).contiguous().transpose(0, 1)
    if dims == 2 or mode != "bicubic":
        found = F.grid_sample(there, here.cuda(), mode, padding, align).sum()
        (g,) = torch.autograd.grad(found, here)
        wide = here.detach() if dtype.itemsize > 2 else here.detach().float()
        wide.requires_grad_()
        F.grid_sample(x.to(wide.dtype), wide, mode, padding, align).sum().backward()
        same(g, wide.grad.to(dtype), dtype, 10)


@pytest.mark.parametrize("how", GRIDS)
@pytest.mark.parametrize("dims", [2, 3])
def test_grid_sample_twice(compiled, how, dims):
    mode, padding, align = how
    if mode == "bicubic" and dims == 3:
        pytest.skip("bicubic has two dimensions")
    torch.manual_seed(0)
    x = torch.randn(1, 2, 3, 4, 2).double()
    x = x if dims == 3 else x[..., 0]
    grid, found = torch.randn(1, *(2, 2, 1)[:dims], dims).double(), []
    for device in ("cpu", "cuda"):
        given = [t.to(device).detach().requires_grad_() for t in (x, grid)]
        y = F.grid_sample(*given, mode, padding, align)
        first = torch.autograd.grad((y * y).sum(), given, create_graph=True)
        second = torch.autograd.grad(sum((g * g).sum() for g in first), given)
        found.append([*first, *second])
    for a, b in zip(found[1], found[0], strict=True):
        same(a, b, torch.float64, 100)


def test_points_that_are_nowhere(compiled):
    far = torch.tensor([float("nan"), float("inf"), -float("inf"), 1e20, -1e20, 9.0])
    grid = torch.stack([far, far * 0.5], -1).reshape(1, 1, 6, 2).cuda()
    x = torch.full((1, 1, 2, 2), float("inf"), device="cuda")
    for mode in ("bilinear", "nearest", "bicubic"):  # nothing outside is read, or multiplied
        assert F.grid_sample(x, grid, mode, align_corners=True).tolist() == [[[[0.0] * 6]]]
    finite = torch.arange(4.0, device="cuda").reshape(1, 1, 2, 2)
    for padding in ("border", "reflection"):
        made = F.grid_sample(finite, grid, "nearest", padding, align_corners=False)
        assert made.isfinite().all()


def test_repeatable_gradients_of_grids(compiled):
    torch.use_deterministic_algorithms(True)
    try:
        x, grid = torch.randn(1, 2, 3, 3), torch.randn(1, 4, 4, 2)
        both(lambda x, g: F.grid_sample(x, g, align_corners=False), x, grid, names=("sample_2_2",))
        assert detours.pop("add.at")
    finally:
        torch.use_deterministic_algorithms(False)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("size", [(2, 1, 3, 5), (2, 1, 1, 4), (1, 1, 2, 3, 4)])
@pytest.mark.parametrize("align", [True, False])
def test_affine_grid(compiled, dtype, size, align):
    torch.manual_seed(0)
    dims = len(size) - 2
    theta = torch.randn(size[0], dims, dims + 1).to(dtype)
    names = "affine_grid", "affine_grid_backward"
    widened(lambda t: F.affine_grid(t, size, align_corners=align), dtype, theta, names=names)


STAGES = ["validate", "create_execution_plans", "check_support", "build_plans", "execute"]


def refuse(*_, **__):
    raise RuntimeError("No valid engine configs: KERNEL_CFG knob must be set")


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("causal", [True, False])
@pytest.mark.filterwarnings("ignore:cuDNN refused")
def test_attention_that_cudnn_refuses(compiled, monkeypatch, stage, causal):
    # of the stand-in: a card's plans are kept
    monkeypatch.setattr(gpu.cuda.module.libraries["cudnn"].pygraph, stage, refuse)
    torch.manual_seed(0)
    q, k, v = (torch.randn(2, heads, 5, 8).bfloat16() for heads in (4, 2, 2))

    def run(q, k, v):
        return F.scaled_dot_product_attention(q, k, v, is_causal=causal, enable_gqa=True)

    for _ in range(2):  # the second time it is known
        both(run, q, k, v, factor=5, names=("attention_softmax",))


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.filterwarnings("ignore:cuDNN refused")
def test_convolutions_that_cudnn_refuses(monkeypatch, stage):
    # of the stand-in
    monkeypatch.setattr(gpu.cuda.module.libraries["cudnn"].pygraph, stage, refuse)
    torch.manual_seed(0)
    x, w, b = torch.randn(2, 4, 6, 5), torch.randn(6, 2, 3, 3), torch.randn(6)
    for _ in range(2):
        both(lambda x, w, b: F.conv2d(x, w, b, padding=1, groups=2), x, w, b)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("causal", [True, False])
def test_attention_without_cudnn(compiled, dtype, causal):
    torch.manual_seed(0)
    q, k, v = (torch.randn(2, 4, 9, 16).to(dtype) for _ in range(3))

    def run(q, k, v):
        return F.scaled_dot_product_attention(q, k, v, is_causal=causal)

    with torch.backends.cudnn.flags(enabled=False):
        both(run, q, k, v, factor=5, names=("attention_softmax",))
