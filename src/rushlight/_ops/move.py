"""Putting tensors together and moving elements about: cat, stack, where, flip, roll, repeat, masks,
triangles.
"""

from typing import Any

import numpy as np

from rushlight._core import errors, gpu
from rushlight._core.op import ListOp, Meta, Op, public
from rushlight._core.shape import Size, wrap_dim, wrap_dims
from rushlight._core.shape import broadcast_shapes as common_shape
from rushlight._core.tensor import Tensor
from rushlight._ops.deprecated import deprecated


class Cat(ListOp):
    """cat(tensors, dim=0, *, out=None) -> Tensor

    Tensors joined along a dimension; their other sizes must agree.

    >>> torch.cat([torch.zeros(1, 2), torch.ones(1, 2)])
    tensor([[0., 0.],
            [1., 1.]])
    """

    public = ("torch",)
    aliases = ("concat", "concatenate")
    out_apart = True
    half = "native"
    linear = True

    def forward(xp, arrays, dim=0):
        if not arrays:
            empty = ValueError("torch.cat(): expected a non-empty list of Tensors")
            raise errors.RefusedError(empty)
        try:
            return xp.concatenate(arrays, dim)
        except ValueError:
            return concatenate(xp, arrays, dim)

    def vjp(g: Any, tensors: Meta, dim):
        metas: Any = tensors  # a list of them
        ndim = max(len(t.shape) for t in metas)
        at = wrap_dim(dim, ndim)
        sizes = [t.shape[at] if len(t.shape) == ndim else 0 for t in metas]
        parts = g.split_with_sizes(sizes, at)
        return [
            p if len(t.shape) == ndim else p.reshape(t.shape)
            for p, t in zip(parts, metas, strict=True)
        ]


def concatenate(xp, arrays, dim):
    """``cat`` of awkward lists: legacy empty vectors are skipped, misfits get PyTorch's errors."""
    for i, x in enumerate(arrays):
        if x.ndim == 0:
            raise RuntimeError(f"zero-dimensional tensor (at position {i}) cannot be concatenated")
    kept = [x for x in arrays if x.shape != (0,)]
    if not kept:
        wrap_dim(dim, 1)
        return arrays[0].copy()
    first, at = kept[0], wrap_dim(dim, kept[0].ndim)
    for i, x in enumerate(arrays):
        if x.shape == (0,):
            continue
        if x.ndim != first.ndim:
            raise RuntimeError(
                f"Tensors must have same number of dimensions: got {first.ndim} and {x.ndim}"
            )
        for d in range(x.ndim):
            if d != at and x.shape[d] != first.shape[d]:
                raise RuntimeError(
                    f"Sizes of tensors must match except in dimension {at}. Expected size "
                    f"{first.shape[d]} but got "
                    f"size {x.shape[d]} for tensor number {i} in the list."
                )
    return xp.concatenate(kept, at)


class Stack(ListOp):
    """stack(tensors, dim=0, *, out=None) -> Tensor

    Tensors of one shape along a new dimension.

    >>> torch.stack([torch.tensor(1), torch.tensor(2)])
    tensor([1, 2])
    """

    public = ("torch",)
    half = "native"
    linear = True

    def forward(xp, arrays, dim=0):
        if not arrays:
            raise RuntimeError("stack expects a non-empty TensorList")
        shape = arrays[0].shape
        for i, x in enumerate(arrays):
            if x.shape != shape:
                raise RuntimeError(
                    f"stack expects each tensor to be equal size, but got {list(shape)} at entry "
                    "0 and "
                    f"{list(x.shape)} at entry {i}"
                )
        return xp.stack(arrays, wrap_dim(dim, len(shape) + 1))

    def vjp(g, dim):
        return list(g.unbind(dim))


def tensors_of(tensors):
    """A sequence of tensors given as one argument or several."""
    if len(tensors) == 1 and isinstance(tensors[0], (tuple, list)):
        return list(tensors[0])
    return list(tensors)


@public("torch", out=False)
def atleast_1d(*tensors):
    """atleast_1d(*tensors) -> Tensor or tuple

    0-d tensors get a dimension.

    >>> torch.atleast_1d(torch.tensor(3))
    tensor([3])
    """
    return each(tensors, lambda t: t.reshape(1) if t.ndim == 0 else t)


