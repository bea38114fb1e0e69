"""torch.overrides: types and modes that answer torch functions themselves."""

import inspect
from collections.abc import Callable, Iterable
from typing import Any

from rushlight import _api as torch
from rushlight._core.dispatch import ask_overrides, flat, no_override, overrides
from rushlight._core.inplace import InPlace
from rushlight._core.state import S, thread
from rushlight._core.surface import namespace

__all__ = [
    "TorchFunctionMode",
    "get_overridable_functions",
    "handle_torch_function",
    "has_torch_function",
    "has_torch_function_unary",
    "has_torch_function_variadic",
    "is_tensor_like",
    "is_tensor_method_or_property",
    "resolve_name",
]


def is_tensor_like(inp: object) -> bool:
    """is_tensor_like(inp) -> bool: a Tensor, or of a type with a ``__torch_function__``.

    >>> torch.overrides.is_tensor_like(torch.ones(1)), torch.overrides.is_tensor_like([1])
    (True, False)
    """
    return type(inp) is torch.Tensor or hasattr(inp, "__torch_function__")


def has_torch_function(relevant_args: Iterable[Any]) -> bool:
    """has_torch_function(relevant_args) -> bool

    Whether a function should ask ``handle_torch_function``: a mode is active, or one of the
    arguments has a ``__torch_function__`` of its own.

    >>> class Loud:
    ...     @classmethod
    ...     def __torch_function__(cls, func, types, args=(), kwargs=None):
    ...         return 'loud'
    >>> torch.overrides.has_torch_function((Loud(), 1))
    True
    >>> torch.overrides.has_torch_function((torch.ones(1),))
    False
    """
    if any(isinstance(m, TorchFunctionMode) for m in S.modes):
        return True
    return not thread.no_override and any(overrides(a) for a in relevant_args)


def has_torch_function_unary(arg: object) -> bool:
    """has_torch_function of one argument.

    >>> torch.overrides.has_torch_function_unary(torch.ones(1))
    False
    """
    return has_torch_function((arg,))


def has_torch_function_variadic(*args: object) -> bool:
    """has_torch_function of arguments given one by one.

    >>> torch.overrides.has_torch_function_variadic(torch.ones(1), 2)
    False
    """
    return has_torch_function(args)


def handle_torch_function(
    public_api: Callable, relevant_args: Iterable[Any], *args: Any, **kwargs: Any
) -> Any:
    """handle_torch_function(public_api, relevant_args, *args, **kwargs)

    Let the innermost mode, or else the overriding types among ``relevant_args`` (subclasses
    first), answer the call ``public_api(*args, **kwargs)``. TypeError if all decline.

    >>> class Loud:
    ...     @classmethod
    ...     def __torch_function__(cls, func, types, args=(), kwargs=None):
    ...         return func.__name__.upper()
    >>> def double(x):
    ...     if torch.overrides.has_torch_function((x,)):
    ...         return torch.overrides.handle_torch_function(double, (x,), x)
    ...     return 2 * x
    >>> double(Loud()), double(torch.tensor(3))
    ('DOUBLE', tensor(6))
    """
    kinds = list({type(a): None for a in relevant_args if overrides(a)})
    mode = next((m for m in reversed(S.modes) if isinstance(m, TorchFunctionMode)), None)
    if mode is not None:
        with mode.suspended():
            result = mode.__torch_function__(public_api, tuple(kinds), args, kwargs)
        if result is not NotImplemented:
            return result
    return ask_overrides(public_api, kinds, args, kwargs)


class _Suspended:
    """A mode off for a while: what it does itself it does not see."""

    def __init__(self, mode: "TorchFunctionMode") -> None:
        self.mode = mode

    def __enter__(self) -> None:
        self.at = S.modes.index(self.mode)
        del S.modes[self.at]
        S.special -= 1

    def __exit__(self, *exc: object) -> None:
        S.modes.insert(self.at, self.mode)
        S.special += 1


