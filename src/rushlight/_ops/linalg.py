"""The functions of torch.linalg: what they refuse, and which record they call."""

import math

from rushlight._core import dtypes
from rushlight._core.errors import broadcast
from rushlight._core.op import Op, public
from rushlight._core.return_types import make
from rushlight._core.shape import wrap_dim
from rushlight._ops.linalg_decomp import (
    LinalgCholeskyEx,
    LinalgDet,
    LinalgEig,
    LinalgEigh,
    LinalgEigvals,
    LinalgEigvalsh,
    LinalgLstsq,
    LinalgMatrixExp,
    LinalgPinv,
    LinalgQr,
    LinalgSlogdet,
    LinalgSvd,
    LinalgSvdvals,
)
from rushlight._ops.linalg_norm import matrix_norm, vector_norm
from rushlight._ops.linalg_solve import (
    LinAlgError,
    LinalgInvEx,
    LinalgLu,
    LinalgLuFactorEx,
    LinalgSolveEx,
    PermutationMatrix,
    SolveTriangular,
    check_floating,
    check_matrix,
    check_square,
    first_failure,
    is_vector,
    lower_unit,
    upper_part,
)
from rushlight._ops.move import Cat
from rushlight._ops.tensordot import cross_along

LinAlgError.__module__ = "torch.linalg"

# ---- decompositions ------------------------------------------------------------------------------


@public("linalg")
def cholesky(A, *, upper=False):
    """cholesky(A, *, upper=False, out=None) -> Tensor

    The lower factor L of ``A = L Lᴴ`` (with ``upper`` its adjoint) of Hermitian positive-definite matrices.
    LinAlgError if one is not.

    >>> torch.linalg.cholesky(torch.tensor([[4.0, 0.0], [0.0, 9.0]]))
    tensor([[2., 0.],
            [0., 3.]])
    """
    return LinalgCholeskyEx.call(A, upper, True)[0]


@public("linalg")
def cholesky_ex(A, *, upper=False, check_errors=False):
    """cholesky_ex(A, *, upper=False, check_errors=False, out=None) -> (Tensor L, Tensor info)

    As :func:`cholesky`, but a failure only shows in ``info``: the order of the first minor that is not
    positive definite, or 0.

    >>> torch.linalg.cholesky_ex(torch.eye(2)).info
    tensor(0, dtype=torch.int32)
    """
    return LinalgCholeskyEx.call(A, upper, check_errors, "linalg.cholesky_ex")


@public("linalg")
def qr(A, mode="reduced"):
    """qr(A, mode="reduced", *, out=None) -> (Tensor Q, Tensor R)

    ``A = Q R`` with orthonormal columns in Q; ``mode`` is ``reduced``, ``complete`` or ``r`` (R only).

    >>> torch.linalg.qr(torch.eye(2)).R.abs()
    tensor([[1., 0.],
            [0., 1.]])
    """
    return LinalgQr.call(A, mode)


@public("linalg")
def svd(A, full_matrices=True, *, driver=None):
    """svd(A, full_matrices=True, *, driver=None, out=None) -> (Tensor U, Tensor S, Tensor Vh)

    ``A = U diag(S) Vh``, singular values descending. ``driver`` is for CUDA only.

    >>> torch.linalg.svd(torch.diag(torch.tensor([3.0, 2.0]))).S
    tensor([3., 2.])
    """
    _no_driver("svd", driver)
    return LinalgSvd.call(A, full_matrices)


def _no_driver(name, driver):
    if driver is not None:
        raise RuntimeError(
            f"torch.linalg.{name}: keyword argument `driver=` is only supported on CUDA inputs with cuSOLVER backend."
        )


@public("linalg")
def svdvals(A, *, driver=None):
    """svdvals(A, *, driver=None, out=None) -> Tensor

    The singular values of matrices, descending.

    >>> torch.linalg.svdvals(torch.diag(torch.tensor([3.0, 2.0])))
    tensor([3., 2.])
    """
    _no_driver("svdvals", driver)
    return LinalgSvdvals.call(A)


@public("linalg")
def eig(A):
    """eig(A, *, out=None) -> (Tensor eigenvalues, Tensor eigenvectors)

    Eigenvalues and eigenvectors of square matrices, complex. Of a Hermitian one, use :func:`eigh`.

    >>> torch.linalg.eig(torch.diag(torch.tensor([3.0, 2.0]))).eigenvalues
    tensor([3.+0.j, 2.+0.j])
    """
    return LinalgEig.call(A)


