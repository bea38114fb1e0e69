"""Matrix decompositions: Cholesky, QR, SVD, eigenvalues; determinants, pseudo-inverse, least
squares, exponential."""

from typing import Any

import numpy as np

from rushlight._core import dtypes
from rushlight._core.looking import seen
from rushlight._core.op import Meta, Op
from rushlight._ops.join import Cat
from rushlight._ops.linalg_solve import (
    LinAlgError,
    LinalgSolveEx,
    SolveTriangular,
    check_matrix,
    check_square,
    first_failure,
)

# ---- Cholesky ------------------------------------------------------------------------------------


def _failing_minor(matrix):
    """The order of the first leading minor that is not positive definite."""
    n = len(matrix)
    low, high = 0, n  # the answer is in (low, high]
    while high - low > 1:
        middle = (low + high) // 2
        try:
            np.linalg.cholesky(matrix[:middle, :middle])
            low = middle
        except np.linalg.LinAlgError:
            high = middle
    return high


def cholesky_arrays(A):
    """Lower factors and, per matrix, the failing minor's order (0: none)."""
    info = np.zeros(A.shape[:-2], np.int32)
    A = np.tril(A)  # LAPACK reads the lower triangle only
    try:
        return np.linalg.cholesky(A), info
    except np.linalg.LinAlgError:
        flat, factors = A.reshape(-1, *A.shape[-2:]), np.zeros((info.size, *A.shape[-2:]), A.dtype)
        found = info.reshape(-1)
        for i, matrix in enumerate(flat):
            try:
                factors[i] = np.linalg.cholesky(matrix)
            except np.linalg.LinAlgError:
                found[i] = _failing_minor(matrix)
                factors[i] = matrix
        return factors.reshape(A.shape), found.reshape(info.shape)


class LinalgCholeskyEx(Op):
    """``A = L Lᴴ`` for Hermitian positive-definite A."""

    public = ()
    tensors = ("A",)
    half = "native"
    outputs = ("L", "info")

    def forward(xp, A, upper=False, check_errors=False, name="linalg.cholesky"):
        check_square(name, A)
        L, info = cholesky_arrays(A.swapaxes(-1, -2).conj() if upper else A)
        if check_errors and info.any():
            where, order = first_failure(info)
            raise LinAlgError(
                f"{name}: {where}The factorization could not be completed because the input is not "
                f"positive-definite (the leading minor of order {order} is not positive-definite)."
            )
        return L.swapaxes(-1, -2).conj() if upper else L, info

    def vjp(g, L, upper):
        # Murray, "Differentiation of the Cholesky decomposition" (2016), section 3.2
        if upper:
            L, g = L.mH, g.mH
        inner = (L.mH @ g).tril()
        phi = (inner + inner.tril(-1).mH) * 0.5
        gA = SolveTriangular.call(L.mH, phi, True, True, False)
        return SolveTriangular.call(L, gA, False, False, False)


# ---- QR ------------------------------------------------------------------------------------------


