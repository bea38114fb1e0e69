"""Parameters and buffers: tensors that a module keeps, and their forms without a shape yet."""

from collections import OrderedDict
from typing import Any, SupportsIndex

from rushlight import _api as torch
from rushlight._core.tensor import Parameter

__all__ = [
    "Buffer",
    "Parameter",
    "UninitializedBuffer",
    "UninitializedParameter",
    "UninitializedTensorMixin",
    "is_lazy",
]


class UninitializedTensorMixin:
    """What a tensor without a shape can do: hold a dtype and a device, be moved, and be
    materialized.

    >>> p = torch.nn.LazyLinear(3).double().weight
    >>> p.dtype, isinstance(p, torch.nn.parameter.UninitializedTensorMixin)
    (torch.float64, True)
    """

    data: Any
    requires_grad: bool
    cls_to_become: type
    _allowed_methods = frozenset(
        [
            *("__hash__", "size", "copy_", "is_complex", "is_floating_point", "get_device"),
            *("half", "float", "double", "char", "short", "int", "long", "bfloat16", "type"),
            *("cuda", "cpu", "to", "to_copy", "detach", "requires_grad_"),
            *("__get__", "__set__", "__delete__"),
        ]
    )

    def materialize(self, shape: Any, device: Any = None, dtype: Any = None) -> None:
        """materialize(shape, device=None, dtype=None): give it a shape; it becomes an ordinary
        parameter or buffer.

        The values are not initialised; device and dtype stay as they are unless given.
        """
        if device is None:
            device = self.data.device
        if dtype is None:
            dtype = self.data.dtype
        self.data = torch.empty(shape, device=device, dtype=dtype)
        self.__class__ = self.cls_to_become

    @property
    def shape(self) -> Any:
        """Not known yet: raises RuntimeError."""
        raise RuntimeError(
            "Can't access the shape of an uninitialized parameter or buffer. "
            "This error usually happens in `load_state_dict` when trying to load "
            "an uninitialized parameter into an initialized one. "
            "Call `forward` to initialize the parameters before accessing their attributes."
        )

    def share_memory_(self) -> Any:
        """share_memory_(): needs values, so it raises RuntimeError."""
        raise RuntimeError(
            "Can't share memory on an uninitialized parameter or buffer. "
            "Call `forward` to initialize the parameters before calling "
            "`module.share_memory()`."
        )

    def __repr__(self) -> str:
        return f"<{self.__class__.__name__}>"

    def __reduce_ex__(self, proto: SupportsIndex) -> tuple:
        return (self.__class__, (self.requires_grad,))

    @classmethod
    def __torch_function__(
        cls, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        if func.__name__ in cls._allowed_methods:
            tensor: Any = super()
            return tensor.__torch_function__(func, types, args, kwargs or {})
        raise ValueError(
            f"Attempted to use an uninitialized parameter in {func}. "
            "This error happens when you are using a `LazyModule` or "
            f"explicitly manipulating `torch.nn.parameter.{cls.__name__}` "
            "objects. When using LazyModules Call `forward` with a dummy batch "
            "to initialize the parameters before calling torch functions"
        )


def is_lazy(param: Any) -> bool:
    """is_lazy(param): is it a parameter or buffer whose shape is not known yet?

    >>> torch.nn.parameter.is_lazy(torch.nn.LazyLinear(3).weight)
    True
    """
    return isinstance(param, UninitializedTensorMixin)


class UninitializedParameter(UninitializedTensorMixin, Parameter):
    """UninitializedParameter(requires_grad=True, device=None, dtype=None)

    A parameter without a shape yet.

    >>> p = torch.nn.UninitializedParameter()
    >>> p.shape
    Traceback (most recent call last):
        ...
    RuntimeError: Can't access the shape of an uninitialized parameter or buffer. ...
    >>> p.materialize((2, 3))
    >>> p.shape
    torch.Size([2, 3])
    """

    cls_to_become = Parameter

    def __new__(
        cls, requires_grad: bool = True, device: Any = None, dtype: Any = None
    ) -> "UninitializedParameter":
        """An empty tensor of the device and dtype the parameter will have."""
        made: Any = super().__new__(cls, torch.empty(0, device=device, dtype=dtype), requires_grad)
        return made

    def __init__(self, requires_grad: bool = True, device: Any = None, dtype: Any = None) -> None:
        """Everything is done in ``__new__``."""

    def __deepcopy__(self, memo: dict) -> "UninitializedParameter":
        if id(self) in memo:
            return memo[id(self)]
        result = type(self)(self.requires_grad, self.data.device, self.data.dtype)
        memo[id(self)] = result
        return result


_TensorMeta: Any = type(torch.Tensor)


class _BufferMeta(_TensorMeta):
    def __instancecheck__(self, instance: Any) -> bool:
        if self is Buffer and isinstance(instance, torch.Tensor):
            return bool(getattr(instance, "_is_buffer", False))
        return super().__instancecheck__(instance)


class Buffer(torch.Tensor, metaclass=_BufferMeta):
    """Buffer(data=None, *, persistent=True)

    A tensor that a module registers as a buffer when it is assigned.

    >>> m = torch.nn.Module()
    >>> m.count = torch.nn.Buffer(torch.zeros(2))
    >>> list(m.state_dict()), list(m.parameters())
    (['count'], [])
    """

    def __new__(cls, data: Any = None, *, persistent: bool = True) -> Any:
        """The detached data, marked."""
        if data is None:
            data = torch.empty(0)
        made = data.detach().requires_grad_(data.requires_grad)
        made.persistent = persistent
        made._is_buffer = True
        return made


class UninitializedBuffer(UninitializedTensorMixin, torch.Tensor):
    """UninitializedBuffer(requires_grad=False, device=None, dtype=None, persistent=True)

    A buffer without a shape.

    >>> buffer = torch.nn.UninitializedBuffer()
    >>> buffer.materialize((2, 3))
    >>> buffer.shape
    torch.Size([2, 3])
    """

    cls_to_become = torch.Tensor

    def __new__(
        cls,
        requires_grad: bool = False,
        device: Any = None,
        dtype: Any = None,
        persistent: bool = True,
    ) -> "UninitializedBuffer":
        """An empty tensor of the device and dtype the buffer will have."""
        made = torch.empty(0, device=device, dtype=dtype).as_subclass(cls)
        made.requires_grad_(requires_grad)
        made.persistent = persistent
        made._is_buffer = True
        return made

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Everything is done in ``__new__``."""


def _rebuild_parameter(data: Any, requires_grad: bool, backward_hooks: OrderedDict) -> Parameter:
    """Used by pickles of parameters."""
    made: Any = Parameter(data, requires_grad)
    made._backward_hooks = backward_hooks
    return made
