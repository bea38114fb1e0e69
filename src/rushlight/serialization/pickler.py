"""Pickling with PyTorch's names: the bytes are those PyTorch would write."""

import io
import pickle
import sys
import types
from collections import OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from rushlight._core import device as devices
from rushlight._core import dtypes
from rushlight._core.generator import Generator
from rushlight._core.return_types import NamedResult
from rushlight._core.shape import Size
from rushlight._core.sparse import SparseTensor
from rushlight._core.storage import UntypedStorage, untyped_storage
from rushlight._core.tensor import Parameter, Tensor, wrap
from rushlight._core.typed_storage import CLASSES, NAMES, TypedStorage
from rushlight.serialization import names, places, rebuild, rebuild_sparse, tensor_opcodes
from rushlight.serialization.locations import location_tag

_ORDINARY = frozenset({str, int, float, bool, type(None), dict, list, tuple, bytes, OrderedDict})
_NAMED = (type, types.FunctionType, types.BuiltinFunctionType)


class StorageTable:
    """The storages met while pickling, each under a key, in order of appearance."""

    usual_ids = True  # persistent ids are what `_noted` makes

    def __init__(self) -> None:
        self.storages: dict[str, UntypedStorage] = {}
        self.dtypes: dict[str, dtypes.dtype] = {}
        self._keys: dict[int, str] = {}
        self._seen_dtypes: dict[int, dtypes.dtype] = {}

    def key(self, storage: UntypedStorage) -> str:
        """The key of a storage: its number as text."""
        return self._keys.setdefault(storage._cdata, str(len(self._keys)))

    def describe(self, obj: TypedStorage | UntypedStorage) -> tuple:
        """The persistent id of a storage: its class, key, location, and number of elements."""
        storage = obj.untyped()
        cls: type
        if isinstance(obj, TypedStorage):
            dtype, cls, count = obj.dtype, CLASSES[NAMES[obj.dtype]], obj.size()
        else:
            dtype, cls, count = dtypes.uint8, UntypedStorage, storage.nbytes()
        return self._noted(storage, dtype, cls, count)

    def describe_as(self, storage: UntypedStorage, dtype: dtypes.dtype) -> tuple:
        """The persistent id of a storage of elements of ``dtype``."""
        return self._noted(
            storage, dtype, CLASSES[NAMES[dtype]], storage.nbytes() // dtype.itemsize
        )

    def _noted(self, storage: UntypedStorage, dtype: dtypes.dtype, cls: type, count: int) -> tuple:
        address = storage.data_ptr()
        if address and self._seen_dtypes.setdefault(address, dtype) is not dtype:
            raise RuntimeError(
                "Cannot save multiple tensors or storages that view the same data as different "
                "types"
            )
        key = self.key(storage)
        self.storages.setdefault(key, storage)
        self.dtypes.setdefault(key, dtype)
        return ("storage", cls, key, location_tag(storage), count)


class _TorchPickler:
    """The part of the pickler that knows tensors; mixed into a pure Python Pickler class."""

    table: StorageTable

    if TYPE_CHECKING:  # of the Pickler class
        proto: int
        save: Callable
        write: Callable
        memoize: Callable

    def persistent_id(self, obj):
        if isinstance(obj, (TypedStorage, UntypedStorage)):
            return self.table.describe(obj)
        return None

    def reducer_override(self, obj):
        kind = type(obj)
        if kind in _ORDINARY:
            return NotImplemented
        if isinstance(obj, Tensor):
            usual = tensor_opcodes.served(self, obj)  # then by `dispatch`
            return NotImplemented if usual else _reduce_tensor(obj)
        if kind is Size:
            return Size, (tuple(obj),)
        if kind is dtypes.dtype:
            return obj.name
        if kind is devices.device:
            place = obj.type.encode().decode()  # a text object of its own, as PyTorch makes
            return kind, ((place,) if obj.index is None else (place, obj.index))
        if kind is devices.layout:
            return names._get_layout, (str(obj),)
        if kind is Generator:
            state = wrap(obj.state_bytes())  # by now a tensor, as PyTorch has it
            return kind, (obj.device,), (obj.initial_seed(), None, state)
        if isinstance(obj, NamedResult):
            return kind, (tuple(obj), {})
        known = names.torch_name(obj) if isinstance(obj, _NAMED) else None
        if known is not None and "." in known[1] and self.proto < 4:
            return _of_class(obj)
        return NotImplemented if known is None else known[1]

    def save_global(self, obj, name=None):
        known = names.torch_name(obj)
        if known is None:
            if "<locals>" in (name or getattr(obj, "__qualname__", "")):
                raise AttributeError(f"Can't pickle local object {name or obj.__qualname__!r}")
            pickler: Any = super()
            pickler.save_global(obj, name)
            return
        module, name = known
        if self.proto >= 4:
            self.save(module)
            self.save(name)
            self.write(pickle.STACK_GLOBAL)
        else:
            self.write(pickle.GLOBAL + f"{module}\n{name}\n".encode())
        self.memoize(obj)


