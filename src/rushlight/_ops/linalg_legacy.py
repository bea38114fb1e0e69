"""Linear algebra under its older torch.* and Tensor names, in terms of the torch.linalg records."""

import math

from rushlight._core import dtypes
from rushlight._core.op import Op, public
from rushlight._core.return_types import make
from rushlight._ops import linalg, linalg_numbers, linalg_tensors
from rushlight._ops.deprecated import deprecated
from rushlight._ops.linalg_decomp import LinalgCholeskyEx, LinalgQr, LinalgSvd
from rushlight._ops.linalg_norm import matrix_norm, vector_norm
from rushlight._ops.linalg_solve import (
    LinalgLuFactorEx,
    PermutationMatrix,
    SolveTriangular,
    check_matrix,
    check_square,
    lower_unit,
    upper_part,
)


@public("torch", "Tensor", aliases=())
def det(A):
    """det(A, *, out=None) -> Tensor: see :func:`torch.linalg.det`.

    >>> torch.det(torch.tensor([[2.0, 0.0], [0.0, 4.0]]))
    tensor(8.)
    """
    return linalg_numbers.det(A)


@public("torch", "Tensor")
def slogdet(input):
    """slogdet(input, *, out=None) -> (Tensor sign, Tensor logabsdet): see
    :func:`torch.linalg.slogdet`.

    >>> torch.slogdet(torch.eye(2)).logabsdet
    tensor(0.)
    """
    return make("slogdet", ("sign", "logabsdet"), tuple(linalg_numbers.slogdet(input)))


@public("torch", "Tensor", out=False)
def logdet(input):
    """logdet(input) -> Tensor

    The logarithm of the determinant of square matrices; NaN where it is negative.

    >>> torch.logdet(torch.eye(2))
    tensor(0.)
    """
    check_square("logdet", input)
    sign, logabsdet = linalg_numbers.slogdet(input)
    if input.is_complex():
        return sign.log() + logabsdet
    return logabsdet.masked_fill(sign == -1, math.nan)


@public("torch", "Tensor")
def inverse(input):
    """inverse(input, *, out=None) -> Tensor: see :func:`torch.linalg.inv`.

    >>> torch.inverse(torch.tensor([[2.0, 0.0], [0.0, 4.0]]))
    tensor([[0.5000, 0.0000],
            [0.0000, 0.2500]])
    """
    return linalg.inv(input)


@public("torch", "Tensor", out=False)
def pinverse(input, rcond=1e-15):
    """pinverse(input, rcond=1e-15) -> Tensor: see :func:`torch.linalg.pinv`.

    >>> torch.pinverse(torch.tensor([[2.0, 0.0], [0.0, 4.0]]))
    tensor([[0.5000, 0.0000],
            [0.0000, 0.2500]])
    """
    return linalg_numbers.pinv(input, rcond)


@public("torch", "Tensor")
def matrix_power(input, n):
    """matrix_power(input, n, *, out=None) -> Tensor: see :func:`torch.linalg.matrix_power`.

    >>> torch.matrix_power(torch.tensor([[1, 1], [0, 1]]), 2)
    tensor([[1, 2],
            [0, 1]])
    """
    return linalg_numbers.matrix_power(input, n)


# ---- norms ---------------------------------------------------------------------------------------


def _both_dims(dim):
    return [dim] if isinstance(dim, int) else dim


