"""Views cut out of a tensor: narrow, split, chunk, unbind; and what is derived from all views,
X_copy and X_.
"""

import operator

from rushlight._core import dtypes, errors, inplace, several
from rushlight._core.op import PUBLIC, public
from rushlight._core.shape import wrap_dim
from rushlight._core.tensor import Leaf, Pick, Tensor, live_node
from rushlight._ops import transposed, view_strided  # noqa: F401 (made before copied)
from rushlight._ops.index import Select, Slice
from rushlight._ops.join import Cat, Stack
from rushlight._ops.view import named


@public("torch", "Tensor", out=False)
def narrow(input, dim, start, length):
    """narrow(input, dim, start, length) -> Tensor

    ``length`` slices of a dimension from ``start`` on.

    >>> torch.arange(6).narrow(0, 2, 3)
    tensor([2, 3, 4])
    """
    if input.ndim == 0:
        raise RuntimeError("narrow() cannot be applied to a 0-dim tensor.")
    at = wrap_dim(dim, input.ndim)
    size = input._data.shape[at]
    if type(start) is int and type(length) is int and 0 <= start <= start + length <= size:
        return Slice.call(input, ((slice(None),) * at + (slice(start, start + length), Ellipsis)))
    if isinstance(start, Tensor):
        if start.ndim or start.dtype.category != dtypes.INTEGER:
            raise RuntimeError("start must be an 0-dim integral Tensor.")
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


