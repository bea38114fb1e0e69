"""What torch.compile makes of a module."""

import warnings
from collections.abc import Callable, Sized
from typing import Any

from rushlight.nn.modules._hooks import _has_any_global_hook
from rushlight.nn.modules.module import Module


class OptimizedModule(Module):
    """OptimizedModule(mod, dynamo_ctx): ``torch.compile(mod)``, called as the module is.

    The module is its only part, ``_orig_mod``, so parameters have that prefix in the state_dict;
    every other attribute is the module's own.

    >>> model = torch.compile(torch.nn.Linear(2, 1), backend='eager')
    >>> list(model.state_dict())
    ['_orig_mod.weight', '_orig_mod.bias']
    >>> model.in_features
    2
    """

    _OWN = frozenset(
        {"_orig_mod", "dynamo_ctx", "forward", "__dict__", "_super_module_initialized"}
        | {"_torchdynamo_orig_callable"}
    )

    def __init__(self, mod: Module, dynamo_ctx: Callable[[Callable], Callable]) -> None:
        object.__setattr__(self, "_orig_mod", mod)
        self._super_module_initialized = False
        super().__init__()
        self._super_module_initialized = True
        del self.__dict__["_orig_mod"]
        self._orig_mod = mod  # registers it
        self.dynamo_ctx = dynamo_ctx
        self._torchdynamo_orig_callable = mod.forward
        self.forward = dynamo_ctx(mod.__call__)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if _has_any_global_hook():
            warnings.warn(
                "Using `torch.compile(module)` when there are global hooks on "
                "modules (e.g., from `register_module_forward_hook`); this will"
                " cause the hooks to fire an extra time for the "
                "`OptimizedModule` created by `torch.compile(module)`. If this "
                "causes undesired behavior, please try using `module.compile()`"
                ", or use the per-module hooks instead",
                stacklevel=2,
            )
        return super().__call__(*args, **kwargs)

    def __len__(self) -> int:
        if isinstance(self._orig_mod, Sized):
            return len(self._orig_mod)
        raise TypeError(f"{type(self._orig_mod).__name__} does not support len()")

    def __reduce__(self) -> tuple:
        return type(self), (self._orig_mod, self.dynamo_ctx)

    @property
    def training(self) -> bool:
        """Whether the module is in training mode."""
        return self._orig_mod.training

    @training.setter
    def training(self, value: bool) -> None:
        if self._super_module_initialized:
            self._orig_mod.training = value

    def __getattr__(self, name: str) -> Any:
        if name == "_orig_mod":
            return self._modules["_orig_mod"]
        return getattr(self._orig_mod, name)

    def __setattr__(self, name: str, value: Any) -> None:
        if hasattr(type(self), name) or name in self._OWN:
            super().__setattr__(name, value)
        else:
            setattr(self._orig_mod, name, value)

    def __delattr__(self, name: str) -> None:
        if hasattr(type(self), name) or name in self._OWN:
            super().__delattr__(name)
        else:
            delattr(self._orig_mod, name)

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *dir(self._orig_mod)})


Module._optimized_class = OptimizedModule
