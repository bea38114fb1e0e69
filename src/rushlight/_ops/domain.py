"""What the pointwise operators refuse, in PyTorch's words, and small helpers of their formulas.

A record's ``domain`` is a function of the dtype it would compute in and of its inputs' dtypes. It
raises where PyTorch does.
"""

from collections.abc import Callable
from typing import Any

from rushlight._core import dtypes
from rushlight._core.op import PUBLIC
from rushlight._core.tensor import Tensor

WIDE_UNSIGNED = frozenset({dtypes.uint16, dtypes.uint32, dtypes.uint64})


def kind(d: dtypes.dtype) -> str:
    """One letter for a dtype: b bool, i integer, u wide unsigned integer, h half, f float, c
    complex.
    """
    if d.category == dtypes.FLOATING:
        return "f" if d.itemsize >= 4 else "h"
    if d in WIDE_UNSIGNED:
        return "u"
    return {dtypes.BOOL: "b", dtypes.INTEGER: "i", dtypes.COMPLEX: "c"}[d.category]


def serves(kinds: str, kernel: str, **refusals: Exception) -> Callable:
    """A ``domain`` that takes the kinds of these letters; ``c=RuntimeError(text)`` words one
    refusal.
    """

    def domain(common: dtypes.dtype, given: list[dtypes.dtype]) -> None:
        letter = kind(common)
        if letter in kinds:
            return
        if letter in refusals:
            error = refusals[letter]
            raise type(error)(*error.args)
        raise not_implemented(kernel, common)

    return domain


def not_implemented(kernel: str, d: dtypes.dtype) -> NotImplementedError:
    """PyTorch's words for a kernel that has no loop for a dtype."""
    return NotImplementedError(f"\"{kernel}\" not implemented for '{dtypes.scalar_name(d)}'")


def is_number(value: object) -> bool:
    """Was this argument of a gradient formula a Python number in the call?"""
    return not isinstance(value, Tensor)


def zeros(g: Tensor) -> Tensor:
    """The gradient of what is flat: zeros, even where ``g`` is infinite."""
    return g.new_zeros(g.shape)


def numbered(name: str, number: int = 0) -> Callable:
    """A grad name with the suffix ``number`` (0 or 1) if the second argument was a number, else the
    other one.
    """

    def grad_name(node):
        tensor = node.edges[1] is not None or len(node.saved[1] or ()) > 1
        return f"{name}Backward{1 - number if tensor else number}"

    return grad_name


def no_derivative(name: str) -> Callable:
    """The gradient formula of an operator PyTorch has none for."""

    def vjp(g):
        raise RuntimeError(f"derivative for aten::{name} is not implemented")

    return vjp


def unfinished_derivative(text: str) -> Callable:
    """The gradient formula of an argument PyTorch has none for, in its other wording."""

    def vjp(g):
        raise NotImplementedError(f"the derivative for '{text}' is not implemented.")

    return vjp


def also(namespace: str, **names: type | Callable | property) -> None:
    """Give records or functions further public names: ``also("special", expit=Sigmoid)``."""
    for name, what in names.items():
        space = PUBLIC.setdefault(namespace, {})
        function: Any = what.call if hasattr(what, "call") else what
        space[name] = function