class LinalgQr(Op):
    """``A = Q R`` with orthonormal columns and an upper triangle."""

    public = ()
    tensors = ("A",)
    half = "native"
    outputs = ("Q", "R")
    grads = ("Q", "R")

    def forward(xp, A, mode="reduced"):
        check_matrix("linalg.qr", A)
        if mode not in ("reduced", "complete", "r"):
            raise RuntimeError(
                f"qr received unrecognized mode '{mode}' but expected one of 'reduced' (default), "
                "'r', or 'complete'"
            )
        if mode == "r":
            return np.zeros(0, A.dtype), np.linalg.qr(A, "r")
        Q, R = np.linalg.qr(A, mode)
        return Q, R

    def vjp(g, Q, R, mode):
        # Walter, Lehmann and Lamour, "On evaluating higher-order derivatives of the QR
        # decomposition" (2012)
        if mode == "r":
            raise RuntimeError(
                "The derivative of linalg.qr depends on Q, which is not computed when mode='r'. "
                "Please use linalg.qr(A, mode='reduced') if you are going to require gradients."
            )
        gQ, gR = g
        m, n = Q.shape[-2], R.shape[-1]
        if mode == "complete" and m > n:
            raise RuntimeError(
                "The QR decomposition is not differentiable when mode='complete' and nrows > ncols"
            )
        if m >= n:
            return _qr_gradient(Q, R, gQ, gR)
        R1, R2 = R.narrow(-1, 0, m), R.narrow(-1, m, n - m)  # A = [A1 A2], Q R1 = A1, R2 = Qᴴ A2
        if gR is None:
            return Cat.call(
                [_qr_gradient(Q, R1, gQ, None), R2.new_zeros((*Q.shape[:-1], n - m))], -1
            )
        g2 = gR.narrow(-1, m, n - m)
        from_right = Q @ (R2 @ g2.mH)
        gQ = from_right if gQ is None else gQ + from_right
        return Cat.call([_qr_gradient(Q, R1, gQ, gR.narrow(-1, 0, m)), Q @ g2], -1)


def _qr_gradient(Q, R, gQ, gR):
    middle = None if gR is None else gR @ R.mH
    if gQ is not None:
        turn = Q.mH @ gQ
        middle = -turn if middle is None else middle - turn
    middle = middle.triu()
    middle = middle + middle.mH - _real(middle.diagonal(0, -2, -1)).to(Q.dtype).diag_embed()
    gA = Q @ middle
    if gQ is not None:
        gA = gA + gQ
    return SolveTriangular.call(R.mH, gA, False, False, False)


def _real(t):
    return t.real if t.is_complex() else t


class Geqrf(Op):
    """geqrf(input, *, out=None) -> (Tensor a, Tensor tau)

    QR in LAPACK's form: R above the diagonal, the Householder vectors below it, their scales in
    ``tau``.

    >>> torch.geqrf(torch.eye(2)).tau
    tensor([0., 0.])
    """

    tensors = ("input",)
    outputs = ("a", "tau")
    differentiable = False  # PyTorch has no gradient either

    def forward(xp, x):
        if x.ndim < 2:
            raise RuntimeError("torch.geqrf: input must have at least 2 dimensions.")
        if x.dtype.kind in "biu":
            kind = dtypes.scalar_name(dtypes.of_array(x))
            raise NotImplementedError(f"\"geqrf_cpu\" not implemented for '{kind}'")
        check_matrix("torch.geqrf", x)
        h, tau = np.linalg.qr(x, "raw")
        return h.swapaxes(-1, -2), tau


# ---- SVD -----------------------------------------------------------------------------------------


def _skew(t):
    return t - t.mH


class LinalgSvd(Op):
    """``A = U diag(S) Vh``."""

    public = ()
    tensors = ("A",)
    half = "native"
    outputs = ("U", "S", "Vh")
    grads = ("U", "S", "Vh")

    def forward(xp, A, full_matrices=True):
        check_matrix("linalg.svd", A)
        U, S, Vh = np.linalg.svd(A, full_matrices)
        return U, S, Vh

    def vjp(g, U, S, Vh):
        # Townsend, "Differentiating the singular value decomposition" (2016)
        gU, gS, gVh = g
        m, n, k = U.shape[-2], Vh.shape[-1], S.shape[-1]
        gU = None if gU is None else _only_first(gU, U, k, -1)
        gVh = None if gVh is None else _only_first(gVh, Vh, k, -2)
        U, Vh = U.narrow(-1, 0, k), Vh.narrow(-2, 0, k)
        if gU is None and gVh is None:
            return (U * gS.unsqueeze(-2).to(U.dtype)) @ Vh
        gap = _gaps(S * S)
        row, column = S.unsqueeze(-1), S.unsqueeze(-2)
        inner = 0 if gS is None else gS.to(U.dtype).diag_embed()
        if gU is not None:
            turn = U.mH @ gU
            inner = inner + (_skew(turn) / gap) * column
            if U.is_complex():
                inner = inner + (turn.diagonal(0, -2, -1).imag * 1j / S).diag_embed()
        if gVh is not None:
            inner = inner + row * (_skew(Vh @ gVh.mH) / gap)
        gA = U @ inner
        if gU is not None and m > k:
            away = gU / column
            gA = gA + away - U @ (U.mH @ away)
        gA = gA @ Vh
        if gVh is not None and n > k:
            away = U @ (gVh / row)
            gA = gA + away - (away @ Vh.mH) @ Vh
        return gA


