"""Views: other looks at the same memory. Their gradients are views too, or scatter into zeros."""

import numpy as np

from rushlight._core import dtypes, errors, inplace, storage
from rushlight._core.op import PUBLIC, Meta, Op, View, public
from rushlight._core.shape import infer_shape, wrap_dim, wrap_dims
from rushlight._core.state import S
from rushlight._core.tensor import PLAIN, Leaf, Tensor, live_node


def strided(x, shape, strides):
    """An array view with these strides in bytes, from the start of ``x``.

    Through the array constructor over the memory that ``x`` is part of: ten times faster than NumPy's as_strided,
    and the chain of bases stays one of arrays.
    """
    if not x.size or 0 in shape:
        return np.lib.stride_tricks.as_strided(x, shape, strides)
    if x.flags.c_contiguous:
        return np.ndarray(shape, x.dtype, x, 0, strides)
    root, offset = storage.storage_of(x)
    return np.ndarray(shape, x.dtype, storage.memory_of(root), offset * x.itemsize, strides)


class View_(View):
    """view(*shape) -> Tensor

    The same memory in another shape; RuntimeError where that needs a copy.

    >>> torch.arange(6).view(2, 3)
    tensor([[0, 1, 2],
            [3, 4, 5]])
    """

    name = "view"
    grad_name = "ViewBackward0"
    public = ()
    varargs = True

    def forward(xp, x, shape):
        if type(shape) is int:
            shape = (shape,)
        try:
            return x.reshape(shape, copy=False)
        except (ValueError, TypeError):
            shape = infer_shape(tuple(shape), x.size)
            try:
                return x.reshape(shape, copy=False)
            except ValueError:
                raise RuntimeError(
                    "view size is not compatible with input tensor's size and stride (at least one dimension "
                    "spans across two contiguous subspaces). Use .reshape(...) instead."
                ) from None

    def vjp(g, input: Meta):
        return g.reshape(input.shape)


@public("Tensor", out=False)
def view(self, *shape, dtype=None):
    """view(*shape) or view(dtype) -> Tensor

    The same memory in another shape, or its bytes as another dtype.

    >>> torch.arange(6).view(2, -1).shape
    torch.Size([2, 3])
    """
    if type(self) in PLAIN and not S.special and dtype is None:
        x = self._data
        if x.flags.c_contiguous:  # then a reshape cannot copy
            try:
                return View_.finish_view(self, x, x.reshape(shape), (shape,))
            except (ValueError, TypeError):
                pass
    if dtype is not None or (len(shape) == 1 and isinstance(shape[0], dtypes.dtype)):
        return ViewDtype.call(self, dtype or shape[0])
    if len(shape) == 1 and type(shape[0]) is not int:
        shape = shape[0]
    return View_.call(self, shape)


class ViewDtype(View):
    """The bytes of a tensor as another dtype."""

    name = "view_dtype"
    public = ()
    differentiable = False  # reinterpreted bytes have no derivative

    def forward(xp, x, dtype):
        target = dtype.numpy
        if target.itemsize != x.dtype.itemsize and (
            not x.ndim or x.strides[-1] != x.dtype.itemsize
        ):
            raise RuntimeError(
                "self.stride(-1) must be 1 to view a tensor as a dtype of another size"
            )
        return x.view(target)


class Reshape(View_):
    """reshape(input, shape) -> Tensor

    The same elements in another shape: a view where that is possible, else a copy.

    >>> torch.arange(4.0).reshape(2, 2)
    tensor([[0., 1.],
            [2., 3.]])
    """

    name = "reshape"
    grad_name = "ViewBackward0"
    public = ("torch", "Tensor")
    varargs = True

    def forward(xp, x, shape):
        try:
            return x.reshape(shape)
        except (ValueError, TypeError):
            return x.reshape(infer_shape((shape,) if type(shape) is int else tuple(shape), x.size))


class UnsafeView(Reshape):
    """A reshape whose node prints as PyTorch prints it after a batched product."""

    public = ()
    grad_name = "UnsafeViewBackward0"


@public("Tensor", out=False)
def view_as(self, other):
    """view_as(other) -> Tensor: ``self.view(other.size())``."""
    return View_.call(self, other.shape)


@public("Tensor", out=False)
def reshape_as(self, other):
    """reshape_as(other) -> Tensor: ``self.reshape(other.size())``."""
    return Reshape.call(self, other.shape)


