"""Functions of torch's top level that are about tensors and the library, not operators."""

import os

import numpy as np

from rushlight._core import device as devices
from rushlight._core import dtypes, fronts, gpu, legacy
from rushlight._core.cuda_switches import switches
from rushlight._core.errors import not_a_tensor
from rushlight._core.extension import C
from rushlight._core.op import public
from rushlight._core.tensor import Tensor, wrap


@public("torch", out=False)
def is_tensor(obj, /):
    """is_tensor(obj) -> bool

    ``isinstance(obj, torch.Tensor)``.

    >>> torch.is_tensor([1, 2])
    False
    """
    return isinstance(obj, Tensor)


@public("torch", out=False)
def is_storage(obj, /):
    """is_storage(obj) -> bool

    Is it an UntypedStorage or TypedStorage?

    >>> torch.is_storage(torch.ones(1).untyped_storage())
    True
    """
    return type(obj).__name__ in ("UntypedStorage", "TypedStorage")


@public("torch", out=False)
@fronts.fact
def is_floating_point(input):
    """is_floating_point(input) -> bool

    Is the dtype a floating-point one?

    >>> torch.is_floating_point(torch.tensor(1))
    False
    """
    return input.dtype.is_floating_point


@public("torch", out=False)
@fronts.fact
def is_complex(input):
    """is_complex(input) -> bool

    Is the dtype a complex one?

    >>> torch.is_complex(torch.tensor(1j))
    True
    """
    return input.dtype.is_complex


@public("torch", out=False)
def is_nonzero(input):
    """is_nonzero(input) -> bool

    Of a one-element tensor, is it not zero?

    >>> torch.is_nonzero(torch.tensor([0.0]))
    False
    """
    return bool(input)


@public("torch", "Tensor", out=False)
def is_same_size(input, other):
    """is_same_size(input, other) -> bool

    Have both the same shape?

    >>> torch.is_same_size(torch.ones(2), torch.zeros(2))
    True
    """
    if not isinstance(other, Tensor):
        raise not_a_tensor("is_same_size", "other", 1, other)
    return input.shape == other.shape


@public("torch", out=False)
@fronts.fact
def numel(input):
    """numel(input) -> int

    The number of elements.

    >>> torch.numel(torch.ones(2, 3))
    6
    """
    return input._data.size


@public("torch", out=False)
def result_type(tensor1, tensor2):
    """result_type(tensor1, tensor2) -> dtype

    The dtype an operation on these tensors or numbers gives.

    >>> torch.result_type(torch.tensor([1, 2]), 1.0)
    torch.float32
    """
    both = [tensor1, tensor2]
    tensors = [t for t in both if isinstance(t, Tensor)]
    return dtypes.result_dtype(
        [t.dtype for t in tensors if t.ndim],
        [t.dtype for t in tensors if not t.ndim],
        [dtypes.scalar_dtype(t) for t in both if not isinstance(t, Tensor)],
    )


_threads = [(os.cpu_count() or 1) if C is None else C.get_num_threads()]


@public("torch", out=False)
def get_num_threads():
    """get_num_threads() -> int

    How many threads kernels may use.

    >>> torch.get_num_threads() >= 1
    True
    """
    return _threads[0]


@public("torch", out=False)
def set_num_threads(n):
    """set_num_threads(n) -> None

    How many threads kernels may use. RuntimeError unless positive.

    >>> torch.set_num_threads(torch.get_num_threads())
    """
    if not isinstance(n, int) or n <= 0:
        raise RuntimeError("set_num_threads expects a positive integer")
    _threads[0] = n
    if C is not None:
        C.set_num_threads(n)


_between = [1, False]  # threads between operators, whether they were set


@public("torch", out=False)
def get_num_interop_threads():
    """get_num_interop_threads() -> int

    What ``set_num_interop_threads`` was told; 1 before, operators run one after another.

    >>> torch.get_num_interop_threads() >= 1
    True
    """
    return _between[0]


@public("torch", out=False)
def set_num_interop_threads(n, /):
    """set_num_interop_threads(n) -> None

    How many operators may run at a time; can be said once. It has no effect: they run one after
    another.

    >>> torch.set_num_interop_threads(0)
    Traceback (most recent call last):
        ...
    RuntimeError: set_num_interop_threads expects a positive integer
    """
    if not isinstance(n, int):
        raise RuntimeError(f"set_num_interop_threads expects an int, but got {type(n).__name__}")
    if n <= 0:
        raise RuntimeError("set_num_interop_threads expects a positive integer")
    if _between[1]:
        raise RuntimeError(
            "Error: cannot set number of interop threads after parallel work has started or "
            "set_num_interop_threads called"
        )
    _between[:] = [n, True]


@public("torch", out=False)
def is_deterministic_algorithms_warn_only_enabled():
    """is_deterministic_algorithms_warn_only_enabled() -> bool

    >>> torch.is_deterministic_algorithms_warn_only_enabled()
    False
    """
    return _deterministic[1]


_deterministic = [False, False]


