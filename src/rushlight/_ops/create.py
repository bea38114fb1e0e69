"""Tensors of given sizes: zeros, ones, full, empty, eye, ``*_like`` and ``new_*``."""

from collections.abc import Callable
from typing import Any

import numpy as np

from rushlight._core import device as devices
from rushlight._core import dtypes, fronts, gpu, memory
from rushlight._core.backend import meta_array
from rushlight._core.op import public
from rushlight._core.state import S, thread
from rushlight._core.tensor import PLAIN, Tensor, wrap
from rushlight._ops.factory import (
    allocate,
    as_integer,
    as_number,
    build,
    check_options,
    check_sizes,
    empty_as,
    empty_format,
    finish,
    need_tensor,
    number_as,
    numpy_dtype,
    shape_of,
)
from rushlight._ops.from_data import as_tensor as as_tensor
from rushlight._ops.from_data import from_numpy as from_numpy
from rushlight._ops.from_data import tensor as tensor
from rushlight._ops.ranges import arange as arange
from rushlight._ops.ranges import linspace as linspace
from rushlight._ops.ranges import logspace as logspace

new_zeros_array, new_ones_array, new_array = memory.zeros, memory.ones, memory.empty
F4, I8, INTS = dtypes.float32.numpy, dtypes.int64.numpy, {int}


def filled(shape: tuple[int, ...], value: Any, d: np.dtype) -> np.ndarray:
    """An array of one number."""
    result = new_array(shape, d)
    result.fill(value)
    return result


@public("torch")
@fronts.quick("zeros")
def zeros(
    *shape,
    size=None,
    out=None,
    dtype=None,
    layout=None,
    device=None,
    pin_memory=False,
    requires_grad=False,
):
    """zeros(*size, out=None, dtype=None, layout=torch.strided, device=None, requires_grad=False) ->
        Tensor

    A tensor of zeros.

    >>> torch.zeros(2, 3)
    tensor([[0., 0., 0.],
            [0., 0., 0.]])
    """
    shape = shape_of("zeros", shape, size)
    return build(
        "zeros", new_zeros_array, shape, dtype, out, layout, device, pin_memory, requires_grad
    )


@public("torch")
@fronts.quick("ones")
def ones(
    *shape,
    size=None,
    out=None,
    dtype=None,
    layout=None,
    device=None,
    pin_memory=False,
    requires_grad=False,
):
    """ones(*size, out=None, dtype=None, layout=torch.strided, device=None, requires_grad=False) ->
        Tensor

    A tensor of ones.

    >>> torch.ones(2, dtype=torch.int64)
    tensor([1, 1])
    """
    shape = shape_of("ones", shape, size)
    return build(
        "ones", new_ones_array, shape, dtype, out, layout, device, pin_memory, requires_grad
    )


@public("torch")
@fronts.quick("empty")
def empty(
    *shape,
    size=None,
    out=None,
    dtype=None,
    layout=None,
    device=None,
    pin_memory=False,
    requires_grad=False,
    memory_format=None,
):
    """empty(*size, out=None, dtype=None, device=None, requires_grad=False, memory_format=...) ->
        Tensor

    A tensor whose elements are whatever the memory held.

    >>> torch.empty(2, 3).shape
    torch.Size([2, 3])
    """
    shape = shape_of("empty", shape, size)
    if memory_format is None:
        make = new_array
    else:

        def make(shape, d):
            return empty_format(shape, d, memory_format)

    return build("empty", make, shape, dtype, out, layout, device, pin_memory, requires_grad)


@public("torch")
def full(
    size,
    fill_value,
    *,
    out=None,
    dtype=None,
    layout=None,
    device=None,
    pin_memory=False,
    requires_grad=False,
):
    """full(size, fill_value, *, out=None, dtype=None, ...) -> Tensor

    A tensor of ``fill_value``; its dtype is that of the number unless given.

    >>> torch.full((2, 2), 7)
    tensor([[7, 7],
            [7, 7]])
    """
    if (
        type(size) is tuple
        and out is layout is device is dtype is None
        and not pin_memory
        and not requires_grad
        and (not size or ({*map(type, size)} == INTS and min(size) >= 0))
        and devices.get_default_device() is devices.CPU
    ):
        kind = type(fill_value)
        d = dtypes.get_default_dtype().numpy if kind is float else I8 if kind is int else None
        if d is not None and -3e38 < fill_value < 2**63 and (d is F4 or d is I8):
            return wrap(filled(size, fill_value, d))
    if not isinstance(size, (tuple, list)):
        raise TypeError(
            f"full(): argument 'size' (position 1) must be tuple of ints, not {type(size).__name__}"
        )
    if dtype is None and out is None:
        dtype = fill_value.dtype if isinstance(fill_value, Tensor) else None
    value = as_number("full", "fill_value", 2, fill_value)
    if dtype is None and out is None:
        dtype = dtypes.scalar_dtype(value)

    def make(shape, d):
        result = new_array(shape, d)
        result.fill(number_as(value, dtypes.BY_NUMPY[d]))
        return result

    shape = shape_of("full", (size,))
    return build("full", make, shape, dtype, out, layout, device, pin_memory, requires_grad)


