"""Memory that processes share: pages of a file, mapped by each of them.

The file has no name (memfd on Linux, else a POSIX shared memory object that is unlinked at once),
so the system frees it when the last process that maps it is gone, however that one ends. A storage
is in shared memory exactly if the base of its root array is a `Mapping`.
"""

import ctypes
import importlib
import mmap
import os
import weakref
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import numpy as np

_FAILED = ctypes.c_void_p(-1).value
_POPULATE = getattr(mmap, "MAP_POPULATE", 0)
_mmap: Any = None
_munmap: Any = None

if os.name == "posix":
    _libc = ctypes.CDLL(None, use_errno=True)
    _mmap, _munmap = _libc.mmap, _libc.munmap
    _size, _int = ctypes.c_size_t, ctypes.c_int
    _mmap.restype, _munmap.restype = ctypes.c_void_p, ctypes.c_int
    _mmap.argtypes = [ctypes.c_void_p, _size, _int, _int, _int, ctypes.c_ssize_t]
    _munmap.argtypes = [ctypes.c_void_p, _size]
    try:
        _posixshmem: Any = importlib.import_module("_posixshmem")
    except ImportError:  # a Python built without it
        _posixshmem = None


class Mapping:
    """Pages of a shared file in this process, unmapped when no array looks at them any more.

    `fd`: a descriptor of the file, or None; `name`: the path it has, or None. Both are its own.
    """

    __slots__ = ("__array_interface__", "__weakref__", "address", "fd", "length", "name")

    def __init__(self, fd: int, nbytes: int, *, populate: bool = False) -> None:
        self.fd = self.name = None
        self.length = max(nbytes, 1)  # no mapping is empty
        self.address = _map(fd, self.length, populate)
        self.__array_interface__ = {
            "version": 3,
            "shape": (nbytes,),
            "typestr": "|u1",
            "data": (self.address, False),
        }

    fd: int | None
    name: str | None

    def array(self) -> np.ndarray:
        """An array of bytes that keeps the pages mapped: the root of a storage."""
        return np.asarray(self)

    def _is_ours(self) -> bool:
        """Whether the name goes when this goes."""
        return True

    def __del__(self) -> None:
        if not hasattr(self, "address"):
            return
        _munmap(self.address, self.length)
        if self.fd is not None:
            os.close(self.fd)
        if self.name is not None and self._is_ours():
            with suppress(OSError):  # whoever cleans up was faster
                os.unlink(self.name)  # noqa: PTH108  # also while the interpreter shuts down


def _map(fd: int, length: int, populate: bool) -> int:
    flags = mmap.MAP_SHARED | (_POPULATE if populate else 0)
    address = _mmap(None, length, mmap.PROT_READ | mmap.PROT_WRITE, flags, fd, 0)
    if address == _FAILED:
        code = ctypes.get_errno()
        raise RuntimeError(f"unable to mmap {length} bytes from file: {os.strerror(code)} ({code})")
    return address


def new_file() -> int:
    """A descriptor of an empty file without a name."""
    if hasattr(os, "memfd_create"):
        return os.memfd_create("torch", os.MFD_CLOEXEC)
    if os.name != "posix" or _posixshmem is None:
        raise NotImplementedError(
            "sharing a tensor's memory needs a POSIX system; "
            "make the array in multiprocessing.shared_memory and use torch.from_numpy"
        )
    name = f"/torch_{os.getpid()}_{os.urandom(4).hex()}"
    fd = _posixshmem.shm_open(name, os.O_RDWR | os.O_CREAT | os.O_EXCL, mode=0o600)
    _posixshmem.shm_unlink(name)
    return fd


def anonymous(nbytes: int) -> np.ndarray:
    """Fresh shared memory whose file is known by its descriptor."""
    fd = new_file()
    try:
        os.ftruncate(fd, max(nbytes, 1))
        mapping = Mapping(fd, nbytes)
    except BaseException:
        os.close(fd)
        raise
    mapping.fd = fd
    return remembered(file_key(os.fstat(fd)), mapping)


# How `share_memory_` makes memory; `torch.multiprocessing.set_sharing_strategy` puts another here.
allocator: list[Callable[[int], np.ndarray]] = [anonymous]

# The roots of what is mapped, by file: what comes back to a process is the storage that it has.
_roots: weakref.WeakValueDictionary[tuple[int, int], np.ndarray] = weakref.WeakValueDictionary()


def file_key(stat: os.stat_result) -> tuple[int, int]:
    """What tells one file from every other."""
    return stat.st_dev, stat.st_ino


def remembered(key: tuple[int, int], mapping: Mapping) -> np.ndarray:
    """The root over `mapping`, which `known` finds from now on."""
    root = _roots[key] = mapping.array()
    return root


def known(key: tuple[int, int]) -> np.ndarray | None:
    """The root over this file, if the process has it mapped."""
    return _roots.get(key)


def mapping_of(root: np.ndarray) -> Mapping | None:
    """The shared memory that a root array looks at, None if its memory is this process's own."""
    base: Any = root.base
    return base if isinstance(base, Mapping) else None