def _of_class(obj):
    """A function in a class, for protocols that only know the names in modules."""
    place, _, name = obj.__qualname__.rpartition(".")
    return getattr, (places.attribute(sys.modules[obj.__module__], place), name)


def _reduce_tensor(tensor):
    kind: Any = type(tensor)
    if kind.__reduce_ex__ not in (Tensor.__reduce_ex__, Parameter.__reduce_ex__):
        return NotImplemented  # a subclass that knows better
    state = tensor.__dict__ or None
    if isinstance(tensor, Parameter):
        arguments: tuple = (tensor.data, tensor.requires_grad, OrderedDict())
        if state is None:
            return rebuild._rebuild_parameter, arguments
        return rebuild._rebuild_parameter_with_state, (*arguments, state)
    function, arguments = _reduce_plain(tensor)
    if kind is SparseTensor:  # in PyTorch, and so in its files, a Tensor like others
        kind = Tensor
    if kind is Tensor and state is None:
        return function, arguments
    return rebuild._rebuild_from_type_v2, (function, kind, arguments, state or {})


def _reduce_plain(tensor):
    """The rebuilding function of a tensor's elements, and its arguments."""
    if tensor.layout is not devices.strided:
        return rebuild_sparse._rebuild_sparse_tensor, (tensor.layout, _sparse_parts(tensor))
    size, stride = tuple(tensor.size()), tuple(tensor.stride())
    if tensor.device.type == "meta":
        arguments = (tensor.dtype, size, stride, tensor.requires_grad)
        return rebuild._rebuild_meta_tensor_no_storage, arguments
    storage, dtype = untyped_storage(tensor), tensor.dtype
    place: tuple = (tensor.storage_offset(), size, stride, tensor.requires_grad, OrderedDict())
    if dtype not in NAMES:
        return rebuild._rebuild_tensor_v3, (storage, *place, dtype)
    typed = TypedStorage(wrap_storage=storage, dtype=dtype, _internal=True)
    return rebuild._rebuild_tensor_v2, (typed, *place)


def _sparse_parts(tensor):
    """What a sparse tensor is made of, in the order of PyTorch's files."""
    size = tensor.size()
    if tensor.layout is devices.sparse_coo:
        return tensor._indices(), tensor._values(), size, tensor.is_coalesced()
    if tensor.layout in (devices.sparse_csr, devices.sparse_bsr):
        return tensor.crow_indices(), tensor.col_indices(), tensor.values().detach(), size
    return tensor.ccol_indices(), tensor.row_indices(), tensor.values().detach(), size


def pickler_class(pickle_module: types.ModuleType) -> type:
    """The Pickler of `pickle_module`, taught about tensors."""
    base = pickle._Pickler if pickle_module is pickle else pickle_module.Pickler
    if not issubclass(base, pickle._Pickler):
        raise NotImplementedError(
            f"torch.save cannot use the Pickler of {pickle_module.__name__}, which is not written "
            "in Python; use pickle or dill"
        )
    known = {**base.dispatch, Tensor: tensor_opcodes.save_tensor}
    return type("Pickler", (_TorchPickler, base), {"dispatch": known})


def pickle_object(obj: object, table: StorageTable, pickle_module: Any, protocol: int) -> bytes:
    """The pickle of `obj`; the storages it refers to are noted in `table`."""
    buffer = io.BytesIO()
    pickler = pickler_class(pickle_module)(buffer, protocol=protocol)
    pickler.table = table
    pickler.dump(obj)
    return buffer.getvalue()
