"""torch.sparse: functions whose gradients for a sparse argument have its indices."""

from rushlight._core.op import conj, public
from rushlight._core.sparse import SparseArray
from rushlight._ops.sparse import (
    COO,
    CSR,
    Sparse,
    SparseValues,
    added,
    coalesce,
    coordinates,
    is_sparse,
    ravel,
    values_at,
    with_values,
)
from rushlight._ops.sparse_math import addmm as add_product
from rushlight._ops.sparse_math import mm as product
from rushlight._ops.sparse_math import sum_over, total

REDUCTIONS = {"sum": "sum", "mean": "mean", "amax": "amax", "amin": "amin"}


@public("sparse")
def mm(mat1, mat2, reduce=None):
    """mm(mat1, mat2) or mm(mat1, mat2, reduce) -> Tensor

    Matrix product of a sparse matrix and a dense or sparse one. ``reduce`` ("sum", "mean", "amax",
    "amin"; CSR by dense): what is done with the products in place of adding them up.

    >>> torch.sparse.mm(torch.eye(2).to_sparse(), torch.ones(2, 2))
    tensor([[1., 1.],
            [1., 1.]])
    """
    if reduce is None:
        if not _any_sparse(mat1, mat2):
            return mat1.mm(mat2)
        return product(mat1, mat2, "SparseAddmmBackward0")
    if reduce not in REDUCTIONS:
        raise RuntimeError(f"reduce argument must be either sum, mean, amax or amin, got {reduce}")
    if not is_sparse(mat1) or mat1.layout is not CSR:
        raise RuntimeError("torch.sparse.mm: Expect self to be a CSR matrix")
    if reduce == "sum":
        return product(mat1, mat2)
    return _reduced(mat1, mat2, reduce)


def _any_sparse(*tensors):
    return any(is_sparse(t) for t in tensors)


def _reduced(mat1, mat2, reduce):
    """Mean, largest or smallest of the products of each row; 0 for a row without values."""
    rows, columns = coordinates(mat1).unbind(0)
    products = SparseValues.call(mat1).unsqueeze(1) * mat2[columns]
    count = mat1.shape[0]
    if reduce == "mean":
        each = rows.bincount(minlength=count).clamp(min=1).unsqueeze(1)
        return added(count, rows, products) / each
    target = products.new_zeros((count, products.shape[1]))
    index = rows.unsqueeze(1).expand(products.shape)
    return target.scatter_reduce(0, index, products, reduce, include_self=False)


@public("sparse")
def addmm(mat, mat1, mat2, *, beta=1.0, alpha=1.0):
    """addmm(mat, mat1, mat2, *, beta=1, alpha=1) -> Tensor

    ``beta * mat + alpha * mat1 @ mat2`` with a sparse ``mat1``.

    >>> torch.sparse.addmm(torch.ones(2, 2), torch.eye(2).to_sparse(), torch.ones(2, 2), beta=2)
    tensor([[3., 3.],
            [3., 3.]])
    """
    return add_product(mat, mat1, mat2, beta, alpha)


@public("sparse")
def sampled_addmm(input, mat1, mat2, *, beta=1.0, alpha=1.0):
    """sampled_addmm(input, mat1, mat2, *, beta=1, alpha=1, out=None) -> Tensor

    ``alpha * (mat1 @ mat2) + beta * input`` at the places of the CSR matrix ``input`` only.

    >>> torch.sparse.sampled_addmm(torch.eye(2).to_sparse_csr(), torch.ones(2, 3), torch.ones(3, 2))
    tensor(crow_indices=tensor([0, 1, 2]),
           col_indices=tensor([0, 1]),
           values=tensor([4., 4.]), size=(2, 2), nnz=2, layout=torch.sparse_csr)
    """
    if not is_sparse(input) or input.layout is COO:
        raise RuntimeError(
            "sampled_addmm: Expected self to have sparse csr layout, but got "
            f"{'Sparse' if is_sparse(input) else 'Strided'}"
        )
    if mat1.shape[-1] != mat2.shape[-2]:
        raise RuntimeError(
            "sampled_addmm: mat1 and mat2 shapes cannot be multiplied "
            f"({mat1.shape[-2]}x{mat1.shape[-1]} and {mat2.shape[-2]}x{mat2.shape[-1]})"
        )
    return SampledAddmm.call(input, mat1, mat2, beta, alpha)