class Permute(View):
    """permute(input, dims) -> Tensor

    The dimensions in another order.

    >>> torch.zeros(2, 3, 5).permute(2, 0, 1).shape
    torch.Size([5, 2, 3])
    """

    varargs = True

    def forward(xp, x, dims):
        if len(dims) != x.ndim:
            raise RuntimeError(
                f"permute(sparse_coo): number of dimensions in the tensor input does not match the length of the "
                f"desired ordering of dimensions i.e. input.dim() = {x.ndim} is not equal to len(dims) = {len(dims)}"
            )
        wrapped = [wrap_dim(d, x.ndim) for d in dims]
        if len(set(wrapped)) != len(wrapped):
            raise RuntimeError("permute(): duplicate dims are not allowed.")
        return x.transpose(wrapped)

    def vjp(g, dims):
        n = len(dims)
        back = sorted(range(n), key=lambda i: dims[i] % n)
        return g.permute(back)


class Transpose(View):
    """transpose(input, dim0, dim1) -> Tensor

    Two dimensions exchanged.

    >>> torch.zeros(2, 3).transpose(0, 1).shape
    torch.Size([3, 2])
    """

    aliases = ("swapaxes", "swapdims")

    def forward(xp, x, dim0, dim1):
        if x.ndim == 0:
            wrap_dim(dim0, 0), wrap_dim(dim1, 0)
            return x.view()
        return x.swapaxes(dim0, dim1)

    def vjp(g, dim0, dim1):
        return g.transpose(dim0, dim1)


class T(View):
    """t(input) -> Tensor

    The transpose of a matrix; tensors of fewer dimensions come back as they are.

    >>> torch.zeros(2, 3).t().shape
    torch.Size([3, 2])
    """

    name = "t"

    def forward(xp, x):
        if x.ndim > 2:
            raise RuntimeError(f"t() expects a tensor with <= 2 dimensions, but self is {x.ndim}D")
        return x.T if x.ndim == 2 else x.view()

    def vjp(g):
        return g.t()


@public("torch", "Tensor", out=False)
def adjoint(input):
    """adjoint(input) -> Tensor: the conjugate, with the last two dimensions exchanged."""
    return input.transpose(-2, -1).conj()


@public("torch", "Tensor", out=False, aliases=("moveaxis",))
def movedim(input, source, destination):
    """movedim(input, source, destination) -> Tensor

    Move dimensions to other places; the rest keep their order.

    >>> torch.zeros(2, 3, 5).movedim(0, -1).shape
    torch.Size([3, 5, 2])
    """
    src, dst = wrap_dims(source, input.ndim), wrap_dims(destination, input.ndim)
    source_, destination_ = (source,) if isinstance(source, int) else source, destination
    if isinstance(source, int) != isinstance(destination, int) or len(src) != len(dst):
        raise RuntimeError(
            f"movedim: Invalid source or destination dims: source ({list(source_)} dims) should contain the same "
            f"number of dims as destination ({destination_} dims)"
        )
    rest = [d for d in range(input.ndim) if d not in src]
    order = dict(zip(dst, src, strict=True))
    left = iter(rest)
    return input.permute([order[d] if d in order else next(left) for d in range(input.ndim)])


class Expand(View):
    """expand(*sizes) -> Tensor

    Dimensions of size 1 repeated without copying; -1 keeps a dimension.

    >>> torch.tensor([[1], [2]]).expand(2, 3)
    tensor([[1, 1, 1],
            [2, 2, 2]])
    """

    public = ()
    varargs = True

    def forward(xp, x, size):
        lead = len(size) - x.ndim
        if lead < 0:
            raise RuntimeError(
                f"expand({_type_text(x)}{{{list(x.shape)}}}, size={list(size)}): the number of sizes provided "
                f"({len(size)}) must be greater or equal to the number of dimensions in the tensor ({x.ndim})"
            )
        shape, strides = [], []
        for i, s in enumerate(size):
            have = x.shape[i - lead] if i >= lead else 1
            if s == -1:
                if i < lead:
                    raise RuntimeError(
                        f"The expanded size of the tensor (-1) isn't allowed in a leading, non-existing dimension {i}"
                    )
                s = have
            if have != s and have != 1:
                raise RuntimeError(
                    f"The expanded size of the tensor ({s}) must match the existing size ({have}) at non-singleton "
                    f"dimension {i}.  Target sizes: {list(size)}.  Tensor sizes: {list(x.shape)}"
                )
            shape.append(s)
            strides.append(x.strides[i - lead] if i >= lead and have == s else 0)
        return strided(x, shape, strides)

    def vjp(g):
        return g  # the engine sums a gradient down to its input's shape


