"""Tensor.grad_dtype; and Python 2's names of conversions, which PyTorch still has."""

from typing import Any

from rushlight._core import dtypes
from rushlight._core.tensor import Leaf, Tensor, live_node


def get(self: Tensor) -> dtypes.dtype | None:
    """The dtype that gradients of a leaf are kept in: its own; another, or None for any, if set.

    >>> w = torch.ones(2, requires_grad=True)
    >>> w.grad_dtype = torch.float64
    >>> (w * 3).sum().backward()
    >>> w.grad.dtype
    torch.float64
    """
    node = live_node(self)
    if type(node) is Leaf:
        return None if node.dtype is None else dtypes.BY_NUMPY[node.dtype]
    found: dtypes.dtype | None = self.__dict__.get("_grad_dtype", self.dtype)
    return found


def set_(self: Tensor, dtype: Any) -> None:
    """Set it, on a leaf without a gradient of another dtype."""
    if dtype is not None and not isinstance(dtype, dtypes.dtype):
        raise RuntimeError(
            f"grad_dtype must be a torch.dtype or None, but got {type(dtype).__name__}"
        )
    node = live_node(self)
    if node is not None and type(node) is not Leaf:
        raise RuntimeError("grad_dtype can only be set on leaf tensors.")
    grad = self.grad if getattr(self, "_grad", None) is not None else None
    if grad is not None and dtype is not None and grad.dtype is not dtype:
        raise RuntimeError(
            f"Cannot set grad_dtype to '{dtypes.scalar_name(dtype)}' because there is already a "
            f"gradient with dtype '{dtypes.cpp_name(grad.dtype)}'. Please clear the gradient "
            "(.grad = None) before changing grad_dtype, or ensure the new grad_dtype matches the "
            "existing gradient's dtype."
        )
    if node is None:
        self.__dict__["_grad_dtype"] = dtype
    else:
        node.dtype = None if dtype is None else dtype.numpy


def long_of(self: Tensor) -> int:
    """__long__() -> int: Python 2's name of ``int(tensor)``."""
    if self.numel() != 1:
        raise ValueError("only one element tensors can be converted to Python scalars")
    return int(self)


def truth_of(self: Tensor) -> bool:
    """__nonzero__() -> bool: Python 2's name of ``bool(tensor)``."""
    return bool(self)


_tensor: Any = Tensor  # a declaration for the type checker would shadow these
_tensor.grad_dtype = property(get, set_)
_tensor.__long__ = long_of
_tensor.__nonzero__ = truth_of
