"""torch.compiler: what programs ask and tell the compiler. Here nothing is ever compiled."""

from typing import Any

from rushlight import _api as torch
from rushlight.compiler._decorators import allow_in_graph as allow_in_graph
from rushlight.compiler._decorators import assume_constant_result as assume_constant_result
from rushlight.compiler._decorators import disable as disable
from rushlight.compiler._decorators import substitute_in_graph as substitute_in_graph
from rushlight.compiler._stance import get_default_backend as get_default_backend
from rushlight.compiler._stance import set_default_backend as set_default_backend
from rushlight.compiler._stance import set_stance as set_stance

__all__ = [
    "allow_in_graph",
    "assume_constant_result",
    "compile",
    "cudagraph_mark_step_begin",
    "disable",
    "get_default_backend",
    "is_compiling",
    "is_dynamo_compiling",
    "is_exporting",
    "list_backends",
    "reset",
    "set_default_backend",
    "set_stance",
    "substitute_in_graph",
]


def compile(*args: Any, **kwargs: Any) -> Any:
    """compile(...): :func:`torch.compile`.

    >>> torch.compiler.compile(torch.neg, backend='eager')(torch.tensor(1))
    tensor(-1)
    """
    return torch.compile(*args, **kwargs)


def is_compiling() -> bool:
    """is_compiling() -> bool: False, since nothing is traced.

    >>> torch.compiler.is_compiling()
    False
    """
    return False


def is_dynamo_compiling() -> bool:
    """is_dynamo_compiling() -> bool: False, since nothing is traced.

    >>> torch.compiler.is_dynamo_compiling()
    False
    """
    return False


def is_exporting() -> bool:
    """is_exporting() -> bool: False, since nothing is exported.

    >>> torch.compiler.is_exporting()
    False
    """
    return False


def list_backends(exclude_tags: tuple[str, ...] | None = ("debug", "experimental")) -> list[str]:
    """list_backends(exclude_tags=("debug", "experimental")) -> list of str: the backends that are
    here. "eager", which PyTorch counts among those for debugging, is the only one.

    >>> torch.compiler.list_backends(None)
    ['eager']
    """
    return [] if "debug" in (exclude_tags or ()) else ["eager"]


def reset() -> None:
    """reset(): forget what was compiled, which is nothing.

    >>> torch.compiler.reset()
    """


def cudagraph_mark_step_begin() -> None:
    """cudagraph_mark_step_begin(): compiled code may reuse the memory of the step before; there is
    none.

    >>> torch.compiler.cudagraph_mark_step_begin()
    """
