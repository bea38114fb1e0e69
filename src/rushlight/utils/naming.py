"""Names of types as PyTorch gives them."""

from typing import Any

from rushlight import _api as torch

_STORAGES = ("TypedStorage", "UntypedStorage")


def typename(obj: object) -> str:
    """typename(obj) -> str

    The name of an object's type, with its module; of a tensor the type by its dtype; of a class or
    function its own name.

    >>> torch.typename(torch.ones(1))
    'torch.FloatTensor'
    """
    if isinstance(obj, torch.Tensor):
        return obj.type()
    named = obj if hasattr(obj, "__qualname__") else type(obj)
    module, name = _torch_module(named), named.__qualname__
    return name if module in ("", "builtins") else f"{module}.{name}"


def _torch_module(named: Any) -> str:
    """The module of a class or function, ours under PyTorch's name."""
    module = named.__module__ or ""
    if module.startswith("rushlight._core"):
        return "torch.storage" if named.__qualname__ in _STORAGES else "torch"
    return "torch" + module.removeprefix("rushlight") if module.startswith("rushlight") else module
