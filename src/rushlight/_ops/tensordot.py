"""Products of tensors that are no plain matrix product: outer, inner, tensordot, kron, chains,
cross."""

import math
from itertools import pairwise

from rushlight._core import dtypes
from rushlight._core.errors import broadcast
from rushlight._core.op import Op, public
from rushlight._core.shape import common_shape, wrap_dim
from rushlight._ops.deprecated import deprecated


@public("torch", "Tensor", aliases=("ger",))
def outer(input, vec2):
    """outer(input, vec2, *, out=None) -> Tensor

    Outer product of two vectors.

    >>> torch.outer(torch.tensor([1, 2]), torch.tensor([3, 4]))
    tensor([[3, 4],
            [6, 8]])
    """
    for i, v in enumerate((input, vec2)):
        if v.ndim != 1:
            raise RuntimeError(
                f"outer: Expected 1-D argument {'self' if i == 0 else 'vec2'}, but got {v.ndim}-D"
            )
    return input.unsqueeze(1) * vec2


@public("torch", "Tensor")
def inner(input, other):
    """inner(input, other, *, out=None) -> Tensor

    Sum of products over the last dimension of both; plain product if one is a scalar.

    >>> torch.inner(torch.tensor([1, 2, 3]), torch.tensor([0, 2, 1]))
    tensor(7)
    """
    if not input.ndim or not other.ndim:
        return input * other
    if input.shape[-1] != other.shape[-1]:
        raise RuntimeError(
            "inner() the last dimension must match on both input tensors but got shapes "
            f"{list(input.shape)} and {list(other.shape)}"
        )
    return tensordot(input, other, ([-1], [-1]))


@public("torch")
def tensordot(a, b, dims=2):
    """tensordot(a, b, dims=2, out=None) -> Tensor

    Contract the last ``dims`` dimensions of ``a`` with the first of ``b``, or the pairs in two
    lists.

    >>> torch.tensordot(torch.ones(3, 4, 5), torch.ones(4, 3, 2), dims=([1, 0], [0, 1])).shape
    torch.Size([5, 2])
    """
    dims_a, dims_b = _contracted(a, b, dims)
    if a.dtype is not b.dtype:
        raise RuntimeError("both inputs should have same dtype")
    for p, q in zip(dims_a, dims_b, strict=True):
        if a.shape[p] != b.shape[q]:
            if a.shape[p] == 1:
                b = b.sum(q, True)
            elif b.shape[q] == 1:
                a = a.sum(p, True)
            else:
                shown = p - a.ndim if isinstance(dims, int) else p
                raise RuntimeError(
                    f"contracted dimensions need to match, but first has size {a.shape[p]} in dim "
                    f"{shown} and second has size {b.shape[q]} in dim {q}"
                )
    free_a = [d for d in range(a.ndim) if d not in dims_a]
    free_b = [d for d in range(b.ndim) if d not in dims_b]
    size = math.prod([a.shape[d] for d in dims_a])
    left, right = [a.shape[d] for d in free_a], [b.shape[d] for d in free_b]
    x = a.permute(*free_a, *dims_a).reshape(math.prod(left), size)
    y = b.permute(*dims_b, *free_b).reshape(size, math.prod(right))
    return x.mm(y).reshape(left + right)


def _contracted(a, b, dims):
    if hasattr(dims, "tolist"):
        dims = dims.tolist() if dims.numel() > 1 else int(dims.item())
    if isinstance(dims, (tuple, list)):
        first, second = dims
        first = [first] if isinstance(first, int) else list(first)
        second = [second] if isinstance(second, int) else list(second)
        if len(first) != len(second):
            raise RuntimeError("both dimension lists should have same length")
        return [wrap_dim(d, a.ndim) for d in first], [wrap_dim(d, b.ndim) for d in second]
    if dims < 0:
        raise RuntimeError(f"tensordot expects dims >= 0, but got dims={dims}")
    if dims > min(a.ndim, b.ndim):
        raise RuntimeError(f"tensordot expects dims < ndim_a or ndim_b, but got dims={dims}")
    return list(range(a.ndim - dims, a.ndim)), list(range(dims))


@public("torch", "Tensor")
def kron(input, other):
    """kron(input, other, *, out=None) -> Tensor

    Kronecker product: every element of ``input`` times all of ``other``, laid out as blocks.

    >>> torch.kron(torch.eye(2), torch.ones(1, 2))
    tensor([[1., 1., 0., 0.],
            [0., 0., 1., 1.]])
    """
    n = max(input.ndim, other.ndim)
    a = (1,) * (n - input.ndim) + tuple(input.shape)
    b = (1,) * (n - other.ndim) + tuple(other.shape)
    x = input.reshape([size for s in a for size in (s, 1)])
    y = other.reshape([size for s in b for size in (1, s)])
    return (x * y).reshape([s * t for s, t in zip(a, b, strict=True)])


@public("torch")
def chain_matmul(*matrices):
    """chain_matmul(*matrices, out=None) -> Tensor

    Product of several matrices in the cheapest order. Deprecated in PyTorch for
    ``linalg.multi_dot``.

    >>> torch.chain_matmul(torch.ones(2, 3), torch.ones(3, 4), torch.ones(4, 1)).shape
    torch.Size([2, 1])
    """
    deprecated("chain_matmul")
    if not matrices:
        raise RuntimeError("chain_matmul(): Expected one or more matrices")
    return matrices[0] if len(matrices) == 1 else multi_dot(matrices)


