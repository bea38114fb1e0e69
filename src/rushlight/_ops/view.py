"""Views: other looks at the same memory. Their gradients are views too, or scatter into zeros."""

from typing import Any

import numpy as np

from rushlight._core import dtypes, fronts, gpu, storage
from rushlight._core.methods import element_strides
from rushlight._core.op import PUBLIC, Meta, View, public
from rushlight._core.shape import infer_shape, wrap_dim, wrap_dims
from rushlight._core.state import S
from rushlight._core.tensor import PLAIN


def strided(x, shape, strides):
    """An array view with these strides in bytes, from the start of ``x``.

    Through the array constructor over the memory that ``x`` is part of: ten times faster than
    NumPy's as_strided,
    and the chain of bases stays one of arrays.
    """
    if type(x) is not np.ndarray or not x.size or 0 in shape:
        return gpu.strided(x, shape, strides)
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
    public: tuple[str, ...] = ()
    varargs = True

    def forward(xp, x, shape):
        if type(shape) is int:
            shape = (shape,)
        try:
            result = x.reshape(shape, copy=False)
            if result.shape == shape or min(shape) == -1:
                return result
        except (ValueError, TypeError):
            pass
        shape = infer_shape(tuple(shape), x.size)  # NumPy takes any negative size for -1
        try:
            return x.reshape(shape, copy=False)
        except ValueError:
            raise RuntimeError(
                "view size is not compatible with input tensor's size and stride (at least "
                "one dimension "
                "spans across two contiguous subspaces). Use .reshape(...) instead."
            ) from None

    def vjp(g: Any, input: Meta):
        return g.reshape(input.shape)


@public("Tensor", out=False)
@fronts.before(View_, "view", "reshape")
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
                result = x.reshape(shape)
                if result.shape == shape or min(shape) == -1:  # NumPy takes -2 for -1
                    return View_.finish_view(self, x, result, (shape,))
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
        if target.itemsize == x.dtype.itemsize:
            return x.view(target)
        _check_other_size(x, dtype)
        if x.size:
            return x.view(target)
        last = x.shape[-1] * x.dtype.itemsize // target.itemsize
        return gpu.made_beside(x, "empty", (*x.shape[:-1], last), target)


def _check_other_size(x, dtype):
    """RuntimeError unless the elements of ``x`` can be split or joined into those of ``dtype``."""
    old = dtypes.BY_NUMPY[x.dtype]
    what = (
        f"to view {dtypes.scalar_name(old)} as {dtypes.scalar_name(dtype)} "
        "(different element sizes)"
    )
    if not x.ndim:
        raise RuntimeError(f"self.dim() cannot be 0 {what}")
    strides = element_strides(x)
    ratio = dtype.itemsize // old.itemsize  # 0: they are split, which any offset allows
    if ratio:
        numbers = [("size(-1)", x.shape[-1]), ("storage_offset()", storage.storage_of(x)[1])]
        _check_divisible(numbers, ratio, what)
    if strides[-1] != 1:
        raise RuntimeError(f"self.stride(-1) must be 1 {what}, but got {strides[-1]}")
    if ratio:
        _check_divisible([(f"stride({i})", s) for i, s in enumerate(strides[:-1])], ratio, what)


def _check_divisible(numbers, ratio, what):
    for name, number in numbers:
        if number % ratio:
            raise RuntimeError(f"self.{name} must be divisible by {ratio} {what}, but got {number}")


class Reshape(View_):
    """reshape(input, shape) -> Tensor

    The same elements in another shape: a view where that is possible, else a copy.

    >>> torch.arange(4.0).reshape(2, 2)
    tensor([[0., 1.],
            [2., 3.]])
    """

    name = "reshape"
    grad_name = "ViewBackward0"
    public: tuple[str, ...] = ("torch", "Tensor")
    varargs = True

    def forward(xp, x, shape):
        try:
            result = x.reshape(shape)
            if result.shape == shape or (type(shape) is tuple and min(shape) == -1):
                return result
        except (ValueError, TypeError):
            pass
        # NumPy takes any negative size for -1.
        return x.reshape(infer_shape((shape,) if type(shape) is int else tuple(shape), x.size))


@public("Tensor", out=False)
def view_as(self, other):
    """view_as(other) -> Tensor

    ``self.view(other.size())``.

    >>> torch.arange(4).view_as(torch.ones(2, 2))
    tensor([[0, 1],
            [2, 3]])
    """
    return View_.call(self, other.shape)


