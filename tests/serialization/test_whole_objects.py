"""Whole objects (``weights_only=False``) of nearly every class, written by PyTorch and read here,
and the reverse; and classes of the program itself.
"""

import io
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import rushlight
from rushlight import distributions as _distributions  # noqa: F401
from rushlight import nn as _nn  # noqa: F401
from rushlight import optim as _optim  # noqa: F401

torch = pytest.importorskip("torch", reason="needs torch for the other side")
# Lazy modules and old hooks warn when they are made or saved.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning")

MODULES = """
Linear(2, 3); Bilinear(2, 3, 4); Identity(); LazyLinear(3); Flatten(); Unflatten(1, (2, 2))
Conv1d(2, 4, 3, padding='same'); Conv2d(2, 4, 3, stride=2, groups=2, padding_mode='reflect')
Conv3d(1, 2, 3); ConvTranspose1d(2, 3, 2); ConvTranspose2d(2, 3, 2); ConvTranspose3d(1, 2, 2)
LazyConv2d(3, 3); Unfold(2); Fold((4, 4), 2); MaxPool1d(2); MaxPool2d(2, return_indices=True)
MaxPool3d(2); AvgPool1d(2); AvgPool2d(2); AvgPool3d(2); LPPool1d(2, 2); LPPool2d(2, 2)
AdaptiveAvgPool1d(2); AdaptiveAvgPool2d((2, None)); AdaptiveMaxPool2d(2); MaxUnpool2d(2)
FractionalMaxPool2d(2, output_size=3); ReflectionPad1d(1); ReplicationPad2d(1); ZeroPad2d(1)
ConstantPad1d(1, 2.0); CircularPad2d(1); ELU(); Hardshrink(); Hardsigmoid(); Hardtanh()
Hardswish(); LeakyReLU(); LogSigmoid(); PReLU(); ReLU(inplace=True); ReLU6(); RReLU(); SELU()
CELU(); GELU('tanh'); Sigmoid(); SiLU(); Mish(); Softplus(); Softshrink(); Softsign(); Tanh()
Tanhshrink(); Threshold(1, 2); GLU(); Softmin(); Softmax(1); Softmax2d(); LogSoftmax(1)
AdaptiveLogSoftmaxWithLoss(4, 10, [3, 5]); BatchNorm1d(3); BatchNorm2d(3, affine=False)
BatchNorm3d(3, track_running_stats=False); LazyBatchNorm1d(); SyncBatchNorm(3); GroupNorm(1, 2)
InstanceNorm1d(3); InstanceNorm2d(3, affine=True); LayerNorm((2, 3)); LayerNorm(3, bias=False)
LocalResponseNorm(2); RMSNorm(3); RNN(2, 3); LSTM(2, 3, 2, bidirectional=True, proj_size=2)
GRU(2, 3, batch_first=True); RNNCell(2, 3); LSTMCell(2, 3); GRUCell(2, 3)
Transformer(4, 2, 1, 1, 8); TransformerEncoder(nn.TransformerEncoderLayer(4, 2, 8), 2)
TransformerDecoderLayer(4, 2, 8, activation='gelu'); MultiheadAttention(4, 2, kdim=3, vdim=3)
MultiheadAttention(4, 2, add_bias_kv=True); Dropout(0.1); Dropout1d(); Dropout2d(); Dropout3d()
AlphaDropout(); FeatureAlphaDropout(); Embedding(3, 4, padding_idx=1); CosineSimilarity()
EmbeddingBag(3, 4, mode='sum'); PairwiseDistance(); L1Loss(); MSELoss(); CTCLoss(); NLLLoss()
CrossEntropyLoss(torch.ones(3), label_smoothing=0.1); PoissonNLLLoss(); GaussianNLLLoss()
KLDivLoss(); BCELoss(); BCEWithLogitsLoss(pos_weight=torch.ones(2)); MarginRankingLoss()
HingeEmbeddingLoss(); MultiLabelMarginLoss(); HuberLoss(); SmoothL1Loss(); SoftMarginLoss()
MultiLabelSoftMarginLoss(); CosineEmbeddingLoss(); MultiMarginLoss(); TripletMarginLoss()
TripletMarginWithDistanceLoss(); PixelShuffle(2); PixelUnshuffle(2); Upsample(scale_factor=2)
UpsamplingNearest2d(scale_factor=2); UpsamplingBilinear2d(scale_factor=2); ChannelShuffle(2)
Sequential(nn.Linear(2, 2), nn.ReLU()); ModuleList([nn.ReLU()]); ModuleDict({'a': nn.ReLU()})
ParameterList([nn.Parameter(torch.ones(2))]); ParameterDict({'a': nn.Parameter(torch.ones(2))})
Linear(2, 3).double().eval(); Linear(2, 3).requires_grad_(False); Linear(2, 3).to('meta')
utils.weight_norm(nn.Linear(2, 3)); utils.spectral_norm(nn.Linear(2, 3))
Buffer(torch.ones(2)); Parameter(torch.ones(1))
utils.rnn.pack_sequence([torch.ones(3), torch.ones(2)])
"""
OPTIMIZERS = """
SGD(p, lr=0.1); Adam(p); AdamW(p); RMSprop(p); Adagrad(p); Adadelta(p); Adamax(p); NAdam(p)
RAdam(p); Rprop(p); ASGD(p); LBFGS(p); SparseAdam(p); Adafactor(p)
lr_scheduler.StepLR(o, 2); lr_scheduler.MultiStepLR(o, [1, 2]); lr_scheduler.ConstantLR(o)
lr_scheduler.LinearLR(o); lr_scheduler.ExponentialLR(o, 0.9); lr_scheduler.PolynomialLR(o)
lr_scheduler.CosineAnnealingLR(o, 5); lr_scheduler.CosineAnnealingWarmRestarts(o, 5)
lr_scheduler.CyclicLR(o, 0.1, 0.2); lr_scheduler.OneCycleLR(o, 0.1, 10)
lr_scheduler.ReduceLROnPlateau(o); lr_scheduler.ChainedScheduler([optim.lr_scheduler.StepLR(o, 2)])
lr_scheduler.SequentialLR(o, [optim.lr_scheduler.StepLR(o, 2)], [])
"""
OTHERS = """
distributions.Normal(torch.zeros(2), torch.ones(2)); distributions.Categorical(torch.ones(3))
distributions.transforms.ComposeTransform([distributions.transforms.ExpTransform()])
utils.data.TensorDataset(torch.ones(3, 2)); Generator().manual_seed(3); get_rng_state()
utils.data.DataLoader(torch.utils.data.TensorDataset(torch.ones(3, 2)), 2)
max(torch.ones(2, 2), 0); linalg.qr(torch.eye(2)); ones(2).storage(); relu; tanh; no_grad
nn.functional.relu; nn.functional.gelu; nn.functional.softplus; nn.functional.softmax
nn.functional.linear; nn.init.zeros_; linalg.norm; fft.fft; einsum; stack; Tensor; Size; float32
sparse.mm; nn.functional.adaptive_avg_pool2d; nn.functional.logsigmoid; special.i0; Generator
"""


