"""Copies, casts, choices and indices: which ops are served by csrc/copy, join, choose, compare,
gather and scatter.
"""

from typing import Any

import numpy as np
from ml_dtypes import bfloat16

from rushlight._core.backend import kernel
from rushlight._core.extension import C
from rushlight._core.shape import wrap_dims

WHOLE = slice(None)
BOOL = np.dtype(bool)
ARITHMETIC = frozenset(np.dtype(c) for c in ("f4", "f8", "i4", "i8"))  # what C.add_rows adds


def one_array(index: tuple) -> int:
    """The dimension of an index's one array, where all before it is whole; -1 for other indices."""
    last = len(index) - 1
    if type(index[last]) is not np.ndarray:
        return -1
    for i in index[:last]:
        if i is not WHOLE and i != WHOLE:
            return -1
    return last


def index(x: np.ndarray, index: tuple) -> Any:
    """``x[index]`` for one array: a mask of the first dimensions, or integers for any."""
    if len(index) > 1 and type(index[0]) is np.ndarray:
        return C.pick(x, index)
    if len(index) > 2 and any(type(i) is np.ndarray for i in index[:-1]):
        return NotImplemented
    at = one_array(index)
    if at < 0:
        return NotImplemented
    if index[at].dtype == BOOL:
        return C.masked_rows(x, index[at]) if at == 0 else NotImplemented
    return C.take_rows(x, index[at], at)


def index_rows(x: np.ndarray, index: np.ndarray) -> Any:
    """``x[index]`` for an array of integers."""
    return C.take_rows(x, index, 0)


def index_backward(g: np.ndarray, shape: tuple, index: tuple) -> Any:
    """Zeros with values added at the rows that one array of integers names."""
    if len(index) != 1 or type(index[0]) is not np.ndarray or index[0].dtype == BOOL:
        return NotImplemented
    return summed(g, shape, index[0], -1, True)


def embedding_backward(
    g: np.ndarray, indices: np.ndarray, rows: int, padding_idx: int, scale_grad_by_freq: bool
) -> Any:
    """Gradients added up by the row they came from; none for the padding row."""
    if scale_grad_by_freq or not indices.size:
        return NotImplemented
    return summed(g, (rows, g.shape[-1]), indices, padding_idx, False)


def summed(g: np.ndarray, shape: tuple, index: np.ndarray, skip: int, negative: bool) -> Any:
    """Zeros of a shape with the rows of ``g`` added at ``index``."""
    if g.dtype not in ARITHMETIC:
        return NotImplemented
    out = np.empty(shape, g.dtype)
    done = C.add_rows(out, index, g, False, skip, negative)
    return NotImplemented if done is NotImplemented else out


def index_add(x: np.ndarray, index: np.ndarray, source: np.ndarray, dim: int) -> Any:
    """Rows of ``source`` added to those of a copy of ``x``."""
    if dim not in (0, -x.ndim) or index.ndim != 1 or source.shape != (index.size, *x.shape[1:]):
        return NotImplemented
    return added(x, index, source, False)


def index_put(x: np.ndarray, values: np.ndarray, index: tuple, accumulate: bool = False) -> Any:
    """Values added at the rows that one array names, or put where a mask holds."""
    part = index[0]
    if len(index) != 1 or type(part) is not np.ndarray:
        return NotImplemented
    if part.dtype == BOOL:
        if accumulate or values.ndim or part.shape != x.shape or values.dtype != x.dtype:
            return NotImplemented
        return C.where(part, values, x)
    if not accumulate or values.dtype != x.dtype or values.shape != part.shape + x.shape[1:]:
        return NotImplemented
    return added(x, part, values, True)


def added(x: np.ndarray, index: np.ndarray, source: np.ndarray, negative: bool) -> Any:
    """A copy of ``x`` with rows added at ``index``."""
    if x.dtype not in ARITHMETIC or source.dtype != x.dtype or not x.ndim:
        return NotImplemented
    out = C.clone(x, "C")
    done = C.add_rows(out, index, source, True, -1, negative)
    return NotImplemented if done is NotImplemented else out


def scatter_zero(x: np.ndarray, index: np.ndarray, dim: int) -> Any:
    """A copy with zeros where ``index`` says."""
    return C.scatter(x, index, np.zeros((), x.dtype), dim)


def nonzero(x: np.ndarray) -> Any:
    """The indices of elements that are not zero, as rows."""
    if x.dtype != BOOL:
        x = C.cast(x, BOOL)
    return NotImplemented if x is NotImplemented else C.nonzero(x)


def flip(x: np.ndarray, dims: Any) -> Any:
    """The order along some dimensions reversed."""
    if not x.ndim:
        return NotImplemented
    return C.clone(np.flip(x, wrap_dims(dims, x.ndim)), "C")


def logical_not(x: np.ndarray) -> Any:
    """Of bools."""
    return C.not_(x)


def logical_and(x: Any, y: Any) -> Any:
    """Of bools: the bits."""
    return C.bitwise_and(x, y) if bools(x, y) else NotImplemented


def logical_or(x: Any, y: Any) -> Any:
    """Of bools: the bits."""
    return C.bitwise_or(x, y) if bools(x, y) else NotImplemented


def logical_xor(x: Any, y: Any) -> Any:
    """Of bools: the bits."""
    return C.bitwise_xor(x, y) if bools(x, y) else NotImplemented


def bools(x: Any, y: Any) -> bool:
    """Two arrays of truth values?"""
    return type(x) is type(y) is np.ndarray and x.dtype == y.dtype == BOOL


def register() -> None:
    """Enter every kernel under its op's name. Called once, before the records are made."""
    C.casts_bfloat16(np.dtype(bfloat16))
    for name in (
        "cat",
        "stack",
        "clone",
        "where",
        "masked_fill",
        "clamp_numbers",
        "gather",
        "scatter",
        "scatter_add",
        "index_select",
        "embedding",
    ):
        kernel(name, getattr(C, name))
    kernel("reshape", C.reshaped)
    kernel("gathered", C.gathered)
    kernel("gathered_backward", C.gathered_backward)
    kernel("one_hot_rows", C.one_hot)
    kernel("clamp_min_number", C.clamp_numbers)
    kernel("clamp_max_number", C.clamp_numbers)
    kernel("bitwise_not", logical_not)
    for name in ("eq", "ne", "lt", "le", "gt", "ge", "bitwise_and", "bitwise_or", "bitwise_xor"):
        kernel(name, getattr(C, name), complete=True)
    for function in (
        index,
        index_rows,
        index_backward,
        index_add,
        index_put,
        embedding_backward,
        scatter_zero,
        nonzero,
        flip,
        logical_not,
        logical_and,
        logical_or,
        logical_xor,
    ):
        kernel(function.__name__, function)