@public("torch")
def norm(input, p="fro", dim=None, keepdim=False, dtype=None):
    """norm(input, p="fro", dim=None, keepdim=False, out=None, dtype=None) -> Tensor

    A vector norm over ``dim`` (all by default) of order ``p``, or the matrix norm ``"nuc"``;
    ``"fro"`` is order 2. Prefer :func:`torch.linalg.vector_norm` and
    :func:`torch.linalg.matrix_norm`.

    >>> torch.norm(torch.tensor([3.0, 4.0]))
    tensor(5.)
    """
    dims = _both_dims(dim)
    if dtype is not None and dtype.category < dtypes.FLOATING:
        raise RuntimeError(
            "linalg.vector_norm: dtype should be floating point or complex, but got "
            f"{dtypes.scalar_name(dtype)}"
        )
    if p == "fro" and (dims is None or len(dims) <= 2):
        return vector_norm(input, 2, dims, keepdim, dtype=dtype)
    if p == "nuc" or isinstance(p, str):
        over = tuple(dims) if dims is not None else tuple(range(input.ndim))
        return matrix_norm(input, p, over, keepdim, dtype=dtype)
    dims = list(range(input.ndim)) if dims is None else dims
    return vector_norm(input, 2 if p is None else p, dims, keepdim, dtype=dtype)


def _tensor_norm(self, p="fro", dim=None, keepdim=False, dtype=None):
    """norm(p="fro", dim=None, keepdim=False, dtype=None) -> Tensor: see :func:`torch.norm`.

    >>> torch.tensor([3.0, 4.0]).norm()
    tensor(5.)
    """
    return norm(self, p, dim, keepdim, dtype=dtype)


_tensor_norm.__name__ = _tensor_norm.__qualname__ = "norm"
public("Tensor", out=False)(_tensor_norm)


class Renorm(Op):
    """renorm(input, p, dim, maxnorm, *, out=None) -> Tensor

    Slices along ``dim`` whose ``p``-norm exceeds ``maxnorm``, scaled down to it; others as they
    are.

    >>> torch.renorm(torch.tensor([[3.0, 4.0], [0.3, 0.4]]), 2, 0, 1.0)
    tensor([[0.6000, 0.8000],
            [0.3000, 0.4000]])
    """

    tensors = ("input",)
    inplace = True

    def forward(xp, x, p, dim, maxnorm):
        if x.ndim < 2:
            raise RuntimeError(
                f"renorm: input needs at least 2 dimensions, got {x.ndim} dimensions"
            )
        if p <= 0:
            raise RuntimeError("renorm: non-positive-norm not supported")
        if maxnorm < 0:
            raise RuntimeError(f"renorm: expected maxnorm to be >= 0 but got {maxnorm:g}")
        others = tuple(i for i in range(x.ndim) if i != dim % x.ndim)
        size = xp.abs(x)
        size = (
            size.max(others, keepdims=True)
            if p == math.inf
            else (size**p).sum(others, keepdims=True) ** (1 / p)
        )
        return x * xp.where(size > maxnorm, maxnorm / (size + 1e-7), 1).astype(size.dtype)

    def vjp(g, input, p, dim, maxnorm):
        others = [i for i in range(input.ndim) if i != dim % input.ndim]
        size = vector_norm(input, p, others, True)
        scale = (size > maxnorm) * (maxnorm / (size + 1e-7)) + (size <= maxnorm)
        direction = _norm_direction(input, size, p, others)
        total = (g.conj() * input).sum(others, True)
        total = total.real if total.is_complex() else total
        slope = (size > maxnorm) * (-maxnorm / (size + 1e-7).square()) * total
        return g * scale + direction * slope


def _norm_direction(x, size, p, others):
    """The derivative of the p-norm of slices."""
    if p == math.inf:
        hit = x.abs() == size
        return x.sgn() * hit / hit.sum(others, True)
    return x.sgn() * (x.abs() / size.masked_fill(size == 0, 1)).pow(p - 1)


# ---- decompositions ------------------------------------------------------------------------------


@public("torch", "Tensor")
def cholesky(input, upper=False):
    """cholesky(input, upper=False, *, out=None) -> Tensor: see :func:`torch.linalg.cholesky`.

    >>> torch.cholesky(torch.tensor([[4.0]]))
    tensor([[2.]])
    """
    deprecated("cholesky")
    return LinalgCholeskyEx.call(input, upper, True, "cholesky")[0]


