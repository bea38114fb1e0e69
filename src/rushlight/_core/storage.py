"""Storages: the memory under tensors, as bytes (as elements: `typed_storage`).

The storage of an array is the array at the root of its chain of views. Two tensors share a storage
exactly if their arrays have the same root; `untyped_storage` returns the same object for both.
"""

import gc
import mmap
import sys
import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from rushlight._core import device as devices
from rushlight._core import gpu, shared
from rushlight._core.backend import MetaArray, meta_array
from rushlight._core.tensor import Tensor, wrap

# Where a storage is ---------------------------------------------------------------------------


def root_of(array: np.ndarray) -> np.ndarray:
    """The array whose memory `array` looks at."""
    if type(array) is gpu.cuda.kind:
        return array if array.base is None else array.base
    while type(array.base) is np.ndarray:
        array = array.base
    return array


def storage_of(array: np.ndarray) -> tuple[np.ndarray, int]:
    """The root of `array`, and where `array` begins in it, in elements of `array`."""
    root = root_of(array)
    return root, (_address(array) - _lowest(root)) // array.itemsize


def _address(array):
    if type(array) is gpu.cuda.kind:
        return array.data.ptr
    return array.__array_interface__["data"][0]


def _lowest(array):
    """The address of the first byte in memory, wherever negative strides put element 0."""
    back = sum((n - 1) * s for n, s in zip(array.shape, array.strides, strict=True) if s < 0)
    return _address(array) + (back if array.size else 0)


def memory_of(root: np.ndarray) -> np.ndarray:
    """The memory of an array as a 1-D array of bytes (a view, never a copy)."""
    if root.flags.c_contiguous:
        return root.reshape(-1).view(np.uint8)
    if root.flags.f_contiguous:
        return root.T.reshape(-1).view(np.uint8)
    forward = root[tuple(slice(None, None, -1 if s < 0 else 1) for s in root.strides)]
    span = sum((n - 1) * s for n, s in zip(root.shape, forward.strides, strict=True))
    first = forward[(slice(0, 1),) * root.ndim].reshape(1).view(np.uint8)
    return gpu.strided(first, (span + root.itemsize,), (1,))


def look_at(memory: np.ndarray, size: Any, dtype: np.dtype, start: int, strides: Any) -> np.ndarray:
    """The array of this layout, in bytes, over the memory of an array of bytes."""
    if type(memory) is gpu.cuda.kind:
        first = memory[start : start + dtype.itemsize].view(dtype)
        return gpu.strided(first, tuple(size), tuple(strides))
    return np.ndarray(size, dtype, memory, start, strides)


def copy_array(x, memo):
    """A copy of an array that keeps its strides, and shares its storage with other copies made with
    ``memo``.
    """
    if x.__class__ is MetaArray:
        return x
    if type(x) is gpu.cuda.kind:
        made = memo[id(x)] = gpu.copied(x)
        return made
    root = root_of(x)
    if not root.flags.forc:  # memory with gaps: its copy would have another layout
        return x.copy(order="K")
    made = memo.get(id(root))
    if made is None:
        made = memo[id(root)] = root.copy(order="K")
        memo.setdefault("_kept", []).append(root)
    if root is x:
        return made
    offset = storage_of(x)[1] * x.itemsize
    return np.ndarray(x.shape, x.dtype, memory_of(made), offset, x.strides)


# One wrapper per root, for as long as somebody holds it: `is` then tells shared storages.
_wrappers: weakref.WeakValueDictionary = weakref.WeakValueDictionary()


def untyped_storage(tensor: Tensor) -> "UntypedStorage":
    """untyped_storage(tensor) -> UntypedStorage

    The memory that `tensor` looks at, all of it, in bytes.

    >>> torch.ones(4)[2:].untyped_storage().nbytes()
    16
    """
    array = tensor._data
    if type(array) is MetaArray:
        span = _span(array.shape, tensor.stride()) + storage_offset(tensor)
        return UntypedStorage(span * array.itemsize, device="meta")
    return UntypedStorage._of(root_of(array))


def storage_offset(tensor: Tensor) -> int:
    """storage_offset(tensor) -> int

    Where `tensor` begins in its storage, in elements.

    >>> torch.ones(4)[2:].storage_offset()
    2
    """
    array = tensor._data
    if type(array) is np.ndarray and array.base is None:
        return 0
    if type(array) is MetaArray:
        return 0 if array.layout is None else array.layout[0]
    return storage_of(array)[1]


def _span(size, stride):
    """How many elements lie between the first and the last one of such a layout."""
    if 0 in size:
        return 0
    return 1 + sum((n - 1) * s for n, s in zip(size, stride, strict=True))


