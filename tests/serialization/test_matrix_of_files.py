"""Almost three hundred objects written by PyTorch and read here, and the reverse."""

import gzip
import io
import zipfile
from collections import Counter, OrderedDict

import numpy as np
import pytest

import rushlight
from rushlight import nn as _nn  # noqa: F401
from rushlight import optim as _optim  # noqa: F401

torch = pytest.importorskip("torch", reason="needs torch for the other side")

# PyTorch warns that its sparse tensors are in beta, and that it does not check indices.
pytestmark = pytest.mark.filterwarnings("ignore:Sparse:UserWarning")

DTYPES = (
    "float32", "float64", "float16", "bfloat16", "int8", "int16", "int32", "int64", "uint8",
    "uint16", "uint32", "uint64", "bool", "complex64", "complex128", "float8_e4m3fn",
    "float8_e5m2", "float8_e4m3fnuz", "float8_e5m2fnuz", "float8_e8m0fnu",
)  # fmt: skip
LAYOUTS = {
    "whole": lambda api, t: t,
    "row": lambda api, t: t[1],
    "column": lambda api, t: t[:, 2],
    "steps": lambda api, t: t[::2, 1::2],
    "transposed": lambda api, t: t.t(),
    "none": lambda api, t: t[:0],
    "one": lambda api, t: t[2, 3],
    "expanded": lambda api, t: t[:1].expand(4, 5),
    "two views of one storage": lambda api, t: [t[1:], t[:2], t],
}
NETWORKS = {
    "linear": "nn.Linear(3, 2)",
    "convolution": "nn.Conv2d(2, 3, 3, padding=1, bias=False)",
    "batch norm": "nn.Sequential(nn.Conv1d(2, 3, 2), nn.BatchNorm1d(3), nn.ReLU())",
    "embedding": "nn.Embedding(4, 3, padding_idx=0)",
    "lstm": "nn.LSTM(3, 4, num_layers=2, bidirectional=True)",
    "gru": "nn.GRU(3, 4)",
    "attention": "nn.MultiheadAttention(4, 2)",
    "encoder": "nn.TransformerEncoderLayer(8, 2, 16)",
    "norms": "nn.ModuleList([nn.LayerNorm(3), nn.GroupNorm(1, 2), nn.InstanceNorm2d(3)])",
    "names": "nn.ModuleDict({'a': nn.PReLU(), 'b': nn.Bilinear(2, 3, 4)})",
}
OPTIMIZERS = {
    "sgd": "optim.SGD(p, lr=0.1, momentum=0.9)",
    "adam": "optim.Adam(p, amsgrad=True)",
    "adamw": "optim.AdamW(p)",
    "rmsprop": "optim.RMSprop(p, momentum=0.5, centered=True)",
    "adagrad": "optim.Adagrad(p)",
    "adadelta": "optim.Adadelta(p)",
    "adamax": "optim.Adamax(p)",
    "nadam": "optim.NAdam(p)",
    "radam": "optim.RAdam(p)",
    "rprop": "optim.Rprop(p)",
    "asgd": "optim.ASGD(p)",
}


def base(api, dtype):
    numbers = api.from_numpy(np.arange(20, dtype=np.float32).reshape(4, 5).copy())
    return numbers.to(getattr(api, dtype))


def state_of_network(api, text):
    api.manual_seed(0)
    return eval(text, {"nn": api.nn}).state_dict()


def state_of_optimizer(api, text):
    p = [api.nn.Parameter(api.ones(3)), api.nn.Parameter(api.arange(4.0).reshape(2, 2))]
    optimizer = eval(text, {"optim": api.optim, "p": p})
    for _ in range(2):
        for parameter in p:
            parameter.grad = api.ones_like(parameter) * 0.5
        optimizer.step()
    return optimizer.state_dict()


def tagged(api):
    parameter = api.nn.Parameter(api.ones(2))
    parameter.note = {"a": [1, 2]}
    return parameter


def scheduler(api, name="StepLR", **options):
    optimizer = api.optim.SGD([api.nn.Parameter(api.ones(3))], lr=0.1, momentum=0.9)
    made = getattr(api.optim.lr_scheduler, name)(optimizer, **options)
    optimizer.step()
    if name != "ReduceLROnPlateau":
        made.step()
    return made.state_dict()


