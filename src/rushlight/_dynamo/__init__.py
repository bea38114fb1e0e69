"""torch._dynamo: the older names of torch.compiler that libraries import. Nothing is compiled."""

from typing import Any

from rushlight._dynamo import config as config
from rushlight._dynamo import eval_frame as eval_frame
from rushlight._dynamo import exc as exc
from rushlight._dynamo.eval_frame import OptimizedModule as OptimizedModule
from rushlight._dynamo.eval_frame import is_dynamo_supported as is_dynamo_supported
from rushlight.compiler import allow_in_graph as allow_in_graph
from rushlight.compiler import assume_constant_result as assume_constant_result
from rushlight.compiler import disable as disable
from rushlight.compiler import is_compiling as is_compiling
from rushlight.compiler import list_backends as list_backends
from rushlight.compiler import reset as reset
from rushlight.compiler import set_stance as set_stance
from rushlight.compiler import substitute_in_graph as substitute_in_graph


def graph_break(msg: str = "") -> None:
    """graph_break(msg=""): the compiled graph ends here; nothing, as in PyTorch's eager mode."""


def _mark(t: Any, index: Any) -> None:
    """Check that an index names dimensions, as PyTorch does."""
    for i in (index,) if isinstance(index, int) else index:
        if not isinstance(i, int):
            raise TypeError(f"expected an int or a sequence of ints, got {type(i).__name__}")


def mark_dynamic(t: Any, index: Any, **options: Any) -> None:
    """mark_dynamic(t, index): compiled code shall not rely on the size of this dimension. A hint
    for the compiler that changes no result.
    """
    _mark(t, index)


def maybe_mark_dynamic(t: Any, index: Any) -> None:
    """maybe_mark_dynamic(t, index): as mark_dynamic."""
    _mark(t, index)


def mark_static(t: Any, index: Any = None) -> None:
    """mark_static(t, index=None): compiled code may rely on the size of this dimension."""
    _mark(t, () if index is None else index)


def mark_static_address(t: Any, guard: bool = False) -> None:
    """mark_static_address(t, guard=False): the tensor will stay where it is in memory."""
