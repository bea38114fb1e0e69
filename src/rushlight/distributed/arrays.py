"""The memory of tensors, as flat arrays."""

from collections.abc import Sequence
from itertools import accumulate
from typing import Any

import ml_dtypes
import numpy as np

from rushlight import _api as torch
from rushlight._core import gpu

# dtypes that Tensor.numpy() has no name for: the bytes are looked at as another one.
_FOREIGN: dict[Any, tuple[Any, Any]] = {
    torch.bfloat16: (torch.uint16, ml_dtypes.bfloat16),
    torch.float8_e4m3fn: (torch.uint8, ml_dtypes.float8_e4m3fn),
    torch.float8_e5m2: (torch.uint8, ml_dtypes.float8_e5m2),
    torch.float8_e4m3fnuz: (torch.uint8, ml_dtypes.float8_e4m3fnuz),
    torch.float8_e5m2fnuz: (torch.uint8, ml_dtypes.float8_e5m2fnuz),
}


def array_of(t: torch.Tensor) -> np.ndarray:
    """The tensor's memory, in its shape; for a tensor of a device, an array of the device."""
    t = t.detach()
    if t.is_cuda:
        array: np.ndarray = gpu.memory_of(t)
        return array
    if t.dtype in _FOREIGN:
        stand_in, dtype = _FOREIGN[t.dtype]
        return t.view(stand_in).numpy().view(dtype)
    return t.numpy()


class Flat:
    """A tensor as a flat array; if it is not contiguous, a copy that ``write_back`` puts back."""

    def __init__(self, t: torch.Tensor) -> None:
        x = array_of(t)
        self._target = None if x.flags.c_contiguous else x
        self.x = (x if self._target is None else x.copy("C")).reshape(-1)

    def write_back(self) -> None:
        """The tensor gets what was written to the array."""
        if self._target is not None:
            self._target[...] = self.x.reshape(self._target.shape)


def cut(x: np.ndarray, sizes: Sequence[int]) -> list[np.ndarray]:
    """Looks at the parts of a flat array, of these sizes, one after the other."""
    ends = list(accumulate(sizes))
    return [x[end - size : end] for end, size in zip(ends, sizes, strict=True)]


def flats(tensors: Sequence[torch.Tensor]) -> list[Flat]:
    """Several."""
    return [Flat(t) for t in tensors]
