"""What creation functions share: sizes, dtype and device arguments, memory formats, ``out=``."""

import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from rushlight._core import device as devices
from rushlight._core import dtypes, gpu, memory
from rushlight._core.backend import meta_array
from rushlight._core.dispatch import write_out
from rushlight._core.tensor import Tensor, wrap

default_dtype, default_device = dtypes.get_default_dtype, devices.get_default_device
resolve, CPU = devices.resolve, devices.CPU
_BUILTIN = {
    float: dtypes.float64,
    int: dtypes.int64,
    bool: dtypes.bool_,
    complex: dtypes.complex128,
}
_CHANNELS_LAST = {
    devices.channels_last: (4, (0, 3, 1, 2)),
    devices.channels_last_3d: (5, (0, 4, 1, 2, 3)),
}
_C_NAMES = {
    "int8": "int8_t",
    "uint8": "uint8_t",
    "int16": "int16_t",
    "int32": "int",
    "int64": "int64_t",
    "float32": "float",
    "float64": "double",
    "float16": "at::Half",
    "bfloat16": "at::BFloat16",
    "uint16": "uint16_t",
    "uint32": "uint32_t",
    "uint64": "uint64_t",
}


def shape_of(name: str, loose: tuple, size: object = None) -> tuple[int, ...]:
    """The shape meant by ``f(2, 3)``, ``f((2, 3))``, ``f(size=(2, 3))``; signs are not checked."""
    if size is not None:
        loose = (size,)
    elif not loose:
        raise TypeError(f'{name}() missing 1 required positional arguments: "size"')
    if len(loose) == 1 and isinstance(loose[0], (tuple, list)):
        given, nested = loose[0], True
    else:
        given, nested = loose, False
    shape = []
    for i, s in enumerate(given):
        if type(s) is not int:
            s = _one_size(name, s, i, nested)
        shape.append(s)
    return tuple(shape)


def _one_size(name: str, s: Any, i: int, nested: bool) -> int:
    kind = type(s).__name__
    start = f"{name}(): argument 'size' (position 1) must be tuple of ints, "
    if not (type(s) is bool and i == 0):
        try:
            return operator.index(s)
        except TypeError:
            pass
    if nested:
        raise TypeError(f"{start}but found element of type {kind} at pos {i}") from None
    raise TypeError(f"{start}not {kind}") from None


def check_sizes(name: str, shape: tuple[int, ...]) -> None:
    """Refuse negative sizes in PyTorch's words."""
    for s in shape:
        if s < 0:
            if name == "zeros":
                raise RuntimeError("zeros: Dimension size must be non-negative.")
            raise RuntimeError(
                f"Trying to create tensor with negative dimension {s}: {list(shape)}"
            )


def numpy_dtype(name: str, dtype: object) -> np.dtype:
    """NumPy's dtype for a ``dtype=`` argument; None means the default floating-point dtype."""
    if dtype is None:
        return dtypes.get_default_dtype().numpy
    if type(dtype) is not dtypes.dtype:
        if dtype not in _BUILTIN:
            raise TypeError(
                f"{name}(): argument 'dtype' must be torch.dtype, not {type(dtype).__name__}"
            )
        dtype = _BUILTIN[dtype]
    if dtype.numpy is None:
        raise NotImplementedError(f"tensors of {dtype} are not supported; use torch.complex64")
    return dtype.numpy


def check_options(layout: object, pin_memory: bool) -> None:
    """Refuse what creation cannot honour."""
    if pin_memory and not gpu.is_available():
        raise RuntimeError(
            "pin_memory=True requires a CUDA or other accelerator backend; no pinned memory "
            "allocator is "
            "available on this system."
        )
    if layout is not None and layout is not devices.strided:
        raise NotImplementedError(f"layout={layout} is not supported here: create a strided tensor")


def finish(array: np.ndarray, requires_grad: bool = False) -> Tensor:
    """The new leaf around an array."""
    t = wrap(array)
    if requires_grad:
        if array.dtype not in dtypes.FLOATING_NUMPY:
            raise RuntimeError(
                "Only Tensors of floating point and complex dtype can require gradients"
            )
        t.requires_grad = True
    return t


