"""Recurrent layers and cells: LSTM, GRU, and the plain ones with tanh or relu."""

from rushlight._core.op import Op, public
from rushlight._core.state import grad_enabled
from rushlight._core.tensor import Tensor
from rushlight._ops import rnn_kernels as kernels
from rushlight._ops.dropout import dropout
from rushlight._ops.join import Cat, Stack
from rushlight._ops.linear import Linear, LinearInput
from rushlight._ops.rnn_steps import through_time


class RnnLayer(Op):
    """One layer in one direction over a whole flat sequence (rows, features)."""

    tensors = ("data", "w_ih", "b_ih", "h", "c", "w_hh", "b_hh", "w_hr")
    optional = ("b_ih", "c", "b_hh", "w_hr")
    outputs = ("out", "last_h", "last_c", "kept", "before_h", "before_c")
    grads = ("out", "last_h", "last_c")
    named = False
    promote = "keep"
    half = "widen"
    public = ()

    def forward(xp, data, w_ih, b_ih, h, c, w_hh, b_hh, w_hr, kind, sizes, reverse):
        gates = Linear.forward(xp, data, w_ih, b_ih)
        return kernels.forward(xp, kind, gates, h, c, w_hh, b_hh, w_hr, sizes, reverse)

    def vjp(
        g, data, w_ih, b_ih, h, c, w_hh, b_hh, w_hr, kept, before_h, before_c, kind, sizes, reverse,
        need,
    ):  # fmt: skip
        if grad_enabled():  # a gradient with a history of its own: from the inputs, step by step
            inputs = data, w_ih, b_ih, h, c, w_hh, b_hh, w_hr
            grads = through_time(kind, g, inputs, sizes, reverse)
        else:
            to_gates, to_w_ih, *rest = RnnLayerBackward.call(
                *g, data, kept, before_h, before_c, w_hh, w_hr, kind, sizes, reverse
            )
            to_b_ih = None
            if b_ih is not None:
                to_b_ih = to_gates.sum(0) if kind == "gru" else rest[3]
            to_data = LinearInput.call(to_gates, w_ih) if need[0] else None
            grads = (to_data, to_w_ih, to_b_ih, *rest)
        return tuple(x if wanted else None for x, wanted in zip(grads, need, strict=True))


class RnnLayerBackward(Op):
    """Backpropagation through time: the gradients of the gates, w_ih, first h, first c, w_hh, b_hh
    and w_hr."""

    tensors = ("g_out", "g_h", "g_c", "data", "kept", "before_h", "before_c", "w_hh", "w_hr")
    optional = ("g_out", "g_h", "g_c", "before_c", "w_hr")
    outputs = ("gates", "w_ih", "h", "c", "w", "b", "w_r")
    named = False
    promote = "keep"
    half = "widen"
    public = ()
    differentiable = False  # where a second derivative is wanted, `through_time` stands for it

    def forward(
        xp, g_out, g_h, g_c, data, kept, before_h, before_c, w_hh, w_hr, kind, sizes, reverse
    ):
        to_gates, *rest = kernels.backward(
            xp, kind, g_out, g_h, g_c, kept, before_h, before_c, w_hh, w_hr, sizes, reverse
        )
        return to_gates, xp.dot(to_gates.T, data), *rest


class LstmCell(Op):
    """h and c after a step, from the sum of the gates (N, 4 H) and the cell before."""

    tensors = ("gates", "cell")
    outputs = ("h", "c")
    grads = ("h", "c")
    named = False
    public = ()
    grad_name = "ThnnFusedLstmCellBackward0"

    def forward(xp, gates, cell):
        hidden = cell.shape[-1]
        i, f = (
            1 / (1 + xp.exp(-gates[..., :hidden])),
            1 / (1 + xp.exp(-gates[..., hidden : 2 * hidden])),
        )
        g, o = (
            xp.tanh(gates[..., 2 * hidden : 3 * hidden]),
            1 / (1 + xp.exp(-gates[..., 3 * hidden :])),
        )
        c = f * cell + i * g
        return o * xp.tanh(c), c

    def vjp(g, gates, cell, c, need):
        g_h, g_c = g
        if not grad_enabled():
            return LstmCellBackward.call(g_h, g_c, gates, cell)
        i, f, n, o = gates.chunk(4, -1)
        i, f, n, o = i.sigmoid(), f.sigmoid(), n.tanh(), o.sigmoid()
        t = c.tanh()
        zero = t.detach() * 0
        g_h = zero if g_h is None else g_h
        through = g_h * o * (1 - t * t)
        to_c = through if g_c is None else through + g_c
        to_i, to_f = to_c * n * i * (1 - i), to_c * cell * f * (1 - f)
        parts = [to_i, to_f, to_c * i * (1 - n * n), g_h * t * o * (1 - o)]
        return Cat.call(parts, -1), to_c * f


