"""Recurrent layers on arrays: a whole sequence forwards, and backwards through time.

A sequence is flat: the rows of time 0, then those of time 1, and so on, ``sizes[t]`` of them each
(never growing in t), so that padded and packed sequences are one case. The input's share of the
gates comes ready, computed for all times in one product; what is left per step is the product with
the state.
"""


def _sigmoid(xp, x):
    """1 / (1 + exp(-x)), in place."""
    xp.negative(x, out=x)
    xp.exp(x, out=x)
    x += 1
    return xp.reciprocal(x, out=x)


def spans(sizes, reverse):
    """(first row, count) of each time, in the order of the steps."""
    result, start = [], 0
    for n in sizes:
        result.append((start, n))
        start += n
    return result[::-1] if reverse else result


def forward(xp, kind, gates, h, c, w_hh, b_hh, w_hr, sizes, reverse):
    """(out, last h, last c, activations, h before each step, c before each step)."""
    total, hidden = gates.shape[0], w_hh.shape[0] // {"lstm": 4, "gru": 3}.get(kind, 1)
    out = xp.empty((total, h.shape[1]), gates.dtype)
    width = {"lstm": 4, "gru": 4}.get(kind, 1) * hidden
    kept = xp.empty((total, width), gates.dtype)
    before_h = xp.empty((total, h.shape[1]), gates.dtype)
    before_c = xp.empty((total, hidden) if kind == "lstm" else 0, gates.dtype)
    h = h.copy()
    c = xp.empty(0, gates.dtype) if c is None else c.copy()
    weight = xp.ascontiguousarray(w_hh.T)
    step = {"lstm": _lstm_step, "gru": _gru_step}.get(kind, _plain_step)
    for start, n in spans(sizes, reverse):
        rows = slice(start, start + n)
        before_h[rows] = h[:n]
        pushed = xp.dot(h[:n], weight)
        if b_hh is not None:
            pushed += b_hh
        if kind == "lstm":
            before_c[rows] = c[:n]
            new_h = step(xp, gates[rows], pushed, c[:n], kept[rows], hidden)
            if w_hr is not None:
                new_h = xp.dot(new_h, w_hr.T)
        elif kind == "gru":
            new_h = step(xp, gates[rows], pushed, h[:n], kept[rows], hidden)
        else:
            new_h = step(xp, gates[rows], pushed, kept[rows], kind)
        h[:n] = new_h
        out[rows] = new_h
    return out, h, c, kept, before_h, before_c


def _lstm_step(xp, gates, pushed, c, kept, hidden):
    """i f g o; c is updated in place."""
    xp.add(gates, pushed, out=kept)
    _sigmoid(xp, kept[:, : 2 * hidden])
    middle = kept[:, 2 * hidden : 3 * hidden]
    xp.tanh(middle, out=middle)
    _sigmoid(xp, kept[:, 3 * hidden :])
    c *= kept[:, hidden : 2 * hidden]
    c += kept[:, :hidden] * middle
    return xp.tanh(c) * kept[:, 3 * hidden :]


def _gru_step(xp, gates, pushed, h, kept, hidden):
    """r z n, and the state's share of n, which r gates."""
    two = 2 * hidden
    xp.add(gates[:, :two], pushed[:, :two], out=kept[:, :two])
    _sigmoid(xp, kept[:, :two])
    kept[:, 3 * hidden :] = pushed[:, two:]
    candidate = kept[:, two : 3 * hidden]
    xp.multiply(kept[:, :hidden], pushed[:, two:], out=candidate)
    candidate += gates[:, two:]
    xp.tanh(candidate, out=candidate)
    return candidate + kept[:, hidden:two] * (h - candidate)


def _plain_step(xp, gates, pushed, kept, kind):
    xp.add(gates, pushed, out=kept)
    return xp.tanh(kept, out=kept) if kind == "tanh" else xp.maximum(kept, 0, out=kept)


