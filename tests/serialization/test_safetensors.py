"""Our own safetensors reader and writer."""

import json
import struct

import pytest

import rushlight as torch
from rushlight.serialization import safetensors


def test_there_and_back(tmp_path):
    tensors = {
        "b": torch.arange(6.0).reshape(2, 3),
        "a": torch.tensor([1, 2]),
        "half": torch.ones(3).to(torch.bfloat16),
        "empty": torch.zeros(0, 4),
        "scalar": torch.tensor(2.5),
        "transposed": torch.arange(6).reshape(2, 3).t(),
    }
    path = tmp_path / "x.safetensors"
    safetensors.save_file(tensors, path, metadata={"made": "here"})
    loaded = safetensors.load_file(path)
    assert set(loaded) == set(tensors)
    for name, tensor in tensors.items():
        assert loaded[name].dtype is tensor.dtype
        assert loaded[name].tolist() == tensor.tolist()
        assert loaded[name].is_contiguous()
    assert torch.load(path)["b"].tolist() == tensors["b"].tolist()
    assert safetensors.load(path.read_bytes())["a"].tolist() == [1, 2]


def test_layout_of_the_file():
    data = safetensors.save({"x": torch.ones(1), "n": torch.tensor([3])})
    (size,) = struct.unpack("<Q", data[:8])
    assert size % 8 == 0
    header = json.loads(data[8 : 8 + size])
    assert header == {
        "n": {"dtype": "I64", "shape": [1], "data_offsets": [0, 8]},
        "x": {"dtype": "F32", "shape": [1], "data_offsets": [8, 12]},
    }


def test_shared_memory_is_refused():
    t = torch.arange(4)
    with pytest.raises(RuntimeError, match="share memory"):
        safetensors.save({"a": t, "b": t[:2]})


def test_map_location_forms(tmp_path):
    path = tmp_path / "x.safetensors"
    safetensors.save_file({"a": torch.ones(1)}, path)
    assert torch.load(path, map_location="meta")["a"].device.type == "meta"
    with pytest.raises(RuntimeError, match="dict map_location is not supported"):
        torch.load(path, map_location={"cpu": "cpu"})


def file(header, data=b""):
    text = json.dumps(header).encode() if not isinstance(header, bytes) else header
    return struct.pack("<Q", len(text)) + text + data


def entry(begin, end, shape=(2,), dtype="F32"):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": [begin, end]}


BAD = {
    "short": b"\0\0",
    "huge header": struct.pack("<Q", 1 << 60) + b"{}",
    "long header": struct.pack("<Q", 50) + b"{}",
    "not json": file(b"{x}"),
    "not an object": file([1]),
    "unknown type": file({"a": entry(0, 8, dtype="F1")}, b"\0" * 8),
    "wrong size": file({"a": entry(0, 4)}, b"\0" * 4),
    "outside": file({"a": entry(0, 8)}, b"\0" * 4),
    "gap": file({"a": entry(4, 12)}, b"\0" * 12),
    "overlap": file({"a": entry(0, 8), "b": entry(4, 12)}, b"\0" * 12),
    "rest": file({"a": entry(0, 8)}, b"\0" * 12),
    "negative": file({"a": entry(0, 8, shape=(-2, -1))}, b"\0" * 8),
    "no offsets": file({"a": {"dtype": "F32", "shape": [2]}}, b"\0" * 8),
}


@pytest.mark.parametrize("kind", BAD)
def test_bad_files(kind):
    with pytest.raises(safetensors.SafetensorError, match="Error while deserializing"):
        safetensors.load(BAD[kind])
