"""Linear systems: LU, triangular solves, solve, inverse. NumPy's LAPACK where it has one."""

import math

import numpy as np

from rushlight._core import dtypes, gpu
from rushlight._core.op import Meta, Op
from rushlight._core.shape import common_shape
from rushlight._ops.join import Cat

BLOCK = 32  # columns factored at a time; the rest is updated by one matrix product


class LinAlgError(RuntimeError):
    """torch.linalg.LinAlgError: a matrix does not allow what was asked of it."""


_LinAlgError = LinAlgError  # what PyTorch's calls itself
LinAlgError.__name__ = LinAlgError.__qualname__ = "_LinAlgError"


# ---- what every function here refuses ------------------------------------------------------------


# LAPACK-backed functions that only say so when they reach their kernel.
_KERNELS = {
    "linalg.svd": "linalg_svd_cpu", "linalg.qr": "geqrf_cpu", "linalg.cholesky": "cholesky_cpu",
    "linalg.eigh": "linalg_eigh_cpu", "torch.lu_factor": "lu_cpu", "linalg.lu": "lu_cpu",
    "linalg.solve_triangular": "triangular_solve_cpu", "torch.geqrf": "geqrf_cpu",
}  # fmt: skip

_NO_INTEGERS = {"torch.linalg.lstsq", "torch.linalg.matrix_rank"}


def check_matrix(name, x, letter="A"):
    """At least two dimensions, floating point or complex, not half precision."""
    if x.ndim < 2:
        raise RuntimeError(f"{name}: The input tensor {letter} must have at least 2 dimensions.")
    check_floating(name, x)


def check_floating(name, x):
    """A floating point or complex tensor or array that LAPACK knows."""
    dtype = x.dtype if isinstance(x.dtype, dtypes.dtype) else dtypes.of_array(x)
    if dtype.category < dtypes.FLOATING and name in _NO_INTEGERS:
        raise RuntimeError("This function doesn't handle types other than float and double")
    if dtype.category < dtypes.FLOATING and _KERNELS.get(name) == "lu_cpu":
        raise NotImplementedError(f"\"lu_cpu\" not implemented for '{dtypes.scalar_name(dtype)}'")
    if dtype.category < dtypes.FLOATING:
        raise RuntimeError(
            f"{name}: Expected a floating point or complex tensor as input. Got "
            f"{dtypes.scalar_name(dtype)}"
        )
    if dtype.itemsize < 4 and name in _KERNELS:
        raise NotImplementedError(
            f"\"{_KERNELS[name]}\" not implemented for '{dtypes.scalar_name(dtype)}'"
        )
    if dtype.itemsize < 4:
        raise RuntimeError(
            f"{name}: Low precision dtypes not supported. Got {dtypes.scalar_name(dtype)}"
        )


def check_square(name, x, letter="A"):
    """Square matrices of a fitting dtype."""
    if x.ndim < 2:
        raise RuntimeError(f"{name}: The input tensor {letter} must have at least 2 dimensions.")
    if x.shape[-1] != x.shape[-2]:
        raise RuntimeError(
            f"{name}: {letter} must be batches of square matrices, but they are {x.shape[-2]} by "
            f"{x.shape[-1]} matrices"
        )
    check_floating(name, x)


def first_failure(info):
    """(text naming the batch element, its info) of the first matrix that failed; None if none
    did."""
    if info is None:  # of a batch that vmap maps over: nothing to look at
        return None
    info = gpu.to_host(info)  # where there is a device, it is waited for
    bad = np.flatnonzero(info)
    if not len(bad):
        return None
    where = f"(Batch element {bad[0]}): " if np.ndim(info) else ""
    return where, int(np.reshape(info, -1)[bad[0]])


# ---- LU ------------------------------------------------------------------------------------------


