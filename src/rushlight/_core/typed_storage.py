"""Storages by elements, as PyTorch's older programs and its files know them."""

import warnings
from typing import Any

import numpy as np

from rushlight._core import dtypes
from rushlight._core.storage import UntypedStorage, untyped_storage
from rushlight._core.tensor import Tensor

_warned = [False]


def _warn_typed():
    if not _warned[0]:
        _warned[0] = True
        warnings.warn(
            "TypedStorage is deprecated. It will be removed in the future and UntypedStorage will "
            "be the only storage class. This should only matter to you if you are using storages "
            "directly. "
            " To access UntypedStorage directly, use tensor.untyped_storage() instead of "
            "tensor.storage()",
            UserWarning,
            stacklevel=3,
        )


class TypedStorage:
    """TypedStorage(size_or_values=0, *, wrap_storage=None, dtype=None, device=None)

    A block of memory, indexed by elements of `dtype`.

    >>> storage = torch.FloatStorage([1.0, 2.0, 3.0])
    >>> len(storage), storage[1], storage.dtype
    (3, 2.0, torch.float32)
    >>> torch.ones(2, 3).storage().size()
    6
    """

    __slots__ = ("_untyped_storage", "dtype")
    is_cuda = is_hpu = is_sparse = False
    _untyped_storage: UntypedStorage
    dtype: Any

    def __new__(
        cls,
        data: Any = 0,
        *,
        wrap_storage: Any = None,
        dtype: Any = None,
        device: Any = None,
        _internal: bool = False,
    ) -> "TypedStorage":
        if cls is not TypedStorage:  # torch.FloatStorage and its like
            if dtype is not None:
                raise RuntimeError(
                    f"{cls.__name__}.__new__: Keyword argument 'dtype' is not allowed"
                )
            dtype = cls.__dict__["dtype"]
        if not _internal:
            _warn_typed()
        self = object.__new__(TypedStorage)
        self.dtype = dtype or dtypes.get_default_dtype()
        if wrap_storage is not None:
            self._untyped_storage = wrap_storage
        elif isinstance(data, int):
            self._untyped_storage = UntypedStorage(data * self.dtype.itemsize, device=device)
        else:
            self._untyped_storage = UntypedStorage._over(np.array(data, self.dtype.numpy))
        return self

    @classmethod
    def from_buffer(cls, buffer, *, dtype=None, byte_order="native", count=-1, offset=0):
        """A storage holding a copy of `buffer`; see `UntypedStorage.from_buffer`."""
        dtype = dtype or cls.__dict__.get("dtype") or dtypes.get_default_dtype()
        untyped = UntypedStorage.from_buffer(
            buffer, dtype=dtype, byte_order=byte_order, count=count, offset=offset
        )
        return TypedStorage(wrap_storage=untyped, dtype=dtype, _internal=True)

    def _elements(self):
        raw = self._untyped_storage._here()
        item = self.dtype.itemsize
        return raw[: raw.size // item * item].view(self.dtype.numpy)

    @property
    def device(self):
        """Where the memory is."""
        return self._untyped_storage.device

    def untyped(self) -> UntypedStorage:
        """The same memory in bytes."""
        return self._untyped_storage

    def size(self) -> int:
        """The number of elements."""
        return self._untyped_storage.nbytes() // self.dtype.itemsize

    _size = size
    __len__ = size

    def nbytes(self) -> int:
        """The size in bytes."""
        return self._untyped_storage.nbytes()

    def element_size(self) -> int:
        """Bytes per element."""
        return self.dtype.itemsize

    def data_ptr(self) -> int:
        """The address of the first byte, 0 if there is none."""
        return self._untyped_storage.data_ptr()

    _data_ptr = data_ptr

    @property
    def _cdata(self) -> int:
        return self._untyped_storage._cdata

    def __getitem__(self, index: int) -> Any:
        if isinstance(index, slice):
            raise RuntimeError("slices are only supported in UntypedStorage.__getitem__")
        self._check_index(index)
        return self._elements()[index].item()

    def __setitem__(self, index: Any, value: Any) -> None:
        if not isinstance(index, slice):
            self._check_index(index)
        if not isinstance(value, (int, float, complex)):
            kind = dtypes.scalar_name(self.dtype)
            raise TypeError(f"can't assign a {type(value).__name__} to a torch.{kind}Tensor")
        self._elements()[index] = value

    def _check_index(self, index):
        if not isinstance(index, int):
            raise RuntimeError(f"can't index a {TypedStorage!r} with {type(index)}")
        if not -self.size() <= index < self.size():
            raise IndexError(f"index {index} out of range for storage of size {self.size()}")

    def __iter__(self):
        return iter(self.tolist())

    def tolist(self) -> list:
        """The elements as a list of Python numbers."""
        values = self._elements()
        return (values.astype(np.float32) if values.dtype.kind == "V" else values).tolist()

    def fill_(self, value: Any) -> "TypedStorage":
        """Set every element to `value`."""
        self._elements()[...] = value
        return self

    def copy_(self, source: Any, non_blocking: bool = False) -> "TypedStorage":
        """Copy the elements of a storage of the same length, converting their dtype."""
        if isinstance(source, UntypedStorage):
            self._untyped_storage.copy_(source)
        else:
            self._elements()[...] = source._elements()
        return self

    def clone(self) -> "TypedStorage":
        """A copy of this storage."""
        return self._like(self._untyped_storage.clone())

    __copy__ = clone

    def __deepcopy__(self, memo: dict) -> "TypedStorage":
        return self._like(self._untyped_storage.__deepcopy__(memo))

    def _like(self, untyped):
        return TypedStorage(wrap_storage=untyped, dtype=self.dtype, _internal=True)

    def resizable(self) -> bool:
        """Whether `resize_` can work."""
        return self._untyped_storage.resizable()

    def resize_(self, size: int) -> None:
        """Change the number of elements of a storage that no tensor looks at."""
        self._untyped_storage.resize_(size * self.dtype.itemsize)

    def is_shared(self) -> bool:
        """Whether the memory is shared between processes."""
        return self._untyped_storage.is_shared()

    def share_memory_(self) -> "TypedStorage":
        """Move the memory to where other processes can share it."""
        self._untyped_storage.share_memory_()
        return self

    _share_memory_ = share_memory_
    _is_shared = is_shared

    @classmethod
    def _new_shared(cls, size: int) -> "TypedStorage":
        """A storage of `size` zeros in shared memory."""
        dtype = cls.__dict__.get("dtype")
        kind = dtype if isinstance(dtype, dtypes.dtype) else dtypes.get_default_dtype()
        untyped = UntypedStorage._new_shared(size * kind.itemsize)
        return TypedStorage(wrap_storage=untyped, dtype=kind, _internal=True)

    def is_pinned(self, device: object = None) -> bool:
        """False: there is no pinned memory without an accelerator."""
        return False

    def cpu(self) -> "TypedStorage":
        """The storage on the CPU."""
        return self.to(device="cpu")

    def cuda(self, device: object = None, non_blocking: bool = False) -> "TypedStorage":
        """A copy on a CUDA device."""
        return self.to(device="cuda" if device is None else device)

    def to(self, *, device: object, non_blocking: bool = False) -> "TypedStorage":
        """The storage on `device`: its own memory if it is there."""
        return self._like(self._untyped_storage.to(device=device))

    def pickle_storage_type(self) -> str:
        """The class name under which files keep it: ``'FloatStorage'``."""
        return NAMES[self.dtype]

    def type(self, dtype=None):
        """The name of the legacy class; with `dtype` a converted copy."""
        if dtype is None:
            return f"torch.{NAMES[self.dtype]}"
        target = CLASSES[dtype.rpartition(".")[2]].dtype if isinstance(dtype, str) else dtype
        return self._to(target if isinstance(target, dtypes.dtype) else target.dtype)

    def _to(self, dtype):
        converted = self._elements().astype(dtype.numpy)
        return TypedStorage(
            wrap_storage=UntypedStorage._over(converted), dtype=dtype, _internal=True
        )

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, TypedStorage)
            and self.dtype is other.dtype
            and self._untyped_storage is other._untyped_storage
        )

    def __hash__(self) -> int:
        return hash((id(self._untyped_storage), self.dtype))

    def __repr__(self) -> str:
        meta = self.device.type == "meta"
        lines = "..." if meta else " " + "\n ".join(map(str, self.tolist()))
        kind = f"torch.storage.TypedStorage(dtype={self.dtype}, device={self.device})"
        return f"{lines}\n[{kind} of size {self.size()}]"