def cases(text, prefix):
    return [prefix + item.strip() for line in text.split("\n") for item in line.split(";") if item]


CASES = [*cases(MODULES, "nn."), *cases(OPTIMIZERS, "optim."), *cases(OTHERS, "torch.")]
ADDRESS = re.compile("0x[0-9a-f]+")
# Our schedulers stand in files that PyTorch does not have.
PLACE = re.compile(r"lr_scheduler\.(base|compose|cyclic|decay|plateau)\b")


def make(api, text):
    api.manual_seed(0)
    p = [api.nn.Parameter(api.ones(2))]
    o = api.optim.SGD(p, lr=0.1, momentum=0.9)
    names = {"torch": api, "nn": api.nn, "optim": api.optim, "p": p, "o": o}
    return eval(text, {**names, "distributions": api.distributions})


def shown(obj):
    """What can be compared across the two: the printed form, and the printed state."""
    state = repr(obj.state_dict()) if hasattr(obj, "state_dict") else ""
    state += repr(obj.get_state().tolist()) if hasattr(obj, "get_state") else ""
    text = ADDRESS.sub("", repr(obj) + state).replace("rushlight", "torch")
    return PLACE.sub("lr_scheduler", text)


def same(text, loaded, api, made):
    """Whether `api` loaded what was made, or its own class or function of that name."""
    if isinstance(made, type) or (callable(made) and hasattr(made, "__name__")):
        return loaded is make(api, text)
    return shown(loaded) == shown(made)


def saved(api, obj):
    buffer = io.BytesIO()
    api.save(obj, buffer)
    return io.BytesIO(buffer.getvalue())


@pytest.mark.parametrize("text", CASES)
def test_theirs_loads_here(text):
    made = make(torch, text)
    loaded = rushlight.load(saved(torch, made), weights_only=False)
    assert same(text, loaded, rushlight, made)