def rebuild_array(storage: Any, dtype: Any, offset: int, size: Any, stride: Any) -> np.ndarray:
    """The array of this layout (in elements of `dtype`) over the memory of `storage`."""
    size, stride = tuple(size), tuple(stride)
    if len(size) != len(stride):
        raise RuntimeError("mismatch in length of strides and shape")
    item = dtype.itemsize
    needed = (offset + _span(size, stride)) * item if 0 not in size else 0
    if any(s < 0 for s in (*stride, *size, offset)) or needed > storage.nbytes():
        raise RuntimeError(
            f"setStorage: sizes {list(size)}, strides {list(stride)}, storage offset {offset}, and "
            f"itemsize {item} requiring a storage size of {needed} are out of bounds for storage "
            f"of size {storage.nbytes()}"
        )
    if storage.device.type == "meta":
        return meta_array(size, dtype.numpy, (offset, stride))
    if storage.device.type == "cuda" and 0 in size:
        return gpu.to_device(np.empty(size, dtype.numpy), storage.device)
    if needed == 0:  # nothing to look at, and NumPy refuses offsets past the end
        return (
            np.ndarray(size, dtype.numpy, storage._root, 0)
            if 0 in size
            else np.empty(size, dtype.numpy)
        )
    buffer, strides = storage._root, [s * item for s in stride]
    if not buffer.flags.c_contiguous or storage.device.type == "cuda":
        buffer = storage._bytes
    if storage.device.type == "cuda":
        return look_at(buffer, size, dtype.numpy, offset * item, strides)
    return np.ndarray(size, dtype.numpy, buffer, offset * item, strides)


def rebuild_tensor(
    storage: Any,
    offset: int,
    size: Any,
    stride: Any,
    requires_grad: bool = False,
    dtype: Any = None,
) -> Tensor:
    """rebuild_tensor(storage, offset, size, stride, requires_grad=False, dtype=None) -> Tensor

    A tensor over the memory of `storage` (typed, or untyped with `dtype`), layout in elements.
    """
    dtype = dtype or storage.dtype
    tensor = wrap(rebuild_array(storage.untyped(), dtype, offset, size, stride))
    return tensor.requires_grad_() if requires_grad else tensor


# Bytes ----------------------------------------------------------------------------------------


