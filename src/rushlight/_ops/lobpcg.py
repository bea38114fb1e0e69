"""lobpcg: a few extreme eigenpairs of a large symmetric matrix (Knyazev, 2001)."""

from rushlight._core import dtypes
from rushlight._core.op import public
from rushlight._ops import linalg
from rushlight._ops.join import Cat
from rushlight._ops.random import randn


@public("torch", out=False)
def lobpcg(
    A,
    k=None,
    B=None,
    X=None,
    n=None,
    iK=None,  # noqa: N803
    niter=None,
    tol=None,
    largest=None,
    method=None,
    tracker=None,
    ortho_iparams=None,
    ortho_fparams=None,
    ortho_bparams=None,
):
    """lobpcg(A, k=None, B=None, X=None, n=None, iK=None, niter=None, tol=None, largest=None, ...)

    The ``k`` largest (or smallest) eigenvalues of symmetric ``A x = λ x`` (``A x = λ B x``) and
    their vectors, from the guess ``X``; ``iK`` is a preconditioner. ``method`` is ``basic`` or
    ``ortho``; both make the basis orthonormal at every step here.

    >>> torch.lobpcg(torch.diag(torch.arange(1.0, 13.0)), k=1)[0].round()
    tensor([12.])
    """
    if tracker is not None or ortho_iparams or ortho_fparams or ortho_bparams:
        raise NotImplementedError(
            "lobpcg: tracker and ortho_*params are not supported; leave them out"
        )
    if method not in (None, "basic", "ortho"):
        raise ValueError(f"method must be 'basic' or 'ortho', got {method}")
    rows, count = A.shape[-1], n if n is not None else (X.shape[-1] if X is not None else k or 1)
    k = count if k is None else k
    if rows < 3 * count:
        raise ValueError(
            f"LPBPCG algorithm is not applicable when the number of A rows (={rows}) is smaller "
            f"than 3 x the number of requested eigenpairs (={count})"
        )
    largest = True if largest is None else largest
    if A.requires_grad or (B is not None and B.requires_grad):
        return _by_eigh(A, B, k, largest)
    tol = dtypes.finfo(A.dtype).eps ** 0.5 if tol is None else tol
    X = randn(*A.shape[:-1], count, dtype=A.dtype) if X is None else X
    E, X = _iterate(A, B, X, iK, niter or 1000, tol, largest)
    return E.narrow(-1, 0, k), X.narrow(-1, 0, k)


def _by_eigh(A, B, k, largest):
    """All eigenpairs, of which ``k`` are returned: this way is differentiable."""
    if B is None:
        E, X = linalg.eigh(A)
    else:
        L = linalg.cholesky(B)
        half = linalg.solve_triangular(L, A, upper=False)
        E, X = linalg.eigh(linalg.solve_triangular(L.mH, half, upper=True, left=False))
        X = linalg.solve_triangular(L.mH, X, upper=True)
    if largest:
        E, X = E.flip(-1), X.flip(-1)
    return E.narrow(-1, 0, k), X.narrow(-1, 0, k)


def _ritz(A, B, S, count, largest):
    """The best ``count`` eigenpairs within the span of ``S``, as (values, coefficients)."""
    gram = S.mT @ (S if B is None else B @ S)
    size, V = linalg.eigh((gram + gram.mT) / 2)
    floor = size.amax(-1, True) * (dtypes.finfo(S.dtype).eps * S.shape[-1])
    keep = int((size > floor).sum(-1).min())
    last = size.shape[-1] - keep
    T = V.narrow(-1, last, keep) / size.narrow(-1, last, keep).sqrt().unsqueeze(-2)
    inner = T.mT @ (S.mT @ (A @ S)) @ T
    E, C = linalg.eigh((inner + inner.mT) / 2)
    if largest:
        E, C = E.flip(-1), C.flip(-1)
    return E.narrow(-1, 0, count), T @ C.narrow(-1, 0, count)


def _iterate(A, B, X, iK, niter, tol, largest):  # noqa: N803
    count = X.shape[-1]
    E, C = _ritz(A, B, X, count, largest)
    X, P = X @ C, None
    for _ in range(niter):
        R = A @ X - (X if B is None else B @ X) * E.unsqueeze(-2)
        if float(R.norm() / (A.norm() * X.norm())) < tol:
            break
        W = R if iK is None else iK @ R
        W = W / W.norm(dim=-2, keepdim=True).clamp(min=1e-30)
        S = Cat.call([X, W] if P is None else [X, W, P], -1)
        E, C = _ritz(A, B, S, count, largest)
        rest = S.narrow(-1, count, S.shape[-1] - count)
        P = rest @ C.narrow(-2, count, S.shape[-1] - count)
        X = S @ C
        P = P / P.norm(dim=-2, keepdim=True).clamp(min=1e-30)
    return E, X
