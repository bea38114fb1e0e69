"""Functions of arrays element by element, in one pass of 16 bytes at a time
(source/pointwise.cu)."""

from collections.abc import Callable
from typing import Any

import numpy as np

from rushlight._core import gpu
from rushlight._kernels.cuda.compiler import COMPUTED, ELEMENTS, I8, blocks, empty, kernel

THREADS, MOST = 256, 1 << 20  # threads of a block; blocks of a grid


def alike(x: Any, others: tuple) -> bool:
    """Are the others arrays of the same shape and dtype?"""
    return all(
        type(a) is gpu.cuda.kind and a.dtype == x.dtype and a.shape == x.shape for a in others
    )


def in_memory(arrays: tuple) -> tuple[tuple, list[int] | None] | None:
    """The arrays with their dimensions in the order of memory, where that is the same for all and
    has no gaps; and what undoes it. None if not."""
    if all(a.flags.c_contiguous for a in arrays):
        return arrays, None
    first, back = gpu.by_memory(arrays[0])
    order = sorted(range(len(back)), key=back.__getitem__)
    ordered = (first, *[a.transpose(order) for a in arrays[1:]])
    return (ordered, back) if all(a.flags.c_contiguous for a in ordered) else None


def compute(function: str, x: Any, *others: Any, p: float = 0.0, q: float = 0.0) -> Any:
    """A function of arrays of one shape; NotImplemented where they are not."""
    if type(x) is not gpu.cuda.kind or x.dtype not in ELEMENTS or not x.size:
        return NotImplemented
    if not alike(x, others):
        return NotImplemented
    found = in_memory((x, *others))
    if found is None:
        return NotImplemented
    arrays, back = found
    result = empty(arrays[0].shape, x.dtype)
    pack = 16 // x.dtype.itemsize
    wide = x.size % pack == 0 and all(a.data.ptr % 16 == 0 for a in arrays)
    count = x.size // pack if wide else x.size
    define = f"FUNCTION=f_{function}", f"ARITY={len(arrays)}"
    call = kernel("pointwise", "packed" if wide else "single", x.dtype, *define)
    given = (*arrays, None, None)[:3]
    number = COMPUTED[x.dtype]
    grid = (min(MOST, blocks(count, THREADS)),)
    call(grid, (THREADS,), (*given, result, I8(count), number(p), number(q)))
    return result if back is None else result.transpose(back)


def with_row(function: str, x: Any, y: Any) -> Any:
    """A function of (..., n) and (n,): a bias, a scale."""
    if y.dtype != x.dtype or x.dtype not in ELEMENTS or y.ndim != 1 or not x.size:
        return NotImplemented
    if x.shape[-1:] != y.shape or not (x.flags.c_contiguous and y.flags.c_contiguous):
        return NotImplemented
    result, number = empty(x.shape, x.dtype), COMPUTED[x.dtype]
    call = kernel("pointwise", "with_row", x.dtype, f"FUNCTION=f_{function}", "ARITY=2")
    grid = (min(MOST, blocks(x.size, THREADS)),)
    call(grid, (THREADS,), (x, y, result, I8(x.size), I8(y.size), number(0), number(0)))
    return result


def of(name: str, function: str | None = None) -> Callable:
    """The kernel of an operator that is one function of its arrays."""
    function = function or name

    def call(*arrays):
        return compute(function, *arrays)

    call.__name__ = name
    return call


def arithmetic(name: str) -> Callable:
    """add, sub, mul, div: of two arrays of a shape, with a row, or with a number."""
    by_number = {"add": "add_number", "sub": "add_number", "mul": "mul_number", "div": "mul_number"}

    def call(x, y):
        if type(y) is gpu.cuda.kind and type(x) is gpu.cuda.kind:
            if x.shape == y.shape:
                return compute(name, x, y)
            return with_row(name, x, y) if x.ndim > y.ndim == 1 else NotImplemented
        if isinstance(y, (np.generic, float, int)) and name != "div" and x.dtype in ELEMENTS:
            value = float(y)
            return compute(by_number[name], x, p=-value if name == "sub" else value)
        return NotImplemented

    call.__name__ = name
    return call


def add_scaled(x, y, alpha):
    """x + alpha y."""
    return (
        compute("add_scaled", x, y, p=float(alpha)) if isinstance(alpha, REAL) else NotImplemented
    )


def sub_scaled(x, y, alpha):
    """x - alpha y."""
    return (
        compute("sub_scaled", x, y, p=float(alpha)) if isinstance(alpha, REAL) else NotImplemented
    )


def addcmul(x, y, z, value):
    """x + value y z."""
    return (
        compute("addcmul", x, y, z, p=float(value)) if isinstance(value, REAL) else NotImplemented
    )


def addcdiv(x, y, z, value):
    """x + value y / z."""
    return (
        compute("addcdiv", x, y, z, p=float(value)) if isinstance(value, REAL) else NotImplemented
    )


def gelu(x, approximate):
    """gelu in both forms."""
    names = {"none": "gelu", "tanh": "gelu_tanh"}
    return compute(names[approximate], x) if approximate in names else NotImplemented


def gelu_backward(g, x, approximate):
    """The gradients of both."""
    names = {"none": "gelu_backward", "tanh": "gelu_tanh_backward"}
    return compute(names[approximate], g, x) if approximate in names else NotImplemented


def softplus(x, beta, threshold):
    """log(1 + exp(beta x)) / beta, and x above the threshold."""
    return compute("softplus", x, p=float(beta), q=float(threshold))


def leaky_relu(x, negative_slope):
    """x, and x times a slope below zero."""
    return compute("leaky_relu", x, p=float(negative_slope))


REAL = (int, float)
SAME = (
    "neg", "exp", "log", "sqrt", "rsqrt", "tanh", "erf", "relu", "relu_backward", "sigmoid",
    "sigmoid_backward", "tanh_backward", "silu", "silu_backward", "logsigmoid", "mish", "hardswish",
    "hardsigmoid", "lerp",
)  # fmt: skip
KERNELS = (
    *map(of, SAME),
    *map(arithmetic, ("add", "sub", "mul", "div")),
    add_scaled,
    sub_scaled,
    addcmul,
    addcdiv,
    gelu,
    gelu_backward,
    softplus,
    leaky_relu,
)
