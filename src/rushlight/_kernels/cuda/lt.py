"""cuBLASLt: a product of matrices with the bias added before the result is written."""

import ctypes
import threading
from typing import Any

from rushlight._core import gpu
from rushlight._core.cuda_switches import switches
from rushlight._kernels.cuda.blas import (
    FAST_TF32,
    TRANSPOSED,
    TYPES,
    WORKSPACE,
    Operand,
    check,
)
from rushlight._kernels.cuda.compiler import contiguous, empty
from rushlight._kernels.cuda.libraries import INT, LONG, POINTER, SIZE, found, prototypes, stream

TRANSA, TRANSB, EPILOGUE, BIAS_POINTER = 3, 4, 7, 8  # attributes of a description
EPILOGUE_BIAS, PREFERENCE_WORKSPACE, PREFERENCE_REDUCTIONS = 4, 1, 3
ANY_REDUCTION, EXACT_REDUCTIONS = 7, 3  # parts of a sum kept in the result's type too, or not
ALIGNMENTS = 5, 6, 7, 8  # of a preference: what the addresses of A, B, C and D are multiples of
FLOAT, DOUBLE = 0, 1  # cudaDataType
REAL = {d: kind for d, kind in TYPES.items() if kind[0] not in (4, 5)}
REFERENCE = ctypes.POINTER(POINTER)
FUNCTIONS = {
    "cublasLtCreate": (REFERENCE,),
    "cublasLtMatmulDescCreate": (REFERENCE, INT, INT),
    "cublasLtMatmulDescSetAttribute": (POINTER, INT, POINTER, SIZE),
    "cublasLtMatrixLayoutCreate": (REFERENCE, INT, LONG, LONG, LONG),
    "cublasLtMatmulPreferenceCreate": (REFERENCE,),
    "cublasLtMatmulPreferenceDestroy": (POINTER,),
    "cublasLtMatmulPreferenceSetAttribute": (POINTER, INT, POINTER, SIZE),
    "cublasLtMatmulAlgoGetHeuristic": (*[POINTER] * 7, INT, POINTER, POINTER),
    "cublasLtMatmul": (*[POINTER] * 14, SIZE, POINTER),
}


class Heuristic(ctypes.Structure):
    """cublasLtMatmulHeuristicResult_t."""

    _fields_ = [
        ("algo", ctypes.c_uint64 * 8),
        ("workspace", SIZE),
        ("state", INT),
        ("waves", ctypes.c_float),
        ("reserved", INT * 4),
    ]


class Plan:
    """The descriptions of one kind of product, and the algorithm chosen for it."""

    def __init__(self, library: Any, handle: Any, kinds: tuple, shapes: tuple, how: tuple) -> None:
        self.library, self.handle = library, handle
        self.lock = threading.Lock()  # the bias's address is set for each product
        kind, compute = kinds
        scale = kind if kind == DOUBLE else FLOAT  # alpha's and beta's type
        self.description = POINTER()
        status = library.cublasLtMatmulDescCreate(ctypes.byref(self.description), compute, scale)
        check(status, "cublasLtMatmulDescCreate")
        for attribute, value in zip((TRANSA, TRANSB, EPILOGUE), how, strict=True):
            self.set(attribute, INT(value))
        self.layouts = []
        for rows, columns, leading in shapes:
            layout = POINTER()
            made = library.cublasLtMatrixLayoutCreate(
                ctypes.byref(layout), kind, rows, columns, leading
            )
            check(made, "cublasLtMatrixLayoutCreate")
            self.layouts.append(layout)
        self.algorithm: Heuristic | None = None

    def set(self, attribute: int, value: Any) -> None:
        """Set an attribute of the description."""
        status = self.library.cublasLtMatmulDescSetAttribute(
            self.description, attribute, ctypes.byref(value), ctypes.sizeof(value)
        )
        check(status, "cublasLtMatmulDescSetAttribute")

    def choose(self, aligned: tuple[int, int, int, int], reductions: int) -> bool:
        """Ask for the best algorithm for addresses so aligned, once; is there one?"""
        if self.algorithm is None:
            preference, count, result = POINTER(), INT(), Heuristic()
            lib = self.library
            check(lib.cublasLtMatmulPreferenceCreate(ctypes.byref(preference)), "cublasLt")
            wanted: list[tuple[int, Any]] = [(PREFERENCE_WORKSPACE, SIZE(WORKSPACE))]
            wanted.append((PREFERENCE_REDUCTIONS, ctypes.c_uint32(reductions)))
            wanted += [(a, ctypes.c_uint32(v)) for a, v in zip(ALIGNMENTS, aligned, strict=True)]
            for attribute, value in wanted:
                lib.cublasLtMatmulPreferenceSetAttribute(
                    preference, attribute, ctypes.byref(value), ctypes.sizeof(value)
                )
            a, b, c = self.layouts
            lib.cublasLtMatmulAlgoGetHeuristic(
                self.handle, self.description, a, b, c, c, preference, 1,
                ctypes.byref(result), ctypes.byref(count),
            )  # fmt: skip
            lib.cublasLtMatmulPreferenceDestroy(preference)
            if not count.value:
                result.state = 15  # not supported
            self.algorithm = result
        return self.algorithm.state == 0


