"""Recurrent layers: for each step a product by cuBLAS, added where the input's share of the gates
is, and one kernel for all that is pointwise (source/rnn.cu)."""

from itertools import accumulate
from typing import Any

import numpy as np

from rushlight._core import gpu
from rushlight._kernels.cuda.compiler import (
    ELEMENTS,
    I8,
    blocks,
    contiguous,
    empty,
    kernel,
)
from rushlight._kernels.cuda.matmul import linear, product

THREADS = 256


def step(name: str, dtype: Any, n: int, hidden: int, args: tuple, rest: tuple = ()) -> None:
    """A thread to each element of the state."""
    grid = (blocks(n * hidden, THREADS),)
    kernel("rnn", name, dtype)(grid, (THREADS,), (*args, I8(n), I8(hidden), *rest))


def alike(first: Any, *others: Any) -> bool:
    """Floating arrays of one dtype, with something in them?"""
    same = all(a is None or a.dtype == first.dtype for a in others)
    return same and first.dtype in ELEMENTS and first.size > 0


def own(x: Any, shape: tuple, dtype: Any) -> Any:
    """A copy in order to write to; zeros for None."""
    if x is None:
        return gpu.cuda.module.zeros(shape, dtype)
    return gpu.cuda.module.array(x, order="C")


def spans(sizes: Any, reverse: bool) -> list[tuple[int, int]]:
    """(first row, count) of each time, in the order of the steps."""
    found = list(zip(accumulate((0, *sizes)), sizes, strict=False))
    return found[::-1] if reverse else found


def rnn_layer(data, w_ih, b_ih, h, c, w_hh, b_hh, w_hr, kind, sizes, reverse):
    """A layer over a whole sequence: (out, last h, last c, activations, h and c before each)."""
    if w_hr is not None or not alike(data, w_ih, b_ih, h, c, w_hh, b_hh) or not h.size:
        return NotImplemented
    dtype, hidden, lstm, gru = data.dtype, h.shape[1], kind == "lstm", kind == "gru"
    gates = linear(data, w_ih, b_ih)
    if gates is NotImplemented:
        return NotImplemented
    bias, total = None if b_hh is None else contiguous(b_hh), len(data)
    h, c = own(h, h.shape, dtype), own(c, (0,), dtype)
    out, before_h = empty((total, hidden), dtype), empty((total, hidden), dtype)
    before_c = empty((total, hidden) if lstm else (0,), dtype)
    kept = empty((total, 4 * hidden), dtype) if gru else gates
    for start, n in spans(sizes, reverse):
        rows = slice(start, start + n)
        into = None if gru else gates[rows]
        pushed = product(h[:n], w_hh.T, 1.0, 0.0 if gru else 1.0, into)
        if pushed is NotImplemented:
            return NotImplemented
        state = h, before_h[rows], out[rows]
        if lstm:
            args = (gates[rows], bias, kept[rows], c, before_c[rows], *state)
            step("lstm_step", dtype, n, hidden, args)
        elif gru:
            step("gru_step", dtype, n, hidden, (gates[rows], pushed, bias, kept[rows], *state))
        else:
            step("plain_step", dtype, n, hidden, (gates[rows], bias, *state), relu_of(kind))
    return out, h, c, kept, before_h, before_c


def relu_of(kind: str) -> tuple:
    """Is the plain layer's function relu?"""
    return (np.int32(kind == "relu"),)