@public("torch", out=False)
def atleast_2d(*tensors):
    """atleast_2d(*tensors) -> Tensor or tuple

    Tensors of fewer dimensions get leading ones.

    >>> torch.atleast_2d(torch.tensor([1, 2])).shape
    torch.Size([1, 2])
    """
    return each(
        tensors, lambda t: t.reshape(1, 1) if t.ndim == 0 else t.unsqueeze(0) if t.ndim == 1 else t
    )


@public("torch", out=False)
def atleast_3d(*tensors):
    """atleast_3d(*tensors) -> Tensor or tuple

    Tensors of fewer dimensions get some, the last at the end.

    >>> torch.atleast_3d(torch.tensor([1, 2])).shape
    torch.Size([1, 2, 1])
    """

    def grow(t):
        if t.ndim == 0:
            return t.reshape(1, 1, 1)
        if t.ndim == 1:
            return t.unsqueeze(0).unsqueeze(-1)
        return t.unsqueeze(-1) if t.ndim == 2 else t

    return each(tensors, grow)


def some(name, tensors):
    """A sequence of tensors as a list, refused if it is empty."""
    if not len(tensors):
        raise RuntimeError(f"{name} expects a non-empty TensorList")
    return list(tensors)


def each(tensors, function):
    """The function of one tensor, or a tuple for several."""
    if len(tensors) == 1 and isinstance(tensors[0], Tensor):
        return function(tensors[0])
    return tuple([function(t) for t in tensors_of(tensors)])


@public("torch")
def hstack(tensors):
    """hstack(tensors, *, out=None) -> Tensor

    Joined by columns (vectors end to end).

    >>> torch.hstack((torch.tensor([1, 2]), torch.tensor([3])))
    tensor([1, 2, 3])
    """
    grown = list(atleast_1d(some("hstack", tensors)))
    return Cat.call(grown, 0 if grown and grown[0].ndim == 1 else 1)


@public("torch", aliases=("row_stack",))
def vstack(tensors):
    """vstack(tensors, *, out=None) -> Tensor

    Joined by rows.

    >>> torch.vstack((torch.tensor([1, 2]), torch.tensor([3, 4])))
    tensor([[1, 2],
            [3, 4]])
    """
    return Cat.call(list(atleast_2d(some("vstack", tensors))), 0)


@public("torch")
def dstack(tensors):
    """dstack(tensors, *, out=None) -> Tensor

    Joined by depth.

    >>> torch.dstack((torch.tensor([1, 2]), torch.tensor([3, 4])))
    tensor([[[1, 3],
             [2, 4]]])
    """
    return Cat.call(list(atleast_3d(some("dstack", tensors))), 2)


@public("torch")
def column_stack(tensors):
    """column_stack(tensors, *, out=None) -> Tensor

    Vectors as columns, matrices side by side.

    >>> torch.column_stack((torch.tensor([1, 2]), torch.tensor([3, 4])))
    tensor([[1, 3],
            [2, 4]])
    """
    return Cat.call([t.reshape(-1, 1) if t.ndim <= 1 else t for t in tensors], 1)


@public("torch", out=False)
def block_diag(*tensors):
    """block_diag(*tensors) -> Tensor

    Matrices along the diagonal of a larger one, zeros elsewhere.

    >>> torch.block_diag(torch.tensor([[1, 2]]), torch.tensor([[3]]))
    tensor([[1, 2, 0],
            [0, 0, 3]])
    """
    rows = [atleast_2d(t) for t in tensors]
    for i, t in enumerate(rows):
        if t.ndim != 2:
            raise RuntimeError(
                f"torch.block_diag: Input tensors must have 2 or fewer dimensions. Input {i} has "
                f"{t.ndim} dimensions"
            )
    width = sum(t.shape[1] for t in rows)
    placed, left = [], 0
    for t in rows:
        zeros = t.new_zeros
        placed.append(
            Cat.call([zeros(t.shape[0], left), t, zeros(t.shape[0], width - left - t.shape[1])], 1)
        )
        left += t.shape[1]
    return Cat.call(placed, 0)


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
        counts = input
        if counts.ndim != 1:
            raise RuntimeError("repeat_interleave only accept 1D vector as repeat")
        index = np.repeat(np.arange(len(counts)), counts.cpu().numpy())
        return from_array(index).to(input.device)
    source = input.flatten() if dim is None else input
    at = wrap_dim(0 if dim is None else dim, source.ndim)
    size = source.shape[at] if source.ndim else 1
    if isinstance(repeats, Tensor):
        if repeats.ndim > 1 or (repeats.ndim == 1 and len(repeats) not in (1, size)):
            raise RuntimeError("repeats must have the same size as input along dim")
        counts = repeats.cpu().numpy()
    else:
        counts = np.asarray(repeats)
    if (counts < 0).any():
        raise RuntimeError("repeats can not be negative")
    index = np.repeat(np.arange(size), counts)
    return source.index_select(at, from_array(index).to(input.device))


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


