"""The old constructors: ``torch.Tensor(2, 3)``, ``torch.FloatTensor([1, 2])``,
``torch.LongTensor(5)``.
"""

from typing import Any

import numpy as np

from rushlight._core import device as devices
from rushlight._core import dtypes
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


def only_cpu(device):
    """The old constructors know the CPU only."""
    if device is not None and devices.device(device).type != "cpu":
        raise RuntimeError(
            "legacy constructor expects device type: cpu but device type: "
            f"{devices.device(device).type} was passed"
        )


def tensor_new(cls, *args, device=None):
    """``torch.Tensor(...)`` in the default dtype."""
    only_cpu(device)
    return construct(dtypes.get_default_dtype(), args, cls)


_tensor: Any = Tensor
_tensor.__new__ = staticmethod(tensor_new)


class _LegacyMeta(_TensorMeta):
    """A type whose instances are the CPU tensors of one dtype."""

    dtype: dtypes.dtype

    def __instancecheck__(cls, value):
        return isinstance(value, Tensor) and value.dtype is cls.dtype

    def __call__(cls, *args, device=None):
        only_cpu(device)
        return construct(cls.dtype, args)

    def __repr__(cls):
        return f"<class 'torch.{cls.__name__}'>"


def legacy_type(name, dtype):
    """The class ``torch.FloatTensor`` and its like."""
    doc = (
        f"{name}(*sizes or data) -> Tensor: the old constructor of {dtype} tensors.\n\n"
        f">>> torch.{name}([1, 0]).dtype, torch.{name}(2, 3).shape\n"
        f"({dtype}, torch.Size([2, 3]))"
    )
    return _LegacyMeta(
        name, (Tensor,), {"dtype": dtype, "__doc__": doc, "__slots__": (), "__module__": "torch"}
    )


TENSOR_TYPES = {
    name.removeprefix("torch."): legacy_type(name.removeprefix("torch."), dtypes.BY_NAME[d])
    for d, name in TYPE_NAMES.items()
}
