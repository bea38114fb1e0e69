"""Saved tensors under hooks: what ``autograd.graph.saved_tensors_hooks`` keeps instead of them."""

from collections.abc import Callable
from typing import Any

import numpy as np

from rushlight._core import gpu
from rushlight._core.state import set_grad, thread
from rushlight._core.tensor import Tensor, cell, wrap


class Packed(tuple):
    """(value, unpack hook, shape, NumPy dtype): what a pack hook made of a saved tensor."""

    __slots__ = ()


def without_grad(function: Callable, value: Any) -> Any:
    """Call a hook; nothing that it computes has a history."""
    before = thread.grad
    set_grad(False)
    try:
        return function(value)
    finally:
        set_grad(before)


def pack(t: Tensor) -> Packed:
    """Give a tensor that is to be saved to the innermost pack hook."""
    into, out_of = thread.saved_hooks[-1]
    version, data = cell(t), t._data
    before = version[0]
    value = without_grad(into, t)
    if version[0] != before:
        raise RuntimeError(
            "A saved tensor pack hook is modifying its input in place. Tensors provided as input "
            "to pack hook cannot be modified by in-place operations as this can lead to "
            "unexpected side-effects. Please open an issue if you need to perform in-place "
            "operations on the input to a pack hook."
        )
    return Packed((value, out_of, data.shape, data.dtype))


def pack_entry(entry: Any) -> Any:
    """A saved slot of a node (see ``dispatch.save``) with its dense tensors packed."""
    if entry is None or len(entry) == 2:
        return entry
    if len(entry) == 1:
        items = entry[0]
        return ([pack_entry(e) for e in items],) if type(items) is list else entry
    dense = isinstance(entry[1], np.ndarray) or type(entry[1]) is gpu.cuda.kind
    if not dense:  # a sparse one is kept as it is
        return entry
    holder = entry[0]
    if type(holder) is list:  # a result; with its history it would keep itself alive
        holder, cells = wrap(entry[1]), holder
        holder._ver = cells
    return pack(holder)


def restore(entry: Packed, edge: Any) -> Tensor:
    """The tensor that an unpack hook gives back, with ``edge`` as its history."""
    value, out_of, _, _ = entry
    t = out_of(value)
    if not isinstance(t, Tensor):
        raise TypeError(
            "Output of saved tensor unpack_hook expected to be a Tensor but got result of type "
            f"{type(t).__name__}"
        )
    return wrap(t._data, edge)
