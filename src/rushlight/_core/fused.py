"""a * b + c with one rounding, where PyTorch's kernels have it and NumPy has not."""

import numpy as np

_SPLIT = 134217729.0  # 2^27 + 1: Veltkamp's constant for float64


def two_sum(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The rounded sum and its exact error."""
    s = a + b
    t = s - a
    return s, (a - (s - t)) + (b - t)


def two_product(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The rounded product and its exact error (no overflow assumed)."""
    p = a * b
    x, y = _SPLIT * a, _SPLIT * b
    a1, b1 = x - (x - a), y - (y - b)
    a2, b2 = a - a1, b - b1
    return p, ((a1 * b1 - p) + a1 * b2 + a2 * b1) + a2 * b2


def sum_to_odd(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """a + b rounded to odd: a further rounding to fewer bits is then the only one."""
    s, error = two_sum(a, b)
    bits = np.atleast_1d(s).view(np.int64)
    error = np.atleast_1d(error)
    even_inexact = (bits & 1 == 0) & (error != 0)
    # One unit away from zero if the error points there, else towards it.
    step = np.where((error > 0) == (bits >= 0), 1, -1)
    return np.where(even_inexact, bits + step, bits).view(np.float64).reshape(np.shape(s))


def fma(a: object, b: object, c: object, dtype: np.dtype) -> np.ndarray:
    """fma(a, b, c) in float32 or float64, on arrays and numbers of that dtype.

    Boldo and Melquiond, "Emulation of FMA and correctly rounded sums" (2008).
    """
    a, b, c = (np.asarray(x, dtype).astype(np.float64) for x in (a, b, c))
    if dtype == np.float32:  # the product is exact in float64
        return sum_to_odd(*np.broadcast_arrays(a * b, c)).astype(np.float32)
    high, low = two_product(a, b)
    t, t_error = two_sum(c, low)
    v, v_error = two_sum(high, t)
    result = v + sum_to_odd(t_error, v_error)
    plain = a * b + c
    return np.where(np.isfinite(result), result, plain)