def _converter(name, dtype):
    def convert(self: Any) -> TypedStorage:
        return self._to(dtype)

    convert.__name__ = convert.__qualname__ = name
    convert.__doc__ = f"A copy with elements of {dtype}."
    return convert


for _name, _dtype in {
    "double": dtypes.float64, "float": dtypes.float32, "half": dtypes.float16,
    "bfloat16": dtypes.bfloat16, "long": dtypes.int64, "int": dtypes.int32, "short": dtypes.int16,
    "char": dtypes.int8, "byte": dtypes.uint8, "bool": dtypes.bool_,
    "complex_double": dtypes.complex128, "complex_float": dtypes.complex64,
}.items():  # fmt: skip
    setattr(TypedStorage, _name, _converter(_name, _dtype))


class _LegacyStorage(type):
    """The classes ``torch.FloatStorage`` ...: constructors of `TypedStorage`, and tests for it."""

    dtype: Any

    def __instancecheck__(cls, obj: object) -> bool:
        return isinstance(obj, TypedStorage) and obj.dtype is cls.dtype

    def __repr__(cls) -> str:
        return f"<class 'torch.{cls.__name__}'>"


def _legacy(name: str, dtype: dtypes.dtype) -> _LegacyStorage:
    doc = (
        f"{name}(size_or_values=0)\n\nMakes a `TypedStorage` of {dtype}.\n\n"
        f">>> torch.{name}(2).dtype, len(torch.{name}([1, 0, 1]))\n({dtype}, 3)"
    )
    space = {"dtype": dtype, "__slots__": (), "__doc__": doc, "__module__": "torch"}
    return _LegacyStorage(name, (TypedStorage,), space)


