"""The kinds of containers that nested values are made of: how each is taken apart and made."""

from collections import OrderedDict, defaultdict, deque, namedtuple
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple


class Node(NamedTuple):
    """What is known of a kind of container.

    ``flatten_fn(value)`` gives (parts, context), ``unflatten_fn(parts, context)`` the value again,
    ``flatten_with_keys_fn(value)`` ([(key, part), ...], context).
    """

    type: Any
    flatten_fn: Callable[[Any], tuple[list, Any]]
    unflatten_fn: Callable[[Iterable, Any], Any]
    flatten_with_keys_fn: Callable[[Any], tuple[list, Any]] | None


@dataclass(frozen=True)
class SequenceKey:
    """The place of a part in a sequence; prints as ``[0]``."""

    idx: int

    def __str__(self) -> str:
        return f"[{self.idx!r}]"

    def get(self, sequence: Sequence) -> Any:
        """The part at this place."""
        return sequence[self.idx]


@dataclass(frozen=True)
class MappingKey:
    """The key of a part in a mapping; prints as ``['name']``."""

    key: Hashable

    def __str__(self) -> str:
        return f"[{self.key!r}]"

    def get(self, mapping: Mapping) -> Any:
        """The part with this key."""
        return mapping[self.key]


@dataclass(frozen=True)
class GetAttrKey:
    """The name of a part that is an attribute; prints as ``.name``."""

    name: str

    def __str__(self) -> str:
        return f".{self.name}"

    def get(self, obj: Any) -> Any:
        """The attribute with this name."""
        return getattr(obj, self.name)


# Every kind of container, built in or registered. A namedtuple of any class is found under
# `namedtuple` itself, as in PyTorch.
NODES: dict[Any, Node] = {}


def is_namedtuple_class(kind: Any) -> bool:
    """Whether ``kind`` is a class made by ``collections.namedtuple`` or ``typing.NamedTuple``."""
    if not (isinstance(kind, type) and issubclass(kind, tuple)):
        return False
    fields = getattr(kind, "_fields", None)
    return (
        isinstance(fields, tuple)
        and all(isinstance(name, str) for name in fields)
        and callable(getattr(kind, "_make", None))
        and callable(getattr(kind, "_asdict", None))
    )


def is_structseq_class(kind: Any) -> bool:
    """Whether ``kind`` is one of ``torch.return_types``."""
    return (
        isinstance(kind, type)
        and issubclass(kind, tuple)
        and kind.__module__ == "torch.return_types"
    )


def node_type(value: Any) -> Any:
    """Under what ``value`` is looked up: its type, or ``namedtuple``."""
    kind = type(value)
    if kind is tuple or not isinstance(value, tuple):
        return kind
    if is_namedtuple_class(kind):
        return namedtuple
    if kind not in NODES and is_structseq_class(kind):
        NODES[kind] = Node(kind, _sequence, lambda parts, _: tuple.__new__(kind, parts), _indexed)
    return kind


def _sequence(value: Any) -> tuple[list, Any]:
    return list(value), None


def _indexed(value: Any) -> tuple[list, Any]:
    return [(SequenceKey(i), part) for i, part in enumerate(value)], None


def _mapping(value: Any) -> tuple[list, Any]:
    return list(value.values()), list(value)


def _keyed(value: Any) -> tuple[list, Any]:
    return [(MappingKey(key), part) for key, part in value.items()], list(value)


def _default(value: Any) -> tuple[list, Any]:
    return list(value.values()), [value.default_factory, list(value)]


def _default_keyed(value: Any) -> tuple[list, Any]:
    return _keyed(value)[0], [value.default_factory, list(value)]


def _default_again(parts: Iterable, context: Any) -> defaultdict:
    factory, keys = context
    return defaultdict(factory, zip(keys, parts, strict=True))


def _queue(value: Any) -> tuple[list, Any]:
    return list(value), value.maxlen


def _queue_indexed(value: Any) -> tuple[list, Any]:
    return _indexed(value)[0], value.maxlen


def _fields(value: Any) -> tuple[list, Any]:
    return list(value), type(value)


def _fields_named(value: Any) -> tuple[list, Any]:
    pairs = zip(value._fields, value, strict=True)
    return [(GetAttrKey(name), part) for name, part in pairs], type(value)


BUILT_IN = (
    Node(tuple, _sequence, lambda parts, _: tuple(parts), _indexed),
    Node(list, _sequence, lambda parts, _: list(parts), _indexed),
    Node(dict, _mapping, lambda parts, keys: dict(zip(keys, parts, strict=True)), _keyed),
    Node(
        OrderedDict,
        _mapping,
        lambda parts, keys: OrderedDict(zip(keys, parts, strict=True)),
        _keyed,
    ),
    Node(defaultdict, _default, _default_again, _default_keyed),
    Node(deque, _queue, lambda parts, maxlen: deque(parts, maxlen=maxlen), _queue_indexed),
    Node(namedtuple, _fields, lambda parts, kind: kind(*parts), _fields_named),
)
NODES.update({node.type: node for node in BUILT_IN})
BUILT_IN_TYPES = frozenset(NODES)
DICTIONARIES = frozenset({dict, OrderedDict, defaultdict})
