"""The format before PyTorch 1.6: a stream of pickles, then the storages' bytes."""

import inspect
import io
import pickle
import struct
import sys
import warnings
from collections.abc import Callable
from typing import IO, Any, BinaryIO

import numpy as np

from rushlight._core.storage import UntypedStorage
from rushlight._core.typed_storage import TypedStorage
from rushlight.serialization import names
from rushlight.serialization.compatibility import SourceChangeWarning
from rushlight.serialization.pickler import StorageTable, pickler_class
from rushlight.serialization.restricted import shown
from rushlight.serialization.unpickler import as_text, check_types, element_type, load_pickle

MAGIC_NUMBER = 0x1950A86A20F9469CFC6C
PROTOCOL_VERSION = 1001
_SYSTEM = {
    "protocol_version": PROTOCOL_VERSION,
    "little_endian": sys.byteorder == "little",
    "type_sizes": {"short": 2, "int": 4, "long": 4},
}


# Writing ----------------------------------------------------------------------------------------


class _LegacyTable(StorageTable):
    """Storages under their address, and the source text of the module classes met."""

    usual_ids = False

    def __init__(self, module_class: type | None) -> None:
        super().__init__()
        self.module_class = module_class
        self.classes: set[type] = set()

    def key(self, storage):
        return self._keys.setdefault(storage._cdata, str(storage._cdata))

    def describe(self, obj):
        return (*super().describe(obj), None)

    def describe_class(self, cls):
        """The persistent id of a module class, the first time it is met."""
        if cls in self.classes:
            return None
        self.classes.add(cls)
        return ("module", cls, *_source(cls))


def _source(cls):
    """File and text of a class; nothing for ours, which PyTorch has in other words."""
    if names.torch_name(cls) is not None:
        return None, None
    try:
        return inspect.getsourcefile(cls), inspect.getsource(cls)
    except (OSError, TypeError):
        return None, None


def legacy_save(
    obj: Any, file: IO[bytes], pickle_module: Any, protocol: int, module_class: type | None
) -> None:
    """Write `obj` to `file`; classes derived from `module_class` go with their source text."""
    table = _LegacyTable(module_class)
    base = pickler_class(pickle_module)

    class Pickler(base):  # type: ignore[valid-type, misc]  # known at run time
        def persistent_id(self, item):
            if (
                module_class is not None
                and isinstance(item, type)
                and issubclass(item, module_class)
            ):
                return table.describe_class(item)
            return super().persistent_id(item)

    for header in (MAGIC_NUMBER, PROTOCOL_VERSION, _SYSTEM):
        file.write(pickle_module.dumps(header, protocol=protocol))
    body = io.BytesIO()
    pickler = Pickler(body, protocol=protocol)
    pickler.table = table
    pickler.dump(obj)
    file.write(body.getvalue())
    keys = sorted(table.storages)
    file.write(pickle_module.dumps(keys, protocol=protocol))
    for key in keys:
        _write_storage(file, table.storages[key], table.dtypes[key])


