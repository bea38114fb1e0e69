"""The functions of torch.linalg: what they refuse, and which record they call."""

from rushlight._core import dtypes
from rushlight._core.errors import broadcast
from rushlight._core.looking import values_of
from rushlight._core.op import public
from rushlight._core.return_types import make
from rushlight._ops.linalg_decomp import (
    LinalgCholeskyEx,
    LinalgEig,
    LinalgEigh,
    LinalgEigvals,
    LinalgEigvalsh,
    LinalgLstsq,
    LinalgQr,
    LinalgSvd,
    LinalgSvdvals,
)
from rushlight._ops.linalg_solve import (
    LinAlgError,
    LinalgInvEx,
    LinalgLu,
    LinalgLuFactorEx,
    LinalgSolveEx,
    PermutationMatrix,
    SolveTriangular,
    check_floating,
    check_square,
    first_failure,
    is_vector,
    lower_unit,
    upper_part,
)

LinAlgError.__module__ = "torch.linalg"

# ---- decompositions ------------------------------------------------------------------------------


@public("linalg")
def cholesky(A, *, upper=False):
    """cholesky(A, *, upper=False, out=None) -> Tensor

    The lower factor L of ``A = L Lᴴ`` (with ``upper`` its adjoint) of Hermitian positive-definite
    matrices. LinAlgError if one is not.

    >>> torch.linalg.cholesky(torch.tensor([[4.0, 0.0], [0.0, 9.0]]))
    tensor([[2., 0.],
            [0., 3.]])
    """
    return LinalgCholeskyEx.call(A, upper, True)[0]


@public("linalg")
def cholesky_ex(A, *, upper=False, check_errors=False):
    """cholesky_ex(A, *, upper=False, check_errors=False, out=None) -> (Tensor L, Tensor info)

    As :func:`cholesky`, but a failure only shows in ``info``: the order of the first minor that is
    not positive definite, or 0.

    >>> torch.linalg.cholesky_ex(torch.eye(2)).info
    tensor(0, dtype=torch.int32)
    """
    return LinalgCholeskyEx.call(A, upper, check_errors, "linalg.cholesky_ex")


@public("linalg")
def qr(A, mode="reduced"):
    """qr(A, mode="reduced", *, out=None) -> (Tensor Q, Tensor R)

    ``A = Q R`` with orthonormal columns in Q; ``mode`` is ``reduced``, ``complete`` or ``r`` (R
    only).

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
            f"torch.linalg.{name}: keyword argument `driver=` is only supported on CUDA inputs "
            "with cuSOLVER backend."
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

    Eigenvalues (real, ascending) and eigenvectors of Hermitian matrices, read from the triangle
    ``UPLO``.

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
            f"linalg.lu: Expected tensor with 2 or more dimensions. Got size: {list(A.shape)} "
            "instead"
        )
    _needs_pivot("linalg.lu_factor", pivot)
    return LinalgLu.call(A, pivot)


@public("linalg")
def lu_factor(A, *, pivot=True):
    """lu_factor(A, *, pivot=True, out=None) -> (Tensor LU, Tensor pivots)

    LU factors in one matrix and LAPACK's row swaps, for :func:`lu_solve`. RuntimeError if a matrix
    is singular.

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
            "torch.lu_factor: Expected tensor with 2 or more dimensions. Got size: "
            f"{list(A.shape)} instead"
        )
    _needs_pivot("linalg.lu_factor", pivot)


def _check_factor(info):
    failed = first_failure(values_of(info))
    if failed is not None:
        where, at = failed
        raise RuntimeError(
            f"torch.linalg.lu_factor: {where}U[{at},{at}] is zero and using it on lu_solve would "
            "result in a division by zero. If you still want to perform the factorization, "
            "consider calling linalg.lu(A, pivot) or linalg.lu_factor_ex(A, pivot)"
        )


@public("linalg")
def lu_factor_ex(A, *, pivot=True, check_errors=False):
    """lu_factor_ex(A, *, pivot=True, check_errors=False, out=None) -> (Tensor LU, Tensor pivots,
        Tensor info)

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

    Solve ``A X = B`` (``X A = B`` if not ``left``; with Aᴴ if ``adjoint``) from :func:`lu_factor`'s
    result.

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
            "linalg.lu_solve: Expected LU and B to have the same dtype, but found LU of type "
            f"{dtypes.scalar_name(LU.dtype)} and B of type {dtypes.scalar_name(B.dtype)} instead"
        )
    if pivots.dtype is not dtypes.int32:
        raise RuntimeError("linalg.lu_solve: pivots should be a Tensor of scalar type torch.int32")
    check_square("linalg.lu_solve", LU, "LU")
    if B.ndim < 2:
        raise RuntimeError("linalg.lu_solve: The input tensor B must have at least 2 dimensions.")
    _fits("linalg.lu_solve", LU, B, left)
    if LU.shape[-1] != pivots.shape[-1]:
        raise RuntimeError(
            "linalg.lu_solve: Number of pivots per batch should be same as the dimension of the "
            "matrix"
        )


def _fits(name, A, B, left):
    if A.shape[-2] != (B.shape[-2] if left else B.shape[-1]):
        raise RuntimeError(
            f"{name}: Incompatible shapes of A and B for the equation "
            f"{'AX = B' if left else 'XA = B'} ({A.shape[-2]}x{A.shape[-1]} and "
            f"{B.shape[-2]}x{B.shape[-1]})"
        )


def _one_dtype(name, A, B):
    if A.dtype is not B.dtype:
        raise RuntimeError(
            f"{name}: Expected A and B to have the same dtype, but found A of type "
            f"{dtypes.scalar_name(A.dtype)} and B of type {dtypes.scalar_name(B.dtype)} instead"
        )


# ---- systems -------------------------------------------------------------------------------------


def _check_solve(A, B, left):
    if A.ndim >= 2:
        check_floating("linalg.solve", A)
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

    The X of ``A X = B`` (``X A = B`` if not ``left``) for triangular A; its other triangle is not
    read.

    >>> A, B = torch.tensor([[2.0, 0.0], [1.0, 1.0]]), torch.tensor([[2.0], [3.0]])
    >>> torch.linalg.solve_triangular(A, B, upper=False)
    tensor([[1.],
            [2.]])
    """
    name = "linalg.solve_triangular"
    if A.dtype.category >= dtypes.FLOATING:
        check_square(name, A)
    if B.ndim < 2:
        raise RuntimeError(f"{name}: The input tensor B must have at least 2 dimensions.")
    _fits(name, A, B, left)
    check_square(name, A)
    _one_dtype(name, A, B)
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
    """lstsq(A, B, rcond=None, *, driver=None) -> (Tensor solution, Tensor residuals, Tensor rank,
        Tensor singular_values)

    The X of least ``|A X - B|``. ``driver`` is ``gels`` (full rank), ``gelsy`` (default), ``gelsd``
    or ``gelss``; the last two give singular values, all but ``gelsy`` the residuals of
    overdetermined systems.

    >>> torch.linalg.lstsq(torch.eye(2), torch.ones(2, 1)).solution.shape
    torch.Size([2, 1])
    """
    if input.ndim < 2:
        raise RuntimeError("torch.linalg.lstsq: input must have at least 2 dimensions.")
    if b.ndim < 1:
        raise RuntimeError("torch.linalg.lstsq: other must have at least 1 dimension.")
    if not 0 <= input.ndim - b.ndim <= 1:
        raise RuntimeError(
            "torch.linalg.lstsq: input.dim() must be greater or equal to other.dim() and "
            "(input.dim() - other.dim()) <= 1"
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
