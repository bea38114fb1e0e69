"""Numbers made 8-bit floats as PyTorch makes them; ml_dtypes differs at the edges."""

from collections.abc import Callable

import ml_dtypes
import numpy as np

E4M3, E5M2 = np.dtype(ml_dtypes.float8_e4m3fn), np.dtype(ml_dtypes.float8_e5m2)
E8M0 = np.dtype(ml_dtypes.float8_e8m0fnu)
LARGEST = 448  # of float8_e4m3fn


def saturated(x: np.ndarray) -> np.ndarray:
    """float8_e4m3fn: what is too large, infinity too, becomes the largest number."""
    return np.clip(wide(x), -LARGEST, LARGEST).astype(E4M3)


def with_one_nan(x: np.ndarray) -> np.ndarray:
    """float8_e5m2: NaN has all bits set."""
    y = x.astype(E5M2)
    nan = np.isnan(wide(x))
    if nan.any():
        bits = y.view(np.uint8)
        bits[nan] |= 3
    return y


def of_exponents(x: np.ndarray) -> np.ndarray:
    """float8_e8m0fnu: the sign is dropped, zero becomes the smallest power of two."""
    size = np.abs(wide(x))
    y = np.atleast_1d(size.astype(E8M0))
    y.view(np.uint8)[np.atleast_1d(size == 0)] = 0
    return y.reshape(size.shape)


def wide(x: np.ndarray) -> np.ndarray:
    """Half precision, and 8-bit floats, in float32; others as they are."""
    return x.astype(np.float32) if x.dtype.itemsize < 4 and x.dtype.kind not in "iub" else x


NARROW: dict[np.dtype, Callable] = {E4M3: saturated, E5M2: with_one_nan, E8M0: of_exponents}
