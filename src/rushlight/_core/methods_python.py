"""Tensor's ways out to Python and NumPy: numbers, lists, arrays, text."""

import operator
import warnings
from typing import Any

import numpy as np

from rushlight._core import dtypes, fronts, gpu
from rushlight._core.backend import MetaArray
from rushlight._core.dispatch import disabled_torch_function, torch_function
from rushlight._core.methods import method
from rushlight._core.printing import tensor_str
from rushlight._core.tensor import Parameter, Tensor, cell, live_node, wrap
from rushlight._core.type_names import BY_TYPE_NAME, TYPE_NAMES

ndarray = np.ndarray


@method
@fronts.quick("item")
def item(self):
    """item() -> number

    The value of a one-element tensor.

    >>> torch.tensor([2.5]).item()
    2.5
    """
    try:
        value = self._data.item()
    except ValueError:
        raise RuntimeError(
            f"a Tensor with {self._data.size} elements cannot be converted to Scalar"
        ) from None
    kind = value.__class__
    return (
        value if kind is float or kind is int or kind is bool or kind is complex else float(value)
    )


@method
def tolist(self):
    """tolist() -> list or number

    The elements as (nested) Python lists.

    >>> torch.tensor([[1, 2], [3, 4]]).tolist()
    [[1, 2], [3, 4]]
    """
    x = self._data
    if type(x) is not ndarray:
        x = gpu.to_host(x)
    return (x.astype(np.float32) if x.dtype.kind == "V" or x.dtype in dtypes.HALF else x).tolist()


def array_there(self, force):
    """The host's array of what is on a device, or seen through vmap or jvp."""
    x = self._data
    if type(x) is not gpu.cuda.kind:
        x = x.plain()
        if type(x) is not gpu.cuda.kind:
            return x
    if not force:
        raise TypeError(
            f"can't convert {self.device} device type tensor to numpy. Use Tensor.cpu() to copy "
            "the tensor to host memory first."
        )
    return gpu.to_host(x)


@method
def numpy(self, *, force=False):
    """numpy(*, force=False) -> numpy.ndarray

    An array on the same memory.

    RuntimeError for a tensor that requires grad, unless ``force``; TypeError for dtypes NumPy
    lacks.

    >>> x = torch.zeros(2)
    >>> x.numpy()[0] = 5
    >>> x
    tensor([5., 0.])
    """
    if not force and live_node(self) is not None:
        raise RuntimeError(
            "Can't call numpy() on Tensor that requires grad. Use tensor.detach().numpy() instead."
        )
    x = self._data
    if type(x) is MetaArray:
        raise TypeError(
            "can't convert meta device type tensor to numpy. Use Tensor.cpu() to copy the tensor "
            "to host memory first."
        )
    if type(x) is not ndarray:
        x = array_there(self, force)
    if x.dtype.kind == "V" or x.dtype == dtypes.bfloat16.numpy:
        raise TypeError(f"Got unsupported ScalarType {dtypes.scalar_name(self.dtype)}")
    cell(self)
    return x


@method
def __array__(self, dtype=None, copy=None):
    array = self.numpy()
    if dtype is None or array.dtype == dtype:
        return array.copy() if copy else array
    return array.astype(dtype)


@method
def __array_wrap__(self, array, context=None, return_scalar=False):
    array = np.asarray(array)  # the result of a NumPy function called on this tensor
    return wrap(array.astype(np.uint8) if array.dtype == np.bool_ else array)


@method
def __bool__(self):
    x = self._data
    if type(x) is not ndarray and type(x) not in (MetaArray, gpu.cuda.kind):
        return bool(x)  # a batch has no one answer
    if x.size != 1:
        if x.size == 0:
            raise RuntimeError("Boolean value of Tensor with no values is ambiguous")
        raise RuntimeError("Boolean value of Tensor with more than one value is ambiguous")
    return bool(x.item())


def scalar(self):
    """The one element, for ``float(t)`` and its like, which warn as PyTorch does of a lost
    gradient.
    """
    if self._node is not None and live_node(self) is not None:
        warnings.warn(
            "Converting a tensor with requires_grad=True to a scalar may lead to unexpected "
            "behavior.\n"
            "Consider using tensor.detach() first.",
            UserWarning,
            stacklevel=3,
        )
    if self._data.size != 1:
        raise ValueError("only one element tensors can be converted to Python scalars")
    return self.item()


@method
def __float__(self):
    return float(scalar(self))


@method
def __int__(self):
    return int(scalar(self))


@method
def __complex__(self):
    return complex(scalar(self))


@method
def __index__(self):
    if self._data.dtype.kind not in "iub" or self._data.size != 1:
        raise TypeError("only integer tensors of a single element can be converted to an index")
    return operator.index(int(self.item()))


@method
def __len__(self):
    if not self._data.ndim:
        raise TypeError("len() of a 0-d tensor")
    return self._data.shape[0]


@method
def __iter__(self):
    if not self._data.ndim:
        raise TypeError("iteration over a 0-d tensor")
    return iter(self.unbind(0))


@method
def __reversed__(self):
    return self.flip(0) if self._data.ndim else self


@method
def __contains__(self, element):
    if isinstance(element, (Tensor, int, float, complex, bool)):
        return bool((element == self).any())
    raise RuntimeError(
        f"Tensor.__contains__ only supports Tensor or scalar, but you passed in a {type(element)}."
    )


@method
def __hash__(self):
    return id(self)


@method
def __repr__(self, *, tensor_contents=None):
    return tensor_str(self)


@method
def __format__(self, spec):
    if self._data.ndim == 0 and not self.is_meta:
        return self.item().__format__(spec)
    return object.__format__(self, spec)


@method
def __dir__(self):
    return sorted({*dir(type(self)), *self.__dict__})


def parameter_repr(self):
    """What a Parameter prints."""
    return "Parameter containing:\n" + tensor_str(self)


_parameter: Any = Parameter
_parameter.__repr__ = parameter_repr
Tensor.__array_priority__ = 1000  # so that ndarray + tensor asks the tensor
Tensor.__torch_function__ = classmethod(torch_function)
Parameter.__torch_function__ = staticmethod(disabled_torch_function)


@method
def _type_name(self):
    """'torch.FloatTensor': the legacy name of a dtype's tensors."""
    name = TYPE_NAMES.get(self.dtype.name, f"torch.{self.dtype.name}")
    return name.replace("torch.", "torch.cuda.", 1) if self.is_cuda else name


def tensor_type(self, dtype=None, non_blocking=False):
    """type(dtype=None) -> str or Tensor

    The legacy type name, or the tensor cast to a dtype or type.

    >>> torch.ones(2).type()
    'torch.FloatTensor'
    >>> torch.ones(2).type(torch.int64)
    tensor([1, 1])
    """
    if dtype is None:
        return self._type_name()
    if isinstance(dtype, dtypes.dtype):
        return self.to(dtype, non_blocking=non_blocking)
    name = dtype if isinstance(dtype, str) else f"{dtype.__module__}.{dtype.__name__}"
    plain = name.replace("torch.cuda.", "torch.", 1)
    if plain not in BY_TYPE_NAME:
        raise ValueError(f"invalid type: '{name}'")
    kind = "cpu" if plain == name else "cuda"
    place = self.device if self.device.type == kind else kind
    return self.to(place, BY_TYPE_NAME[plain], non_blocking)


Tensor.type = tensor_type
