"""Tensor's methods that compute nothing: looking in, out to Python and NumPy, copies, hooks."""

import copy
import operator
import warnings
import weakref
from typing import Any

import numpy as np

from rushlight._core import dtypes, fronts, gpu, storage, typed_storage
from rushlight._core.backend import MetaArray
from rushlight._core.dispatch import disabled_torch_function, torch_function
from rushlight._core.printing import tensor_str
from rushlight._core.shape import wrap_dim
from rushlight._core.state import InferenceVersion
from rushlight._core.tensor import Leaf, Parameter, Tensor, add_hook, cell, live_node, new, wrap
from rushlight._core.type_names import BY_TYPE_NAME, TYPE_NAMES

ndarray = np.ndarray


def method(function):
    """Attach a function to Tensor under its own name."""
    setattr(Tensor, function.__name__, function)
    return function


def data_property(name, getter, doc):
    """Attach a read-only attribute."""
    setattr(Tensor, name, property(getter, doc=doc))


# ---- sizes and flags -----------------------------------------------------------------------------


@method
def size(self, dim=None):
    """size(dim=None) -> torch.Size or int

    All sizes, or the size of one dimension.

    >>> torch.ones(2, 3).size(1)
    3
    """
    return self.shape if dim is None else self._data.shape[wrap_dim(dim, self._data.ndim)]


@method
def dim(self):
    """dim() -> int

    The number of dimensions.

    >>> torch.ones(2, 3).dim()
    2
    """
    return self._data.ndim


@method
def numel(self):
    """numel() -> int

    The number of elements.

    >>> torch.ones(2, 3).numel()
    6
    """
    return self._data.size


