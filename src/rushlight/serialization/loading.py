"""torch.load."""

import contextlib
import io
import mmap as memory_map
import os
import pickle
import re
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import numpy as np

from rushlight._core import device as devices
from rushlight._core.storage import UntypedStorage
from rushlight.serialization import restricted, settings
from rushlight.serialization.legacy import LegacyLoader
from rushlight.serialization.legacy_tar import load_tar, open_tar
from rushlight.serialization.locations import restorer
from rushlight.serialization.rebuild_sparse import checked_at_the_end
from rushlight.serialization.safetensors import load_file
from rushlight.serialization.unpickler import ArchiveLoader, check_size
from rushlight.serialization.zip_reader import ZipReader, is_zip
from rushlight.utils.serialization import config

_UNSAFE = (
    "In PyTorch 2.6, we changed the default value of the `weights_only` argument in `torch.load` "
    "from `False` to `True`. Re-running `torch.load` with `weights_only` set to `False` will "
    "likely succeed, but it can result in arbitrary code execution. Do it only if you got the "
    "file from a trusted source."
)
_DOCS = (
    "\n\nCheck the documentation of torch.load to learn more about types accepted by default with "
    "weights_only https://pytorch.org/docs/stable/generated/torch.load.html."
)


def load(
    f: "str | os.PathLike | IO[bytes]",
    map_location: "Callable | devices.device | str | dict[str, str] | None" = None,
    pickle_module: Any = None,
    *,
    weights_only: bool | None = None,
    mmap: bool | None = None,
    **pickle_load_args: Any,
) -> object:
    """load(f, map_location=None, pickle_module=None, *, weights_only=True, mmap=None,
    **pickle_load_args)

    The object that `save`, or PyTorch's `torch.save`, wrote to a file.

    Unless ``weights_only=False``, the file can only contain data: tensors, numbers, texts,
    containers, and what `torch.serialization.add_safe_globals` allowed; anything else is an
    UnpicklingError. With ``weights_only=False`` a file can run any code: load only files you trust.

    `map_location` says where storages go: a device, or a dict or function of the places they were
    saved from. ``mmap=True`` maps the file instead of reading it.

    >>> import io
    >>> buffer = io.BytesIO()
    >>> torch.save({'w': torch.ones(2), 'steps': 3}, buffer)
    >>> _ = buffer.seek(0)
    >>> torch.load(buffer)
    {'w': tensor([1., 1.]), 'steps': 3}
    >>> _ = buffer.seek(0)
    >>> torch.load(buffer, map_location='meta')['w'].device
    device(type='meta')
    """
    mmap = config.load.mmap if mmap is None else mmap
    weights_only = _decide(weights_only, pickle_module)
    if weights_only:
        if pickle_module is not None:
            raise RuntimeError(
                "Can not safely load weights when explicit pickle_module is specified"
            )
        if pickle_load_args:
            warnings.warn("pickle_load_args only works if `weights_only=False`.", stacklevel=2)
    elif pickle_module is None:
        pickle_module = pickle
    pickle_load_args.setdefault("encoding", "utf-8")
    if isinstance(f, (str, os.PathLike)) and os.fspath(f).endswith(".safetensors"):
        return load_file(f, device=_safetensors_device(map_location))
    with _opened(f) as file:
        try:
            with checked_at_the_end():
                return _load(file, f, map_location, pickle_module, mmap, pickle_load_args)
        except pickle.UnpicklingError as error:
            if weights_only:
                raise pickle.UnpicklingError(_advice(str(error))) from None
            raise


def _load(file, f, map_location, pickle_module, mmap, options):
    restore = restorer(map_location)
    if is_zip(file):
        return _load_archive(file, f if mmap else None, mmap, restore, pickle_module, options)
    if mmap:
        named = f"{f}, " if isinstance(f, str) else ""
        raise RuntimeError(
            f"mmap can only be used with files saved with `torch.save({named}"
            "_use_new_zipfile_serialization=True), please torch.save your checkpoint with this "
            "option in order to use mmap."
        )
    tar = open_tar(file) if _is_real_file(file) and file.tell() == 0 else None
    if tar is not None:
        with tar:
            if pickle_module is None:
                raise RuntimeError(
                    "Cannot use ``weights_only=True`` with files saved in the legacy .tar format. "
                    + _UNSAFE
                )
            return load_tar(tar, restore, pickle_module, **options)
    return LegacyLoader(restore).load(file, pickle_module, **options)


def _load_archive(file, path, mmap, restore, pickle_module, options):
    archive = ZipReader(file, check_crc=settings.get_crc32_options())
    if "constants.pkl" in archive.names():
        _refuse_torchscript(pickle_module is None)
    if mmap and not _is_path(path):
        raise ValueError("f must be a file path in order to use the mmap argument")
    memory = _mapped_memory(archive, path) if mmap else _read_memory(archive)
    loader = ArchiveLoader(archive, memory, restore, _byte_order(archive))
    return loader.load(pickle_module, **options)


def _read_memory(archive):
    def memory(name, nbytes):
        if settings.thread.skip_data:
            return UntypedStorage(nbytes)
        check_size(archive.record_size(name), nbytes)
        data = archive.get_array(name)
        return UntypedStorage._over(data)

    return memory


