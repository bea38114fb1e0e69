"""Moving elements about: repeat, tile, flip, roll, rot90."""

import operator
from typing import Any

import numpy as np

from rushlight._core import dtypes
from rushlight._core.op import Meta, Op, public
from rushlight._core.shape import wrap_dim, wrap_dims
from rushlight._core.tensor import Tensor

BACKWARDS = slice(None, None, -1)

# ---- repetition and order ------------------------------------------------------------------------


class Repeat(Op):
    """repeat(*sizes) -> Tensor

    Copies of the tensor side by side.

    >>> torch.tensor([1, 2]).repeat(2, 2)
    tensor([[1, 2, 1, 2],
            [1, 2, 1, 2]])
    """

    public = ("Tensor",)
    varargs = True
    half = "native"
    linear = True

    def forward(xp, x, repeats):
        repeats = [operator.index(r) for r in repeats]
        if len(repeats) < x.ndim:
            raise RuntimeError(
                "Number of dimensions of repeat dims can not be smaller than number of dimensions "
                "of tensor"
            )
        if any(r < 0 for r in repeats):
            raise RuntimeError(
                f"Trying to create tensor with negative dimension {min(repeats)}: {list(repeats)}"
            )
        return xp.tile(x, repeats)

    def vjp(g: Any, input: Meta, repeats):
        shape = (1,) * (len(repeats) - input.ndim) + tuple(input.shape)
        pairs = [p for r, s in zip(repeats, shape, strict=True) for p in (r, s)]
        if not pairs:
            return g
        return g.reshape(pairs).sum(tuple(range(0, len(pairs), 2))).reshape(input.shape)


@public("torch", "Tensor", out=False)
def tile(input, *dims):
    """tile(input, dims) -> Tensor

    Like ``repeat``, but missing leading repetitions count as 1.

    >>> torch.tile(torch.tensor([1, 2]), (2, 2))
    tensor([[1, 2, 1, 2],
            [1, 2, 1, 2]])
    """
    dims = tuple(dims[0]) if len(dims) == 1 and not isinstance(dims[0], int) else dims
    return Repeat.call(input, (1,) * (input.ndim - len(dims)) + tuple(dims))


@public("torch", "Tensor", out=False)
def repeat_interleave(input, repeats=None, dim=None, *, output_size=None):
    """repeat_interleave(input, repeats, dim=None, *, output_size=None) -> Tensor

    Each element (or slice of ``dim``) repeated in place.

    >>> torch.tensor([1, 2]).repeat_interleave(2)
    tensor([1, 1, 2, 2])
    """
    if repeats is None:
        if input.ndim != 1:
            raise RuntimeError("repeat_interleave only accept 1D vector as repeat")
        return repeated(input, len(input), output_size)
    source = input.flatten() if dim is None else input
    at = wrap_dim(0 if dim is None else dim, source.ndim)
    size = source.shape[at] if source.ndim else 1
    if isinstance(repeats, Tensor):
        if repeats.ndim > 1 or (repeats.ndim == 1 and len(repeats) not in (1, size)):
            raise RuntimeError("repeats must have the same size as input along dim")
        index = repeated(repeats, size, output_size)
    else:
        if repeats < 0:
            raise RuntimeError("repeats can not be negative")
        if output_size not in (None, size * repeats):
            raise RuntimeError(
                f"repeat_interleave: Invalid output_size, expected {size * repeats} but got "
                f"{output_size}"
            )
        index = from_array(np.repeat(np.arange(size), repeats)).to(input.device)
    return source.index_select(at, index)


def repeated(repeats, size, output_size):
    """0 to ``size`` - 1, each as often as ``repeats`` says: ``output_size`` numbers, if it is
    given.
    """
    if repeats.is_meta:
        if output_size is None:
            raise RuntimeError("cannot repeat_interleave a meta tensor without output_size")
        return repeats.new_empty(output_size, dtype=dtypes.int64)
    counts = repeats.cpu().numpy()
    if (counts < 0).any():
        raise RuntimeError("repeats can not be negative")
    index = np.repeat(np.arange(size), counts)
    if output_size not in (None, len(index)):
        raise RuntimeError("allocated size does not match required size")
    return from_array(index).to(repeats.device)


def from_array(array):
    """A tensor around an array that a composite made for indexing."""
    from_numpy = Tensor.__new__(Tensor)
    from_numpy._data = array
    return from_numpy