def _only_first(g, full, k, dim):
    """The gradient of the first ``k`` singular vectors; the others have none."""
    return g if full.shape[dim] == k else g.narrow(dim, 0, k)


def _gaps(values):
    """``values_j - values_i``, one on the diagonal."""
    gap = values.unsqueeze(-2) - values.unsqueeze(-1)
    return gap + values.new_ones(values.shape[-1]).diag_embed()


class LinalgSvdvals(Op):
    """The singular values alone."""

    public = ()
    tensors = ("A",)
    half = "native"
    grad_name = "LinalgSvdBackward0"

    def forward(xp, A):
        check_matrix("linalg.svd", A)
        return np.linalg.svd(A, compute_uv=False)

    def vjp(g, A):
        U, _, Vh = LinalgSvd.call(A, False)
        return (U * g.unsqueeze(-2).to(U.dtype)) @ Vh


# ---- eigenvalues ---------------------------------------------------------------------------------


def _complex(array, like):
    return array.astype(np.result_type(like.dtype, np.complex64))


class LinalgEig(Op):
    """``A V = V diag(L)`` for any square A; complex."""

    public = ()
    tensors = ("A",)
    half = "native"
    outputs = ("eigenvalues", "eigenvectors")
    grads = ("eigenvalues", "eigenvectors")

    def forward(xp, A):
        check_square("linalg.eig", A)
        if A.size and not np.isfinite(A).all():
            raise RuntimeError("torch.linalg.eig: input tensor should not contain infs or NaNs.")
        L, V = np.linalg.eig(A)
        return _complex(L, A), _complex(V, A)

    def vjp(g: Any, A: Meta, eigenvalues, eigenvectors):
        # Boeddeker et al., "On the computation of complex-valued gradients" (2019)
        L, V = eigenvalues, eigenvectors
        gL, gV = g
        Vh = V.mH
        if gV is None:
            inner = gL.unsqueeze(-1) * Vh
        else:
            turn = Vh @ gV
            size = turn.diagonal(0, -2, -1).real.to(V.dtype)
            inner = (turn - Vh @ (V * size.unsqueeze(-2))) / _gaps(L).conj()
            inner = inner - inner.diagonal(0, -2, -1).diag_embed()
            if gL is not None:
                inner = inner + gL.diag_embed()
            inner = inner @ Vh
        gA = LinalgSolveEx.call(Vh, inner, True, False)[0]
        return gA if A.dtype.is_complex else gA.real


class LinalgEigvals(Op):
    """The eigenvalues alone."""

    public = ()
    tensors = ("A",)
    half = "native"
    grad_name = "LinalgEigBackward0"

    def forward(xp, A):
        check_square("linalg.eig", A)
        if A.size and not np.isfinite(A).all():
            raise RuntimeError("torch.linalg.eig: input tensor should not contain infs or NaNs.")
        return _complex(np.linalg.eigvals(A), A)

    def vjp(g, A):
        V = LinalgEig.call(A)[1]
        gA = LinalgSolveEx.call(V.mH, g.unsqueeze(-1) * V.mH, True, False)[0]
        return gA if A.is_complex() else gA.real


def _check_triangle(UPLO):
    if UPLO.upper() not in ("U", "L"):
        raise RuntimeError(f"Expected UPLO argument to be 'L' or 'U', but got {UPLO}")