@public("linalg")
def eigvals(A):
    """eigvals(A, *, out=None) -> Tensor

    Eigenvalues of square matrices, complex.

    >>> torch.linalg.eigvals(torch.diag(torch.tensor([3.0, 2.0])))
    tensor([3.+0.j, 2.+0.j])
    """
    return LinalgEigvals.call(A)


@public("linalg")
def eigh(A, UPLO="L"):
    """eigh(A, UPLO="L", *, out=None) -> (Tensor eigenvalues, Tensor eigenvectors)

    Eigenvalues (real, ascending) and eigenvectors of Hermitian matrices, read from the triangle ``UPLO``.

    >>> torch.linalg.eigh(torch.diag(torch.tensor([3.0, 2.0]))).eigenvalues
    tensor([2., 3.])
    """
    return LinalgEigh.call(A, UPLO)


@public("linalg")
def eigvalsh(A, UPLO="L"):
    """eigvalsh(A, UPLO="L", *, out=None) -> Tensor

    Eigenvalues of Hermitian matrices, ascending.

    >>> torch.linalg.eigvalsh(torch.diag(torch.tensor([3.0, 2.0])))
    tensor([2., 3.])
    """
    return LinalgEigvalsh.call(A, UPLO)


def _needs_pivot(name, pivot):
    if not pivot:
        raise RuntimeError(f"{name}: LU without pivoting is not implemented on the CPU")


@public("linalg")
def lu(A, *, pivot=True):
    """lu(A, *, pivot=True, out=None) -> (Tensor P, Tensor L, Tensor U)

    ``A = P L U``: a permutation, a unit lower and an upper triangle.

    >>> torch.linalg.lu(torch.tensor([[0.0, 1.0], [2.0, 0.0]])).U
    tensor([[2., 0.],
            [0., 1.]])
    """
    if A.ndim < 2:
        raise RuntimeError(
            f"linalg.lu: Expected tensor with 2 or more dimensions. Got size: {list(A.shape)} instead"
        )
    _needs_pivot("linalg.lu_factor", pivot)
    return LinalgLu.call(A, pivot)


@public("linalg")
def lu_factor(A, *, pivot=True):
    """lu_factor(A, *, pivot=True, out=None) -> (Tensor LU, Tensor pivots)

    LU factors in one matrix and LAPACK's row swaps, for :func:`lu_solve`. RuntimeError if a matrix is singular.

    >>> torch.linalg.lu_factor(torch.tensor([[0.0, 1.0], [2.0, 0.0]])).pivots
    tensor([2, 2], dtype=torch.int32)
    """
    _lu_input("torch.linalg.lu_factor", A, pivot)
    LU, pivots, info = LinalgLuFactorEx.call(A, pivot)
    _check_factor(info)
    return make("linalg_lu_factor", ("LU", "pivots"), (LU, pivots))


def _lu_input(name, A, pivot):
    if A.ndim < 2:
        raise RuntimeError(
            f"torch.lu_factor: Expected tensor with 2 or more dimensions. Got size: {list(A.shape)} instead"
        )
    _needs_pivot("linalg.lu_factor", pivot)


def _check_factor(info):
    failed = first_failure(info.detach().numpy())
    if failed is not None:
        where, at = failed
        raise RuntimeError(
            f"torch.linalg.lu_factor: {where}U[{at},{at}] is zero and using it on lu_solve would result in a "
            "division by zero. If you still want to perform the factorization, consider calling linalg.lu(A, pivot) "
            "or linalg.lu_factor_ex(A, pivot)"
        )


@public("linalg")
def lu_factor_ex(A, *, pivot=True, check_errors=False):
    """lu_factor_ex(A, *, pivot=True, check_errors=False, out=None) -> (Tensor LU, Tensor pivots, Tensor info)

    As :func:`lu_factor`; ``info`` has the place of the first zero pivot, or 0.

    >>> torch.linalg.lu_factor_ex(torch.zeros(2, 2)).info
    tensor(1, dtype=torch.int32)
    """
    _lu_input("torch.linalg.lu_factor_ex", A, pivot)
    result = LinalgLuFactorEx.call(A, pivot)
    if check_errors:
        _check_factor(result[2])
    return result


