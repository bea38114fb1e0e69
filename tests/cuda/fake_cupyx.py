"""What _kernels/cuda takes of cupyx, on NumPy's memory and with cupyx's rules: lu_factor takes one
matrix and counts rows from 0, solve_triangular takes a stack but does not broadcast."""

import warnings

import numpy as np

states = []  # what seterr was given


def seterr(*, linalg):
    """cupyx.seterr."""
    states.append(linalg)


def lu_factor(a, overwrite_a=False, check_finite=True):
    """cupyx.scipy.linalg.lu_factor."""
    assert a.ndim == 2
    assert a.dtype.char in "fdFD"
    lu, swaps = np.array(a, order="F"), np.arange(min(a.shape), dtype=np.int32)
    for j in range(len(swaps)):
        swaps[j] = j + (abs(lu[j:, j].real) + abs(lu[j:, j].imag)).argmax()  # as LAPACK
        lu[[j, swaps[j]]] = lu[[swaps[j], j]]
        if lu[j, j] == 0:
            warnings.warn("Diagonal number is exactly zero.", RuntimeWarning, stacklevel=2)
            continue
        lu[j + 1 :, j] /= lu[j, j]
        lu[j + 1 :, j + 1 :] -= np.outer(lu[j + 1 :, j], lu[j, j + 1 :])
    return lu, swaps


def solve_triangular(
    a, b, trans=0, lower=False, unit_diagonal=False, overwrite_b=False, check_finite=False
):
    """cupyx.scipy.linalg.solve_triangular."""
    assert trans == 0
    assert a.shape[:-2] == b.shape[:-2]
    assert a.shape[-1] == a.shape[-2] == b.shape[-2]
    a = np.tril(a) if lower else np.triu(a)
    if unit_diagonal:
        n = a.shape[-1]
        a[..., range(n), range(n)] = 1
    with np.errstate(all="ignore"):
        try:
            return np.linalg.solve(a, b)
        except np.linalg.LinAlgError:
            return np.full_like(b, np.nan)
