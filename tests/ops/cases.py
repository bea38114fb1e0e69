"""Calls of public functions with what PyTorch answers: from PyTorch itself where it is installed,
else as recorded.

    python tests/ops/cases_of_torch.py      # record anew, with a Python that has torch 2.13

A case is a dict: ``function`` (a public name), ``dtype``, ``args``, ``kwargs``, ``result``, and the
facts ``out``, ``inplace``, ``alias``, ``grads``. Tensors in it are `Array`, dtypes and the like
`Name`.
"""

import base64
import functools
import gzip
import importlib.util
import json
from pathlib import Path
from typing import NamedTuple

import ml_dtypes
import numpy as np

import rushlight

RECORD = Path(__file__).parent / "recorded" / "cases.json.gz"
LIVE = importlib.util.find_spec("torch") and importlib.util.find_spec("expecttest")


class Array(NamedTuple):
    """A tensor: its dtype's name, its elements, and whether it requires a gradient."""

    dtype: str
    data: np.ndarray
    grad: bool = False


class Name(NamedTuple):
    """A public name that stands for an object: ``float32``, ``strided``."""

    name: str


def numpy_dtype(name):
    """NumPy's dtype of a torch dtype's name."""
    return np.dtype(ml_dtypes.bfloat16 if name == "bfloat16" else name)


# ---- a case as JSON ------------------------------------------------------------------------------


def pack(value):
    """A tree of a case as JSON."""
    if isinstance(value, Array):
        text = base64.b64encode(np.ascontiguousarray(value.data).tobytes()).decode()
        return {"array": [value.dtype, list(value.data.shape), text, value.grad]}
    if isinstance(value, Name):
        return {"name": value.name}
    if isinstance(value, (list, tuple)):
        return {type(value).__name__: [pack(v) for v in value]}
    if isinstance(value, dict):
        return {"dict": {k: pack(v) for k, v in value.items()}}
    if isinstance(value, complex):
        return {"complex": [value.real, value.imag]}
    if isinstance(value, slice):
        return {"slice": [pack(v) for v in (value.start, value.stop, value.step)]}
    return {"dots": 0} if value is ... else value


def unpack(value):
    """The inverse of `pack`."""
    if not isinstance(value, dict):
        return value
    ((kind, v),) = value.items()
    if kind == "array":
        dtype, shape, text, grad = v
        data = np.frombuffer(base64.b64decode(text), numpy_dtype(dtype)).reshape(shape)
        return Array(dtype, data, grad)
    if kind == "dict":
        return {k: unpack(x) for k, x in v.items()}
    if kind in ("list", "tuple"):
        return (list if kind == "list" else tuple)(unpack(x) for x in v)
    if kind == "complex":
        return complex(*v)
    if kind == "slice":
        return slice(*[unpack(x) for x in v])
    return Name(v) if kind == "name" else ...


@functools.cache
def recorded():
    """The recorded cases: entry -> list."""
    table = json.loads(gzip.decompress(RECORD.read_bytes()))
    return {name: [unpack(c) for c in cases] for name, cases in table.items()}


@functools.cache
def cases_of(name):
    """The cases of an entry: PyTorch's own answers if it is here, else the recorded ones."""
    if not LIVE:
        return recorded()[name]
    from cases_of_torch import live_cases  # imports torch

    return live_cases(name)


# ---- a case in rushlight -------------------------------------------------------------------------


def function_of(dotted):
    """rushlight's function of a public name."""
    value = rushlight
    for part in dotted.split("."):
        value = getattr(value, part)
    return value


def contiguous(x):
    """A copy in row-major order."""
    return np.array(x, order="C", copy=True)


def array_of(t):
    """The elements of a tensor as an array, bfloat16 included."""
    t = t.detach()
    return t._data if t.dtype == rushlight.bfloat16 else t.resolve_conj().numpy()


def tensors_of(value, layout=contiguous, grad=False):
    """A tree with tensors of rushlight in it; ``layout`` makes each one's array."""
    if isinstance(value, Array):
        t = rushlight.from_numpy(layout(value.data))
        return t.requires_grad_() if grad and value.grad else t
    if isinstance(value, Name):
        return getattr(rushlight, value.name)
    if isinstance(value, (list, tuple)):
        return type(value)(tensors_of(v, layout, grad) for v in value)
    if isinstance(value, slice):
        return slice(*tensors_of((value.start, value.stop, value.step), layout, grad))
    if isinstance(value, dict):
        return {k: tensors_of(v, layout, grad) for k, v in value.items()}
    return value


def leaves(value):
    """The tensors in a tree, in order."""
    if isinstance(value, (rushlight.Tensor, Array)):
        return [value]
    if isinstance(value, dict):
        value = list(value.values())
    return [t for v in value for t in leaves(v)] if isinstance(value, (list, tuple)) else []


def elements(case):
    """The number of elements of a case's tensors."""
    return sum(t.data.size for t in leaves(case))