def build(
    name: str,
    make: Callable[[tuple[int, ...], np.dtype], np.ndarray],
    shape: tuple[int, ...],
    dtype: object,
    out: Tensor | None = None,
    layout: object = None,
    device: Any = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
) -> Tensor:
    """The result of a creation function: ``make(shape, numpy dtype)`` on the right device, or in
    ``out``.
    """
    if layout is not None or pin_memory:
        check_options(layout, pin_memory)
    if shape and min(shape) < 0:
        check_sizes(name, shape)
    if out is not None:
        return build_out(name, make, shape, dtype, out, device, requires_grad)
    d = default_dtype().numpy if dtype is None else numpy_dtype(name, dtype)
    if device is not None or default_device() is not CPU:
        place = resolve(device)
        if place.type != "cpu":
            if pin_memory:
                raise RuntimeError("Only dense CPU tensors can be pinned")
            return finish(build_there(make, shape, d, place), requires_grad)
    array = allocate(make, shape, d)
    if pin_memory:
        array = gpu.pinned(array)
    return finish(array, True) if requires_grad else wrap(array)


_SAME_NAME = (memory.zeros, memory.ones, memory.empty)


def build_there(make: Callable, shape: tuple[int, ...], d: np.dtype, place: devices.device) -> Any:
    """An array of the meta device, or what ``make`` gives on a CUDA device."""
    if place.type == "meta":
        return meta_array(shape, d)
    if make in _SAME_NAME:
        with gpu.on(place.index or 0):
            return getattr(gpu.engine(), make.__name__)(shape, d)
    return gpu.to_device(allocate(make, shape, d), place)


def allocate(make: Callable, shape: tuple[int, ...], d: np.dtype) -> np.ndarray:
    """``make(shape, d)`` with PyTorch's errors for sizes no memory holds."""
    try:
        return make(shape, d)
    except MemoryError:
        size = d.itemsize * int(np.prod(shape, dtype=object))
        raise RuntimeError(
            f"DefaultCPUAllocator: can't allocate memory: you tried to allocate {size} bytes. "
            "Error code 12 "
            "(Cannot allocate memory)"
        ) from None
    except ValueError as error:
        if "dimension" not in str(error) and "array is too big" not in str(error):
            raise
        raise RuntimeError(
            f"Storage size calculation overflowed with sizes={list(shape)}"
        ) from None


def build_out(
    name: str,
    make: Callable,
    shape: tuple,
    dtype: object,
    out: Tensor,
    device: Any,
    requires_grad: bool,
) -> Tensor:
    """Write what ``make`` gives into ``out``, in ``out``'s dtype."""
    if not isinstance(out, Tensor):
        raise TypeError(f"{name}(): argument 'out' must be Tensor, not {type(out).__name__}")
    if dtype is not None and dtypes.BY_NUMPY[numpy_dtype(name, dtype)] is not out.dtype:
        given = dtypes.scalar_name(dtypes.BY_NUMPY[numpy_dtype(name, dtype)])
        raise RuntimeError(
            f"dtype {given} does not match dtype of out parameter ({dtypes.scalar_name(out.dtype)})"
        )
    if device is not None and devices.resolve(device).type != out.device.type:
        raise RuntimeError(
            f"device type {devices.resolve(device).type} does not match device type of out "
            "parameter "
            f"({out.device.type})"
        )
    array: Any = allocate(make, shape, out.dtype.numpy)
    if out.is_cuda:
        array = gpu.to_device(array, out.device)
    write_out(f"aten::{name}", wrap(array), out)
    return out.requires_grad_() if requires_grad else out


def empty_format(shape: tuple[int, ...], d: np.dtype, memory_format: object = None) -> np.ndarray:
    """An uninitialised array in a memory format: contiguous, or channels last."""
    if memory_format is None or memory_format is devices.contiguous_format:
        return memory.empty(shape, d)
    if memory_format not in _CHANNELS_LAST:
        raise RuntimeError("unsupported memory format Preserve")
    rank, order = _CHANNELS_LAST[memory_format]
    if len(shape) != rank:
        raise RuntimeError(f"required rank {rank} tensor to use {memory_format.name} format")
    stored = (shape[0], *shape[2:], shape[1])
    return memory.empty(stored, d).transpose(order)


