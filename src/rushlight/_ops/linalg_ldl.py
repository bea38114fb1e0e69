"""LDL factors of symmetric and Hermitian matrices by Bunch and Kaufman's pivoting (1977), in
LAPACK's packed form."""

import math

import numpy as np

from rushlight._core import dtypes
from rushlight._core.looking import values_of
from rushlight._core.op import Op, public
from rushlight._core.return_types import make
from rushlight._ops.linalg_solve import check_square, first_failure

_ALPHA = (1 + math.sqrt(17)) / 8


def _size(x):
    return np.abs(x.real) + np.abs(x.imag)


def _choose(a, k):
    """(pivot row, block size) at step ``k``; block size 0 if the column is zero."""
    n = len(a)
    here = _size(a[k, k])
    if k == n - 1:
        return k, 1 if here else 0
    below = _size(a[k + 1 :, k])
    far = k + 1 + int(below.argmax())
    largest = below[far - k - 1]
    if max(here, largest) == 0:
        return k, 0
    if here >= _ALPHA * largest:
        return k, 1
    row = _size(a[far, k:far]).max()
    if far < n - 1:
        row = max(row, _size(a[far + 1 :, far]).max())
    if here >= _ALPHA * largest * (largest / row):
        return k, 1
    return far, 1 if _size(a[far, far]) >= _ALPHA * row else 2


def _swap(a, k, kk, kp, turn):
    """Exchange rows and columns ``kk`` and ``kp`` of what is left, in the lower triangle."""
    for i in range(kp + 1, len(a)):
        a[i, kk], a[i, kp] = a[i, kp], a[i, kk]
    for j in range(kk + 1, kp):
        a[j, kk], a[kp, j] = turn(a[kp, j]), turn(a[j, kk])
    a[kp, kk] = turn(a[kp, kk])
    a[kk, kk], a[kp, kp] = a[kp, kp], a[kk, kk]
    if kk == k + 1:
        a[k + 1, k], a[kp, k] = a[kp, k], a[k + 1, k]


def _factor(a, hermitian):
    """Factor one matrix in place: (pivots, info)."""
    turn = np.conj if hermitian else (lambda x: x)
    n, k, info = len(a), 0, 0
    pivots = np.zeros(n, np.int32)
    while k < n:
        kp, step = _choose(a, k)
        if step == 0:
            info, step = info or k + 1, 1
            pivots[k] = k + 1
            k += 1
            continue
        kk = k + step - 1
        if kp != kk:
            _swap(a, k, kk, kp, turn)
        if step == 1:
            column = a[k + 1 :, k].copy()
            a[k + 1 :, k + 1 :] -= np.tril(np.outer(column, turn(column)) / a[k, k])
            a[k + 1 :, k] = column / a[k, k]
            pivots[k] = kp + 1
        else:
            block = np.array([[a[k, k], turn(a[k + 1, k])], [a[k + 1, k], a[k + 1, k + 1]]])
            columns = a[k + 2 :, k : k + 2].copy()
            solved = columns @ np.linalg.inv(block)
            a[k + 2 :, k + 2 :] -= np.tril(solved @ turn(columns).T)
            a[k + 2 :, k : k + 2] = solved
            pivots[k] = pivots[k + 1] = -(kp + 1)
        k += step
    return pivots, info


def _solve(a, pivots, b, hermitian):
    """Solve one system in place with the factors of ``_factor``."""
    turn = np.conj if hermitian else (lambda x: x)
    n, k = len(a), 0
    while k < n:  # L and D
        step = 1 if pivots[k] > 0 else 2
        kk, kp = k + step - 1, abs(int(pivots[k])) - 1
        b[[kk, kp]] = b[[kp, kk]]
        b[k + step :] -= a[k + step :, k : k + step] @ b[k : k + step]
        if step == 1:
            b[k] /= a[k, k]
        else:
            block = np.array([[a[k, k], turn(a[k + 1, k])], [a[k + 1, k], a[k + 1, k + 1]]])
            b[k : k + 2] = np.linalg.solve(block, b[k : k + 2])
        k += step
    k = n - 1
    while k >= 0:  # L's transpose
        step = 1 if pivots[k] > 0 else 2
        first, kp = k - step + 1, abs(int(pivots[k])) - 1
        b[first : k + 1] -= turn(a[k + 1 :, first : k + 1]).T @ b[k + 1 :]
        b[[k, kp]] = b[[kp, k]]
        k -= step


def on_host(xp):
    """These algorithms look at one number after another: a device's arrays go over the host."""
    if xp is not np:
        raise NotImplementedError("LDL factors are computed on the CPU")