@method
def stride(self, dim=None):
    """stride(dim=None) -> tuple or int

    Steps between neighbours of each dimension, in elements.

    >>> torch.ones(2, 3).stride()
    (3, 1)
    """
    x = self._data
    if type(x) is not ndarray and hasattr(x, "value"):  # of a batch that vmap maps over
        strides = x.value.stride()[1 if x.mapped else 0 :]
    elif type(x) is MetaArray or x.size == 0 or 1 in x.shape:
        strides = element_strides(x)
    else:
        strides = tuple([s // x.itemsize for s in x.strides])
    return strides if dim is None else strides[wrap_dim(dim, len(strides))]


def element_strides(x):
    """Strides in elements; where memory says nothing (no elements, meta), those of a contiguous
    tensor.
    """
    if type(x) is MetaArray:
        if x.layout is not None:
            return x.layout[1]
    elif x.size:
        return tuple([s // x.itemsize for s in x.strides])
    strides, step = [], 1
    for s in reversed(x.shape):
        strides.append(step)
        step *= max(s, 1)
    return tuple(reversed(strides))


@method
def element_size(self):
    """element_size() -> int

    Bytes of one element.

    >>> torch.ones(2).element_size()
    4
    """
    return self._data.itemsize


@method
def data_ptr(self):
    """data_ptr() -> int

    The address of the first element.

    >>> x = torch.ones(2)
    >>> x.data_ptr() == x[:1].data_ptr()
    True
    """
    x = self._data
    if type(x) is gpu.cuda.kind:
        return x.data.ptr if x.size else 0
    return x.ctypes.data if x.size else 0


Tensor.untyped_storage = storage.untyped_storage
Tensor.storage = typed_storage.typed_storage
Tensor._typed_storage = typed_storage.quiet_typed_storage
Tensor.storage_offset = storage.storage_offset


@method
def is_floating_point(self):
    """is_floating_point() -> bool

    Is the dtype a floating-point one?

    >>> torch.ones(2).is_floating_point()
    True
    """
    return self.dtype.is_floating_point


@method
def is_complex(self):
    """is_complex() -> bool

    Is the dtype a complex one?

    >>> torch.ones(2).is_complex()
    False
    """
    return self._data.dtype.kind == "c"


@method
def is_signed(self):
    """is_signed() -> bool

    Can elements be negative?

    >>> torch.ones(2, dtype=torch.uint8).is_signed()
    False
    """
    return self.dtype.is_signed


@method
def is_nonzero(self):
    """is_nonzero() -> bool

    Of a one-element tensor, is it not zero?

    >>> torch.tensor([2]).is_nonzero()
    True
    """
    return bool(self)


@method
def is_set_to(self, tensor):
    """is_set_to(tensor) -> bool

    The same memory, offset, size and strides?

    >>> x = torch.ones(2)
    >>> x.is_set_to(x.view(2))
    True
    """
    same = self.device == tensor.device and self.data_ptr() == tensor.data_ptr()
    return same and self.shape == tensor.shape and self.stride() == tensor.stride()


@method
def is_inference(self):
    """is_inference() -> bool

    Was it made under ``inference_mode``, or is it a view of such a tensor?

    >>> torch.ones(2).is_inference()
    False
    """
    return type(self._ver) is InferenceVersion


@method
def is_shared(self):
    """is_shared() -> bool

    Does the memory live in shared memory?

    >>> torch.ones(2).is_shared()
    False
    """
    return self.untyped_storage().is_shared()


@method
def get_device(self):
    """get_device() -> int

    The index of the CUDA device, -1 on the CPU.

    >>> torch.ones(2).get_device()
    -1
    """
    return gpu.index_of(self._data) if type(self._data) is gpu.cuda.kind else -1


@method
def dim_order(self):
    """dim_order() -> tuple

    Dimensions from the slowest to the fastest in memory.

    >>> torch.ones(2, 3).t().dim_order()
    (1, 0)
    """
    return tuple(sorted(range(self.ndim), key=lambda d: -self.stride(d)))


for _name, _value in {
    "is_sparse": False,
    "is_sparse_csr": False,
    "is_quantized": False,
    "is_mkldnn": False,
    "is_mps": False,
    "is_xpu": False,
    "is_xla": False,
    "is_nested": False,
    "is_vulkan": False,
    "is_ipu": False,
}.items():
    data_property(
        _name, lambda self, _v=_value: _v, "False: a property of tensors that are not made here."
    )


def attribute(getter):
    """Attach a read-only attribute under the name of its getter."""
    setattr(Tensor, getter.__name__, property(getter, doc=getter.__doc__))


@attribute
def is_cpu(self):
    """Whether the elements live in the computer's own memory.

    >>> torch.ones(2).is_cpu
    True
    """
    return type(self._data) is not MetaArray and type(self._data) is not gpu.cuda.kind


@attribute
def is_cuda(self):
    """Whether the elements live on a CUDA device.

    >>> torch.ones(2).is_cuda
    False
    """
    return gpu.cuda.kind is type(self._data)


@attribute
def is_meta(self):
    """Whether there are no elements, only a shape and a dtype.

    >>> torch.ones(2, device='meta').is_meta
    True
    """
    return type(self._data) is MetaArray


@attribute
def nbytes(self):
    """The number of bytes of all elements.

    >>> torch.ones(2).nbytes
    8
    """
    return self._data.nbytes


@attribute
def itemsize(self):
    """The number of bytes of one element.

    >>> torch.ones(2).itemsize
    4
    """
    return self._data.itemsize


@attribute
def names(self):
    """The names of the dimensions: None for each, named tensors are not supported.

    >>> torch.ones(2, 3).names
    (None, None)
    """
    return (None,) * self._data.ndim


@attribute
def retains_grad(self):
    """Whether :meth:`retain_grad` was called on this tensor.

    >>> y = torch.ones(2, requires_grad=True) * 2
    >>> y.retain_grad()
    >>> y.retains_grad
    True
    """
    return bool(self.__dict__.get("_retains_grad"))


@attribute
def name(self):
    """None: tensors have no names of their own.

    >>> print(torch.ones(2).name)
    None
    """
    return


Tensor.nelement, Tensor.ndimension = numel, dim


# ---- out to Python and NumPy ---------------------------------------------------------------------


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
    if type(self._data) is not gpu.cuda.kind:
        return self._data.plain()
    if not force:
        raise TypeError(
            f"can't convert {self.device} device type tensor to numpy. Use Tensor.cpu() to copy "
            "the tensor to host memory first."
        )
    return gpu.to_host(self._data)


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
    if isinstance(dtype, str):
        if dtype not in BY_TYPE_NAME:
            raise ValueError(f"invalid type: '{dtype}'")
        dtype = BY_TYPE_NAME[dtype]
    return self.to(getattr(dtype, "dtype", dtype))


Tensor.type = tensor_type


# ---- copying and pickling ------------------------------------------------------------------------


@method
def __deepcopy__(self, memo):
    if id(self) in memo:
        return memo[id(self)]
    if not self.is_leaf:
        raise RuntimeError(
            "Only Tensors created explicitly by the user (graph leaves) support the deepcopy "
            "protocol at the "
            "moment.  If you were attempting to deepcopy a module, this may be because of a "
            "torch.nn.utils.weight_norm "
            "usage, see https://github.com/pytorch/pytorch/pull/103001"
        )
    if isinstance(self, Parameter):  # PyTorch leaves behind its gradient and what users hung on it
        memo[id(self)] = self.__class__(self.data.clone(), self.requires_grad)
        return memo[id(self)]
    t = new(self.__class__)
    t._data, t._node, t._ver, t._view = storage.copy_array(self._data, memo), None, None, None
    memo[id(self)] = t
    if self.requires_grad:
        t._node = Leaf(t)
    if self.grad is not None:
        t._grad = copy.deepcopy(self.grad, memo)
    if self.__dict__:
        t.__dict__.update(copy.deepcopy(self.__dict__, memo))
    return t


def rebuild(cls, array, requires_grad, state, place=None):
    """A tensor from its pickled parts; ``place``: the CUDA device it was on."""
    if place is not None:
        array = gpu.to_device(array, place)
    t = new(cls)
    t._data, t._node, t._ver, t._view = array, None, None, None
    if requires_grad:
        t._node = Leaf(t)
    if state:
        t.__dict__.update(state)
    return t


@method
def __reduce_ex__(self, protocol):
    if not self.is_leaf:
        raise RuntimeError(
            "Cowardly refusing to serialize non-leaf tensor which requires_grad, since autograd "
            "does not support "
            "crossing process boundaries.  If you just want to transfer the data, call detach() "
            "on the tensor "
            "before serializing (e.g., putting it on the queue)."
        )
    parts = (self.__class__, self._data, self.requires_grad, dict(self.__dict__))
    if type(self._data) is gpu.cuda.kind:
        return rebuild, (parts[0], gpu.to_host(self._data), *parts[2:], self.device)
    return rebuild, parts


@method
def as_subclass(self, cls):
    """as_subclass(cls) -> Tensor

    The same tensor with another Tensor class.

    >>> type(torch.ones(2).as_subclass(torch.nn.Parameter)).__name__
    'Parameter'
    """
    t = new(cls)
    t._data, t._node, t._view = self._data, self._node, self._view
    t._ver = cell(self)
    t._seen = self._seen if self._view is not None else 0
    if self.__class__ is not cls and self._node.__class__ is Leaf:
        t._node = self.view_as(self)._node
    return t


def make_subclass(cls, data, require_grad=False):
    """Tensor._make_subclass(cls, data, require_grad=False) -> Tensor of class ``cls`` on the same
    memory.
    """
    t = new(cls)
    t._data, t._node, t._view = data._data, None, None
    t._ver = cell(data)
    return t.requires_grad_(require_grad)


Tensor._make_subclass = staticmethod(make_subclass)


# ---- hooks ---------------------------------------------------------------------------------------


@method
def register_hook(self, hook):
    """register_hook(hook) -> handle

    Call ``hook(grad)`` when the gradient is known; it may return another.

    >>> w = torch.ones(2, requires_grad=True)
    >>> handle = w.register_hook(lambda g: g * 10)
    >>> w.sum().backward()
    >>> w.grad
    tensor([10., 10.])
    """
    n = live_node(self)
    if n is None:
        raise RuntimeError("cannot register a hook on a tensor that doesn't require gradient")
    return add_hook(n, "tensor", hook)


@method
def register_post_accumulate_grad_hook(self, hook):
    """register_post_accumulate_grad_hook(hook) -> handle

    Call ``hook(param)`` after ``.grad`` was updated.

    >>> w = torch.ones(2, requires_grad=True)
    >>> handle = w.register_post_accumulate_grad_hook(lambda p: print(p.grad))
    >>> w.sum().backward()
    tensor([1., 1.])
    """
    n = live_node(self)
    if n is None:
        raise RuntimeError("cannot register a hook on a tensor that doesn't require gradient")
    if n.__class__ is not Leaf:
        raise RuntimeError("post accumulate grad hooks cannot be registered on non-leaf tensors")
    return add_hook(n, "accumulated", hook)


@method
def retain_grad(self):
    """retain_grad() -> None

    Keep the gradient of this non-leaf in ``.grad`` during backward.

    >>> w = torch.ones(2, requires_grad=True)
    >>> y = w * 2
    >>> y.retain_grad()
    >>> y.sum().backward()
    >>> y.grad
    tensor([1., 1.])
    """
    n = live_node(self)
    if n is None:
        raise RuntimeError("can't retain_grad on Tensor that has requires_grad=False")
    if n.__class__ is Leaf or self.__dict__.get("_retains_grad"):
        return
    self.__dict__["_retains_grad"] = True
    me = weakref.ref(self)

    def keep(g):
        t = me()
        if t is not None:
            t._grad = wrap(gpu.copied(g._data), g._node) if t.grad is None else t.grad + g

    add_hook(n, "tensor", keep)


@method
def share_memory_(self):
    """share_memory_() -> Tensor

    Move the elements to memory that other processes can share; so do all tensors that look at it.

    >>> torch.ones(2).share_memory_().is_shared()
    True
    """
    self.untyped_storage()._share(self)
    return self
