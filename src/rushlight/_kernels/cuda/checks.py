"""Assertions on the device (source/checks.cu), for forwards that on the CPU look at the values."""

from typing import Any

import numpy as np

from rushlight._kernels.cuda.compiler import ELEMENTS, I8, blocks, contiguous, kernel

THREADS = 256
INDICES = {np.dtype(np.int64): "index_inside_long", np.dtype(np.int32): "index_inside_int"}


def index_inside(index: Any, size: int) -> Any:
    """Every index is one of ``size`` places."""
    if index.dtype not in INDICES or not index.size:
        return NotImplemented
    args = contiguous(index), I8(index.size), I8(size)
    kernel("checks", INDICES[index.dtype])((blocks(index.size, THREADS),), (THREADS,), args)
    return True


def probabilities(x: Any) -> Any:
    """Every number is between 0 and 1."""
    if x.dtype not in ELEMENTS or not x.size:
        return NotImplemented
    call = kernel("checks", "probabilities", x.dtype)
    call((blocks(x.size, THREADS),), (THREADS,), (contiguous(x), I8(x.size)))
    return True


KERNELS = (index_inside, probabilities)
