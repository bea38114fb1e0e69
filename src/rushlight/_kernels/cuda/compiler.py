"""The kernels' sources, compiled by NVRTC for a dtype when first launched.

A source stands in ``source/``; what all share is written into it. CuPy keeps what it compiled on
disk, so a process compiles nothing that an earlier one did.
"""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from ml_dtypes import bfloat16

from rushlight._core import gpu

SOURCE = Path(__file__).parent / "source"
OPTIONS = ("-std=c++17",)
F2, F4, F8, BF = (np.dtype(d) for d in (np.float16, np.float32, np.float64, bfloat16))
ELEMENTS = {F4: "float", F8: "double", F2: "half_t", BF: "bf16_t"}
# What a kernel computes in, and statistics beside half precision are kept in.
COMPUTED = {F4: np.float32, F8: np.float64, F2: np.float32, BF: np.float32}
I8 = np.int64
NULL = np.uint64(0)


@cache
def text(source: str) -> str:
    """A source with the parts that it includes in their places."""
    own = (SOURCE / f"{source}.cu").read_text(encoding="utf-8")
    for part in ("group.cuh", "common.cuh"):
        own = own.replace(f'#include "{part}"', (SOURCE / part).read_text(encoding="utf-8"))
    return own


def options(dtype: np.dtype | None, defines: tuple[str, ...] = ()) -> tuple[str, ...]:
    """The compiler's options for a dtype of elements."""
    element = () if dtype is None else (f"-DELEMENT={ELEMENTS[dtype]}",)
    return (*OPTIONS, *element, *[f"-D{d}" for d in defines])


def kernel(source: str, name: str, dtype: np.dtype | None = None, *defines: str) -> Any:
    """A kernel of a source, for arrays of a dtype: called with a grid, a block and arguments."""
    key = (gpu.cuda.module.cuda.runtime.getDevice(), source, name, dtype, defines)
    found = gpu.cuda.functions.get(key)
    if found is None:
        whole = (*key[:2], None, *key[3:])
        module = gpu.cuda.functions.get(whole)
        if module is None:
            module = gpu.cuda.module.RawModule(code=text(source), options=options(dtype, defines))
            gpu.cuda.functions[whole] = module
        found = gpu.cuda.functions[key] = launcher(module.get_function(name))
    return found


def launcher(function: Any) -> Callable:
    """A kernel that takes None for a pointer to nothing, which CuPy does not."""

    def launch(grid: tuple, block: tuple, args: tuple) -> None:
        function(grid, block, tuple([NULL if a is None else a for a in args]))

    return launch


def flat(x: Any) -> bool:
    """Does an array lie in memory without gaps, in order?"""
    return x.flags.c_contiguous


def contiguous(x: Any) -> Any:
    """The array in order in memory, copied if it is not."""
    return x if x.flags.c_contiguous else gpu.cuda.module.ascontiguousarray(x)


def empty(shape: Any, dtype: Any) -> Any:
    """Memory of the current device."""
    return gpu.cuda.module.empty(shape, dtype)


def blocks(count: int, threads: int) -> int:
    """As many blocks as serve so many elements."""
    return max(1, -(-count // threads))


def packed(n: int, dtype: np.dtype, *arrays: Any) -> bool:
    """May rows of n elements be read 16 bytes at once?"""
    pack = 16 // dtype.itemsize
    return n % pack == 0 and all(a is None or a.data.ptr % 16 == 0 for a in arrays)