@public("torch", out=False)
def split(tensor, split_size_or_sections, dim=0):
    """split(tensor, split_size_or_sections, dim=0) -> tuple of Tensors

    Pieces of one size (the last may be smaller), or of the sizes given.

    >>> [p.tolist() for p in torch.arange(5).split(2)]
    [[0, 1], [2, 3], [4]]
    """
    shape = tensor._data.shape
    if not shape:
        raise RuntimeError("split expects at least a 1-dimensional tensor")
    at = wrap_dim(dim, len(shape))
    length = shape[at]
    several_sizes = isinstance(split_size_or_sections, (list, tuple))
    if not several_sizes:
        try:
            size = operator.index(split_size_or_sections)
        except TypeError:
            kind = type(split_size_or_sections).__name__
            raise TypeError(
                "split_with_sizes(): argument 'split_sizes' (position 2) must be tuple of ints, "
                f"not {kind}"
            ) from None
        if size < 0:
            raise RuntimeError(
                f"split expects split_size be non-negative, but got split_size={size}"
            )
        if size == 0 and length:
            raise RuntimeError(
                "split_size can only be 0 if dimension size is 0, but got dimension size of "
                f"{length}"
            )
        count = max(1, -(-length // size)) if size else 1
        sections = [size] * count
        sections[-1] = length - (count - 1) * size
    else:
        sections = [int(s) for s in split_size_or_sections]
        if sum(sections) != length or any(s < 0 for s in sections):
            raise RuntimeError(
                f"split_with_sizes expects split_sizes to sum exactly to {length} (input tensor's "
                "size at "
                f"dimension {at}), but got split_sizes={sections}"
            )
    name = "SplitWithSizes" if several_sizes else "Split"
    return several.bind(tensor, pieces(tensor, at, sections), f"{name}Backward0", _joined, at)


def split_method(self, split_size, dim=0):
    """split(split_size, dim=0) -> tuple of Tensors

    :func:`torch.split` of this tensor; the method's argument has a name of its own in PyTorch.

    >>> [p.tolist() for p in torch.arange(5).split(split_size=[1, 4])]
    [[0], [1, 2, 3, 4]]
    """
    return split(self, split_size, dim)


split_method.__name__ = split_method.__qualname__ = "split"
public("Tensor", out=False)(split_method)


def _joined(parts, dim):
    return Cat.call(parts, dim)


def _stacked(parts, dim):
    return Stack.call(parts, dim)


def _unbound_to(made, name):
    """Pieces that are no views as far as history goes: they may be written to."""
    node = next((t._node for t in made if t._node is not None), None)
    for t in made:
        t._view = t._ver = None
    if type(node) is Pick:
        node.node.op.grad_name = name
    return made


def pieces(tensor, at, sections):
    """Consecutive stretches of dimension ``at``."""
    lead, start, result = (slice(None),) * at, 0, []
    if not at:
        for s in sections:
            result.append(tensor[start : start + s])
            start += s
        return tuple(result)
    for s in sections:
        result.append(Slice.call(tensor, (*lead, slice(start, start + s), Ellipsis)))
        start += s
    return tuple(result)


@public("torch", "Tensor", out=False)
def unsafe_split(input, split_size, dim=0):
    """unsafe_split(input, split_size, dim=0) -> tuple of Tensors

    ``split``; the pieces may be written to.

    >>> torch.unsafe_split(torch.arange(3), 2)
    (tensor([0, 1]), tensor([2]))
    """
    return _unbound_to(split(input, split_size, dim), "UnsafeSplitBackward0")


@public("torch", "Tensor", out=False)
def unsafe_chunk(input, chunks, dim=0):
    """unsafe_chunk(input, chunks, dim=0) -> tuple of Tensors

    ``chunk``; the pieces may be written to.

    >>> torch.unsafe_chunk(torch.arange(3), 2)
    (tensor([0, 1]), tensor([2]))
    """
    return _unbound_to(chunk(input, chunks, dim), "UnsafeSplitBackward0")


@public("torch", "Tensor", out=False)
def unsafe_split_with_sizes(input, split_sizes, dim=0):
    """unsafe_split_with_sizes(input, split_sizes, dim=0) -> tuple of Tensors

    Pieces of these sizes.

    >>> torch.unsafe_split_with_sizes(torch.arange(3), (1, 2))
    (tensor([0]), tensor([1, 2]))
    """
    return _unbound_to(split(input, list(split_sizes), dim), "UnsafeSplitWithSizesBackward0")


@public("torch", "Tensor", out=False)
def split_with_sizes(input, split_sizes, dim=0):
    """split_with_sizes(input, split_sizes, dim=0) -> tuple of Tensors

    Pieces of these sizes.

    >>> torch.split_with_sizes(torch.arange(3), (1, 2))
    (tensor([0]), tensor([1, 2]))
    """
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
    chunks = operator.index(chunks)
    if chunks <= 0:
        raise RuntimeError(f"chunk expects `chunks` to be greater than 0, got: {chunks}")
    shape = input._data.shape
    at = wrap_dim(dim, len(shape))
    size = -(-shape[at] // chunks)
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
                "tensor_split expected tensor_indices_or_sections to be a zero-dimensional or "
                "one-dimensional "
                f"tensor of dtype int64, but got a tensor with {indices_or_sections.ndim} dims"
                if indices_or_sections.ndim > 1
                else "tensor_split expected tensor_indices_or_sections to have dtype of long, "
                "but got "
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
            f"torch.{name} requires a tensor with at least {least} dimension, "
            f"but got a tensor with {input.ndim} dimensions!"
        )
    if not isinstance(sections, (int, list, tuple)):
        raise TypeError(
            f"{name}() received an invalid combination of arguments - got (Tensor, "
            f"{type(sections).__name__}), but expected one of:\n * (Tensor input, int sections)\n"
            " * (Tensor input, tuple of ints indices)\n"
        )
    if isinstance(sections, int):
        size = input.shape[dim]
        if sections <= 0 or size % sections:
            raise RuntimeError(
                f"torch.{name} attempted to split along dimension {dim}, but the size of the "
                f"dimension {size} is "
                f"not divisible by the split_size {sections}!"
            )
    return tensor_split(input, sections, dim)


@public("torch", "Tensor", out=False)
def hsplit(input, indices_or_sections):
    """hsplit(input, indices_or_sections) -> tuple of Tensors

    Tensor_split by columns.

    >>> torch.hsplit(torch.arange(4).reshape(2, 2), 2)
    (tensor([[0],
            [2]]), tensor([[1],
            [3]]))
    """
    return _nd_split("hsplit", input, indices_or_sections, 0 if input.ndim == 1 else 1, 1)


@public("torch", "Tensor", out=False)
def vsplit(input, indices_or_sections):
    """vsplit(input, indices_or_sections) -> tuple of Tensors

    Tensor_split by rows.

    >>> torch.vsplit(torch.arange(4).reshape(2, 2), 2)
    (tensor([[0, 1]]), tensor([[2, 3]]))
    """
    return _nd_split("vsplit", input, indices_or_sections, 0, 2)


@public("torch", "Tensor", out=False)
def dsplit(input, indices_or_sections):
    """dsplit(input, indices_or_sections) -> tuple of Tensors

    Tensor_split by depth.

    >>> [x.shape for x in torch.dsplit(torch.ones(1, 2, 4), 2)]
    [torch.Size([1, 2, 2]), torch.Size([1, 2, 2])]
    """
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
        raise IndexError("Dimension specified as 0 but tensor has no dimensions")
    at = wrap_dim(dim, input.ndim)
    lead = (slice(None),) * at
    count = input._data.shape[at]
    if at:
        made = tuple([Select.call(input, (*lead, i, Ellipsis)) for i in range(count)])
    else:
        made = tuple([input[i] for i in range(count)])
    return several.bind(input, made, "UnbindBackward0", _stacked, at)


# ---- derived: copies of views, and views in place ------------------------------------------------


def _check_narrow(input, dim, start, length):
    """narrow_copy refuses a high dimension and a negative length with errors of its own."""
    if input.ndim and dim >= input.ndim:
        raise RuntimeError(
            "Expected dim < static_cast<int64_t>(self_sizes.size()) to be true, but got false.  "
            "(Could this error message be improved?  If so, please report an enhancement request "
            "to PyTorch.)"
        )
    size = input.shape[dim] if -input.ndim <= dim < input.ndim else -1
    if length < 0 and -size <= start <= size:
        start = int(start) + (size if start < 0 else 0)
        raise RuntimeError(f"start ({start}) + length ({length}) exceeds dimension size ({size}).")


def _copying(name):
    """``X_copy``: what the view X shows, as a tensor of its own."""
    view = named(name)

    def call(*args, **kw):
        if name == "narrow":
            _check_narrow(*args, **kw)
        result = view(*args, **kw)
        return tuple([r.clone() for r in result]) if type(result) is tuple else result.clone()

    call.__name__ = call.__qualname__ = f"{name}_copy"
    home = "torch" if name in PUBLIC["torch"] else "torch.Tensor"
    call.__doc__ = f"{name}_copy(...) -> Tensor\n\nA copy of :func:`{home}.{name}`."
    public("torch", *["Tensor"] * (name == "narrow"))(call)


for _name in (
    "as_strided",
    "diagonal",
    "expand",
    "narrow",
    "permute",
    "select",
    "split",
    "split_with_sizes",
    "squeeze",
    "t",
    "transpose",
    "unbind",
    "unfold",
    "unsqueeze",
    "view",
):
    _copying(_name)


def _restriding(name):
    """``X_`` of a view: the tensor itself gets the shape and strides that X would give."""
    view = named(name)

    def call(self, *args, **kw):
        if type(live_node(self)) is Leaf:
            raise errors.leaf_in_place(view=False)
        result = view(self, *args, **kw)
        self._data, self._node, self._view = result._data, result._node, None
        inplace.bump(self)
        return self

    call.__name__ = call.__qualname__ = f"{name}_"
    call.__doc__ = f"{name}_(...) -> Tensor\n\nIn-place form of :func:`torch.{name}`."
    public("Tensor", *["torch"] * (name == "as_strided"), out=False)(call)


for _name in (
    "as_strided",
    "squeeze",
    "swapaxes",
    "swapdims",
    "t",
    "transpose",
    "unsqueeze",
):
    _restriding(_name)
