"""Tensors from Python's data: numbers, nested lists, NumPy arrays, buffers."""

import warnings
from collections.abc import Iterable
from itertools import chain
from typing import Any

import ml_dtypes
import numpy as np

from rushlight._core import device as devices
from rushlight._core import dtypes, fronts, gpu
from rushlight._core.backend import MetaArray, meta_array
from rushlight._core.dlpack import from_dlpack
from rushlight._core.op import public
from rushlight._core.state import grad_enabled
from rushlight._core.tensor import Tensor, wrap
from rushlight._ops.factory import check_options, finish, numpy_dtype

_MISSING = object()
_SEQUENCES = frozenset({list, tuple})
_DTYPE_OF = {bool: dtypes.bool_, int: dtypes.int64}  # floats and complex numbers: the default dtype
_NUMBERS = frozenset({bool, int, float, complex})
_SATURATING = {
    np.dtype(ml_dtypes.float8_e4m3fn): 448.0
}  # PyTorch's conversions clamp, ml_dtypes' give nan


@public("torch", out=False)
@fronts.quick("tensor")
def tensor(data=_MISSING, *, dtype=None, device=None, requires_grad=False, pin_memory=False):
    """tensor(data, *, dtype=None, device=None, requires_grad=False, pin_memory=False) -> Tensor

    A new leaf tensor with a copy of ``data``: a number, nested sequences of numbers, an array.

    Without ``dtype`` floats become the default dtype, ints int64. ValueError for ragged sequences,
    RuntimeError where no dtype can be inferred or an integer does not fit.

    >>> torch.tensor([[1.0, -1.0], [1.0, -1.0]])
    tensor([[ 1., -1.],
            [ 1., -1.]])
    >>> torch.tensor([1, 2], dtype=torch.float64)
    tensor([1., 2.], dtype=torch.float64)
    """
    if data is _MISSING:
        raise TypeError('tensor() missing 1 required positional arguments: "data"')
    d = None if dtype is None else numpy_dtype("tensor", dtype)
    if isinstance(data, Tensor):
        _warn_copy("torch.tensor(sourceTensor)")
        if device is None and data.is_cuda:
            device = data.device
    elif hasattr(data, "__cuda_array_interface__"):
        shared = wrap(checked(gpu.engine().asarray(data)))
        result = _moved(shared, d, device).clone()
        return result.requires_grad_() if requires_grad else result
    return place(copied(data, d), device, requires_grad, pin_memory)


def place(array: np.ndarray, device: Any, requires_grad: bool, pin_memory: bool = False) -> Tensor:
    """Wrap a new array as a leaf on ``device``."""
    if pin_memory:
        check_options(None, True)
    if device is not None or devices.get_default_device() is not devices.CPU:
        place = devices.resolve(device)
        if place.type == "meta":
            array = meta_array(array.shape, array.dtype)
        elif place.type == "cuda":
            array = gpu.to_device(array, place)
    if pin_memory:
        if type(array) is not np.ndarray:
            raise RuntimeError("Only dense CPU tensors can be pinned")
        array = gpu.pinned(array)
    return finish(array, True) if requires_grad else wrap(array)


def _warn_copy(call: str) -> None:
    warnings.warn(
        "To copy construct from a tensor, it is recommended to use sourceTensor.detach().clone() "
        "or "
        f"sourceTensor.detach().clone().requires_grad_(True), rather than {call}.",
        UserWarning,
        stacklevel=3,
    )


def copied(data: Any, d: np.dtype | None) -> np.ndarray:
    """A new array with the elements of any data, in NumPy dtype ``d`` or the inferred one."""
    kind = type(data)
    if kind in _SEQUENCES:
        return from_sequence(data, d)
    if kind in _NUMBERS:
        return from_numbers(data, {kind}, d)
    if isinstance(data, Tensor):
        return np.array(gpu.to_host(data._data), d, order="K", subok=False)
    if isinstance(data, np.ndarray):
        return cast(checked(data), d, copy=True)
    if isinstance(data, np.generic):
        return cast(checked(np.asarray(data)), d, copy=True)
    return from_other(data, d)