def rnn_layer_backward(
    g_out, g_h, g_c, data, kept, before_h, before_c, w_hh, w_hr, kind, sizes, reverse
):
    """The gradients of gates, w_ih, first h, first c, w_hh, b_hh; None for w_hr's."""
    if w_hr is not None or not alike(kept, g_out, g_h, g_c, data, before_h, w_hh):
        return NotImplemented
    dtype, (total, hidden), batch = kept.dtype, before_h.shape, sizes[0] if len(sizes) else 0
    if not before_h.size or not batch:
        return NotImplemented
    kept, before_h, before_c = map(contiguous, (kept, before_h, before_c))
    g_out = None if g_out is None else contiguous(g_out)
    dh = own(g_h, (batch, hidden), dtype)
    dc = own(g_c, (batch, hidden), dtype) if kind == "lstm" else None
    to_gates = empty((total, w_hh.shape[0]), dtype)
    to_pushed = empty(to_gates.shape, dtype) if kind == "gru" else to_gates
    for start, n in reversed(spans(sizes, reverse)):
        rows = slice(start, start + n)
        d, given, made = dh[:n], None if g_out is None else g_out[rows], to_gates[rows]
        if kind == "lstm":
            args = d, given, dc, kept[rows], before_c[rows], made
            step("lstm_back", dtype, n, hidden, args)
        elif kind == "gru":
            args = d, given, kept[rows], before_h[rows], made, to_pushed[rows]
            step("gru_back", dtype, n, hidden, args)
        else:
            step("plain_back", dtype, n, hidden, (d, given, kept[rows], made), relu_of(kind))
        beta = 1.0 if kind == "gru" else 0.0  # d has what passes straight to the state before
        if product(to_pushed[rows], w_hh, 1.0, beta, d) is NotImplemented:
            return NotImplemented
    to_w_ih, to_w = product(to_gates.T, data), product(to_pushed.T, before_h)
    if to_w_ih is NotImplemented or to_w is NotImplemented:
        return NotImplemented
    return to_gates, to_w_ih, dh, dc, to_w, to_pushed.sum(axis=0), None


def lstm_cell(gates, cell):
    """h and c after a step."""
    if not alike(gates, cell) or gates.ndim != 2 or cell.ndim != 2:
        return NotImplemented
    n, hidden = cell.shape
    if gates.shape != (n, 4 * hidden):
        return NotImplemented
    c, h = own(cell, cell.shape, cell.dtype), empty(cell.shape, cell.dtype)
    args = contiguous(gates), None, None, c, None, None, None, h
    step("lstm_step", cell.dtype, n, hidden, args)
    return h, c


def lstm_cell_backward(g_h, g_c, gates, cell):
    """The gradients of the gates' sums and of the cell before."""
    if not alike(gates, g_h, g_c, cell) or gates.ndim != 2 or cell.ndim != 2:
        return NotImplemented
    (n, hidden), dtype = cell.shape, cell.dtype
    g_h, g_c = (None if g is None else contiguous(g) for g in (g_h, g_c))
    to_gates, to_cell = empty(gates.shape, dtype), empty(cell.shape, dtype)
    args = g_h, g_c, contiguous(gates), contiguous(cell), to_gates, to_cell
    step("cell_back", dtype, n, hidden, args)
    return to_gates, to_cell


def gru_cell_step(gates, pushed, h):
    """h after a step."""
    if not alike(gates, pushed, h) or gates.ndim != 2 or h.ndim != 2:
        return NotImplemented
    n, hidden = h.shape
    if not gates.shape == pushed.shape == (n, 3 * hidden):
        return NotImplemented
    made = own(h, h.shape, h.dtype)
    args = contiguous(gates), contiguous(pushed), None, None, made, None, None
    step("gru_step", h.dtype, n, hidden, args)
    return made


def gru_cell_step_backward(g, gates, pushed, h):
    """The gradients of the input's and the state's shares of the gates, and of h."""
    if not alike(gates, g, pushed, h) or gates.ndim != 2 or h.ndim != 2:
        return NotImplemented
    made = [empty(a.shape, a.dtype) for a in (gates, pushed, h)]
    args = (*map(contiguous, (g, gates, pushed, h)), *made)
    n, hidden = h.shape
    step("gru_cell_back", h.dtype, n, hidden, args)
    return tuple(made)


KERNELS = (
    rnn_layer,
    rnn_layer_backward,
    lstm_cell,
    lstm_cell_backward,
    gru_cell_step,
    gru_cell_step_backward,
)
