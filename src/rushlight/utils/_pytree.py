"""torch.utils._pytree: nested containers taken apart into leaves, and put together again.

A *tree* is a nest of containers (tuple, list, dict, OrderedDict, defaultdict, deque, namedtuples,
torch.return_types, and what ``register_pytree_node`` adds); whatever else it holds is a *leaf*,
None included. A private name in PyTorch, but libraries use it.
"""

import dataclasses
import types
import warnings
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from rushlight._core.pytree import LEAF, LeafSpec, TreeSpec, broadcast_to, flatten
from rushlight._core.pytree_nodes import (
    BUILT_IN_TYPES,
    NODES,
    GetAttrKey,
    MappingKey,
    Node,
    SequenceKey,
    is_namedtuple_class,
    is_structseq_class,
    node_type,
)
from rushlight.utils import _pytree_json

__all__ = [
    "Context",
    "FlattenFn",
    "GetAttrKey",
    "KeyEntry",
    "KeyPath",
    "LeafSpec",
    "MappingKey",
    "PyTree",
    "PyTreeSpec",
    "SequenceKey",
    "TreeSpec",
    "UnflattenFn",
    "arg_tree_leaves",
    "is_constant_class",
    "is_namedtuple",
    "is_namedtuple_class",
    "is_namedtuple_instance",
    "is_structseq",
    "is_structseq_class",
    "is_structseq_instance",
    "key_get",
    "keystr",
    "map_only",
    "register_constant",
    "register_dataclass",
    "register_pytree_node",
    "tree_all",
    "tree_all_only",
    "tree_any",
    "tree_any_only",
    "tree_flatten",
    "tree_flatten_with_path",
    "tree_is_leaf",
    "tree_iter",
    "tree_leaves",
    "tree_leaves_with_path",
    "tree_map",
    "tree_map_",
    "tree_map_only",
    "tree_map_only_",
    "tree_map_with_path",
    "tree_structure",
    "tree_unflatten",
    "treespec_dumps",
    "treespec_leaf",
    "treespec_loads",
    "treespec_pprint",
]

PyTree = Any
Context = Any
KeyEntry = SequenceKey | MappingKey | GetAttrKey
KeyPath = tuple[Any, ...]
FlattenFn = Callable[[PyTree], tuple[list[Any], Context]]
UnflattenFn = Callable[[Iterable[Any], Context], PyTree]
PyTreeSpec = TreeSpec
SUPPORTED_NODES = NODES
BUILTIN_TYPES = BUILT_IN_TYPES
IsLeaf = Callable[[PyTree], bool] | None

_get_node_type = node_type
_dict_flatten = NODES[dict].flatten_fn
_dict_unflatten = NODES[dict].unflatten_fn
_dict_flatten_with_keys = NODES[dict].flatten_with_keys_fn
_list_flatten = NODES[list].flatten_fn
_list_unflatten = NODES[list].unflatten_fn
_tuple_flatten = NODES[tuple].flatten_fn
_tuple_unflatten = NODES[tuple].unflatten_fn

treespec_dumps = _pytree_json.treespec_dumps
treespec_loads = _pytree_json.treespec_loads


# ---- registration --------------------------------------------------------------------------------


def register_pytree_node(
    cls: type,
    flatten_fn: FlattenFn,
    unflatten_fn: UnflattenFn,
    *,
    serialized_type_name: str | None = None,
    to_dumpable_context: Callable[[Context], Any] | None = None,
    from_dumpable_context: Callable[[Any], Context] | None = None,
    flatten_with_keys_fn: Callable[[PyTree], tuple[list, Context]] | None = None,
) -> None:
    """register_pytree_node(cls, flatten_fn, unflatten_fn, *, ...): a further kind of container.

    ``flatten_fn(value)`` returns (list of parts, context), ``unflatten_fn(parts, context)`` makes
    the value again. ValueError if ``cls`` is known already.

    >>> class Pair:
    ...     def __init__(self, a, b):
    ...         self.a, self.b = a, b
    >>> torch.utils._pytree.register_pytree_node(
    ...     Pair, lambda p: ([p.a, p.b], None), lambda parts, _: Pair(*parts))
    >>> torch.utils._pytree.tree_leaves({'x': Pair(1, 2)})
    [1, 2]
    """
    if cls in NODES:
        raise ValueError(f"{cls} is already registered as pytree node.")
    _pytree_json.register(cls, serialized_type_name, to_dumpable_context, from_dumpable_context)
    NODES[cls] = Node(cls, flatten_fn, unflatten_fn, flatten_with_keys_fn)


