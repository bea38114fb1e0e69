"""Copies and casts: clone, contiguous, copy_, to, fill_, zero_, detach."""

import numpy as np

from rushlight._core import device as devices
from rushlight._core import dtypes, fronts, gpu, inplace
from rushlight._core.backend import MetaArray, meta_array
from rushlight._core.casting import assign, astype
from rushlight._core.float8 import NARROW
from rushlight._core.op import Op, public
from rushlight._core.sparse import SparseArray, wrap_sparse
from rushlight._core.state import S, grad_enabled, thread
from rushlight._core.tensor import (
    Node,
    Parameter,
    Tensor,
    cell,
    check_inference,
    live_node,
    new,
    wrap,
)

ndarray = np.ndarray
F4, I8 = dtypes.float32.numpy, dtypes.int64.numpy


class Clone(Op):
    """clone(input, *, memory_format=torch.preserve_format) -> Tensor

    A copy with history.

    >>> torch.ones(2).clone()
    tensor([1., 1.])
    """

    linear = True
    half = "native"
    public = ()

    def forward(xp, x, order="K"):
        return x.copy(order="C" if 0 in x.strides else order)  # expanded: no order to keep

    def vjp(g):
        return g


@public("torch", "Tensor", out=False)
def clone(input, *, memory_format=devices.preserve_format):
    """clone(input, *, memory_format=torch.preserve_format) -> Tensor

    A copy with history.

    >>> torch.ones(2).clone()
    tensor([1., 1.])
    """
    if memory_format in (devices.channels_last, devices.channels_last_3d):
        return channels_last(input, memory_format)
    return Clone.call(input, "K" if memory_format is devices.preserve_format else "C")


def channels_last(input, memory_format):
    """A copy whose channel dimension varies fastest in memory."""
    ndim = 4 if memory_format is devices.channels_last else 5
    if input.ndim != ndim:
        name = str(memory_format).removeprefix("torch.")
        raise RuntimeError(f"required rank {ndim} tensor to use {name} format")
    order = (0, *range(2, input.ndim), 1)
    back = (0, input.ndim - 1, *range(1, input.ndim - 1))
    return Clone.call(input.permute(order), "C").permute(back)


def is_contiguous_as(input, memory_format):
    """Is the memory laid out this way?"""
    x = input._data
    if memory_format in (devices.channels_last, devices.channels_last_3d):
        ndim = 4 if memory_format is devices.channels_last else 5
        if x.ndim != ndim:
            return False
        order = (0, *range(2, ndim), 1)
        if type(x) is np.ndarray:
            return x.transpose(order).flags.c_contiguous
    elif type(x) is not MetaArray:
        return x.flags.c_contiguous if type(x) is np.ndarray else is_contiguous_whole(input, x)
    else:
        order = tuple(range(x.ndim))
    return _is_dense(input, order)


def is_contiguous_whole(input, x):
    """Of a batch that vmap maps over, is the whole of it contiguous?"""
    whole = getattr(x, "value", None)
    return x.flags.c_contiguous if whole is None else whole.is_contiguous()


def _is_dense(input, order):
    """Do the strides say that the dimensions follow each other in this order, without gaps?"""
    step = 1
    for dim in reversed(order) if input.numel() else ():
        if input.shape[dim] != 1 and input.stride(dim) != step:
            return False
        step *= max(input.shape[dim], 1)
    return True


@public("Tensor", out=False)
@fronts.fact
def is_contiguous(self, memory_format=devices.contiguous_format):
    """is_contiguous(memory_format=torch.contiguous_format) -> bool

    >>> torch.ones(2, 3).t().is_contiguous()
    False
    """
    if type(self._data) is ndarray and memory_format is devices.contiguous_format:
        return self._data.flags.c_contiguous
    return is_contiguous_as(self, memory_format)


@public("Tensor", out=False)
@fronts.fact
def contiguous(self, memory_format=devices.contiguous_format):
    """contiguous(memory_format=torch.contiguous_format) -> Tensor

    Itself if laid out so, else a copy.

    >>> torch.ones(2, 3).t().contiguous().stride()
    (2, 1)
    """
    if memory_format is devices.preserve_format or is_contiguous_as(self, memory_format):
        return self
    return clone(self, memory_format=memory_format)