class LstmCellBackward(Op):
    """The gradients of the sums of the gates and of the cell before."""

    tensors = ("g_h", "g_c", "gates", "cell")
    optional = ("g_h", "g_c")
    outputs = ("to_gates", "to_cell")
    named = False
    public = ()
    differentiable = False  # where a second derivative is wanted, LstmCell.vjp's operators stand

    def forward(xp, g_h, g_c, gates, cell):
        hidden = cell.shape[-1]
        sums = [gates[..., k * hidden : (k + 1) * hidden] for k in range(4)]
        i, f, o = (1 / (1 + xp.exp(-sums[k])) for k in (0, 1, 3))
        g = xp.tanh(sums[2])
        t = xp.tanh(f * cell + i * g)
        to_c = 0 if g_c is None else g_c
        to_o = xp.zeros_like(cell)
        if g_h is not None:
            to_c, to_o = to_c + g_h * o * (1 - t * t), g_h * t * o * (1 - o)
        parts = [to_c * g * i * (1 - i), to_c * cell * f * (1 - f), to_c * i * (1 - g * g), to_o]
        return xp.concatenate(parts, -1), to_c * f


class GruCellStep(Op):
    """h after a step, from the input's and the state's shares of the gates (N, 3 H): what a device
    computes at once."""

    tensors = ("gates", "pushed", "h")
    public = ()
    grad_name = "ThnnFusedGruCellBackward0"

    def forward(xp, gates, pushed, h):
        _, z, n = _gru_gates(xp, gates, pushed, h.shape[-1])
        return n + z * (h - n)

    def vjp(g, gates, pushed, h, need):
        if not grad_enabled():
            return GruCellStepBackward.call(g, gates, pushed, h)
        (x_r, x_z, x_n), (h_r, h_z, h_n) = gates.chunk(3, -1), pushed.chunk(3, -1)
        r, z = (x_r + h_r).sigmoid(), (x_z + h_z).sigmoid()
        n = (x_n + r * h_n).tanh()
        to_n = g * (1 - z) * (1 - n * n)
        to_r, to_z = to_n * h_n * r * (1 - r), g * (h - n) * z * (1 - z)
        return Cat.call([to_r, to_z, to_n], -1), Cat.call([to_r, to_z, to_n * r], -1), g * z


def _gru_gates(xp, gates, pushed, hidden):
    """r, z and n."""
    two = 2 * hidden
    both = 1 / (1 + xp.exp(-(gates[..., :two] + pushed[..., :two])))
    r, z = both[..., :hidden], both[..., hidden:]
    return r, z, xp.tanh(gates[..., two:] + r * pushed[..., two:])


class GruCellStepBackward(Op):
    """The gradients of the three."""

    tensors = ("g", "gates", "pushed", "h")
    outputs = ("to_gates", "to_pushed", "to_h")
    named = False
    public = ()
    differentiable = False  # where a second derivative is wanted, GruCellStep.vjp's operators stand

    def forward(xp, g, gates, pushed, h):
        hidden = h.shape[-1]
        r, z, n = _gru_gates(xp, gates, pushed, hidden)
        to_n = g * (1 - z) * (1 - n * n)
        to_r, to_z = to_n * pushed[..., 2 * hidden :] * r * (1 - r), g * (h - n) * z * (1 - z)
        to_gates = xp.concatenate([to_r, to_z, to_n], -1)
        return to_gates, xp.concatenate([to_r, to_z, to_n * r], -1), g * z


# ---- layers --------------------------------------------------------------------------------------