@public("linalg")
def lu_solve(LU, pivots, B, *, left=True, adjoint=False):
    """lu_solve(LU, pivots, B, *, left=True, adjoint=False, out=None) -> Tensor

    Solve ``A X = B`` (``X A = B`` if not ``left``; with Aᴴ if ``adjoint``) from :func:`lu_factor`'s result.

    >>> A = torch.tensor([[0.0, 1.0], [2.0, 0.0]])
    >>> torch.linalg.lu_solve(*torch.linalg.lu_factor(A), torch.tensor([[1.0], [2.0]]))
    tensor([[1.],
            [1.]])
    """
    _check_lu_solve(LU, pivots, B, left)
    n = LU.shape[-1]
    P = PermutationMatrix.call(pivots, n).to(LU.dtype)
    L, U = lower_unit(LU, n), upper_part(LU, n)
    if left != adjoint:  # A X = B, or X Aᴴ = B by its adjoint
        rhs = B if left else B.mH
        x = SolveTriangular.call(L, P.mT @ rhs, False, True, True)
        x = SolveTriangular.call(U, x, True, True, False)
        return x if left else x.mH
    rhs = B if left else B.mH
    x = SolveTriangular.call(U.mH, rhs, False, True, False)
    x = P @ SolveTriangular.call(L.mH, x, True, True, True)
    return x if left else x.mH


def _check_lu_solve(LU, pivots, B, left):
    check_floating("torch.linalg.lu_solve", LU)
    if LU.dtype is not B.dtype:
        raise RuntimeError(
            f"linalg.lu_solve: Expected LU and B to have the same dtype, but found LU of type "
            f"{dtypes.scalar_name(LU.dtype)} and B of type {dtypes.scalar_name(B.dtype)} instead"
        )
    if pivots.dtype is not dtypes.int32:
        raise RuntimeError("linalg.lu_solve: pivots should be a Tensor of scalar type torch.int32")
    check_square("linalg.lu_solve", LU, "LU")
    if B.ndim < 2:
        raise RuntimeError("linalg.lu_solve: The input tensor B must have at least 2 dimensions.")
    _fits("linalg.lu_solve", LU, B, left)
    if LU.shape[-1] != pivots.shape[-1]:
        raise RuntimeError("linalg.lu_solve: Number of pivots per batch should be same as the dimension of the matrix")


def _fits(name, A, B, left):
    if A.shape[-2] != (B.shape[-2] if left else B.shape[-1]):
        raise RuntimeError(
            f"{name}: Incompatible shapes of A and B for the equation {'AX = B' if left else 'XA = B'} "
            f"({A.shape[-2]}x{A.shape[-1]} and {B.shape[-2]}x{B.shape[-1]})"
        )


def _one_dtype(name, A, B):
    if A.dtype is not B.dtype:
        raise RuntimeError(
            f"{name}: Expected A and B to have the same dtype, but found A of type {dtypes.scalar_name(A.dtype)} and "
            f"B of type {dtypes.scalar_name(B.dtype)} instead"
        )


# ---- systems -------------------------------------------------------------------------------------


def _check_solve(A, B, left):
    _one_dtype("linalg.solve", A, B)
    check_square("linalg.solve", A)
    vector = is_vector(tuple(A.shape), tuple(B.shape))
    _fits("linalg.solve", A, B.unsqueeze(-1) if vector else B, left)


@public("linalg")
def solve(A, B, *, left=True):
    """solve(A, B, *, left=True, out=None) -> Tensor

    The X of ``A X = B`` (``X A = B`` if not ``left``) for square A. LinAlgError if A is singular.

    >>> torch.linalg.solve(torch.tensor([[2.0, 0.0], [0.0, 4.0]]), torch.tensor([2.0, 8.0]))
    tensor([1., 2.])
    """
    _check_solve(A, B, left)
    return LinalgSolveEx.call(A, B, left, True)[0]


@public("linalg")
def solve_ex(A, B, *, left=True, check_errors=False):
    """solve_ex(A, B, *, left=True, check_errors=False, out=None) -> (Tensor result, Tensor info)

    As :func:`solve`; ``info`` is not zero where A is singular.

    >>> torch.linalg.solve_ex(torch.eye(2), torch.ones(2)).info
    tensor(0, dtype=torch.int32)
    """
    _check_solve(A, B, left)
    return LinalgSolveEx.call(A, B, left, check_errors)


