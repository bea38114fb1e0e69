"""Nested tuples, lists and dicts taken apart into leaves, and put together again."""

from collections import defaultdict, deque
from collections.abc import Callable, Iterable
from typing import Any

from rushlight._core.pytree_nodes import (
    BUILT_IN_TYPES,
    DICTIONARIES,
    NODES,
    node_type,
)


class TreeSpec:
    """How leaves were nested: the type of the container, its context (the keys of a dict, ...),
    and the specs of its parts. A leaf has the type None.

    >>> spec = torch.utils._pytree.tree_structure([1, {'a': 2}])
    >>> spec
    TreeSpec(list, None, [*,
      TreeSpec(dict, ['a'], [*])])
    >>> spec.num_leaves
    2
    """

    __slots__ = ("_children", "_context", "num_children", "num_leaves", "num_nodes", "type")
    num_nodes: int
    num_leaves: int

    def __init__(self, type: Any, context: Any, children_specs: "list[TreeSpec]") -> None:
        leaf = type is None
        if leaf and (context is not None or children_specs):
            raise AssertionError("a leaf has neither a context nor children")
        self.type, self._context, self._children = type, context, children_specs
        self.num_children = len(children_specs)
        self.num_nodes = 1 + sum([c.num_nodes for c in children_specs])
        self.num_leaves = 1 if leaf else sum([c.num_leaves for c in children_specs])

    @property
    def context(self) -> Any:
        """What the container's type needs, beside the parts, to make it again."""
        return self._context

    def is_leaf(self) -> bool:
        """Whether this is the structure of a leaf."""
        return self.type is None

    def children(self) -> "list[TreeSpec]":
        """The structures of the parts."""
        return list(self._children)

    def child(self, index: int) -> "TreeSpec":
        """The structure of one part."""
        return self._children[index]

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if not isinstance(other, TreeSpec) or type(self) is not type(other):
            return NotImplemented
        return (str(self.type), self._context, self._children) == (
            str(other.type),
            other._context,
            other._children,
        )

    def __hash__(self) -> int:
        context = self._context
        if self.type in DICTIONARIES:
            context = repr(context)
        elif self.type not in BUILT_IN_TYPES:
            context = None  # a registered type's may not be hashable
        return hash((self.type, context, tuple(self._children)))

    def __repr__(self, indent: int = 0) -> str:
        if self.type is None:
            return "*"
        within = indent + 2
        parts = (",\n" + " " * within).join([c.__repr__(within) for c in self._children])
        return f"TreeSpec({self.type.__name__}, {self._context}, [{parts}])"

    def short(self) -> str:
        """The nesting alone: ``(*, *)``."""
        if self.type is None:
            return "*"
        parts = [c.short() for c in self._children]
        if isinstance(self._context, list):
            shown = [f"{k!r}: {p}" for k, p in zip(self._context, parts, strict=False)]
            return "{" + ", ".join(shown) + "}"
        text = ", ".join(parts)
        if self.type is list:
            return f"[{text}]"
        return f"({text},)" if len(parts) == 1 else f"({text})"

    def unflatten(self, leaves: Iterable) -> Any:
        """The nested value with these leaves; ValueError if there are too few or too many."""
        given = list(leaves)
        if len(given) != self.num_leaves:
            raise ValueError(
                f"treespec.unflatten(leaves): `leaves` has length {len(given)} "
                f"but the spec refers to a pytree that holds {self.num_leaves} "
                f"items ({self})."
            )
        return unflatten(given, self)

    def flatten_up_to(self, tree: Any) -> list:
        """The parts of ``tree`` at the places of this structure's leaves; ValueError where it is
        nested otherwise.
        """
        if self.type is None:
            return [tree]
        found: list = []
        for part, spec in zip(_parts_like(self, tree), self._children, strict=True):
            found += spec.flatten_up_to(part)
        return found


class LeafSpec(TreeSpec):
    """The structure of a leaf.

    >>> torch.utils._pytree.tree_structure(1)
    *
    """

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__(None, None, [])


LEAF = LeafSpec()


def _parts_like(spec: TreeSpec, value: Any) -> list:
    """The parts of a container, which must be of the spec's kind, keys and number."""
    kind, expected = node_type(value), spec.type
    built_in = expected in BUILT_IN_TYPES
    dictionaries = expected in DICTIONARIES and kind in DICTIONARIES
    if kind != expected and not dictionaries:
        what = "Node type" if built_in else "Type"
        raise ValueError(f"{what} mismatch; expected {expected!r}, but got {kind!r}.")
    parts, context = NODES[kind].flatten_fn(value)
    if len(parts) != spec.num_children:
        raise ValueError(
            f"Node arity mismatch; expected {spec.num_children}, but got {len(parts)}."
        )
    if dictionaries:
        return _parts_with_keys(spec, value)
    if kind is not deque and context != spec._context:
        if built_in:
            raise ValueError(
                f"Node context mismatch for node type {expected!r}; "
                f"expected {spec._context!r}, but got {context!r}."
            )
        raise ValueError(f"Node context mismatch for custom node type {expected!r}.")
    return parts


def _parts_with_keys(spec: TreeSpec, value: Any) -> list:
    """The values of a dict in the order of the spec's keys, which must be the same set."""
    keys = spec._context[1] if spec.type is defaultdict else spec._context
    missing, extra = set(keys) - set(value), set(value) - set(keys)
    if missing or extra:
        text = f"; missing key(s): {missing}" if missing else ""
        text += f"; extra key(s): {extra}" if extra else ""
        raise ValueError(f"Node keys mismatch{text}.")
    return [value[key] for key in keys]


def flatten(value: Any, is_leaf: Callable[[Any], bool] | None = None) -> tuple[list, TreeSpec]:
    """The leaves of a nested value, and how they were nested."""
    leaves: list = []
    return leaves, _flatten_into(leaves, value, is_leaf)


def _flatten_into(leaves: list, value: Any, is_leaf: Callable[[Any], bool] | None) -> TreeSpec:
    kind = node_type(value)
    if kind not in NODES or (is_leaf is not None and is_leaf(value)):
        leaves.append(value)
        return LEAF
    parts, context = NODES[kind].flatten_fn(value)
    return TreeSpec(kind, context, [_flatten_into(leaves, part, is_leaf) for part in parts])


def unflatten(leaves: list, spec: TreeSpec) -> Any:
    """The nested value with these leaves."""
    if spec.type is None:
        return leaves[0]
    parts, at = [], 0
    for child in spec._children:
        n = child.num_leaves
        parts.append(unflatten(leaves[at : at + n], child))
        at += n
    return NODES[spec.type].unflatten_fn(parts, spec._context)


def tree_map(function: Callable, value: Any) -> Any:
    """The same nesting with ``function`` of each leaf."""
    leaves, spec = flatten(value)
    return unflatten([function(x) for x in leaves], spec)


def broadcast_to(
    value: Any, spec: TreeSpec, is_leaf: Callable[[Any], bool] | None = None
) -> list | None:
    """``value``, a prefix of the nesting, as one leaf for each of its leaves; None if not one."""
    leaves, prefix = flatten(value, is_leaf)
    if prefix.is_leaf():
        return leaves * spec.num_leaves
    whole = unflatten(list(range(spec.num_leaves)), spec)
    try:
        places = prefix.flatten_up_to(whole)
    except ValueError:
        return None
    found: list = []
    for leaf, part in zip(leaves, places, strict=True):
        found += [leaf] * len(flatten(part, is_leaf)[0])
    return found
