"""May a function look at a tensor's values? Inside vmap each example has its own."""

from typing import Any

import numpy as np

from rushlight._core import gpu
from rushlight._core.backend import device_kernels
from rushlight._core.tensor import Tensor


def seen(*tensors: Tensor) -> bool:
    """Have these tensors one value each, which a check can look at?"""
    return not any(hasattr(t._data, "mapped") for t in tensors)


def values_of(t: Tensor) -> Any:
    """The array of a tensor, on the host; None inside vmap."""
    return np.asarray(gpu.to_host(t._data)) if seen(t) else None


def asserted(what: str, x: Any, *limits: int) -> bool:
    """Does a kernel of the device that an array is on assert this, so that nobody need wait?"""
    if type(x) is np.ndarray:
        return False
    kernel = device_kernels.get(what)
    if kernel is None or type(x) is not gpu.cuda.kind:
        return False
    return kernel(x, *limits) is not NotImplemented


def array_of(t: Tensor) -> Any:
    """The array of a tensor without history, where it is: a record's parameter."""
    return t._data
