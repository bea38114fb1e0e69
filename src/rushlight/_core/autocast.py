"""Functions on autocast's lists: their arguments are cast before they run, nothing inside them."""

from collections.abc import Callable
from typing import Any

from rushlight._core.extension import C
from rushlight._core.state import S, thread


def casts(function: Callable, policies: dict[str, Any]) -> Callable:
    """A function made of operators, as one entry of the cast lists (device type -> policy).

    Records need no such thing: they carry ``autocast`` and the general path reads it.
    """

    def call(*args: Any, **kw: Any) -> Any:
        if S.special and thread.autocast is not None and kw.get("out") is None:
            return thread.autocast.run(function, policies, args, kw)
        return function(*args, **kw)

    shown: Any = call
    shown.__name__, shown.__qualname__ = function.__name__, function.__qualname__
    shown.__doc__, shown.__module__ = function.__doc__, function.__module__
    shown.__wrapped__ = getattr(function, "__wrapped__", function)
    return shown if C is None else C.through(shown, function, (), True)