@public("linalg")
def solve_triangular(A, B, *, upper, left=True, unitriangular=False):
    """solve_triangular(A, B, *, upper, left=True, unitriangular=False, out=None) -> Tensor

    The X of ``A X = B`` (``X A = B`` if not ``left``) for triangular A; its other triangle is not read.

    >>> torch.linalg.solve_triangular(torch.tensor([[2.0, 0.0], [1.0, 1.0]]), torch.tensor([[2.0], [3.0]]), upper=False)
    tensor([[1.],
            [2.]])
    """
    for letter, t in (("A", A), ("B", B)):
        if t.ndim < 2:
            raise RuntimeError(
                f"linalg.solve_triangular: The input tensor {letter} must have at least 2 dimensions."
            )
    _one_dtype("linalg.solve_triangular", A, B)
    check_square("linalg.solve_triangular", A)
    _fits("linalg.solve_triangular", A, B, left)
    return SolveTriangular.call(A, B, upper, left, unitriangular)


@public("linalg")
def inv(A):
    """inv(A, *, out=None) -> Tensor

    The inverse of square matrices. LinAlgError if one is singular.

    >>> torch.linalg.inv(torch.tensor([[2.0, 0.0], [0.0, 4.0]]))
    tensor([[0.5000, 0.0000],
            [0.0000, 0.2500]])
    """
    return LinalgInvEx.call(A, True)[0]


@public("linalg")
def inv_ex(A, *, check_errors=False):
    """inv_ex(A, *, check_errors=False, out=None) -> (Tensor inverse, Tensor info)

    As :func:`inv`; ``info`` has the place of the first zero pivot, or 0.

    >>> torch.linalg.inv_ex(torch.eye(2)).info
    tensor(0, dtype=torch.int32)
    """
    return LinalgInvEx.call(A, check_errors, "linalg.inv_ex")


@public("linalg")
def lstsq(input, b, *, rcond=None, driver=None):
    """lstsq(A, B, rcond=None, *, driver=None) -> (Tensor solution, Tensor residuals, Tensor rank, Tensor singular_values)

    The X of least ``|A X - B|``. ``driver`` is ``gels`` (full rank), ``gelsy`` (default), ``gelsd`` or ``gelss``;
    the last two give singular values, all but ``gelsy`` the residuals of overdetermined systems.

    >>> torch.linalg.lstsq(torch.tensor([[1.0], [1.0]]), torch.tensor([[1.0], [3.0]])).solution
    tensor([[2.]])
    """
    if input.ndim < 2:
        raise RuntimeError("torch.linalg.lstsq: input must have at least 2 dimensions.")
    if b.ndim < 1:
        raise RuntimeError("torch.linalg.lstsq: other must have at least 1 dimension.")
    if not 0 <= input.ndim - b.ndim <= 1:
        raise RuntimeError(
            "torch.linalg.lstsq: input.dim() must be greater or equal to other.dim() and (input.dim() - other.dim()) <= 1"
        )
    vector = input.ndim - b.ndim == 1
    if vector:
        _same_batch(tuple(input.shape[:-2]), tuple(b.shape[:-1]))
    if input.shape[-2] != b.shape[-1 if vector else -2]:
        place = -1 if vector else -2
        raise RuntimeError(f"torch.linalg.lstsq: input.size(-2) should match other.size({place})")
    if input.dtype is not b.dtype:
        raise RuntimeError("torch.linalg.lstsq: input and other should have the same dtype.")
    check_floating("torch.linalg.lstsq", input)
    if driver not in (None, "gels", "gelsy", "gelsd", "gelss"):
        raise RuntimeError(
            "torch.linalg.lstsq: parameter `driver` should be one of (gels, gelsy, gelsd, gelss)"
        )
    if rcond is None:
        rcond = dtypes.finfo(input.dtype).eps * max(input.shape[-2:])
    return LinalgLstsq.call(input, b, float(rcond), driver or "gelsy")


def _same_batch(a, b):
    error = broadcast([a, b])
    if any(p != q and 1 not in (p, q) for p, q in zip(a[::-1], b[::-1], strict=False)):
        raise error


# ---- numbers of a matrix -------------------------------------------------------------------------


@public("linalg", aliases=())
def det(A):
    """det(A, *, out=None) -> Tensor

    The determinant of square matrices.

    >>> torch.linalg.det(torch.tensor([[2.0, 0.0], [0.0, 4.0]]))
    tensor(8.)
    """
    return LinalgDet.call(A)


@public("linalg")
def slogdet(A):
    """slogdet(A, *, out=None) -> (Tensor sign, Tensor logabsdet)

    The determinant's sign (or phase) and the logarithm of its absolute value.

    >>> torch.linalg.slogdet(torch.eye(2)).sign
    tensor(1.)
    """
    return LinalgSlogdet.call(A)


