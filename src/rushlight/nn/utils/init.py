"""Making a module without drawing its weights."""

import inspect
from typing import Any

from rushlight import _api as torch
from rushlight.nn.modules.module import Module

__all__ = ["skip_init"]


def skip_init(module_cls: type, *args: Any, **kwargs: Any) -> Module:
    """skip_init(module_cls, *args, **kwargs): the module with uninitialised parameters.

    The class must take ``device``; RuntimeError otherwise.

    >>> torch.nn.utils.skip_init(torch.nn.Linear, 3, 4).weight.shape
    torch.Size([4, 3])
    """
    if not issubclass(module_cls, Module):
        raise RuntimeError(f"Expected a Module; got {module_cls}")
    if "device" not in inspect.signature(module_cls).parameters:
        raise RuntimeError("Module must support a 'device' arg to skip initialization")
    final_device = kwargs.pop("device", "cpu")
    kwargs["device"] = torch.device("meta")
    return module_cls(*args, **kwargs).to_empty(device=final_device)