class Flip(Op):
    """flip(input, dims) -> Tensor

    The order along some dimensions reversed.

    >>> torch.arange(3).flip(0)
    tensor([2, 1, 0])
    """

    varargs = True
    half = "native"
    linear = True

    def forward(xp, x, dims):
        if len(dims) == 1 and type(dims[0]) is int and -x.ndim <= dims[0] < x.ndim:
            return x[(slice(None),) * (dims[0] % x.ndim) + (BACKWARDS,)].copy()
        wrapped = wrap_dims(dims, x.ndim)
        return xp.flip(x, wrapped).copy() if x.ndim else x.copy()

    def vjp(g, dims):
        return g.flip(dims)


@public("torch", "Tensor", out=False)
def fliplr(input):
    """fliplr(input) -> Tensor

    Columns reversed.

    >>> torch.fliplr(torch.tensor([[1, 2], [3, 4]]))
    tensor([[2, 1],
            [4, 3]])
    """
    if input.ndim < 2:
        raise RuntimeError("Input must be >= 2-d.")
    return input.flip(1)


@public("torch", "Tensor", out=False)
def flipud(input):
    """flipud(input) -> Tensor

    Rows reversed.

    >>> torch.flipud(torch.tensor([[1, 2], [3, 4]]))
    tensor([[3, 4],
            [1, 2]])
    """
    if input.ndim < 1:
        raise RuntimeError("Input must be >= 1-d.")
    return input.flip(0)


class Roll(Op):
    """roll(input, shifts, dims=None) -> Tensor

    Elements shifted along dimensions; what falls off comes in at the other end.

    >>> torch.arange(4).roll(1)
    tensor([3, 0, 1, 2])
    """

    half = "native"
    linear = True

    def forward(xp, x, shifts, dims=None):
        if type(shifts) is int and x.size:
            if dims is None:
                return shifted(xp, x.reshape(-1), shifts, 0).reshape(x.shape)
            if type(dims) is int and -x.ndim <= dims < x.ndim:
                return shifted(xp, x, shifts, dims if dims >= 0 else dims + x.ndim)
        shifts = (shifts,) if isinstance(shifts, int) else tuple(shifts)
        dims = () if dims is None else (dims,) if isinstance(dims, int) else tuple(dims)
        if not shifts:
            raise RuntimeError("`shifts` required")
        if dims and not x.ndim:
            raise IndexError(f"Dimension specified as {dims[0]} but tensor has no dimensions")
        if not dims and len(shifts) == 1:
            return xp.roll(x, shifts[0])
        if len(shifts) != len(dims):
            raise RuntimeError(
                f"shifts and dimensions must align. shifts: {len(shifts)}, dims:{len(dims)}"
            )
        return xp.roll(x, shifts, wrap_each(dims, x.ndim))

    def vjp(g, shifts, dims):
        back = -shifts if isinstance(shifts, int) else [-s for s in shifts]
        return g.roll(back, dims)


def shifted(xp, x, shift, dim):
    """``x`` rolled along one dimension."""
    lead = (slice(None),) * dim
    at = -shift % x.shape[dim]
    return xp.concatenate((x[(*lead, slice(at, None))], x[(*lead, slice(None, at))]), dim)


def wrap_each(dims, ndim):
    """Dimensions counted from the front; repetitions are allowed."""
    return tuple([wrap_dim(d, ndim) for d in dims])


@public("torch", "Tensor", out=False)
def rot90(input, k=1, dims=(0, 1)):
    """rot90(input, k=1, dims=(0, 1)) -> Tensor

    A plane of two dimensions turned by k quarter turns.

    >>> torch.rot90(torch.tensor([[1, 2], [3, 4]]))
    tensor([[2, 4],
            [1, 3]])
    """
    if len(dims) != 2:
        raise RuntimeError(f"expected total rotation dims == 2, but got dims = {len(dims)}")
    if input.ndim < 2:
        raise RuntimeError(f"expected total dims >= 2, but got total dims = {input.ndim}")
    a, b = dims
    if a == b or abs(a - b) == input.ndim:
        raise RuntimeError(
            f"expected rotation dims to be different, but got dim0 = {a} and dim1 = {b}"
        )
    a, b = wrap_dim(a, input.ndim), wrap_dim(b, input.ndim)
    k %= 4
    if k == 1:
        return input.flip(b).transpose(a, b)
    if k == 2:
        return input.flip((a, b))
    return input.flip(a).transpose(a, b) if k == 3 else input.clone()


# ---- triangles and diagonals ---------------------------------------------------------------------


# ---- shapes together -----------------------------------------------------------------------------
