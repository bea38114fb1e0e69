"""torch.utils._pytree: apart and together, prefixes, paths, text; and what func makes of it."""

import dataclasses
import json
from collections import OrderedDict, defaultdict, deque, namedtuple

import pytest

import rushlight as torch
from rushlight.utils import _pytree as pytree

Point = namedtuple("Point", "x y")
TREE = [
    1,
    (2, {"a": Point(3, [4]), "b": defaultdict(list, {1: 2}), "c": deque([5], maxlen=3)}),
    OrderedDict(z=6),
    None,
]


def test_there_and_back():
    leaves, spec = pytree.tree_flatten(TREE)
    assert leaves == [1, 2, 3, 4, 2, 5, 6, None]
    again = pytree.tree_unflatten(leaves, spec)
    assert again == TREE and again[1][1]["c"].maxlen == 3 and type(again[1][1]["a"]) is Point
    assert (spec.num_nodes, spec.num_leaves, spec.num_children) == (16, 8, 4)
    assert spec == pytree.tree_structure(TREE) and hash(spec) == hash(pytree.tree_structure(TREE))
    assert list(pytree.tree_iter(TREE)) == leaves


def test_specs_print_as_pytorchs():
    assert repr(pytree.tree_structure([1, {"a": 2}])) == (
        "TreeSpec(list, None, [*,\n  TreeSpec(dict, ['a'], [*])])"
    )
    assert pytree.treespec_pprint(pytree.tree_structure([1, (2, 3)])) == "[*, (*, *)]"
    assert pytree.tree_structure(3) == pytree.LeafSpec() and pytree.tree_structure(3).is_leaf()


def test_results_with_names_are_containers():
    found = torch.max(torch.tensor([[1.0, 2.0]]), 1)
    doubled = pytree.tree_map(lambda t: t * 2, found)
    assert type(doubled) is type(found) and doubled.values.item() == 4


def test_maps():
    assert pytree.tree_map(lambda x, y: x + y, [1, (2,)], [10, (20,)]) == [11, (22,)]
    assert pytree.tree_map(lambda x, y: (x, y), [1, 2], [3, (4, 5)]) == [(1, 3), (2, (4, 5))]
    assert pytree.tree_map(len, [(1, 2)], is_leaf=lambda x: isinstance(x, tuple)) == [2]
    assert pytree.tree_map_only(int, lambda x: -x, [1, "a"]) == [-1, "a"]
    assert pytree.tree_map_only((int, float), lambda x: -x, [1, 2.0, "a"]) == [-1, -2.0, "a"]
    seen = []
    assert pytree.tree_map_(seen.append, TREE) is TREE and len(seen) == 8
    assert pytree.tree_all(bool, [1, 2]) and pytree.tree_any(bool, [0, (1,)])
    assert pytree.tree_all_only(int, bool, [1, 0.0]) and not pytree.tree_any_only(str, bool, [1])


@pytest.mark.parametrize(
    ("tree", "other", "text"),
    [
        ([1, 2], [1], "Node arity mismatch; expected 2, but got 1."),
        ([1, 2], (1, 2), "Node type mismatch; expected <class 'list'>, but got <class 'tuple'>."),
        ({"a": 1}, {"b": 1}, "Node keys mismatch; missing key(s): {'a'}; extra key(s): {'b'}."),
    ],
)
def test_other_trees_must_fit(tree, other, text):
    with pytest.raises(ValueError) as caught:
        pytree.tree_map(max, tree, other)
    assert str(caught.value) == text


def test_the_number_of_leaves_must_fit():
    with pytest.raises(ValueError, match="`leaves` has length 1 but the spec refers to a pytree"):
        pytree.tree_unflatten([1], pytree.tree_structure([1, 2]))


def test_prefixes():
    spec = pytree.tree_structure([1, (2, 3)])
    assert pytree._broadcast_to_and_flatten(0, spec) == [0, 0, 0]
    assert pytree._broadcast_to_and_flatten([0, 1], spec) == [0, 1, 1]
    assert pytree._broadcast_to_and_flatten([0, (1, 2)], spec) == [0, 1, 2]
    assert pytree._broadcast_to_and_flatten([0, [1, 2]], spec) is None


def test_paths():
    found = pytree.tree_leaves_with_path({"a": [1], "p": Point(2, 3)})
    assert [(pytree.keystr(path), leaf) for path, leaf in found] == [
        ("['a'][0]", 1),
        ("['p'].x", 2),
        ("['p'].y", 3),
    ]
    assert all(pytree.key_get({"a": [1], "p": Point(2, 3)}, p) == leaf for p, leaf in found)


def test_text():
    spec = pytree.tree_structure([1, {"a": 2, "b": (3,)}, OrderedDict(c=4), deque([5])])
    text = pytree.treespec_dumps(spec)
    assert pytree.treespec_loads(text) == spec and json.loads(text)[0] == 1
    with pytest.raises(NotImplementedError, match="serialized_type_name"):
        pytree.treespec_dumps(pytree.tree_structure(Point(1, 2)))
    with pytest.raises(ValueError, match="Unknown protocol 9"):
        pytree.treespec_dumps(spec, 9)


def test_registered_types_are_containers_everywhere():
    class Pair:
        def __init__(self, a, b):
            self.a, self.b = a, b

    pytree.register_pytree_node(Pair, lambda p: ([p.a, p.b], "pair"), lambda ab, _: Pair(*ab))
    try:
        doubled = torch.vmap(lambda p: Pair(p.a * 2, p.b))(Pair(torch.ones(3), torch.zeros(3)))
        assert type(doubled) is Pair and doubled.a.tolist() == [2, 2, 2]
        grads = torch.func.grad(lambda p: (p.a * p.b).sum())(Pair(torch.ones(1), torch.zeros(1)))
        assert grads.b.item() == 1
        with pytest.raises(ValueError, match="is already registered as pytree node"):
            pytree.register_pytree_node(Pair, None, None)
        with pytest.raises(ValueError, match="flatten_with_keys_fn"):
            pytree.tree_leaves_with_path(Pair(1, 2))
    finally:
        pytree._deregister_pytree_node(Pair)
    assert pytree.tree_is_leaf(Pair(1, 2))


def test_dataclasses_and_constants():
    @dataclasses.dataclass
    class Both:
        x: int
        y: int | None = None

    pytree.register_dataclass(Both)
    assert pytree.tree_leaves(Both(1)) == [1]
    assert pytree.tree_map(lambda v: v + 1, Both(1, 2)) == Both(2, 3)
    with pytest.raises(ValueError, match="field_names must be specified"):
        pytree.register_dataclass(object)

    class Name(str):
        __slots__ = ()

    pytree.register_constant(Name)
    assert pytree.is_constant_class(Name) and pytree.tree_leaves([Name("a"), 1]) == [1]
    assert pytree.tree_map(lambda v: v, [Name("a")]) == ["a"]