def _register_pytree_node(
    cls: type, flatten_fn: FlattenFn, unflatten_fn: UnflattenFn, **options: Any
) -> None:
    """The older name of register_pytree_node, which replaces what was registered."""
    warnings.warn(
        "`torch.utils._pytree._register_pytree_node` is deprecated. "
        "Please use `torch.utils._pytree.register_pytree_node` instead.",
        FutureWarning,
        stacklevel=2,
    )
    if NODES.pop(cls, None) is not None:
        warnings.warn(
            f"{cls} is already registered as pytree node. Overwriting the previous registration.",
            stacklevel=2,
        )
    register_pytree_node(cls, flatten_fn, unflatten_fn, **options)


def _deregister_pytree_node(cls: type) -> None:
    """Forget a registered kind of container."""
    del NODES[cls]
    _pytree_json.forget(cls)


def _fields_of(cls: type, names: list[str] | None, dropped: list[str]) -> list[str]:
    """The names of the attributes that are parts, checked against a dataclass's own."""
    if not dataclasses.is_dataclass(cls):
        if names is None:
            raise ValueError(
                "field_names must be specified with a list of all fields used to "
                f"initialize {cls}, as it is not a dataclass."
            )
        return names
    own = [f.name for f in dataclasses.fields(cls) if f.init]
    if names is None:
        return own
    wanted = set(own) - set(dropped)
    text = ""
    if missing := wanted - set(names):
        text += (
            f"Missing fields in `field_names`: {missing}. If you want to include these fields in "
            "the pytree, please add them to `field_names`, otherwise please add them to "
            "`drop_field_names`.\n"
        )
    if unexpected := set(names) - wanted:
        text += (
            f"Unexpected fields in `field_names`: {unexpected}. Please remove these fields, or "
            "add them to `drop_field_names`.\n"
        )
    if text:
        raise ValueError("field_names does not include all dataclass fields.\n" + text)
    return names


def register_dataclass(
    cls: type,
    *,
    field_names: list[str] | None = None,
    drop_field_names: list[str] | None = None,
    serialized_type_name: str | None = None,
) -> None:
    """register_dataclass(cls, *, field_names=None, drop_field_names=None): a dataclass, or a class
    that is made from its fields by name, whose fields are parts. Fields that are None are no parts.

    >>> import dataclasses
    >>> @dataclasses.dataclass
    ... class Point:
    ...     x: float
    ...     y: float
    >>> torch.utils._pytree.register_dataclass(Point)
    >>> torch.utils._pytree.tree_map(lambda v: v + 1, Point(1, 2)).y
    3
    """
    names = _fields_of(cls, field_names, drop_field_names or [])

    def split(value: Any) -> tuple[list, Context]:
        parts = {name: getattr(value, name) for name in names}
        given = [name for name in names if parts[name] is not None]
        return [parts[n] for n in given], [given, [n for n in names if parts[n] is None]]

    def join(parts: Iterable, context: Context) -> Any:
        given, absent = context
        return cls(**dict(zip(given, parts, strict=True)), **dict.fromkeys(absent))

    def with_keys(value: Any) -> tuple[list, Context]:
        parts, context = split(value)
        return [(GetAttrKey(n), p) for n, p in zip(context[0], parts, strict=True)], context

    register_pytree_node(
        cls,
        split,
        join,
        serialized_type_name=serialized_type_name,
        flatten_with_keys_fn=with_keys,
    )


@dataclasses.dataclass(frozen=True)
class ConstantNode:
    """The context of a value that is a constant: the value."""

    value: Any


_CONSTANTS: set[type] = set()


