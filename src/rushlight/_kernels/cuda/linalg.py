"""Linear algebra by cuSOLVER and cuBLAS where NumPy's names have none of it: LU factors and
triangular systems, through cupyx; and CuPy told to refuse singular matrices as NumPy does."""

import math
import warnings
from collections.abc import Callable

import numpy as np

from rushlight._core import gpu
from rushlight._kernels.cuda.libraries import companion

SERVED = ("float32", "float64", "complex64", "complex128")


def strict(name: str) -> Callable:
    """No kernel, but CuPy's functions that the forward calls say what is singular, instead of
    answering with what they have computed until then."""

    def call(*arrays_and_params):
        library = companion("cupyx")
        if library is not None:
            library.seterr(linalg="raise")  # for this thread
        return NotImplemented

    call.__name__ = name
    return call


def linalg_lu_factor_ex(A, pivot=True):
    """LU factors of few matrices, one after the other; many small ones are the reference's, which
    takes a column of all at once."""
    library, k = companion("cupyx.scipy.linalg"), min(A.shape[-2:], default=0)
    count = math.prod(A.shape[:-2])
    if library is None or not pivot or A.dtype.name not in SERVED or not 0 < count <= k:
        return NotImplemented
    module = gpu.cuda.module
    made, pivots = module.empty(A.shape, A.dtype), module.empty((*A.shape[:-2], k), np.int32)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a zero on the diagonal, told in info
        for place in np.ndindex(A.shape[:-2]):
            made[place], order = library.lu_factor(A[place], check_finite=False)
            pivots[place] = order + 1
    zero = made.diagonal(0, -2, -1) == 0
    first = module.where(zero.any(-1), zero.argmax(-1) + 1, 0)
    return made, pivots, first.astype(np.int32)


def linalg_solve_triangular(A, B, upper, left=True, unitriangular=False):
    """Solutions of triangular systems, a stack of them at once."""
    library = companion("cupyx.scipy.linalg")
    if library is None or A.dtype.name not in SERVED or A.dtype != B.dtype:
        return NotImplemented
    if not A.size or not B.size:
        return NotImplemented
    if not left:
        A, B, upper = A.swapaxes(-1, -2), B.swapaxes(-1, -2), not upper
    shape = np.broadcast_shapes(A.shape[:-2], B.shape[:-2])
    module = gpu.cuda.module
    a, b = (module.broadcast_to(x, (*shape, *x.shape[-2:])) for x in (A, B))
    made = library.solve_triangular(
        a, b, lower=not upper, unit_diagonal=unitriangular, check_finite=False
    )
    return made if left else made.swapaxes(-1, -2)


NAMES = ("cholesky_ex", "solve_ex", "inv_ex", "svd", "svdvals", "eigh", "eigvalsh", "pinv")
KERNELS = (
    *[strict(f"linalg_{name}") for name in NAMES],
    linalg_lu_factor_ex,
    linalg_solve_triangular,
)
