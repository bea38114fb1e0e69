"""torch.return_types: the named tuples of ops with several outputs."""

import operator
from typing import Any

CLASSES: dict[str, type] = {}


class NamedResult(tuple):
    """A tuple whose items have names, printed as PyTorch prints them."""

    __slots__ = ()
    fields: tuple[str, ...] = ()

    @property
    def n_fields(self) -> int:
        """How many items there are."""
        return len(self.fields)

    def __repr__(self) -> str:
        shown = ",\n".join(f"{f}={v!r}" for f, v in zip(self.fields, self, strict=True))
        return f"torch.return_types.{type(self).__name__}(\n{shown})"

    def __reduce__(self) -> tuple:
        return make, (type(self).__name__, self.fields, tuple(self))


def class_for(name: str, fields: tuple[str, ...]) -> type:
    """The class ``torch.return_types.<name>``, made on first need."""
    found = CLASSES.get(name)
    if found is None:
        body: dict[str, Any] = {"__slots__": (), "fields": fields, "__match_args__": fields}
        body |= {f: property(operator.itemgetter(i)) for i, f in enumerate(fields)}
        found = CLASSES[name] = type(name, (NamedResult,), body)
        found.__module__ = "torch.return_types"
    return found


def make(name: str, fields: tuple[str, ...], items: tuple) -> tuple:
    """The named tuple of these items."""
    return tuple.__new__(class_for(name, fields), items)