def _type_text(x):
    return f"torch.{x.dtype}"


@public("Tensor", out=False)
def expand(self, *size, implicit=False):
    """expand(*sizes) -> Tensor

    Dimensions of size 1 repeated without copying; -1 keeps a dimension.

    >>> torch.tensor([[1], [2]]).expand(2, 3)
    tensor([[1, 1, 1],
            [2, 2, 2]])
    """
    if len(size) == 1 and not isinstance(size[0], int):
        size = size[0]
    return Expand.call(self, tuple(size))


@public("Tensor", out=False)
def expand_as(self, other):
    """expand_as(other) -> Tensor: ``self.expand(other.size())``."""
    return Expand.call(self, tuple(other.shape))


@public("torch", "Tensor", out=False)
def broadcast_to(input, size):
    """broadcast_to(input, shape) -> Tensor: ``input.expand(shape)``."""
    return Expand.call(input, tuple(size))


class Squeeze(View):
    """squeeze(input, dim=None) -> Tensor

    Without the dimensions of size 1 (or only those named, if their size is 1).

    >>> torch.zeros(2, 1, 3, 1).squeeze().shape
    torch.Size([2, 3])
    """

    def grad_name(node):
        return "SqueezeBackward0" if node.params[0] is None else "SqueezeBackward1"

    def forward(xp, x, dim=None):
        dims = wrap_dims(dim, x.ndim)
        shape = [
            (s, st)
            for i, (s, st) in enumerate(zip(x.shape, x.strides, strict=True))
            if i not in dims or s != 1
        ]
        return x.reshape([s for s, _ in shape])

    def vjp(g, input: Meta):
        return g.reshape(input.shape)


class Unsqueeze(View):
    """unsqueeze(input, dim) -> Tensor

    With a dimension of size 1 put in at ``dim``.

    >>> torch.zeros(3).unsqueeze(1).shape
    torch.Size([3, 1])
    """

    def forward(xp, x, dim):
        at = wrap_dim(dim, x.ndim + 1)
        return x[(slice(None),) * at + (None, Ellipsis)]

    def vjp(g, dim):
        return g.squeeze(dim)


@public("torch", "Tensor", out=False)
def flatten(input, start_dim=0, end_dim=-1):
    """flatten(input, start_dim=0, end_dim=-1) -> Tensor

    Dimensions from ``start_dim`` to ``end_dim`` joined into one.

    >>> torch.zeros(2, 3, 5).flatten(1).shape
    torch.Size([2, 15])
    """
    n = input.ndim
    start, end = wrap_dim(start_dim, n), wrap_dim(end_dim, n)
    if start > end:
        raise RuntimeError("flatten() has invalid args: start_dim cannot come after end_dim")
    if n == 0:
        return input.reshape(1)
    if start == end:
        return input
    shape = input._data.shape
    size = 1
    for s in shape[start : end + 1]:
        size *= s
    return Reshape.call(input, (*shape[:start], size, *shape[end + 1 :]))


@public("torch", "Tensor", out=False)
def ravel(input):
    """ravel(input) -> Tensor: all elements in one dimension."""
    return input.reshape(-1)


@public("torch", "Tensor", out=False)
def unflatten(input, dim, sizes):
    """unflatten(input, dim, sizes) -> Tensor

    One dimension taken apart into several.

    >>> torch.zeros(3, 4).unflatten(1, (2, 2)).shape
    torch.Size([3, 2, 2])
    """
    at = wrap_dim(dim, input.ndim)
    if not len(sizes):
        raise RuntimeError("unflatten: sizes must be non-empty")
    try:
        sizes = infer_shape(tuple(sizes), input.shape[at])
    except RuntimeError:
        raise RuntimeError(
            f"unflatten: Provided sizes {list(sizes)} don't multiply up to the size of dim {at} "
            f"({input.shape[at]}) in the input tensor"
        ) from None
    shape = input.shape
    return View_.call(input, (*shape[:at], *sizes, *shape[at + 1 :]))


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
        r.flags.writeable = x.flags.writeable
        return r

    def vjp(g, input: Meta, offset, dim1, dim2):
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
        d.flags.writeable = True
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

    def vjp(g, input: Meta, dimension, size, step):
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
        root, here = storage.storage_of(x)
        offset = here if storage_offset is None else storage_offset
        if len(size) != len(stride):
            raise RuntimeError(
                f"mismatch in length of strides and shape: {len(stride)} and {len(size)}"
            )
        if any(s < 0 for s in stride):
            raise RuntimeError(
                f"as_strided: Negative strides are not supported at the moment, got strides: {list(stride)}"
            )
        if 0 in size:
            return np.empty(size, x.dtype)
        memory = storage.memory_of(root)
        needed = (offset + sum((n - 1) * s for n, s in zip(size, stride, strict=True)) + 1) * item
        if needed > memory.size:
            raise RuntimeError(
                f"setStorage: sizes {list(size)}, strides {list(stride)}, storage offset {offset}, and itemsize "
                f"{item} requiring a storage size of {needed} are out of bounds for storage of size {memory.size}"
            )
        return np.ndarray(size, x.dtype, memory, offset * item, [s * item for s in stride])

    def vjp(g, input, size, stride, storage_offset):
        here = input.storage_offset()
        offset = here if storage_offset is None else storage_offset
        return AsStridedBackward.call(g, input.shape, input.stride(), here, size, stride, offset)


