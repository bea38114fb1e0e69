"""CUDA kernels beside the records' forwards; loaded when the first device is used.

Each is registered for an operator's name, gets the arrays of the current device that the forward
would get, half precision as it is, and answers NotImplemented for what it does not serve.
"""

import os
from typing import Any

from rushlight._core import backend, device_entries
from rushlight._kernels.cuda import (
    attention,
    capturable,
    channels,
    checks,
    convolution,
    grid,
    groups,
    joining,
    linalg,
    lookup,
    losses,
    matmul,
    optimizers,
    pointwise,
    pooling,
    random,
    resample,
    rnn,
    rows,
    scatter,
    sparse,
)

FAMILIES: Any = (
    *(attention, capturable, channels, checks, convolution, grid, groups, joining, linalg, lookup),
    *(losses, matmul, optimizers, pointwise, pooling, random, resample, rnn, rows, scatter, sparse),
)


def load(module: Any) -> None:
    """Register the kernels, if the array module can compile them."""
    backend.device_kernels.clear()
    backend.device_writers.clear()
    device_entries.install(module is not None)
    if module is None or os.environ.get("RUSHLIGHT_CUDA_KERNELS") == "0":
        return
    if not hasattr(module, "RawModule"):  # a stand-in without a compiler
        return
    for family in FAMILIES:
        for function in family.KERNELS:
            backend.device_kernels[function.__name__] = function
    backend.device_writers.update(pointwise.WRITERS)