@public("torch")
def eye(
    n,
    m=None,
    *,
    out=None,
    dtype=None,
    layout=None,
    device=None,
    pin_memory=False,
    requires_grad=False,
):
    """eye(n, m=None, *, out=None, dtype=None, ...) -> Tensor

    An ``n`` x ``m`` matrix (``m`` defaults to ``n``) with ones on the diagonal and zeros elsewhere.

    >>> torch.eye(2)
    tensor([[1., 0.],
            [0., 1.]])
    """
    n = as_integer("eye", "n", 1, n)
    m = n if m is None else as_integer("eye", "m", 2, m)
    for name, value in (("n", n), ("m", m)):
        if value < 0:
            raise RuntimeError(f"{name} must be greater or equal to 0, got {value}")

    def make(shape, d):
        result = new_zeros_array((n, m), d)
        result.reshape(-1)[: min(n, m) * (m + 1) : m + 1] = 1
        return result

    return build("eye", make, (n, m), dtype, out, layout, device, pin_memory, requires_grad)


@public("torch", out=False)
def empty_strided(
    size, stride, *, dtype=None, layout=None, device=None, requires_grad=False, pin_memory=False
):
    """empty_strided(size, stride, *, dtype=None, ...) -> Tensor

    An uninitialised tensor with these strides, counted in elements.

    >>> torch.empty_strided((2, 3), (1, 2)).stride()
    (1, 2)
    """
    shape = shape_of("empty_strided", (size,))
    if len(shape) != len(stride):
        raise RuntimeError(
            f"dimensionality of sizes ({len(shape)}) must match dimensionality of strides "
            f"({len(stride)})"
        )
    check_sizes("empty_strided", shape)
    if any(s < 0 for s in stride):
        raise RuntimeError(
            f"Storage size calculation overflowed with sizes={list(shape)} and "
            f"strides={list(stride)}"
        )
    d = numpy_dtype("empty_strided", dtype)

    def make(shape, d):
        return strided(shape, tuple(stride), d)

    return build(
        "empty_strided",
        make,
        shape,
        dtypes.BY_NUMPY[d],
        None,
        layout,
        device,
        pin_memory,
        requires_grad,
    )


def strided(shape: tuple[int, ...], stride: tuple[int, ...], d: np.dtype) -> np.ndarray:
    """An uninitialised array with these strides, in elements."""
    span = 0 if 0 in shape else 1 + sum((n - 1) * s for n, s in zip(shape, stride, strict=True))
    return np.ndarray(shape, d, np.empty(span, d), 0, tuple(s * d.itemsize for s in stride))


@public("torch", out=False)
def empty_permuted(
    size,
    physical_layout,
    *,
    dtype=None,
    layout=None,
    device=None,
    requires_grad=False,
    pin_memory=False,
):
    """empty_permuted(size, physical_layout, *, dtype=None, ...) -> Tensor

    An uninitialised dense tensor whose dimensions lie in memory in the order ``physical_layout``.

    >>> torch.empty_permuted((2, 3, 4), (0, 2, 1)).stride()
    (12, 1, 3)
    """
    shape = shape_of("empty_permuted", (size,))
    if len(shape) != len(physical_layout):
        raise RuntimeError(
            "Number of dimensions in size does not match the length of the physical_layout; i.e. "
            "len(size) = "
            f"{len(shape)} is not equal to len(physical_layout) = {len(physical_layout)}"
        )
    for i, dim in enumerate(physical_layout):
        if not 0 <= dim < len(shape):
            raise RuntimeError(
                f"Dimension out of range (expected to be between 0 and {len(shape) - 1}, but got "
                f"{dim} at index {i}).  NB: negative dims not currently supported; file an issue "
                "if you want it."
            )
        if dim in physical_layout[:i]:
            raise RuntimeError("Duplicate dim not allowed")

    def make(shape, d):
        stored = np.empty([shape[i] for i in physical_layout], d)
        return stored.transpose(np.argsort(physical_layout))

    return build(
        "empty_permuted", make, shape, dtype, None, layout, device, pin_memory, requires_grad
    )