def register_constant(cls: type) -> None:
    """register_constant(cls): values of this type are containers without parts: constants.

    ``cls`` must define ``__eq__`` and ``__hash__``; ValueError if it does not.

    >>> class Name(str): pass
    >>> torch.utils._pytree.register_constant(Name)
    >>> torch.utils._pytree.tree_leaves([Name('a'), 'b'])
    ['b']
    """
    own: Any = cls
    if own.__eq__ is object.__eq__ or own.__hash__ in (object.__hash__, None):
        raise ValueError(
            f"register_constant(cls) expects `cls` to define `__eq__` and `__hash__`, which {cls} "
            "does not: constants are compared"
        )
    register_pytree_node(
        cls,
        lambda value: ([], ConstantNode(value)),
        lambda _, context: context.value,
        flatten_with_keys_fn=lambda value: ([], ConstantNode(value)),
    )
    _CONSTANTS.add(cls)


def is_constant_class(cls: type) -> bool:
    """Whether ``register_constant`` was called with this class."""
    return isinstance(cls, type) and cls in _CONSTANTS


# ---- what is what --------------------------------------------------------------------------------


def is_namedtuple(obj: object) -> bool:
    """Whether ``obj`` is a namedtuple, or a class of such."""
    return is_namedtuple_class(obj if isinstance(obj, type) else type(obj))


def is_namedtuple_instance(obj: object) -> bool:
    """Whether ``obj`` is a namedtuple."""
    return is_namedtuple_class(type(obj))


def is_structseq(obj: object) -> bool:
    """Whether ``obj`` is, or is a class of, one of torch.return_types."""
    return is_structseq_class(obj if isinstance(obj, type) else type(obj))


def is_structseq_instance(obj: object) -> bool:
    """Whether ``obj`` is one of torch.return_types."""
    return is_structseq_class(type(obj))


def tree_is_leaf(tree: PyTree, is_leaf: IsLeaf = None) -> bool:
    """tree_is_leaf(tree, is_leaf=None) -> bool: is it a leaf, no container?

    >>> torch.utils._pytree.tree_is_leaf(None), torch.utils._pytree.tree_is_leaf([])
    (True, False)
    """
    return (is_leaf is not None and is_leaf(tree)) or node_type(tree) not in NODES


# ---- apart and together --------------------------------------------------------------------------


def tree_flatten(tree: PyTree, is_leaf: IsLeaf = None) -> tuple[list[Any], TreeSpec]:
    """tree_flatten(tree, is_leaf=None) -> (list of leaves, TreeSpec)

    ``is_leaf(value)`` may say that a container shall be a leaf.

    >>> leaves, spec = torch.utils._pytree.tree_flatten({'a': 1, 'b': (2, None)})
    >>> leaves
    [1, 2, None]
    >>> torch.utils._pytree.tree_unflatten(leaves, spec)
    {'a': 1, 'b': (2, None)}
    """
    return flatten(tree, is_leaf)


def tree_unflatten(leaves: Iterable[Any], treespec: TreeSpec) -> PyTree:
    """tree_unflatten(leaves, treespec): the tree with these leaves.

    >>> spec = torch.utils._pytree.tree_structure([0, (0, 0)])
    >>> torch.utils._pytree.tree_unflatten('abc', spec)
    ['a', ('b', 'c')]
    """
    if not isinstance(treespec, TreeSpec):
        raise TypeError(
            "tree_unflatten(leaves, treespec): Expected `treespec` to be instance of PyTreeSpec "
            f"but got item of type {type(treespec)}."
        )
    return treespec.unflatten(leaves)


def tree_iter(tree: PyTree, is_leaf: IsLeaf = None) -> Iterator[Any]:
    """tree_iter(tree, is_leaf=None): the leaves, one by one."""
    if tree_is_leaf(tree, is_leaf):
        yield tree
        return
    parts, _ = NODES[node_type(tree)].flatten_fn(tree)
    for part in parts:
        yield from tree_iter(part, is_leaf)


def tree_leaves(tree: PyTree, is_leaf: IsLeaf = None) -> list[Any]:
    """tree_leaves(tree, is_leaf=None) -> list of leaves

    >>> torch.utils._pytree.tree_leaves([1, {'a': 2}])
    [1, 2]
    """
    return flatten(tree, is_leaf)[0]