class LinalgEigh(Op):
    """``A = V diag(L) Vᴴ`` for Hermitian A, from one of its triangles; ascending."""

    public = ()
    tensors = ("A",)
    half = "native"
    outputs = ("eigenvalues", "eigenvectors")
    grads = ("eigenvalues", "eigenvectors")

    def forward(xp, A, UPLO="L"):
        check_square("linalg.eigh", A)
        _check_triangle(UPLO)
        L, V = np.linalg.eigh(A, UPLO.upper())
        return L, V

    def vjp(g, eigenvalues, eigenvectors):
        gL, gV = g
        V = eigenvectors
        if gV is None:
            return (V * gL.unsqueeze(-2).to(V.dtype)) @ V.mH
        inner = (V.mH @ gV) / _gaps(eigenvalues)
        inner = inner - inner.diagonal(0, -2, -1).diag_embed()
        if gL is not None:
            inner = inner + gL.to(V.dtype).diag_embed()
        return V @ (inner @ V.mH)


class LinalgEigvalsh(Op):
    """The eigenvalues of Hermitian matrices alone."""

    public = ()
    tensors = ("A",)
    half = "native"
    grad_name = "LinalgEighBackward0"

    def forward(xp, A, UPLO="L"):
        check_square("linalg.eigh", A)
        _check_triangle(UPLO)
        return np.linalg.eigvalsh(A, UPLO.upper())

    def vjp(g, A, UPLO):
        V = LinalgEigh.call(A, UPLO)[1]
        return (V * g.unsqueeze(-2).to(V.dtype)) @ V.mH


# ---- pseudo-inverse and least squares ------------------------------------------------------------


def tolerances(xp, A, atol, rtol):
    """(atol, rtol) arrays per matrix with PyTorch's defaults: eps * max(m, n), or 0 if atol is
    given."""
    default = np.finfo(A.dtype).eps * max(A.shape[-2:])
    atol = xp.asarray(0.0 if atol is None else atol)
    if rtol is None:
        rtol = xp.where(atol > 0, 0.0, default)
    return atol, xp.asarray(rtol)


class LinalgPinv(Op):
    """The Moore-Penrose inverse; singular values up to max(atol, rtol * largest) count as zero."""

    public = ()
    tensors = ("A",)
    half = "native"

    def forward(xp, A, atol=None, rtol=None, hermitian=False):
        check_matrix("linalg.pinv", A)
        if not A.size:
            return xp.zeros((*A.shape[:-2], A.shape[-1], A.shape[-2]), A.dtype)
        atol, rtol = tolerances(xp, A, atol, rtol)
        if hermitian:
            S, U = xp.linalg.eigh(A)
            size, Vh = np.abs(S), U.swapaxes(-1, -2).conj()
        else:
            U, S, Vh = xp.linalg.svd(A, full_matrices=False)
            size = S
        cut = xp.maximum(atol[..., None], rtol[..., None] * size.max(-1, keepdims=True))
        inverse = xp.where(size > cut, 1 / xp.where(size > cut, S, 1), 0).astype(S.dtype)
        return (Vh.swapaxes(-1, -2).conj() * inverse[..., None, :]) @ U.swapaxes(-1, -2).conj()

    def vjp(g, A, result):
        return pinv_gradient(g, A, result)


def pinv_gradient(g, A, P):
    """Golub and Pereyra, "The differentiation of pseudo-inverses" (1973), theorem 4.3."""
    Ph, gh = P.mH, g.mH
    if A.shape[-2] <= A.shape[-1]:
        K = gh @ P
        KPh = K @ Ph
        return KPh - (P @ K).mH - (A @ P) @ KPh + (Ph @ P) @ (gh - K @ A)
    K = P @ gh
    PhK = Ph @ K
    return (gh - A @ K) @ P @ Ph + PhK - (K @ P).mH - (PhK @ P) @ A


