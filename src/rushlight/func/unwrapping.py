"""Looking inside, and functionalize."""

import functools
from collections.abc import Callable
from typing import Any

from rushlight._core.tensor import Tensor
from rushlight.autograd.variables import unwrapped


def debug_unwrap(tensor: Tensor, *, recurse: bool = True) -> Tensor:
    """debug_unwrap(tensor, *, recurse=True) -> Tensor

    What a tensor inside a transform holds: for a vmapped one the whole batch, the batch first.
    To look at it, not to compute with it. ``recurse``: through all transforms.

    >>> _ = torch.vmap(lambda x: print(torch.func.debug_unwrap(x).shape) or x)(torch.ones(3, 2))
    torch.Size([3, 2])
    """
    inner = unwrapped(tensor)
    if inner is None:
        return tensor
    return debug_unwrap(inner) if recurse else inner


def functionalize(func: Callable, *, remove: str = "mutations") -> Callable:
    """functionalize(func, *, remove="mutations") -> Callable

    A function with the results of ``func``. In PyTorch it matters to tracing, where writes in place
    become operators that return; run eagerly, as all is here, it computes what ``func`` does.

    >>> torch.func.functionalize(lambda x: x.clone().add_(1))(torch.zeros(2))
    tensor([1., 1.])
    """
    if remove not in ("mutations", "mutations_and_views"):
        raise RuntimeError(
            f"functionalize(f, remove='mutations'): received invalid argument for remove={remove}. "
            "Valid options are:\n     remove='mutations': all inplace and out= operators will be "
            "removed from the program, and replaced with their out-of-place equivalents.\n     "
            "remove='mutations_and_views': In addition to the above, all aliasing operators {view} "
            "will be replaced with their non-aliasing counterparts, {view}_copy.\n"
        )

    @functools.wraps(func)
    def call(*args: Any, **kwargs: Any) -> Any:
        return func(*args, **kwargs)

    return call
