"""Sizes given as one number or as a tuple."""

import collections
from collections.abc import Callable, Iterable
from itertools import repeat
from typing import Any

from rushlight import _api as torch

__all__ = ["consume_prefix_in_state_dict_if_present"]


def _ntuple(n: int, name: str = "parse") -> Callable[[Any], tuple]:
    """A function that repeats a number n times and leaves a tuple alone."""

    def parse(x: Any) -> tuple:
        if isinstance(x, collections.abc.Iterable):
            return tuple(x)
        return tuple(repeat(x, n))

    parse.__name__ = name
    return parse


_single = _ntuple(1, "_single")
_pair = _ntuple(2, "_pair")
_triple = _ntuple(3, "_triple")
_quadruple = _ntuple(4, "_quadruple")


def _typename(value: Any) -> str:
    """What PyTorch's messages call a value: 'torch.FloatTensor', 'int', 'package.module.Class'."""
    if isinstance(value, torch.Tensor):
        return value.type()
    kind = value if isinstance(value, type) else type(value)
    module = kind.__module__
    return kind.__qualname__ if module == "builtins" else f"{module}.{kind.__qualname__}"


def factory_kwargs(kwargs: dict | None) -> dict:
    """factory_kwargs(kwargs): those of them that ``torch.empty`` and its like take; TypeError for
        others.

    They may also stand in an entry ``factory_kwargs``.

    >>> sorted(torch.nn.factory_kwargs({'device': 'cpu', 'dtype': torch.float64}))
    ['device', 'dtype']
    """
    if kwargs is None:
        return {}
    simple = {"device", "dtype", "memory_format"}
    unknown = kwargs.keys() - simple - {"factory_kwargs"}
    if unknown:
        raise TypeError(f"unexpected kwargs {unknown}")
    result = dict(kwargs.get("factory_kwargs", {}))
    for name in simple & kwargs.keys():
        if name in result:
            raise TypeError(f"{name} specified twice, in **kwargs and in factory_kwargs")
        result[name] = kwargs[name]
    return result


def _reverse_repeat_tuple(t: Iterable, n: int) -> tuple:
    """Each element n times, the last element first: the order in which F.pad wants sizes."""
    return tuple(x for x in reversed(tuple(t)) for _ in range(n))


def _list_with_default(out_size: list[int], defaults: list[int]) -> list[int]:
    """The output size, with None replaced by the input's."""
    if isinstance(out_size, int):
        return out_size
    if len(defaults) <= len(out_size):
        raise ValueError(f"Input dimension should be at least {len(out_size) + 1}")
    tail = defaults[-len(out_size) :]
    return [d if v is None else v for v, d in zip(out_size, tail, strict=True)]


def consume_prefix_in_state_dict_if_present(state_dict: dict[str, Any], prefix: str) -> None:
    """consume_prefix_in_state_dict_if_present(state_dict, prefix)

    Strip ``prefix`` from the keys, in place.
    """
    for key in list(state_dict):
        if key.startswith(prefix):
            state_dict[key[len(prefix) :]] = state_dict.pop(key)
    metadata = getattr(state_dict, "_metadata", None)
    if metadata is None:
        return
    for key in list(metadata):
        # The metadata of the stripped module itself stands under the prefix without its dot.
        if key == prefix.replace(".", "") or key.startswith(prefix):
            metadata[key[len(prefix) :]] = metadata.pop(key)