class LinalgLdlFactorEx(Op):
    """LDL factors of the lower triangle."""

    public = ()
    tensors = ("A",)
    half = "native"
    outputs = ("LD", "pivots", "info")
    differentiable = False  # PyTorch has no gradient either

    def forward(xp, A, hermitian=False):
        check_square("torch.linalg.ldl_factor_ex", A)
        on_host(xp)
        n = A.shape[-1]
        flat = np.tril(A).reshape(math.prod(A.shape[:-2]), n, n)
        pivots, info = np.zeros((len(flat), n), np.int32), np.zeros(len(flat), np.int32)
        for i, matrix in enumerate(flat):
            pivots[i], info[i] = _factor(matrix, hermitian)
        batch = A.shape[:-2]
        return flat.reshape(A.shape), pivots.reshape(*batch, n), info.reshape(batch)


class LinalgLdlSolve(Op):
    """Systems solved with LDL factors."""

    public = ()
    tensors = ("LD", "pivots", "B")
    half = "native"
    promoted = ("LD", "B")
    differentiable = False  # PyTorch has no gradient either

    def forward(xp, LD, pivots, B, hermitian=False):
        on_host(xp)
        batch = np.broadcast_shapes(LD.shape[:-2], B.shape[:-2])
        count = math.prod(batch)
        n = LD.shape[-1]
        factors = np.broadcast_to(LD, (*batch, n, n)).reshape(count, n, n)
        swaps = np.broadcast_to(pivots, (*batch, n)).reshape(count, n)
        X = np.broadcast_to(B, (*batch, *B.shape[-2:])).reshape(count, *B.shape[-2:]).copy()
        for i in range(count):
            _solve(factors[i], swaps[i], X[i], hermitian)
        return X.reshape(*batch, *B.shape[-2:])


@public("linalg")
def ldl_factor(A, *, hermitian=False):
    """ldl_factor(A, *, hermitian=False, out=None) -> (Tensor LD, Tensor pivots)

    Factors of a symmetric (or Hermitian) matrix that need not be definite, for :func:`ldl_solve`.

    >>> torch.linalg.ldl_factor(torch.eye(2)).pivots
    tensor([1, 2], dtype=torch.int32)
    """
    check_square("torch.linalg.ldl_factor", A)
    LD, pivots, info = LinalgLdlFactorEx.call(A, hermitian)
    _refuse_singular("torch.linalg.ldl_factor", info)
    return make("linalg_ldl_factor", ("LD", "pivots"), (LD, pivots))


def _refuse_singular(name, info):
    failed = first_failure(values_of(info))
    if failed is not None:
        where, at = failed
        raise RuntimeError(
            f"{name}: {where}D[{at},{at}] is zero and using it on ldl_solve would result in a "
            "division by zero. If you still want to perform the factorization, consider calling "
            "linalg.ldl_factor_ex(A)"
        )


@public("linalg")
def ldl_factor_ex(A, *, hermitian=False, check_errors=False):
    """ldl_factor_ex(A, *, hermitian=False, check_errors=False, out=None) -> (Tensor LD, Tensor
        pivots, Tensor info)

    As :func:`ldl_factor`; ``info`` has the place of the first zero block, or 0.

    >>> torch.linalg.ldl_factor_ex(torch.zeros(2, 2)).info
    tensor(1, dtype=torch.int32)
    """
    result = LinalgLdlFactorEx.call(A, hermitian)
    if check_errors:
        _refuse_singular("torch.linalg.ldl_factor_ex", result[2])
    return result


@public("linalg")
def ldl_solve(LD, pivots, B, *, hermitian=False):
    """ldl_solve(LD, pivots, B, *, hermitian=False, out=None) -> Tensor

    The X of ``A X = B`` from :func:`ldl_factor`'s result.

    >>> torch.linalg.ldl_solve(*torch.linalg.ldl_factor(2 * torch.eye(2)), torch.ones(2, 1))
    tensor([[0.5000],
            [0.5000]])
    """
    check_square("torch.linalg.ldl_solve", LD, "LD")
    if B.ndim < 2:
        raise RuntimeError(
            "torch.linalg.ldl_solve: Expected B to have at least 2 dimensions, but it has "
            f"{B.ndim} dimensions instead"
        )
    if pivots.dtype.category != dtypes.INTEGER:
        raise RuntimeError(
            "torch.linalg.ldl_solve: Expected pivots to be integers. Got "
            f"{dtypes.scalar_name(pivots.dtype)}"
        )
    if LD.shape[-1] != B.shape[-2]:
        raise RuntimeError(
            "torch.linalg.ldl_solve: Incompatible shapes of A and B for the equation AX = B "
            f"({LD.shape[-2]}x{LD.shape[-1]} and {B.shape[-2]}x{B.shape[-1]})"
        )
    return LinalgLdlSolve.call(LD, pivots, B, hermitian)
