"""Turning a file's pickle back into objects: storages from its records, names into ours."""

import io
import pickle
import sys
import types
from collections.abc import Callable
from typing import Any

from rushlight._core import dtypes
from rushlight._core.storage import UntypedStorage
from rushlight._core.typed_storage import TypedStorage
from rushlight.serialization import names, restricted
from rushlight.serialization.rebuild import Unsupported
from rushlight.serialization.zip_reader import ZipReader


def full_unpickler(pickle_module: types.ModuleType) -> type:
    """The Unpickler of `pickle_module`, which finds our classes under PyTorch's names."""

    class Unpickler(pickle_module.Unpickler):  # type: ignore[name-defined]  # known at run time
        def find_class(self, module, name):
            module = {"torch.tensor": "torch._tensor"}.get(module, module)
            if names.is_torch(module):
                return names.find(module, name)
            return super().find_class(module, name)

    return Unpickler


def load_pickle(file: Any, persistent_load: Callable, pickle_module: Any, **options: Any) -> object:
    """One object from `file`; `pickle_module` None means restricted to data."""
    cls = restricted.Unpickler if pickle_module is None else full_unpickler(pickle_module)
    unpickler = cls(file, **options)
    unpickler.persistent_load = persistent_load
    return unpickler.load()


def element_type(storage_class: Any) -> dtypes.dtype:
    """The dtype of the elements of a storage class named in a file."""
    if isinstance(storage_class, Unsupported):
        storage_class()
    if storage_class in (UntypedStorage, TypedStorage):
        return dtypes.uint8
    if not isinstance(storage_class, type) or not issubclass(storage_class, TypedStorage):
        raise pickle.UnpicklingError(
            f"{restricted.shown(storage_class)} is not a class of storages"
        )
    found: Any = storage_class  # its dtype is the class's, not a slot
    return found.dtype


def check_types(key: object, location: object, count: object) -> None:
    """UnpicklingError unless a storage's name, place and size are texts and a number."""
    texts = isinstance(key, (str, bytes)) and isinstance(location, (str, bytes))
    if not texts or not isinstance(count, int):
        what = restricted.shown((key, location, count))
        raise pickle.UnpicklingError(f"a storage of the file is described wrongly: {what}")


def as_text(tag: str | bytes) -> str:
    """Internal names are ASCII, also in files of Python 2 read with ``encoding="bytes"``."""
    return tag.decode("ascii") if isinstance(tag, bytes) else tag


class ArchiveLoader:
    """Loads the object of one zip archive; `memory(name, nbytes)` gives the bytes of a record."""

    def __init__(
        self, archive: ZipReader, memory: Callable, restore: Callable, byte_order: str
    ) -> None:
        self._archive, self._memory, self._restore = archive, memory, restore
        self._swap = byte_order != sys.byteorder
        self._loaded: dict[str, TypedStorage] = {}

    def load(self, pickle_module: Any, **options: Any) -> object:
        """The object; `pickle_module` None means restricted to data."""
        data = io.BytesIO(self._archive.get_record("data.pkl"))
        return load_pickle(data, self._persistent_load, pickle_module, **options)

    def _persistent_load(self, pid):
        if not isinstance(pid, tuple) or len(pid) != 5 or as_text(pid[0]) != "storage":
            raise pickle.UnpicklingError(
                f"unknown persistent id in the file: {restricted.shown(pid)}"
            )
        _, storage_class, key, location, count = pid
        check_types(key, location, count)
        key = as_text(key)
        if key not in self._loaded:
            dtype = element_type(storage_class)
            self._loaded[key] = self._storage(dtype, f"data/{key}", count, as_text(location))
        return self._loaded[key]

    def _storage(self, dtype, name, count, location):
        nbytes = count * dtype.itemsize
        storage = self._memory(name, nbytes)
        if self._swap:
            storage.byteswap(dtype)
        restored = self._restore(storage, location)
        return TypedStorage(wrap_storage=restored, dtype=dtype, _internal=True)


def check_size(found: int, expected: int) -> None:
    """RuntimeError unless a record has the size that the pickle says."""
    if found != expected:
        raise RuntimeError(
            f"record size ({found} bytes) does not match expected size ({expected} bytes = "
            f"{expected} elements * 1 bytes/element) for dtype Byte"
        )