def _run(kind, data, sizes, h, c, params, has_biases, num_layers, dropout_p, train, bidirectional):
    """All layers and directions over flat ``data``: (out, h of each, c of each)."""
    directions = 2 if bidirectional else 1
    projected = kind == "lstm" and h.shape[2] != c.shape[2]
    count = (4 if has_biases else 2) + projected
    if len(params) != count * num_layers * directions:
        raise RuntimeError(
            f"Expected more than {len(params)} parameters: {count * num_layers * directions}"
        )
    last_h, last_c = [], []
    for layer in range(num_layers):
        outs = []
        for direction in range(directions):
            at = layer * directions + direction
            own = params[at * count : (at + 1) * count]
            w_ih, w_hh = own[:2]
            b_ih, b_hh = own[2:4] if has_biases else (None, None)
            out, h_n, c_n, *_ = RnnLayer.call(
                data, w_ih, b_ih, h[at], None if c is None else c[at], w_hh, b_hh,
                own[-1] if projected else None, kind, sizes, direction == 1,
            )  # fmt: skip
            outs.append(out)
            last_h.append(h_n)
            last_c.append(c_n)
        data = outs[0] if directions == 1 else Cat.call(outs, -1)
        if dropout_p and train and layer < num_layers - 1:
            data = dropout(data, dropout_p)
    return data, Stack.call(last_h, 0), None if c is None else Stack.call(last_c, 0)


def _padded(
    kind, input, h, c, params, has_biases, num_layers, dropout_p, train, bidirectional, batch_first
):
    """A layer over padded sequences (T, N, F), or (N, T, F)."""
    if batch_first:
        input = input.transpose(0, 1)
    steps, batch = input.shape[:2]
    if steps == 0:
        raise RuntimeError("Expected sequence length to be larger than 0 in RNN")
    flat = input.reshape(steps * batch, input.shape[2])
    out, h_n, c_n = _run(
        kind,
        flat,
        (batch,) * steps,
        h,
        c,
        params,
        has_biases,
        num_layers,
        dropout_p,
        train,
        bidirectional,
    )
    out = out.reshape(steps, batch, out.shape[-1])
    return (out.transpose(0, 1) if batch_first else out), h_n, c_n


def _packed(
    kind, data, batch_sizes, h, c, params, has_biases, num_layers, dropout_p, train, bidirectional
):
    """A layer over packed sequences (rows, F)."""
    sizes = tuple(batch_sizes.tolist())
    return _run(
        kind, data, sizes, h, c, params, has_biases, num_layers, dropout_p, train, bidirectional
    )


@public("torch", out=False)
def lstm(*args):
    """lstm(input, hx, params, has_biases, num_layers, dropout, train, bidirectional, batch_first)
    -> (Tensor, Tensor, Tensor)
    lstm(data, batch_sizes, hx, params, has_biases, num_layers, dropout, train, bidirectional)

    What :class:`torch.nn.LSTM` calls, for padded and for packed sequences; ``hx`` is (h, c).

    >>> x, h, w = torch.zeros(1, 1, 1), torch.zeros(1, 1, 1), torch.zeros(4, 1)
    >>> torch.lstm(x, (h, h), [w, w], False, 1, 0.0, False, False, False)[0]
    tensor([[[0.]]])
    """
    if isinstance(args[1], Tensor):
        data, batch_sizes, hx, *rest = args
        return _packed("lstm", data, batch_sizes, *hx, *rest)
    input, hx, *rest = args
    return _padded("lstm", input, *hx, *rest)


def _without_cell(kind, args):
    """The two forms of a layer whose state is h alone."""
    if isinstance(args[2], Tensor):
        data, batch_sizes, h, *rest = args
        return _packed(kind, data, batch_sizes, h, None, *rest)[:2]
    input, h, *rest = args
    return _padded(kind, input, h, None, *rest)[:2]


@public("torch", out=False)
def gru(*args):
    """gru(input, hx, params, has_biases, num_layers, dropout, train, bidirectional, batch_first)
    -> (Tensor, Tensor) gru(data, batch_sizes, hx, params, has_biases, num_layers, dropout, train,
    bidirectional)

    What :class:`torch.nn.GRU` calls, for padded and for packed sequences.

    >>> x, h, w = torch.zeros(1, 1, 1), torch.ones(1, 1, 1), torch.zeros(3, 1)
    >>> torch.gru(x, h, [w, w], False, 1, 0.0, False, False, False)[0]
    tensor([[[0.5000]]])
    """
    return _without_cell("gru", args)