@public("torch", out=False)
def use_deterministic_algorithms(mode, *, warn_only=False):
    """use_deterministic_algorithms(mode, *, warn_only=False) -> None

    Every CPU operator here is deterministic anyway; on a GPU additions at repeated places go over
    the host then, and cuDNN takes only algorithms that give the same bits each time.

    >>> torch.use_deterministic_algorithms(True)
    >>> torch.are_deterministic_algorithms_enabled()
    True
    >>> torch.use_deterministic_algorithms(False)
    """
    _deterministic[:] = [bool(mode), bool(warn_only)]
    switches.deterministic = bool(mode) and not warn_only


@public("torch", out=False)
def are_deterministic_algorithms_enabled():
    """are_deterministic_algorithms_enabled() -> bool

    What ``use_deterministic_algorithms`` was told.

    >>> torch.are_deterministic_algorithms_enabled()
    False
    """
    return _deterministic[0]


_precision = ["highest"]


@public("torch", out=False)
def set_float32_matmul_precision(precision):
    """set_float32_matmul_precision(precision) -> None

    'highest', 'high' or 'medium': a GPU may use TF32 for all but the first; the CPU never does.

    >>> torch.set_float32_matmul_precision('highest')
    """
    if precision not in ("highest", "high", "medium"):
        raise RuntimeError(f"{precision} is not one of 'highest', 'high' or 'medium'.")
    _precision[0] = precision
    switches.allow_tf32 = precision != "highest"


@public("torch", out=False)
def get_float32_matmul_precision():
    """get_float32_matmul_precision() -> str

    >>> torch.get_float32_matmul_precision()
    'highest'
    """
    return _precision[0]


@public("torch", out=False)
def set_flush_denormal(mode):
    """set_flush_denormal(mode) -> bool

    False, denormal numbers are always kept.

    >>> torch.set_flush_denormal(False)
    True
    """
    return not mode


@public("torch", out=False)
def set_default_tensor_type(t, /):
    """set_default_tensor_type(t) -> None

    The dtype of ``torch.FloatTensor`` and its like becomes the default; with a type of
    ``torch.cuda``, new tensors are on the current GPU.

    >>> torch.set_default_tensor_type(torch.FloatTensor)
    >>> torch.get_default_dtype()
    torch.float32
    """
    name = t if isinstance(t, str) else f"{t.__module__}.{t.__name__}"
    plain = name.replace("torch.cuda.", "torch.", 1)
    by_name = {
        "torch.FloatTensor": dtypes.float32,
        "torch.DoubleTensor": dtypes.float64,
        "torch.HalfTensor": dtypes.float16,
        "torch.BFloat16Tensor": dtypes.bfloat16,
    }
    if plain not in by_name:
        raise TypeError(f"only floating-point types are supported as the default type, got {name}")
    kind = "cpu" if plain == name else "cuda"
    if kind == "cuda" and not gpu.is_available():
        raise TypeError(f"type {name} not available. {gpu.cuda.missing}.")
    dtypes.set_default_dtype(by_name[plain])
    legacy.default["kind"] = kind
    devices.set_default_device(kind)


@public("Tensor", out=False)
def resize_(self, *sizes, memory_format=None):
    """resize_(*sizes) -> Tensor

    Change the shape in place; new elements are uninitialised.

    >>> torch.ones(4).resize_(2, 2)
    tensor([[1., 1.],
            [1., 1.]])
    """
    shape = tuple(sizes[0]) if len(sizes) == 1 and not isinstance(sizes[0], int) else sizes
    if self.requires_grad:
        raise RuntimeError("cannot resize variables that require grad")
    count = int(np.prod(shape)) if shape else 1
    old = self._data
    if count == old.size and old.flags.c_contiguous:
        self._data = old.reshape(shape)
    else:
        fresh = gpu.made_beside(old, "empty", count, old.dtype)
        kept = min(count, old.size)
        fresh[:kept] = old.reshape(-1)[:kept]
        self._data = fresh.reshape(shape)
    self._ver = [self._version + 1]
    return self


@public("torch", "Tensor", out=False)
def resize_as_(self, other, memory_format=None):
    """resize_as_(other) -> Tensor

    ``self.resize_(other.size())``.

    >>> torch.ones(4).resize_as_(torch.zeros(2, 2))
    tensor([[1., 1.],
            [1., 1.]])
    """
    return resize_(self, *other.shape)


@public("Tensor", out=False)
def apply_(self, callable):
    """apply_(callable) -> Tensor

    A Python function applied to every element, in place. Slow.

    >>> torch.tensor([1.0, 2.0]).apply_(lambda x: x + 1)
    tensor([2., 3.])
    """
    flat = [callable(v) for v in self.reshape(-1).tolist()]
    return self.copy_(self.new_tensor(flat, dtype=self.dtype).reshape(self.shape))


@public("Tensor", out=False)
def map_(self, tensor, callable):
    """map_(tensor, callable) -> Tensor

    ``callable(a, b)`` of corresponding elements, in place. Slow.

    >>> torch.tensor([1.0, 2.0]).map_(torch.tensor([3.0, 4.0]), lambda a, b: a * b)
    tensor([3., 8.])
    """
    pairs = zip(
        self.reshape(-1).tolist(), tensor.expand(self.shape).reshape(-1).tolist(), strict=True
    )
    return self.copy_(
        self.new_tensor([callable(a, b) for a, b in pairs], dtype=self.dtype).reshape(self.shape)
    )


@public("torch", out=False)
def _shape_as_tensor(self):
    return wrap(np.array(self.shape, np.int64))