def copy_for(input, *others):
    """A copy to write ``others`` into: inside a vmap it has the batch if one of them does."""
    if S.special and thread.levels:
        return thread.levels[-1].copy_for(input, others)
    return input.clone()


class Copy(Op):
    """``copy_`` is its in-place form: the other tensor's elements, broadcast and cast."""

    tensors = ("input", "other")
    inplace = True
    promote = "keep"
    public = ()
    grad_name = "CopyBackwards"

    def forward(xp, x, y, non_blocking=False):
        if x.shape != y.shape:
            y = broadcast(y, x.shape)
        return convert(y, x.dtype)

    def vjp_input(g):
        return g.new_zeros(g.shape)

    def vjp_other(g):
        return g


def broadcast(y, shape):
    """``y`` broadcast to ``shape``, or PyTorch's error."""
    try:
        return gpu.module_of(y).broadcast_to(y, shape)
    except ValueError:
        lead = len(shape) - y.ndim
        at = next(
            (i for i in range(len(shape)) if i >= lead and y.shape[i - lead] not in (1, shape[i])),
            0,
        )
        if lead < 0:
            raise RuntimeError(
                f"output with shape {list(shape)} doesn't match the broadcast shape {list(y.shape)}"
            ) from None
        raise RuntimeError(
            f"The size of tensor a ({shape[at]}) must match the size of tensor b "
            f"({y.shape[at - lead]}) at "
            f"non-singleton dimension {at}"
        ) from None


def convert(x, dtype):
    """An array in another dtype, by C's rules (complex loses its imaginary part)."""
    if x.dtype == dtype:
        return x
    if x.dtype.kind == "c" and dtype.kind != "c":
        real = x.real  # a view: the result must not be
        same = real.dtype == dtype
        return (x != 0) if dtype.kind == "b" else real.copy() if same else convert(real, dtype)
    if dtype in NARROW and x.size:
        return NARROW[dtype](x)
    return astype(x, dtype)


_copy = inplace.derive(Copy)


@public("Tensor", out=False)
def copy_(self, src, non_blocking=False):
    """copy_(src, non_blocking=False) -> Tensor

    Overwrite with ``src``, broadcast and cast.

    >>> torch.zeros(2, dtype=torch.int64).copy_(torch.tensor([1.7, 2.0]))
    tensor([1, 2])
    """
    if not isinstance(src, Tensor):
        if isinstance(src, (int, float, complex)):
            src = wrap(np.asarray(src))
        else:
            raise TypeError(
                f"copy_(): argument 'other' (position 1) must be Tensor, not {type(src).__name__}"
            )
    if type(src._data) is MetaArray and type(self._data) is not MetaArray:
        raise NotImplementedError("Cannot copy out of meta tensor; no data!")
    check_inference(self)
    recorded = grad_enabled() and (
        live_node(self) is not None
        or live_node(src) is not None
        or (self._view is not None and self._seen < 0)  # refused if its base has history
    )
    if recorded or type(self._data) is not np.ndarray or type(src._data) is not np.ndarray:
        if type(self._data) is not MetaArray and src.device != self.device:
            src = src.to(self.device)
        return _copy(self, src, non_blocking)
    x, y = self._data, src._data
    if x.shape != y.shape:
        y = broadcast(y, x.shape)
    assign(x, convert(y, x.dtype) if y.dtype.kind == "c" or x.dtype in NARROW else y)
    inplace.bump(self)
    return self


class Fill(Op):
    """``fill_`` is its in-place form.

    >>> torch.fill(torch.ones(2), 3)
    tensor([3., 3.])
    """

    tensors = ("input", "value")
    inplace = True
    promote = "keep"
    public = ("torch",)

    def forward(xp, x, value):
        out = xp.empty_like(x)
        out[...] = convert(value, x.dtype) if value.dtype.kind == "c" else value
        return out

    def vjp_input(g):
        return g.new_zeros(g.shape)

    def vjp_value(g):
        return g.sum()


_fill = inplace.derive(Fill)