class LinalgLstsq(Op):
    """Least-squares solutions, residuals, ranks and singular values."""

    public = ()
    tensors = ("A", "B")
    half = "native"
    outputs = ("solution", "residuals", "rank", "singular_values")
    grads = ("solution", "residuals")
    by_value = True

    def forward(xp, A, B, rcond, driver):
        m, n = A.shape[-2:]
        vector = B.ndim == A.ndim - 1
        b = B[..., None] if vector else B
        if driver == "gels":  # full rank is assumed
            X = _full_rank_solution(A, b)
            rank, full = np.zeros(0, np.int64), True
            values = np.zeros(0, A.real.dtype)
        else:
            U, S, Vh = np.linalg.svd(A, full_matrices=False)
            kept = rcond * S.max(-1, keepdims=True, initial=0) < S
            inverse = np.where(kept, 1 / np.where(kept, S, 1), 0).astype(S.dtype)[..., None]
            X = Vh.swapaxes(-1, -2).conj() @ (inverse * (U.swapaxes(-1, -2).conj() @ b))
            rank = kept.sum(-1).astype(np.int64)
            full = bool((rank == n).all())
            values = S if driver in ("gelsd", "gelss") else np.zeros(0, A.real.dtype)
        residuals = np.zeros(0, A.real.dtype)
        if m > n and full and driver != "gelsy":
            away = np.abs(b - A @ X)
            residuals = (away * away).sum(-2)
        if vector:
            X = X[..., 0]
            residuals = residuals[..., 0] if m > n and full and driver != "gelsy" else residuals
        return X, residuals, rank, values

    def vjp(g, A, B, solution, residuals, need):
        g, from_residuals = g
        vector = B.ndim == A.ndim - 1
        X = solution
        if vector:
            g, B, X = None if g is None else g.unsqueeze(-1), B.unsqueeze(-1), X.unsqueeze(-1)
        gA, gB = A.new_zeros(A.shape), B.new_zeros(B.shape)
        if g is not None:
            P = LinalgPinv.call(A, None, None, False)
            gB = P.mH @ g
            gA = pinv_gradient(g @ B.mH, A, P) if need[0] else None
        if (
            from_residuals is not None and residuals.numel()
        ):  # X is optimal: only A and B themselves count
            scale = (from_residuals.unsqueeze(-1) if vector else from_residuals).unsqueeze(-2)
            away = (B - A @ X) * scale * 2
            gA, gB = gA - away @ X.mH if need[0] else None, gB + away
        return gA, gB.squeeze(-1) if vector else gB


def _full_rank_solution(A, b):
    m, n = A.shape[-2:]
    if m >= n:
        Q, R = np.linalg.qr(A)
        return np.linalg.solve(R, Q.swapaxes(-1, -2).conj() @ b)
    Q, R = np.linalg.qr(A.swapaxes(-1, -2).conj())
    return Q @ np.linalg.solve(R.swapaxes(-1, -2).conj(), b)


# ---- exponential ---------------------------------------------------------------------------------

_PADE = (
    64764752532480000, 32382376266240000, 7771770303897600, 1187353796428800, 129060195264000,
    10559470521600, 670442572800, 33522128640, 1323241920, 40840800, 960960, 16380, 182, 1,
)  # fmt: skip