def lu_arrays(xp, x, pivot=True):
    """LU factors in place of a copy of ``x``, LAPACK's 1-based row swaps, and the first zero pivot
    (0: none)."""
    shape, (m, n) = x.shape, x.shape[-2:]
    k = min(m, n)
    lu = xp.array(x, copy=True).reshape(math.prod(shape[:-2]), m, n)
    pivots = xp.broadcast_to(xp.arange(1, k + 1, dtype=np.int32), (len(lu), k)).copy()
    info = xp.zeros(len(lu), np.int32)
    every = xp.arange(len(lu))
    for start in range(0, k, BLOCK):
        stop = min(start + BLOCK, k)
        for j in range(start, stop):
            if pivot:
                at = j + _size(lu[:, j:, j]).argmax(1)
                pivots[:, j] = at + 1
                swapped = lu[every, at]  # a copy
                lu[every, at] = lu[:, j]
                lu[:, j] = swapped
            head = lu[:, j, j]
            info = xp.where((info == 0) & (head == 0), j + 1, info)
            lu[:, j + 1 :, j] /= xp.where(head == 0, 1, head)[:, None]
            lu[:, j + 1 :, j + 1 : stop] -= lu[:, j + 1 :, j, None] * lu[:, j, None, j + 1 : stop]
        if stop < n:
            right = triangular_solve(
                xp, lu[:, start:stop, start:stop], lu[:, start:stop, stop:], False, True
            )
            lu[:, start:stop, stop:] = right
            lu[:, stop:, stop:] -= lu[:, stop:, start:stop] @ right
    batch = shape[:-2]
    return lu.reshape(shape), pivots.reshape(*batch, k), info.astype(np.int32).reshape(batch)


def _size(x):
    """What LAPACK calls the size of a pivot: |re| + |im|."""
    return abs(x.real) + abs(x.imag) if x.dtype.kind == "c" else abs(x)


def permutation(xp, pivots, m):
    """The rows' order that a sequence of swaps leads to."""
    flat = pivots.reshape(math.prod(pivots.shape[:-1]), pivots.shape[-1])
    order = xp.broadcast_to(xp.arange(m), (len(flat), m)).copy()
    every = xp.arange(len(flat))
    for j in range(flat.shape[1]):
        at = flat[:, j] - 1
        order[every, at], order[:, j] = order[:, j].copy(), order[every, at]
    return order.reshape(*pivots.shape[:-1], m)


def triangular_solve(xp, a, b, upper, unit):
    """Solve ``a x = b`` for triangular ``a`` by halving: two small solves and one matrix
    product."""
    n = a.shape[-1]
    if n > 16:
        h = n // 2
        first, second = (
            (slice(h, None), slice(None, h)) if upper else (slice(None, h), slice(h, None))
        )
        x = triangular_solve(xp, a[..., first, first], b[..., first, :], upper, unit)
        rest = b[..., second, :] - a[..., second, first] @ x
        y = triangular_solve(xp, a[..., second, second], rest, upper, unit)
        return xp.concatenate([y, x] if upper else [x, y], -2)
    shape = common_shape(a.shape[:-2], b.shape[:-2])
    x = xp.array(xp.broadcast_to(b, (*shape, *b.shape[-2:])), xp.result_type(a, b))
    for i in reversed(range(n)) if upper else range(n):
        if not unit:
            x[..., i, :] /= a[..., i, i, None]
        rest = slice(None, i) if upper else slice(i + 1, None)
        x[..., rest, :] -= a[..., rest, i, None] * x[..., i, None, :]
    return x


class LinalgLuFactorEx(Op):
    """LU with partial pivoting in LAPACK's packed form."""

    public = ()
    tensors = ("A",)
    half = "native"
    outputs = ("LU", "pivots", "info")

    def forward(xp, A, pivot=True):
        check_matrix("torch.lu_factor", A)
        return lu_arrays(xp, A, pivot)

    def vjp(g, LU, pivots):
        m, n = LU.shape[-2:]
        k = min(m, n)
        P = PermutationMatrix.call(pivots, m).to(LU.dtype)
        L, U = lower_unit(LU, k), upper_part(LU, k)
        return lu_gradient(P, L, U, g.narrow(-1, 0, k).tril(-1), g.narrow(-2, 0, k).triu())