@public("torch", "Tensor")
def qr(input, some=True):
    """qr(input, some=True, *, out=None) -> (Tensor Q, Tensor R): see :func:`torch.linalg.qr`.

    >>> torch.qr(torch.eye(2)).R.abs()
    tensor([[1., 0.],
            [0., 1.]])
    """
    deprecated("qr")
    return make("qr", ("Q", "R"), tuple(LinalgQr.call(input, "reduced" if some else "complete")))


@public("torch", "Tensor")
def svd(input, some=True, compute_uv=True):
    """svd(input, some=True, compute_uv=True, *, out=None) -> (Tensor U, Tensor S, Tensor V)

    ``input = U diag(S) Vᴴ``. Prefer :func:`torch.linalg.svd`, which gives Vᴴ.

    >>> torch.svd(torch.diag(torch.tensor([3.0, 2.0]))).S
    tensor([3., 2.])
    """
    if input.ndim < 2:
        raise RuntimeError(
            f"linalg.svd: input should have at least 2 dimensions, but has {input.ndim} dimensions "
            "instead"
        )
    fields = ("U", "S", "V")
    if not compute_uv:
        m, n = input.shape[-2:]
        zeros = [input.new_zeros((*input.shape[:-2], s, s)) for s in (m, n)]
        return make("svd", fields, (zeros[0], linalg.svdvals(input), zeros[1]))
    U, S, Vh = LinalgSvd.call(input, not some)
    return make("svd", fields, (U, S, Vh.mH))


@public("torch", "Tensor")
def lu(A, pivot=True, get_infos=False):
    """lu(A, pivot=True, get_infos=False, *, out=None) -> (Tensor LU, IntTensor pivots, IntTensor
        info optional)

    Packed LU factors. Prefer :func:`torch.linalg.lu_factor`.

    >>> torch.lu(torch.eye(2))[1]
    tensor([1, 2], dtype=torch.int32)
    """
    deprecated("lu")
    check_matrix("torch.lu_factor", A)
    if not pivot:
        raise RuntimeError("linalg.lu_factor: LU without pivoting is not implemented on the CPU")
    result = LinalgLuFactorEx.call(A, pivot)
    if get_infos:
        return make("_lu_with_info", ("LU", "pivots", "info"), tuple(result))
    return result[0], result[1]


@public("torch")
def lu_unpack(LU_data, LU_pivots, unpack_data=True, unpack_pivots=True):
    """lu_unpack(LU_data, LU_pivots, unpack_data=True, unpack_pivots=True, *, out=None) -> (Tensor
        P, Tensor L, Tensor U)

    The three factors of ``A = P L U`` out of :func:`torch.linalg.lu_factor`'s result.

    >>> torch.lu_unpack(*torch.linalg.lu_factor(torch.eye(2))).U
    tensor([[1., 0.],
            [0., 1.]])
    """
    if LU_data.ndim < 2:
        raise RuntimeError(
            "torch.lu_unpack: Expected tensor with 2 or more dimensions. Got size: "
            f"{list(LU_data.shape)} instead"
        )
    if unpack_pivots and LU_pivots.dtype is not dtypes.int32:
        raise RuntimeError(
            "torch.lu_unpack: LU_pivots is expected to be a contiguous tensor of torch.int32 "
            "dtype.\nNote: this "
            "function is intended to be used with the output produced by torch.linalg.lu_factor"
        )
    m, n = LU_data.shape[-2:]
    empty = LU_data.new_zeros(0)
    P = PermutationMatrix.call(LU_pivots, m).to(LU_data.dtype) if unpack_pivots else empty
    L = lower_unit(LU_data, min(m, n)) if unpack_data else empty
    U = upper_part(LU_data, min(m, n)) if unpack_data else empty
    return make("lu_unpack", ("P", "L", "U"), (P, L, U))


@public("torch", "Tensor")
def orgqr(input, input2):
    """orgqr(input, tau, *, out=None) -> Tensor: see :func:`torch.linalg.householder_product`.

    >>> torch.orgqr(*torch.geqrf(torch.eye(2))).abs()
    tensor([[1., 0.],
            [0., 1.]])
    """
    return linalg_tensors.householder_product(input, input2)


