"""Files go both ways between rushlight and PyTorch, and are the same bytes."""

import io
import pickle
import struct
import tarfile
import warnings
import zipfile
from collections import OrderedDict

import numpy as np
import pytest

import rushlight
from rushlight.serialization.zip_reader import ZipReader
from rushlight.serialization.zip_writer import ZipWriter

torch = pytest.importorskip("torch")


def saved(api, obj, **options):
    buffer = io.BytesIO()
    api.save(obj, buffer, **options)
    return buffer.getvalue()


def objects(api):
    """Each kind of thing a checkpoint holds, made by `api`."""
    base = api.from_numpy(np.arange(12, dtype=np.float32).reshape(3, 4).copy())
    parameter = api.nn.Parameter(api.ones(3)) if api is torch else api.Parameter(api.ones(3))
    tagged = api.nn.Parameter(api.ones(3)) if api is torch else api.Parameter(api.ones(3))
    tagged.foo = 3
    noted = api.ones(3, dtype=api.int64)
    noted.bar = "x"
    state = OrderedDict(w=api.ones(2, dtype=api.float64), b=api.zeros(0))
    state._metadata = OrderedDict({"": {"version": 1}})
    return {
        "base": base,
        "view": base[1:, 1:3],
        "transposed": base.t(),
        "parameter": parameter,
        "frozen": (api.nn.Parameter if api is torch else api.Parameter)(api.ones(1), False),
        "tagged": tagged,
        "noted": noted,
        "state": state,
        "empty": api.zeros(0, 3),
        "scalar": api.tensor(3.0, requires_grad=True),
        "half": [api.ones(2).to(api.float16), api.ones(2).to(api.bfloat16)],
        "small": [api.ones(2).to(api.int8), api.ones(2).to(api.uint8), api.ones(2).to(api.bool)],
        "wide": [api.ones(2).to(api.uint16), api.ones(2).to(api.uint64)],
        "complex": [api.tensor([1 + 2j]), api.tensor([1 + 2j], dtype=api.complex128)],
        "size": api.Size([1, 2]),
        "dtype": [api.float32, api.bool, api.float32],
        "device": [api.device("cpu"), api.device("cuda", 1)],
        "layout": api.strided,
        "meta": api.empty(2, 3, device="meta"),
        "numbers": [1, 2.5, 10**20, -1, True, None, "text", b"bytes", {1, 2}, 3j, bytearray(b"x")],
        "again": [parameter, base],
        "storage": api.arange(3, dtype=api.uint8).untyped_storage(),
    }


@pytest.mark.parametrize("name", list(objects(rushlight)))
def test_same_bytes(name):
    ours = saved(rushlight, {name: objects(rushlight)[name]})
    theirs = saved(torch, {name: objects(torch)[name]})
    assert ours == theirs


def test_same_bytes_together():
    assert saved(rushlight, objects(rushlight)) == saved(torch, objects(torch))


@pytest.mark.parametrize("protocol", [2, 3])
def test_same_bytes_by_protocol(protocol):
    ours = saved(rushlight, objects(rushlight), pickle_protocol=protocol)
    assert ours == saved(torch, objects(torch), pickle_protocol=protocol)


def test_same_file_by_path(tmp_path):
    for name in ("my.model.pth", "noext", "ünicode.pt"):
        rushlight.save(rushlight.arange(3), tmp_path / f"r_{name}")
        (tmp_path / name).mkdir()
        rushlight.save(rushlight.arange(3), tmp_path / name / name)
        ours = (tmp_path / name / name).read_bytes()
        torch.save(torch.arange(3), tmp_path / name / name)
        assert (tmp_path / name / name).read_bytes() == ours


@pytest.mark.parametrize("count", [0, 1, 9, 10, 11, 26, 60, 600])
def test_same_archive_for_any_number_of_records(count):
    raw = saved(torch, [torch.arange(i % 7) for i in range(count)])
    archive, out = ZipReader(io.BytesIO(raw)), io.BytesIO()
    writer = ZipWriter(out, "archive")
    for name in archive.names()[:-2]:
        writer.write_record(name, archive.get_record(name))
    writer.finish()
    assert out.getvalue() == raw


def equal(ours, theirs):
    """Whether an object of rushlight says what one of PyTorch says."""
    if isinstance(theirs, torch.Tensor):
        same = (tuple(ours.shape), ours.stride(), ours.storage_offset(), ours.requires_grad) == (
            tuple(theirs.shape), theirs.stride(), theirs.storage_offset(), theirs.requires_grad,
        )  # fmt: skip
        if theirs.device.type == "meta" or not same:
            return same
        return str(ours.dtype) == str(theirs.dtype) and repr(ours) == repr(theirs)
    if isinstance(theirs, dict):
        return list(ours) == list(theirs) and all(equal(ours[k], theirs[k]) for k in theirs)
    if isinstance(theirs, list):
        return len(ours) == len(theirs) and all(map(equal, ours, theirs))
    return repr(ours) == repr(theirs)


LEGACY = {"_use_new_zipfile_serialization": False}


@pytest.mark.parametrize("weights_only", [True, False])
@pytest.mark.parametrize("options", [{}, LEGACY], ids=["zip", "stream"])
def test_theirs_loads_here(options, weights_only):
    made = objects(torch)
    del made["storage"]  # comes back typed, which PyTorch warns about
    if options:
        del made["wide"]  # PyTorch cannot read these back itself
    data = saved(torch, made, **options)
    theirs = torch.load(io.BytesIO(data), weights_only=weights_only)
    assert equal(rushlight.load(io.BytesIO(data), weights_only=weights_only), theirs)