def library_of() -> tuple[Any, Any] | None:
    """The library and the current device's handle."""
    key = "lt", gpu.cuda.module.cuda.runtime.getDevice()
    made = gpu.cuda.handles.get(key)
    if made is None:
        library = found("cublasLt")
        if library is None:
            return None
        prototypes(library, FUNCTIONS)
        handle = POINTER()
        check(library.cublasLtCreate(ctypes.byref(handle)), "cublasLtCreate")
        made = gpu.cuda.handles[key] = library, handle
    return made


def aligned(address: int) -> int:
    """What an address is a multiple of, up to the 256 bytes that cuBLASLt takes for granted."""
    return min(256, address & -address)


def plan_of(
    first: Operand, second: Operand, dtype: Any, sizes: tuple[int, int, int], out: int
) -> Plan | None:
    """The plan for (m, k) times (k, n) to an address, kept for the next such product."""
    there = library_of()
    if there is None:
        return None
    kind, compute, _ = TYPES[dtype]
    if kind == 0 and switches.allow_tf32:
        compute = FAST_TF32
    how = first.operation, second.operation, EPILOGUE_BIAS
    m, k, n = sizes
    reductions = ANY_REDUCTION if switches.reduced_precision_reduction else EXACT_REDUCTIONS
    a, b, c = (aligned(x) for x in (first.array.data.ptr, second.array.data.ptr, out))
    key = (there[1].value, kind, compute, how, sizes, first.leading, second.leading,
           a, b, c, reductions)  # fmt: skip
    plan = gpu.cuda.handles.get(key)
    if plan is None:
        shapes = [(n, k), (k, m)]  # of the transposes, column by column
        for i, operation in enumerate(how[:2]):
            if operation == TRANSPOSED:
                shapes[i] = shapes[i][::-1]
        leading = first.leading, second.leading, n
        described = tuple((*s, ld) for s, ld in zip((*shapes, (n, m)), leading, strict=True))
        plan = gpu.cuda.handles[key] = Plan(*there, (kind, compute), described, how)
    return plan if plan.choose((a, b, c, c), reductions) else None


def product_with_bias(x: Any, y: Any, bias: Any) -> Any:
    """x y + bias for matrices (m, k), (k, n) and a row (n,)."""
    if x.dtype not in REAL or x.dtype != y.dtype or not x.size or not y.size:
        return NotImplemented
    bias = contiguous(bias)
    if bias.data.ptr % 16:
        return NotImplemented
    first, second = Operand(y), Operand(x)
    (m, k), n = x.shape, y.shape[1]
    result = empty((m, n), x.dtype)
    plan = plan_of(first, second, x.dtype, (m, k, n), result.data.ptr)
    if plan is None or plan.algorithm is None:
        return NotImplemented
    launch(plan, first.array, second.array, bias, result)
    return result


def launch(plan: Plan, first: Any, second: Any, bias: Any, result: Any) -> None:
    """The product of a plan on the current stream."""
    algorithm: Any = plan.algorithm
    number: Any = TYPES[result.dtype][2]
    a, b, c = plan.layouts
    space = empty(algorithm.workspace, "u1") if algorithm.workspace else None
    one, zero = number(1), number(0)
    with plan.lock:  # ctypes lets other threads run
        plan.set(BIAS_POINTER, POINTER(bias.data.ptr))
        status = plan.library.cublasLtMatmul(
            plan.handle, plan.description, ctypes.byref(one),
            first.data.ptr, a, second.data.ptr, b, ctypes.byref(zero),
            result.data.ptr, c, result.data.ptr, c, ctypes.byref(algorithm.algo),
            space.data.ptr if space is not None else None, algorithm.workspace, stream(),
        )  # fmt: skip
    check(status, "cublasLtMatmul")