@public("Tensor", out=False)
def reshape_as(self, other):
    """reshape_as(other) -> Tensor

    ``self.reshape(other.size())``.

    >>> torch.arange(4).reshape_as(torch.ones(2, 2))
    tensor([[0, 1],
            [2, 3]])
    """
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
                "permute(sparse_coo): number of dimensions in the tensor input does not match "
                "the length of the "
                f"desired ordering of dimensions i.e. input.dim() = {x.ndim} is not equal to "
                f"len(dims) = {len(dims)}"
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


def moved(name, dims, ndim):
    """The dims of one side of ``movedim``, counted from the front."""
    dims = (dims,) if isinstance(dims, int) else tuple(dims)
    wrapped = tuple([wrap_dim(d, ndim) for d in dims])
    if len(set(wrapped)) != len(wrapped):
        raise RuntimeError(f"movedim: repeated dim in `{name}` ({list(dims)})")
    return wrapped


@public("torch", "Tensor", out=False, aliases=("moveaxis",))
def movedim(input, source, destination):
    """movedim(input, source, destination) -> Tensor

    Move dimensions to other places; the rest keep their order.

    >>> torch.zeros(2, 3, 5).movedim(0, -1).shape
    torch.Size([3, 5, 2])
    """
    if type(source) is int and type(destination) is int:
        n = input._data.ndim
        order = list(range(n or 1))
        order.insert(wrap_dim(destination, n), order.pop(wrap_dim(source, n)))
        return Permute.call(input, tuple(order[:n]))
    src, dst = moved("source", source, input.ndim), moved("destination", destination, input.ndim)
    source_ = (source,) if isinstance(source, int) else source
    to = (destination,) if isinstance(destination, int) else destination
    if isinstance(source, int) != isinstance(destination, int) or len(src) != len(dst):
        raise RuntimeError(
            f"movedim: Invalid source or destination dims: source ({list(source_)} dims) should "
            f"contain the same number of dims as destination ({list(to)} dims)"
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
                f"expand({_type_text(x)}{{{list(x.shape)}}}, size={list(size)}): the number of "
                "sizes provided "
                f"({len(size)}) must be greater or equal to the number of dimensions in the "
                f"tensor ({x.ndim})"
            )
        shape, strides = [], []
        for i, s in enumerate(size):
            have = x.shape[i - lead] if i >= lead else 1
            if s == -1:
                if i < lead:
                    raise RuntimeError(
                        "The expanded size of the tensor (-1) isn't allowed in a leading, "
                        f"non-existing dimension {i}"
                    )
                s = have
            if have != s and have != 1:
                raise RuntimeError(
                    f"The expanded size of the tensor ({s}) must match the existing size ({have}) "
                    "at non-singleton "
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
    """expand_as(other) -> Tensor

    ``self.expand(other.size())``.

    >>> torch.tensor([1, 2]).expand_as(torch.ones(2, 2))
    tensor([[1, 2],
            [1, 2]])
    """
    return Expand.call(self, tuple(other.shape))


@public("torch", "Tensor", out=False)
def broadcast_to(input, size):
    """broadcast_to(input, shape) -> Tensor

    ``input.expand(shape)``.

    >>> torch.broadcast_to(torch.tensor([1, 2]), (2, 2))
    tensor([[1, 2],
            [1, 2]])
    """
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
        if dim is None:
            return x.squeeze()
        if type(dim) is int and -x.ndim <= dim < x.ndim:
            return x.squeeze(dim) if x.shape[dim] == 1 else x.view()
        dims = wrap_dims(dim, x.ndim)
        shape = [
            (s, st)
            for i, (s, st) in enumerate(zip(x.shape, x.strides, strict=True))
            if i not in dims or s != 1
        ]
        return x.reshape([s for s, _ in shape])

    def vjp(g: Any, input: Meta):
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
    """ravel(input) -> Tensor

    All elements in one dimension.

    >>> torch.ravel(torch.tensor([[1, 2], [3, 4]]))
    tensor([1, 2, 3, 4])
    """
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


@public("torch")
def alias_copy(input):
    """alias_copy(input, *, out=None) -> Tensor

    A copy.

    >>> torch.alias_copy(torch.tensor([1, 2]))
    tensor([1, 2])
    """
    return input.clone()


def named(name):
    """The public function of a view: what ``X_copy`` and ``X_`` are derived from."""
    return PUBLIC["Tensor"][name]
