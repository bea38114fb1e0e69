"""A sparse matrix by a dense one (source/sparse.cu)."""

from typing import Any

import numpy as np

from rushlight._core import gpu
from rushlight._kernels.cuda.compiler import ELEMENTS, I8, blocks, contiguous, empty, kernel

MOST = 65535 * 32  # columns of the result


def sparse_product(rows: Any, columns: Any, values: Any, y: Any, count: int) -> Any:
    """The product of values at sorted rows and their columns with a dense matrix."""
    if type(values) is not gpu.cuda.kind or values.dtype not in ELEMENTS:
        return NotImplemented
    n = y.shape[1]
    if y.dtype != values.dtype or not count * n or n > MOST:
        return NotImplemented
    module = gpu.cuda.module
    starts = module.searchsorted(rows, module.arange(count + 1, dtype=rows.dtype))
    result = empty((count, n), values.dtype)
    arrays = starts.astype(np.int64), columns.astype(np.int64), values, y, result
    grid = (blocks(count, 8), blocks(n, 32))
    args = (*map(contiguous, arrays[:4]), result, I8(count), I8(n))
    kernel("sparse", "sparse_product", values.dtype)(grid, (32, 8), args)
    return result


KERNELS = (sparse_product,)
