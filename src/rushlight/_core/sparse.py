"""Sparse tensors: the array inside one, and the cell around it.

A `SparseTensor` is no plain tensor, so every thin entry passes it on to the general path, and there
`__torch_function__` answers: with the rule of that name in `RULES`, or with a refusal that names
the operator. Rules are written with Tensors in `_ops/sparse*.py`. Only the records made by
`sparse_entry` see a `SparseArray`; whoever else tries to compute with one is refused by the array.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from rushlight._core import device as devices
from rushlight._core import gpu
from rushlight._core.arguments import bind
from rushlight._core.dispatch import record
from rushlight._core.record import Record
from rushlight._core.tensor import Tensor, new, wrap

RULES: dict[str, Callable] = {}  # name of an operator -> what it means for sparse tensors
BLOCKED = (devices.sparse_bsr, devices.sparse_bsc)
COMPRESSED = {  # layout -> its compressed dimension
    devices.sparse_csr: 0,
    devices.sparse_csc: 1,
    devices.sparse_bsr: 0,
    devices.sparse_bsc: 1,
}


def unsupported(
    name: str, layout: object = devices.sparse_coo, place: str = "CPU"
) -> NotImplementedError:
    """The refusal of an operator that has no rule for sparse tensors."""
    backend = f"Sparse{place}" if layout is devices.sparse_coo else f"SparseCsr{place}"
    return NotImplementedError(
        f"Could not run 'aten::{name}' with arguments from the '{backend}' backend: rushlight has "
        f"no {name} for sparse tensors, call to_dense() first"
    )


class SparseArray:
    """Indices and values in place of elements; the shape is that of the dense array it stands for.

    ``indices`` holds one array (sparse dimensions, n) in the COO layout; in CSR and CSC two, where
    each row's (column's) stretch begins, and the columns (rows). BSR and BSC are the same with
    blocks (n, height, width) for values.
    """

    __slots__ = ("coalesced", "indices", "layout", "shape", "values")
    base = None

    def __init__(
        self,
        layout: devices.layout,
        shape: tuple[int, ...],
        indices: tuple[np.ndarray, ...],
        values: np.ndarray,
        coalesced: bool = False,
    ) -> None:
        self.layout, self.shape, self.indices = layout, shape, indices
        self.values, self.coalesced = values, coalesced

    @property
    def dtype(self) -> np.dtype:
        """The dtype of the values."""
        return self.values.dtype

    @property
    def ndim(self) -> int:
        """The number of dimensions, sparse and dense."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """The number of elements of the dense array."""
        return int(np.prod(self.shape, dtype=np.int64))

    @property
    def itemsize(self) -> int:
        """Bytes of one value."""
        return self.values.itemsize

    @property
    def sparse_dim(self) -> int:
        """How many dimensions have indices."""
        return self.indices[0].shape[0] if self.layout is devices.sparse_coo else 2

    def coordinates(self) -> np.ndarray:
        """Where the values stand: (sparse dimensions, n), of blocks (2, n, height, width)."""
        if self.layout is devices.sparse_coo:
            return self.indices[0]
        starts, plain = self.indices
        xp = gpu.module_of(plain)
        if xp is np:
            outer = np.repeat(np.arange(len(starts) - 1, dtype=plain.dtype), np.diff(starts))
        else:
            places = xp.arange(len(plain), dtype=starts.dtype)
            outer = (xp.searchsorted(starts, places, "right") - 1).astype(plain.dtype)
        rows, columns = (plain, outer) if COMPRESSED[self.layout] else (outer, plain)
        if self.layout not in BLOCKED:
            return xp.stack([rows, columns])
        height, width = self.values.shape[1:]
        down = rows[:, None, None] * height + xp.arange(height)[:, None]
        across = columns[:, None, None] * width + xp.arange(width)
        return xp.stack(xp.broadcast_arrays(down, across))

    def dense(self) -> np.ndarray:
        """The dense array; values of one place are added up."""
        xp = gpu.module_of(self.values)
        result = xp.zeros(self.shape, self.dtype)
        places: Any = tuple(self.coordinates())
        if self.coalesced and places:
            result[places] = self.values
        else:
            everywhere: Any = ...
            values = self.values if places else self.values.sum(0)
            if places or xp is np:
                xp.add.at(result, places or everywhere, values)
            else:
                result += values
        return result

    def each(self, function: Callable) -> "SparseArray":
        """The same with a function of each array in its place."""
        indices = tuple([function(i) for i in self.indices])
        return SparseArray(self.layout, self.shape, indices, function(self.values), self.coalesced)

    def __getattr__(self, name: str) -> NoReturn:
        if name.startswith("__"):
            raise AttributeError(name)
        raise NotImplementedError(
            f"This operation needs a strided tensor (it asked for '{name}'): call to_dense() first"
        )

    def __array__(self, *args: object, **kw: object) -> NoReturn:
        raise NotImplementedError(
            "This operation is not there for sparse tensors: call to_dense() first"
        )

    __getitem__ = __setitem__ = __array_ufunc__ = __array__

    def __array_function__(self, function: Callable, types: tuple, args: tuple, kw: dict) -> bool:
        if function is np.may_share_memory:  # no view is tied to a sparse tensor
            return False
        raise unsupported(function.__name__, self.layout)


class SparseTensor(Tensor):
    """A tensor in a sparse layout: COO, CSR, CSC, BSR or BSC."""

    __slots__ = ()

    if TYPE_CHECKING:
        _data: Any  # a SparseArray

    @property
    def layout(self) -> devices.layout:
        """How it is stored."""
        return self._data.layout

    @property
    def device(self) -> devices.device:
        """Where its indices and values are."""
        return gpu.place_of(self._data.values)

    @property
    def is_cuda(self) -> bool:
        """Is it on a CUDA device?"""
        return type(self._data.values) is gpu.cuda.kind

    def get_device(self) -> int:
        """get_device() -> int: the index of the CUDA device, -1 on the CPU."""
        return gpu.index_of(self._data.values) if self.is_cuda else -1

    @property
    def is_sparse(self) -> bool:
        """Is it in the COO layout?"""
        return self._data.layout is devices.sparse_coo

    @property
    def is_sparse_csr(self) -> bool:
        """Is it in the CSR layout?"""
        return self._data.layout is devices.sparse_csr

    @property  # type: ignore[misc]  # it cannot be set here
    def data(self) -> Tensor:
        """The same tensor without history."""
        return wrap_sparse(self._data)

    @property
    def _coalesced(self) -> bool:
        return self._data.coalesced

    @_coalesced.setter
    def _coalesced(self, value: bool) -> None:
        x = self._data
        self._data = SparseArray(x.layout, x.shape, x.indices, x.values, value)

    @property
    def _sparse_dim(self) -> int:
        return self._data.sparse_dim

    def _nnz(self) -> int:
        return len(self._data.values)

    def _indices(self) -> Tensor:
        return wrap(self._data.indices[0])

    def _values(self) -> Tensor:
        return wrap(self._data.values)

    def stride(self, dim: int | None = None) -> tuple[int, ...] | int:
        """stride(dim=None) -> tuple or int: zeros, there are no strides."""
        return (0,) * self.ndim if dim is None else 0

    def is_contiguous(self, memory_format: object = None) -> bool:
        """is_contiguous() -> bool: False."""
        return False

    def numpy(self, *, force: bool = False) -> NoReturn:
        """numpy() -> TypeError: only a dense tensor is an array."""
        raise TypeError("can't convert Sparse layout tensor to numpy. Use Tensor.to_dense() first.")

    def item(self) -> Any:
        """item() -> number: the value of a one-element tensor."""
        if self.numel() != 1:
            raise RuntimeError(
                f"a Tensor with {self.numel()} elements cannot be converted to Scalar"
            )
        return self._data.dense().item()

    def data_ptr(self) -> NoReturn:
        """data_ptr() -> RuntimeError: there is no one array."""
        raise RuntimeError("Cannot access data pointer of Tensor that doesn't have storage")

    tolist = data_ptr

    def untyped_storage(self) -> NoReturn:
        """untyped_storage() -> NotImplementedError: there is no one array."""
        raise NotImplementedError("Cannot access storage of SparseTensorImpl")

    storage = storage_offset = untyped_storage

    def __bool__(self) -> bool:
        if self.numel() != 1:
            raise RuntimeError(
                "Boolean value of Tensor with more than one value is ambiguous"
                if self.numel()
                else "Boolean value of Tensor with no values is ambiguous"
            )
        return bool(self.item())

    def __deepcopy__(self, memo: dict) -> Tensor:
        if not self.is_leaf:
            raise RuntimeError(
                "Only Tensors created explicitly by the user (graph leaves) support the deepcopy "
                "protocol at the moment."
            )
        made = memo[id(self)] = wrap_sparse(copied(self._data)).requires_grad_(self.requires_grad)
        return made

    @classmethod
    def __torch_function__(
        cls, func: Callable, types: tuple, args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        rule = RULES.get(func.__name__)
        if rule is None:
            found = next((a for a in args if isinstance(a, SparseTensor)), None)
            if found is None:
                raise unsupported(func.__name__)
            raise unsupported(func.__name__, found.layout, "CUDA" if found.is_cuda else "CPU")
        return rule(*args, **(kwargs or {}))


def copied(x: SparseArray) -> SparseArray:
    """The same in memory of its own."""
    return x.each(gpu.copied)


def wrap_sparse(data: SparseArray, node: Any = None) -> SparseTensor:
    """A tensor around a sparse array."""
    t = new(SparseTensor)
    t._data, t._node, t._ver, t._view = data, node, None, None
    return t


def sparse_entry(op: Record) -> Callable:
    """The entry of the few records that take or make sparse arrays."""
    count = len(op.tensors)

    def call(*args, **kw):
        args = bind(op, args, kw)
        tensors, params = args[:count], args[count:]
        arrays = [None if t is None else t._data for t in tensors]
        plain = [a.values if type(a) is SparseArray else a for a in arrays]
        if any(type(a) is gpu.cuda.kind for a in plain):
            with gpu.on(gpu.common(plain)):
                r = op.run(gpu.cuda.xp, *arrays, *params)
        else:
            r = op.run(np, *arrays, *params)
        t = wrap_sparse(r) if type(r) is SparseArray else wrap(asarray(r))
        record(op, tensors, params, t)
        return t

    return call


def asarray(x: Any) -> Any:
    """A record's result as an array: of the host, or the device's that it is."""
    return x if type(x) is gpu.cuda.kind else np.asarray(x)


def replace(t: SparseTensor, result: SparseTensor) -> SparseTensor:
    """Make ``t`` what ``result`` is: an in-place operation on a sparse tensor."""
    t._data, t._node = result._data, result._node
    t._ver = [t._version + 1]
    return t


def rule(*names: str) -> Callable:
    """Declare what operators of these names mean when an argument is sparse."""

    def register(function):
        for name in names:
            RULES[name] = function
        return function

    return register


def method(function: Callable) -> Callable:
    """Attach a method that sparse tensors have instead of Tensor's."""
    setattr(SparseTensor, function.__name__, function)
    return function
