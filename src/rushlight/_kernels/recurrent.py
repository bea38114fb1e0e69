"""Recurrent layers by the native kernels: float32, contiguous, without projections."""

import numpy as np

from rushlight._core.backend import kernel as enter
from rushlight._core.extension import C

F4 = np.dtype(np.float32)
KINDS = {"tanh": 0, "relu": 1, "gru": 2, "lstm": 3}


def rnn_layer(data, w_ih, b_ih, h, c, w_hh, b_hh, w_hr, kind, sizes, reverse):
    """One layer in one direction."""
    fits = data.dtype is F4 and w_ih.dtype is F4 and data.shape[-1] == w_ih.shape[-1]
    if w_hr is not None or not fits:
        return NotImplemented
    gates = C.linear(data, w_ih, None)
    if gates is NotImplemented:
        return NotImplemented
    found = C.rnn_forward(KINDS[kind], gates, b_ih, h, c, w_hh, b_hh, sizes, reverse)
    if found is NotImplemented or kind == "lstm":
        return found
    out, last_h, _, kept, before_h, _ = found
    return out, last_h, np.empty(0, F4), kept, before_h, np.empty(0, F4)


def rnn_layer_backward(
    g_out, g_h, g_c, data, kept, before_h, before_c, w_hh, w_hr, kind, sizes, reverse
):
    """Backpropagation through time."""
    if w_hr is not None:
        return NotImplemented
    given = [None if g is None else np.ascontiguousarray(g) for g in (g_out, g_h, g_c)]
    found = C.rnn_backward(KINDS[kind], *given, kept, before_h, before_c, w_hh, sizes, reverse)
    if found is NotImplemented:
        return found
    to_gates, to_h, to_c, to_pushed = found
    to_w, to_w_ih = C.linear_weight(to_pushed, before_h), C.linear_weight(to_gates, data)
    if to_w is NotImplemented or to_w_ih is NotImplemented:
        return NotImplemented
    return to_gates, to_w_ih, to_h, to_c, to_w, to_pushed.sum(axis=0), None


def register() -> None:
    """Enter the kernels under their ops' names."""
    for function in (rnn_layer, rnn_layer_backward):
        enter(function.__name__, function)
