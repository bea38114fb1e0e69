"""What is saved comes back: values, sharing, types, attributes."""

import collections
import io
import os
import pickle
import sys
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest

import rushlight as torch
from rushlight import serialization
from rushlight._core.typed_storage import NAMES


def again(obj, save_options=None, **load_options):
    buffer = io.BytesIO()
    torch.save(obj, buffer, **(save_options or {}))
    buffer.seek(0)
    return torch.load(buffer, **load_options)


DTYPES = [
    "float64", "float32", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint8",
    "uint16", "uint32", "uint64", "bool", "complex64", "complex128", "float8_e4m3fn",
]  # fmt: skip
WAYS = {
    "zip, data only": ({}, {}),
    "zip, any object": ({}, {"weights_only": False}),
    "stream": ({"_use_new_zipfile_serialization": False}, {}),
    "stream, any object": ({"_use_new_zipfile_serialization": False}, {"weights_only": False}),
    "protocol 5": ({"pickle_protocol": 5}, {"weights_only": False}),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", DTYPES)
def test_every_dtype(name, way):
    dtype = getattr(torch, name)
    if "stream" in way and dtype not in NAMES:
        pytest.skip("PyTorch's stream format cannot hold this dtype either")
    t = torch.tensor([[0, 1, 2], [3, 4, 5]]).to(dtype)
    save_options, load_options = WAYS[way]
    back = again({"t": t}, save_options, **load_options)["t"]
    assert back.dtype is dtype
    assert torch.equal(back.to(torch.float64), t.to(torch.float64)) or dtype.is_complex
    assert back.untyped_storage().tolist() == t.untyped_storage().tolist()


@pytest.mark.parametrize("way", WAYS)
def test_views_keep_their_layout_and_share_memory(way):
    save_options, load_options = WAYS[way]
    base = torch.arange(12.0).reshape(3, 4)
    saved = [base, base[1:, 1:3], base.t(), base[2]]
    loaded = again(saved, save_options, **load_options)
    for before, after in zip(saved, loaded, strict=True):
        assert torch.equal(before, after)
        assert (before.stride(), before.storage_offset()) == (
            after.stride(),
            after.storage_offset(),
        )
        assert after.untyped_storage() is loaded[0].untyped_storage()
    loaded[0][1, 1] = 99
    assert loaded[1][0, 0] == 99


def test_the_same_object_stays_the_same():
    t = torch.ones(2)
    a, b = again([t, t])
    assert a is b


@pytest.mark.parametrize("shape", [(), (0,), (0, 3), (1,), (2, 0, 4)])
def test_odd_shapes(shape):
    t = torch.zeros(shape)
    back = again(t)
    assert back.shape == t.shape
    assert back.stride() == t.stride()


def test_plain_objects():
    objects = {
        "numbers": [1, -(2**40), 10**30, 2.5, True, None, 3j],
        "texts": ["a", "ü", b"bytes", bytearray(b"x")],
        "sets": {1, 2},
        "counts": collections.Counter("aab"),
        "nested": {"a": [(1, 2), {"b": ()}]},
    }
    assert again(objects) == objects


def test_torch_objects():
    saved = [torch.Size([2, 3]), torch.float32, torch.bool, torch.device("cpu"), torch.strided]
    loaded = again(saved)
    assert loaded == saved
    assert type(loaded[0]) is torch.Size
    assert loaded[1] is torch.float32


def test_requires_grad_and_attributes():
    t = torch.ones(2, requires_grad=True)
    t.note = "kept"
    p = torch.Parameter(torch.ones(2), requires_grad=False)
    q = torch.Parameter(torch.ones(2))
    q.tag = 3
    t2, p2, q2 = again([t, p, q])
    assert t2.requires_grad
    assert t2.note == "kept"
    assert type(p2) is torch.Parameter
    assert not p2.requires_grad
    assert (q2.requires_grad, q2.tag) == (True, 3)


def test_ordered_dict_with_metadata():
    d = OrderedDict(w=torch.ones(1))
    d._metadata = OrderedDict({"": {"version": 1}})
    assert again(d)._metadata == d._metadata


def test_meta_tensors_have_no_data():
    back = again(torch.empty(2, 3, device="meta"))
    assert back.device.type == "meta"
    assert back.shape == (2, 3)


def test_results_with_names():
    best = torch.max(torch.tensor([[1.0, 3.0]]), 1)
    back = again(best, weights_only=False)
    assert back.values.item() == 3.0


def test_storages():
    s = again(torch.arange(3, dtype=torch.uint8).untyped_storage())
    assert s.tolist() == [0, 1, 2]


def test_a_storage_has_one_type():
    t = torch.ones(2)
    with pytest.raises(RuntimeError, match="view the same data as different types"):
        torch.save([t, t.view(torch.int32)], io.BytesIO())


class Point:
    def __init__(self, x):
        self.x = x

    def __eq__(self, other):
        return self.x == other.x

    __hash__ = None


def test_own_classes_need_trust():
    buffer = io.BytesIO()
    torch.save(Point(1), buffer)
    data = buffer.getvalue()
    assert torch.load(io.BytesIO(data), weights_only=False) == Point(1)
    with pytest.raises(pickle.UnpicklingError, match="was not an allowed global by default"):
        torch.load(io.BytesIO(data))
    name = f"{Point.__module__}.Point"
    assert serialization.get_unsafe_globals_in_checkpoint(io.BytesIO(data)) == [name]
    with serialization.safe_globals([Point]):
        assert torch.load(io.BytesIO(data)) == Point(1)
        assert serialization.get_safe_globals() == [Point]
    assert serialization.get_safe_globals() == []


def test_paths_and_files(tmp_path):
    path = tmp_path / "my.model.pth"
    torch.save({"a": torch.ones(2)}, path)
    assert torch.load(path)["a"].tolist() == [1, 1]
    assert torch.load(str(path))["a"].tolist() == [1, 1]
    with path.open("rb") as f:
        assert torch.load(f)["a"].tolist() == [1, 1]
    assert [p.name for p in tmp_path.iterdir()] == ["my.model.pth"]


def test_several_objects_in_one_stream():
    buffer = io.BytesIO()
    for i in range(3):
        torch.save(torch.tensor(i), buffer, _use_new_zipfile_serialization=False)
    buffer.seek(0)
    assert [torch.load(buffer).item() for _ in range(3)] == [0, 1, 2]


def test_an_archive_after_something_else():
    buffer = io.BytesIO()
    buffer.write(b"header")
    torch.save(torch.arange(3), buffer)
    buffer.seek(6)
    assert torch.load(buffer).tolist() == [0, 1, 2]


def test_mapped_files(tmp_path):
    path = tmp_path / "big.pt"
    torch.save({"a": torch.arange(1000.0), "e": torch.zeros(0)}, path)
    loaded = torch.load(path, mmap=True)
    assert torch.equal(loaded["a"], torch.arange(1000.0))
    loaded["a"][0] = 5  # a private copy: the file stays
    assert torch.load(path)["a"][0] == 0
    with pytest.raises(ValueError, match="file path"), path.open("rb") as f:
        torch.load(f, mmap=True)
    torch.save(torch.ones(1), path, _use_new_zipfile_serialization=False)
    with pytest.raises(RuntimeError, match="mmap can only be used"):
        torch.load(path, mmap=True)


@pytest.mark.parametrize(
    "map_location",
    [
        "meta",
        torch.device("meta"),
        {"cpu": "meta"},
        lambda storage, tag: torch.UntypedStorage(8, device="meta"),
    ],
)
def test_map_location(map_location):
    assert again(torch.ones(2), map_location=map_location).device.type == "meta"


def test_map_location_default_and_wrong():
    seen = []
    back = again(
        torch.ones(2), map_location=lambda storage, tag: seen.append((storage.nbytes(), tag))
    )
    assert back.device.type == "cpu"
    assert seen == [(8, "cpu")]
    with pytest.raises(RuntimeError, match=r"torch.cuda.is_available\(\) is False"):
        again(torch.ones(2), map_location="cuda")
    with pytest.raises(RuntimeError, match=r"tagged with nowhere"):
        again(torch.ones(2), map_location="nowhere")


def test_environment_decides(monkeypatch):
    buffer = io.BytesIO()
    torch.save(Point(1), buffer)
    monkeypatch.setenv("TORCH_FORCE_WEIGHTS_ONLY_LOAD", "1")
    with pytest.raises(pickle.UnpicklingError):
        torch.load(io.BytesIO(buffer.getvalue()), weights_only=False)
    monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")
    with pytest.raises(RuntimeError, match="both were set"):
        torch.load(io.BytesIO(buffer.getvalue()))
    monkeypatch.delenv("TORCH_FORCE_WEIGHTS_ONLY_LOAD")
    with pytest.warns(UserWarning, match="forcing weights_only=False"):
        assert torch.load(io.BytesIO(buffer.getvalue())) == Point(1)


def test_bad_arguments(tmp_path):
    with pytest.raises(AttributeError, match="expected 'f' to be string, path"):
        torch.save(1, None)
    with pytest.raises(RuntimeError, match=r"Parent directory .* does not exist"):
        torch.save(1, tmp_path / "no" / "a.pt")
    with pytest.raises(RuntimeError, match="Is a directory"):
        torch.save(1, tmp_path)
    with pytest.raises(FileNotFoundError):
        torch.load(tmp_path / "none.pt")
    with pytest.raises(AttributeError, match="file that is seekable"):
        torch.load(5)
    with pytest.raises(RuntimeError, match="explicit pickle_module"):
        torch.load(io.BytesIO(), pickle_module=pickle, weights_only=True)


def test_alignment(tmp_path):
    path = tmp_path / "a.pt"
    serialization.settings.set_storage_alignment(4096)
    try:
        torch.save(torch.ones(3), path)
    finally:
        serialization.settings.set_storage_alignment(64)
    with path.open("rb") as f:
        archive = serialization.zip_reader.ZipReader(f)
        assert archive.record_offset("data/0") % 4096 == 0
    assert torch.load(path).tolist() == [1, 1, 1]


def test_the_record_layout(tmp_path):
    """What stands where in the file: the names in PyTorch's order, the data on multiples of 64."""
    import zipfile

    torch.save({"a": torch.arange(5), "b": torch.ones(3, dtype=torch.bfloat16)}, tmp_path / "a.pt")
    data = (tmp_path / "a.pt").read_bytes()
    with zipfile.ZipFile(tmp_path / "a.pt") as archive:
        assert archive.testzip() is None
        names = [
            "data.pkl", ".format_version", ".storage_alignment", "byteorder", "data/0", "data/1",
            "version", ".data/serialization_id",
        ]  # fmt: skip
        assert archive.namelist() == [f"a/{name}" for name in names]
        for entry in archive.infolist():
            name_length, extra_length = data[entry.header_offset + 26], entry.header_offset + 28
            begin = entry.header_offset + 30 + name_length
            begin += int.from_bytes(data[extra_length : extra_length + 2], "little")
            assert begin % 64 == 0
            assert entry.compress_type == zipfile.ZIP_STORED
            assert data[begin : begin + entry.file_size] == archive.read(entry)
        small = [archive.read(f"a/{name}") for name in names[1:4]]
        assert small == [b"1", b"64", sys.byteorder.encode()]
        assert archive.read("a/version") == b"3\n"
        assert len(archive.read("a/.data/serialization_id")) == 40
        assert archive.read("a/data/0") == torch.arange(5).numpy().tobytes()
        assert archive.read("a/data/1") == b"\x80\x3f" * 3


def test_defaults_of_the_program(tmp_path):
    config = torch.utils.serialization.config
    torch.save(torch.ones(3), tmp_path / "a.pt")
    with config.patch("load.mmap", True):
        assert torch.load(tmp_path / "a.pt").tolist() == [1, 1, 1]
        with pytest.raises(ValueError, match="must be a file path"):
            torch.load(io.BytesIO((tmp_path / "a.pt").read_bytes()))
        assert torch.load(io.BytesIO((tmp_path / "a.pt").read_bytes()), mmap=False).numel() == 3
    assert config.load.mmap is False
    with config.patch({"save.storage_alignment": 256, "save.compute_crc32": False}):
        assert not serialization.get_crc32_options()
        torch.save(torch.ones(3), tmp_path / "a.pt")
    with (tmp_path / "a.pt").open("rb") as f:
        assert serialization.zip_reader.ZipReader(f).record_offset("data/0") % 256 == 0
    with pytest.raises(AttributeError, match=r"config.load.foo does not exist"):
        config.load.foo = 1
    with pytest.raises(AttributeError, match=r"config.foo does not exist"):
        _ = config.foo


def test_archives_by_other_writers(tmp_path):
    """Deflated entries, another folder name, no marks: an archive packed by Python's zipfile."""
    import zipfile

    torch.save({"a": torch.arange(100.0)}, tmp_path / "a.pt")
    deflated = zipfile.ZipFile(tmp_path / "b.pt", "w", zipfile.ZIP_DEFLATED)
    with zipfile.ZipFile(tmp_path / "a.pt") as source, deflated as target:
        for name in ("data.pkl", "data/0", "version"):
            target.writestr(f"folder/{name}", source.read(f"a/{name}"))
    assert torch.equal(torch.load(tmp_path / "b.pt")["a"], torch.arange(100.0))
    assert torch.equal(torch.load(tmp_path / "b.pt", mmap=True)["a"], torch.arange(100.0))


def test_files_of_the_other_byte_order(tmp_path):
    buffer = io.BytesIO()
    torch.save({"i": torch.tensor([1, 2]), "c": torch.tensor([1 + 2j])}, buffer)
    archive = serialization.zip_reader.ZipReader(io.BytesIO(buffer.getvalue()))
    out = io.BytesIO()
    writer = serialization.zip_writer.ZipWriter(out, "archive")
    swapped = {
        "data/0": np.array([1, 2], ">i8").tobytes(),
        "data/1": np.array([1 + 2j], ">c8").tobytes(),
        "byteorder": b"big",
    }
    for name in archive.names()[:-2]:
        writer.write_record(name, swapped.get(name, archive.get_record(name)))
    writer.finish()
    loaded = torch.load(io.BytesIO(out.getvalue()))
    assert loaded["i"].tolist() == [1, 2]
    assert loaded["c"].tolist() == [1 + 2j]


@pytest.mark.skipif(os.name != "posix", reason="permissions are POSIX's")
def test_a_replaced_file_keeps_its_mode(tmp_path):
    path = tmp_path / "a.pt"
    torch.save(1, path)
    Path(path).chmod(0o640)
    torch.save(2, path)
    assert path.stat().st_mode & 0o777 == 0o640
    link = tmp_path / "link.pt"
    link.symlink_to(path)
    torch.save(3, link)
    assert link.is_symlink()
    assert torch.load(path) == 3


def test_skipping_data(tmp_path):
    with serialization.skip_data():
        torch.save({"a": torch.ones(3)}, tmp_path / "a.pt")
    assert torch.load(tmp_path / "a.pt")["a"].tolist() == [0, 0, 0]
    torch.save({"a": torch.ones(3)}, tmp_path / "b.pt")
    assert (tmp_path / "a.pt").stat().st_size == (tmp_path / "b.pt").stat().st_size
    with serialization.skip_data():
        assert torch.load(tmp_path / "b.pt")["a"].shape == (3,)
    assert torch.load(tmp_path / "b.pt")["a"].tolist() == [1, 1, 1]


def test_small_names():
    assert serialization.StorageType("FloatStorage").dtype is torch.float32
    assert serialization.normalize_storage_type(torch.LongStorage) is torch.LongStorage
    check = serialization.check_module_version_greater_or_equal
    assert check(np, (1, 20))
    assert not check(np, (100,))
