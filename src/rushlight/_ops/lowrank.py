"""Low-rank SVD and PCA by random projections (Halko, Martinsson and Tropp, 2009)."""

from rushlight._core.op import public
from rushlight._ops import linalg
from rushlight._ops.random import randn


def _approximate_basis(A, q, niter, M):
    """Orthonormal columns that nearly span the range of ``A - M`` (their algorithm 4.4)."""
    A = A if M is None else A - M
    R = randn(A.shape[-1], q, dtype=A.dtype, device=A.device)
    Q = linalg.qr(A @ R)[0]
    for _ in range(niter):
        Q = linalg.qr(A.mH @ Q)[0]
        Q = linalg.qr(A @ Q)[0]
    return Q


@public("torch", "Tensor", out=False)
def svd_lowrank(A, q=6, niter=2, M=None):
    """svd_lowrank(A, q=6, niter=2, M=None) -> (Tensor U, Tensor S, Tensor V)

    The ``q`` leading singular values and vectors of ``A`` (of ``A - M``), approximately: ``A = U
    diag(S) Vᴴ``.

    >>> [t.shape for t in torch.svd_lowrank(torch.ones(5, 4), q=2)]
    [torch.Size([5, 2]), torch.Size([2]), torch.Size([4, 2])]
    """
    tall = A.shape[-2] >= A.shape[-1]
    if M is not None:
        M = M.expand(A.shape)
    A, M = (A, M) if tall else (A.mH, None if M is None else M.mH)
    Q = _approximate_basis(A, q, niter, M)
    B = Q.mH @ (A if M is None else A - M)
    left, S, right = linalg.svd(B, False)
    U, V = Q @ left, right.mH
    return (U, S, V) if tall else (V, S, U)


@public("torch", "Tensor", out=False)
def pca_lowrank(A, q=None, center=True, niter=2):
    """pca_lowrank(A, q=None, center=True, niter=2) -> (Tensor U, Tensor S, Tensor V)

    The leading principal components of the rows of ``A``: the low-rank SVD of the centred matrix.

    >>> [t.shape for t in torch.pca_lowrank(torch.ones(5, 4), q=2)]
    [torch.Size([5, 2]), torch.Size([2]), torch.Size([4, 2])]
    """
    m, n = A.shape[-2:]
    if q is None:
        q = min(6, m, n)
    elif not 0 <= q <= min(m, n):
        raise ValueError(
            f"q(={q}) must be non-negative integer and not greater than min(m, n)={min(m, n)}"
        )
    if niter < 0:
        raise ValueError(f"niter(={niter}) must be non-negative integer")
    if center:
        A = A - A.mean(-2, keepdim=True)
    return svd_lowrank(A, q, niter)
