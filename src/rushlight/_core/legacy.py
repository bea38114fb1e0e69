"""The old constructors: ``torch.Tensor(2, 3)``, ``torch.FloatTensor([1, 2])``,
``torch.LongTensor(5)``.
"""

from typing import Any

import numpy as np

from rushlight._core import device as devices
from rushlight._core import dtypes, gpu
from rushlight._core.tensor import Tensor, _TensorMeta, new
from rushlight._core.type_names import TYPE_NAMES


def construct(dtype, args, kind=Tensor):
    """A tensor from sizes (uninitialised), nested lists, an array or another tensor."""
    t = new(kind)
    t._node = t._ver = t._view = None
    numpy = dtype.numpy
    if not args:
        t._data = np.empty(0, numpy)
    elif all(type(a) is int or isinstance(a, np.integer) for a in args):
        t._data = np.empty(args, numpy)
    elif len(args) > 1:
        raise TypeError(f"new() received an invalid combination of arguments - got {args}")
    elif isinstance(args[0], Tensor):
        if args[0]._data.dtype != numpy:
            raise TypeError(
                f"expected {dtypes.scalar_name(dtype)} (got {dtypes.scalar_name(args[0].dtype)}): "
                "the legacy "
                "constructor does not convert; use torch.tensor(..., dtype=...)"
            )
        t._data = args[0]._data
    elif isinstance(args[0], tuple) and type(args[0]).__name__ == "Size":
        t._data = np.empty(args[0], numpy)
    elif isinstance(args[0], np.ndarray) and args[0].dtype == numpy:
        t._data = args[0]
    elif isinstance(args[0], (list, tuple, np.ndarray, range)):
        t._data = np.array([i.item() if isinstance(i, Tensor) else i for i in args[0]], numpy)
    else:
        raise TypeError(f"new(): data must be a sequence (got {type(args[0]).__name__})")
    return t


def only(kind, device):
    """The old constructors know one kind of device each."""
    if device is not None and devices.device(device).type != kind:
        raise RuntimeError(
            f"legacy constructor expects device type: {kind} but device type: "
            f"{devices.device(device).type} was passed"
        )


def construct_there(dtype, args, device=None):
    """``construct`` on a CUDA device: the current one, unless it is told."""
    if args and isinstance(args[0], Tensor):
        if not args[0].is_cuda:
            raise TypeError(
                "new(): expected a tensor of device type cuda (got cpu): the legacy constructor "
                "does not copy; use .cuda()"
            )
        return construct(dtype, args)
    t = construct(dtype, args)
    t._data = gpu.to_device(t._data, devices.device("cuda" if device is None else device))
    return t


# The kind of device of ``torch.Tensor(...)``: what set_default_tensor_type chose.
default = {"kind": "cpu"}


def tensor_new(cls, *args, device=None):
    """``torch.Tensor(...)`` in the default dtype."""
    if default["kind"] == "cuda" and cls is Tensor:
        only("cuda", device)
        return construct_there(dtypes.get_default_dtype(), args, device)
    only("cpu", device)
    return construct(dtypes.get_default_dtype(), args, cls)


_tensor: Any = Tensor
_tensor.__new__ = staticmethod(tensor_new)


class _LegacyMeta(_TensorMeta):
    """A type whose instances are the tensors of one dtype on the CPU, or on CUDA devices."""

    dtype: dtypes.dtype
    kind: str

    def __instancecheck__(cls, value):
        if not isinstance(value, Tensor) or value.dtype is not cls.dtype:
            return False
        return value.is_cuda == (cls.kind == "cuda")

    def __call__(cls, *args, device=None):
        if cls.kind == "cpu":
            only("cpu", device)
            return construct(cls.dtype, args)
        only("cuda", device)
        if not gpu.is_available():
            raise TypeError(f"type torch.cuda.{cls.__name__} not available. {gpu.cuda.missing}.")
        return construct_there(cls.dtype, args, device)

    def __repr__(cls):
        return f"<class '{cls.__module__}.{cls.__name__}'>"


def legacy_type(name, dtype, kind="cpu"):
    """The class ``torch.FloatTensor``, ``torch.cuda.FloatTensor`` and their like."""
    doc = f"{name}(*sizes or data) -> Tensor: the old constructor of {dtype} tensors."
    if kind == "cpu":
        doc += (
            f"\n\n>>> torch.{name}([1, 0]).dtype, torch.{name}(2, 3).shape\n"
            f"({dtype}, torch.Size([2, 3]))"
        )
    made = {"dtype": dtype, "kind": kind, "__doc__": doc, "__slots__": ()}
    module = "torch" if kind == "cpu" else "torch.cuda"
    return _LegacyMeta(name, (Tensor,), {**made, "__module__": module})


def types_of(kind):
    """Name -> class, for a kind of device."""
    return {
        name.removeprefix("torch."): legacy_type(
            name.removeprefix("torch."), dtypes.BY_NAME[d], kind
        )
        for d, name in TYPE_NAMES.items()
    }


TENSOR_TYPES = types_of("cpu")
CUDA_TYPES = types_of("cuda")