def lower_unit(LU, k):
    """The unit lower triangular factor out of the packed form."""
    packed = LU.narrow(-1, 0, k).tril(-1)
    return packed + LU.new_ones(packed.shape[-2]).diag_embed().narrow(-1, 0, k)


def upper_part(LU, k):
    """The upper triangular factor out of the packed form."""
    return LU.narrow(-2, 0, k).triu()


def permutation_matrix(xp, order, dtype):
    """The matrix with a one in column i at row ``order[i]``."""
    m = order.shape[-1]
    return (xp.arange(m)[:, None] == order[..., None, :]).astype(dtype)


class PermutationMatrix(Op):
    """The matrix P with A = P L U, from LAPACK's row swaps."""

    public = ()
    tensors = ("pivots",)
    half = "native"
    promote = "keep"
    differentiable = False  # integers

    def forward(xp, pivots, m):
        return permutation_matrix(xp, permutation(xp, pivots, m), np.float32)


def lu_gradient(P, L, U, gL, gU):
    """The gradient of A = P L U for square, tall and wide A; ``P`` may be None."""
    m, k = L.shape[-2:]
    n = U.shape[-1]
    below = right = None
    gL, gU = L.new_zeros(L.shape) if gL is None else gL, U.new_zeros(U.shape) if gU is None else gU
    if m > k:  # L = [L1; L2], L2 = A2 U^-1
        L1, L2 = L.narrow(-2, 0, k), L.narrow(-2, k, m - k)
        below = SolveTriangular.call(U.mH, gL.narrow(-2, k, m - k), False, False, False)
        gU = gU - L2.mH @ below
        L, gL = L1, gL.narrow(-2, 0, k)
    if n > k:  # U = [U1 U2], U2 = L^-1 A2
        U1, U2 = U.narrow(-1, 0, k), U.narrow(-1, k, n - k)
        right = SolveTriangular.call(L.mH, gU.narrow(-1, k, n - k), True, True, True)
        gL = gL - right @ U2.mH
        U, gU = U1, gU.narrow(-1, 0, k)
    middle = (L.mH @ gL).tril(-1) + (gU @ U.mH).triu()
    g = SolveTriangular.call(L.mH, middle, True, True, True)
    g = SolveTriangular.call(U.mH, g, False, False, False)
    if below is not None:
        g = Cat.call([g, below], -2)
    if right is not None:
        g = Cat.call([g, right], -1)
    return g if P is None else P @ g


class LinalgLu(Op):
    """``A = P L U`` with the three factors spelt out."""

    public = ()
    tensors = ("A",)
    half = "native"
    outputs = ("P", "L", "U")
    grads = ("L", "U")

    def forward(xp, A, pivot=True):
        check_matrix("linalg.lu", A)
        m, n = A.shape[-2:]
        k = min(m, n)
        lu, pivots, _ = lu_arrays(xp, A, pivot)
        lower = xp.tril(lu[..., :k], -1)
        lower[..., range(k), range(k)] = 1
        P = xp.zeros(0, A.dtype)
        if pivot:
            P = permutation_matrix(xp, permutation(xp, pivots, m), A.dtype)
        return P, lower, xp.triu(lu[..., :k, :])

    def vjp(g, P, L, U, pivot):
        gL, gU = g
        gL = None if gL is None else gL.tril(-1)
        gU = None if gU is None else gU.triu()
        return lu_gradient(P if pivot else None, L, U, gL, gU)


# ---- triangular systems --------------------------------------------------------------------------