@pytest.mark.parametrize("weights_only", [True, False])
@pytest.mark.parametrize("options", [{}, LEGACY], ids=["zip", "stream"])
def test_ours_loads_there(options, weights_only):
    made = objects(rushlight)
    del made["storage"]
    if options:
        del made["wide"]
    data = saved(rushlight, made, **options)
    ours = rushlight.load(io.BytesIO(data), weights_only=weights_only)
    assert equal(ours, torch.load(io.BytesIO(data), weights_only=weights_only))


def test_pending_conjugation_and_negation():
    z = torch.tensor([1 + 2j, 3 - 1j])
    conjugate, negative = z.conj(), z.clone().conj().imag
    assert rushlight.load(io.BytesIO(saved(torch, conjugate))).tolist() == [1 - 2j, 3 + 1j]
    assert rushlight.load(io.BytesIO(saved(torch, negative))).tolist() == [-2.0, 1.0]


def test_what_is_missing_says_so():
    sparse = saved(torch, torch.nn.Parameter(torch.eye(3).to_sparse()))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        quantised = saved(torch, torch.quantize_per_tensor(torch.ones(2), 0.1, 0, torch.qint8))
    for data, what in ((sparse, "a Parameter that is a sparse"), (quantised, "quantised tensors")):
        with pytest.raises(NotImplementedError, match=what):
            rushlight.load(io.BytesIO(data))


def error_of(api, data, **options):
    with pytest.raises(Exception) as caught:
        api.load(io.BytesIO(data), **options)
    return type(caught.value), str(caught.value)


class Own:
    """A class no file may use without permission."""


class Runs:
    def __reduce__(self):
        import os

        return os.system, ("false",)


class Evaluates:
    def __reduce__(self):
        return eval, ("1",)


@pytest.mark.parametrize("obj", [Own(), Runs(), Evaluates(), np.ones(2), np.float64(1)], ids=repr)
def test_refusals_in_the_same_words(obj):
    data = saved(torch, obj)
    assert saved(rushlight, obj) == data
    assert error_of(rushlight, data) == error_of(torch, data)


def repacked(data, change):
    """The archive with its records changed by `change(name, content)`; None leaves one out."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as source, zipfile.ZipFile(out, "w") as target:
        for name in source.namelist():
            content = change(name.partition("/")[2], source.read(name))
            if content is not None:
                target.writestr(name, content)
    return out.getvalue()


DAMAGE = {
    "storage missing": lambda n, c: None if n == "data/0" else c,
    "storage short": lambda n, c: c[:4] if n == "data/0" else c,
    "byte order": lambda n, c: b"middle" if n == "byteorder" else c,
    "pickle cut": lambda n, c: c[:-40] if n == "data.pkl" else c,
    "cuda": lambda n, c: c.replace(b"X\3\0\0\0cpu", b"X\4\0\0\0cuda") if n == "data.pkl" else c,
    "opcode": lambda n, c: c[:2] + b"\x95" + c[2:] if n == "data.pkl" else c,
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_damage_in_the_same_words(kind):
    data = repacked(saved(torch, {"a": torch.ones(2)}), DAMAGE[kind])
    ours, theirs = error_of(rushlight, data), error_of(torch, data)
    if kind == "pickle cut":  # PyTorch fails with an IndexError here
        assert ours[0] in (pickle.UnpicklingError, EOFError)
    else:
        assert ours == theirs


@pytest.mark.parametrize("cut", [4, 10, 200, -30])
def test_cut_archives_in_the_same_words(cut):
    data = saved(torch, {"a": torch.ones(2)})[:cut]
    assert error_of(rushlight, data) == error_of(torch, data)


def tar_file(path):
    """A file of the first format, as PyTorch 0.1 wrote it: two tensors on one storage."""
    with tarfile.open(path, "w") as tar:

        def member(name, data):
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))

        storage = pickle.dumps((7, "cpu", torch.FloatStorage), 2)
        values = struct.pack("<q4f", 4, 1, 2, 3, 4)
        member("storages", pickle.dumps(1, 2) + storage + values + pickle.dumps([], 2))
        tensors = pickle.dumps(2, 2)
        for key, size, stride, offset in ((1, (2, 2), (2, 1), 0), (2, (2,), (2,), 1)):
            tensors += pickle.dumps((key, 7, torch.FloatTensor), 2)
            tensors += struct.pack("<ii", len(size), 0)
            tensors += struct.pack(f"<{2 * len(size) + 1}q", *size, *stride, offset)
        member("tensors", tensors)

        class Pickler(pickle.Pickler):
            def persistent_id(self, obj):
                return str(obj[1]) if isinstance(obj, tuple) and obj[:1] == ("tensor",) else None

        out = io.BytesIO()
        Pickler(out, 2).dump({"a": ("tensor", 1), "b": [("tensor", 2)]})
        member("pickle", out.getvalue())


def test_the_first_format(tmp_path):
    tar_file(tmp_path / "old.pt")
    ours = rushlight.load(tmp_path / "old.pt", weights_only=False)
    assert equal(ours, torch.load(tmp_path / "old.pt", weights_only=False))
    assert ours["b"][0].tolist() == [2.0, 4.0]
    assert ours["b"][0].untyped_storage() is ours["a"].untyped_storage()
    with pytest.raises(RuntimeError, match=r"legacy .tar format") as caught:
        rushlight.load(tmp_path / "old.pt")
    with pytest.raises(RuntimeError) as theirs:
        torch.load(tmp_path / "old.pt")
    assert str(caught.value) == str(theirs.value)