def cast(array: np.ndarray, d: np.dtype | None, copy: bool = False) -> np.ndarray:
    """An array in dtype ``d`` as C casts: floats truncate, integers wrap around."""
    if d is None or array.dtype == d:
        return array.copy("K") if copy else array
    if array.dtype.kind == "c" and d.kind not in "cb":
        warnings.warn(
            "Casting complex values to real discards the imaginary part", UserWarning, stacklevel=4
        )
        array = array.real
    limit = _SATURATING.get(d)
    if limit is not None:
        array = np.clip(array.astype(np.float32), -limit, limit)
    return array.astype(d)


def checked(array: np.ndarray) -> np.ndarray:
    """Refuse arrays no tensor can hold: foreign dtypes and byte orders, negative strides."""
    if array.dtype not in dtypes.BY_NUMPY:
        if array.dtype.newbyteorder("=") in dtypes.BY_NUMPY:
            raise ValueError(
                "given numpy array has byte order different from the native byte order. "
                "Conversion between "
                "byte orders is currently not supported."
            )
        raise TypeError(
            f"can't convert np.ndarray of type numpy.{array.dtype.type.__name__}. The only "
            "supported types "
            "are: float64, float32, float16, complex64, complex128, int64, int32, int16, int8, "
            "uint64, "
            "uint32, uint16, uint8, and bool."
        )
    if array.ndim and min(array.strides) < 0:
        raise ValueError(
            "At least one stride in the given numpy array is negative, and tensors with negative "
            "strides "
            "are not currently supported. (You can probably work around this by making a copy of "
            "your "
            "array  with array.copy().) "
        )
    return array


# ---- nested sequences ----------------------------------------------------------------------------


def from_sequence(data: list | tuple, d: np.dtype | None) -> np.ndarray:
    """An array of nested lists; at C's speed if the leaves are Python numbers."""
    level, kinds = data, {*map(type, data)}
    while kinds and kinds <= _SEQUENCES:
        level = list(chain.from_iterable(level))
        kinds = {*map(type, level)}
    if kinds <= _NUMBERS:
        try:
            return from_numbers(data, kinds, d)
        except ValueError as error:
            if "sequence" not in str(error) and "homogeneous" not in str(error):
                raise
    elif kinds == {np.ndarray}:
        _warn_slow()
    return from_other(
        data, d
    )  # ragged, or leaves that are tensors, arrays, NumPy numbers, or nonsense


def from_numbers(data: object, kinds: set[type], d: np.dtype | None) -> np.ndarray:
    """An array of (nested) Python numbers of these types."""
    if d is None:
        if float in kinds or not kinds:
            default = dtypes.get_default_dtype()
            d = (default.to_complex() if complex in kinds else default).numpy
        elif complex in kinds:
            d = dtypes.get_default_dtype().to_complex().numpy
        else:
            d = (dtypes.int64 if int in kinds else dtypes.bool_).numpy
    code = d.char
    if code in "fd" and complex not in kinds:
        return np.array(data, d)
    if code in "?FD":
        return np.array(data, d)
    if d.kind in "iu":
        return _integers(data, kinds, d)
    if complex in kinds:
        raise TypeError("must be real number, not complex")
    return cast(np.array(data, np.float32), d)


def _integers(data: object, kinds: set[type], d: np.dtype) -> np.ndarray:
    if complex in kinds:
        raise TypeError("'complex' object cannot be interpreted as an integer")
    name = dtypes.BY_NUMPY[d].name
    if float in kinds:
        wide = np.array(data, np.float64)
        if not np.isfinite(wide).all():
            raise RuntimeError(f"value cannot be converted to type {name} without overflow")
    elif d == np.uint64:
        return np.array(data, d)
    else:
        try:
            wide = np.array(data, np.int64)
        except OverflowError:
            raise ValueError("Overflow when unpacking long long") from None
        if d == np.int64:
            return wide
    info = np.iinfo(d)
    low = -int(info.max) if d.kind == "u" else int(info.min)
    # 2^63 rounds up in float64: compare with the first number that is too large.
    if wide.size and (
        wide.min() < low
        or (wide >= float(info.max) + 1 if float in kinds else wide > info.max).any()
    ):
        raise RuntimeError(f"value cannot be converted to type {name} without overflow")
    return wide.astype(np.int64).astype(d) if d != np.uint64 else wide.astype(d)