class UntypedStorage:
    """UntypedStorage(size_or_bytes=0, *, device=None)

    A block of memory, indexed by bytes.

    >>> torch.arange(3, dtype=torch.int16).untyped_storage().tolist()
    [0, 0, 1, 0, 2, 0]
    """

    __slots__ = ("__weakref__", "_bytes", "_file", "_nbytes", "_root", "device")
    is_hpu = is_sparse = is_sparse_csr = False
    _root: Any
    _bytes: Any
    _file: str | None

    def __init__(self, data: int | Sequence[int] = 0, *, device: Any = None) -> None:
        self.device = devices.resolve(device if device is not None else devices.CPU)
        self._file = None
        if isinstance(data, int) and data < 0:
            raise RuntimeError(f"Storage size must not be negative, got {data}")
        if self.device.type == "meta":
            self._root = self._bytes = None
            self._nbytes = data if isinstance(data, int) else len(data)
        else:
            values = np.zeros(data, np.uint8) if isinstance(data, int) else _byte_values(data)
            self._look_at(
                values if self.device.type == "cpu" else gpu.to_device(values, self.device)
            )

    @property
    def is_cuda(self) -> bool:
        """Whether the memory is a CUDA device's."""
        return self.device.type == "cuda"

    @classmethod
    def _of(cls, root: np.ndarray) -> "UntypedStorage":
        """The one storage whose memory is that of `root`."""
        found = _wrappers.get(id(root))
        return found if found is not None else cls._over(root)

    @classmethod
    def _over(cls, root: np.ndarray) -> "UntypedStorage":
        """The storage whose memory is that of `root`."""
        self = object.__new__(cls)
        self.device = devices.CPU if type(root) is np.ndarray else gpu.place_of(root)
        self._file = None
        self._look_at(root)
        return self

    def _look_at(self, root):
        self._root, self._bytes = root, memory_of(root)
        self._nbytes = self._bytes.size
        _wrappers[id(root)] = self

    @classmethod
    def from_buffer(cls, buffer, *, dtype=None, byte_order="native", count=-1, offset=0):
        """from_buffer(buffer, *, dtype=None, byte_order="native", count=-1, offset=0)

        A storage holding a copy of `buffer`, whose elements of `dtype` are in `byte_order`.
        """
        item = 1 if dtype is None else dtype.itemsize
        raw = np.frombuffer(buffer, np.uint8, -1 if count < 0 else count * item, offset).copy()
        storage = cls._over(raw)
        if byte_order not in ("native", "little", "big"):
            raise ValueError(
                f"invalid byte_order '{byte_order}' (must be 'native', 'little' or 'big')"
            )
        if byte_order == "big":
            storage.byteswap(dtype)
        return storage

    @classmethod
    def from_file(cls, filename: Any, shared: bool = False, nbytes: int = 0) -> "UntypedStorage":
        """from_file(filename, shared=False, nbytes=0) -> UntypedStorage

        Map a file: writes go to it if `shared`, else to a private copy of the pages touched.
        """
        with Path(filename).open("r+b" if shared else "rb") as f:
            access = mmap.ACCESS_WRITE if shared else mmap.ACCESS_COPY
            storage = cls._over(
                np.frombuffer(mmap.mmap(f.fileno(), nbytes, access=access), np.uint8)
            )
        storage._file = str(filename)
        return storage

    @property
    def filename(self) -> str | None:
        """The file this storage maps, None if it is ordinary memory."""
        return self._file

    @property
    def _cdata(self) -> int:
        return id(self)

    def nbytes(self) -> int:
        """The size in bytes."""
        return self._nbytes

    size = nbytes
    __len__ = nbytes

    def element_size(self) -> int:
        """1: the elements are bytes."""
        return 1

    def data_ptr(self) -> int:
        """The address of the first byte, 0 if there is none."""
        return _address(self._bytes) if self._nbytes and self._bytes is not None else 0

    def get_device(self) -> int:
        """The device's index, -1 on the CPU."""
        return (self.device.index or 0) if self.is_cuda else -1

    def __getitem__(self, index: int | slice) -> "int | UntypedStorage":
        self._check_index(index)
        if isinstance(index, slice):
            if index.step not in (None, 1):
                raise RuntimeError(
                    f"Trying to slice with a step of {index.step}, but only a step of 1 is "
                    "supported"
                )
            part = self._here()[index]
            # a root of its own, so that it counts as another storage over the same memory
            return UntypedStorage._over(np.frombuffer(part, np.uint8) if part.size else part.copy())
        return int(self._here()[self._wrapped(index)])

    def __setitem__(self, index: int | slice, value: int) -> None:
        self._check_index(index)
        place = index if isinstance(index, slice) else self._wrapped(index)
        self._here()[place] = value & 0xFF

    def _check_index(self, index):
        if not isinstance(index, (int, slice)):
            raise TypeError(f"can't index a torch.UntypedStorage with {type(index).__name__}")

    def _wrapped(self, index):
        n = self._nbytes
        if not -n <= index < n:
            raise IndexError(f"index {index} out of range for storage of size {n}")
        return index

    def _here(self):
        """The bytes, which a meta storage does not have."""
        if self._bytes is None:
            raise NotImplementedError("Not available for 'meta' device type")
        return self._bytes

    def __iter__(self):
        return iter(self._here().tolist())

    def tolist(self) -> list[int]:
        """The bytes as a list of ints."""
        return self._here().tolist()

    def fill_(self, value: int) -> "UntypedStorage":
        """Set every byte to `value`."""
        self._here()[...] = value & 0xFF
        return self

    def copy_(self, source: Any, non_blocking: bool = False) -> "UntypedStorage":
        """Copy the bytes of a storage of the same size."""
        source = source.untyped()
        if source.nbytes() != self._nbytes:
            raise RuntimeError(
                f"size does not match, self was {self._nbytes} bytes but src was {source.nbytes()} "
                "bytes"
            )
        self._here()[...] = source.to(device=self.device)._here()
        return self

    def clone(self) -> "UntypedStorage":
        """A copy of this storage."""
        if self._bytes is None:
            return UntypedStorage(self._nbytes, device="meta")
        return UntypedStorage._over(self._bytes.copy())

    __copy__ = clone

    def __deepcopy__(self, memo: dict) -> "UntypedStorage":
        done = memo.setdefault("torch", {})  # tensors that shared this storage share the copy
        if self._cdata not in done:
            done[self._cdata] = self.clone()
        return done[self._cdata]

    def resizable(self) -> bool:
        """Whether `resize_` can work: not for a mapped file."""
        return self._file is None

    def resize_(self, size: int) -> "UntypedStorage":
        """Change the size in bytes of a storage that no tensor looks at."""
        if size != self._nbytes and self._bytes is None:
            self._nbytes = size
        elif size != self._nbytes:
            if self._root.dtype != np.uint8 or self.is_shared():
                raise NotImplementedError(
                    "resizing the memory under a tensor is not possible over NumPy arrays; "
                    "make a new tensor, for example with torch.empty(n)"
                )
            grown = np.zeros(size, np.uint8)
            kept = min(size, self._nbytes)
            grown[:kept] = self._bytes[:kept]
            _wrappers.pop(id(self._root), None)
            self._look_at(grown)
        return self

    def byteswap(self, dtype: Any) -> None:
        """Turn the bytes of every element of `dtype` around, in place."""
        item = dtype.itemsize // 2 if dtype.is_complex else dtype.itemsize
        if item > 1:
            self._here().reshape(-1, item)[:] = self._here().reshape(-1, item)[:, ::-1].copy()

    def is_shared(self) -> bool:
        """Whether the memory is shared between processes, or mapped from a file, or a GPU's, which
        PyTorch says to be.

        >>> torch.ones(2).untyped_storage().share_memory_().is_shared()
        True
        """
        if self._file is not None or self.is_cuda:
            return True
        return self._root is not None and shared.mapping_of(self._root) is not None

    def share_memory_(self) -> "UntypedStorage":
        """Move the bytes to shared memory; every tensor that looks at them looks there then.

        A NumPy array made of such a tensor before keeps the old memory.
        """
        return self._share(None)

    def _share(self, only: Tensor | None) -> "UntypedStorage":
        """`share_memory_`, asked for by a tensor, which is often the only one."""
        if self._bytes is None:
            raise RuntimeError("_share_fd_: only available on CPU")
        if not self.is_shared():
            self._move_to(shared.allocator[0](self._nbytes), only)
        return self

    def _move_to(self, fresh: np.ndarray, only: Tensor | None = None) -> None:
        """Copy the bytes to the root `fresh` and have everybody who looks at them look there."""
        alone = only is not None and only._data is self._root and _holders(self) == _ALONE + 1
        old, start = self._root, _lowest(self._root)
        fresh[...] = self._bytes
        lookers: list[Any] = [only] if alone else _lookers(old)
        for tensor in lookers:
            array = tensor._data
            place = _address(array) - start if array.size else 0
            tensor._data = np.ndarray(array.shape, array.dtype, fresh, place, array.strides)
        _wrappers.pop(id(old), None)
        self._look_at(fresh)

    @classmethod
    def _new_shared(cls, size: int, *, device: Any = "cpu") -> "UntypedStorage":
        """A storage of `size` zero bytes in shared memory."""
        if devices.resolve(device).type == "meta":
            return cls(size, device=device)
        return cls._over(shared.allocator[0](size))

    def is_pinned(self, device: object = None) -> bool:
        """False: there is no pinned memory without an accelerator."""
        return False

    def untyped(self) -> "UntypedStorage":
        """The storage itself."""
        return self

    def cpu(self) -> "UntypedStorage":
        """A CPU copy if it is not on the CPU."""
        return self.to(device="cpu")

    def cuda(self, device: object = None, non_blocking: bool = False) -> "UntypedStorage":
        """A copy on a CUDA device."""
        return self.to(device="cuda" if device is None else device)

    def to(self, *, device: Any, non_blocking: bool = False) -> "UntypedStorage":
        """The storage on `device`: itself if it is there."""
        target = devices.resolve(device)
        if target == self.device:
            return self
        if target.type == "meta":
            return UntypedStorage(self._nbytes, device="meta")
        if self.device.type != "meta":
            there = target.type == "cuda"
            return UntypedStorage._over(
                gpu.to_device(self._bytes, target) if there else gpu.to_host(self._bytes)
            )
        raise NotImplementedError("Cannot copy out of meta tensor; no data!")

    def type(self, dtype: str | None = None) -> str:
        """The name of the class; conversion of untyped bytes has no meaning here."""
        if dtype is None:
            return "torch.storage.UntypedStorage"
        raise NotImplementedError(
            "UntypedStorage.type(dtype): use TypedStorage, or a tensor's .to(dtype)"
        )

    def __repr__(self) -> str:
        lines = "..." if self._bytes is None else " " + "\n ".join(map(str, self.tolist()))
        return (
            f"{lines}\n[torch.storage.UntypedStorage(device={self.device}) of size {self._nbytes}]"
        )

    def __sizeof__(self) -> int:
        return object.__sizeof__(self) + self._nbytes


def _byte_values(items):
    for item in items:
        if not isinstance(item, int):
            raise RuntimeError(
                "torch.UntypedStorage(): tried to construct a storage from a sequence "
                f"({type(items).__name__}), but one of the items was of type {type(item).__name__} "
                "instead of int"
            )
    return np.array([item & 0xFF for item in items], np.uint8)


def _holders(storage):
    """How many references there are to the root of a storage, with what this call adds."""
    return sys.getrefcount(storage._root)


# What `_holders` says of a storage that no tensor looks at.
_ALONE = _holders(UntypedStorage(8))


def _lookers(root):
    """All tensors that look at the memory of `root`, those that gc.freeze() put away among them."""
    frozen = gc.get_freeze_count()
    if frozen:
        gc.unfreeze()
    found = [t for t in gc.get_objects() if issubclass(type(t), Tensor)]
    if frozen:
        gc.freeze()
    return [t for t in found if type(t._data) is np.ndarray and root_of(t._data) is root]
