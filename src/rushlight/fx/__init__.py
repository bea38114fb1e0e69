"""torch.fx: the names that libraries decorate with and ask for. Nothing is traced symbolically."""

from collections.abc import Callable
from typing import Any, NoReturn

from rushlight.nn.modules.module import Module

__all__ = ["Graph", "GraphModule", "Interpreter", "Node", "Proxy", "Tracer", "Transformer"]
__all__ += ["symbolic_trace", "wrap"]


def _absent(name: str) -> NoReturn:
    raise NotImplementedError(
        f"torch.fx.{name} is not available in rushlight: models run eagerly; a hook "
        "(register_forward_hook) sees what a layer computes"
    )


class _Absent:
    """A class of PyTorch that nothing here is an instance of."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        _absent(type(self).__name__)


class Node(_Absent):
    """A step of a graph; nothing here is one.

    >>> isinstance(torch.nn.ReLU(), torch.fx.Node)
    False
    """


class Proxy(_Absent):
    """What stands for a value while tracing; nothing here is one.

    >>> isinstance(torch.nn.ReLU(), torch.fx.Proxy)
    False
    """


class Graph(_Absent):
    """A traced program; nothing here is one.

    >>> isinstance(torch.nn.ReLU(), torch.fx.Graph)
    False
    """


class Tracer(_Absent):
    """What traces a module; NotImplementedError.

    >>> torch.fx.Tracer()
    Traceback (most recent call last):
    NotImplementedError: torch.fx.Tracer is not available in rushlight: models run eagerly...
    """


class Interpreter(_Absent):
    """What runs a graph; NotImplementedError.

    >>> torch.fx.Interpreter()
    Traceback (most recent call last):
    NotImplementedError: torch.fx.Interpreter is not available in rushlight: models run eagerly...
    """


class Transformer(_Absent):
    """What rewrites a graph; NotImplementedError.

    >>> torch.fx.Transformer()
    Traceback (most recent call last):
    NotImplementedError: torch.fx.Transformer is not available in rushlight: models run eagerly...
    """


class GraphModule(Module):
    """A module made of a graph; nothing here is one.

    >>> isinstance(torch.nn.ReLU(), torch.fx.GraphModule)
    False
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        _absent("GraphModule")


def symbolic_trace(root: Any, concrete_args: dict | None = None) -> NoReturn:
    """symbolic_trace(root): not available; NotImplementedError says what to do.

    >>> torch.fx.symbolic_trace(torch.nn.ReLU())
    Traceback (most recent call last):
    NotImplementedError: torch.fx.symbolic_trace is not available in rushlight: models run eagerl...
    """
    _absent("symbolic_trace")


def wrap(fn_or_name: str | Callable) -> str | Callable:
    """wrap(fn_or_name) -> fn_or_name: a function that tracing does not look into.

    >>> torch.fx.wrap(len)([1])
    1
    """
    if not callable(fn_or_name) and not isinstance(fn_or_name, str):
        raise RuntimeError(
            "Unsupported type for global function! Must be either a callable or string name"
        )
    return fn_or_name