def tree_structure(tree: PyTree, is_leaf: IsLeaf = None) -> TreeSpec:
    """tree_structure(tree, is_leaf=None) -> TreeSpec

    >>> torch.utils._pytree.tree_structure((1, 2))
    TreeSpec(tuple, None, [*,
      *])
    """
    return flatten(tree, is_leaf)[1]


def treespec_leaf() -> LeafSpec:
    """The structure of a leaf."""
    return LEAF


def treespec_pprint(treespec: TreeSpec) -> str:
    """The structure as a tree of stars.

    >>> torch.utils._pytree.treespec_pprint(torch.utils._pytree.tree_structure([1, (2, 3)]))
    '[*, (*, *)]'
    """
    return repr(treespec.unflatten([LEAF] * treespec.num_leaves))


def arg_tree_leaves(*args: PyTree, **kwargs: PyTree) -> list[Any]:
    """The leaves of all arguments."""
    return [leaf for tree in (*args, *kwargs.values()) for leaf in tree_iter(tree)]


def _broadcast_to_and_flatten(
    tree: PyTree, treespec: TreeSpec, is_leaf: IsLeaf = None
) -> list[Any] | None:
    """A leaf of ``tree``, which is a prefix, for each leaf of ``treespec``; None if it is none."""
    return broadcast_to(tree, treespec, is_leaf)


# ---- maps ----------------------------------------------------------------------------------------


def tree_map(
    func: Callable[..., Any], tree: PyTree, *rests: PyTree, is_leaf: IsLeaf = None
) -> PyTree:
    """tree_map(func, tree, *rests, is_leaf=None): ``func`` of each leaf, nested in the same way.

    Further trees, nested at least as ``tree`` is, give further arguments.

    >>> torch.utils._pytree.tree_map(lambda x: 10 * x, {'a': 1, 'b': [2]})
    {'a': 10, 'b': [20]}
    >>> torch.utils._pytree.tree_map(max, [1, 5], [4, 2])
    [4, 5]
    """
    leaves, spec = flatten(tree, is_leaf)
    columns = [leaves, *[spec.flatten_up_to(other) for other in rests]]
    return spec.unflatten([func(*row) for row in zip(*columns, strict=True)])


def tree_map_(
    func: Callable[..., Any], tree: PyTree, *rests: PyTree, is_leaf: IsLeaf = None
) -> PyTree:
    """Like tree_map, for what ``func`` does and not for what it returns; gives ``tree`` back."""
    leaves, spec = flatten(tree, is_leaf)
    columns = [leaves, *[spec.flatten_up_to(other) for other in rests]]
    for row in zip(*columns, strict=True):
        func(*row)
    return tree


def _accepts(chosen: Any) -> Callable[[Any], bool]:
    """A test of leaves: by a type, a tuple or union of types, or a function."""
    if isinstance(chosen, (type, tuple, types.UnionType)):
        return lambda value: isinstance(value, chosen)
    if callable(chosen):
        return chosen
    raise TypeError("Argument must be a type, a tuple of types, or a callable.")


def map_only(type_or_types_or_pred: Any, /) -> Callable[[Callable], Callable]:
    """map_only(types): makes a function one that leaves values of other types as they are.

    >>> double = torch.utils._pytree.map_only(int)(lambda x: 2 * x)
    >>> double(3), double('a')
    (6, 'a')
    """
    accepts = _accepts(type_or_types_or_pred)

    def decorate(func: Callable) -> Callable:
        return lambda value: func(value) if accepts(value) else value

    return decorate


def tree_map_only(
    type_or_types_or_pred: Any, /, func: Callable, tree: PyTree, is_leaf: IsLeaf = None
) -> PyTree:
    """tree_map_only(types, func, tree, is_leaf=None): tree_map for the leaves of these types.

    >>> torch.utils._pytree.tree_map_only(int, lambda x: -x, [1, 'a', 2.0])
    [-1, 'a', 2.0]
    """
    return tree_map(map_only(type_or_types_or_pred)(func), tree, is_leaf=is_leaf)