@public("torch", out=False)
def scalar_tensor(
    s, *, dtype=None, layout=None, device=None, pin_memory=False, requires_grad=False
):
    """scalar_tensor(s, *, dtype=None, ...) -> Tensor

    A 0-d tensor of a number, of the default dtype unless given.

    >>> torch.scalar_tensor(3)
    tensor(3.)
    """
    value = as_number("scalar_tensor", "s", 1, s)

    def make(shape, d):
        return np.full((), number_as(value, dtypes.BY_NUMPY[d]), d)

    return build("scalar_tensor", make, (), dtype, None, layout, device, pin_memory, requires_grad)


# ---- in the likeness of a tensor -----------------------------------------------------------------


def _like(
    name: str,
    fill: object,
    input: Tensor,
    dtype: object,
    layout: object,
    device: Any,
    pin_memory: bool,
    requires_grad: bool,
    memory_format: object,
) -> Tensor:
    """A new tensor of ``input``'s shape and memory layout; ``fill`` is None or a number."""
    if (
        dtype is layout is device is memory_format is None
        and type(input) in PLAIN
        and not pin_memory
        and not requires_grad
    ):
        x = input._data
        if type(x) is np.ndarray and x.flags.c_contiguous:
            if fill:
                return wrap(filled(x.shape, number_as(fill, dtypes.BY_NUMPY[x.dtype]), x.dtype))
            return wrap((new_array if fill is None else new_zeros_array)(x.shape, x.dtype))
    need_tensor(name, "input", input)
    check_options(layout, pin_memory)
    x = input._data
    d = x.dtype if dtype is None else numpy_dtype(name, dtype)
    if device is None and type(x) is np.ndarray:
        result = empty_as(x, d, memory_format)
    else:
        place = input.device if device is None else devices.resolve(device)
        if place.type == "meta":
            return finish(meta_array(x.shape, d), requires_grad)
        there = (type(x) is gpu.cuda.kind or place.type == "cuda") and not (
            hasattr(x, "filled") and place == input.device  # a batch makes its own
        )
        result = (
            like_elsewhere(x, d, memory_format, place) if there else empty_as(x, d, memory_format)
        )
    if fill is not None:
        number = number_as(fill, dtypes.BY_NUMPY[d]) if fill else fill
        if type(result) is np.ndarray:
            result.fill(number)
        else:
            with gpu.where(result):
                result.fill(number)
    return finish(result, requires_grad)


def like_elsewhere(x: Any, d: np.dtype, memory_format: object, place: devices.device) -> Any:
    """An uninitialised array on ``place``, in the memory layout of ``x`` of any device."""
    stored, back = gpu.by_memory(x)
    if memory_format is not None and memory_format is not devices.preserve_format:
        made = empty_format(x.shape, d, memory_format)
        return made if place.type == "cpu" else gpu.to_device(made, place)
    if place.type == "cpu":
        return np.empty(stored.shape, d).transpose(back)
    with gpu.on(place.index or 0):
        return gpu.engine().empty(stored.shape, d).transpose(back)


@public("torch", out=False)
def zeros_like(
    input,
    *,
    dtype=None,
    layout=None,
    device=None,
    pin_memory=False,
    requires_grad=False,
    memory_format=None,
):
    """zeros_like(input, *, dtype=None, ..., memory_format=torch.preserve_format) -> Tensor

    Zeros of ``input``'s shape, and of its dtype, device and memory layout unless given.

    >>> torch.zeros_like(torch.tensor([1, 2]))
    tensor([0, 0])
    """
    return _like(
        "zeros_like", 0, input, dtype, layout, device, pin_memory, requires_grad, memory_format
    )


@public("torch", out=False)
def ones_like(
    input,
    *,
    dtype=None,
    layout=None,
    device=None,
    pin_memory=False,
    requires_grad=False,
    memory_format=None,
):
    """ones_like(input, *, dtype=None, ..., memory_format=torch.preserve_format) -> Tensor

    Ones of ``input``'s shape, and of its dtype, device and memory layout unless given.

    >>> torch.ones_like(torch.tensor([1.0, 2.0]))
    tensor([1., 1.])
    """
    return _like(
        "ones_like", 1, input, dtype, layout, device, pin_memory, requires_grad, memory_format
    )


@public("torch", out=False)
def full_like(
    input,
    fill_value,
    *,
    dtype=None,
    layout=None,
    device=None,
    pin_memory=False,
    requires_grad=False,
    memory_format=None,
):
    """full_like(input, fill_value, *, dtype=None, ...) -> Tensor

    ``fill_value`` everywhere, in ``input``'s shape, and its dtype, device and memory layout unless
    given.

    >>> torch.full_like(torch.zeros(2), 3)
    tensor([3., 3.])
    """
    value = as_number("full_like", "fill_value", 2, fill_value)
    return _like(
        "full_like", value, input, dtype, layout, device, pin_memory, requires_grad, memory_format
    )


