"""Looking inside, and functionalize."""

import functools
from collections.abc import Callable
from typing import Any

from rushlight._core.batched import BatchedArray
from rushlight._core.levels import Wrapped
from rushlight._core.tensor import Tensor, live_node, wrap


def debug_unwrap(tensor: Tensor, *, recurse: bool = True) -> Tensor:
    """debug_unwrap(tensor, *, recurse=True) -> Tensor

    What a tensor inside a transform holds: for a vmapped one the whole batch, the batch first.
    To look at it, not to compute with it. ``recurse``: through all transforms.

    >>> _ = torch.vmap(lambda x: print(torch.func.debug_unwrap(x).shape) or x)(torch.ones(3, 2))
    torch.Size([3, 2])
    """
    x = tensor._data
    if not isinstance(x, Wrapped):
        return tensor
    inner = x.value if isinstance(x, BatchedArray) else wrap(x.below_dead(), live_node(tensor))
    return debug_unwrap(inner) if recurse else inner


def functionalize(func: Callable, *, remove: str = "mutations") -> Callable:
    """functionalize(func, *, remove="mutations") -> Callable

    A function with the results of ``func``. In PyTorch it matters to tracing, where writes in place
    become operators that return; run eagerly, as everything is here, it computes what ``func`` does.

    >>> torch.func.functionalize(lambda x: x.clone().add_(1))(torch.zeros(2))
    tensor([1., 1.])
    """
    if remove not in ("mutations", "mutations_and_views"):
        raise RuntimeError(
            "functionalize(f, remove='mutations'): Valid options for inner argument are:\n"
            "     remove='mutations' or remove='mutations_and_views'.\n"
            f"     Got functionalize(f, remove={remove})."
        )

    @functools.wraps(func)
    def call(*args: Any, **kwargs: Any) -> Any:
        return func(*args, **kwargs)

    return call