class SampledAddmm(Sparse):
    """``beta * input + alpha * mat1 @ mat2`` at the places of ``input``."""

    name = "sparse_sampled_addmm"
    tensors = ("input", "mat1", "mat2")
    grad_name = "SparseSampledAddmmBackward0"

    def forward(xp, s, x, y, beta, alpha):
        rows, columns = s.coordinates()
        products = (x[rows] * y.T[columns]).sum(-1)
        values = (s.values * beta + products * alpha).astype(s.dtype, copy=False)
        return SparseArray(s.layout, s.shape, s.indices, values, True)

    def vjp_input(g, beta):
        return g * conj(beta)  # dense if the gradient that came is

    def vjp_mat1(g, input, mat2, alpha):
        return product(with_values(input, values_at(g, input)), conj(mat2).t()) * conj(alpha)

    def vjp_mat2(g, input, mat1, alpha):
        g = with_values(input, values_at(g, input))
        return product(g.t(), conj(mat1)).t() * conj(alpha)


@public("sparse")
def sum(input, dim=None, dtype=None):
    """sum(input, dim=None, dtype=None) -> Tensor

    The sum of a sparse tensor: over everything a number, over some dimensions a sparse tensor,
    dense if no dimension with indices is left.

    >>> torch.sparse.sum(torch.eye(2).to_sparse(), 0).to_dense()
    tensor([1., 1.])
    """
    if not is_sparse(input):
        if dim is None:
            return input.sum() if dtype is None else input.sum(dtype=dtype)
        return input.sum(dim) if dtype is None else input.sum(dim, dtype=dtype)
    return total(input, dtype=dtype) if dim is None else sum_over(input, dim, dtype)


@public("sparse")
def softmax(input, dim, *, dtype=None):
    """softmax(input, dim, *, dtype=None) -> Tensor

    Softmax along ``dim`` over the values that are there: what is not stored counts as -inf.

    >>> torch.sparse.softmax(torch.eye(2).to_sparse(), 1).to_dense()
    tensor([[1., 0.],
            [0., 1.]])
    """
    return _normalized(input, dim, dtype, "softmax", "SparseSoftmaxBackward0")


@public("sparse")
def log_softmax(input, dim, *, dtype=None):
    """log_softmax(input, dim, *, dtype=None) -> Tensor

    Logarithm of :func:`softmax`.

    >>> torch.sparse.log_softmax(torch.eye(2).to_sparse(), 1).values()
    tensor([0., 0.])
    """
    return _normalized(input, dim, dtype, "log_softmax", "SparseLogSoftmaxBackward0")


def _normalized(input, dim, dtype, name, label):
    if not is_sparse(input) or input.layout is not COO:
        raise NotImplementedError(f"torch.sparse.{name} takes COO tensors: call to_sparse() first")
    s = coalesce(input)
    values = SparseValues.call(s) if dtype is None else SparseValues.call(s).to(dtype)
    dim, k = dim % s.ndim, s.sparse_dim()
    if dim >= k:
        return with_values(s, getattr(values, name)(dim - k + 1), label)
    left = [d for d in range(k) if d != dim]
    group = ravel(coordinates(s)[left], [s.shape[d] for d in left])
    distinct, group = group.unique(return_inverse=True)
    return with_values(s, _within_groups(values, group, distinct.shape[0], name), label)


def _within_groups(values, group, count, name):
    """Softmax among the values (n, ...) of each group."""
    index = group.reshape(-1, *[1] * (values.ndim - 1)).expand(values.shape)
    lowest = values.detach().new_zeros((count, *values.shape[1:]))
    highest = lowest.scatter_reduce(0, index, values.detach(), "amax", include_self=False)
    shifted = values - highest[group]
    sums = added(count, group, shifted.exp())
    return shifted.exp() / sums[group] if name == "softmax" else shifted - sums.log()[group]
