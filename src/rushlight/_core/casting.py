"""Arrays in another dtype and into other arrays: native loops where they serve, else NumPy's."""

import numpy as np

from rushlight._core.extension import C


def astype(x: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """``x.astype(dtype)``."""
    if C is not None and type(x) is np.ndarray:
        made = C.cast(x, dtype)
        if made is not NotImplemented:
            return made
    return x.astype(dtype)


def assign(x: np.ndarray, y: np.ndarray) -> None:
    """``x[...] = y``, in ``x``'s dtype; ``y`` may broadcast."""
    if C is not None and type(x) is type(y) is np.ndarray:
        if x.dtype != y.dtype and x.size >= 4096 and x.shape == y.shape:
            y = astype(y, x.dtype)
        if C.copy_into(x, y) is not NotImplemented:
            return
    x[...] = y