class SolveTriangular(Op):
    """``A X = B`` (or ``X A = B``) for triangular A."""

    name = "linalg_solve_triangular"
    public = ()
    tensors = ("A", "B")
    half = "native"
    grad_name = "LinalgSolveTriangularBackward0"

    def forward(xp, A, B, upper, left=True, unitriangular=False):
        if left:
            return triangular_solve(xp, A, B, upper, unitriangular)
        turned = triangular_solve(
            xp, A.swapaxes(-1, -2), B.swapaxes(-1, -2), not upper, unitriangular
        )
        return turned.swapaxes(-1, -2)

    def vjp(g, A, result, upper, left, unitriangular, need):
        back = SolveTriangular.call(A.mH, g, not upper, left, unitriangular)
        if not need[0]:
            return None, back
        gA = -(back @ result.mH if left else result.mH @ back)
        edge = 1 if unitriangular else 0
        return gA.triu(edge) if upper else gA.tril(-edge), back


# ---- general systems -----------------------------------------------------------------------------


def is_vector(a_shape, b_shape):
    """Does ``b`` hold one vector per matrix? (NumPy 1's rule, which PyTorch keeps.)"""
    return len(b_shape) == 1 or (len(a_shape) - 1 == len(b_shape) and b_shape == a_shape[:-1])


def solve_arrays(xp, A, B):
    """Solutions of ``A X = B`` and, per matrix, the place of a zero pivot (0: none)."""
    info = np.zeros(A.shape[:-2], np.int32)
    try:
        return xp.linalg.solve(A, B), info
    except np.linalg.LinAlgError:
        lu, pivots, info = lu_arrays(xp, A)
        order = permutation(xp, pivots, A.shape[-1])
        shape = common_shape(A.shape[:-2], B.shape[:-2])
        B = xp.broadcast_to(B, (*shape, *B.shape[-2:]))
        order = xp.broadcast_to(order, (*shape, order.shape[-1]))
        moved = xp.take_along_axis(B, order[..., None], -2)
        half = triangular_solve(xp, lu, moved, False, True)
        return triangular_solve(xp, lu, half, True, False), info


class LinalgSolveEx(Op):
    """``A X = B`` (``X A = B`` if not ``left``) for square A, by LU."""

    public = ()
    tensors = ("A", "B")
    half = "native"
    outputs = ("result", "info")

    def forward(xp, A, B, left=True, check_errors=False):
        vector = is_vector(A.shape, B.shape)
        if vector:
            B = B[..., None]
        a, b = (A, B) if left else (A.swapaxes(-1, -2), B.swapaxes(-1, -2))
        x, info = solve_arrays(xp, a, b)
        if check_errors and info.any():
            where, _ = first_failure(info)
            raise LinAlgError(
                f"torch.linalg.solve: {where}The solver failed because the input matrix is "
                "singular."
            )
        x = x if left else x.swapaxes(-1, -2)
        return x[..., 0] if vector else x, info

    def vjp(g, A, B: Meta, result, left, need):
        back = LinalgSolveEx.call(A.mH, g, left, False)[0]
        if not need[0]:
            return None, back
        if is_vector(tuple(A.shape), tuple(B.shape)):
            return -(back.unsqueeze(-1) @ result.unsqueeze(-2).conj()), back
        return -(back @ result.mH if left else result.mH @ back), back


class LinalgInvEx(Op):
    """The inverse of square matrices."""

    public = ()
    tensors = ("A",)
    half = "native"
    outputs = ("inverse", "info")

    def forward(xp, A, check_errors=False, name="linalg.inv"):
        check_square("linalg.inv", A)
        info = np.zeros(A.shape[:-2], np.int32)
        try:
            return xp.linalg.inv(A), info
        except np.linalg.LinAlgError:
            eye = xp.broadcast_to(xp.eye(A.shape[-1], dtype=A.dtype), A.shape)
            inverse, info = solve_arrays(xp, A, eye)
            if check_errors:
                where, at = first_failure(info)
                raise LinAlgError(
                    f"{name}: {where}The diagonal element {at} is zero, the inversion could not be "
                    "completed because the input matrix is singular."
                ) from None
            return inverse, info

    def vjp(g, inverse):
        turned = inverse.mH
        return -(turned @ (g @ turned))