# torch.<name>: the storage classes by the names that files know them by
CLASSES: dict[str, _LegacyStorage] = {
    f"{name}Storage": _legacy(f"{name}Storage", dtype)
    for name, dtype in {
        "Float": dtypes.float32, "Double": dtypes.float64, "Half": dtypes.float16,
        "BFloat16": dtypes.bfloat16, "Long": dtypes.int64, "Int": dtypes.int32,
        "Short": dtypes.int16, "Char": dtypes.int8, "Byte": dtypes.uint8, "Bool": dtypes.bool_,
        "ComplexFloat": dtypes.complex64, "ComplexDouble": dtypes.complex128,
    }.items()
}  # fmt: skip
NAMES = {cls.dtype: name for name, cls in CLASSES.items()}


def is_storage(obj: object) -> bool:
    """is_storage(obj) -> bool

    Whether `obj` is a storage, typed or untyped.
    """
    return isinstance(obj, (TypedStorage, UntypedStorage))


def typed_storage(tensor: Tensor) -> "TypedStorage":
    """typed_storage(tensor) -> TypedStorage

    The memory that `tensor` looks at, as elements of its dtype (``Tensor.storage()``).

    >>> torch.ones(2).storage().size()
    2
    """
    _warn_typed()
    return quiet_typed_storage(tensor)


def quiet_typed_storage(tensor: Tensor) -> "TypedStorage":
    """The same without the warning: ``Tensor._typed_storage()``, which libraries call."""
    return TypedStorage(wrap_storage=untyped_storage(tensor), dtype=tensor.dtype, _internal=True)
