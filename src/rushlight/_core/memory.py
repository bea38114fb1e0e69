"""New arrays whose memory is the native extension's (csrc/blocks.cpp), or NumPy's without it."""

from typing import Any

import numpy as np

from rushlight._core.extension import C

empty: Any = C.empty if C else np.empty
zeros: Any = C.zeros if C else np.zeros


def ones(shape: tuple[int, ...], d: np.dtype) -> np.ndarray:
    """An array of ones."""
    result: np.ndarray = empty(shape, d)
    result.fill(1)
    return result


def empty_like(x: np.ndarray, d: Any = None, order: Any = "K") -> np.ndarray:
    """An uninitialised array of ``x``'s shape and layout (order "K"), of dtype ``d`` if given."""
    if C and order == "K":
        result: np.ndarray = C.empty_like(x, d)
        return result
    return np.empty_like(x, d, order, subok=False)
