"""Products of what is put at repeated places (source/scatter.cu)."""

from typing import Any

from rushlight._core import gpu
from rushlight._kernels.cuda.compiler import ELEMENTS, I8, blocks, contiguous, kernel

THREADS = 256


def multiply_at(x: Any, index: Any, values: Any) -> None:
    """``x[index] *= values``; the index has an array for each dimension."""
    if not x.flags.c_contiguous or len(index) != x.ndim or x.dtype.kind not in "fi":
        raise NotImplementedError
    module = gpu.cuda.module
    arrays = module.broadcast_arrays(*index)
    places = module.zeros(arrays[0].shape, I8)
    for n, at in zip(x.shape, arrays, strict=True):
        places = places * n + at
    if not places.size:
        return
    values = contiguous(module.broadcast_to(values, places.shape))
    name, dtype = ("multiply_floats", x.dtype) if x.dtype in ELEMENTS else ("multiply_longs", None)
    call = kernel("scatter", name, dtype)
    call((blocks(places.size, THREADS),), (THREADS,), (x, places, values, I8(places.size)))


multiply_at.__name__ = "multiply.at"
KERNELS = (multiply_at,)