class LinalgMatrixExp(Op):
    """The matrix exponential by scaling and squaring with a Padé approximant (Higham, 2005)."""

    public = ()
    tensors = ("A",)

    def forward(xp, A):
        if A.ndim < 2:
            raise RuntimeError(
                "linalg.matrix_exp: The input tensor A must have at least 2 dimensions."
            )
        if A.dtype.kind in "biu":
            raise RuntimeError(
                "linalg.matrix_exp: Expected a floating point or complex tensor as input. Got "
                f"{dtypes.scalar_name(dtypes.of_array(A))}"
            )
        if A.shape[-1] != A.shape[-2]:
            raise RuntimeError(
                "linalg.matrix_exp: A must be batches of square matrices, but they are "
                f"{A.shape[-2]} by {A.shape[-1]} matrices"
            )
        if not A.size:
            return A.copy()
        wide = A.astype(np.complex128 if A.dtype.kind == "c" else np.float64)
        size = np.abs(wide).sum(-2).max(-1)
        steps = xp.maximum(0, xp.ceil(xp.log2(xp.maximum(size, 1e-300) / 5.37))).astype(int)
        steps = xp.where(xp.isfinite(size), steps, 0)
        X = _pade(xp, wide / (2.0**steps)[..., None, None])
        for i in range(int(steps.max())):
            X = xp.where((i < steps)[..., None, None], X @ X, X)
        return X.astype(A.dtype)

    def vjp(g, A):
        # exp([[Aᴴ, G], [0, Aᴴ]]) has the derivative in its corner (Mathias, 1996)
        n, Ah = A.shape[-1], A.mH
        above = Cat.call([Ah, g], -1)
        below = Cat.call([A.new_zeros(A.shape), Ah], -1)
        return LinalgMatrixExp.call(Cat.call([above, below], -2)).narrow(-2, 0, n).narrow(-1, n, n)


def _pade(xp, A):
    eye = xp.eye(A.shape[-1])
    A2 = A @ A
    A4 = A2 @ A2
    A6 = A4 @ A2
    b = [float(c) for c in _PADE]
    odd = A @ (
        A6 @ (b[13] * A6 + b[11] * A4 + b[9] * A2) + b[7] * A6 + b[5] * A4 + b[3] * A2 + b[1] * eye
    )
    even = (
        A6 @ (b[12] * A6 + b[10] * A4 + b[8] * A2) + b[6] * A6 + b[4] * A4 + b[2] * A2 + b[0] * eye
    )
    return xp.linalg.solve(even - odd, even + odd)


# ---- determinants --------------------------------------------------------------------------------


class LinalgDet(Op):
    """The determinant of square matrices."""

    public = ()
    tensors = ("A",)
    half = "native"

    def forward(xp, A):
        check_square("linalg.det", A)
        return np.linalg.det(A)

    def vjp(g, A, result):
        scale = (g * result.conj()).unsqueeze(-1).unsqueeze(-1)
        if seen(result) and bool((result == 0).any()):
            return g.unsqueeze(-1).unsqueeze(-1) * _cofactors(A)
        eye = A.new_ones(A.shape[-1]).diag_embed()
        return LinalgSolveEx.call(A.mH, scale * eye, True, False)[0]


def _cofactors(A):
    """The conjugated cofactor matrix by SVD, which a singular matrix has too."""
    U, S, Vh = LinalgSvd.call(A, False)
    n = S.shape[-1]
    others = S.new_ones(n, n) - S.new_ones(n).diag_embed()
    product = (S.unsqueeze(-2) * others + S.new_ones(n).diag_embed()).prod(-1)
    sign = (LinalgDet.call(U) * LinalgDet.call(Vh)).conj()
    return sign.unsqueeze(-1).unsqueeze(-1) * ((U * product.unsqueeze(-2)) @ Vh)


class LinalgSlogdet(Op):
    """Sign and logarithm of the absolute value of the determinant."""

    return_name = "linalg_slogdet"
    public = ()
    tensors = ("A",)
    half = "native"
    outputs = ("sign", "logabsdet")
    grads = ("sign", "logabsdet")

    def forward(xp, A):
        check_square("linalg.slogdet", A)
        sign, logabsdet = np.linalg.slogdet(A)
        return sign, logabsdet

    def vjp(g, A, sign):
        gsign, glog = g
        total = None if glog is None else glog
        if sign.is_complex() and gsign is not None:
            turn = (gsign.conj() * sign).imag * -1j
            total = turn if total is None else total + turn
        if total is None:
            return None
        total = total.to(A.dtype).unsqueeze(-1).unsqueeze(-1)
        return LinalgSolveEx.call(A.mH, total * A.new_ones(A.shape[-1]).diag_embed(), True, False)[
            0
        ]
