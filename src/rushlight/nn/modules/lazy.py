"""LazyModuleMixin: modules that learn the size of their input from their first call."""

import itertools
import warnings
from collections.abc import Callable, Iterator
from typing import Any

from rushlight.nn.parameter import is_lazy

__all__ = ["LazyModuleMixin"]


class LazyModuleMixin:
    """A module whose parameters get their shapes at the first call.

    A subclass creates UninitializedParameters, defines ``initialize_parameters(*args, **kwargs)``
    and names in ``cls_to_become`` the class it turns into afterwards.

    >>> m = torch.nn.LazyLinear(3)
    >>> m.has_uninitialized_params()
    True
    >>> m(torch.ones(1, 2)).shape
    torch.Size([1, 3])
    >>> type(m).__name__, m.weight.shape
    ('Linear', torch.Size([3, 2]))
    """

    cls_to_become: Any = None
    _parameters: dict[str, Any]
    _buffers: dict[str, Any]
    _own_state: Callable[[], Iterator[tuple[str, Any]]]
    _get_name: Callable[[], str]
    register_forward_pre_hook: Callable[..., Any]
    _register_load_state_dict_pre_hook: Callable[..., Any]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._load_hook = self._register_load_state_dict_pre_hook(self._lazy_load_hook)
        self._initialize_hook = self.register_forward_pre_hook(
            self._infer_parameters, with_kwargs=True
        )
        warnings.warn(
            "Lazy modules are a new feature under heavy development "
            "so changes to the API or functionality can happen at any moment.",
            stacklevel=2,
        )

    def _save_to_state_dict(self, destination: dict, prefix: str, keep_vars: bool) -> None:
        # Like Module's, but an uninitialized tensor goes in as it is: it cannot be detached.
        for name, value in self._own_state():
            raw = keep_vars or is_lazy(value)
            destination[prefix + name] = value if raw else value.detach()

    def _lazy_load_hook(self, state_dict: dict, prefix: str, *rest: Any) -> None:
        """Give uninitialized tensors the shapes found in a state_dict."""
        for name, value in itertools.chain(self._parameters.items(), self._buffers.items()):
            given = state_dict.get(prefix + name)
            if value is None or given is None or not is_lazy(value) or is_lazy(given):
                continue
            value.materialize(given.shape)

    def initialize_parameters(self, *args: Any, **kwargs: Any) -> None:
        """initialize_parameters(*args, **kwargs)

        Give the parameters shapes that fit this input.
        """
        raise NotImplementedError(
            f"initialize_parameters is not implemented for {self.__class__.__name__}"
        )

    def has_uninitialized_params(self) -> bool:
        """has_uninitialized_params(): does anything still lack a shape?"""
        return any(
            is_lazy(v) for v in itertools.chain(self._parameters.values(), self._buffers.values())
        )

    def _infer_parameters(self, module: Any, args: tuple, kwargs: dict | None = None) -> None:
        """The forward pre-hook of the first call."""
        module.initialize_parameters(*args, **(kwargs or {}))
        if module.has_uninitialized_params():
            raise RuntimeError(f"module {self._get_name()} has not been fully initialized")
        module._initialize_hook.remove()
        module._load_hook.remove()
        del module._initialize_hook
        del module._load_hook
        if module.cls_to_become is not None:
            module.__class__ = module.cls_to_become

    def _replicate_for_data_parallel(self) -> Any:
        raise RuntimeError(
            "Modules with uninitialized parameters can't be used with `DataParallel`. "
            "Run a dummy forward pass to correctly initialize the modules"
        )
