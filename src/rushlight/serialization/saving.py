"""torch.save."""

import contextlib
import os
import pickle
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from rushlight.serialization import settings
from rushlight.serialization.atomic import atomic_writer
from rushlight.serialization.legacy import legacy_save
from rushlight.serialization.pickler import StorageTable, pickle_object
from rushlight.serialization.zip_writer import ZipWriter

DEFAULT_PROTOCOL = 2


def save(
    obj: object,
    f: "str | os.PathLike | IO[bytes]",
    pickle_module: Any = pickle,
    pickle_protocol: int = DEFAULT_PROTOCOL,
    _use_new_zipfile_serialization: bool = True,
    _disable_byteorder_record: bool = False,
) -> None:
    """save(obj, f, pickle_module=pickle, pickle_protocol=2, _use_new_zipfile_serialization=True)

    Write an object holding tensors to a file that `load`, and PyTorch's `torch.load`, can read.

    `f` is a path or a file open for writing in binary mode. Tensors that share memory still do so
    after loading. A path is replaced in one step when everything is written: a program that dies
    while saving leaves the file that was there.

    >>> import io
    >>> buffer = io.BytesIO()
    >>> torch.save({"weight": torch.ones(2)}, buffer)
    >>> torch.load(io.BytesIO(buffer.getvalue()))
    {'weight': tensor([1., 1.])}
    """
    with _destination(f) as (file, folder):
        if _use_new_zipfile_serialization:
            _write_archive(
                obj, file, folder, pickle_module, pickle_protocol, _disable_byteorder_record
            )
        else:
            if settings.thread.skip_data:
                raise RuntimeError(
                    "Cannot use skip_data=True with _use_new_zipfile_serialization=False"
                )
            legacy_save(obj, file, pickle_module, pickle_protocol, _module_class())


def _module_class():
    """The class Module; None if it was never imported, since then there are no modules to save."""
    loaded = sys.modules.get("rushlight.nn.modules.module")
    return None if loaded is None else loaded.Module


@contextlib.contextmanager
def _destination(f: Any) -> Iterator[tuple[IO[bytes], str]]:
    """The file to write to, and the name of the archive's top folder."""
    if isinstance(f, (str, os.PathLike)):
        path = os.fspath(f)
        folder = _folder_for(path)
        parent = Path(path).parent
        if not parent.is_dir():
            raise RuntimeError(f"Parent directory {parent} does not exist.")
        if Path(path).is_dir():
            raise RuntimeError("open file failed with strerror: Is a directory")
        with atomic_writer(path) as file:
            yield file, folder
        return
    if not hasattr(f, "write"):
        raise AttributeError(
            "expected 'f' to be string, path, or a file-like object with a 'write' attribute"
        )
    yield f, "archive"
    if hasattr(f, "flush"):
        f.flush()


def _folder_for(path):
    if not path.isascii():
        return "archive"
    name = Path(path).name
    stem = name.rpartition(".")[0] if "." in name else name
    if not stem:
        raise RuntimeError(f"invalid file name: {path}")
    return stem


def _write_archive(obj, file, folder, pickle_module, protocol, without_byte_order):
    table = StorageTable()
    data = pickle_object(obj, table, pickle_module, protocol)
    alignment = settings.get_storage_alignment()
    writer = ZipWriter(file, folder, compute_crc=settings.get_crc32_options(), alignment=alignment)
    writer.write_record("data.pkl", data)
    writer.write_record(".format_version", b"1")
    writer.write_record(".storage_alignment", str(alignment).encode())
    if not without_byte_order:
        writer.write_record("byteorder", sys.byteorder.encode())
    for key, storage in table.storages.items():
        skip = settings.thread.skip_data or storage.device.type == "meta"
        content = bytes(storage.nbytes()) if skip else storage.cpu()._here()
        writer.write_record(f"data/{key}", content)
    writer.finish()
