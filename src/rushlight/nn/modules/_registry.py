"""The dictionaries of a module's parameters, buffers and children, mirrored as plain attributes.

PyTorch finds ``self.weight`` in ``__getattr__``, after the ordinary look-up has failed; in Python
that costs 0.4-0.6 us an access. Here ``_parameters``, ``_buffers`` and ``_modules`` write every
entry through to the module's ``__dict__``, so the ordinary look-up finds it (0.03 us). The
dictionary stays the truth: ``m._parameters["weight"] = p`` and ``del m._modules["fc"]`` are seen at
once. A class that overrides ``__getattr__`` to see such look-ups has no mirror.
"""

import copy
import weakref
from collections.abc import Iterator
from typing import Any, SupportsIndex

_MISSING = object()

NAMES = ("_parameters", "_buffers", "_modules")


class Registry(dict):
    """A dict that keeps its entries as attributes of the module that owns it."""

    __slots__ = ("_owner",)

    def __init__(self, owner: Any, entries: Any = ()) -> None:
        # Weak, or every module would be a reference cycle and its memory wait for the collector.
        self._owner = weakref.ref(owner)
        self.update(entries)

    def _show(self, name: str, value: Any) -> None:
        owner = self._owner()
        if owner is None:
            return
        # A class attribute of that name must keep winning, as it does over PyTorch's __getattr__;
        # and a class with a __getattr__ of its own wants to be asked.
        kind = type(owner)
        if not hasattr(kind, name) and hasattr(kind.__getattr__, "only_registered"):
            owner.__dict__[name] = value

    def _hide(self, name: str, value: Any) -> None:
        owner = self._owner()
        if owner is not None and owner.__dict__.get(name, _MISSING) is value:
            del owner.__dict__[name]

    def __setitem__(self, name: str, value: Any) -> None:
        dict.__setitem__(self, name, value)
        self._show(name, value)

    def __delitem__(self, name: str) -> None:
        value = self[name]
        dict.__delitem__(self, name)
        self._hide(name, value)

    def pop(self, name: str, *default: Any) -> Any:
        if name not in self:
            return dict.pop(self, name, *default)
        value = self[name]
        del self[name]
        return value

    def popitem(self) -> tuple[str, Any]:
        name, value = dict.popitem(self)
        self._hide(name, value)
        return name, value

    def clear(self) -> None:
        for name in list(self):
            del self[name]

    def update(self, *entries: Any, **more: Any) -> None:
        for name, value in dict(*entries, **more).items():
            self[name] = value

    def setdefault(self, name: str, default: Any = None) -> Any:
        if name not in self:
            self[name] = default
        return self[name]

    def __ior__(self, other: Any) -> "Registry":  # type: ignore[misc]  # d | e is a plain dict
        self.update(other)
        return self

    def move_to_end(self, name: str, last: bool = True) -> None:
        """move_to_end(name, last=True): as of OrderedDict, which older PyTorch used here."""
        value = dict.pop(self, name)
        rest = [] if last else list(self.items())
        if rest:
            dict.clear(self)
        dict.__setitem__(self, name, value)
        dict.update(self, rest)

    def __copy__(self) -> dict:
        return dict(self)

    def __deepcopy__(self, memo: dict) -> dict:
        # Inside a deepcopy of the owner the memo already holds its copy: stay a mirror of that one.
        owner = self._owner()
        copied = memo.get(id(owner)) if owner is not None else None
        made = {} if copied is None else Registry(copied)
        memo[id(self)] = made
        for name, value in self.items():
            made[name] = copy.deepcopy(value, memo)
        return made

    def __reduce__(self) -> tuple:
        return (dict, (dict(self),))

    def __reduce_ex__(self, protocol: SupportsIndex) -> tuple:
        return self.__reduce__()


def mirrored(attributes: dict) -> Iterator[str]:
    """mirrored(attributes)

    The names in a module's ``__dict__`` that only mirror its registries.
    """
    for registry in NAMES:
        for name, value in attributes.get(registry, {}).items():
            if attributes.get(name, _MISSING) is value:
                yield name