@public("torch", "Tensor")
def ormqr(input, tau, other, left=True, transpose=False):
    """ormqr(input, tau, other, left=True, transpose=False, *, out=None) -> Tensor

    ``other`` multiplied by the full Q of Householder reflections (its adjoint if ``transpose``),
    from the left or the right.

    >>> torch.ormqr(*torch.geqrf(torch.eye(2)), torch.ones(2, 1))
    tensor([[1.],
            [1.]])
    """
    _check_ormqr(input, tau, other, left)
    m, count = input.shape[-2], tau.shape[-1]
    V = input.narrow(-1, 0, count).tril(-1) + input.new_ones(m).diag_embed().narrow(-1, 0, count)
    order = range(count) if left == transpose else reversed(range(count))
    for i in order:
        v, scale = V.narrow(-1, i, 1), tau.narrow(-1, i, 1).unsqueeze(-1)
        scale = scale.conj() if transpose else scale
        other = (
            other - scale * (v @ (v.mH @ other)) if left else other - scale * ((other @ v) @ v.mH)
        )
    return other


def _check_ormqr(input, tau, other, left):
    where = "torch.ormqr"
    for name, t in (("input", input), ("other", other)):
        if t.ndim < 2:
            raise RuntimeError(f"{where}: {name} must have at least 2 dimensions.")
    at = -2 if left else -1
    if other.shape[at] < tau.shape[-1]:
        raise RuntimeError(
            f"{where}: other.shape[{at}] must be greater than or equal to tau.shape[-1]"
        )
    if other.shape[at] != input.shape[-2]:
        raise RuntimeError(f"{where}: other.shape[{at}] must be equal to input.shape[-2]")
    if tau.shape[-1] > min(input.shape[-2:]) or tau.shape[-1] != min(
        other.shape[at], input.shape[-1]
    ):
        raise RuntimeError(
            f"{where}: tau.shape[-1] must be equal to min(other.shape[{at}], input.shape[-1])"
        )
    if input.ndim - tau.ndim != 1:
        raise RuntimeError(
            f"{where}: Expected tau to have one dimension less than input, but got tau.ndim equal "
            f"to {tau.ndim} and input.ndim is equal to {input.ndim}"
        )


# ---- systems -------------------------------------------------------------------------------------


@public("torch", "Tensor")
def cholesky_solve(B, L, upper=False):
    """cholesky_solve(B, L, upper=False, *, out=None) -> Tensor

    The X of ``A X = B`` from the Cholesky factor of A.

    >>> torch.cholesky_solve(torch.tensor([[8.0]]), torch.tensor([[2.0]]))
    tensor([[2.]])
    """
    for name, t in (("b", B), ("u", L)):
        if t.ndim < 2:
            raise RuntimeError(
                f"{name} should have at least 2 dimensions, but has {t.ndim} dimensions instead"
            )
    _check_system("cholesky_solve_cpu", B, L)
    if L.shape[-1] != B.shape[-2]:
        raise RuntimeError(
            f"Incompatible matrix sizes for cholesky_solve: each A matrix is {L.shape[-1]} by "
            f"{L.shape[-1]} but each b matrix is {B.shape[-2]} by {B.shape[-1]}"
        )
    first, second = (L.mH, L) if upper else (L, L.mH)
    half = SolveTriangular.call(first, B, False, True, False)
    return SolveTriangular.call(second, half, True, True, False)


@public("torch", "Tensor")
def cholesky_inverse(L, upper=False):
    """cholesky_inverse(L, upper=False, *, out=None) -> Tensor

    The inverse of A from its Cholesky factor.

    >>> torch.cholesky_inverse(torch.tensor([[2.0]]))
    tensor([[0.2500]])
    """
    check_square("cholesky_inverse", L)
    L = L.triu() if upper else L.tril()
    return cholesky_solve(L.new_ones(L.shape[-1]).diag_embed().expand(L.shape), L, upper)


