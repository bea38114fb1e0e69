"""torch.linalg: products, Householder reflections, tensors seen as matrices."""

import math

from rushlight._core import dtypes
from rushlight._core.op import Op, public
from rushlight._ops.join import Cat
from rushlight._ops.linalg import inv, solve
from rushlight._ops.tensordot import cross_along

# ---- products ------------------------------------------------------------------------------------


@public("linalg")
def cross(input, other, *, dim=-1):
    """cross(input, other, *, dim=-1, out=None) -> Tensor

    Cross product of 3-vectors along ``dim``; other dimensions broadcast.

    >>> torch.linalg.cross(torch.tensor([1.0, 0.0, 0.0]), torch.tensor([0.0, 1.0, 0.0]))
    tensor([0., 0., 1.])
    """
    return cross_along(input, other, dim)


@public("linalg")
def matmul(input, other):
    """matmul(input, other, *, out=None) -> Tensor

    The same as :func:`torch.matmul`.

    >>> torch.linalg.matmul(torch.eye(2), torch.ones(2))
    tensor([1., 1.])
    """
    return input.matmul(other)


@public("linalg", out=False)
def diagonal(A, *, offset=0, dim1=-2, dim2=-1):
    """diagonal(A, *, offset=0, dim1=-2, dim2=-1) -> Tensor

    The diagonals of matrices in two dimensions, a view.

    >>> torch.linalg.diagonal(torch.eye(2))
    tensor([1., 1.])
    """
    return A.diagonal(offset, dim1, dim2)


@public("linalg", out=False)
def vander(x, N=None):
    """vander(x, N=None) -> Tensor

    Rows of powers 0 to ``N - 1`` of each element.

    >>> torch.linalg.vander(torch.tensor([1, 2, 3]))
    tensor([[1, 1, 1],
            [1, 2, 4],
            [1, 3, 9]])
    """
    if x.dtype is dtypes.bool_:
        raise RuntimeError("\"cumprod_out_cpu\" not implemented for 'Bool'")
    count = N if N is not None else (x.shape[-1] if x.ndim else 1)
    if count < 2:
        raise RuntimeError("N must be greater than 1.")
    x = x if x.ndim else x.unsqueeze(0)
    powers = x.unsqueeze(-1).expand(*x.shape, count - 1).cumprod(-1)
    return Cat.call([powers.new_ones((*x.shape, 1)), powers], -1)


class HouseholderProduct(Op):
    """The product of Householder reflections whose vectors are the columns of A, its first
    columns."""

    name = "linalg_householder_product"
    public = ()
    tensors = ("A", "tau")
    grad_name = "LinalgHouseholderProductBackward0"

    def forward(xp, A, tau):
        n = A.shape[-1]
        Q = xp.zeros(A.shape, A.dtype)
        Q[..., range(n), range(n)] = 1
        for i in reversed(range(tau.shape[-1])):
            v = A[..., :, i : i + 1].copy()
            v[..., :i, :] = 0
            v[..., i, :] = 1
            Q -= tau[..., i, None, None] * v * (v.swapaxes(-1, -2).conj() @ Q)
        return Q

    def vjp(g, A, tau, need):
        # Walk the reflections as they were applied; each is one differentiable product.
        gA, gtau = [], []
        n, count = A.shape[-1], tau.shape[-1]
        V = (A.tril(-1) + A.new_ones(A.shape[-2]).diag_embed().narrow(-1, 0, n)).narrow(
            -1, 0, count
        )
        partial = A.new_ones(A.shape[-2]).diag_embed().narrow(-1, 0, n).expand(A.shape)
        products = [
            partial
        ]  # products[j]: the last j reflections applied to the identity's columns
        for i in reversed(range(count)):
            v = V.narrow(-1, i, 1)
            scale = tau.narrow(-1, i, 1).unsqueeze(-1)
            products.append(products[-1] - scale * (v @ (v.mH @ products[-1])))
        for i in range(count):
            v, scale = V.narrow(-1, i, 1), tau.narrow(-1, i, 1).unsqueeze(-1)
            right = products[count - 1 - i]
            gv = v.mH @ g  # (1, n)
            rv = v.mH @ right
            gtau.append(-(gv.conj() * rv).sum((-2, -1)).conj())
            gA.append(-(scale.conj() * (g @ rv.mH)) - scale * (right @ gv.mH))
            g = g - scale.conj() * (v @ gv)
        gA = Cat.call(gA, -1).tril(-1) if count else A.new_zeros(A.shape)
        if 0 < count < n:
            gA = Cat.call([gA, A.new_zeros((*A.shape[:-1], n - count))], -1)
        gtau = Cat.call([t.unsqueeze(-1) for t in gtau], -1) if count else tau.new_zeros(tau.shape)
        return gA, gtau