class AsStridedBackward(Op):
    """A gradient summed into the storage where an as_strided view looked, then read where the input looks."""

    public = ()
    linear = True

    def forward(xp, x, shape, steps, here, size, stride, offset):
        low = min(here, offset)
        read, wrote = cells(shape, steps, here - low), cells(size, stride, offset - low)
        memory = np.zeros(max(read.max(initial=0), wrote.max(initial=0)) + 1, x.dtype)
        np.add.at(memory, wrote.ravel(), x.ravel())
        return memory[read]

    def vjp(g, shape, steps, here, size, stride, offset):
        return AsStridedBackward.call(g, size, stride, offset, shape, steps, here)


def cells(size, stride, offset):
    """The places in a storage, in elements, of a strided layout."""
    at = np.full((), offset)
    for n, s in zip(size, stride, strict=True):
        at = at[..., None] + np.arange(n) * s
    return at


class Alias(View):
    """Another tensor on the same memory, with history: ``view_as(self)``."""

    public = ()

    def forward(xp, x):
        return x.view()

    def vjp(g):
        return g


@public("torch")
def alias_copy(input):
    """alias_copy(input, *, out=None) -> Tensor: a copy."""
    return input.clone()


# ---- pieces ----------------------------------------------------------------------------------------


@public("torch", "Tensor", out=False)
def narrow(input, dim, start, length):
    """narrow(input, dim, start, length) -> Tensor

    ``length`` slices of a dimension from ``start`` on.

    >>> torch.arange(6).narrow(0, 2, 3)
    tensor([2, 3, 4])
    """
    if input.ndim == 0:
        raise RuntimeError("narrow() cannot be applied to a 0-dim tensor.")
    at, size = wrap_dim(dim, input.ndim), input.shape[wrap_dim(dim, input.ndim)]
    start = int(start)
    if length < 0:
        raise RuntimeError("narrow(): length must be non-negative.")
    if not -size <= start <= size:
        raise IndexError(
            f"start out of range (expected to be in range of [{-size}, {size}], but got {start})"
        )
    start = start + size if start < 0 else start
    if start + length > size:
        raise RuntimeError(f"start ({start}) + length ({length}) exceeds dimension size ({size}).")
    return input[(slice(None),) * at + (slice(start, start + length),)]


