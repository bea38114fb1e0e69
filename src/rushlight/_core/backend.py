"""One row per kind of array: which array module serves it, and which kernels stand beside the
references.
"""

from collections.abc import Callable
from typing import Any

import numpy as np


class MetaArray(np.ndarray):
    """An array of the meta device: a shape and a dtype; its one element is shared by all places and
    means nothing.
    """

    # Offset and strides in elements, where a file or a caller said them; None: contiguous.
    layout: tuple[int, tuple[int, ...]] | None = None

    def item(self, *args: object) -> object:
        """There is nothing to read."""
        raise RuntimeError("Tensor.item() cannot be called on meta tensors")

    def tolist(self) -> Any:
        """There is nothing to read."""
        raise NotImplementedError("Cannot copy out of meta tensor; no data!")


def meta_array(
    shape: tuple[int, ...], dtype: np.dtype, layout: tuple[int, tuple[int, ...]] | None = None
) -> MetaArray:
    """A meta array of this shape and dtype; it takes no memory."""
    made = np.broadcast_to(np.zeros((), dtype), shape).view(MetaArray)
    made.layout = layout
    return made


MODULES: dict[type, object] = {np.ndarray: np, MetaArray: np}

# op name -> kernel(*arrays, *params), which returns NotImplemented for what it does not serve.
_kernels: dict[str, Callable] = {}
# The same for arrays of half precision, where an op would have them made float32.
half_kernels: dict[str, Callable] = {}
# Of these, the ones that decline no array of half precision but for its layout.
direct_halves: set[str] = set()
# And operators whose kernels take a Python number next to it as PyTorch does.
half_numbers: set[str] = set()
# The same for arrays of a CUDA device, entered when the first is used (_kernels/cuda).
device_kernels: dict[str, Callable] = {}
# And what writes into ``out=``, an array of the result's shape and dtype, maybe one of the inputs.
device_writers: dict[str, Callable] = {}
_complete: set[str] = set()  # those that serve every call, falling back on NumPy themselves


def kernel(name: str, function: Callable, complete: bool = False) -> None:
    """Register a fast kernel for the op of that name. Done before the records are made."""
    _kernels[name] = function
    if complete:
        _complete.add(name)


def is_complete(name: str) -> bool:
    """Does the kernel registered for an op serve every call?"""
    return name in _complete


def kernel_for(name: str) -> Callable | None:
    """The kernel registered for an op, if any."""
    return _kernels.get(name)