def _warn_slow() -> None:
    warnings.warn(
        "Creating a tensor from a list of numpy.ndarrays is extremely slow. Please consider "
        "converting the "
        "list to a single numpy.ndarray with numpy.array() before converting to a tensor.",
        UserWarning,
        stacklevel=5,
    )


def from_other(data: object, d: np.dtype | None) -> np.ndarray:
    """The general walk over any sequence, element by element, as PyTorch walks and complains."""
    if isinstance(data, str):
        infer(data)
    sizes = sizes_of(data)
    inferred = infer(data)
    flat: list = []
    collect(data, sizes, 0, flat, (d or inferred.numpy).kind)
    result = from_numbers(flat, {*map(type, flat)}, d or inferred.numpy)
    return result.reshape(sizes)


def infer(data: Any) -> dtypes.dtype:
    """The dtype that holds every element."""
    if isinstance(data, bool):
        return dtypes.bool_
    if isinstance(data, (np.generic, np.ndarray)):
        return dtypes.of_array(data)
    if isinstance(data, (int, float, complex)):
        return dtypes.scalar_dtype(data)
    if isinstance(data, Tensor):
        return data.dtype
    if isinstance(data, (str, bytes)):
        raise TypeError(f"new(): invalid data type '{type(data).__name__}'")
    if not is_sequence(data):
        raise RuntimeError(f"Could not infer dtype of {type(data).__name__}")
    found = None
    for item in data:
        if item is data:
            raise TypeError("new(): self-referential lists are incompatible")
        one = infer(item)
        found = one if found is None else dtypes.promote_types(found, one)
    return found or dtypes.get_default_dtype()


def is_sequence(data: Any) -> bool:
    """What has a length and items by position."""
    return (
        hasattr(data, "__len__")
        and hasattr(data, "__getitem__")
        and not isinstance(data, (dict, set))
    )


def sizes_of(data: Any) -> tuple[int, ...]:
    """The sizes along the first element of each level."""
    sizes = []
    while is_sequence(data) and not isinstance(data, (Tensor, np.generic)):
        if isinstance(data, bytes):
            break
        if isinstance(data, str):
            raise ValueError("too many dimensions 'str'")
        sizes.append(len(data))
        if not sizes[-1]:
            break
        data = data[0]
    return tuple(sizes)


def collect(data: Any, sizes: tuple[int, ...], depth: int, flat: list, kind: str) -> None:
    """Append the elements as Python numbers; ``kind`` is NumPy's letter of the target dtype."""
    if depth == len(sizes):
        flat.append(scalar(data, kind))
        return
    items: Any = data
    if not isinstance(data, Iterable) or (isinstance(data, Tensor) and not data.ndim):
        raise TypeError("not a sequence")
    if len(items) != sizes[depth]:
        raise ValueError(
            f"expected sequence of length {sizes[depth]} at dim {depth} (got {len(items)})"
        )
    for item in items:
        collect(item, sizes, depth + 1, flat, kind)


def scalar(item: Any, kind: str) -> bool | int | float | complex:
    """One element as a Python number."""
    if isinstance(item, Tensor):
        if item.numel() != 1:
            if kind in "iu":
                raise TypeError(
                    "only integer tensors of a single element can be converted to an index"
                )
            raise ValueError("only one element tensors can be converted to Python scalars")
        return item.item()
    if isinstance(item, (np.generic, np.ndarray)):
        return item.item()
    if type(item) in _NUMBERS:
        return item
    if isinstance(item, (int, float, complex)):  # subclasses: IntEnum and the like
        bases: tuple[Any, ...] = (int, float, complex)
        return next(base(item) for base in bases if isinstance(item, base))
    if kind in "iub":
        raise TypeError(f"'{type(item).__name__}' object cannot be interpreted as an integer")
    raise TypeError(f"must be real number, not {type(item).__name__}")


# ---- sharing memory ------------------------------------------------------------------------------


