"""Tensor's methods that compute nothing: sizes, flags, hooks."""

import weakref

import numpy as np

from rushlight._core import fronts, gpu, storage, typed_storage
from rushlight._core.backend import MetaArray
from rushlight._core.device import CPU
from rushlight._core.shape import wrap_dim
from rushlight._core.state import InferenceVersion
from rushlight._core.tensor import Leaf, Tensor, add_hook, live_node, wrap

ndarray = np.ndarray


def method(function):
    """Attach a function to Tensor under its own name."""
    setattr(Tensor, function.__name__, function)
    return function


def data_property(name, getter, doc):
    """Attach a read-only attribute."""
    fronts.attach(name, property(getter, doc=doc))


# ---- sizes and flags -----------------------------------------------------------------------------


@method
@fronts.fact
def size(self, dim=None):
    """size(dim=None) -> torch.Size or int

    All sizes, or the size of one dimension.

    >>> torch.ones(2, 3).size(1)
    3
    """
    return self.shape if dim is None else self._data.shape[wrap_dim(dim, self._data.ndim)]


@method
@fronts.fact
def dim(self):
    """dim() -> int

    The number of dimensions.

    >>> torch.ones(2, 3).dim()
    2
    """
    return self._data.ndim


@method
@fronts.fact
def numel(self):
    """numel() -> int

    The number of elements.

    >>> torch.ones(2, 3).numel()
    6
    """
    return self._data.size


@method
@fronts.fact
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
@fronts.fact
def element_size(self):
    """element_size() -> int

    Bytes of one element.

    >>> torch.ones(2).element_size()
    4
    """
    return self._data.itemsize


@method
@fronts.fact
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
Tensor.storage_offset = fronts.fact(storage.storage_offset)


@method
@fronts.fact
def is_floating_point(self):
    """is_floating_point() -> bool

    Is the dtype a floating-point one?

    >>> torch.ones(2).is_floating_point()
    True
    """
    return self.dtype.is_floating_point


@method
@fronts.fact
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
    place = gpu.place_of(self._data)
    return -1 if place.index is None else place.index


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
    fronts.attach(getter.__name__, property(getter, doc=getter.__doc__))


@attribute
def is_cpu(self):
    """Whether the elements live in the computer's own memory.

    >>> torch.ones(2).is_cpu
    True
    """
    return type(self._data) is not MetaArray and gpu.place_of(self._data) is CPU


@attribute
def is_cuda(self):
    """Whether the elements live on a CUDA device.

    >>> torch.ones(2).is_cuda
    False
    """
    return gpu.place_of(self._data) is not CPU


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
    A tensor of a CUDA device stays as it is.

    >>> torch.ones(2).share_memory_().is_shared()
    True
    """
    if not self.is_cuda:
        self.untyped_storage()._share(self)
    return self
