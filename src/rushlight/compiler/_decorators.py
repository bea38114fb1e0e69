"""Marks for the compiler. With nothing compiled, what they mark is called as it stands."""

import functools
from collections.abc import Callable
from typing import Any

from rushlight.nn.modules.module import Module
from rushlight.nn.modules.optimized import OptimizedModule


def allow_in_graph(fn: Any) -> Any:
    """allow_in_graph(fn) -> fn: the compiler need not look into it. A list or tuple of functions
    gives a list.

    >>> torch.compiler.allow_in_graph(torch.sin) is torch.sin
    True
    """
    if isinstance(fn, (list, tuple)):
        return [allow_in_graph(f) for f in fn]
    if not callable(fn):
        raise AssertionError("allow_in_graph expects a callable")
    return fn


def assume_constant_result(fn: Callable) -> Callable:
    """assume_constant_result(fn) -> fn: it returns the same whenever it is called.

    >>> @torch.compiler.assume_constant_result
    ... def size(): return 3
    >>> size()
    3
    """
    fn._dynamo_marked_constant = True  # type: ignore[attr-defined] # a mark on a function
    return fn


def substitute_in_graph(
    original_fn: Callable,
    *,
    can_constant_fold_through: bool = False,
    skip_signature_check: bool = False,
) -> Callable[[Callable], Callable]:
    """substitute_in_graph(original_fn, ...): a decorator of what stands for ``original_fn`` in
    compiled code. Called directly, the decorated function calls ``original_fn``, as in PyTorch.

    >>> import operator
    >>> @torch.compiler.substitute_in_graph(operator.add)
    ... def add(a, b, /): return a - -b
    >>> add(1, 2)
    3
    """
    if not callable(original_fn):
        raise TypeError(f"substitute_in_graph expects a function but got {type(original_fn)!r}")

    def decorate(traceable: Callable) -> Callable:
        @functools.wraps(traceable)
        def call(*args: Any, **kwargs: Any) -> Any:
            return original_fn(*args, **kwargs)

        return call

    return decorate


def innermost(fn: Any) -> Any:
    """The function that ``torch.compile`` or ``disable`` was given."""
    while "_torchdynamo_orig_callable" in getattr(fn, "__dict__", ()):
        if isinstance(fn, OptimizedModule):
            return fn._orig_mod
        fn = fn._torchdynamo_orig_callable
    return fn


class _DisabledCalls:
    """What ``disable()`` gives: a decorator of functions, modules and classes."""

    def __init__(self, reason: str | None = None) -> None:
        self.reason = reason

    def __call__(self, fn: Any) -> Any:
        fn = innermost(fn)
        if not callable(fn):
            raise AssertionError("fn must be callable")
        if isinstance(fn, Module):
            return OptimizedModule(fn, self)
        if isinstance(fn, type):
            kind: Any = fn
            kind.__call__ = self(kind.__call__)
            return kind

        @functools.wraps(fn)
        def disabled(*args: Any, **kwargs: Any) -> Any:
            return fn(*args, **kwargs)

        marked: Any = disabled
        marked._torchdynamo_disable = True
        marked._torchdynamo_disable_msg = self.reason
        marked._torchdynamo_orig_callable = fn
        return disabled


def disable(fn: Any = None, recursive: bool = True, *, reason: str | None = None) -> Any:
    """disable(fn=None, recursive=True, *, reason=None): never compile ``fn``. What was given to
    ``torch.compile`` before is called as it stood.

    Without ``fn``, a decorator.

    >>> @torch.compiler.disable
    ... @torch.compile
    ... def double(x): return 2 * x
    >>> double(torch.tensor(2))
    tensor(4)
    """
    decorate = _DisabledCalls(reason)
    return decorate if fn is None else decorate(fn)
