"""The format of PyTorch 0.1: a tar archive of storages, tensors and a pickle. Read only."""

import io
import pickle
import struct
import tarfile
from collections.abc import Callable
from typing import Any, BinaryIO

import numpy as np

from rushlight._core.storage import UntypedStorage, rebuild_tensor
from rushlight._core.typed_storage import TypedStorage
from rushlight.serialization.unpickler import as_text, element_type, full_unpickler


def open_tar(file: BinaryIO) -> tarfile.TarFile | None:
    """The tar archive that `file` is, None if it is not one."""
    try:
        return tarfile.open(fileobj=file, mode="r:", format=tarfile.PAX_FORMAT)
    except tarfile.TarError:
        file.seek(0)
        return None


def load_tar(tar: tarfile.TarFile, restore: Callable, pickle_module: Any, **options: Any) -> object:
    """The object in the archive; `restore(storage, tag)` puts a storage where it belongs."""
    known: dict = {}

    def read(file):
        return full_unpickler(pickle_module)(file, **options).load()

    _read_storages(_member(tar, "storages"), read, restore, known)
    _read_tensors(_member(tar, "tensors"), read, known)
    unpickler = full_unpickler(pickle_module)(_member(tar, "pickle"), **options)
    unpickler.persistent_load = lambda pid: pid[0] if isinstance(pid, tuple) else known[int(pid)]
    return unpickler.load()


def _member(tar, name):
    try:
        return io.BytesIO(tar.extractfile(name).read())
    except (KeyError, AttributeError):
        raise pickle.UnpicklingError(f"the tar archive has no file {name!r}") from None


def _read_storages(file, read, restore, known):
    for _ in range(read(file)):
        key, location, storage_class = read(file)
        dtype = element_type(storage_class)
        (count,) = struct.unpack("<q", file.read(8))
        data = np.frombuffer(file.read(count * dtype.itemsize), np.uint8).copy()
        memory = restore(UntypedStorage._over(data), as_text(location))
        known[key] = TypedStorage(wrap_storage=memory, dtype=dtype, _internal=True)
    for key, root_key, offset, count in read(file):
        root = known[root_key]
        item = root.dtype.itemsize
        part = root.untyped()[offset * item : (offset + count) * item]
        known[key] = TypedStorage(wrap_storage=part, dtype=root.dtype, _internal=True)


def _read_tensors(file, read, known):
    for _ in range(read(file)):
        key, storage_key, _ = read(file)
        ndim, _ = struct.unpack("<ii", file.read(8))
        size = struct.unpack(f"<{ndim}q", file.read(8 * ndim))
        stride = struct.unpack(f"<{ndim}q", file.read(8 * ndim))
        (offset,) = struct.unpack("<q", file.read(8))
        known[key] = rebuild_tensor(known[storage_key], offset, size, stride)
