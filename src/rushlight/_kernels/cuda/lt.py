"""cuBLASLt: a product of matrices with the bias added before the result is written."""

import ctypes
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
EPILOGUE_BIAS, PREFERENCE_WORKSPACE = 4, 1
REAL = {d: kind for d, kind in TYPES.items() if kind[0] not in (4, 5)}
REFERENCE = ctypes.POINTER(POINTER)
FUNCTIONS = {
    "cublasLtCreate": (REFERENCE,),
    "cublasLtMatmulDescCreate": (REFERENCE, INT, INT),
    "cublasLtMatmulDescSetAttribute": (POINTER, INT, POINTER, SIZE),
    "cublasLtMatrixLayoutCreate": (REFERENCE, INT, LONG, LONG, LONG),
    "cublasLtMatmulPreferenceCreate": (REFERENCE,),
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
        kind, compute = kinds
        self.description = POINTER()
        status = library.cublasLtMatmulDescCreate(ctypes.byref(self.description), compute, kind)
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

    def choose(self) -> bool:
        """Ask for the best algorithm, once; is there one?"""
        if self.algorithm is None:
            preference, count, result = POINTER(), INT(), Heuristic()
            lib = self.library
            check(lib.cublasLtMatmulPreferenceCreate(ctypes.byref(preference)), "cublasLt")
            limit = SIZE(WORKSPACE)
            lib.cublasLtMatmulPreferenceSetAttribute(
                preference, PREFERENCE_WORKSPACE, ctypes.byref(limit), ctypes.sizeof(limit)
            )
            a, b, c = self.layouts
            lib.cublasLtMatmulAlgoGetHeuristic(
                self.handle, self.description, a, b, c, c, preference, 1,
                ctypes.byref(result), ctypes.byref(count),
            )  # fmt: skip
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


def plan_of(
    first: Operand, second: Operand, dtype: Any, sizes: tuple[int, int, int]
) -> Plan | None:
    """The plan for (m, k) times (k, n), kept for the next such product."""
    there = library_of()
    if there is None:
        return None
    kind, compute, _ = TYPES[dtype]
    if kind == 0 and switches.allow_tf32:
        compute = FAST_TF32
    how = first.operation, second.operation, EPILOGUE_BIAS
    m, k, n = sizes
    key = there[1].value, kind, compute, how, sizes, first.leading, second.leading
    plan = gpu.cuda.handles.get(key)
    if plan is None:
        shapes = [(n, k), (k, m)]  # of the transposes, column by column
        for i, operation in enumerate(how[:2]):
            if operation == TRANSPOSED:
                shapes[i] = shapes[i][::-1]
        leading = first.leading, second.leading, n
        described = tuple((*s, ld) for s, ld in zip((*shapes, (n, m)), leading, strict=True))
        plan = gpu.cuda.handles[key] = Plan(*there, (kind, compute), described, how)
    return plan if plan.choose() else None


def product_with_bias(x: Any, y: Any, bias: Any) -> Any:
    """x y + bias for matrices (m, k), (k, n) and a row (n,)."""
    if x.dtype not in REAL or x.dtype != y.dtype or not x.size or not y.size:
        return NotImplemented
    bias = contiguous(bias)
    if bias.data.ptr % 16:
        return NotImplemented
    first, second = Operand(y), Operand(x)
    (m, k), n = x.shape, y.shape[1]
    plan = plan_of(first, second, x.dtype, (m, k, n))
    if plan is None or plan.algorithm is None:
        return NotImplemented
    result = empty((m, n), x.dtype)
    number: Any = TYPES[x.dtype][2]
    plan.set(BIAS_POINTER, POINTER(bias.data.ptr))
    a, b, c = plan.layouts
    space = empty(plan.algorithm.workspace, "u1") if plan.algorithm.workspace else None
    one, zero = number(1), number(0)
    status = plan.library.cublasLtMatmul(
        plan.handle, plan.description, ctypes.byref(one),
        first.array.data.ptr, a, second.array.data.ptr, b, ctypes.byref(zero),
        result.data.ptr, c, result.data.ptr, c, ctypes.byref(plan.algorithm.algo),
        space.data.ptr if space is not None else None, plan.algorithm.workspace, stream(),
    )  # fmt: skip
    check(status, "cublasLtMatmul")
    return result
