"""The gradient of a recurrent layer written with tensors, step by step, so that it has a gradient
itself: what `RnnLayer` uses when a history is recorded during backward.
"""

from rushlight._ops.join import Cat
from rushlight._ops.linear import Linear, LinearInput, LinearWeight
from rushlight._ops.rnn_kernels import spans


class _Step:
    """What a step keeps: its place, the state before it, and its activations."""

    def __init__(self, start, n, before_h, before_c, values):
        self.start, self.n = start, n
        self.before_h, self.before_c = before_h, before_c
        self.values = values


def _over(state, new, n):
    """``state`` with its first ``n`` rows replaced."""
    if n == state.shape[0]:
        return new
    return Cat.call([new, state.narrow(0, n, state.shape[0] - n)], 0)


def _forwards(kind, gates, h, c, w_hh, b_hh, w_hr, sizes, reverse):
    """The steps in order."""
    steps = []
    for start, n in spans(sizes, reverse):
        before_h, before_c = h.narrow(0, 0, n), None if c is None else c.narrow(0, 0, n)
        x, pushed = gates.narrow(0, start, n), Linear.call(before_h, w_hh, b_hh)
        if kind == "lstm":
            values, new_h, new_c = _lstm(x + pushed, before_c)
            c = _over(c, new_c, n)
            if w_hr is not None:
                new_h = Linear.call(new_h, w_hr)
        elif kind == "gru":
            values, new_h = _gru(x, pushed, before_h)
        else:
            new_h = (x + pushed).tanh() if kind == "tanh" else (x + pushed).relu()
            values = (new_h,)
        steps.append(_Step(start, n, before_h, before_c, values))
        h = _over(h, new_h, n)
    return steps


def _lstm(gates, c):
    i, f, g, o = gates.chunk(4, -1)
    i, f, g, o = i.sigmoid(), f.sigmoid(), g.tanh(), o.sigmoid()
    c = f * c + i * g
    t = c.tanh()
    return (i, f, g, o, t), o * t, c


def _gru(x, pushed, h):
    (x_r, x_z, x_n), (h_r, h_z, h_n) = x.chunk(3, -1), pushed.chunk(3, -1)
    r, z = (x_r + h_r).sigmoid(), (x_z + h_z).sigmoid()
    n = (x_n + r * h_n).tanh()
    return (r, z, n, h_n), n + z * (h - n)


def _lstm_back(step, d, dc):
    """Gradients of the gates and of the cell before."""
    i, f, g, o, t = step.values
    dc = dc + d * o * (1 - t * t)
    parts = [
        dc * g * i * (1 - i),
        dc * step.before_c * f * (1 - f),
        dc * i * (1 - g * g),
        d * t * o * (1 - o),
    ]
    return Cat.call(parts, -1), dc * f


def _gru_back(step, d):
    """Gradients of the input's and the state's share of the gates, and of the state before."""
    r, z, n, pushed = step.values
    dn = d * (1 - z) * (1 - n * n)
    parts = [dn * pushed * r * (1 - r), d * (step.before_h - n) * z * (1 - z)]
    return Cat.call([*parts, dn], -1), Cat.call([*parts, dn * r], -1), d * z


def _backwards(kind, g, steps, first_h, first_c, w_hh, w_hr):
    """Gradients of the first h and c; each step gets ``to_gates``, ``to_pushed`` and, before a
    projection, ``to_out``."""
    g_out, dh, dc = g
    dh = first_h.detach() * 0 if dh is None else dh
    if kind == "lstm" and dc is None:
        dc = first_c.detach() * 0
    for step in reversed(steps):
        n = step.n
        d = dh.narrow(0, 0, n)
        if g_out is not None:
            d = d + g_out.narrow(0, step.start, n)
        straight = None
        if kind == "lstm":
            step.to_out = d
            d = d if w_hr is None else LinearInput.call(d, w_hr)
            step.to_gates, before = _lstm_back(step, d, dc.narrow(0, 0, n))
            step.to_pushed, dc = step.to_gates, _over(dc, before, n)
        elif kind == "gru":
            step.to_gates, step.to_pushed, straight = _gru_back(step, d)
        else:
            (y,) = step.values
            step.to_gates = d * (1 - y * y) if kind == "tanh" else d * (y > 0)
            step.to_pushed = step.to_gates
        before = LinearInput.call(step.to_pushed, w_hh)
        dh = _over(dh, before if straight is None else before + straight, n)
    return dh, dc


def through_time(kind, g, inputs, sizes, reverse):
    """The gradients of a layer's eight inputs, from those of its three outputs."""
    data, w_ih, b_ih, h, c, w_hh, b_hh, w_hr = inputs
    gates = Linear.call(data, w_ih, b_ih)
    steps = _forwards(kind, gates, h, c, w_hh, b_hh, w_hr, sizes, reverse)
    to_h, to_c = _backwards(kind, g, steps, h, c, w_hh, w_hr)
    steps.sort(key=lambda step: step.start)

    def rows(part):
        return Cat.call([part(step) for step in steps], 0)

    to_gates, to_pushed = rows(lambda s: s.to_gates), rows(lambda s: s.to_pushed)
    to_w_hr = None
    if w_hr is not None:
        hidden = rows(lambda s: s.values[3] * s.values[4])
        to_w_hr = LinearWeight.call(rows(lambda s: s.to_out), hidden)
    return (
        LinearInput.call(to_gates, w_ih),
        LinearWeight.call(to_gates, data),
        None if b_ih is None else to_gates.sum(0),
        to_h,
        to_c,
        LinearWeight.call(to_pushed, rows(lambda s: s.before_h)),
        None if b_hh is None else to_pushed.sum(0),
        to_w_hr,
    )
