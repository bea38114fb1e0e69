"""cuDNN's Python frontend on NumPy's memory: the graphs that _kernels/cuda/dnn.py builds, with the
frontend's rules (dimensions given, outputs declared, the order of building), computed when
executed."""

import ctypes
import math
from types import SimpleNamespace

import ml_dtypes
import numpy as np

from rushlight._ops import conv_kernels

data_type = SimpleNamespace(FLOAT="f4", HALF="f2", BFLOAT16="bf16", INT64="i8")
heur_mode = SimpleNamespace(A="A", FALLBACK="FALLBACK")
numerical_note = SimpleNamespace(TENSOR_CORE="TENSOR_CORE", NONDETERMINISTIC="NONDETERMINISTIC")
executed = []  # what ran


class cudnnGraphNotSupportedError(RuntimeError):
    pass


def backend_version():
    return 92800


def create_handle():
    return 7


def set_stream(*, handle, stream):
    assert handle == 7


def note(action):
    """What the array module does with a launch while a graph is recorded."""


def numpy_of(kind):
    return np.dtype(ml_dtypes.bfloat16 if kind == "bf16" else kind)


class Tensor:
    def __init__(self, dim=None, stride=None, kind=None):
        self.dim, self.stride, self.kind, self.output = dim, stride, kind, False

    def set_output(self, on):
        self.output = on
        return self

    def set_dim(self, dim):
        self.dim = dim
        return self

    def set_stride(self, stride):
        self.stride = stride
        return self

    def set_data_type(self, kind):
        self.kind = kind
        return self

    def look(self, address):
        """The memory at an address."""
        d = numpy_of(self.kind)
        assert len(self.dim) == len(self.stride)
        count = sum((n - 1) * s for n, s in zip(self.dim, self.stride, strict=True)) + 1
        memory = np.frombuffer((ctypes.c_char * (count * d.itemsize)).from_address(address), d)
        steps = [s * d.itemsize for s in self.stride]
        return np.lib.stride_tricks.as_strided(memory, self.dim, steps)


def wide(x):
    return x.astype("f4")


class pygraph:
    def __init__(self, *, io_data_type, intermediate_data_type, compute_data_type, handle):
        self.kind, self.stage, self.notes, self.outputs = io_data_type, 0, [], []
        assert intermediate_data_type == compute_data_type == "f4"
        self.operation = None

    def tensor(self, *, name, dim, stride, data_type):
        assert all(s > 0 for s in stride), stride
        return Tensor(dim, stride, data_type)

    def result(self, kind=None):
        made = Tensor(kind=kind or self.kind)
        self.outputs.append(made)
        return made

    def conv_fprop(self, *, image, weight, padding, stride, dilation):
        assert len(padding) == len(stride) == len(dilation) == len(image.dim) - 2
        self.operation = ("fprop", image, weight, stride, padding, dilation)
        return self.result()

    def conv_dgrad(self, *, loss, filter, padding, stride, dilation):
        self.operation = ("dgrad", loss, filter, stride, padding, dilation)
        return self.result()

    def conv_wgrad(self, *, image, loss, padding, stride, dilation):
        self.operation = ("wgrad", loss, image, stride, padding, dilation)
        return self.result()

    def sdpa(self, *, q, k, v, attn_scale, use_causal_mask, generate_stats):
        if self.kind == "f4":
            raise cudnnGraphNotSupportedError("float32")
        if q.dim[3] % 8:
            raise cudnnGraphNotSupportedError("head dimension")
        self.operation = ("sdpa", q, k, v, attn_scale, use_causal_mask, generate_stats)
        return self.result(), (self.result("f4") if generate_stats else None)

    def sdpa_backward(
        self, *, q, k, v, o, dO, stats, attn_scale, use_causal_mask, use_deterministic_algorithm
    ):
        self.operation = ("sdpa_backward", q, k, v, o, dO, stats, attn_scale, use_causal_mask)
        return self.result(), self.result(), self.result()

    def validate(self):
        self.stage = 1
        assert all(t.output and t.dim and t.stride for t in self.outputs)

    def build_operation_graph(self):
        assert self.stage == 1
        self.stage = 2

    def create_execution_plans(self, modes):
        assert self.stage == 2 and modes
        self.stage = 3

    def deselect_numeric_notes(self, notes):
        assert self.stage == 3
        self.notes = notes
        return self

    def check_support(self):
        assert self.stage == 3
        self.stage = 4

    def build_plans(self):
        assert self.stage == 4
        self.stage = 5

    def get_workspace_size(self):
        assert self.stage == 5
        return 64

    def execute(self, given, workspace, *, handle):
        assert self.stage == 5 and handle == 7 and workspace
        name, *operands = self.operation
        executed.append((name, self.kind, tuple(self.notes)))

        def run():
            values = [wide(t.look(given[t])) if isinstance(t, Tensor) else t for t in operands]
            made = getattr(self, f"run_{name}")(*values)
            for t, value in zip(self.outputs, made, strict=True):
                t.look(given[t])[...] = value

        run()
        note(run)

    def run_fprop(self, x, w, stride, padding, dilation):
        groups = x.shape[1] // w.shape[1]
        return [conv_kernels.convolve(np, x, w, stride, padding, dilation, groups)]

    def run_dgrad(self, g, w, stride, padding, dilation):
        shape = tuple(self.outputs[0].dim)
        groups = shape[1] // w.shape[1]
        return [conv_kernels.input_gradient(np, g, w, shape, stride, padding, dilation, groups)]

    def run_wgrad(self, g, x, stride, padding, dilation):
        shape = tuple(self.outputs[0].dim)
        groups = x.shape[1] // shape[1]
        return [conv_kernels.weight_gradient(np, g, x, shape, stride, padding, dilation, groups)]

    def scores(self, q, k, scale, causal):
        k = np.repeat(k, q.shape[1] // k.shape[1], 1)
        found = q @ k.swapaxes(-1, -2) * scale
        return (
            np.where(np.tri(*found.shape[-2:], dtype=bool), found, -math.inf) if causal else found
        )

    def run_sdpa(self, q, k, v, scale, causal, statistics):
        scores = self.scores(q, k, scale, causal)
        top = scores.max(-1, keepdims=True)
        total = np.exp(scores - top).sum(-1, keepdims=True)
        v = np.repeat(v, q.shape[1] // v.shape[1], 1)
        made = np.exp(scores - top) / total @ v
        return [made, top + np.log(total)] if statistics else [made]

    def run_sdpa_backward(self, q, k, v, o, g, stats, scale, causal):
        heads = k.shape[1], q.shape[1] // k.shape[1]
        weights = np.exp(self.scores(q, k, scale, causal) - stats)
        wide_k, wide_v = (np.repeat(t, heads[1], 1) for t in (k, v))
        inner = g @ wide_v.swapaxes(-1, -2)
        inner = weights * (inner - (g * o).sum(-1, keepdims=True)) * scale

        def shared(t):
            return t.reshape(t.shape[0], *heads, *t.shape[2:]).sum(2)

        return [
            inner @ wide_k,
            shared(inner.swapaxes(-1, -2) @ q),
            shared(weights.swapaxes(-1, -2) @ g),
        ]