@public("torch", "Tensor", out=False)
def split(tensor, split_size_or_sections, dim=0):
    """split(tensor, split_size_or_sections, dim=0) -> tuple of Tensors

    Pieces of one size (the last may be smaller), or of the sizes given.

    >>> [p.tolist() for p in torch.arange(5).split(2)]
    [[0, 1], [2, 3], [4]]
    """
    if tensor.ndim == 0:
        raise RuntimeError("split expects at least a 1-dimensional tensor")
    at = wrap_dim(dim, tensor.ndim)
    length = tensor.shape[at]
    if isinstance(split_size_or_sections, int):
        size = split_size_or_sections
        if size < 0:
            raise RuntimeError(
                f"split expects split_size be non-negative, but got split_size={size}"
            )
        if size == 0 and length:
            raise RuntimeError(
                f"split_size can only be 0 if dimension size is 0, but got dimension size of {length}"
            )
        count = max(1, -(-length // size)) if size else 1
        sections = [min(size, length - i * size) for i in range(count)]
    else:
        sections = [int(s) for s in split_size_or_sections]
        if sum(sections) != length or any(s < 0 for s in sections):
            raise RuntimeError(
                f"split_with_sizes expects split_sizes to sum exactly to {length} (input tensor's size at "
                f"dimension {at}), but got split_sizes={sections}"
            )
    return pieces(tensor, at, sections)


def pieces(tensor, at, sections):
    """Consecutive stretches of dimension ``at``."""
    lead, start, result = (slice(None),) * at, 0, []
    for s in sections:
        result.append(tensor[(*lead, slice(start, start + s))])
        start += s
    return tuple(result)


@public("torch", "Tensor", out=False)
def unsafe_split(input, split_size, dim=0):
    """unsafe_split(input, split_size, dim=0) -> tuple of Tensors: ``split``; the pieces may be written to."""
    return split(input, split_size, dim)


@public("torch", "Tensor", out=False)
def unsafe_chunk(input, chunks, dim=0):
    """unsafe_chunk(input, chunks, dim=0) -> tuple of Tensors: ``chunk``; the pieces may be written to."""
    return chunk(input, chunks, dim)


@public("torch", "Tensor", out=False)
def unsafe_split_with_sizes(input, split_sizes, dim=0):
    """unsafe_split_with_sizes(input, split_sizes, dim=0) -> tuple of Tensors: pieces of these sizes."""
    return split(input, list(split_sizes), dim)


@public("torch", "Tensor", out=False)
def split_with_sizes(input, split_sizes, dim=0):
    """split_with_sizes(input, split_sizes, dim=0) -> tuple of Tensors: pieces of these sizes."""
    return split(input, list(split_sizes), dim)


@public("torch", "Tensor", out=False)
def chunk(input, chunks, dim=0):
    """chunk(input, chunks, dim=0) -> tuple of Tensors

    At most ``chunks`` pieces of equal size (the last may be smaller).

    >>> [p.tolist() for p in torch.arange(5).chunk(2)]
    [[0, 1, 2], [3, 4]]
    """
    if input.ndim == 0:
        raise RuntimeError("chunk expects at least a 1-dimensional tensor")
    if chunks <= 0:
        raise RuntimeError(f"chunk expects `chunks` to be greater than 0, got: {chunks}")
    at = wrap_dim(dim, input.ndim)
    size = -(-input.shape[at] // chunks)
    return pieces(input, at, [0] * chunks) if size == 0 else split(input, size, at)


@public("torch", "Tensor", out=False)
def tensor_split(input, indices_or_sections, dim=0):
    """tensor_split(input, indices_or_sections, dim=0) -> tuple of Tensors

    Pieces cut at indices, or a number of nearly equal pieces.

    >>> [p.tolist() for p in torch.arange(5).tensor_split(3)]
    [[0, 1], [2, 3], [4]]
    """
    if input.ndim == 0:
        raise RuntimeError(
            "tensor_split expected at least a 1-dimensional tensor, but got a tensor with 0 dims"
        )
    at = wrap_dim(dim, input.ndim)
    length = input.shape[at]
    if isinstance(indices_or_sections, Tensor):
        if indices_or_sections.dtype is not dtypes.int64 or indices_or_sections.ndim > 1:
            raise RuntimeError(
                "tensor_split expected tensor_indices_or_sections to be a zero-dimensional or one-dimensional "
                f"tensor of dtype int64, but got a tensor with {indices_or_sections.ndim} dims"
                if indices_or_sections.ndim > 1
                else "tensor_split expected tensor_indices_or_sections to have dtype of long, but got "
                f"{dtypes.scalar_name(indices_or_sections.dtype)}"
            )
        indices_or_sections = indices_or_sections.tolist()
    if isinstance(indices_or_sections, int):
        n = indices_or_sections
        if n <= 0:
            raise RuntimeError(f"number of sections must be larger than 0, got {n}")
        sections = [length // n + (i < length % n) for i in range(n)]
        return pieces(input, at, sections)
    bounds = [*indices_or_sections, length]
    lead, start, result = (slice(None),) * at, 0, []
    for b in bounds:
        result.append(input[(*lead, slice(start, b))])
        start = b
    return tuple(result)


def _nd_split(name, input, sections, dim, least):
    if input.ndim < least:
        raise RuntimeError(
            f"torch.{name} requires a tensor with at least {least} dimension{'s' if least > 1 else ''}, "
            f"but got a tensor with {input.ndim} dimensions!"
        )
    if isinstance(sections, int):
        size = input.shape[dim]
        if sections <= 0 or size % sections:
            raise RuntimeError(
                f"torch.{name} attempted to split along dimension {dim}, but the size of the dimension {size} is "
                f"not divisible by the split_size {sections}!"
            )
    return tensor_split(input, sections, dim)


@public("torch", "Tensor", out=False)
def hsplit(input, indices_or_sections):
    """hsplit(input, indices_or_sections) -> tuple of Tensors: tensor_split by columns."""
    return _nd_split("hsplit", input, indices_or_sections, 0 if input.ndim == 1 else 1, 1)


@public("torch", "Tensor", out=False)
def vsplit(input, indices_or_sections):
    """vsplit(input, indices_or_sections) -> tuple of Tensors: tensor_split by rows."""
    return _nd_split("vsplit", input, indices_or_sections, 0, 2)


@public("torch", "Tensor", out=False)
def dsplit(input, indices_or_sections):
    """dsplit(input, indices_or_sections) -> tuple of Tensors: tensor_split by depth."""
    return _nd_split("dsplit", input, indices_or_sections, 2, 3)


@public("torch", "Tensor", out=False)
def unbind(input, dim=0):
    """unbind(input, dim=0) -> tuple of Tensors

    All slices along a dimension.

    >>> torch.arange(3).unbind()
    (tensor(0), tensor(1), tensor(2))
    """
    if input.ndim == 0:
        wrap_dim(dim, 0)
        raise RuntimeError("Dimension specified as 0 but tensor has no dimensions")
    at = wrap_dim(dim, input.ndim)
    lead = (slice(None),) * at
    return tuple([input[(*lead, i)] for i in range(input.shape[at])])


# ---- attributes ------------------------------------------------------------------------------------


def _transposed(self):
    """The dimensions in reverse order."""
    return self.t() if self._data.ndim <= 2 else self.permute(tuple(range(self._data.ndim))[::-1])


def _matrix_transposed(self):
    """The last two dimensions exchanged."""
    if self._data.ndim < 2:
        raise RuntimeError(
            f"tensor.mT is only supported on matrices or batches of matrices. Got {self._data.ndim}-D tensor."
        )
    return self.transpose(-2, -1)


def _conjugate_transposed(self):
    """The conjugate transpose of a matrix."""
    if self._data.ndim not in (0, 2):
        raise RuntimeError(
            f"tensor.H is only supported on matrices (2-D tensors). Got {self._data.ndim}-D tensor."
        )
    return self.t().conj()


def _matrix_conjugate_transposed(self):
    """The conjugate, with the last two dimensions exchanged."""
    return _matrix_transposed(self).conj()


Tensor.T = property(_transposed)
Tensor.mT = property(_matrix_transposed)
Tensor.H = property(_conjugate_transposed)
Tensor.mH = property(_matrix_conjugate_transposed)


# ---- derived: copies of views, and views in place ----------------------------------------------------


def _copying(name):
    """``X_copy``: what the view X shows, as a tensor of its own."""
    view = PUBLIC["Tensor"][name]

    def call(*args, **kw):
        result = view(*args, **kw)
        return tuple([r.clone() for r in result]) if type(result) is tuple else result.clone()

    call.__name__ = call.__qualname__ = f"{name}_copy"
    call.__doc__ = f"{name}_copy(...) -> Tensor: a copy of ``{name}(...)``."
    public("torch")(call)


for _name in (
    "as_strided", "diagonal", "expand", "narrow", "permute", "split", "split_with_sizes", "squeeze", "t", "transpose",
    "unbind", "unfold", "unsqueeze", "view",
):  # fmt: skip
    _copying(_name)


def _restriding(name):
    """``X_`` of a view: the tensor itself gets the shape and strides that X would give."""
    view = PUBLIC["Tensor"][name]

    def call(self, *args, **kw):
        if type(live_node(self)) is Leaf:
            raise errors.leaf_in_place(view=False)
        result = view(self, *args, **kw)
        self._data, self._node, self._view = result._data, result._node, None
        inplace.bump(self)
        return self

    call.__name__ = call.__qualname__ = f"{name}_"
    call.__doc__ = f"{name}_(...) -> Tensor: in-place form of ``{name}``."
    public("Tensor", out=False)(call)


for _name in (
    "as_strided", "squeeze", "swapaxes", "swapdims", "t", "transpose", "unsqueeze",
):  # fmt: skip
    _restriding(_name)
