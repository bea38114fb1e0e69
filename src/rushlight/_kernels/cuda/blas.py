"""cuBLAS's products of matrices: any layout that has unit steps, stacks of them, half precision
with float32 sums, TF32 where PyTorch's switch allows it, also while a graph is recorded.
"""

import ctypes
import threading
from typing import Any

import numpy as np
from ml_dtypes import bfloat16

from rushlight._core import gpu
from rushlight._core.cuda_switches import switches
from rushlight._kernels.cuda.libraries import INT, LONG, POINTER, SIZE, found, prototypes, stream

WORKSPACE = 32 << 20  # bytes for each stream; what PyTorch takes on Hopper
# dtype -> cudaDataType, cublasComputeType_t, and the C type of alpha and beta
F4, F8, F2, BF = (np.dtype(d) for d in (np.float32, np.float64, np.float16, bfloat16))
C8, C16 = np.dtype(np.complex64), np.dtype(np.complex128)
TYPES = {
    F4: (0, 68, ctypes.c_float), F8: (1, 70, ctypes.c_double), F2: (2, 68, ctypes.c_float),
    BF: (14, 68, ctypes.c_float), C8: (4, 68, ctypes.c_float * 2),
    C16: (5, 70, ctypes.c_double * 2),
}  # fmt: skip
FAST_TF32 = 77
NORMAL, TRANSPOSED = 0, 1
DEFAULT_MATH, DISALLOW_REDUCED = 0, 16
FUNCTIONS = {
    "cublasCreate_v2": (ctypes.POINTER(POINTER),),
    "cublasSetStream_v2": (POINTER, POINTER),
    "cublasSetWorkspace_v2": (POINTER, POINTER, SIZE),
    "cublasSetMathMode": (POINTER, INT),
    "cublasGemmStridedBatchedEx_64": (
        *(POINTER, INT, INT, LONG, LONG, LONG, POINTER),
        *(POINTER, INT, LONG, LONG),
        *(POINTER, INT, LONG, LONG),
        *(POINTER, POINTER, INT, LONG, LONG),
        *(LONG, INT, INT),
    ),
}


class Handle:
    """A cuBLAS handle of a device, and the stream and mode it is set to."""

    def __init__(self, library: Any) -> None:
        self.library = library
        self.handle = POINTER()
        self.lock = threading.Lock()  # from setting the stream to the launch on it
        check(library.cublasCreate_v2(ctypes.byref(self.handle)), "cublasCreate")
        self.stream: int | None = None
        self.mode = DEFAULT_MATH
        self.workspaces: dict[int, Any] = {}  # kept: a recorded graph goes on using its own

    def ready(self) -> Any:
        """The handle, set to the current stream and to PyTorch's switches."""
        now = stream()
        if now != self.stream:
            check(self.library.cublasSetStream_v2(self.handle, now), "cublasSetStream")
            space = self.workspaces.get(now)
            if space is None:
                space = self.workspaces[now] = gpu.cuda.module.empty(WORKSPACE, np.uint8)
            # Setting the stream takes the workspace away.
            status = self.library.cublasSetWorkspace_v2(self.handle, space.data.ptr, WORKSPACE)
            check(status, "cublasSetWorkspace")
            self.stream = now
        wanted = DEFAULT_MATH if switches.reduced_precision_reduction else DISALLOW_REDUCED
        if wanted != self.mode:
            check(self.library.cublasSetMathMode(self.handle, wanted), "cublasSetMathMode")
            self.mode = wanted
        return self.handle


def check(status: int, name: str) -> None:
    """Raise what PyTorch raises for a status."""
    if status:
        names = {1: "NOT_INITIALIZED", 3: "ALLOC_FAILED", 7: "INVALID_VALUE", 8: "ARCH_MISMATCH",
                 13: "EXECUTION_FAILED", 14: "INTERNAL_ERROR", 15: "NOT_SUPPORTED"}  # fmt: skip
        text = f"CUBLAS_STATUS_{names.get(status, status)}"
        raise RuntimeError(f"CUDA error: {text} when calling `{name}`")


def handle() -> Handle | None:
    """The handle of the current device; None without cuBLAS."""
    index = gpu.cuda.module.cuda.runtime.getDevice()
    made = gpu.cuda.handles.get(("blas", index))
    if made is None:
        library = found("cublas")
        if library is None:
            return None
        prototypes(library, FUNCTIONS)
        made = gpu.cuda.handles["blas", index] = Handle(library)
    return made


class Operand:
    """A stack of matrices as cuBLAS reads its transpose: pointer, operation, leading dimension, and
    the step from one matrix to the next."""

    __slots__ = ("array", "leading", "operation", "step")

    def __init__(self, x: Any) -> None:
        size = x.itemsize
        rows, columns = x.shape[-2:]
        down, right = x.strides[-2] // size, x.strides[-1] // size
        if (right == 1 or columns == 1) and (down >= columns or rows == 1):
            self.operation, self.leading = NORMAL, max(down if rows > 1 else columns, columns, 1)
        elif (down == 1 or rows == 1) and (right >= rows or columns == 1):
            self.operation, self.leading = TRANSPOSED, max(right if columns > 1 else rows, rows, 1)
        else:
            x = gpu.cuda.module.ascontiguousarray(x)
            self.operation, self.leading = NORMAL, columns
        self.array = x
        self.step = x.strides[0] // size if x.ndim == 3 and x.shape[0] > 1 else 0


def gemm(x: Any, y: Any, out: Any, alpha: float = 1.0, beta: float = 0.0) -> bool:
    """out = alpha x y + beta out for (batch, m, k), (batch, k, n) and a contiguous (batch, m, n); a
    batch of 1 goes with any. False if cuBLAS is not there or does not serve it."""
    found = handle()
    if found is None or x.dtype not in TYPES:
        return False
    batch, m, n = out.shape
    k = x.shape[2]
    first, second = Operand(y), Operand(x)  # column by column, the product is the transpose's
    number: Any
    kind, compute, number = TYPES[x.dtype]
    if kind == 0 and switches.allow_tf32:
        compute = FAST_TF32
    a, b = (number(alpha, 0), number(beta, 0)) if kind in (4, 5) else (number(alpha), number(beta))
    with found.lock:  # ctypes lets other threads run
        status = found.library.cublasGemmStridedBatchedEx_64(
            found.ready(), first.operation, second.operation, n, m, k, ctypes.byref(a),
            first.array.data.ptr, kind, first.leading, first.step,
            second.array.data.ptr, kind, second.leading, second.step,
            ctypes.byref(b), out.data.ptr, kind, max(n, 1), m * n,
            batch, compute, -1,
        )  # fmt: skip
    check(status, "cublasGemmStridedBatchedEx")
    return True
