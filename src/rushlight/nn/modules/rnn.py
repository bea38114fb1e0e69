"""Recurrent networks and their cells."""

import math
import numbers
import warnings
from typing import Any

from rushlight import _api as torch
from rushlight.nn import init
from rushlight.nn.modules.module import Module
from rushlight.nn.parameter import Parameter
from rushlight.nn.utils.rnn import PackedSequence

__all__ = ["GRU", "LSTM", "RNN", "GRUCell", "LSTMCell", "RNNBase", "RNNCell", "RNNCellBase"]

_GATES = {"LSTM": 4, "GRU": 3, "RNN_TANH": 1, "RNN_RELU": 1}


def _apply_permutation(tensor: Any, permutation: Any, dim: int = 1) -> Any:
    return tensor.index_select(dim, permutation)


def apply_permutation(tensor: Any, permutation: Any, dim: int = 1) -> Any:
    """apply_permutation(tensor, permutation, dim=1)

    The old name of ``tensor.index_select(dim, permutation)``.
    """
    warnings.warn(
        "`apply_permutation` is deprecated, "
        "please use `tensor.index_select(dim, permutation)` instead",
        category=FutureWarning,
        stacklevel=2,
    )
    return _apply_permutation(tensor, permutation, dim)


def _autocast_enabled() -> bool:
    """Does autocast choose the dtypes? It cannot where the API has none."""
    return bool(getattr(torch, "is_autocast_enabled", bool)())


def _check_settings(
    input_size: Any,
    hidden_size: Any,
    num_layers: int,
    bias: Any,
    batch_first: Any,
    dropout: Any,
    proj_size: int,
) -> None:
    """Refuse settings that make no network."""
    number = isinstance(dropout, numbers.Number) and not isinstance(dropout, bool)
    if not number or not 0 <= dropout <= 1:
        raise ValueError(
            "dropout should be a number in range [0, 1] "
            "representing the probability of an element being "
            "zeroed"
        )
    if dropout > 0 and num_layers == 1:
        warnings.warn(
            "dropout option adds dropout after all but last "
            "recurrent layer, so non-zero dropout expects "
            f"num_layers greater than 1, but got dropout={dropout} and "
            f"num_layers={num_layers}",
            stacklevel=4,
        )
    _check_type("bias", bias, bool)
    _check_type("batch_first", batch_first, bool)
    _check_type("input_size", input_size, int)
    if input_size <= 0:
        raise ValueError("input_size must be greater than zero")
    _check_type("hidden_size", hidden_size, int)
    if hidden_size <= 0:
        raise ValueError("hidden_size must be greater than zero")
    if num_layers <= 0:
        raise ValueError("num_layers must be greater than zero")
    if proj_size < 0:
        raise ValueError("proj_size should be a positive integer or zero to disable projections")
    if proj_size >= hidden_size:
        raise ValueError("proj_size has to be smaller than hidden_size")


def _check_type(name: str, value: Any, kind: type) -> None:
    if not isinstance(value, kind):
        raise TypeError(f"{name} should be of type {kind.__name__}, got: {type(value).__name__}")


