"""Results of a CUDA device written straight into the memory that an in-place operator or ``out=``
names, so that nothing is written twice."""

from typing import Any

import numpy as np

from rushlight._core import gpu
from rushlight._core.backend import device_writers
from rushlight._core.record import Record
from rushlight._core.state import InferenceVersion, grad_enabled
from rushlight._core.tensor import PLAIN


def target(op: Record, tensors: tuple, out: Any) -> Any:
    """The array of ``out=`` that may be written before anything is known of the result; else None:
    the result is checked and copied.
    """
    if type(out) not in PLAIN or type(out._data) is not gpu.cuda.kind or op.outputs or op.out_apart:
        return None
    if type(out._ver) is InferenceVersion:
        return None
    if grad_enabled():
        given = tensors[0] if op.variadic else tensors
        if out.requires_grad or any(getattr(t, "requires_grad", False) for t in given):
            return None
    return out._data


def repeats(x: Any) -> bool:
    """Do several elements of an array stand in one place?"""
    return 0 in x.strides and any(n > 1 and s == 0 for n, s in zip(x.shape, x.strides, strict=True))


def apart(x: Any, into: Any) -> bool:
    """Is an element of ``x`` written only after it was read: is it the target, or elsewhere?"""
    if x is into or type(x) is not gpu.cuda.kind:
        return True
    if x.data.ptr == into.data.ptr and x.strides == into.strides and x.shape == into.shape:
        return x.dtype == into.dtype
    return not gpu.cuda.module.may_share_memory(x, into)


def written(op: Record, given: list, params: tuple, into: Any) -> bool:
    """Was the result of an operator on these arrays written into an array of the current device?"""
    if type(into) is not gpu.cuda.kind or not into.size or op.variadic or repeats(into):
        return False
    if gpu.index_of(into) != gpu.current() or not all(apart(a, into) for a in given):
        return False
    arrays = [a[()] if type(a) is np.ndarray and not a.ndim else a for a in given]
    writer = device_writers.get(op.name)
    if writer is not None and writer(*arrays, *params, out=into) is not NotImplemented:
        return True
    function = getattr(gpu.cuda.module, op.ufunc, None) if op.ufunc and not op.params else None
    if function is None or not exact(function, arrays, into):
        return False
    function(*arrays, out=into)
    return True


def exact(function: Any, arrays: list, into: Any) -> bool:
    """Is the ufunc's result on these arrays one of the target's shape and dtype?"""
    if any(a is None or a.dtype != into.dtype for a in arrays):
        return False
    char = {"l": "q", "L": "Q", "E": "e"}.get(into.dtype.char, into.dtype.char)  # E: bfloat16
    loops = function.types
    if not any(f"{c * len(arrays)}->{c}" in loops for c in (char, into.dtype.char)):
        return False
    return np.broadcast_shapes(*[np.shape(a) for a in arrays]) == into.shape