# ---- shapes together -----------------------------------------------------------------------------


@public("torch", out=False)
def broadcast_tensors(*tensors):
    """broadcast_tensors(*tensors) -> tuple of Tensors

    All expanded to their common shape.

    >>> [x.shape for x in torch.broadcast_tensors(torch.ones(3), torch.ones(2, 1))]
    [torch.Size([2, 3]), torch.Size([2, 3])]
    """
    tensors = tensors_of(tensors)
    shape = common_shape(*[t.shape for t in tensors])
    return tuple([t.expand(shape) for t in tensors])


@public("torch", out=False)
def meshgrid(*tensors, indexing=None):
    """meshgrid(*tensors, indexing='ij') -> tuple of Tensors

    Grids of coordinates: the i-th varies along dimension i.

    >>> a, b = torch.tensor([1, 2]), torch.tensor([3, 4])
    >>> [g.tolist() for g in torch.meshgrid(a, b, indexing="ij")]
    [[[1, 1], [2, 2]], [[3, 4], [3, 4]]]
    """
    tensors = tensors_of(tensors)
    if not tensors:
        raise RuntimeError("meshgrid expects a non-empty TensorList")
    for t in tensors:
        if t.ndim > 1:
            raise RuntimeError(
                f"torch.meshgrid: Expected 0D or 1D tensor in the tensor list but got: {t}"
            )
        if t.dtype is not tensors[0].dtype:
            raise RuntimeError("torch.meshgrid expects all tensors to have the same dtype")
    if indexing not in (None, "ij", "xy"):
        raise RuntimeError(
            f'torch.meshgrid: indexing must be one of "xy" or "ij", but received: {indexing}'
        )
    if indexing is None and len(tensors) > 1:
        deprecated("meshgrid")
    swap = indexing == "xy" and len(tensors) >= 2
    if swap:
        tensors[0], tensors[1] = tensors[1], tensors[0]
    shape = Size([t.numel() for t in tensors])
    grids = [
        t.reshape([-1 if d == i else 1 for d in range(len(tensors))]).expand(shape)
        for i, t in enumerate(tensors)
    ]
    if swap:
        grids[0], grids[1] = grids[1], grids[0]
    return tuple(grids)


@public("torch", out=False)
def cartesian_prod(*tensors):
    """cartesian_prod(*tensors) -> Tensor

    All combinations of one element of each vector, as rows.

    >>> torch.cartesian_prod(torch.tensor([1, 2]), torch.tensor([8, 9]))
    tensor([[1, 8],
            [1, 9],
            [2, 8],
            [2, 9]])
    """
    if len(tensors) == 1:
        return tensors[0]
    return Stack.call([g.reshape(-1) for g in meshgrid(*tensors, indexing="ij")], 1)


@public("torch", out=False)
def combinations(input, r=2, with_replacement=False):
    """combinations(input, r=2, with_replacement=False) -> Tensor

    The r-element subsets of a vector, as rows.

    >>> torch.combinations(torch.tensor([1, 2, 3]))
    tensor([[1, 2],
            [1, 3],
            [2, 3]])
    """
    if input.ndim != 1:
        raise RuntimeError(f"Expect a 1D vector, but got shape {list(input.shape)}")
    if r < 0:
        raise RuntimeError(f"Expect a non-negative number, but got {r}")
    if r == 0:
        return input.new_empty(0)
    index = np.indices((len(input),) * r).reshape(r, -1)
    keep = ((index[:-1] <= index[1:]) if with_replacement else (index[:-1] < index[1:])).all(0)
    chosen = index[:, keep].T
    return input[from_array(np.ascontiguousarray(chosen)).to(input.device)]


@public("Tensor", out=False)
def fill_diagonal_(self, fill_value, wrap=False):
    """fill_diagonal_(fill_value, wrap=False) -> Tensor

    The main diagonal set to a number, in place.

    With ``wrap``, the diagonal of a tall matrix starts again after each block of columns.

    >>> torch.zeros(2, 2).fill_diagonal_(5)
    tensor([[5., 0.],
            [0., 5.]])
    """
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
