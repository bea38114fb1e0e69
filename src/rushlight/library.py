"""torch.library: operators that a program defines. They are called as the functions they are."""

import inspect
from collections.abc import Callable, Iterable
from typing import Any

from rushlight import _api as torch
from rushlight.autograd.function import Function

__all__ = ["CustomOpDef", "custom_op", "register_autograd", "register_fake", "register_kernel"]


class CustomOpDef:
    """What ``custom_op`` makes: a function with a name, and a gradient if one was registered.

    >>> torch.library.custom_op("mylib::same", lambda x: x.clone(), mutates_args=())
    <CustomOpDef(mylib::same)>
    """

    def __init__(self, name: str, fn: Callable) -> None:
        self._qualname, self._fn = name, fn
        self._signature = inspect.signature(fn)
        self._kernels: dict[str, Callable] = {}
        self._backward: Callable | None = None
        self._setup_context: Callable | None = None
        self._function: Any = None

    def __repr__(self) -> str:
        return f"<CustomOpDef({self._qualname})>"

    def register_fake(self, fn: Callable, /) -> Callable:
        """register_fake(fn) -> fn: how shapes come about without values, for the compiler."""
        return fn

    def register_kernel(
        self, device_types: str | Iterable[str] | None, fn: Callable | None = None, /
    ) -> Callable:
        """register_kernel(device_types, fn=None): the function for tensors on these devices."""

        def register(kernel: Callable) -> Callable:
            names = [device_types] if isinstance(device_types, str) else device_types or ["cpu"]
            self._kernels.update(dict.fromkeys(names, kernel))
            return kernel

        return register if fn is None else register(fn)

    def register_autograd(
        self, backward: Callable, /, *, setup_context: Callable | None = None
    ) -> None:
        """register_autograd(backward, *, setup_context=None): ``backward(ctx, *grads)`` gives the
        gradients, ``setup_context(ctx, inputs, output)`` keeps what it needs.
        """
        self._backward, self._setup_context, self._function = backward, setup_context, None

    def _compute(self, *args: Any) -> Any:
        first = next((a for a in args if isinstance(a, torch.Tensor)), None)
        kernel = self._kernels.get(first.device.type) if first is not None else None
        return (kernel or self._fn)(*args)

    def _made_function(self) -> Any:
        """The autograd function that computes the operator."""
        op = self

        class Made(Function):
            @staticmethod
            def forward(ctx: Any, *args: Any) -> Any:
                output = op._compute(*args)
                if op._setup_context is not None:
                    op._setup_context(ctx=ctx, inputs=args, output=output)
                return output

            @staticmethod
            def backward(ctx: Any, *grads: Any) -> Any:
                if op._backward is None:
                    raise RuntimeError(
                        f"Trying to backward through {op._qualname.replace('::', '.')}.default but "
                        "no autograd formula was registered. Please use register_autograd to add "
                        "one."
                    )
                return op._backward(ctx, *grads)

        Made.__name__ = self._qualname.replace("::", "_")
        return Made

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        bound = self._signature.bind(*args, **kwargs)
        bound.apply_defaults()
        given = (*bound.args, *bound.kwargs.values())
        needs = any(isinstance(a, torch.Tensor) and a.requires_grad for a in given)
        if not (needs and torch.is_grad_enabled()):
            return self._compute(*given)
        if self._function is None:
            self._function = self._made_function()
        return self._function.apply(*given)


_OPS: dict[str, CustomOpDef] = {}


def custom_op(
    name: str,
    fn: Callable | None = None,
    /,
    *,
    mutates_args: str | Iterable[str],
    device_types: str | Iterable[str] | None = None,
    schema: str | None = None,
    tags: Any = None,
) -> Any:
    """custom_op(name, fn=None, /, *, mutates_args, device_types=None, schema=None)

    An operator "namespace::name" made of a function; without ``fn`` a decorator. It is also
    ``torch.ops.namespace.name``. ``mutates_args`` and ``schema`` are for the compiler.

    >>> @torch.library.custom_op("mylib::double", mutates_args=())
    ... def double(x: torch.Tensor) -> torch.Tensor:
    ...     return x * 2
    >>> double(torch.tensor(3)), torch.ops.mylib.double(torch.tensor(3))
    (tensor(6), tensor(6))
    """

    def define(function: Callable) -> CustomOpDef:
        if name.count("::") != 1:
            raise ValueError(
                f"Expected `name` to be of the form 'namespace::name', got {name!r}: an operator "
                "needs a namespace"
            )
        op = CustomOpDef(name, function)
        if device_types is not None:
            op.register_kernel(device_types, function)
        _OPS[name] = op
        return op

    return define if fn is None else define(fn)


def _found(op: str | CustomOpDef) -> CustomOpDef:
    if isinstance(op, CustomOpDef):
        return op
    if op not in _OPS:
        raise NotImplementedError(
            f"{op}: only operators made by torch.library.custom_op can be extended in rushlight"
        )
    return _OPS[op]


def register_fake(op: str | CustomOpDef, func: Callable | None = None, /, **options: Any) -> Any:
    """register_fake(op, func=None): how an operator's shapes come about, for the compiler.

    >>> torch.library.custom_op("mylib::one", lambda x: x + 1, mutates_args=())
    <CustomOpDef(mylib::one)>
    >>> shape_of = torch.library.register_fake("mylib::one", torch.empty_like)
    """
    found = _found(op)
    return found.register_fake if func is None else found.register_fake(func)


def register_kernel(
    op: str | CustomOpDef, device_types: Any, func: Callable | None = None, /, **options: Any
) -> Any:
    """register_kernel(op, device_types, func=None): the function for tensors on these devices.

    >>> op = torch.library.custom_op("mylib::two", lambda x: x, mutates_args=())
    >>> kernel = torch.library.register_kernel(op, "cpu", lambda x: x + 2)
    >>> op(torch.tensor(1))
    tensor(3)
    """
    return _found(op).register_kernel(device_types, func)


def register_autograd(
    op: str | CustomOpDef,
    backward: Callable,
    /,
    *,
    setup_context: Callable | None = None,
    lib: Any = None,
) -> None:
    """register_autograd(op, backward, *, setup_context=None): an operator's gradient.

    >>> op = torch.library.custom_op("mylib::triple", lambda x: x * 3, mutates_args=())
    >>> torch.library.register_autograd(op, lambda ctx, g: g * 3)
    >>> x = torch.tensor(1.0, requires_grad=True)
    >>> op(x).backward(); x.grad
    tensor(3.)
    """
    _found(op).register_autograd(backward, setup_context=setup_context)


class _Namespace:
    """``torch.ops.namespace``: the operators whose names begin with it."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, name: str) -> CustomOpDef:
        op = _OPS.get(f"{self._name}::{name}")
        if op is None:
            raise AttributeError(f"'_OpNamespace' '{self._name}' object has no attribute '{name}'")
        return op


class _Ops:
    """``torch.ops``: the namespaces of operators that programs defined."""

    def __getattr__(self, name: str) -> _Namespace:
        if not any(known.startswith(f"{name}::") for known in _OPS):
            raise AttributeError(
                f"torch.ops has no namespace '{name}': it has operators made by "
                "torch.library.custom_op only"
            )
        return _Namespace(name)


ops = _Ops()