def tree_map_only_(
    type_or_types_or_pred: Any, /, func: Callable, tree: PyTree, is_leaf: IsLeaf = None
) -> PyTree:
    """Like tree_map_only, for what ``func`` does; gives ``tree`` back."""
    return tree_map_(map_only(type_or_types_or_pred)(func), tree, is_leaf=is_leaf)


def tree_all(pred: Callable[[Any], bool], tree: PyTree, is_leaf: IsLeaf = None) -> bool:
    """Whether ``pred`` holds for all leaves.

    >>> torch.utils._pytree.tree_all(lambda x: x > 0, [1, (2, 3)])
    True
    """
    return all(map(pred, tree_iter(tree, is_leaf)))


def tree_any(pred: Callable[[Any], bool], tree: PyTree, is_leaf: IsLeaf = None) -> bool:
    """Whether ``pred`` holds for one of the leaves."""
    return any(map(pred, tree_iter(tree, is_leaf)))


def tree_all_only(
    type_or_types: Any, /, pred: Callable[[Any], bool], tree: PyTree, is_leaf: IsLeaf = None
) -> bool:
    """Whether ``pred`` holds for all leaves of these types."""
    return all(pred(x) for x in tree_iter(tree, is_leaf) if isinstance(x, type_or_types))


def tree_any_only(
    type_or_types: Any, /, pred: Callable[[Any], bool], tree: PyTree, is_leaf: IsLeaf = None
) -> bool:
    """Whether ``pred`` holds for one of the leaves of these types."""
    return any(pred(x) for x in tree_iter(tree, is_leaf) if isinstance(x, type_or_types))


# ---- paths ---------------------------------------------------------------------------------------


def _with_paths(path: KeyPath, tree: PyTree, is_leaf: IsLeaf) -> Iterator[tuple[KeyPath, Any]]:
    if tree_is_leaf(tree, is_leaf):
        yield path, tree
        return
    kind = node_type(tree)
    with_keys = NODES[kind].flatten_with_keys_fn
    if with_keys is None:
        raise ValueError(
            f"Did not find a flatten_with_keys_fn for type: {kind}. "
            "Please pass a flatten_with_keys_fn argument to register_pytree_node."
        )
    for key, part in with_keys(tree)[0]:
        yield from _with_paths((*path, key), part, is_leaf)


def tree_leaves_with_path(tree: PyTree, is_leaf: IsLeaf = None) -> list[tuple[KeyPath, Any]]:
    """tree_leaves_with_path(tree, is_leaf=None) -> list of (path, leaf)

    >>> for path, leaf in torch.utils._pytree.tree_leaves_with_path({'a': [1, 2]}):
    ...     print(torch.utils._pytree.keystr(path), leaf)
    ['a'][0] 1
    ['a'][1] 2
    """
    return list(_with_paths((), tree, is_leaf))


def tree_flatten_with_path(
    tree: PyTree, is_leaf: IsLeaf = None
) -> tuple[list[tuple[KeyPath, Any]], TreeSpec]:
    """tree_flatten_with_path(tree, is_leaf=None) -> (list of (path, leaf), TreeSpec)"""
    return tree_leaves_with_path(tree, is_leaf), tree_structure(tree, is_leaf)


def tree_map_with_path(
    func: Callable[..., Any], tree: PyTree, *rests: PyTree, is_leaf: IsLeaf = None
) -> PyTree:
    """Like tree_map; ``func`` is given the leaf's path before the leaf.

    >>> keystr = torch.utils._pytree.keystr
    >>> torch.utils._pytree.tree_map_with_path(lambda path, x: keystr(path), {'a': (1, 2)})
    {'a': ("['a'][0]", "['a'][1]")}
    """
    found, spec = tree_flatten_with_path(tree, is_leaf)
    columns = [spec.flatten_up_to(other) for other in rests]
    rows = zip([p for p, _ in found], [x for _, x in found], *columns, strict=True)
    return spec.unflatten([func(*row) for row in rows])


def keystr(kp: KeyPath) -> str:
    """The path as text: ``['a'][0].x``."""
    return "".join(map(str, kp))


def key_get(obj: Any, kp: KeyPath) -> Any:
    """The part of ``obj`` at a path."""
    for key in kp:
        obj = key.get(obj)
    return obj