@public("torch", out=False)
def rnn_tanh(*args):
    """rnn_tanh(input, hx, params, has_biases, num_layers, dropout, train, bidirectional,
    batch_first) -> (Tensor, Tensor)
    rnn_tanh(data, batch_sizes, hx, params, has_biases, num_layers, dropout, train, bidirectional)

    What :class:`torch.nn.RNN` calls, for padded and for packed sequences.

    >>> x, h, w = torch.ones(1, 1, 1), torch.zeros(1, 1, 1), torch.ones(1, 1)
    >>> torch.rnn_tanh(x, h, [w, w], False, 1, 0.0, False, False, False)[0]
    tensor([[[0.7616]]])
    """
    return _without_cell("tanh", args)


@public("torch", out=False)
def rnn_relu(*args):
    """rnn_relu(input, hx, params, has_biases, num_layers, dropout, train, bidirectional,
    batch_first) -> (Tensor, Tensor)
    rnn_relu(data, batch_sizes, hx, params, has_biases, num_layers, dropout, train, bidirectional)

    What :class:`torch.nn.RNN` calls with ``nonlinearity='relu'``.

    >>> x, h, w = torch.ones(1, 1, 1), torch.zeros(1, 1, 1), torch.ones(1, 1)
    >>> torch.rnn_relu(x, h, [w, w], False, 1, 0.0, False, False, False)[0]
    tensor([[[1.]]])
    """
    return _without_cell("relu", args)


# ---- cells ---------------------------------------------------------------------------------------


@public("torch", out=False)
def lstm_cell(input, hx, w_ih, w_hh, b_ih=None, b_hh=None):
    """lstm_cell(input, hx, w_ih, w_hh, b_ih=None, b_hh=None) -> (Tensor, Tensor)

    One step of an LSTM: h and c from ``input`` (N, F) and ``hx`` = (h, c).

    >>> x, w = torch.zeros(1, 1), torch.zeros(4, 1)
    >>> torch.lstm_cell(x, (x, torch.ones(1, 1)), w, w)[1]
    tensor([[0.5000]])
    """
    h, c = hx
    gates = Linear.call(input, w_ih, b_ih) + Linear.call(h, w_hh, b_hh)
    h, c = LstmCell.call(gates, c)
    return h, c


@public("torch", out=False)
def gru_cell(input, hx, w_ih, w_hh, b_ih=None, b_hh=None):
    """gru_cell(input, hx, w_ih, w_hh, b_ih=None, b_hh=None) -> Tensor

    One step of a GRU: h from ``input`` (N, F) and ``hx``.

    >>> x, w = torch.zeros(1, 1), torch.zeros(3, 1)
    >>> torch.gru_cell(x, torch.ones(1, 1), w, w)
    tensor([[0.5000]])
    """
    if input.is_cuda:
        return GruCellStep.call(Linear.call(input, w_ih, b_ih), Linear.call(hx, w_hh, b_hh), hx)
    x_r, x_z, x_n = Linear.call(input, w_ih, b_ih).chunk(3, -1)
    h_r, h_z, h_n = Linear.call(hx, w_hh, b_hh).chunk(3, -1)
    z = (x_z + h_z).sigmoid()
    n = (x_n + (x_r + h_r).sigmoid() * h_n).tanh()
    return n + z * (hx - n)


@public("torch", out=False)
def rnn_tanh_cell(input, hx, w_ih, w_hh, b_ih=None, b_hh=None):
    """rnn_tanh_cell(input, hx, w_ih, w_hh, b_ih=None, b_hh=None) -> Tensor

    ``tanh(W x + b + W' h + b')``.

    >>> x, w = torch.zeros(1, 1), torch.ones(1, 1)
    >>> torch.rnn_tanh_cell(x, torch.ones(1, 1), w, w)
    tensor([[0.7616]])
    """
    return (Linear.call(input, w_ih, b_ih) + Linear.call(hx, w_hh, b_hh)).tanh()


@public("torch", out=False)
def rnn_relu_cell(input, hx, w_ih, w_hh, b_ih=None, b_hh=None):
    """rnn_relu_cell(input, hx, w_ih, w_hh, b_ih=None, b_hh=None) -> Tensor

    ``relu(W x + b + W' h + b')``.

    >>> x, w = torch.zeros(1, 1), torch.ones(1, 1)
    >>> torch.rnn_relu_cell(x, torch.ones(1, 1), w, w)
    tensor([[1.]])
    """
    return (Linear.call(input, w_ih, b_ih) + Linear.call(hx, w_hh, b_hh)).relu()
