"""What a node shows who looks into it: saved values as ``_saved_*``, its formulas by a call.

The names are the record's, with PyTorch's ``self`` for its ``input``: ``_saved_self``,
``_saved_other``, ``_saved_dim``, ``_saved_result``, and ``_saved_self_sym_sizes`` where the shape
alone was kept.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

from rushlight._core import inplace
from rushlight._core.errors import backward_twice
from rushlight._core.op import unpack, unpack_result
from rushlight._core.state import grad_enabled
from rushlight._core.tensor import Leaf, Node, Tensor


def shown(name: str) -> str:
    """A tensor argument's name in PyTorch's formulas."""
    return "self" if name == "input" else name


def saved_values(node: Any) -> dict[str, Callable[[], Any]]:
    """The name of everything a node of a record keeps -> what fetches it."""
    op = node.op
    if not hasattr(op, "keep_results") or op.variadic:
        return {}
    found: dict[str, Callable[[], Any]] = {}
    saved = node.saved if node.saved is not None else [None] * len(op.tensors)
    for i, (name, entry) in enumerate(zip(op.tensors, saved, strict=False)):
        if entry is not None and len(entry) == 2:
            found[f"_saved_{shown(name)}_sym_sizes"] = partial(tuple, entry[0])
        elif entry is not None:
            found[f"_saved_{shown(name)}"] = partial(unpack, entry, node, i)
        elif node.saved is None:
            found[f"_saved_{shown(name)}"] = _freed
    for name, value in zip(op.params, node.params, strict=False):
        found[f"_saved_{name}"] = partial(_same, value)
    for i in op.keep_results:
        name = op.outputs[i] if op.outputs else "result"
        found[f"_saved_{name}"] = partial(unpack_result, node, i, len(op.tensors))
    return found


def _same(value: object) -> object:
    return value


def _freed() -> None:
    raise backward_twice()


def attribute(self: Any, name: str) -> Any:
    """Node.__getattr__: a saved value, or, of a user's Function, an attribute of its ctx."""
    if name.startswith("_saved_"):
        fetch = saved_values(self).get(name)
        if fetch is not None:
            if self.saved is None:
                raise backward_twice()
            return fetch()
    if not name.startswith("_") and name != "metadata_":
        ctx = getattr(self.op, "ctx", None)
        if ctx is not None:
            return getattr(ctx, name)
    raise AttributeError(f"'{self.name()}' object has no attribute '{name}'")


def names(self: Any) -> list[str]:
    """Node.__dir__: the saved values too."""
    return sorted({*object.__dir__(self), *saved_values(self)})


def run(self: Any, *grads: Tensor) -> Any:
    """Node.__call__: the gradients of the inputs for these gradients of the outputs."""
    if self.saved is None:
        raise backward_twice()
    g = grads[0] if len(grads) == 1 else grads
    made = tuple(self.op.backward(self, g, [e is not None for e in self.edges]))
    return made[0] if len(made) == 1 else made


def accumulate(self: Leaf, *grads: Tensor) -> tuple:
    """Leaf.__call__: add a gradient to the leaf's."""
    t = self.tensor()
    if t is not None:
        before = t.grad
        if before is None:
            t._grad = grads[0].clone()
        elif grad_enabled():
            t._grad = before + grads[0]
        else:
            inplace.write(before, (before + grads[0])._data)
    return ()


_node: Any = Node  # attached here: the core's lower files know no operator
_node.__getattr__, _node.__dir__, _node.__call__ = attribute, names, run
_leaf: Any = Leaf
_leaf.__call__ = accumulate