def empty_as(x: np.ndarray, d: np.dtype | None = None, memory_format: object = None) -> np.ndarray:
    """An uninitialised array shaped like ``x``, by default in its memory layout."""
    if memory_format is None or memory_format is devices.preserve_format:
        order: Any = "C" if 0 in x.strides else "K"  # an expanded tensor has no order to keep
        if type(x) is gpu.cuda.kind:
            return gpu.to_device(np.empty(x.shape, d or x.dtype), gpu.place_of(x))
        if hasattr(x, "filled"):  # of a batch, for each example
            return x.filled(x.shape, d or x.dtype)
        return memory.empty_like(x, d, order)
    return empty_format(x.shape, d or x.dtype, memory_format)


def number_as(value: Any, d: dtypes.dtype, name: str | None = None) -> object:
    """A Python number as NumPy takes it into ``d``; RuntimeError where PyTorch's checked conversion
    fails.

    Negative integers wrap around in unsigned dtypes, as in C.
    """
    kind = type(value)
    if d is dtypes.float32 and (kind is float or kind is int) and -3.4e38 < value < 3.4e38:
        return value
    if d is dtypes.int64 and kind is int and -(2**63) <= value < 2**63:
        return value
    name = name or _C_NAMES.get(d.name, d.name)
    if d.category == dtypes.COMPLEX:
        return value
    if d.category == dtypes.BOOL:
        return bool(value)
    failure = RuntimeError(f"value cannot be converted to type {name} without overflow")
    if isinstance(value, (complex, np.complexfloating)):
        if value.imag:
            raise failure
        value = value.real
    if d.category == dtypes.FLOATING:
        return _float_as(value, d, failure)
    return _integer_as(value, d, failure)


def _float_as(value: Any, d: dtypes.dtype, failure: RuntimeError) -> float:
    value = float(value)
    if np.isfinite(value) and d.itemsize > 1 and abs(value) > dtypes.finfo(d).max:
        raise failure
    return value


def _integer_as(value: Any, d: dtypes.dtype, failure: RuntimeError) -> int:
    if isinstance(value, (float, np.floating)) and not np.isfinite(value):
        raise failure
    info = np.iinfo(d.numpy)
    low = int(info.min) if d.is_signed else -int(info.max)
    if not low <= value <= info.max:
        raise failure
    value = int(value)
    return value if value >= 0 or d.is_signed else value + int(info.max) + 1


def is_number(value: object) -> bool:
    """A Python or NumPy number, or a 0-d tensor that may stand for one."""
    if isinstance(value, Tensor):
        return value.ndim == 0
    return isinstance(value, (int, float, complex, np.number, np.bool_))


def as_number(name: str, argument: str, position: int, value: object) -> Any:
    """The number an argument holds (a 0-d tensor stands for its item)."""
    if not is_number(value):
        raise TypeError(
            f"{name}(): argument '{argument}' (position {position}) must be Number, not "
            f"{type(value).__name__}"
        )
    return value.item() if isinstance(value, (Tensor, np.generic)) else value


def as_integer(name: str, argument: str, position: int, value: Any) -> int:
    """The integer an argument holds; TypeError for anything else."""
    if type(value) is int:
        return value
    try:
        if type(value) is not bool:
            return operator.index(value)
    except TypeError:
        pass
    raise TypeError(
        f"{name}(): argument '{argument}' (position {position}) must be int, not "
        f"{type(value).__name__}"
    ) from None


def need_tensor(name: str, argument: str, value: object) -> None:
    """Refuse what is not a tensor."""
    if not isinstance(value, Tensor):
        raise TypeError(
            f"{name}(): argument '{argument}' (position 1) must be Tensor, not "
            f"{type(value).__name__}"
        )