def _write_storage(file, storage, dtype):
    if sys.byteorder == "big":
        storage = storage.clone()
        storage.byteswap(dtype)
    file.write(struct.pack("<q", storage.nbytes() // dtype.itemsize))
    file.write(memoryview(storage._here()))


def _compare_source(cls, kept):
    """Warn if a user's class no longer has the source text that was saved with it."""
    now = _source(cls)[1]
    if now is None or now == kept:
        return
    warnings.warn(
        f"source code of class '{cls.__module__}.{cls.__qualname__}' has changed. you can retrieve "
        "the original source code by accessing the object's source attribute or set "
        "`torch.nn.Module.dump_patches = True` and use the patch tool to revert the changes.",
        SourceChangeWarning,
        stacklevel=2,
    )


# Reading ----------------------------------------------------------------------------------------


class LegacyLoader:
    """Loads one legacy stream; `restore(storage, tag)` puts a storage where it belongs."""

    def __init__(self, restore: Callable) -> None:
        self._restore = restore
        self._storages: dict[str, TypedStorage] = {}
        self._views: dict[str, TypedStorage] = {}
        self._room = 0  # bytes of the file that no storage has claimed

    def load(self, file: BinaryIO, pickle_module: Any, **options: Any) -> object:
        """The object in `file`; `pickle_module` None means restricted to data."""
        if self._plain(file, pickle_module, options) != MAGIC_NUMBER:
            raise RuntimeError("Invalid magic number; corrupt file?")
        version = self._plain(file, pickle_module, options)
        if version != PROTOCOL_VERSION:
            raise RuntimeError(f"Invalid protocol version: {version}")
        self._plain(file, pickle_module, options)
        self._room = _size_of(file)
        result = load_pickle(file, self._persistent_load, pickle_module, **options)
        keys = self._plain(file, pickle_module, options)
        for key in keys if isinstance(keys, list) else [keys]:
            if not isinstance(key, (str, bytes)) or key not in self._storages:
                raise RuntimeError(
                    f"storage key {shown(key)} of the file is not used by its object"
                )
            self._fill(file, self._storages[key])
        return result

    @staticmethod
    def _plain(file, pickle_module, options):
        def refuse(pid):
            raise pickle.UnpicklingError("unsupported persistent id encountered")

        return load_pickle(file, refuse, pickle_module, **options)

    def _persistent_load(self, pid):
        if not isinstance(pid, tuple) or not pid:
            raise pickle.UnpicklingError(f"unknown persistent id in the file: {shown(pid)}")
        kind = as_text(pid[0])
        if kind == "module":
            _, cls, source_file, source = pid
            if source_file and source:
                _compare_source(cls, source)
            return cls
        if kind != "storage":
            raise RuntimeError(f"Unknown saved id type: {shown(kind)}")
        if len(pid) != 6:
            raise pickle.UnpicklingError(f"unknown persistent id in the file: {shown(pid)}")
        _, storage_class, key, location, count, view = pid
        check_types(key, location, count)
        if key not in self._storages:
            dtype = element_type(storage_class)
            self._room -= count * dtype.itemsize
            if self._room < 0:
                raise RuntimeError(
                    "the storages are larger than the file, which might be corrupted"
                )
            memory = self._restore(UntypedStorage(count * dtype.itemsize), as_text(location))
            self._storages[key] = TypedStorage(wrap_storage=memory, dtype=dtype, _internal=True)
        if view is None:
            return self._storages[key]
        if not isinstance(view, tuple) or len(view) != 3 or not isinstance(view[0], (str, bytes)):
            raise pickle.UnpicklingError("a view of a storage in the file is described wrongly")
        return self._view(self._storages[key], *view)

    def _view(self, root, key, offset, count):
        """Part of a storage, which files of before 0.4 could share."""
        if not all(isinstance(n, int) and n >= 0 for n in (offset, count)):
            raise pickle.UnpicklingError("a view of a storage in the file is described wrongly")
        if key not in self._views:
            item = root.dtype.itemsize
            part = root.untyped()[offset * item : (offset + count) * item]
            self._views[key] = TypedStorage(wrap_storage=part, dtype=root.dtype, _internal=True)
        return self._views[key]

    @staticmethod
    def _fill(file, storage):
        target, dtype = storage.untyped(), storage.dtype
        (count,) = struct.unpack("<q", _exactly(file, 8))
        if count * dtype.itemsize != target.nbytes():
            raise RuntimeError(
                f"storage has wrong byte size: expected {target.nbytes()} got "
                f"{count * dtype.itemsize}"
            )
        data = _exactly(file, target.nbytes())
        if target.device.type != "meta":
            target._here()[...] = np.frombuffer(data, np.uint8)
            if sys.byteorder == "big":
                target.byteswap(dtype)


def _size_of(file):
    """How many bytes `file` has; its position is kept."""
    here = file.tell()
    size = file.seek(0, io.SEEK_END)
    file.seek(here)
    return size


def _exactly(file, count):
    data = file.read(count)
    if len(data) != count:
        raise RuntimeError(
            f"unexpected EOF, expected {count - len(data)} more bytes. The file might be corrupted."
        )
    return data
