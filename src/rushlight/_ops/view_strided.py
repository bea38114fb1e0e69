"""Views whose strides are new: diagonal, unfold, as_strided."""

from typing import Any

import numpy as np

from rushlight._core import gpu, storage
from rushlight._core.op import Meta, Op, View
from rushlight._core.shape import wrap_dim
from rushlight._ops.view import strided


class Diagonal(View):
    """diagonal(input, offset=0, dim1=0, dim2=1) -> Tensor

    The diagonal of two dimensions, as the last dimension.

    >>> torch.arange(4).view(2, 2).diagonal()
    tensor([0, 3])
    """

    def forward(xp, x, offset=0, dim1=0, dim2=1):
        a, b = wrap_dim(dim1, x.ndim), wrap_dim(dim2, x.ndim)
        if a == b:
            raise RuntimeError(f"diagonal dimensions cannot be identical {dim1}, {dim2}")
        r = x.diagonal(offset, a, b)
        gpu.make_writeable(r)
        return r

    def vjp(g: Any, input: Meta, offset, dim1, dim2):
        return DiagonalScatter.call(g, input.shape, offset, dim1, dim2)


class DiagonalScatter(Op):
    """Zeros with a diagonal: the gradient of ``diagonal``."""

    name = "diagonal_backward"
    public = ()
    linear = True
    half = "native"

    def forward(xp, x, shape, offset, dim1, dim2):
        out = xp.zeros(shape, x.dtype)
        d = out.diagonal(offset, dim1, dim2)
        gpu.make_writeable(d)
        d[...] = x
        return out

    def vjp(g, offset, dim1, dim2):
        return g.diagonal(offset, dim1, dim2)


class Unfold(View):
    """unfold(dimension, size, step) -> Tensor

    All windows of ``size`` along a dimension, as a new last dimension.

    >>> torch.arange(5).unfold(0, 3, 1)
    tensor([[0, 1, 2],
            [1, 2, 3],
            [2, 3, 4]])
    """

    public = ("Tensor",)

    def forward(xp, x, dimension, size, step):
        at = wrap_dim(dimension, x.ndim)
        length = x.shape[at] if x.ndim else 1
        if size > length:
            raise RuntimeError(
                f"maximum size for tensor at dimension {at} is {length} but size is {size}"
            )
        if step <= 0:
            raise RuntimeError(f"step is {step} but must be > 0")
        if x.ndim == 0:
            return strided(x, (size,), (x.itemsize,))
        shape, strides = list(x.shape), list(x.strides)
        shape[at] = (length - size) // step + 1
        strides[at] *= step
        return strided(x, (*shape, size), (*strides, x.strides[at]))

    def vjp(g: Any, input: Meta, dimension, size, step):
        return UnfoldBackward.call(g, input.shape, dimension, size, step)


class UnfoldBackward(Op):
    """Windows summed back into place."""

    public = ()
    linear = True

    def forward(xp, x, shape, dimension, size, step):
        out = xp.zeros(shape, x.dtype)
        if not shape:
            return x.sum().reshape(())
        at = dimension % len(shape)
        count = x.shape[at]
        for k in range(size):
            place = [slice(None)] * len(shape)
            place[at] = slice(k, k + (count - 1) * step + 1, step)
            out[tuple(place)] += x[..., k]
        return out

    def vjp(g, dimension, size, step):
        return g.unfold(dimension, size, step)


class AsStrided(View):
    """as_strided(input, size, stride, storage_offset=None) -> Tensor

    A view of the underlying storage with any shape, strides and offset (in elements).

    >>> torch.arange(5).as_strided((2, 2), (1, 2))
    tensor([[0, 2],
            [1, 3]])
    """

    def forward(xp, x, size, stride, storage_offset=None):
        item = x.itemsize
        if (  # the whole of a memory that is laid out row by row
            type(x) is np.ndarray
            and x.base is None
            and x.flags.c_contiguous
            and len(size) == len(stride)
            and min(size, default=1) > 0
            and min(stride, default=0) >= 0
        ):
            start = storage_offset or 0
            last = start + sum([(n - 1) * s for n, s in zip(size, stride, strict=True)])
            if start >= 0 and last < x.size:
                return np.ndarray(size, x.dtype, x, start * item, [s * item for s in stride])
        root, here = storage.storage_of(x)
        offset = here if storage_offset is None else storage_offset
        if len(size) != len(stride):
            raise RuntimeError(
                f"mismatch in length of strides and shape: {len(stride)} and {len(size)}"
            )
        if any(s < 0 for s in stride):
            raise RuntimeError(
                "as_strided: Negative strides are not supported at the moment, got strides: "
                f"{list(stride)}"
            )
        if 0 in size:
            return gpu.made_beside(x, "empty", size, x.dtype)
        memory = storage.memory_of(root)
        needed = (offset + sum((n - 1) * s for n, s in zip(size, stride, strict=True)) + 1) * item
        if needed > memory.size:
            raise RuntimeError(
                f"setStorage: sizes {list(size)}, strides {list(stride)}, storage offset "
                f"{offset}, and itemsize "
                f"{item} requiring a storage size of {needed} are out of bounds for storage of "
                f"size {memory.size}"
            )
        return storage.look_at(memory, size, x.dtype, offset * item, [s * item for s in stride])

    def vjp(g, input, size, stride, storage_offset):
        here = input.storage_offset()
        offset = here if storage_offset is None else storage_offset
        return AsStridedBackward.call(g, input.shape, input.stride(), here, size, stride, offset)


class AsStridedBackward(Op):
    """A gradient summed into the storage where an as_strided view looked, then read where the input
    looks.
    """

    public = ()
    linear = True

    def forward(xp, x, shape, steps, here, size, stride, offset):
        low = min(here, offset)
        read, wrote = cells(shape, steps, here - low), cells(size, stride, offset - low)
        memory = xp.zeros(max(read.max(initial=0), wrote.max(initial=0)) + 1, x.dtype)
        xp.add.at(memory, xp.asarray(wrote.ravel()), x.ravel())
        return memory[xp.asarray(read)]

    def vjp(g, shape, steps, here, size, stride, offset):
        return AsStridedBackward.call(g, size, stride, offset, shape, steps, here)


def cells(size, stride, offset):
    """The places in a storage, in elements, of a strided layout."""
    at = np.full((), offset)
    for n, s in zip(size, stride, strict=True):
        at = at[..., None] + np.arange(n) * s
    return at
