"""The safetensors format: a JSON header and raw little-endian numbers, nothing that could run.

Files are byte for byte those of the reference library, and are read without it.
"""

import json
import math
import os
import struct
import sys
from pathlib import Path

import numpy as np

from rushlight._core import device as devices
from rushlight._core import dtypes
from rushlight._core.storage import UntypedStorage, rebuild_tensor, untyped_storage
from rushlight._core.tensor import Tensor
from rushlight.serialization.atomic import atomic_writer

_LONGEST_HEADER = 100_000_000

# The format's names in the order in which tensors of these types are written.
_TYPES = {
    "U64": dtypes.uint64, "I64": dtypes.int64, "F64": dtypes.float64, "C64": dtypes.complex64,
    "F32": dtypes.float32, "U32": dtypes.uint32, "I32": dtypes.int32, "BF16": dtypes.bfloat16,
    "F16": dtypes.float16, "U16": dtypes.uint16, "I16": dtypes.int16,
    "F8_E5M2FNUZ": dtypes.float8_e5m2fnuz, "F8_E4M3FNUZ": dtypes.float8_e4m3fnuz,
    "F8_E8M0": dtypes.float8_e8m0fnu, "F8_E4M3": dtypes.float8_e4m3fn,
    "F8_E5M2": dtypes.float8_e5m2, "I8": dtypes.int8, "U8": dtypes.uint8, "BOOL": dtypes.bool_,
}  # fmt: skip
_NAMES = {dtype: name for name, dtype in _TYPES.items()}
_RANK = {name: rank for rank, name in enumerate(_TYPES)}


class SafetensorError(Exception):
    """A file that is not a valid safetensors file, or tensors that cannot be put into one."""


def save(tensors: dict[str, Tensor], metadata: dict[str, str] | None = None) -> bytes:
    """save(tensors, metadata=None) -> bytes

    The safetensors file of named tensors, as bytes.
    """
    return b"".join(bytes(part) for part in _parts(tensors, metadata))


def save_file(
    tensors: dict[str, Tensor],
    filename: "str | os.PathLike",
    metadata: dict[str, str] | None = None,
) -> None:
    """save_file(tensors, filename, metadata=None)

    Write named tensors to a safetensors file, replacing it in one step.

    Tensors may not share memory, since the format cannot say so: RuntimeError.
    """
    parts = _parts(tensors, metadata)
    with atomic_writer(filename) as file:
        for part in parts:
            file.write(part)


def load(data: bytes) -> dict[str, Tensor]:
    """load(data) -> dict of str to Tensor

    The tensors of a safetensors file given as bytes.
    """
    entries, start = _header(data[:8], lambda count: data[8 : 8 + count], len(data))
    return {
        name: _tensor(
            np.frombuffer(data, np.uint8, end - begin, start + begin).copy(), dtype, shape
        )
        for name, dtype, shape, begin, end in entries
    }


def load_file(
    filename: "str | os.PathLike", device: "str | int | devices.device" = "cpu"
) -> dict[str, Tensor]:
    """load_file(filename, device="cpu") -> dict of str to Tensor

    The tensors of a safetensors file.
    """
    path = Path(filename)
    loaded = {}
    with path.open("rb") as file:
        entries, start = _header(file.read(8), file.read, path.stat().st_size)
        for name, dtype, shape, begin, end in entries:
            raw = np.empty(end - begin, np.uint8)
            file.seek(start + begin)
            if file.readinto(raw.data) != raw.size:
                raise SafetensorError(f"the file ends before the end of tensor {name!r}")
            loaded[name] = _tensor(raw, dtype, shape)
    target = devices.resolve(device)
    return loaded if target.type == "cpu" else {name: t.to(target) for name, t in loaded.items()}


# Writing ----------------------------------------------------------------------------------------


def _parts(tensors, metadata):
    """The pieces of the file: the header, then the bytes of each tensor."""
    _check(tensors)
    order = sorted(tensors, key=lambda name: (_RANK[_NAMES[tensors[name].dtype]], name))
    header: dict = {"__metadata__": metadata} if metadata is not None else {}
    data, at = [], 0
    for name in order:
        tensor = tensors[name]
        raw = _bytes_of(tensor)
        header[name] = {
            "dtype": _NAMES[tensor.dtype],
            "shape": list(tensor.shape),
            "data_offsets": [at, at + len(raw)],
        }
        at += len(raw)
        data.append(raw)
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    return [struct.pack("<Q", len(text)) + text, *data]


