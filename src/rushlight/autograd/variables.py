"""What torch.func differentiates by: tensors whose history begins, or goes on, here."""

from typing import Any

from rushlight._core.batched import BatchedArray, innermost
from rushlight._core.levels import Level, Wrapped
from rushlight._core.tensor import Leaf, Node, Tensor, cell, live_node, wrap
from rushlight.autograd.dual import DualArray, dual_array


class Alias:
    """The history of an input seen inside: the same tensor, one step on."""

    grad_name = "ViewBackward0"
    grad_outputs = (0,)

    @staticmethod
    def backward(node: Node, g: Tensor, need: list) -> list:
        """Passed on as it is."""
        return [g]


def variable(x: Any, outer: bool) -> Tensor:
    """What the function sees of an input it is differentiated by.

    Its history goes on outside, so that gradients can be differentiated there. Inside a vmap it
    belongs to that vmap, as what is computed from it does.
    """
    if not isinstance(x, Tensor):
        raise ValueError(f"Thing passed to transform API must be Tensor, got {type(x)}")
    if not (x.is_floating_point() or x.is_complex()):
        raise RuntimeError("only Tensors of floating point dtype can require gradients")
    made = lifted(x)
    node: Any = live_node(x) if made._data is x._data and outer else None
    if node is None:
        made._node = Leaf(made)
    else:
        made._node = Node(Alias, (node,), (), made._data.shape, made._data.dtype)
    return made


def lifted(x: Tensor) -> Tensor:
    """The tensor on the level of the innermost vmap, apart from its history."""
    level = innermost()
    data = x._data
    if level is not None and not belongs(data, level):
        if (
            isinstance(data, DualArray)
            and data.level is not None
            and data.level.depth > level.depth
        ):
            inner = level.lift(wrap(data.inner, live_node(x)))
            data = dual_array(inner._data, data.level, data.tangent)
        else:
            data = level.lift(x)._data
    made = wrap(data)
    made._ver = cell(x)
    return made


def belongs(data: Any, level: Level) -> bool:
    """Is an array, below its tangents, one of this vmap level?"""
    while isinstance(data, DualArray):
        data = data.below_dead()
    return isinstance(data, BatchedArray) and data.level is level


def history_below(t: Tensor) -> bool:
    """Has what a batch holds a history on a lower level?"""
    x = t._data
    while isinstance(x, Wrapped):
        if isinstance(x, BatchedArray):
            if live_node(x.value) is not None:
                return True
            x = x.value._data
        elif isinstance(x, DualArray):
            return True
    return False


def leave(t: Any, own: list, keep: bool) -> Any:
    """An output as it is outside: a history that ends in the variables ends here."""
    if not isinstance(t, Tensor) or keep or live_node(t) is None:
        return t
    return wrap(t._data)


def unwrapped(t: Tensor) -> Tensor | None:
    """What a tensor inside a transform holds, None if nothing."""
    x = t._data
    if not isinstance(x, Wrapped):
        return None
    return x.value if isinstance(x, BatchedArray) else wrap(x.below_dead(), live_node(t))