@public("Tensor", "torch", out=False)
def fill_(self, value):
    """fill_(value) -> Tensor

    Every element set to a number or a 0-d tensor.

    >>> torch.ones(2).fill_(3)
    tensor([3., 3.])
    """
    kind = type(value)
    if (kind is float or kind is int) and inplace.writable(self):
        x = self._data
        if x.dtype is F4 or (kind is int and x.dtype is I8):
            try:
                x.fill(value)
            except OverflowError:
                return _fill(self, value)
            inplace.bump(self)
            return self
    if isinstance(value, Tensor) and value.ndim:
        raise RuntimeError(
            f"fill_ only supports 0-dimension value tensor but got tensor with {value.ndim} "
            "dimensions."
        )
    return _fill(self, value)


@public("Tensor", "torch", out=False)
def zero_(self):
    """zero_() -> Tensor

    Every element set to zero.

    >>> torch.ones(2).zero_()
    tensor([0., 0.])
    """
    if self._view is None and self._node is None and type(self._data) is ndarray:
        self._data.fill(0)
        inplace.bump(self)
        return self
    return _fill(self, 0)


class ToCopy(Op):
    """A tensor in another dtype."""

    public = ()
    promote = "keep"

    def forward(xp, x, dtype, copy=True):
        target = dtype.numpy
        return x.copy() if x.dtype == target else convert(x, target)

    def vjp(g):
        return g  # the engine casts it back


def cast(input, dtype):
    """``input`` in another dtype; itself if it has that dtype."""
    if dtype.numpy is None:
        raise NotImplementedError(f"tensors of {dtype} are not supported; use torch.complex64")
    return input if input._data.dtype == dtype.numpy else ToCopy.call(input, dtype)


@public("Tensor", out=False)
def to(self, *args, **kw):
    """to(dtype or device or other, non_blocking=False, copy=False, *, memory_format=...) -> Tensor

    The tensor in another dtype or on another device; itself if nothing would change.

    >>> torch.ones(2).to(torch.int64)
    tensor([1, 1])
    """
    if len(args) == 1 and not kw:
        first = args[0]
        if type(first) is dtypes.dtype:
            return cast(self, first)
        if type(self._data) is ndarray:
            kind = type(first)
            if (kind is devices.device and first.type == "cpu") or (kind is str and first == "cpu"):
                return self
            if kind is Tensor and type(first._data) is ndarray:
                return cast(self, first.dtype)
    dtype, device, copy, memory_format = parse_to(args, dict(kw))
    result = self
    if device is not None:
        place = devices.resolve(device)
        if place != self.device:
            flags = [a for a in args if type(a) is bool]
            later = kw.get("non_blocking", flags[0] if flags else False)
            result = to_device(result, place, bool(later))
    if dtype is not None:
        result = cast(result, dtype)
    if memory_format is not None and memory_format is not devices.preserve_format:
        result = result.contiguous(memory_format=memory_format)
    return result.clone() if copy and result is self else result


def parse_to(args, kw):
    """(dtype, device, copy, memory_format) of a call of ``to``, in any of its forms."""
    dtype, device = kw.pop("dtype", None), kw.pop("device", None)
    copy, memory_format = kw.pop("copy", False), kw.pop("memory_format", None)
    kw.pop("non_blocking", False)
    other = kw.pop("other", None)
    if kw:
        raise TypeError(
            f"to() received an invalid combination of arguments - got ({', '.join(kw)}=...)"
        )
    flags = []
    for a in args:
        if isinstance(a, dtypes.dtype):
            dtype = a
        elif isinstance(a, Tensor):
            other = a
        elif isinstance(a, bool):
            flags.append(a)
        elif isinstance(a, (str, devices.device, int)):
            device = a
        elif a is not None:
            raise TypeError(
                f"to() received an invalid combination of arguments - got ({type(a).__name__}), "
                "but expected a "
                "dtype, a device or a tensor"
            )
    if len(flags) > 1:
        copy = flags[1]
    if other is not None:
        dtype, device = other.dtype, other.device
    return dtype, device, copy, memory_format


class Move:
    """The history of a tensor that was copied to another device."""

    grad_name = "ToCopyBackward0"
    grad_outputs = (0,)

    @staticmethod
    def backward(node, g, need):
        """The gradient, back where the input is."""
        return (to_device(g, node.params[0]),)


def moved(x, device):
    """An array on the CPU or on another device."""
    return gpu.to_host(x) if device.type == "cpu" else gpu.to_device(x, device)