@public("torch", "Tensor")
def triangular_solve(b, A, upper=True, transpose=False, unitriangular=False):
    """triangular_solve(b, A, upper=True, transpose=False, unitriangular=False, *, out=None) ->
        (solution, cloned_coefficient)

    Prefer :func:`torch.linalg.solve_triangular`.

    >>> torch.triangular_solve(torch.tensor([[4.0]]), torch.tensor([[2.0]])).solution
    tensor([[2.]])
    """
    deprecated("triangular_solve")
    for name, t in (("b", b), ("A", A)):
        if t.ndim < 2:
            raise RuntimeError(
                f"torch.triangular_solve: Expected {name} to have at least 2 dimensions, but it "
                f"has {t.ndim} dimensions instead"
            )
    _check_system("triangular_solve_cpu", b, A)
    if A.shape[-1] != b.shape[-2]:
        raise RuntimeError(
            "Incompatible matrix sizes for triangular_solve: each A matrix is "
            f"{A.shape[-1]} by {A.shape[-1]} but each b matrix is {b.shape[-2]} by {b.shape[-1]}"
        )
    coefficient = A.expand((*_batch(A, b), *A.shape[-2:])).clone()
    M = A.mT if transpose else A
    solution = SolveTriangular.call(M, b, upper != transpose, True, unitriangular)
    return make("triangular_solve", ("solution", "cloned_coefficient"), (solution, coefficient))


def _check_system(kernel, b, A):
    if A.dtype is not b.dtype:
        raise RuntimeError(
            f"Expected b and A to have the same dtype, but found b of type "
            f"{dtypes.scalar_name(b.dtype)} and A of type {dtypes.scalar_name(A.dtype)} instead."
        )
    if A.shape[-1] != A.shape[-2]:
        raise RuntimeError(
            f"A must be batches of square matrices, but they are {A.shape[-2]} by {A.shape[-1]} "
            "matrices"
        )
    if A.dtype.category < dtypes.FLOATING:
        kind = dtypes.scalar_name(A.dtype)
        raise NotImplementedError(f"\"{kernel}\" not implemented for '{kind}'")


def _batch(a, b):
    from_a, from_b = tuple(a.shape[:-2]), tuple(b.shape[:-2])
    n = max(len(from_a), len(from_b))
    pairs = zip((1,) * (n - len(from_a)) + from_a, (1,) * (n - len(from_b)) + from_b, strict=True)
    return tuple([q if p == 1 else p for p, q in pairs])


@public("torch", "Tensor")
def lu_solve(b, LU_data, LU_pivots):
    """lu_solve(b, LU_data, LU_pivots, *, out=None) -> Tensor: see :func:`torch.linalg.lu_solve`.

    >>> torch.lu_solve(torch.ones(2, 1), *torch.linalg.lu_factor(2 * torch.eye(2)))
    tensor([[0.5000],
            [0.5000]])
    """
    deprecated("lu_solve")
    return linalg.lu_solve(LU_data, LU_pivots, b)


@public("torch")
def frobenius_norm(input, dim=(), keepdim=False):
    """frobenius_norm(input, dim=(), keepdim=False, *, out=None) -> Tensor: the norm of order 2
    over ``dim``.

    >>> torch.frobenius_norm(torch.tensor([3.0, 4.0]), 0)
    tensor(5.)
    """
    return vector_norm(input, 2, dim, keepdim)


@public("torch")
def nuclear_norm(input, dim=(-2, -1), keepdim=False):
    """nuclear_norm(input, dim=(-2, -1), keepdim=False, *, out=None) -> Tensor: the sum of singular
    values.

    >>> torch.nuclear_norm(torch.eye(2))
    tensor(2.)
    """
    deprecated("nuclear_norm")
    return matrix_norm(input, "nuc", dim, keepdim)
