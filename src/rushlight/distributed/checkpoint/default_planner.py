"""torch.distributed.checkpoint.default_planner: how a nested state becomes names and values."""

from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any

from rushlight import _api as torch

__all__ = ["DefaultLoadPlanner", "DefaultSavePlanner"]

Path = tuple[str | int, ...]


class DefaultSavePlanner:
    """DefaultSavePlanner(flatten_state_dict=True, flatten_sharded_tensors=True, ...): tensors are
    saved in the parts that the processes hold, all else by rank 0.

    NotImplementedError for a state that is not to be flattened.

    >>> from rushlight.distributed.checkpoint import DefaultSavePlanner
    >>> DefaultSavePlanner().flatten_state_dict
    True
    """

    def __init__(
        self,
        flatten_state_dict: bool = True,
        flatten_sharded_tensors: bool = True,
        dedup_replicated_tensors: bool | None = None,
        dedup_save_to_lowest_rank: bool = False,
        enable_plan_caching: bool = False,
    ) -> None:
        _must_flatten(flatten_state_dict)
        self.flatten_state_dict = flatten_state_dict


class DefaultLoadPlanner:
    """DefaultLoadPlanner(flatten_state_dict=True, flatten_sharded_tensors=True,
    allow_partial_load=False): every value of the state is looked for in the checkpoint; with
    ``allow_partial_load`` what is not there stays as it is.

    NotImplementedError for a state that is not to be flattened.

    >>> from rushlight.distributed.checkpoint import DefaultLoadPlanner
    >>> DefaultLoadPlanner(allow_partial_load=True).allow_partial_load
    True
    """

    def __init__(
        self,
        flatten_state_dict: bool = True,
        flatten_sharded_tensors: bool = True,
        allow_partial_load: bool = False,
    ) -> None:
        _must_flatten(flatten_state_dict)
        self.flatten_state_dict = flatten_state_dict
        self.allow_partial_load = allow_partial_load


def _must_flatten(flag: bool) -> None:
    if not flag:
        raise NotImplementedError(
            "flatten_state_dict=False is not supported: names in a checkpoint are the ways to "
            "their values, which is the default"
        )


def checked(planner: Any, kind: type) -> Any:
    """A planner of ours, made if there is none; NotImplementedError for a program's own."""
    if planner is None:
        return kind()
    if type(planner) is not kind:
        raise NotImplementedError(
            f"planners of other classes than {kind.__name__} are not supported: change the "
            "state before saving, or after loading"
        )
    return planner


def flattened(state: Mapping[str, Any], way: Path = ()) -> Iterator[tuple[Path, Any]]:
    """The values of nested dicts and lists, with the ways to them, as PyTorch names them."""
    for key, value in state.items():
        yield from _walked(value, (*way, str(key)))


def _walked(value: Any, way: Path) -> Iterator[tuple[Path, Any]]:
    if isinstance(value, Mapping):
        yield from flattened(value, way)
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


def name_of(way: Path) -> str:
    """The name of a value: ``model.0.weight``."""
    return ".".join(map(str, way))


def put(state: Any, way: Path, value: Any) -> None:
    """Set a value of a nested state, making what is missing on the way."""
    for key, after in pairwise(way):
        new: Any = [] if isinstance(after, int) else {}
        state = _entry(state, key, new)
    _entry(state, way[-1], None)
    state[_key(state, way[-1])] = value


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
