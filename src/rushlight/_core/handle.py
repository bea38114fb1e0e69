"""The handle of a hook: one class for those of modules, optimizers, tensors and nodes."""

import weakref
from collections import OrderedDict
from typing import Any


class RemovableHandle:
    """RemovableHandle(hooks_dict, *, extra_dict=None): takes one hook out of its dictionary again.

    ``remove()`` may be called more than once; as a context manager it removes on exit.

    >>> m = torch.nn.ReLU()
    >>> handle = m.register_forward_hook(lambda module, args, output: output + 1)
    >>> m(torch.tensor(-1.0))
    tensor(1.)
    >>> handle.remove()
    >>> m(torch.tensor(-1.0))
    tensor(0.)
    """

    next_id = 0

    def __init__(self, hooks_dict: Any, *, extra_dict: Any = None) -> None:
        self.hooks_dict_ref = weakref.ref(hooks_dict)
        self.id = RemovableHandle.next_id
        RemovableHandle.next_id += 1
        if extra_dict is None:
            extra_dict = ()
        elif isinstance(extra_dict, dict):
            extra_dict = (extra_dict,)
        self.extra_dict_ref = tuple(weakref.ref(d) for d in extra_dict)

    def remove(self) -> None:
        """remove(): unregister the hook; nothing happens where it is gone already."""
        for ref in (self.hooks_dict_ref, *self.extra_dict_ref):
            hooks = ref()
            if hooks is not None:
                hooks.pop(self.id, None)

    def __getstate__(self) -> tuple:
        extra = tuple(ref() for ref in self.extra_dict_ref)
        return (self.hooks_dict_ref(), self.id, extra)

    def __setstate__(self, state: tuple) -> None:
        hooks, self.id = state[:2]
        self.hooks_dict_ref = _weak_dict(hooks)
        self.extra_dict_ref = tuple(_weak_dict(d) for d in (state[2] if len(state) > 2 else ()))
        RemovableHandle.next_id = max(RemovableHandle.next_id, self.id + 1)

    def __enter__(self) -> "RemovableHandle":
        return self

    def __exit__(self, *exc_info: Any) -> None:
        self.remove()


def _weak_dict(hooks: Any) -> weakref.ref:
    return weakref.ref(OrderedDict() if hooks is None else hooks)