def _check(tensors):
    owners: dict[int, str] = {}
    for name, tensor in tensors.items():
        if not isinstance(tensor, Tensor):
            raise ValueError(
                f"Key `{name}` is invalid, expected torch.Tensor but received {type(tensor)}"
            )
        if tensor.dtype not in _NAMES:
            raise SafetensorError(
                f"the safetensors format has no dtype {tensor.dtype} (tensor {name!r})"
            )
        storage = untyped_storage(tensor)
        if storage.nbytes() and owners.setdefault(storage.data_ptr(), name) != name:
            raise RuntimeError(
                f"the tensors {owners[storage.data_ptr()]!r} and {name!r} share memory, which a "
                "safetensors file cannot keep: leave one out, or save a clone of it"
            )


def _bytes_of(tensor):
    tensor = tensor.detach().contiguous()
    count = tensor.numel() * tensor.element_size()
    begin = tensor.storage_offset() * tensor.element_size()
    raw = untyped_storage(tensor)._here()[begin : begin + count]
    if sys.byteorder == "big":
        swapped = UntypedStorage._over(raw.copy())
        swapped.byteswap(tensor.dtype)
        raw = swapped._here()
    return memoryview(raw)


# Reading ----------------------------------------------------------------------------------------


def _header(length, read, size):
    """The entries (name, dtype, shape, begin, end), and where the data begins in the file."""
    if len(length) < 8:
        raise SafetensorError("Error while deserializing header: header too small")
    (count,) = struct.unpack("<Q", length)
    if count > _LONGEST_HEADER:
        raise SafetensorError("Error while deserializing header: header too large")
    if count + 8 > size:
        raise SafetensorError("Error while deserializing header: invalid header length")
    try:
        header = json.loads(read(count).decode("utf-8"))
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise SafetensorError(f"Error while deserializing header: {error}") from None
    if not isinstance(header, dict):
        raise SafetensorError("Error while deserializing header: it is not a JSON object")
    entries = [_entry(name, item) for name, item in header.items() if name != "__metadata__"]
    _check_cover(entries, size - 8 - count)
    return entries, 8 + count


def _entry(name, item):
    try:
        dtype, shape, (begin, end) = (
            _TYPES[item["dtype"]],
            tuple(item["shape"]),
            item["data_offsets"],
        )
    except (KeyError, TypeError, ValueError):
        raise SafetensorError(f"Error while deserializing header: bad entry for {name!r}") from None
    numbers = (*shape, begin, end)
    if not all(type(n) is int and n >= 0 for n in numbers):
        raise SafetensorError(f"Error while deserializing header: bad entry for {name!r}")
    if not all(n < 2**63 for n in numbers):
        raise SafetensorError(f"Error while deserializing header: {name!r} is too large")
    if end - begin != math.prod(shape) * dtype.itemsize:
        raise SafetensorError(
            f"Error while deserializing header: the size of {name!r} is not its shape's"
        )
    return name, dtype, shape, begin, end


def _check_cover(entries, size):
    """The tensors must fill the data exactly: no gaps, no overlaps, nothing after them."""
    at = 0
    for name, _, _, begin, end in sorted(entries, key=lambda entry: entry[3:]):
        if begin != at:
            raise SafetensorError(f"Error while deserializing header: invalid offset of {name!r}")
        at = end
    if at != size:
        raise SafetensorError(
            "Error while deserializing: incomplete metadata, file not fully covered"
        )


def _tensor(raw, dtype, shape):
    storage = UntypedStorage._over(raw)
    if sys.byteorder == "big":
        storage.byteswap(dtype)
    stride: list[int] = []
    step = 1
    for n in reversed(shape):
        stride.insert(0, step)
        step *= max(n, 1)
    return rebuild_tensor(storage, 0, shape, stride, dtype=dtype)
