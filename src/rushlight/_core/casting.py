"""Arrays in another dtype and into other arrays: native loops where they serve, else NumPy's."""

from collections.abc import Callable
from typing import Any

import numpy as np

from rushlight._core.dtypes import HALF
from rushlight._core.extension import C

F2, F4, F8, U1 = (np.dtype(d) for d in (np.float16, np.float32, np.float64, np.uint8))


def astype(x: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """``x.astype(dtype)``."""
    if C is not None and type(x) is np.ndarray:
        made = C.cast(x, dtype)
        if made is not NotImplemented:
            return made
    if x.dtype == F8 and dtype == F2:  # PyTorch rounds twice
        return x.astype(F4).astype(F2)
    if x.dtype.kind == "f" and dtype == U1:  # wraps around, which C leaves open
        return x.astype(np.int64).astype(U1)
    return x.astype(dtype)


def assign(x: np.ndarray, y: np.ndarray) -> None:
    """``x[...] = y``, in ``x``'s dtype; ``y`` may broadcast."""
    if C is not None and type(x) is type(y) is np.ndarray:
        if x.dtype != y.dtype and x.size >= 4096 and x.shape == y.shape:
            y = astype(y, x.dtype)
        if C.copy_into(x, y) is not NotImplemented:
            return
    x[...] = y


def by_way_of_float32(reference: Callable) -> Callable:
    """A forward that arrays of half precision come to when the kernel that takes them did not."""

    def forward(xp: Any, *args: Any) -> Any:
        back = next((a.dtype for a in args if getattr(a, "dtype", None) in HALF), None)
        if back is None:
            return reference(xp, *args)
        wide = [a.astype(np.float32) if getattr(a, "dtype", None) in HALF else a for a in args]
        return np.asarray(reference(xp, *wide)).astype(back)

    return forward