def _tolerances(name, A, atol, rtol):
    """Tolerances as arrays or numbers."""
    for label, t in (("atol", atol), ("rtol", rtol)):
        if hasattr(t, "is_complex") and t.is_complex():
            raise RuntimeError(f"{name}: {label} tensor of complex type is not supported. Got {dtypes.scalar_name(t.dtype)}")
    return [t.detach().numpy() if hasattr(t, "detach") else t for t in (atol, rtol)]


@public("linalg")
def matrix_rank(A, tol=None, hermitian=False, *, atol=None, rtol=None):
    """matrix_rank(A, *, atol=None, rtol=None, hermitian=False, out=None) -> Tensor

    The number of singular values above ``max(atol, rtol * largest)``; ``rtol`` defaults to
    ``max(m, n) * eps`` if ``atol`` is not given.

    >>> torch.linalg.matrix_rank(torch.ones(3, 3))
    tensor(1)
    """
    if isinstance(tol, bool):
        tol, hermitian = None, tol
    if A.ndim < 2:
        raise RuntimeError("torch.linalg.matrix_rank: The input tensor input must have at least 2 dimensions.")
    if tol is not None:
        atol, rtol = tol, 0.0
    A = A.detach()
    _tolerances("torch.linalg.matrix_rank", A, atol, rtol)
    if not A.numel():
        return A.new_zeros(A.shape[:-2], dtype=dtypes.int64)
    if rtol is None:
        default = dtypes.finfo(A.dtype).eps * max(A.shape[-2:])
        if atol is None:
            rtol = default
        elif hasattr(atol, "dtype"):
            rtol = (atol <= 0) * default
        else:
            rtol = 0.0 if atol > 0 else default
    atol = 0.0 if atol is None else atol
    values = eigvalsh(A).abs() if hermitian else svdvals(A)
    largest = values.amax(-1)
    atol = atol if hasattr(atol, "dtype") else largest * 0 + atol
    cut = atol.maximum(rtol * largest)
    return (values > cut.unsqueeze(-1)).sum(-1)


@public("linalg")
def cond(A, p=None):
    """cond(A, p=None, *, out=None) -> Tensor

    The condition number: the norm ``p`` of the matrix times that of its inverse; by default the ratio of the
    extreme singular values.

    >>> torch.linalg.cond(torch.diag(torch.tensor([4.0, 2.0])))
    tensor(2.)
    """
    if A.ndim < 2:
        raise RuntimeError("linalg.cond: The input tensor must have at least 2 dimensions.")
    if p is None or (not isinstance(p, str) and abs(p) == 2):
        if not A.numel():
            return A.new_zeros(A.shape[:-2], dtype=A.dtype.to_real())
        values = svdvals(A)
        first, last = values.select(-1, 0), values.select(-1, -1)
        return last / first if p == -2 else first / last
    shown = f'"{p}"' if isinstance(p, str) else f"{p}"
    check_square(f"linalg.cond(ord={shown})" if not isinstance(p, str) else f"linalg.cond(ord={p})", A)
    if not A.numel():
        return A.new_zeros(A.shape[:-2], dtype=A.dtype.to_real())
    inverse, info = LinalgInvEx.call(A, False)
    singular = info != 0
    if bool(singular.any()):
        inverse = inverse.masked_fill(singular.unsqueeze(-1).unsqueeze(-1), math.inf)
    return matrix_norm(A, p) * matrix_norm(inverse, p) if not bool(singular.any()) else (
        matrix_norm(A, p) * vector_norm(inverse, math.inf, (-2, -1))
    )


# ---- powers, exponential, pseudo-inverse ---------------------------------------------------------


@public("linalg")
def matrix_power(A, n):
    """matrix_power(A, n, *, out=None) -> Tensor

    A square matrix to an integer power, by repeated squaring; negative ones through the inverse.

    >>> torch.linalg.matrix_power(torch.tensor([[1, 1], [0, 1]]), 3)
    tensor([[1, 3],
            [0, 1]])
    """
    if A.ndim < 2:
        raise RuntimeError("linalg.matrix_power: The input tensor A must have at least 2 dimensions.")
    if A.shape[-1] != A.shape[-2]:
        raise RuntimeError(
            f"linalg.matrix_power: A must be batches of square matrices, but they are {A.shape[-2]} by "
            f"{A.shape[-1]} matrices"
        )
    if n == 0:
        return A.clone().copy_(A.new_ones(A.shape[:-1]).diag_embed())  # the clone keeps it in the graph
    if n < 0:
        A, n = inv(A), -n
    if n == 1:
        return A.clone()
    result = None
    while n:
        if n & 1:
            result = A if result is None else result @ A
        n >>= 1
        if n:
            A = A @ A
    return result