@public("linalg")
def householder_product(A, tau):
    """householder_product(A, tau, *, out=None) -> Tensor

    The first columns of the product of Householder reflections, as :func:`torch.geqrf` gives them.

    >>> torch.linalg.householder_product(*torch.geqrf(torch.eye(2))).abs()
    tensor([[1., 0.],
            [0., 1.]])
    """
    where = "torch.linalg.householder_product"
    if A.ndim < 2:
        raise RuntimeError(f"{where}: input must have at least 2 dimensions.")
    if A.shape[-2] < A.shape[-1]:
        raise RuntimeError(
            f"{where}: input.shape[-2] must be greater than or equal to input.shape[-1]"
        )
    if A.shape[-1] < tau.shape[-1]:
        raise RuntimeError(
            f"{where}: input.shape[-1] must be greater than or equal to tau.shape[-1]"
        )
    if A.ndim - tau.ndim != 1:
        raise RuntimeError(
            f"{where}: Expected tau to have one dimension less than input, but got tau.ndim equal "
            f"to {tau.ndim} and input.ndim is equal to {A.ndim}"
        )
    if A.shape[:-2] != tau.shape[:-1]:
        raise RuntimeError(
            f"{where}: Expected batch dimensions of tau to be equal to input.shape[:-2], but got "
            f"{list(tau.shape[:-1])}"
        )
    if A.dtype is not tau.dtype:
        raise RuntimeError(
            f"{where}: tau dtype {dtypes.scalar_name(tau.dtype)} does not match input dtype "
            f"{dtypes.scalar_name(A.dtype)}"
        )
    return HouseholderProduct.call(A, tau)


# ---- tensors as matrices -------------------------------------------------------------------------


@public("linalg")
def tensorinv(A, ind=2):
    """tensorinv(A, ind=2, *, out=None) -> Tensor

    The inverse of ``A`` seen as a matrix from its last dimensions to its first ``ind``.

    >>> torch.linalg.tensorinv(torch.eye(4).reshape(2, 2, 2, 2)).shape
    torch.Size([2, 2, 2, 2])
    """
    if ind <= 0:
        raise RuntimeError("Expected a strictly positive integer for 'ind'")
    rows, columns = math.prod(A.shape[:ind]), math.prod(A.shape[ind:])
    if rows != columns:
        raise RuntimeError(
            "Expected self to satisfy the requirement prod(self.shape[ind:]) == "
            f"prod(self.shape[:ind]), but got {columns} != {rows}"
        )
    return inv(A.reshape(columns, columns)).reshape((*A.shape[ind:], *A.shape[:ind]))


@public("linalg")
def tensorsolve(A, B, dims=None):
    """tensorsolve(A, B, dims=None, *, out=None) -> Tensor

    The X of ``tensordot(A, X, X.ndim) = B``; ``dims`` of A are moved to the end first.

    >>> torch.linalg.tensorsolve(torch.eye(4).reshape(2, 2, 4), torch.ones(2, 2))
    tensor([1., 1., 1., 1.])
    """
    if dims is not None:
        A = A.movedim(tuple(dims), tuple(range(A.ndim - len(dims), A.ndim)))
    shape = A.shape[B.ndim :]
    rows, columns = math.prod(A.shape[: B.ndim]), math.prod(shape)
    if rows != columns:
        raise RuntimeError(
            "Expected self to satisfy the requirement prod(self.shape[other.ndim:]) == "
            f"prod(self.shape[:other.ndim]), but got {columns} != {rows}"
        )
    return solve(A.reshape(columns, columns), B.reshape(-1)).reshape(shape)
