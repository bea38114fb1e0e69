"""Nested tuples, lists and dicts taken apart into leaves, and put together again."""

from collections import OrderedDict, defaultdict
from collections.abc import Callable
from typing import Any


class Spec:
    """How leaves were nested: the kind of container, its keys, and the specs of its parts."""

    __slots__ = ("context", "kind", "parts")

    def __init__(self, kind: Any, context: Any, parts: list["Spec"]) -> None:
        self.kind, self.context, self.parts = kind, context, parts

    @property
    def leaves(self) -> int:
        """The number of leaves."""
        return 1 if self.kind is None else sum([p.leaves for p in self.parts])

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Spec) and (self.kind, self.context, self.parts) == (
            other.kind,
            other.context,
            other.parts,
        )

    def __hash__(self) -> int:
        return hash(self.kind)

    def __repr__(self) -> str:
        return self.show(0)

    def short(self) -> str:
        """The nesting alone: ``(*, *)``."""
        if self.kind is None:
            return "*"
        parts = [p.short() for p in self.parts]
        if isinstance(self.context, list):
            shown = [f"{k!r}: {p}" for k, p in zip(self.context, parts, strict=False)]
            return "{" + ", ".join(shown) + "}"
        text = ", ".join(parts)
        if self.kind is list:
            return f"[{text}]"
        return f"({text},)" if len(parts) == 1 else f"({text})"

    def show(self, indent: int) -> str:
        """PyTorch's text, each further part on a line of its own."""
        if self.kind is None:
            return "*"
        inner = (",\n" + " " * (indent + 2)).join([p.show(indent + 2) for p in self.parts])
        return f"TreeSpec({self.kind.__name__}, {self.context}, [{inner}])"


LEAF = Spec(None, None, [])


def container(value: Any) -> tuple[Any, Any, list] | None:
    """(kind, context, parts) of a container, None for a leaf."""
    kind = type(value)
    if kind is tuple or kind is list:
        return kind, None, list(value)
    if kind is dict or kind is OrderedDict:
        return kind, list(value), list(value.values())
    if kind is defaultdict:
        return kind, [value.default_factory, list(value)], list(value.values())
    if isinstance(value, tuple) and hasattr(kind, "_fields"):
        return kind, kind, list(value)
    if isinstance(value, tuple) and kind.__module__ == "torch.return_types":
        return kind, None, list(value)
    return None


def flatten(value: Any) -> tuple[list, Spec]:
    """The leaves of a nested value, and how they were nested."""
    found = container(value)
    if found is None:
        return [value], LEAF
    kind, context, parts = found
    leaves: list = []
    specs = []
    for part in parts:
        some, spec = flatten(part)
        leaves += some
        specs.append(spec)
    return leaves, Spec(kind, context, specs)


def unflatten(leaves: list, spec: Spec) -> Any:
    """The nested value with these leaves."""
    if spec.kind is None:
        return leaves[0]
    parts, at = [], 0
    for p in spec.parts:
        n = p.leaves
        parts.append(unflatten(leaves[at : at + n], p))
        at += n
    kind = spec.kind
    if kind is tuple or kind is list:
        return kind(parts)
    if kind is dict or kind is OrderedDict:
        return kind(zip(spec.context, parts, strict=True))
    if kind is defaultdict:
        return kind(spec.context[0], zip(spec.context[1], parts, strict=True))
    if hasattr(kind, "_fields"):
        return kind(*parts)
    return tuple.__new__(kind, parts)


def tree_map(function: Callable, value: Any) -> Any:
    """The same nesting with ``function`` of each leaf."""
    leaves, spec = flatten(value)
    return unflatten([function(x) for x in leaves], spec)


def broadcast_to(value: Any, spec: Spec) -> list | None:
    """``value``, a prefix of the nesting, as one leaf for each of its leaves; None if not one."""
    found = container(value)
    if found is None:
        return [value] * spec.leaves
    if spec.kind is None or found[0] is not spec.kind or found[1] != spec.context:
        return None
    if len(found[2]) != len(spec.parts):
        return None
    leaves: list = []
    for part, s in zip(found[2], spec.parts, strict=True):
        some = broadcast_to(part, s)
        if some is None:
            return None
        leaves += some
    return leaves