class RNNBase(Module):
    """RNNBase(mode, input_size, hidden_size, num_layers=1, bias=True, batch_first=False,
    dropout=0.0, ...)

    What RNN, LSTM and GRU share. Layer k has weight_ih_lk, weight_hh_lk, bias_ih_lk, bias_hh_lk
    (and weight_hr_lk with ``proj_size``), those of the backward direction end in _reverse.

    >>> rnn = torch.nn.RNNBase('LSTM', 4, 3, bidirectional=True)
    >>> list(rnn.state_dict())[:3]
    ['weight_ih_l0', 'weight_hh_l0', 'bias_ih_l0']
    >>> rnn.all_weights[0][0].shape
    torch.Size([12, 4])
    """

    def __init__(
        self,
        mode: str,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        _check_settings(input_size, hidden_size, num_layers, bias, batch_first, dropout, proj_size)
        if mode not in _GATES:
            raise ValueError("Unrecognized RNN mode: " + mode)
        self.mode = mode
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.num_layers = num_layers
        self.bias = bias
        self.batch_first = batch_first
        self.dropout = float(dropout)
        self.bidirectional = bidirectional
        self.proj_size = proj_size
        self._all_weights: list[list[str]] = []
        for layer in range(num_layers):
            for suffix in ("", "_reverse")[: self._directions]:
                self._add_layer(layer, suffix, device, dtype)
        self._flat_weights_names = [name for names in self._all_weights for name in names]
        self.reset_parameters()

    @property
    def _directions(self) -> int:
        return 2 if self.bidirectional else 1

    @property
    def _output_size(self) -> int:
        """The size of one direction's output."""
        return self.proj_size or self.hidden_size

    def _add_layer(self, layer: int, suffix: str, device: Any, dtype: Any) -> None:
        gates = _GATES[self.mode] * self.hidden_size
        inputs = self.input_size if layer == 0 else self._output_size * self._directions
        shapes: dict[str, tuple] = {
            "weight_ih": (gates, inputs),
            "weight_hh": (gates, self._output_size),
        }
        if self.bias:
            shapes |= {"bias_ih": (gates,), "bias_hh": (gates,)}
        if self.proj_size > 0:
            shapes["weight_hr"] = (self.proj_size, self.hidden_size)
        names = []
        for name, shape in shapes.items():
            names.append(f"{name}_l{layer}{suffix}")
            param = Parameter(torch.empty(shape, device=device, dtype=dtype))
            self.register_parameter(names[-1], param)
        self._all_weights.append(names)

    @property
    def all_weights(self) -> list[list[Any]]:
        """The weights of each layer and direction."""
        return [[getattr(self, name) for name in names] for names in self._all_weights]

    @property
    def _flat_weights(self) -> list[Any]:
        return [getattr(self, name, None) for name in self._flat_weights_names]

    def flatten_parameters(self) -> None:
        """flatten_parameters()

        Nothing to do; on GPUs PyTorch lays the weights out in one block.
        """

    def reset_parameters(self) -> None:
        """reset_parameters(): draw all weights anew, uniform in ±1/sqrt(hidden_size)."""
        bound = 1.0 / math.sqrt(self.hidden_size) if self.hidden_size > 0 else 0
        for weight in self.parameters():
            init.uniform_(weight, -bound, bound)

    # ---- checks ----------------------------------------------------------------------------------

    def check_input(self, input: Any, batch_sizes: Any) -> None:
        """check_input(input, batch_sizes): refuse an input of the wrong dtype or shape."""
        dtype = self._flat_weights[0].dtype
        if input.dtype != dtype and not _autocast_enabled():
            raise ValueError(
                f"RNN input dtype ({input.dtype}) does not match weight dtype ({dtype}). "
                f"Convert input: input.to({dtype}), or convert model: model.to({input.dtype})"
            )
        expected = 3 if batch_sizes is None else 2
        if input.dim() != expected:
            raise RuntimeError(f"input must have {expected} dimensions, got {input.dim()}")
        if self.input_size != input.size(-1):
            raise RuntimeError(
                "input.size(-1) must be equal to input_size. "
                f"Expected {self.input_size}, got {input.size(-1)}"
            )

    def _state_size(self, input: Any, batch_sizes: Any, size: int) -> tuple[int, int, int]:
        if batch_sizes is not None:
            batch = int(batch_sizes[0])
        else:
            batch = input.size(0 if self.batch_first else 1)
        return (self.num_layers * self._directions, batch, size)

    def get_expected_hidden_size(self, input: Any, batch_sizes: Any) -> tuple[int, int, int]:
        """get_expected_hidden_size(input, batch_sizes): the shape of the hidden state."""
        return self._state_size(input, batch_sizes, self._output_size)

    def check_hidden_size(
        self, hx: Any, expected_hidden_size: tuple, msg: str = "Expected hidden size {}, got {}"
    ) -> None:
        """check_hidden_size(hx, expected_hidden_size, msg): refuse a state of the wrong shape."""
        if hx.size() != expected_hidden_size:
            raise RuntimeError(msg.format(expected_hidden_size, list(hx.size())))

    def check_forward_args(self, input: Any, hidden: Any, batch_sizes: Any) -> None:
        """check_forward_args(input, hidden, batch_sizes): refuse what does not fit."""
        self.check_input(input, batch_sizes)
        self.check_hidden_size(hidden, self.get_expected_hidden_size(input, batch_sizes))

    def permute_hidden(self, hx: Any, permutation: Any) -> Any:
        """permute_hidden(hx, permutation): the state with its batch in another order."""
        return hx if permutation is None else _apply_permutation(hx, permutation)

    # ---- forward ---------------------------------------------------------------------------------

    def _settings(self) -> tuple:
        weights = self._flat_weights
        return (
            weights,
            self.bias,
            self.num_layers,
            self.dropout,
            self.training,
            self.bidirectional,
        )

    def _zeros(self, input: Any, batch_sizes: Any) -> Any:
        """The state to start from where none is given."""
        size = self.get_expected_hidden_size(input, batch_sizes)
        return torch.zeros(size, dtype=input.dtype, device=input.device)

    def _with_batch(self, hx: Any, batched: bool) -> Any:
        """The given state, with a batch dimension if it has none."""
        wanted = 3 if batched else 2
        if hx.dim() != wanted:
            kind = "batched 3-D" if batched else "unbatched 2-D"
            raise RuntimeError(
                f"For {kind} input, hx should also be {wanted}-D but got {hx.dim()}-D tensor"
            )
        return hx if batched else hx.unsqueeze(1)

    def _without_batch(self, hidden: Any) -> Any:
        return hidden.squeeze(1)

    def _check_dim(self, input: Any) -> None:
        if input.dim() not in (2, 3):
            what = " tensor" if type(self) is RNN else ""
            raise ValueError(
                f"{self._family}: Expected input to be 2D or 3D, got {input.dim()}D{what} instead"
            )

    @property
    def _family(self) -> str:
        return "RNN" if self.mode.startswith("RNN") else self.mode

    def _compute(self) -> Any:
        return getattr(torch, self.mode.lower())

    def forward(self, input: Any, hx: Any = None) -> tuple:
        """The outputs of the last layer at all times, and the final states of all layers.

        Input (L, N, input_size), (N, L, input_size) if ``batch_first``, (L, input_size), or a
        PackedSequence.
        """
        if isinstance(input, PackedSequence):
            return self._forward_packed(input, hx)
        self._check_dim(input)
        batched = input.dim() == 3
        batch_dim = 0 if self.batch_first else 1
        if not batched:
            input = input.unsqueeze(batch_dim)
        hx = self._zeros(input, None) if hx is None else self._with_batch(hx, batched)
        self.check_forward_args(input, hx, None)
        output, hidden = self._split(
            self._compute()(input, hx, *self._settings(), self.batch_first)
        )
        if not batched:
            return output.squeeze(batch_dim), self._without_batch(hidden)
        return output, hidden

    def _forward_packed(self, packed: PackedSequence, hx: Any) -> tuple:
        input, batch_sizes, sorted_indices, unsorted_indices = packed
        if hx is None:
            hx = self._zeros(input, batch_sizes)
        else:  # the given state is in the order the user knows
            hx = self.permute_hidden(hx, sorted_indices)
        self.check_forward_args(input, hx, batch_sizes)
        output, hidden = self._split(self._compute()(input, batch_sizes, hx, *self._settings()))
        output = PackedSequence(output, batch_sizes, sorted_indices, unsorted_indices)
        return output, self.permute_hidden(hidden, unsorted_indices)

    def _split(self, result: tuple) -> tuple:
        return result[0], result[1]

    # ---- printing and pickling -------------------------------------------------------------------

    def extra_repr(self) -> str:
        """The sizes; settings only where they are not the defaults."""
        text = f"{self.input_size}, {self.hidden_size}"
        if self.proj_size != 0:
            text += f", proj_size={self.proj_size}"
        if self.num_layers != 1:
            text += f", num_layers={self.num_layers}"
        if self.bias is not True:
            text += f", bias={self.bias}"
        if self.batch_first is not False:
            text += f", batch_first={self.batch_first}"
        if self.dropout != 0:
            text += f", dropout={self.dropout}"
        if self.bidirectional is not False:
            text += f", bidirectional={self.bidirectional}"
        return text

    def __getstate__(self) -> dict:
        weights = [getattr(self, name) for name in self._flat_weights_names]
        return {**super().__getstate__(), "_flat_weights": weights}

    def __setstate__(self, state: dict) -> None:
        # PyTorch pickles the flat list of weights too; here it is looked up.
        dropped = ("_flat_weights", "_flat_weight_refs", "all_weights")
        names = state.get("_all_weights") or state["all_weights"]
        super().__setstate__({k: v for k, v in state.items() if k not in dropped})
        self.__dict__.setdefault("proj_size", 0)
        self._all_weights = names
        self._flat_weights_names = [name for layer in names for name in layer]


class RNN(RNNBase):
    """RNN(input_size, hidden_size, num_layers=1, nonlinearity='tanh', bias=True, batch_first=False,
    dropout=0.0, ...)

    h(t) = tanh(W x(t) + b + V h(t-1) + c), in several layers and directions.

    Input (T, N, input_size), or (N, T, input_size) with ``batch_first``, or a PackedSequence;
    state (num_layers * directions, N, hidden_size).

    >>> rnn = torch.nn.RNN(10, 20, num_layers=2, bidirectional=True)
    >>> output, h = rnn(torch.ones(5, 3, 10))
    >>> output.shape, h.shape
    (torch.Size([5, 3, 40]), torch.Size([4, 3, 20]))
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if "proj_size" in kwargs:
            raise ValueError("proj_size argument is only supported for LSTM, not RNN or GRU")
        if len(args) > 3:
            nonlinearity = args[3]
            args = args[:3] + args[4:]
        else:
            nonlinearity = kwargs.pop("nonlinearity", "tanh")
        if nonlinearity not in ("tanh", "relu"):
            raise ValueError(
                f"Unknown nonlinearity '{nonlinearity}'. Select from 'tanh' or 'relu'."
            )
        super().__init__(f"RNN_{nonlinearity.upper()}", *args, **kwargs)
        self.nonlinearity = nonlinearity


class LSTM(RNNBase):
    """LSTM(input_size, hidden_size, num_layers=1, bias=True, batch_first=False, dropout=0.0,
    bidirectional=False, ...)

    Long short-term memory. The state is the pair (h, c); with ``proj_size`` h is projected to that
    size.

    Hochreiter and Schmidhuber (1997). Input (T, N, input_size), or (N, T, input_size) with
    ``batch_first``, or a PackedSequence; states (num_layers * directions, N, hidden_size).

    >>> rnn = torch.nn.LSTM(10, 20, num_layers=2)
    >>> output, (h, c) = rnn(torch.ones(5, 3, 10))
    >>> output.shape, h.shape, c.shape
    (torch.Size([5, 3, 20]), torch.Size([2, 3, 20]), torch.Size([2, 3, 20]))
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__("LSTM", *args, **kwargs)

    def get_expected_cell_size(self, input: Any, batch_sizes: Any) -> tuple[int, int, int]:
        """get_expected_cell_size(input, batch_sizes): the shape of the cell state."""
        return self._state_size(input, batch_sizes, self.hidden_size)

    def check_forward_args(self, input: Any, hidden: tuple, batch_sizes: Any) -> None:
        """check_forward_args(input, hidden, batch_sizes): refuse what does not fit."""
        self.check_input(input, batch_sizes)
        sizes = (
            self.get_expected_hidden_size(input, batch_sizes),
            self.get_expected_cell_size(input, batch_sizes),
        )
        for i, size in enumerate(sizes):
            self.check_hidden_size(hidden[i], size, f"Expected hidden[{i}] size {{}}, got {{}}")

    def permute_hidden(self, hx: tuple, permutation: Any) -> tuple:
        """permute_hidden(hx, permutation): the states with their batch in another order."""
        if permutation is None:
            return hx
        return tuple(_apply_permutation(state, permutation) for state in hx)

    def _zeros(self, input: Any, batch_sizes: Any) -> tuple:
        sizes = (
            self.get_expected_hidden_size(input, batch_sizes),
            self.get_expected_cell_size(input, batch_sizes),
        )
        return tuple(torch.zeros(s, dtype=input.dtype, device=input.device) for s in sizes)

    def _with_batch(self, hx: tuple, batched: bool) -> tuple:
        wanted = 3 if batched else 2
        if hx[0].dim() != wanted or hx[1].dim() != wanted:
            kind = "batched 3-D" if batched else "unbatched 2-D"
            raise RuntimeError(
                f"For {kind} input, hx and cx should "
                f"also be {wanted}-D but got ({hx[0].dim()}-D, {hx[1].dim()}-D) tensors"
            )
        return hx if batched else (hx[0].unsqueeze(1), hx[1].unsqueeze(1))

    def _without_batch(self, hidden: tuple) -> tuple:
        return (hidden[0].squeeze(1), hidden[1].squeeze(1))

    def _split(self, result: tuple) -> tuple:
        return result[0], tuple(result[1:])


class GRU(RNNBase):
    """GRU(input_size, hidden_size, num_layers=1, bias=True, batch_first=False, dropout=0.0,
    bidirectional=False, ...)

    Gated recurrent units, in several layers and directions.

    Input (T, N, input_size), or (N, T, input_size) with ``batch_first``, or a PackedSequence;
    state (num_layers * directions, N, hidden_size).

    >>> rnn = torch.nn.GRU(10, 20, num_layers=2)
    >>> output, h = rnn(torch.ones(5, 3, 10))
    >>> output.shape, h.shape
    (torch.Size([5, 3, 20]), torch.Size([2, 3, 20]))
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if "proj_size" in kwargs:
            raise ValueError("proj_size argument is only supported for LSTM, not RNN or GRU")
        super().__init__("GRU", *args, **kwargs)


class RNNCellBase(Module):
    """RNNCellBase(input_size, hidden_size, bias, num_chunks, device=None, dtype=None)

    What the cells share.

    >>> cell = torch.nn.RNNCellBase(4, 3, bias=True, num_chunks=4)
    >>> cell.weight_ih.shape, cell.weight_hh.shape
    (torch.Size([12, 4]), torch.Size([12, 3]))
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool,
        num_chunks: int,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.bias = bias
        gates = num_chunks * hidden_size
        like = {"device": device, "dtype": dtype}
        self.weight_ih = Parameter(torch.empty((gates, input_size), **like))
        self.weight_hh = Parameter(torch.empty((gates, hidden_size), **like))
        for name in ("bias_ih", "bias_hh"):
            self.register_parameter(name, Parameter(torch.empty(gates, **like)) if bias else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """reset_parameters(): draw all weights anew, uniform in ±1/sqrt(hidden_size)."""
        bound = 1.0 / math.sqrt(self.hidden_size) if self.hidden_size > 0 else 0
        for weight in self.parameters():
            init.uniform_(weight, -bound, bound)

    def extra_repr(self) -> str:
        """The sizes; settings only where they are not the defaults."""
        text = f"{self.input_size}, {self.hidden_size}"
        if self.bias is not True:
            text += f", bias={self.bias}"
        if getattr(self, "nonlinearity", "tanh") != "tanh":
            text += f", nonlinearity={self.nonlinearity}"
        return text

    def _check(self, value: Any, what: str) -> None:
        if value.dim() not in (1, 2):
            raise ValueError(
                f"{type(self).__name__}: Expected {what} to be 1D or 2D, got {value.dim()}D instead"
            )

    def _zeros(self, input: Any) -> Any:
        return torch.zeros(input.size(0), self.hidden_size, dtype=input.dtype, device=input.device)

    def _step(self, cell: Any, input: Any, hx: Any) -> Any:
        """One step of a cell whose state is one tensor."""
        self._check(input, "input")
        if hx is not None:
            self._check(hx, "hidden")
        batched = input.dim() == 2
        if not batched:
            input = input.unsqueeze(0)
            hx = None if hx is None else hx.unsqueeze(0)
        if hx is None:
            hx = self._zeros(input)
        result = cell(input, hx, self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh)
        return result if batched else result.squeeze(0)


class RNNCell(RNNCellBase):
    """RNNCell(input_size, hidden_size, bias=True, nonlinearity='tanh', device=None, dtype=None):
    one step of an RNN.

    Input (N, input_size) or (input_size), state and output (N, hidden_size) or (hidden_size).

    >>> torch.nn.RNNCell(10, 20)(torch.ones(3, 10), torch.zeros(3, 20)).shape
    torch.Size([3, 20])
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        nonlinearity: str = "tanh",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(input_size, hidden_size, bias, 1, device, dtype)
        self.nonlinearity = nonlinearity

    def forward(self, input: Any, hx: Any = None) -> Any:
        """The next state."""
        if self.nonlinearity not in ("tanh", "relu"):
            raise RuntimeError(f"Unknown nonlinearity: {self.nonlinearity}")
        cell = torch.rnn_tanh_cell if self.nonlinearity == "tanh" else torch.rnn_relu_cell
        return self._step(cell, input, hx)


class LSTMCell(RNNCellBase):
    """LSTMCell(input_size, hidden_size, bias=True, device=None, dtype=None): one step of an LSTM.

    The state is the pair (h, c), each (N, hidden_size) or (hidden_size).

    >>> h, c = torch.nn.LSTMCell(10, 20)(torch.ones(3, 10))
    >>> h.shape, c.shape
    (torch.Size([3, 20]), torch.Size([3, 20]))
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(input_size, hidden_size, bias, 4, device, dtype)

    def forward(self, input: Any, hx: tuple | None = None) -> tuple:
        """The next state."""
        self._check(input, "input")
        for i, state in enumerate(hx or ()):
            self._check(state, f"hx[{i}]")
        batched = input.dim() == 2
        if not batched:
            input = input.unsqueeze(0)
            hx = None if hx is None else (hx[0].unsqueeze(0), hx[1].unsqueeze(0))
        if hx is None:
            zeros = self._zeros(input)
            hx = (zeros, zeros)
        h, c = torch.lstm_cell(
            input, hx, self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh
        )
        return (h, c) if batched else (h.squeeze(0), c.squeeze(0))


class GRUCell(RNNCellBase):
    """GRUCell(input_size, hidden_size, bias=True, device=None, dtype=None): one step of a GRU.

    Input (N, input_size) or (input_size), state and output (N, hidden_size) or (hidden_size).

    >>> rnn, h = torch.nn.GRUCell(10, 20), torch.zeros(3, 20)
    >>> for x in torch.ones(6, 3, 10):
    ...     h = rnn(x, h)
    >>> h.shape
    torch.Size([3, 20])
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(input_size, hidden_size, bias, 3, device, dtype)

    def forward(self, input: Any, hx: Any = None) -> Any:
        """The next state."""
        return self._step(torch.gru_cell, input, hx)
