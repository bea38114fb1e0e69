"""Triangles and diagonals of matrices."""

from functools import lru_cache

import numpy as np

from rushlight._core import gpu
from rushlight._core.inplace import bump, writable
from rushlight._core.op import Op, public
from rushlight._core.shape import wrap_dim

SMALL = 4096  # elements of a matrix whose mask is remembered


@lru_cache(64)
def outside(rows, columns, diagonal, lower):
    """Which elements of a matrix a triangle leaves out."""
    return np.tri(rows, columns, diagonal if lower else diagonal - 1, bool) != lower


def cleared(x, mask):
    """A copy of ``x`` with zeros where ``mask`` holds."""
    result = x.copy()
    result[mask if x.ndim == 2 else (..., mask)] = 0
    return result


class Tril(Op):
    """tril(input, diagonal=0, *, out=None) -> Tensor

    The lower triangle of matrices, zeros above ``diagonal``.

    >>> torch.ones(2, 2).tril()
    tensor([[1., 0.],
            [1., 1.]])
    """

    half = "native"
    linear = True
    inplace = True

    def forward(xp, x, diagonal=0):
        if x.ndim < 2:
            raise RuntimeError("tril: input tensor must have at least 2 dimensions")
        if xp is np and x.size <= SMALL and type(diagonal) is int:
            return cleared(x, outside(*x.shape[-2:], diagonal, lower=True))
        return xp.tril(x, diagonal)

    def vjp(g, diagonal):
        return g.tril(diagonal)


class Triu(Op):
    """triu(input, diagonal=0, *, out=None) -> Tensor

    The upper triangle of matrices, zeros below ``diagonal``.

    >>> torch.ones(2, 2).triu()
    tensor([[1., 1.],
            [0., 1.]])
    """

    half = "native"
    linear = True
    inplace = True

    def forward(xp, x, diagonal=0):
        if x.ndim < 2:
            raise RuntimeError("triu: input tensor must have at least 2 dimensions")
        if xp is np and x.size <= SMALL and type(diagonal) is int:
            return cleared(x, outside(*x.shape[-2:], diagonal, lower=False))
        return xp.triu(x, diagonal)

    def vjp(g, diagonal):
        return g.triu(diagonal)


class DiagEmbed(Op):
    """diag_embed(input, offset=0, dim1=-2, dim2=-1) -> Tensor

    Matrices with the last dimension of the input on a diagonal.

    >>> torch.tensor([1, 2]).diag_embed()
    tensor([[1, 0],
            [0, 2]])
    """

    half = "native"
    linear = True

    def forward(xp, x, offset=0, dim1=-2, dim2=-1):
        a, b = wrap_dim(dim1, x.ndim + 1), wrap_dim(dim2, x.ndim + 1)
        if a == b:
            raise RuntimeError(f"diagonal dimensions cannot be identical {dim1}, {dim2}")
        n = x.shape[-1] + abs(offset)
        rest = iter(x.shape[:-1])
        out = xp.zeros([n if d in (a, b) else next(rest) for d in range(x.ndim + 1)], x.dtype)
        if a > b:  # the offset counts from dim1 to dim2
            offset, a, b = -offset, b, a
        place = out.diagonal(offset, a, b)
        gpu.make_writeable(place)
        place[...] = x
        return out

    def vjp(g, offset, dim1, dim2):
        return g.diagonal(offset, dim1, dim2)


@public("torch", "Tensor")
def diag(input, diagonal=0):
    """diag(input, diagonal=0, *, out=None) -> Tensor

    A matrix with a vector on its diagonal, or the diagonal of a matrix (a copy).

    >>> torch.diag(torch.tensor([1, 2]))
    tensor([[1, 0],
            [0, 2]])
    """
    if input.ndim == 1:
        return DiagEmbed.call(input, diagonal)
    if input.ndim == 2:
        return input.diagonal(diagonal).clone()
    raise RuntimeError(f"diag(): Supports 1D or 2D tensors. Got {input.ndim}D")


@public("torch", "Tensor", out=False)
def diagflat(input, offset=0):
    """diagflat(input, offset=0) -> Tensor

    A matrix with all elements of the input on a diagonal.

    >>> torch.diagflat(torch.tensor([1, 2]))
    tensor([[1, 0],
            [0, 2]])
    """
    return DiagEmbed.call(input.reshape(-1), offset)


@public("Tensor", out=False)
def fill_diagonal_(self, fill_value, wrap=False):
    """fill_diagonal_(fill_value, wrap=False) -> Tensor

    The main diagonal set to a number, in place.

    With ``wrap``, the diagonal of a tall matrix starts again after each block of columns.

    >>> torch.zeros(2, 2).fill_diagonal_(5)
    tensor([[5., 0.],
            [0., 5.]])
    """
    if type(fill_value) is float and not wrap and self.ndim == 2 and writable(self):
        x = self._data
        rows, columns = x.shape
        if x.dtype == np.float32 and x.flags.c_contiguous:
            x.reshape(-1)[: min(rows, columns) * (columns + 1) : columns + 1] = fill_value
            bump(self)
            return self
    if self.ndim < 2:
        raise RuntimeError("dimensions must larger than 1")
    if self.ndim > 2 and len(set(self.shape)) > 1:
        raise RuntimeError("all dimensions of input must be of equal length")
    steps = sum(self.stride())
    count = min(self.shape)
    offset = self.storage_offset()
    self.as_strided((count,), (steps,), offset).fill_(fill_value)
    rows, columns = self.shape[0], self.shape[1]
    if wrap and self.ndim == 2 and rows > columns + 1:
        start = (columns + 1) * self.stride(0)
        left = (rows - columns - 1) * columns
        more = -(-left // (columns + 1))
        self.as_strided((more,), (steps,), offset + start).fill_(fill_value)
    return self
