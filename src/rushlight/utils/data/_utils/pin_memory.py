"""Batches in pinned memory, which a GPU copies from without waiting."""

import collections.abc
import contextlib
import copy
from typing import Any

from rushlight import _api as torch


def pin_memory(data: Any, device: object = None) -> Any:
    """The tensors of a batch in pinned memory; what has a ``pin_memory`` method is asked for it."""
    if isinstance(data, torch.Tensor):
        return data.pin_memory()
    if isinstance(data, (str, bytes)):
        return data
    if isinstance(data, collections.abc.Mapping):
        return _mapping(data)
    if isinstance(data, tuple) and hasattr(data, "_fields"):
        return type(data)(*map(pin_memory, data))
    if isinstance(data, tuple):
        return [pin_memory(each) for each in data]  # a list, as PyTorch's
    if isinstance(data, collections.abc.Sequence):
        return _sequence(data)
    return data.pin_memory() if hasattr(data, "pin_memory") else data


def _mapping(data: Any) -> Any:
    made = {key: pin_memory(value) for key, value in data.items()}
    with contextlib.suppress(TypeError):
        if isinstance(data, collections.abc.MutableMapping):
            clone = copy.copy(data)
            clone.update(made)
            return clone
        return type(data)(made)
    return made


def _sequence(data: Any) -> Any:
    made = [pin_memory(each) for each in data]
    with contextlib.suppress(TypeError):
        if isinstance(data, collections.abc.MutableSequence):
            clone = copy.copy(data)
            for i, each in enumerate(made):
                clone[i] = each
            return clone
        return type(data)(made)
    return made