def checkpoint(api):
    """What a training program saves."""
    return {
        "epoch": 3,
        "model": state_of_network(api, NETWORKS["batch norm"]),
        "optimizer": state_of_optimizer(api, OPTIMIZERS["adam"]),
        "scheduler": scheduler(api, step_size=2),
        "rng": api.Generator().manual_seed(3).get_state(),
        "best": {"loss": 0.25, "at": (2, 117)},
        "args": OrderedDict(lr=1e-3, name="run", layers=[64, 64], resume=None),
    }


def ring(api):
    inner = [api.ones(1)]
    inner.append(inner)
    return inner[1][0]


def noted(api):
    tensor = api.eye(2).to_sparse()
    tensor.note = "kept"
    return tensor


def numbers(api, values, dtype="int64"):
    return api.tensor(values, dtype=getattr(api, dtype))


SPARSE = {
    "coo": lambda api: base(api, "float32").to_sparse(),
    "csr": lambda api: base(api, "float32").to_sparse_csr(),
    "csc": lambda api: base(api, "float32").to_sparse_csc(),
    "coo of bfloat16": lambda api: base(api, "bfloat16").to_sparse(),
    "csr of complex128": lambda api: base(api, "complex128").to_sparse_csr(),
    "csc of bool": lambda api: base(api, "bool").to_sparse_csc(),
    "one place twice": lambda api: api.sparse_coo_tensor([[0, 0], [1, 1]], [1.0, 2.0], (2, 2)),
    "rows in no order": lambda api: api.sparse_csr_tensor(
        numbers(api, [0, 2, 2]), numbers(api, [1, 0]), api.ones(2), (2, 2)
    ),
    "rows of vectors": lambda api: api.sparse_coo_tensor(
        [[0, 2]], [[1.0, 2.0], [3.0, 4.0]], (3, 2)
    ),
    "narrow indices": lambda api: api.sparse_csr_tensor(
        numbers(api, [0, 1, 2], "int32"), numbers(api, [1, 0], "int32"), api.ones(2), (2, 3)
    ),
    "nothing": lambda api: api.zeros(3, 4).to_sparse(),
    "three dimensions": lambda api: api.arange(8.0).reshape(2, 2, 2).to_sparse(),
    "requires grad": lambda api: api.eye(2).to_sparse().requires_grad_(),
    "noted": noted,
    "twice": lambda api: (lambda t: [t, {"a": t}])(api.eye(3).to_sparse()),
}
OTHERS = {
    "requires grad": lambda api: api.ones(2, 3, requires_grad=True),
    "parameter": lambda api: api.nn.Parameter(api.ones(2)),
    "frozen parameter": lambda api: api.nn.Parameter(api.ones(2), requires_grad=False),
    "tagged parameter": tagged,
    "shared parameter": lambda api: (lambda p: {"a": p, "b": p, "c": [p]})(
        api.nn.Parameter(api.ones(2))
    ),
    "scalar": lambda api: api.tensor(2.5),
    "nan and inf": lambda api: api.tensor([float("nan"), float("inf"), -0.0]),
    "empty": lambda api: [api.zeros(0), api.zeros(2, 0, 3), api.zeros(0, dtype=api.int64)],
    "channels last": lambda api: api.ones(1, 2, 3, 4).to(memory_format=api.channels_last),
    "meta": lambda api: api.empty(2, 3, device="meta"),
    "meta parameter": lambda api: api.nn.Parameter(api.empty(2, 3, device="meta")),
    "size": lambda api: api.Size([1, 2, 3]),
    "dtypes": lambda api: [getattr(api, name) for name in DTYPES],
    "devices": lambda api: [api.device("cpu"), api.device("cuda", 3), api.device("meta")],
    "layout": lambda api: [api.strided, api.strided],
    "nested": lambda api: {
        "a": [{"b": (api.ones(1), {"c": [api.zeros(2)]})}],
        3: None,
        (1, 2): "x",
    },
    "ordered": lambda api: OrderedDict([("z", api.ones(1)), ("a", 1)]),
    "counter": lambda api: Counter("hello"),
    "numbers": lambda api: [0, -1, 2**31, -(2**63), 10**50, 1.5, -0.0, True, None, 1 + 2j],
    "texts": lambda api: ["", "ü", "\0", "x" * 300, b"\xff\0", bytearray(b"abc")],
    "sets": lambda api: [set(), {1}, {"a"}],
    "tuples": lambda api: [(), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4)],
    "long list": lambda api: list(range(3000)),
    "many tensors": lambda api: [api.full((i % 5,), float(i)) for i in range(120)],
    "ring": ring,
    "large": lambda api: api.arange(70000),
    "buffer": lambda api: api.nn.Buffer(api.ones(2)),
    "state of a generator": lambda api: api.Generator().manual_seed(3).get_state(),
    "step scheduler": lambda api: scheduler(api, step_size=2),
    "milestones": lambda api: scheduler(api, "MultiStepLR", milestones=[2, 1, 2]),
    "cosine scheduler": lambda api: scheduler(api, "CosineAnnealingLR", T_max=5),
    "one cycle": lambda api: scheduler(api, "OneCycleLR", max_lr=0.1, total_steps=10),
    "plateau": lambda api: scheduler(api, "ReduceLROnPlateau"),
    "checkpoint": checkpoint,
}

