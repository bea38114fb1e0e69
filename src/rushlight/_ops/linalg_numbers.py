"""torch.linalg: determinants, rank, condition, powers, exponential, pseudo-inverse."""

import math

from rushlight._core import dtypes
from rushlight._core.looking import array_of
from rushlight._core.op import public
from rushlight._ops.linalg import eigvalsh, inv, svdvals
from rushlight._ops.linalg_decomp import LinalgDet, LinalgMatrixExp, LinalgPinv, LinalgSlogdet
from rushlight._ops.linalg_norm import matrix_norm, vector_norm
from rushlight._ops.linalg_solve import LinalgInvEx, check_floating, check_square

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
            raise RuntimeError(
                f"{name}: {label} tensor of complex type is not supported. Got "
                f"{dtypes.scalar_name(t.dtype)}"
            )
    return [array_of(t.detach()) if hasattr(t, "detach") else t for t in (atol, rtol)]


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
        raise RuntimeError(
            "torch.linalg.matrix_rank: The input tensor input must have at least 2 dimensions."
        )
    if tol is not None:
        atol, rtol = tol, 0.0
    check_floating("torch.linalg.matrix_rank", A)
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

    The condition number: the norm ``p`` of the matrix times that of its inverse; by default the
    ratio of the extreme singular values.

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
    check_square(
        f"linalg.cond(ord={shown})" if not isinstance(p, str) else f"linalg.cond(ord={p})", A
    )
    if not A.numel():
        return A.new_zeros(A.shape[:-2], dtype=A.dtype.to_real())
    inverse, info = LinalgInvEx.call(A, False)
    singular = info != 0
    if bool(singular.any()):
        inverse = inverse.masked_fill(singular.unsqueeze(-1).unsqueeze(-1), math.inf)
    return (
        matrix_norm(A, p) * matrix_norm(inverse, p)
        if not bool(singular.any())
        else (matrix_norm(A, p) * vector_norm(inverse, math.inf, (-2, -1)))
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
        raise RuntimeError(
            "linalg.matrix_power: The input tensor A must have at least 2 dimensions."
        )
    if A.shape[-1] != A.shape[-2]:
        raise RuntimeError(
            "linalg.matrix_power: A must be batches of square matrices, but they are "
            f"{A.shape[-2]} by {A.shape[-1]} matrices"
        )
    if n == 0:
        return A.clone().copy_(
            A.new_ones(A.shape[:-1]).diag_embed()
        )  # the clone keeps it in the graph
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
            f"linalg.pinv({dtypes.scalar_name(A.dtype)}{{{list(A.shape)}}}): expected a tensor "
            "with 2 or more dimensions of float, double, cfloat or cdouble types"
        )
    if rcond is not None:
        rtol = rcond
    return LinalgPinv.call(A, *_tolerances("torch.linalg.pinv", A, atol, rtol), hermitian)