@public("torch", out=False)
def empty_like(
    input,
    *,
    dtype=None,
    layout=None,
    device=None,
    pin_memory=False,
    requires_grad=False,
    memory_format=None,
):
    """empty_like(input, *, dtype=None, ..., memory_format=torch.preserve_format) -> Tensor

    An uninitialised tensor of ``input``'s shape, and of its dtype, device and memory layout unless
    given.

    >>> torch.empty_like(torch.zeros(2, 3).t()).stride()
    (1, 3)
    """
    return _like(
        "empty_like", None, input, dtype, layout, device, pin_memory, requires_grad, memory_format
    )


def _new(
    name: str,
    make: Callable,
    self: Tensor,
    shape: tuple,
    dtype: object,
    layout: object,
    device: Any,
    pin_memory: bool,
    requires_grad: bool,
) -> Tensor:
    x = self._data
    if (
        dtype is layout is device is None
        and type(x) is np.ndarray
        and not pin_memory
        and not requires_grad
        and not S.special
        and (not shape or min(shape) >= 0)
    ):
        return wrap(allocate(make, shape, x.dtype))
    result = build(
        name,
        make,
        shape,
        self.dtype if dtype is None else dtype,
        None,
        layout,
        self.device if device is None else device,
        pin_memory,
        requires_grad,
    )
    if S.special and thread.levels:  # inside a vmap it has the batch too, so that it can be filled
        return thread.levels[-1].like(self, result)
    return result


@public("Tensor", out=False)
def new_zeros(
    self,
    *shape,
    size=None,
    dtype=None,
    device=None,
    requires_grad=False,
    layout=None,
    pin_memory=False,
):
    """new_zeros(*size, dtype=None, device=None, requires_grad=False) -> Tensor

    Zeros of these sizes, by default of this tensor's dtype and device.

    >>> torch.tensor([True]).new_zeros(2)
    tensor([False, False])
    """
    shape = shape_of("new_zeros", shape, size)
    return _new(
        "new_zeros", new_zeros_array, self, shape, dtype, layout, device, pin_memory, requires_grad
    )


@public("Tensor", out=False)
def new_ones(
    self,
    *shape,
    size=None,
    dtype=None,
    device=None,
    requires_grad=False,
    layout=None,
    pin_memory=False,
):
    """new_ones(*size, dtype=None, device=None, requires_grad=False) -> Tensor

    Ones of these sizes, by default of this tensor's dtype and device.

    >>> torch.tensor([1, 2]).new_ones(2, 1)
    tensor([[1],
            [1]])
    """
    shape = shape_of("new_ones", shape, size)
    return _new(
        "new_ones", new_ones_array, self, shape, dtype, layout, device, pin_memory, requires_grad
    )


@public("Tensor", out=False)
def new_empty(
    self,
    *shape,
    size=None,
    dtype=None,
    device=None,
    requires_grad=False,
    layout=None,
    pin_memory=False,
):
    """new_empty(*size, dtype=None, device=None, requires_grad=False) -> Tensor

    An uninitialised tensor of these sizes, by default of this tensor's dtype and device.

    >>> torch.ones(()).new_empty(2, 3).shape
    torch.Size([2, 3])
    """
    shape = shape_of("new_empty", shape, size)
    return _new(
        "new_empty", new_array, self, shape, dtype, layout, device, pin_memory, requires_grad
    )


@public("Tensor", out=False)
def new_full(
    self,
    size,
    fill_value,
    *,
    dtype=None,
    device=None,
    requires_grad=False,
    layout=None,
    pin_memory=False,
):
    """new_full(size, fill_value, *, dtype=None, device=None, requires_grad=False) -> Tensor

    ``fill_value`` in these sizes, by default of this tensor's dtype and device.

    >>> torch.ones(2).new_full((3,), 3.5)
    tensor([3.5000, 3.5000, 3.5000])
    """
    value = as_number("new_full", "fill_value", 2, fill_value)

    def make(shape, d):
        result = new_array(shape, d)
        result.fill(number_as(value, dtypes.BY_NUMPY[d]))
        return result

    shape = shape_of("new_full", (size,))
    return _new("new_full", make, self, shape, dtype, layout, device, pin_memory, requires_grad)


@public("Tensor", out=False)
def new_empty_strided(
    self,
    size,
    stride,
    *,
    dtype=None,
    device=None,
    requires_grad=False,
    layout=None,
    pin_memory=False,
):
    """new_empty_strided(size, stride, *, dtype=None, device=None, requires_grad=False) -> Tensor

    An uninitialised tensor with these strides, by default of this tensor's dtype and device.

    >>> torch.ones(()).new_empty_strided((2, 3), (1, 2)).stride()
    (1, 2)
    """
    return empty_strided(
        size,
        stride,
        dtype=self.dtype if dtype is None else dtype,
        layout=layout,
        device=self.device if device is None else device,
        requires_grad=requires_grad,
        pin_memory=pin_memory,
    )
