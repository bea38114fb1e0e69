"""no_grad, enable_grad, set_grad_enabled, inference_mode: context managers and decorators."""

import functools
import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from rushlight._core.state import grad_enabled, set_grad, set_inference, thread


class _Mode:
    """A context manager that is also a decorator, of functions and generator functions."""

    before: Any  # the setting to go back to

    if TYPE_CHECKING:  # of the subclasses

        def __enter__(self) -> None: ...
        def __exit__(self, *exc: object) -> None: ...

    def __call__(self, function: Callable) -> Callable:
        if inspect.isgeneratorfunction(function):
            return self._wrap_generator(function)

        @functools.wraps(function)
        def call(*args: object, **kw: object) -> object:
            with self.clone():
                return function(*args, **kw)

        return call

    def _wrap_generator(self, function: Callable) -> Callable:
        @functools.wraps(function)
        def call(*args: object, **kw: object) -> object:
            items = function(*args, **kw)
            sent = None
            while True:
                try:
                    with self.clone():
                        item = items.send(sent)
                except StopIteration as stop:
                    return stop.value
                sent = yield item

        return call

    def clone(self) -> "_Mode":
        """A fresh context of the same kind."""
        return type(self)()


class _WithoutParentheses(_Mode):
    """``@no_grad`` works as ``@no_grad()`` does."""

    def __new__(cls, function: Callable | None = None) -> Any:
        self = object.__new__(cls)
        return self if function is None else self(function)


class no_grad(_WithoutParentheses):
    """no_grad()

    Inside, nothing records history: results do not require grad. A context manager and a decorator.

    >>> x = torch.ones(1, requires_grad=True)
    >>> with torch.no_grad():
    ...     (x * 2).requires_grad
    False
    """

    def __enter__(self) -> None:
        self.before = thread.grad
        set_grad(False)

    def __exit__(self, *exc: object) -> None:
        set_grad(self.before)


class enable_grad(_WithoutParentheses):
    """enable_grad(): inside, history is recorded again. A context manager and a decorator.

    >>> x = torch.ones(1, requires_grad=True)
    >>> with torch.no_grad(), torch.enable_grad():
    ...     (x * 2).requires_grad
    True
    """

    def __enter__(self) -> None:
        self.before = thread.grad
        set_grad(True)

    def __exit__(self, *exc: object) -> None:
        set_grad(self.before)


class set_grad_enabled(_Mode):
    """set_grad_enabled(mode): record history or not, from here on or inside a ``with``.

    >>> x = torch.ones(1, requires_grad=True)
    >>> with torch.set_grad_enabled(False):
    ...     (x * 2).requires_grad
    False
    """

    def __init__(self, mode: bool) -> None:
        self.before, self.mode = thread.grad, mode
        set_grad(bool(mode))

    def __call__(self, function: Callable) -> Callable:
        set_grad(self.before)
        return super().__call__(function)

    def __enter__(self) -> None:
        set_grad(bool(self.mode))

    def __exit__(self, *exc: object) -> None:
        set_grad(self.before)

    def __repr__(self) -> str:
        return f"torch.autograd.grad_mode.set_grad_enabled(mode={self.mode})"

    def clone(self) -> "set_grad_enabled":
        """A fresh context with the same setting."""
        return set_grad_enabled(self.mode)


class inference_mode(_Mode):
    """inference_mode(mode=True)

    ``no_grad`` for code whose results never meet autograd: tensors made inside are marked
    (``is_inference()``), have no version counter, and outside can neither be saved for a gradient
    nor be written to in place.

    >>> with torch.inference_mode():
    ...     x = torch.ones(2)
    >>> x.is_inference()
    True
    """

    mode: bool

    def __new__(cls, mode: object = True) -> Any:
        self = object.__new__(cls)
        self.mode = True if callable(mode) else bool(mode)
        return self(mode) if callable(mode) else self

    def __enter__(self) -> None:
        self.before = thread.grad, thread.inference
        set_inference(self.mode)
        if self.mode:
            set_grad(False)

    def __exit__(self, *exc: object) -> None:
        grad, inference = self.before
        set_inference(inference)
        set_grad(grad)

    def clone(self) -> "inference_mode":
        """A fresh context with the same setting."""
        return inference_mode(self.mode)


def is_grad_enabled() -> bool:
    """is_grad_enabled() -> bool

    Whether history is being recorded in this thread.

    >>> torch.is_grad_enabled()
    True
    """
    return grad_enabled()


def is_inference_mode_enabled() -> bool:
    """is_inference_mode_enabled() -> bool

    Whether this thread is inside ``inference_mode``.

    >>> torch.is_inference_mode_enabled()
    False
    """
    return thread.inference