def to_device(input, device, later=False):
    """A tensor on another device; from the meta device there is nothing to copy. ``later``: a copy
    to the host, into pinned memory, is not waited for."""
    x = input._data
    if device.type == "meta":
        return wrap(meta_array(x.shape, x.dtype))
    if type(x) is MetaArray:
        raise NotImplementedError("Cannot copy out of meta tensor; no data!")
    if type(x) is SparseArray:
        result = wrap_sparse(x.each(lambda a: moved(a, device)))
    elif hasattr(x, "placed"):  # seen through vmap or jvp
        result = wrap(x.placed(device))
    elif type(x) not in (np.ndarray, gpu.cuda.kind):
        raise NotImplementedError(f"moving a tensor of layout {input.layout} to {device}")
    elif device.type == "cpu":
        result = wrap(gpu.to_host_later(x) if later else gpu.to_host(x))
    else:
        result = wrap(gpu.to_device(x, device))
    node = live_node(input)
    if node is not None and grad_enabled():
        result._node = Node(Move, (node,), (), x.shape, x.dtype, (input.device,))
    return result


def _caster(name, dtype):
    def method(self, memory_format=None):
        if memory_format is None or memory_format is devices.preserve_format:
            return cast(self, dtype)
        return self.to(dtype, memory_format=memory_format)

    method.__name__ = method.__qualname__ = name
    method.__doc__ = f"{name}() -> Tensor\n\nShort for :func:`torch.Tensor.to` with ``{dtype}``."
    public("Tensor", out=False)(method)


for _name, _dtype in {
    "float": dtypes.float32,
    "double": dtypes.float64,
    "half": dtypes.float16,
    "bfloat16": dtypes.bfloat16,
    "long": dtypes.int64,
    "int": dtypes.int32,
    "short": dtypes.int16,
    "char": dtypes.int8,
    "byte": dtypes.uint8,
    "bool": dtypes.bool_,
    "cfloat": dtypes.complex64,
    "cdouble": dtypes.complex128,
}.items():
    _caster(_name, _dtype)


@public("Tensor", out=False)
def type_as(self, other):
    """type_as(other) -> Tensor

    ``self.to(other.dtype)``.

    >>> torch.ones(2).type_as(torch.tensor(1))
    tensor([1, 1])
    """
    return cast(self, other.dtype)


@public("Tensor", out=False)
def cpu(self, memory_format=None):
    """cpu() -> Tensor

    The tensor on the CPU.

    >>> torch.ones(1).cpu().device
    device(type='cpu')
    """
    return self if type(self._data) is ndarray else self.to("cpu")


@public("Tensor", out=False)
def cuda(self, device=None, non_blocking=False, memory_format=None):
    """cuda(device=None, non_blocking=False) -> Tensor

    The tensor on a GPU, where there is one.

    >>> torch.ones(1).cuda() if torch.cuda.is_available() else torch.ones(1)
    tensor([1.])
    """
    if device is not None and not isinstance(device, (int, str, devices.device)):
        raise TypeError(
            f"cuda(): argument 'device' must be torch.device, not {type(device).__name__}"
        )
    place = devices.device("cuda" if device is None else device)
    if place.type != "cuda":
        raise RuntimeError(f"Invalid device, must be cuda device, but got {place}")
    return self.to(place)


@public("torch", "Tensor", out=False)
def detach(input):
    """detach(input) -> Tensor

    The same memory, without history.

    >>> w = torch.ones(1, requires_grad=True)
    >>> torch.detach(w * 2).requires_grad
    False
    """
    t = new(Tensor if type(input) is Parameter else type(input))
    t._data, t._node, t._view = input._data, None, None
    if S.special and thread.levels:  # a batch has a history below, a dual tensor a tangent
        t._data = thread.levels[-1].detached(input._data)
    t._ver = cell(input)
    return t


@public("torch", "Tensor", out=False)
def detach_(self):
    """detach_() -> Tensor

    Drop the history of this tensor in place.

    >>> y = torch.ones(1, requires_grad=True) * 2
    >>> y.detach_().requires_grad
    False
    """
    if self._view is not None:
        raise RuntimeError("Can't detach views in-place. Use detach() instead.")
    self._node = None
    return self
