"""A nested state as names and values, and back, as PyTorch names them."""

from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any

from rushlight import _api as torch

__all__ = ["flatten_state_dict", "set_element", "unflatten_state_dict"]

Path = tuple[str | int, ...]


def flatten_state_dict(state_dict: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Path]]:
    """flatten_state_dict(state_dict) -> (values, ways): the values of nested dicts, and of lists
    with tensors in them, by names like ``model.0.weight``; the ways to them by the same names.

    ValueError if two ways have one name.

    >>> from rushlight.distributed.checkpoint._nested_dict import flatten_state_dict
    >>> flatten_state_dict({"a": {"b": 1}})
    ({'a.b': 1}, {'a.b': ('a', 'b')})
    """
    values: dict[str, Any] = {}
    ways: dict[str, Path] = {}
    for way, value in _flattened(state_dict, ()):
        name = ".".join(map(str, way))
        if name in values:
            raise ValueError(f"duplicated flatten key {name}")
        values[name], ways[name] = value, way
    return values, ways


def unflatten_state_dict(state_dict: Mapping[str, Any], mapping: dict[str, Path]) -> dict[str, Any]:
    """unflatten_state_dict(state_dict, mapping): the nested state again.

    >>> from rushlight.distributed.checkpoint._nested_dict import unflatten_state_dict
    >>> unflatten_state_dict({"a.b": 1}, {"a.b": ("a", "b")})
    {'a': {'b': 1}}
    """
    nested: dict[str, Any] = {}
    for name, value in state_dict.items():
        set_element(nested, mapping[name], value)
    return nested


def _flattened(state: Mapping[str, Any], way: Path) -> Iterator[tuple[Path, Any]]:
    for key, value in state.items():
        yield from _walked(value, (*way, str(key)))


def _walked(value: Any, way: Path) -> Iterator[tuple[Path, Any]]:
    if isinstance(value, Mapping):
        yield from _flattened(value, way)
    elif _is_terminal(value):
        yield way, value
    else:
        for i, entry in enumerate(value):
            yield from _walked(entry, (*way, i))


def _is_terminal(value: Any) -> bool:
    """A list is looked into if there is a tensor, or something to look into, in it."""
    if isinstance(value, Mapping):
        return False
    if not isinstance(value, list):
        return True
    return all(_is_terminal(v) and not isinstance(v, torch.Tensor) for v in value)


def set_element(root_dict: Any, path: Path, value: Any) -> None:
    """set_element(root_dict, path, value): set a value of a nested state, making what is missing
    on the way.

    >>> from rushlight.distributed.checkpoint._nested_dict import set_element
    >>> state = {}
    >>> set_element(state, ("a", "b"), 1); state
    {'a': {'b': 1}}
    """
    for key, after in pairwise(path):
        new: Any = [] if isinstance(after, int) else {}
        root_dict = _entry(root_dict, key, new)
    _entry(root_dict, path[-1], None)
    root_dict[_key(root_dict, path[-1])] = value


def _key(state: Any, key: str | int) -> Any:
    """A key as the state has it: names are texts, keys of dicts may be numbers."""
    if isinstance(state, list) or key in state:
        return key
    return next((k for k in state if str(k) == key), key)


def _entry(state: Any, key: str | int, new: Any) -> Any:
    if isinstance(state, list):
        state += [None] * (int(key) + 1 - len(state))
        if state[int(key)] is None:
            state[int(key)] = new
        return state[int(key)]
    return state.setdefault(_key(state, key), new)