@pytest.mark.parametrize("text", CASES)
def test_ours_loads_there(text):
    made = make(rushlight, text)
    loaded = torch.load(saved(rushlight, made), weights_only=False)
    assert same(text, loaded, torch, made)


def test_a_compiled_function_of_theirs_is_no_kernel_of_ours():
    """PyTorch keeps gelu in torch._C._nn; our own _C has another function of that name."""
    gelu = rushlight.load(saved(torch, torch.nn.functional.gelu), weights_only=False)
    assert gelu is rushlight.nn.functional.gelu
    with pytest.raises(AttributeError, match="rushlight has no such name"):
        rushlight.load(saved(torch, torch._C._nn.mkldnn_linear), weights_only=False)


def test_the_stream_of_a_generator_goes_on():
    for there, here in ((torch, rushlight), (rushlight, torch)):
        generator = there.Generator().manual_seed(5)
        there.rand(7, generator=generator)
        loaded = here.load(saved(there, {"g": generator}), weights_only=False)["g"]
        expected = there.rand(20, generator=generator).tolist()
        assert here.rand(20, generator=loaded).tolist() == expected


# The program's own classes ----------------------------------------------------------------------

DEFINITIONS = """
import sys, torch
from torch import nn


class Block(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.linear = nn.Linear(width, width)
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))
        self.act = nn.functional.gelu

    def forward(self, x):
        return self.act(self.linear(x))


class Net(nn.Module):
    class Head(nn.Linear):
        pass

    def __init__(self):
        super().__init__()
        self.blocks = nn.ModuleList(Block(3) for _ in range(2))
        self.head = Net.Head(3, 2)
        self.config = {"width": 3, "kinds": ("a", "b")}

    def forward(self, x):
        for block in self.blocks:
            x = x + block(x)
        return self.head(x)


def plain(x):
    return x + 1
"""
SAVE = """
torch.manual_seed(0)
net = Net()
optimizer = torch.optim.Adam(net.parameters())
net(torch.ones(1, 3)).sum().backward()
optimizer.step()
checkpoint = {"net": net, "optimizer": optimizer, "class": Net, "function": plain}
torch.save(checkpoint, sys.argv[1])
torch.save(net, sys.argv[1] + ".old", _use_new_zipfile_serialization=False)
"""
LOAD = """
def show(path):
    checkpoint = torch.load(path, weights_only=False)
    net = checkpoint["net"]
    print(net, net.config, checkpoint["class"] is Net, checkpoint["function"] is plain)
    print(net.state_dict(), checkpoint["optimizer"].state_dict())
    print([f"{x:.5f}" for x in net(torch.ones(1, 3)).flatten().tolist()])
    parameters = {id(p) for p in net.parameters()}
    held = checkpoint["optimizer"].param_groups
    print(parameters == {id(p) for g in held for p in g["params"]})
    net = torch.load(path + ".old", weights_only=False)
    print([f"{x:.5f}" for x in net(torch.ones(1, 3)).flatten().tolist()])
    try:
        torch.load(path)
    except Exception as error:
        print(type(error).__name__, "__main__.Net was not an allowed global" in str(error))
    with torch.serialization.safe_globals([Net, Block, plain]):
        unsafe = torch.serialization.get_unsafe_globals_in_checkpoint(path)
        print(sorted(unsafe))


for path in sys.argv[1:]:
    show(path)
"""


def run(side, words, *paths):
    """The output of a program with PyTorch, or with rushlight as torch."""
    source = str(Path(rushlight.__file__).parents[1])
    environment = {**os.environ, "PYTHONPATH": source, "PYTHONWARNINGS": "ignore"}
    start = [sys.executable, *(["-m", "rushlight"] if side == "ours" else [])]
    program = [*start, *words, *map(str, paths)]
    done = subprocess.run(program, env=environment, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("form", ["script", "string"])
def test_classes_of_the_program_itself(form, tmp_path):
    def words(part):
        if form == "string":  # as in an interactive session, there is no file of the source
            return ["-c", DEFINITIONS + part]
        (tmp_path / "program.py").write_text(DEFINITIONS + part)
        return [str(tmp_path / "program.py")]

    theirs, ours = tmp_path / "theirs.pt", tmp_path / "ours.pt"
    run("ours", words(SAVE), ours)
    expected = run("theirs", words(SAVE + LOAD), theirs, ours)  # one start, which takes seconds
    assert run("ours", words(LOAD), theirs, ours) == expected
    assert expected.count("True True") == 2
