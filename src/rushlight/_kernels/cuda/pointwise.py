"""Functions of arrays element by element, in one pass of 16 bytes at a time
(source/pointwise.cu)."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from rushlight._core import gpu
from rushlight._kernels.cuda.compiler import (
    COMPUTED,
    ELEMENTS,
    I8,
    blocks,
    contiguous,
    empty,
    kernel,
)

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


def compute(
    function: str, x: Any, *others: Any, p: float = 0.0, q: float = 0.0, out: Any = None
) -> Any:
    """A function of arrays of one shape; NotImplemented where they are not. ``out``: an array to
    write into, one of the others perhaps."""
    if type(x) is not gpu.cuda.kind or x.dtype not in ELEMENTS or not x.size:
        return NotImplemented
    given = (x, *others) if out is None else (x, *others, out)
    if not alike(x, given[1:]):
        return NotImplemented
    found = in_memory(given)
    if found is None:
        return NotImplemented
    arrays, back = found
    result = empty(arrays[0].shape, x.dtype) if out is None else arrays[-1]
    arrays = arrays[: len(others) + 1]
    pack = 16 // x.dtype.itemsize
    wide = x.size % pack == 0 and all(a.data.ptr % 16 == 0 for a in (*arrays, result))
    count = x.size // pack if wide else x.size
    define = f"FUNCTION=f_{function}", f"ARITY={len(arrays)}"
    call = kernel("pointwise", "packed" if wide else "single", x.dtype, *define)
    given = (*arrays, None, None)[:3]
    number = COMPUTED[x.dtype]
    grid = (min(MOST, blocks(count, THREADS)),)
    call(grid, (THREADS,), (*given, result, I8(count), number(p), number(q)))
    if out is not None:
        return out
    return result if back is None else result.transpose(back)


def with_row(function: str, x: Any, y: Any, out: Any = None) -> Any:
    """A function of (..., n) and (n,): a bias, a scale."""
    if out is not None and not (alike(x, (out,)) and out.flags.c_contiguous):
        return NotImplemented
    if y.dtype != x.dtype or x.dtype not in ELEMENTS or y.ndim != 1 or not x.size:
        return NotImplemented
    if x.shape[-1:] != y.shape or not (x.flags.c_contiguous and y.flags.c_contiguous):
        return NotImplemented
    result, number = empty(x.shape, x.dtype) if out is None else out, COMPUTED[x.dtype]
    call = kernel("pointwise", "with_row", x.dtype, f"FUNCTION=f_{function}", "ARITY=2")
    grid = (min(MOST, blocks(x.size, THREADS)),)
    call(grid, (THREADS,), (x, y, result, I8(x.size), I8(y.size), number(0), number(0)))
    return result


def of(name: str, function: str | None = None) -> Callable:
    """The kernel of an operator that is one function of its arrays."""
    function = function or name

    def call(*arrays, out=None):
        return compute(function, *arrays, out=out)

    call.__name__ = name
    return call


def arithmetic(name: str) -> Callable:
    """add, sub, mul, div: of two arrays of a shape, with a row, or with a number."""
    by_number = {"add": "add_number", "sub": "add_number", "mul": "mul_number", "div": "mul_number"}

    def call(x, y, out=None):
        if type(y) is gpu.cuda.kind and type(x) is gpu.cuda.kind:
            if x.shape == y.shape:
                return compute(name, x, y, out=out)
            return with_row(name, x, y, out) if x.ndim > y.ndim == 1 else NotImplemented
        if isinstance(y, (np.generic, float, int)) and name != "div" and x.dtype in ELEMENTS:
            value = float(y)
            return compute(by_number[name], x, p=-value if name == "sub" else value, out=out)
        return NotImplemented

    call.__name__ = name
    return call


def add_scaled(x, y, alpha, out=None):
    """x + alpha y."""
    return (
        compute("add_scaled", x, y, p=float(alpha), out=out)
        if isinstance(alpha, REAL)
        else NotImplemented
    )


def sub_scaled(x, y, alpha, out=None):
    """x - alpha y."""
    return (
        compute("sub_scaled", x, y, p=float(alpha), out=out)
        if isinstance(alpha, REAL)
        else NotImplemented
    )


def addcmul(x, y, z, value, out=None):
    """x + value y z."""
    return (
        compute("addcmul", x, y, z, p=float(value), out=out)
        if isinstance(value, REAL)
        else NotImplemented
    )


def addcdiv(x, y, z, value, out=None):
    """x + value y / z."""
    return (
        compute("addcdiv", x, y, z, p=float(value), out=out)
        if isinstance(value, REAL)
        else NotImplemented
    )


def gelu(x, approximate, out=None):
    """gelu in both forms."""
    names = {"none": "gelu", "tanh": "gelu_tanh"}
    return compute(names[approximate], x, out=out) if approximate in names else NotImplemented


def gelu_backward(g, x, approximate, out=None):
    """The gradients of both."""
    names = {"none": "gelu_backward", "tanh": "gelu_tanh_backward"}
    return compute(names[approximate], g, x, out=out) if approximate in names else NotImplemented


def softplus(x, beta, threshold, out=None):
    """log(1 + exp(beta x)) / beta, and x above the threshold."""
    return compute("softplus", x, p=float(beta), q=float(threshold), out=out)


def leaky_relu(x, negative_slope, out=None):
    """x, and x times a slope below zero."""
    return compute("leaky_relu", x, p=float(negative_slope), out=out)


def clamp_numbers(x, min=None, max=None, out=None):
    """Elements between two numbers, either of which may be None."""
    if any(b is not None and type(b) not in REAL for b in (min, max)):
        return NotImplemented
    if min is None and max is None:
        return NotImplemented
    name = "clamp_max" if min is None else "clamp_min" if max is None else "clamp"
    return compute(name, x, p=float(min or 0), q=float(max or 0), out=out)


def clamp_min_number(x, min=None, max=None, out=None):
    """Elements at least a number, or at most one."""
    return clamp_numbers(x, min, max, out)


def clamp_max_number(x, min=None, max=None, out=None):
    """Elements at most a number."""
    return clamp_numbers(x, min, max, out)


# ---- written into what is there: forms of the functions above, and CuPy's ------------------------


def clamp_max(x, max, out):
    """clamp_max_, of a number."""
    return clamp_numbers(x, None, max, out)


def copy(x, y, non_blocking=False, *, out):
    """copy_, also from another dtype."""
    if y.dtype.kind == "c" or out.dtype.itemsize == 1:
        return NotImplemented
    if any(n not in (1, m) for n, m in zip(y.shape[::-1], out.shape[::-1], strict=False)):
        return NotImplemented
    if y.ndim > out.ndim:
        return NotImplemented
    out[...] = y
    return out


def fill(x, value, *, out):
    """fill_ and zero_ of a number."""
    whole = out.dtype.kind in "iub" and value.dtype.kind not in "iub"
    if isinstance(value, gpu.cuda.kind) or value.dtype.kind == "c" or whole:
        return NotImplemented
    out.fill(value.item())
    return out


def repeated(mask: Any, shape: tuple) -> tuple[int, int] | None:
    """How often each stretch of a mask stands in the shape, and how long the stretches are; None
    where it is repeated along more than neighbouring dimensions."""
    own = (1,) * (len(shape) - mask.ndim) + mask.shape
    if len(own) != len(shape) or any(m not in (1, n) for m, n in zip(own, shape, strict=True)):
        return None
    spread = [d for d, (m, n) in enumerate(zip(own, shape, strict=True)) if m != n]
    if not spread:
        return 1, math.prod(shape)
    first, last = spread[0], spread[-1]
    if any(own[d] != 1 for d in range(first, last)):
        return None
    return math.prod(shape[first : last + 1]), math.prod(shape[last + 1 :])


def masked_fill(x, mask, value, *, out=None):
    """masked_fill and masked_fill_, which reads nothing but the mask."""
    if x.dtype not in ELEMENTS or not x.size or mask.dtype != bool or value.ndim:
        return NotImplemented
    if type(mask) is not gpu.cuda.kind or value.dtype.kind == "c" or not x.flags.c_contiguous:
        return NotImplemented
    how = repeated(mask, x.shape)
    if how is None or (out is not None and not (alike(x, (out,)) and out.flags.c_contiguous)):
        return NotImplemented
    result, number = empty(x.shape, x.dtype) if out is None else out, COMPUTED[x.dtype]
    there = value.astype(x.dtype) if type(value) is gpu.cuda.kind else None
    plain = number(0 if there is not None else value.item())
    args = x, contiguous(mask), result, I8(x.size), *map(I8, how), there, plain
    grid = (min(MOST, blocks(x.size, THREADS)),)
    kernel("pointwise", "masked_fill", x.dtype)(grid, (THREADS,), args)
    return result


def masked_fill_there(x, mask, value, *, out):
    """masked_fill_ of any dtype and mask, by CuPy."""
    if masked_fill(x, mask, value, out=out) is not NotImplemented:
        return out
    if x is not out or mask.dtype != bool or value.ndim or value.dtype.kind == "c":
        return NotImplemented
    if np.broadcast_shapes(mask.shape, out.shape) != out.shape:
        return NotImplemented
    number = value.item() if isinstance(value, np.generic) else value
    out[gpu.cuda.module.broadcast_to(mask, out.shape)] = number
    return out


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
    clamp_numbers,
    clamp_min_number,
    clamp_max_number,
    masked_fill,
)
# What takes ``out=``; those of composites by the composites' names.
WRITERS: Any = {f.__name__: f for f in (*KERNELS, copy, fill)} | {
    "masked_fill": masked_fill_there,
    **dict.fromkeys(["clamp", "clip", "clamp_min"], clamp_numbers),
    "clamp_max": clamp_max,
}