@public("torch", out=False)
def from_numpy(ndarray):
    """from_numpy(ndarray) -> Tensor

    A tensor that shares memory with a NumPy array: writing to one writes to the other.

    TypeError for other objects and for dtypes no tensor has; ValueError for negative strides.

    >>> a = numpy.array([1, 2, 3])
    >>> t = torch.from_numpy(a)
    >>> t[0] = -1
    >>> a
    array([-1,  2,  3])
    """
    if not isinstance(ndarray, np.ndarray):
        raise TypeError(f"expected np.ndarray (got {_type_path(ndarray)})")
    if not ndarray.flags.writeable:
        _warn_read_only("NumPy array")
    return wrap(np.asarray(checked(ndarray)))


def _type_path(value: object) -> str:
    module = type(value).__module__
    return type(value).__name__ if module == "builtins" else f"{module}.{type(value).__name__}"


def _warn_read_only(what: str) -> None:
    warnings.warn(
        f"The given {what} is not writable, and PyTorch does not support non-writable tensors. "
        "Copy it to "
        "protect its data, or make it writable, before converting it to a tensor.",
        UserWarning,
        stacklevel=4,
    )


@public("torch", out=False)
def as_tensor(data, dtype=None, device=None):
    """as_tensor(data, dtype=None, device=None) -> Tensor

    ``data`` as a tensor, without a copy if it is a tensor or a NumPy array of that dtype and
    device.

    >>> a = numpy.array([1, 2, 3])
    >>> torch.as_tensor(a)
    tensor([1, 2, 3])
    """
    d = None if dtype is None else numpy_dtype("as_tensor", dtype)
    if isinstance(data, Tensor):
        return _moved(data, d, device)
    if isinstance(data, np.ndarray):
        array = np.asarray(checked(data))
        return place(cast(array, d), device, False)
    if hasattr(data, "__cuda_array_interface__"):
        return _moved(wrap(checked(gpu.engine().asarray(data))), d, device)
    return place(copied(data, d), device, False)


def _moved(t: Tensor, d: np.dtype | None, device: Any) -> Tensor:
    wanted = t.dtype if d is None else dtypes.BY_NUMPY[d]
    target = t.device if device is None else devices.resolve(device)
    if wanted is t.dtype and target == t.device:
        return t
    return t.to(device=target, dtype=wanted)


@public("torch", out=False)
def asarray(obj, *, dtype=None, device=None, copy=None, requires_grad=False):
    """asarray(obj, *, dtype=None, device=None, copy=None, requires_grad=False) -> Tensor

    ``obj`` as a tensor: shared where possible if ``copy`` is None, always copied if True, never if
    False.

    Takes tensors, NumPy arrays, buffers, objects with ``__dlpack__``, numbers and nested sequences.
    ValueError if ``copy=False`` cannot be honoured.

    >>> torch.asarray([1, 2, 3])
    tensor([1, 2, 3])
    """
    d = None if dtype is None else numpy_dtype("asarray", dtype)
    shared = _shared(obj, d)
    if shared is None:
        if copy is False:
            raise ValueError("can't alias arbitrary sequence into a tensor.")
        return place(copied(obj, d), device, requires_grad)
    wanted = shared.dtype if d is None else dtypes.BY_NUMPY[d]
    target = shared.device if device is None else devices.resolve(device)
    if copy is False:
        _check_alias(shared, wanted, target)
    if copy:
        result = shared.to(device=target, dtype=wanted, copy=True)
    else:
        result = _moved(shared, wanted.numpy, target)
    if isinstance(obj, Tensor) and not (requires_grad and grad_enabled()):
        return result.requires_grad_() if requires_grad else result.detach()
    return result.requires_grad_() if requires_grad else result


def _check_alias(t: Tensor, wanted: dtypes.dtype, target: devices.device) -> None:
    if target != t.device:
        raise ValueError(f"can't alias tensor from device '{t.device}' to '{target}'.")
    if wanted is not t.dtype:
        raise ValueError(
            f"can't alias tensor with dtype '{dtypes.scalar_name(t.dtype)}' into dtype "
            f"'{dtypes.scalar_name(wanted)}'."
        )


