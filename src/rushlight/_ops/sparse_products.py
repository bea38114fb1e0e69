"""The older functions of sparse matrices: smm, spmm, sspaddmm; and their sizes changed in place."""

from rushlight._core.errors import leaf_in_place
from rushlight._core.op import public
from rushlight._core.sparse import method, replace
from rushlight._core.state import grad_enabled
from rushlight._core.tensor import Leaf
from rushlight._ops.join import Cat
from rushlight._ops.sparse import (
    COO,
    SparseValues,
    coalesce,
    coo,
    coordinates,
    is_sparse,
)
from rushlight._ops.sparse_math import mm as product


@public("torch", "Tensor")
def sspaddmm(input, mat1, mat2, *, beta=1, alpha=1):
    """sspaddmm(input, mat1, mat2, *, beta=1, alpha=1, out=None) -> Tensor

    ``beta * input + alpha * mat1 @ mat2`` as a sparse matrix, of a sparse ``input`` and ``mat1``
    and a dense ``mat2``. What stands twice is not added up.

    >>> s = torch.eye(2).to_sparse()
    >>> torch.sspaddmm(s, s, torch.ones(2, 2)).to_dense()
    tensor([[2., 1.],
            [1., 2.]])
    """
    if not is_sparse(mat1) or not is_sparse(input):
        raise RuntimeError("tensor.sspaddmm(...) can only be called on sparse tensors")
    if is_sparse(mat2):
        raise RuntimeError("sspaddmm: Expected 'mat2' to be strided")
    shape = (mat1.shape[0], mat2.shape[1])
    if mat1.shape[1] != mat2.shape[0]:
        raise RuntimeError(
            f"sspaddmm: Argument #3: Expected dim 0 size {mat1.shape[1]}, got {mat2.shape[0]}"
        )
    if tuple(input.shape) != shape:
        at, found = (0, input.shape[0]) if input.shape[0] != shape[0] else (1, input.shape[1])
        raise RuntimeError(
            f"sspaddmm: Argument #1: Expected dim {at} size {shape[at]}, got {found}"
        )
    places, values = _rows(mat1, mat2)
    own = SparseValues.call(input) * beta
    return coo(Cat.call([own, values * alpha], 0), Cat.call([coordinates(input), places], 1), shape)


def _rows(mat1, mat2):
    """Where the rows of a product stand that are not all zero, and their values."""
    rows = coordinates(coalesce(mat1))[0].unique()
    count = mat2.shape[1]
    columns = rows.new_ones(len(rows), count).cumsum(1).sub(1)
    along = rows.unsqueeze(1).expand(len(rows), count)
    places = Cat.call([along.reshape(1, -1), columns.reshape(1, -1)], 0)
    return places, product(mat1, mat2)[rows].reshape(-1)


@public("torch", "Tensor", out=False)
def smm(input, mat):
    """smm(input, mat) -> Tensor

    The product of a sparse and a dense matrix, as a sparse matrix.

    >>> torch.smm(torch.eye(2).to_sparse(), torch.ones(2, 2)).is_sparse
    True
    """
    if not is_sparse(input):
        raise RuntimeError("tensor.sspaddmm(...) can only be called on sparse tensors")
    places, values = _rows(input, mat)
    return coo(values, places, (input.shape[0], mat.shape[1]))


@public("torch")
def spmm(input, mat2):
    """spmm(input, mat2) -> Tensor: :func:`torch.mm`.

    >>> torch.spmm(torch.eye(2).to_sparse(), torch.ones(2, 2))
    tensor([[1., 1.],
            [1., 1.]])
    """
    return input.mm(mat2)


# ---- sizes ---------------------------------------------------------------------------------------


def _check(t, size, sparse_dim, dense_dim):
    if grad_enabled() and type(t._node) is Leaf:
        raise leaf_in_place(view=False)
    if t.layout is not COO:
        raise NotImplementedError("only COO tensors change their sparse size in place")
    if sparse_dim + dense_dim != len(size):
        raise RuntimeError(
            "number of dimensions must be sparse_dim "
            f"({sparse_dim}) + dense_dim ({dense_dim}), but got {len(size)}"
        )


@method
def sparse_resize_(self, size, sparse_dim, dense_dim):
    """sparse_resize_(size, sparse_dim, dense_dim) -> Tensor

    A larger size, in place; the values stay. Without values, any size.
    """
    size = tuple(size)
    _check(self, size, sparse_dim, dense_dim)
    values = SparseValues.call(self.detach())
    if not len(values):
        return sparse_resize_and_clear_(self, size, sparse_dim, dense_dim)
    if (sparse_dim, dense_dim) != (self.sparse_dim(), self.dense_dim()):
        what, old, new = ("sparse", self.sparse_dim(), sparse_dim)
        if old == new:
            what, old, new = ("dense", self.dense_dim(), dense_dim)
        raise RuntimeError(
            f"changing the number of {what} dimensions (from {old} to {new}) on a non-empty "
            "sparse tensor is not supported."
        )
    old, new = list(self.shape), list(size)
    if any(a > b for a, b in zip(old[:sparse_dim], new[:sparse_dim], strict=True)):
        raise RuntimeError(
            f"shrinking the size of sparse dimensions (from {old[:sparse_dim]} to "
            f"{new[:sparse_dim]}) on a non-empty sparse tensor is not supported."
        )
    if old[sparse_dim:] != new[sparse_dim:]:
        raise NotImplementedError("sparse_resize_ of dense dimensions: make a new tensor")
    return replace(self, coo(values, coordinates(self), size, self.is_coalesced()))


@method
def sparse_resize_and_clear_(self, size, sparse_dim, dense_dim):
    """sparse_resize_and_clear_(size, sparse_dim, dense_dim) -> Tensor: any size, no values."""
    size = tuple(size)
    _check(self, size, sparse_dim, dense_dim)
    values = SparseValues.call(self.detach())
    none = coordinates(self).new_zeros((sparse_dim, 0))
    return replace(self, coo(values.new_zeros((0, *size[sparse_dim:])), none, size, True))


@public("torch", "Tensor", out=False)
def resize_as_sparse_(self, the_template):
    """resize_as_sparse_(the_template) -> Tensor: the size of a sparse tensor, in place.

    >>> torch.eye(2).to_sparse().resize_as_sparse_(torch.eye(3).to_sparse()).shape
    torch.Size([3, 3])
    """
    if not (is_sparse(self) and is_sparse(the_template)):
        raise RuntimeError("resize_as_sparse_: both tensors have to be sparse")
    return sparse_resize_(
        self, the_template.shape, the_template.sparse_dim(), the_template.dense_dim()
    )


def _of_sparse_only(name):
    def refuse(self, size, sparse_dim, dense_dim):
        raise NotImplementedError(
            f"Could not run 'aten::{name}' with arguments from the 'CPU' backend: the tensor is "
            "not sparse."
        )

    refuse.__name__ = refuse.__qualname__ = name
    refuse.__doc__ = (
        f"{name}(size, sparse_dim, dense_dim) -> Tensor: of sparse tensors.\n\n"
        f">>> torch.eye(2).to_sparse().{name}((3, 3), 2, 0).shape\ntorch.Size([3, 3])"
    )
    public("Tensor", out=False)(refuse)


for _name in ("sparse_resize_", "sparse_resize_and_clear_"):
    _of_sparse_only(_name)