@public("linalg", "torch", "Tensor", out=False)
def matrix_exp(A):
    """matrix_exp(A) -> Tensor

    The matrix exponential of square matrices.

    >>> torch.linalg.matrix_exp(torch.zeros(2, 2))
    tensor([[1., 0.],
            [0., 1.]])
    """
    return LinalgMatrixExp.call(A)


@public("linalg")
def pinv(A, rcond=None, hermitian=False, *, atol=None, rtol=None):
    """pinv(A, *, atol=None, rtol=None, hermitian=False, out=None) -> Tensor

    The Moore-Penrose inverse; singular values up to ``max(atol, rtol * largest)`` count as zero.

    >>> torch.linalg.pinv(torch.tensor([[2.0, 0.0], [0.0, 0.0]]))
    tensor([[0.5000, 0.0000],
            [0.0000, 0.0000]])
    """
    if A.ndim < 2 or A.dtype.category < dtypes.FLOATING:
        raise RuntimeError(
            f"linalg.pinv({dtypes.scalar_name(A.dtype)}{{{list(A.shape)}}}): expected a tensor with 2 or more "
            "dimensions of float, double, cfloat or cdouble types"
        )
    if rcond is not None:
        rtol = rcond
    return LinalgPinv.call(A, *_tolerances("torch.linalg.pinv", A, atol, rtol), hermitian)


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
        raise RuntimeError('"cumprod_out_cpu" not implemented for \'Bool\'')
    count = N if N is not None else (x.shape[-1] if x.ndim else 1)
    if count < 2:
        raise RuntimeError("N must be greater than 1.")
    x = x if x.ndim else x.unsqueeze(0)
    powers = x.unsqueeze(-1).expand(*x.shape, count - 1).cumprod(-1)
    return Cat.call([powers.new_ones((*x.shape, 1)), powers], -1)


class HouseholderProduct(Op):
    """The product of Householder reflections whose vectors are the columns of A, its first columns."""

    name = "linalg_householder_product"
    public = ()
    tensors = ("A", "tau")
    grad_name = "LinalgHouseholderProductBackward0"

    def forward(xp, A, tau):
        m, n = A.shape[-2:]
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
        V = (A.tril(-1) + A.new_ones(A.shape[-2]).diag_embed().narrow(-1, 0, n)).narrow(-1, 0, count)
        partial = A.new_ones(A.shape[-2]).diag_embed().narrow(-1, 0, n).expand(A.shape)
        products = [partial]  # products[j]: the last j reflections applied to the identity's columns
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

    >>> torch.linalg.householder_product(*torch.geqrf(torch.eye(2)))
    tensor([[1., 0.],
            [0., 1.]])
    """
    where = "torch.linalg.householder_product"
    if A.ndim < 2:
        raise RuntimeError(f"{where}: input must have at least 2 dimensions.")
    if A.shape[-2] < A.shape[-1]:
        raise RuntimeError(f"{where}: input.shape[-2] must be greater than or equal to input.shape[-1]")
    if A.shape[-1] < tau.shape[-1]:
        raise RuntimeError(f"{where}: input.shape[-1] must be greater than or equal to tau.shape[-1]")
    if A.ndim - tau.ndim != 1:
        raise RuntimeError(
            f"{where}: Expected tau to have one dimension less than input, but got tau.ndim equal to {tau.ndim} and "
            f"input.ndim is equal to {A.ndim}"
        )
    if A.shape[:-2] != tau.shape[:-1]:
        raise RuntimeError(
            f"{where}: Expected batch dimensions of tau to be equal to input.shape[:-2], but got {list(tau.shape[:-1])}"
        )
    if A.dtype is not tau.dtype:
        raise RuntimeError(
            f"{where}: tau dtype {dtypes.scalar_name(tau.dtype)} does not match input dtype {dtypes.scalar_name(A.dtype)}"
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
            "Expected self to satisfy the requirement prod(self.shape[ind:]) == prod(self.shape[:ind]), but got "
            f"{columns} != {rows}"
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