CASES = {
    **{f"{d} {n}": (lambda api, d=d, f=f: f(api, base(api, d)))
       for d in DTYPES for n, f in LAYOUTS.items()},
    **{f"network {n}": (lambda api, t=t: state_of_network(api, t)) for n, t in NETWORKS.items()},
    **{f"optimizer {n}": (lambda api, t=t: state_of_optimizer(api, t))
       for n, t in OPTIMIZERS.items()},
    **{f"sparse {n}": f for n, f in SPARSE.items()},
    **OTHERS,
}  # fmt: skip


def saved(api, obj, **options):
    buffer = io.BytesIO()
    api.save(obj, buffer, **options)
    return buffer.getvalue()


def parts(tensor):
    """What a sparse tensor is made of."""
    if tensor.is_sparse:
        return [tensor._indices(), tensor._values(), tensor.is_coalesced()]
    rows = str(tensor.layout) == "torch.sparse_csr"
    starts, plain = ("crow_indices", "col_indices") if rows else ("ccol_indices", "row_indices")
    return [getattr(tensor, starts)(), getattr(tensor, plain)(), tensor.values()]


def plain(api, obj, seen):
    """A value both sides can be asked for: bits, layout, identity of storages."""
    if isinstance(obj, api.Tensor) and obj.layout is not api.strided:
        kept = [str(obj.layout), tuple(obj.shape), obj.requires_grad, obj.is_leaf]
        return [*kept, sorted(obj.__dict__.items()), [plain(api, p, seen) for p in parts(obj)]]
    if isinstance(obj, api.Tensor):
        where = seen.setdefault(("storage", obj.untyped_storage().data_ptr()), len(seen))
        kept = [type(obj).__name__, str(obj.dtype), tuple(obj.shape), obj.device.type]
        kept += [obj.requires_grad, obj.is_leaf]
        kept.append(sorted(getattr(obj, "__dict__", {}).items()) if kept[0] == "Parameter" else 0)
        kept += [obj.stride(), obj.storage_offset(), obj.is_contiguous()]
        if obj.device.type == "meta":
            return kept
        return [*kept, where if obj.numel() else 0, bytes(obj.untyped_storage().tolist())]
    if isinstance(obj, dict):
        extra = plain(api, getattr(obj, "_metadata", None), seen)
        pairs = [(plain(api, k, seen), plain(api, v, seen)) for k, v in obj.items()]
        return [type(obj).__name__, pairs, extra]
    if isinstance(obj, (list, tuple)):
        return [type(obj).__name__, [plain(api, item, seen) for item in obj]]
    return repr(obj)


def same(ours, theirs):
    assert plain(rushlight, ours, {}) == plain(torch, theirs, {})


@pytest.mark.parametrize("name", CASES)
def test_theirs_reads_here(name):
    data = saved(torch, CASES[name](torch))
    same(rushlight.load(io.BytesIO(data)), torch.load(io.BytesIO(data)))


@pytest.mark.parametrize("name", CASES)
def test_ours_reads_there(name):
    data = saved(rushlight, CASES[name](rushlight))
    same(rushlight.load(io.BytesIO(data)), torch.load(io.BytesIO(data)))


OLD = [
    *OTHERS,
    *(f"sparse {n}" for n in SPARSE),
    "float32 steps",
    "bfloat16 transposed",
    "bool row",
]


@pytest.mark.parametrize("name", OLD)
@pytest.mark.parametrize("weights_only", [True, False])
def test_the_old_stream_both_ways(name, weights_only):
    for api in (torch, rushlight):
        data = saved(api, CASES[name](api), _use_new_zipfile_serialization=False)
        options = {"weights_only": weights_only}
        same(rushlight.load(io.BytesIO(data), **options), torch.load(io.BytesIO(data), **options))


