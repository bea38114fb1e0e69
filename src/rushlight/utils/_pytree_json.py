"""Structures of trees as JSON text, in PyTorch's layout."""

import enum
import importlib
import json
from collections import OrderedDict, defaultdict, deque, namedtuple
from collections.abc import Callable
from typing import Any, NamedTuple

from rushlight._core.pytree import LEAF, TreeSpec

_PROTOCOL = 1


class _Kind(NamedTuple):
    """How a container's type is named in the text, and its context written and read."""

    type: Any
    name: str | None
    to_json: Callable[[Any], Any] | None
    from_json: Callable[[Any], Any] | None


_kinds: dict[Any, _Kind] = {}
_by_name: dict[str, _Kind] = {}


def register(
    kind: Any,
    name: str | None,
    to_json: Callable[[Any], Any] | None,
    from_json: Callable[[Any], Any] | None,
) -> None:
    """Note how a container's type is written; without a name it is not."""
    if (to_json is None) != (from_json is None):
        raise ValueError(
            f"Both to_dumpable_context and from_dumpable_context for {kind} must "
            "be None or registered."
        )
    _kinds[kind] = _Kind(kind, name, to_json, from_json)
    if name is not None:
        _by_name[name] = _kinds[kind]


def forget(kind: Any) -> None:
    """Forget how a container's type is written."""
    name = _kinds.pop(kind).name
    if name is not None:
        del _by_name[name]


class _Encoder(json.JSONEncoder):
    """Writes members of enumerations by name."""

    def default(self, o: object) -> Any:
        """What stands for an object that JSON does not know."""
        if isinstance(o, enum.Enum):
            where = f"{type(o).__module__}:{type(o).__qualname__}"
            return {"__enum__": True, "fqn": where, "name": o.name}
        return super().default(o)


def _member(found: dict) -> Any:
    if "__enum__" not in found:
        return found
    module, _, path = found["fqn"].partition(":")
    value: Any = importlib.import_module(module)
    for name in path.split("."):
        value = getattr(value, name)
    return value[found["name"]]


def _default_factory(context: Any) -> dict:
    factory, keys = context
    return {
        "default_factory_module": factory.__module__,
        "default_factory_name": factory.__qualname__,
        "dict_context": keys,
    }


def _read_default_factory(written: dict) -> list:
    module = importlib.import_module(written["default_factory_module"])
    return [getattr(module, written["default_factory_name"]), written["dict_context"]]


def _named(kind: type) -> str:
    if kind not in _kinds or _kinds[kind].name is None:
        raise NotImplementedError(
            f"Can't serialize TreeSpec of namedtuple class {kind} because we did not register a "
            "serialized_type_name. Please register using `_register_namedtuple`."
        )
    return str(_kinds[kind].name)


def _read_named(name: str) -> Any:
    if name not in _by_name:
        raise NotImplementedError(
            f"Can't deserialize TreeSpec of namedtuple class {name}, which is not registered."
        )
    return _by_name[name].type


for _type, _name in (
    (tuple, "builtins.tuple"),
    (list, "builtins.list"),
    (dict, "builtins.dict"),
    (OrderedDict, "collections.OrderedDict"),
    (deque, "collections.deque"),
):
    register(_type, _name, None, None)
register(defaultdict, "collections.defaultdict", _default_factory, _read_default_factory)
register(namedtuple, "collections.namedtuple", _named, _read_named)


def _to_json(spec: TreeSpec) -> dict:
    if spec.is_leaf():
        return {"type": None, "context": None, "children_spec": []}
    kind = _kinds.get(spec.type)
    if kind is None:
        raise NotImplementedError(f"Serializing {spec.type} in pytree is not registered.")
    if kind.name is None:
        raise NotImplementedError(
            f"No registered serialization name for {spec.type} found. "
            "Please update your _register_pytree_node call with a `serialized_type_name` kwarg."
        )
    if kind.to_json is not None:
        context = kind.to_json(spec.context)
    else:
        try:
            context = json.dumps(spec.context, cls=_Encoder)
        except TypeError as error:
            raise TypeError(
                "Unable to serialize context. Please make the context json dump-able, or "
                "register a custom serializer using _register_pytree_node."
            ) from error
    return {
        "type": kind.name,
        "context": context,
        "children_spec": [_to_json(child) for child in spec.children()],
    }


def _from_json(written: dict) -> TreeSpec:
    if written["type"] is None:
        return LEAF
    kind = _by_name.get(written["type"])
    if kind is None:
        raise NotImplementedError(f"Deserializing {written['type']} in pytree is not registered.")
    if kind.from_json is not None:
        context = kind.from_json(written["context"])
    else:
        context = json.loads(written["context"], object_hook=_member)
    return TreeSpec(kind.type, context, [_from_json(child) for child in written["children_spec"]])


def _check(protocol: int) -> None:
    if protocol != _PROTOCOL:
        raise ValueError(f"Unknown protocol {protocol}. Available protocols: {[_PROTOCOL]}")


def treespec_dumps(treespec: TreeSpec, protocol: int | None = None) -> str:
    """treespec_dumps(treespec, protocol=None) -> str: the structure as JSON text.

    >>> pytree = torch.utils._pytree
    >>> text = pytree.treespec_dumps(pytree.tree_structure([1, (2,)]))
    >>> pytree.treespec_loads(text) == pytree.tree_structure([3, (4,)])
    True
    """
    if not isinstance(treespec, TreeSpec):
        raise TypeError(
            "treespec_dumps(treespec): Expected `treespec` to be instance of PyTreeSpec "
            f"but got item of type {type(treespec)}."
        )
    _check(_PROTOCOL if protocol is None else protocol)
    return json.dumps((_PROTOCOL, _to_json(treespec)), cls=_Encoder)


def treespec_loads(serialized: str) -> TreeSpec:
    """treespec_loads(serialized) -> TreeSpec: what ``treespec_dumps`` wrote.

    >>> pytree = torch.utils._pytree
    >>> pytree.treespec_loads(pytree.treespec_dumps(pytree.tree_structure(1)))
    *
    """
    protocol, written = json.loads(serialized)
    _check(protocol)
    return _from_json(written)