def backward(xp, kind, g_out, g_h, g_c, kept, before_h, before_c, w_hh, w_hr, sizes, reverse):
    """Gradients of gates, first h, first c, w_hh, b_hh and w_hr."""
    total, state = before_h.shape
    batch = sizes[0] if len(sizes) else 0
    hidden = w_hh.shape[0] // {"lstm": 4, "gru": 3}.get(kind, 1)
    dh = xp.zeros((batch, state), kept.dtype) if g_h is None else g_h.copy()
    dc = None
    if kind == "lstm":
        dc = xp.zeros((batch, hidden), kept.dtype) if g_c is None else g_c.copy()
    to_gates = xp.empty((total, w_hh.shape[0]), kept.dtype)
    to_pushed = xp.empty_like(to_gates) if kind == "gru" else to_gates
    to_output = xp.empty((total, state), kept.dtype) if w_hr is not None else None
    tanh_c = _lstm_cells(xp, kept, before_c, hidden) if kind == "lstm" else None
    for start, n in reversed(spans(sizes, reverse)):
        rows = slice(start, start + n)
        d = dh[:n] if g_out is None else dh[:n] + g_out[rows]
        if kind == "lstm":
            if w_hr is not None:
                to_output[rows] = d
                d = xp.dot(d, w_hr)
            _lstm_back(
                xp, d, dc[:n], kept[rows], before_c[rows], tanh_c[rows], to_gates[rows], hidden
            )
            dh[:n] = xp.dot(to_gates[rows], w_hh)
        elif kind == "gru":
            kept_part = _gru_back(
                xp, d, kept[rows], before_h[rows], to_gates[rows], to_pushed[rows], hidden
            )
            dh[:n] = xp.dot(to_pushed[rows], w_hh) + kept_part
        else:
            y = kept[rows]
            to_gates[rows] = d * (1 - y * y) if kind == "tanh" else d * (y > 0)
            dh[:n] = xp.dot(to_gates[rows], w_hh)
    to_w, to_b = xp.dot(to_pushed.T, before_h), to_pushed.sum(axis=0)
    to_w_hr = None
    if w_hr is not None:
        to_w_hr = xp.dot(to_output.T, tanh_c * kept[:, 3 * hidden :])
    return to_gates, dh, dc, to_w, to_b, to_w_hr


def _lstm_cells(xp, kept, before_c, hidden):
    """tanh of the cell after each step."""
    c = before_c * kept[:, hidden : 2 * hidden]
    c += kept[:, :hidden] * kept[:, 2 * hidden : 3 * hidden]
    return xp.tanh(c, out=c)


def _lstm_back(xp, d, dc, kept, before_c, tanh_c, to_gates, hidden):
    """Fill ``to_gates``; ``dc`` becomes the gradient of the cell before."""
    i, f = kept[:, :hidden], kept[:, hidden : 2 * hidden]
    g, o = kept[:, 2 * hidden : 3 * hidden], kept[:, 3 * hidden :]
    dc += d * o * (1 - tanh_c * tanh_c)
    to_gates[:, :hidden] = dc * g * i * (1 - i)
    to_gates[:, hidden : 2 * hidden] = dc * before_c * f * (1 - f)
    to_gates[:, 2 * hidden : 3 * hidden] = dc * i * (1 - g * g)
    to_gates[:, 3 * hidden :] = d * tanh_c * o * (1 - o)
    dc *= f


def _gru_back(xp, d, kept, h, to_gates, to_pushed, hidden):
    """Fill both; returns the gradient that passes straight to the state before."""
    r, z = kept[:, :hidden], kept[:, hidden : 2 * hidden]
    n, pushed = kept[:, 2 * hidden : 3 * hidden], kept[:, 3 * hidden :]
    dn = d * (1 - z) * (1 - n * n)
    to_gates[:, :hidden] = dn * pushed * r * (1 - r)
    to_gates[:, hidden : 2 * hidden] = d * (h - n) * z * (1 - z)
    to_gates[:, 2 * hidden :] = dn
    to_pushed[:, : 2 * hidden] = to_gates[:, : 2 * hidden]
    xp.multiply(dn, r, out=to_pushed[:, 2 * hidden :])
    return d * z
