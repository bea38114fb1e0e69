"""torch.Size and the arithmetic of dimensions."""

import operator
from collections.abc import Iterable
from typing import Any, SupportsIndex

import numpy as np

from rushlight._core import errors
from rushlight._core.extension import C


def _indexed_natively(reference: Any) -> Any:
    """The class itself, or where there is an extension its twin (csrc/facts.cpp)."""
    return reference if C is None else C.size_class(reference)


@_indexed_natively
class Size(tuple[int, ...]):
    """Size(iterable=()) -> Size: the shape of a tensor, a tuple of ints.

    >>> torch.ones(2, 3).shape
    torch.Size([2, 3])
    >>> torch.Size([2, 3]).numel(), torch.Size([2, 3])[1]
    (6, 3)
    """

    __slots__ = ()

    def __new__(cls, sizes: Iterable[int] = ()) -> "Size":
        if type(sizes) is not tuple:
            sizes = tuple(sizes)
        for s in sizes:
            if type(s) is not int:
                try:
                    return tuple.__new__(cls, [operator.index(x) for x in sizes])
                except TypeError:
                    raise TypeError(
                        f"torch.Size() takes an iterable of 'int' (item {sizes.index(s)} is "
                        f"'{type(s).__name__}')"
                    ) from None
        return tuple.__new__(cls, sizes)

    def numel(self) -> int:
        """The number of elements of a tensor of this size."""
        n = 1
        for s in self:
            n *= s
        return n

    def __repr__(self) -> str:
        return f"torch.Size([{', '.join(map(str, self))}])"

    def __getitem__(self, index: Any) -> Any:
        item = tuple.__getitem__(self, index)
        return tuple.__new__(Size, item) if isinstance(index, slice) else item

    def __add__(self, other: tuple) -> "Size":
        return tuple.__new__(Size, tuple.__add__(self, tuple(other)))

    def __radd__(self, other: tuple) -> "Size":
        if not isinstance(other, tuple):
            return NotImplemented
        return tuple.__new__(Size, tuple(other) + tuple(self))

    def __mul__(self, n: SupportsIndex) -> "Size":
        return tuple.__new__(Size, tuple.__mul__(self, n))

    __rmul__ = __mul__

    def __reduce__(self) -> tuple:
        return Size, (tuple(self),)


def wrap_dim(dim: int, ndim: int) -> int:
    """``dim`` counted from the front; IndexError if a tensor of ``ndim`` dimensions has no such
    one.

    A 0-d tensor accepts -1 and 0, as in PyTorch.
    """
    n = ndim or 1
    if type(dim) is not int:
        dim = operator.index(dim)
    if -n <= dim < n:
        return dim + n if dim < 0 else dim
    raise IndexError(
        f"Dimension out of range (expected to be in range of [{-n}, {n - 1}], but got {dim})"
    )


def wrap_dims(dims: Any, ndim: int) -> tuple[int, ...]:
    """``dims`` (None: all; an int, or ints) counted from the front, refusing repetitions."""
    if dims is None:
        return tuple(range(ndim))
    if not isinstance(dims, (tuple, list)):
        return (wrap_dim(dims, ndim),)
    wrapped = tuple([wrap_dim(d, ndim) for d in dims])
    if len(set(wrapped)) != len(wrapped):
        twice = next(d for d in wrapped if wrapped.count(d) > 1)
        raise RuntimeError(f"dim {twice} appears multiple times in the list of dims")
    return wrapped


def infer_shape(shape: tuple[int, ...], numel: int) -> tuple[int, ...]:
    """``shape`` with its one -1 worked out for ``numel`` elements; RuntimeError if none fits."""
    unknown = [i for i, s in enumerate(shape) if s == -1]
    if len(unknown) > 1:
        raise RuntimeError("only one dimension can be inferred")
    known = 1
    for i, s in enumerate(shape):
        if s < -1:
            raise RuntimeError(f"invalid shape dimension {s} at index {i} of shape {list(shape)}")
        if s != -1:
            known *= s
    if unknown:
        if known == 0 and numel == 0:
            raise RuntimeError(
                f"cannot reshape tensor of 0 elements into shape {list(shape)} because the "
                "unspecified "
                "dimension size -1 can be any value and is ambiguous"
            )
        if known and numel % known == 0:
            at = unknown[0]
            return (*shape[:at], numel // known, *shape[at + 1 :])
    elif known == numel:
        return tuple(shape)
    raise RuntimeError(f"shape '{list(shape)}' is invalid for input of size {numel}")


def common_shape(*shapes: tuple[int, ...]) -> Size:
    """What tensors of these shapes broadcast to; an operator's RuntimeError if they do not."""
    try:
        return Size(np.broadcast_shapes(*shapes))
    except ValueError:
        raise errors.broadcast(shapes) from None


def broadcast_shapes(*shapes: tuple[int, ...] | int) -> Size:
    """broadcast_shapes(*shapes) -> Size

    The shape that tensors of these shapes broadcast to; a number is a shape of one dimension.
    RuntimeError if there is none.

    >>> torch.broadcast_shapes((3, 1), 4)
    torch.Size([3, 4])
    """
    given = [(s,) if isinstance(s, int) else tuple(s) for s in shapes]
    result = [1] * max(map(len, given), default=0)
    for index, shape in enumerate(given):
        for i in range(-1, -1 - len(shape), -1):
            if shape[i] == 1 or shape[i] == result[i]:
                continue
            if result[i] != 1:
                raise RuntimeError(
                    f"Attempting to broadcast a dimension of length {shape[i]} at {i}! "
                    f"Mismatching argument at index {index} had {shape}; but expected shape "
                    f"should be broadcastable to {result}"
                )
            if shape[i] < 0:
                raise ValueError("Attempting to broadcast a dimension with negative length!")
            result[i] = shape[i]
    return Size(result)
