"""The safetensors library: its files and ours are the same, and it works under the import hook."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import rushlight
from rushlight.serialization import safetensors

library = pytest.importorskip("safetensors", reason="needs the safetensors library to compare with")

SOURCE = str(Path(rushlight.__file__).parents[1])
# All types of the format that the library reads and writes with PyTorch.
TYPES = [
    "float32",
    "float64",
    "float16",
    "bfloat16",
    "int8",
    "int16",
    "int32",
    "int64",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
    "bool",
    "complex64",
    "float8_e4m3fn",
    "float8_e5m2",
    "float8_e4m3fnuz",
    "float8_e5m2fnuz",
    "float8_e8m0fnu",
]
NOT_FROM_BYTES = "float8_e8m0fnu"  # safetensors.torch.load has forgotten it, load_file has not

PROGRAM = """
import sys, torch
import safetensors.torch as st
from safetensors import safe_open

path = sys.argv[1]
names = sys.argv[2].split()
tensors = {n: torch.arange(1, 7).reshape(2, 3).to(getattr(torch, n)) for n in names}
tensors |= {"empty": torch.zeros(0, 3), "scalar": torch.tensor(2.5)}

st.save_file(tensors, path, metadata={"made": "by the library"})
for name, found in sorted(st.load_file(path).items()):
    print(name, found.dtype is tensors[name].dtype, found)
del tensors[sys.argv[3]]
for name, found in sorted(st.load(st.save(tensors)).items()):
    print(name, found)
with safe_open(path, framework="pt", device="cpu") as file:
    print(sorted(file.keys()), file.metadata())
    for name in ("float32", "bfloat16", "float8_e4m3fn"):
        part = file.get_slice(name)
        print(part.get_shape(), part.get_dtype(), part[:1], part[:, 1:], part[..., 0], part[1])
    print(file.get_tensor("int64"))


class Tied(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.first = torch.nn.Linear(3, 3)
        self.second = torch.nn.Linear(3, 3)
        self.second.weight = self.first.weight
        self.norm = torch.nn.BatchNorm1d(3)


torch.manual_seed(0)
model = Tied().to(torch.bfloat16)
st.save_model(model, path)
print(sorted(st.load_file(path)))
other = Tied().to(torch.bfloat16)
print(st.load_model(other, path), other.second.weight is other.first.weight)
print(other.state_dict())
try:
    st.save_file({"a": model.first.weight, "b": model.second.weight}, path)
except RuntimeError as error:
    print(error)
try:
    st.save_file({"a": torch.ones(2, 3).t()}, path)
except ValueError as error:
    print(error)
try:
    st.save_file({"a": torch.eye(2).to_sparse()}, path)
except ValueError as error:
    print(error)
"""


def run(path, *words):
    command = [sys.executable, *words, str(path), " ".join(TYPES), NOT_FROM_BYTES]
    environment = {**os.environ, "PYTHONPATH": SOURCE, "PYTHONWARNINGS": "ignore"}
    environment["PYTHONHASHSEED"] = "0"  # sets of names are printed
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_library_under_the_hook(tmp_path):
    (tmp_path / "program.py").write_text(PROGRAM)
    ours = run(tmp_path / "ours.safetensors", "-m", "rushlight", str(tmp_path / "program.py"))
    assert "bfloat16 True tensor" in ours
    assert "(set(), []) True" in ours
    pytest.importorskip("torch", reason="needs torch for the other side")
    theirs = run(tmp_path / "theirs.safetensors", str(tmp_path / "program.py"))
    assert ours == theirs
    files = [tmp_path / f"{who}.safetensors" for who in ("ours", "theirs")]
    assert files[0].read_bytes() == files[1].read_bytes()


def made(api):
    tensors = {n: api.arange(1, 7).reshape(2, 3).to(getattr(api, n)) for n in TYPES}
    return tensors | {"empty": api.zeros(0, 3), "scalar": api.tensor(2.5)}


@pytest.mark.parametrize("metadata", [None, {"a": 'ü "'}])
def test_same_bytes(metadata):
    torch = pytest.importorskip("torch", reason="needs torch for the other side")
    reference = pytest.importorskip("safetensors.torch")
    assert safetensors.save(made(rushlight), metadata) == reference.save(made(torch), metadata)


def test_their_file_read_here_and_the_reverse(tmp_path):
    torch = pytest.importorskip("torch", reason="needs torch for the other side")
    reference = pytest.importorskip("safetensors.torch")
    path = tmp_path / "x.safetensors"
    reference.save_file(made(torch), path, {"a": "b"})
    theirs = made(torch)
    for loaded in (safetensors.load_file(path), rushlight.load(path)):
        assert sorted(loaded) == sorted(theirs)
        assert all(repr(loaded[name]) == repr(theirs[name]) for name in theirs)
    safetensors.save_file(made(rushlight), path)
    assert repr(sorted(reference.load_file(path).items())) == repr(sorted(theirs.items()))


def test_the_librarys_refusals_are_refused_here(tmp_path):
    """What the library calls damaged is damaged here too."""
    data = safetensors.save({"a": rushlight.ones(2, 3), "b": rushlight.arange(4)})
    refused = 0
    for at in range(len(data)):
        changed = bytearray(data)
        changed[at] ^= 1 << (at % 7)
        try:
            library.deserialize(bytes(changed))
        except library.SafetensorError:
            refused += 1
            with pytest.raises(safetensors.SafetensorError):
                safetensors.load(bytes(changed))
    assert refused > 50