@public("linalg")
def multi_dot(tensors):
    """multi_dot(tensors, *, out=None) -> Tensor

    Product of two or more matrices in the order that needs the fewest multiplications; the first
    and the last may be vectors.

    >>> torch.linalg.multi_dot([torch.ones(2, 3), torch.ones(3, 4), torch.ones(4)])
    tensor([12., 12.])
    """
    tensors = list(tensors)
    n = len(tensors)
    if n < 2:
        raise RuntimeError(f"multi_dot(): expected at least 2 tensors but got {n}")
    _check_chain(tensors)
    shape = []
    if tensors[0].ndim == 1:
        tensors[0] = tensors[0].unsqueeze(0)
    else:
        shape.append(tensors[0].shape[0])
    if tensors[-1].ndim == 1:
        tensors[-1] = tensors[-1].unsqueeze(-1)
    else:
        shape.append(tensors[-1].shape[1])
    for i, (a, b) in enumerate(pairwise(tensors)):
        if a.shape[1] != b.shape[0]:
            raise RuntimeError(
                f"multi_dot(): tensors {i} and {i + 1} with shapes {list(a.shape)} and "
                f"{list(b.shape)} cannot be multiplied"
            )
    split = _chain_order([t.shape[0] for t in tensors] + [tensors[-1].shape[1]])
    return _multiply_chain(tensors, split, 0, n - 1).reshape(shape)


def _check_chain(tensors):
    for i, t in enumerate(tensors):
        ends = i in (0, len(tensors) - 1)
        if not (t.ndim == 2 or (ends and t.ndim == 1)):
            what = (
                f"the {'first' if i == 0 else 'last'} tensor must be 1D or"
                if ends
                else f"tensor {i} must be"
            )
            raise RuntimeError(f"multi_dot(): {what} 2D but got {t.ndim}D")


def _chain_order(sizes):
    """Matrix chain ordering by dynamic programming (Cormen et al., section 15.2)."""
    n = len(sizes) - 1
    cost = [[0] * n for _ in range(n)]
    split = [[0] * n for _ in range(n)]
    for length in range(1, n):
        for i in range(n - length):
            j = i + length
            cost[i][j], split[i][j] = min(
                (cost[i][k] + cost[k + 1][j] + sizes[i] * sizes[k + 1] * sizes[j + 1], k)
                for k in range(i, j)
            )
    return split


def _multiply_chain(tensors, split, i, j):
    if i == j:
        return tensors[i]
    k = split[i][j]
    return _multiply_chain(tensors, split, i, k).mm(_multiply_chain(tensors, split, k + 1, j))


# ---- cross and vecdot ----------------------------------------------------------------------------


class LinalgCross(Op):
    """Cross product of vectors of length three along ``dim``."""

    public = ()
    tensors = ("input", "other")

    def forward(xp, x, y, dim=-1):
        try:
            shape = common_shape(x.shape, y.shape)
        except RuntimeError:
            raise broadcast([x.shape, y.shape]) from None
        axis = wrap_dim(dim, len(shape))
        x, y = xp.broadcast_to(x, shape), xp.broadcast_to(y, shape)
        (a, b, c), (d, e, f) = (xp.moveaxis(t, axis, 0) for t in (x, y))
        return xp.stack([b * f - c * e, c * d - a * f, a * e - b * d], axis)

    def vjp_input(g, other, dim):
        return LinalgCross.call(other.conj(), g, dim)

    def vjp_other(g, input, dim):
        return LinalgCross.call(g, input.conj(), dim)


def cross_along(input, other, dim):
    """The cross product with linalg.cross's checks."""
    if input.ndim != other.ndim:
        raise RuntimeError("linalg.cross: inputs must have the same number of dimensions.")
    axis = wrap_dim(dim, input.ndim)
    if input.shape[axis] != 3 or other.shape[axis] != 3:
        raise RuntimeError(
            f"linalg.cross: inputs dimension {dim} must have length 3. Got {input.shape[axis]} and "
            f"{other.shape[axis]}"
        )
    return LinalgCross.call(input, other, dim)


@public("torch", "Tensor")
def cross(input, other, dim=None):
    """cross(input, other, dim=None, *, out=None) -> Tensor

    Cross product of 3-vectors along ``dim`` (by default the first dimension of size three).

    >>> torch.cross(torch.tensor([1.0, 0.0, 0.0]), torch.tensor([0.0, 1.0, 0.0]), dim=0)
    tensor([0., 0., 1.])
    """
    if dim is None:
        deprecated("cross")
        dim = next((i for i, s in enumerate(input.shape) if s == 3), None)
        if dim is None:
            raise RuntimeError("no dimension of size 3 in input")
    return cross_along(input, other, dim)


@public("linalg")
def vecdot(x, y, *, dim=-1):
    """vecdot(x, y, *, dim=-1, out=None) -> Tensor

    Dot products of vectors along ``dim``, the first conjugated; other dimensions broadcast.

    >>> torch.linalg.vecdot(torch.tensor([[1.0, 2.0]]), torch.tensor([[3.0, 4.0]]))
    tensor([11.])
    """
    if x.dtype is not y.dtype:
        raise RuntimeError(
            "linalg.vecdot: Expected x and y to have the same dtype, but found x of type "
            f"{dtypes.scalar_name(x.dtype)} and y of type {dtypes.scalar_name(y.dtype)} instead"
        )
    if x.dtype.category < dtypes.FLOATING:
        raise RuntimeError(
            "linalg.vecdot: Expected a floating point or complex tensor as input. Got "
            f"{dtypes.scalar_name(x.dtype)}"
        )
    return (x.conj() * y).sum(dim)