def _shared(obj: Any, d: np.dtype | None) -> Tensor | None:
    """A tensor on the memory of ``obj``, or None if it has no array-like memory."""
    if isinstance(obj, Tensor):
        return obj
    if isinstance(obj, np.ndarray):
        return wrap(np.asarray(checked(obj)))
    if isinstance(obj, np.generic):
        return wrap(checked(np.array(obj)))
    if hasattr(obj, "__dlpack__"):
        return from_dlpack(obj)
    if hasattr(obj, "__cuda_array_interface__"):
        return wrap(checked(gpu.engine().asarray(obj)))
    try:
        view = memoryview(obj)
    except TypeError:
        return None
    return frombuffer(view, dtype=dtypes.get_default_dtype() if d is None else dtypes.BY_NUMPY[d])


@public("torch", out=False)
def frombuffer(buffer, *, dtype=_MISSING, count=-1, offset=0, requires_grad=False):
    """frombuffer(buffer, *, dtype, count=-1, offset=0, requires_grad=False) -> Tensor

    A 1-d tensor on the memory of an object with Python's buffer protocol, from byte ``offset``.

    ValueError if the buffer is too short, or its length no multiple of the element size with
    ``count=-1``.

    >>> torch.frombuffer(bytearray([1, 0, 2, 0]), dtype=torch.int16)
    tensor([1, 2], dtype=torch.int16)
    """
    if dtype is _MISSING:
        raise TypeError('frombuffer() missing 1 required positional arguments: "dtype"')
    d = numpy_dtype("frombuffer", dtype)
    try:
        view = memoryview(buffer)
    except TypeError:
        raise ValueError("object does not implement Python buffer protocol.") from None
    length = view.nbytes
    _check_buffer(length, d.itemsize, count, offset)
    if view.readonly:
        _warn_read_only("buffer")
    array = np.frombuffer(view, d, count, offset)
    return finish(array, requires_grad)


def _check_buffer(length: int, size: int, count: int, offset: int) -> None:
    if not length or not count:
        raise ValueError(f"both buffer length ({length}) and count ({count}) must not be 0")
    if not 0 <= offset < length:
        raise ValueError(
            f"offset ({offset} bytes) must be non-negative and no greater than buffer length "
            f"({length} bytes) minus 1"
        )
    if count < 0 and (length - offset) % size:
        raise ValueError(
            f"buffer length ({length - offset} bytes) after offset ({offset} bytes) must be a "
            "multiple of "
            f"element size ({size})"
        )
    if count > 0 and offset + count * size > length:
        raise ValueError(
            f"requested buffer length ({count} * {size} bytes) after offset ({offset} bytes) must "
            "not be "
            f"greater than actual buffer length ({length} bytes)"
        )


# ---- in the likeness of a tensor -----------------------------------------------------------------


@public("Tensor", out=False)
def new_tensor(
    self, data, *, dtype=None, device=None, requires_grad=False, layout=None, pin_memory=False
):
    """new_tensor(data, *, dtype=None, device=None, requires_grad=False) -> Tensor

    A new tensor with a copy of ``data``, by default of this tensor's dtype and device.

    >>> torch.tensor([1, 2], dtype=torch.int8).new_tensor([[0, 1], [2, 3]])
    tensor([[0, 1],
            [2, 3]], dtype=torch.int8)
    """
    check_options(layout, pin_memory)
    if isinstance(data, Tensor):
        _warn_copy("tensor.new_tensor(sourceTensor)")
    d = self._data.dtype if dtype is None else numpy_dtype("new_tensor", dtype)
    return place(copied(data, d), self.device if device is None else device, requires_grad)


@public("Tensor", out=False)
def new(self, *data, device=None):
    """new(*sizes) or new(data) -> Tensor

    The legacy constructor: an uninitialised tensor of these sizes, or a copy of ``data``, of this
    dtype.

    >>> torch.zeros(2).new([1, 2])
    tensor([1., 2.])
    """
    d = self._data.dtype
    if len(data) == 1 and not isinstance(data[0], int):
        if isinstance(data[0], tuple) and hasattr(data[0], "numel"):  # a torch.Size is a shape
            array = np.empty(tuple(data[0]), d)
        else:
            array = copied(data[0], d)
    else:
        array = np.empty(data or (0,), d)
    if type(self._data) is MetaArray:
        return wrap(meta_array(array.shape, d))
    return place(array, self.device if device is None else device, False)