@pytest.mark.parametrize(
    "name", ["float32 steps", "bfloat16 whole", "nested", "network lstm", "sparse csr"]
)
def test_mapped_files(name, tmp_path):
    for api in (torch, rushlight):
        api.save(CASES[name](api), tmp_path / "x.pt")
        same(rushlight.load(tmp_path / "x.pt", mmap=True), torch.load(tmp_path / "x.pt", mmap=True))


PLACES = {
    "text": lambda api: "cpu",
    "device": lambda api: api.device("cpu"),
    "meta": lambda api: "meta",
    "dict": lambda api: {"cpu": "cpu"},
    "dict to meta": lambda api: {"cpu": "meta"},
    "function": lambda api: lambda storage, tag: storage,
    "function of nothing": lambda api: lambda storage, tag: None,
}


PLACED = ["nested", "parameter", "network linear", *(f"float32 {n}" for n in LAYOUTS)]


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("name", PLACED)
def test_places(name, place):
    data = saved(torch, CASES[name](torch))
    ours = rushlight.load(io.BytesIO(data), map_location=PLACES[place](rushlight))
    same(ours, torch.load(io.BytesIO(data), map_location=PLACES[place](torch)))


def through_gzip(path, mode):
    return gzip.open(path, mode)


def through_buffer(path, mode):
    """A BytesIO that goes to the file when it is closed."""
    if mode == "rb":
        return io.BytesIO(path.read_bytes())
    buffer = io.BytesIO()
    buffer.close = lambda: path.write_bytes(buffer.getvalue())
    return buffer


def through_file_with_a_head(path, mode):
    """A file in which something stands before the archive."""
    file = path.open(mode)
    if mode == "wb":
        file.write(b"head")
    else:
        file.seek(4)
    return file


OPENERS = {
    "text": lambda path, mode: str(path),
    "path": lambda path, mode: path,
    "file": lambda path, mode: path.open(mode),
    "unbuffered": lambda path, mode: path.open(mode, buffering=0),
    "buffer": through_buffer,
    "gzip": through_gzip,
    "second in a file": through_file_with_a_head,
}


@pytest.mark.parametrize("old", [False, True], ids=["zip", "stream"])
@pytest.mark.parametrize("kind", OPENERS)
def test_kinds_of_files(kind, old, tmp_path):
    for writer in (torch, rushlight):
        path = tmp_path / f"{writer.__name__}.pt"
        target = OPENERS[kind](path, "wb")
        options = {"_use_new_zipfile_serialization": not old}
        writer.save(CASES["checkpoint"](writer), target, **options)
        if hasattr(target, "close"):
            target.close()
        loaded = []
        for reader in (rushlight, torch):
            if kind == "second in a file" and reader is torch and not old:
                source = io.BytesIO(path.read_bytes()[4:])  # PyTorch's reader begins at 0
            else:
                source = OPENERS[kind](path, "rb")
            loaded.append(reader.load(source))
            if hasattr(source, "close"):
                source.close()
        same(*loaded)


def test_strides_of_the_meta_device():
    """They come back as they were, through a second file as well."""
    strided = torch.empty(2, 3, 4).transpose(0, 2).to("meta")
    data = saved(torch, strided)
    for _ in range(2):
        found = rushlight.load(io.BytesIO(data))
        assert (tuple(found.shape), found.stride()) == (tuple(strided.shape), strided.stride())
        assert not found.is_contiguous()
        assert saved(rushlight, found) == data
        assert found.contiguous().stride() == strided.contiguous().stride()
    assert (found + 1).shape == found.shape


def from_big_endian_machine(data, dtype):
    """The archive as a big-endian machine writes it."""
    width = {"complex64": 4, "complex128": 8}.get(dtype, getattr(torch, dtype).itemsize)
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as source, zipfile.ZipFile(out, "w") as target:
        for name in source.namelist():
            content = source.read(name)
            if name.endswith("/byteorder"):
                content = b"big"
            elif "/data/" in name:
                content = np.frombuffer(content, np.uint8).reshape(-1, width)[:, ::-1].tobytes()
            target.writestr(name, content)
    return out.getvalue()


@pytest.mark.parametrize("dtype", DTYPES)
def test_files_of_big_endian_machines(dtype):
    data = from_big_endian_machine(saved(torch, base(torch, dtype)), dtype)
    same(rushlight.load(io.BytesIO(data)), torch.load(io.BytesIO(data)))
