"""torch.utils.hooks: the handles of hooks."""

import warnings
from collections.abc import Callable
from typing import Any

from rushlight._core.tensor import live_node
from rushlight.nn.modules._hooks import RemovableHandle as RemovableHandle


def unserializable_hook(f: Callable) -> Callable:
    """unserializable_hook(f): mark a hook that pickling a tensor may leave out without a word.

    >>> @torch.utils.hooks.unserializable_hook
    ... def hook(grad):
    ...     return grad
    >>> x = torch.ones(1, requires_grad=True)
    >>> _ = x.register_hook(hook)
    >>> torch.utils.hooks.warn_if_has_hooks(x)
    """
    vars(f)["__torch_unserializable__"] = True
    return f


def warn_if_has_hooks(tensor: Any) -> None:
    """warn_if_has_hooks(tensor): warn of hooks that would be lost if the tensor were pickled.

    >>> import warnings
    >>> x = torch.ones(1, requires_grad=True)
    >>> _ = x.register_hook(lambda grad: 2 * grad)
    >>> with warnings.catch_warnings(record=True) as caught:
    ...     warnings.simplefilter('always')
    ...     torch.utils.hooks.warn_if_has_hooks(x)
    >>> len(caught)
    1
    """
    node = live_node(tensor)
    for kind, hook in (node.hooks if node is not None else None) or ():
        if kind == "tensor" and not hasattr(hook, "__torch_unserializable__"):
            warnings.warn(
                f"backward hook {hook!r} on tensor will not be serialized.  If this is expected, "
                "you can decorate the function with @torch.utils.hooks.unserializable_hook to "
                "suppress this warning",
                stacklevel=2,
            )
