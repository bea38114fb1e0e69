"""torch.utils.hooks: the handles of hooks."""

import warnings
from collections.abc import Callable
from typing import Any

from rushlight.nn.modules._hooks import RemovableHandle as RemovableHandle


def unserializable_hook(f: Callable) -> Callable:
    """unserializable_hook(f): mark a hook that pickling a tensor may leave out without a word."""
    vars(f)["__torch_unserializable__"] = True
    return f


def warn_if_has_hooks(tensor: Any) -> None:
    """warn_if_has_hooks(tensor): warn of hooks that would be lost if the tensor were pickled."""
    for hook in (tensor._backward_hooks or {}).values():
        if not hasattr(hook, "__torch_unserializable__"):
            warnings.warn(
                f"backward hook {hook!r} on tensor will not be serialized.  If this is expected, "
                "you can decorate the function with @torch.utils.hooks.unserializable_hook to "
                "suppress this warning",
                stacklevel=2,
            )
