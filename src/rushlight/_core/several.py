"""Views that a function returns several of: one node for all, and no writes to them in place."""

from typing import Any

from rushlight._core.state import grad_enabled, thread
from rushlight._core.tensor import PLAIN, Node, Pick, Tensor, ViewOfSeveral, live_node


class Several:
    """The operator of their node: what it does backwards is ``join(gradients, params)``."""

    edge_order = None

    def __init__(self, name: str, count: int, join: Any) -> None:
        self.grad_name, self.grad_outputs, self.join = name, tuple(range(count)), join

    def backward(self, node: Node, g: Any, need: list) -> list:
        """The gradient of what the views are of; zeros for views that were not used."""
        dim, shapes = node.params
        some = next(x for x in g if x is not None)
        whole = [some.new_zeros(s) if x is None else x for x, s in zip(g, shapes, strict=True)]
        return [self.join(whole, dim)]


def bind(input: Tensor, views: tuple, name: str, join: Any, dim: int, safe: bool = True) -> tuple:
    """Give ``views`` of a plain tensor their common node, and forbid writes to them (``safe``)."""
    if type(input) not in PLAIN or thread.levels:
        return views
    node = live_node(input)
    common = None
    if node is not None and grad_enabled():
        op = Several(name, len(views), join)
        shapes = tuple([v._data.shape for v in views])
        data = input._data
        common = Node(op, (node,), (), data.shape, data.dtype, (dim, shapes))
    for i, v in enumerate(views):
        if common is not None:
            v._node = Pick(common, i, v._data.shape, v._data.dtype)
        if not safe:
            v._view = v._ver = None
        elif v._view is not None:
            v._view = ViewOfSeveral(v._view)
    return views