def _mapped_memory(archive, path):
    """Storages that are pieces of the mapped file, read when they are touched."""
    shared = settings.get_default_mmap_options() == settings.MAP_SHARED
    with Path(path).open("r+b" if shared else "rb") as file:
        access = memory_map.ACCESS_WRITE if shared else memory_map.ACCESS_COPY
        mapped = memory_map.mmap(file.fileno(), 0, access=access)

    def memory(name, nbytes):
        check_size(archive.record_size(name), nbytes)
        offset = archive.record_offset(name)
        if offset is None or not nbytes:  # compressed, or nothing to map
            return UntypedStorage._over(archive.get_array(name))
        return UntypedStorage._over(np.frombuffer(mapped, np.uint8, nbytes, offset))

    return memory


def _byte_order(archive):
    if not archive.has_record("byteorder"):
        return settings.unmarked_byte_order()
    order = archive.get_record("byteorder").decode("ascii", "replace")
    if order not in ("little", "big"):
        raise ValueError(f"Unknown endianness type: {order}")
    return order


def _refuse_torchscript(weights_only):
    warnings.warn(
        "'torch.load' received a zip file that looks like a TorchScript archive dispatching to "
        "'torch.jit.load' (call 'torch.jit.load' directly to silence this warning)",
        UserWarning,
        stacklevel=4,
    )
    if weights_only:
        raise RuntimeError(
            "Cannot use ``weights_only=True`` with TorchScript archives passed to ``torch.load``. "
            + _UNSAFE
        )
    raise NotImplementedError(
        "rushlight cannot run TorchScript archives: save the state_dict of the model in PyTorch "
        "and load that"
    )


# Arguments --------------------------------------------------------------------------------------


def _decide(weights_only, pickle_module):
    """The value of `weights_only` after the environment has had its say."""
    force = _asked("TORCH_FORCE_WEIGHTS_ONLY_LOAD")
    forbid = _asked("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD")
    if force and forbid:
        raise RuntimeError(
            "Only one of `TORCH_FORCE_WEIGHTS_ONLY_LOAD` or `TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD` "
            "should be set, but both were set."
        )
    if force:
        return True
    if weights_only is None and forbid:
        warnings.warn(
            "Environment variable TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD detected, since "
            "the`weights_only` "
            "argument was not explicitly passed to `torch.load`, forcing weights_only=False.",
            UserWarning,
            stacklevel=3,
        )
        return False
    return pickle_module is None if weights_only is None else bool(weights_only)


def _asked(variable):
    return os.getenv(variable, "0").lower() in ("1", "y", "yes", "true")


def _is_path(f):
    return isinstance(f, (str, os.PathLike))


def _is_real_file(file):
    try:
        return type(file).__module__ != "gzip" and file.fileno() >= 0
    except (AttributeError, io.UnsupportedOperation):
        return False


def _opened(f):
    """A context manager giving a binary file that can seek."""
    if _is_path(f):
        return Path(f).open("rb")
    try:
        f.seek(f.tell())
    except (io.UnsupportedOperation, AttributeError) as error:
        raise type(error)(
            f"{error}. You can only torch.load from a file that is seekable. Please pre-load the "
            "data into a buffer like io.BytesIO and try to load from it instead."
        ) from None
    return contextlib.nullcontext(f)


def _safetensors_device(map_location):
    if isinstance(map_location, dict):
        kind = "dict"
    elif callable(map_location) and not isinstance(map_location, devices.device):
        kind = "callable"
    else:
        return "cpu" if map_location is None else str(map_location)
    raise RuntimeError(
        f"Loading safetensors file with {kind} map_location is not supported. Use a device string "
        "or torch.device instead."
    )


def _advice(message):
    """PyTorch's explanation around an error of the restricted unpickler."""
    if re.search(r"GLOBAL (\S+) was not an allowed global by default.", message):
        return (
            "Weights only load failed. This file can still be loaded, to do so you have two "
            "options, \033[1mdo those steps only if you trust the source of the "
            f"checkpoint\033[0m. \n\t(1) {_UNSAFE}\n\t(2) Alternatively, to load with "
            "`weights_only=True` please check the recommended steps in the following error "
            f"message.\n\tWeightsUnpickler error: {message}{_DOCS}"
        )
    text = f"Weights only load failed. {_UNSAFE}\n"
    if not re.search(r"whose module (\S+) is blocked", message):
        text += (
            "Please file an issue with the following so that we can make `weights_only=True` "
            "compatible with your use case: WeightsUnpickler error: "
        )
    return f"{text}\n\n{message}{_DOCS}"


# Looking without loading ------------------------------------------------------------------------


def get_unsafe_globals_in_checkpoint(f: "str | os.PathLike | IO[bytes]") -> list[str]:
    """get_unsafe_globals_in_checkpoint(f) -> list of str

    The names in a file that ``load(f, weights_only=True)`` would refuse.

    ValueError if the file is not an archive written by `save`.

    >>> import fractions, io
    >>> buffer = io.BytesIO()
    >>> torch.save([torch.ones(1), fractions.Fraction(1, 3)], buffer)
    >>> _ = buffer.seek(0)
    >>> torch.serialization.get_unsafe_globals_in_checkpoint(buffer)
    ['fractions.Fraction']
    """
    with _opened(f) as file:
        if not is_zip(file):
            raise ValueError("Expected input to be a checkpoint returned by torch.save")
        archive = ZipReader(file)
        if "constants.pkl" in archive.names():
            raise ValueError(
                "Expected input to be a checkpoint returned by torch.save but got a torchscript "
                "checkpoint"
            )
        used = restricted.globals_in(io.BytesIO(archive.get_record("data.pkl")))
    return sorted(used - restricted.allowed_names())