class TorchFunctionMode:
    """A context in which ``__torch_function__`` sees every operator's call.

    Override ``__torch_function__(self, func, types, args=(), kwargs=None)``; inside it the mode is
    off. It sees operators, and the operators that a composed function calls; not the composed
    function itself, nor functions that make tensors from nothing.

    >>> class Names(torch.overrides.TorchFunctionMode):
    ...     def __torch_function__(self, func, types, args=(), kwargs=None):
    ...         print(func.__name__)
    ...         return func(*args, **(kwargs or {}))
    >>> with Names():
    ...     _ = torch.ones(2).exp()
    exp
    """

    def __torch_function__(
        self, func: Callable, types: tuple, args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        raise NotImplementedError

    def suspended(self) -> _Suspended:
        """A context in which the mode is off."""
        return _Suspended(self)

    def __enter__(self) -> "TorchFunctionMode":
        S.modes.append(self)
        S.special += 1
        return self

    def __exit__(self, *exc: object) -> None:
        S.modes.remove(self)
        S.special -= 1

    def process(self, op: Any, tensors: tuple, params: tuple, out: Any) -> Any:
        """What the dispatcher calls: the operator's public call, as the user's method takes it."""
        kinds = tuple({type(t): None for t in flat(tensors) if overrides(t)})
        args, kwargs = _call_of(op, tensors, params)
        if out is not None:
            kwargs["out"] = out
        result = self.__torch_function__(op.call, kinds, args, kwargs)
        if result is NotImplemented:
            raise TypeError(
                f"Multiple dispatch failed for 'torch.{op.name}'; all __torch_function__ handlers "
                f"returned NotImplemented: mode {type(self).__name__}"
            )
        return result


def _call_of(op: Any, tensors: tuple, params: tuple) -> tuple[tuple, dict]:
    """Positional and keyword arguments for ``op.call``."""
    if isinstance(op, InPlace):
        return (*tensors, *params), {}
    code = op.call.__code__
    takes = op.positional if code.co_flags & inspect.CO_VARARGS else code.co_argcount
    split = takes - len(op.tensors)
    kwargs = dict(zip(op.arguments[takes:], params[split:], strict=True))
    return (*tensors, *params[:split]), kwargs


_SPACES = ("torch", "nn.functional", "linalg", "fft", "special")


def get_overridable_functions() -> dict[Any, list[Callable]]:
    """get_overridable_functions() -> dict

    From a namespace (``torch.Tensor``, or a name such as 'torch.linalg') to its functions that
    types and modes can override.

    >>> functions = torch.overrides.get_overridable_functions()
    >>> torch.Tensor.add in functions[torch.Tensor]
    True
    """
    found: dict[Any, list[Callable]] = {torch.Tensor: _functions("Tensor")}
    for space in _SPACES:
        found["torch" if space == "torch" else f"torch.{space}"] = _functions(space)
    return found


def _functions(space: str) -> list[Callable]:
    return [f for f in namespace(space).values() if callable(f)]


def resolve_name(f: Callable) -> str | None:
    """resolve_name(f) -> str or None: 'torch.add', of a function that can be overridden.

    >>> torch.overrides.resolve_name(torch.add), torch.overrides.resolve_name(torch.linalg.det)
    ('torch.add', 'torch.linalg.det')
    """
    for space in _SPACES:
        for name, function in namespace(space).items():
            if function is f:
                return f"torch.{name}" if space == "torch" else f"torch.{space}.{name}"
    for name, function in namespace("Tensor").items():
        if function is f:
            return f"torch.Tensor.{name}"
    return None


def is_tensor_method_or_property(func: Callable) -> bool:
    """is_tensor_method_or_property(func) -> bool: whether it belongs to Tensor.

    >>> torch.overrides.is_tensor_method_or_property(torch.Tensor.add)
    True
    >>> torch.overrides.is_tensor_method_or_property(torch.einsum)
    False
    """
    return any(f is func for f in namespace("Tensor").values()) or func.__name__ == "__get__"


DisableTorchFunctionSubclass = no_override
