"""QR of small float32 matrices with PyTorch's bits, for weights that start orthogonal.

LAPACK's unblocked Householder method (geqr2 and org2r), each sum in order and nothing fused: what
MKL does with a few rows. Beyond them it adds in another order, and the last bits are LAPACK's here.
"""

import numpy as np

from rushlight._core.op import public
from rushlight._core.tensor import wrap

F4 = np.dtype(np.float32)
ONE = F4.type(1)


def length(x: np.ndarray) -> np.float32:
    """The norm of a vector, scaled by the largest element so far."""
    scale, squares = F4.type(0), ONE
    for a in np.abs(x):
        if a > scale:
            squares = ONE + squares * (scale / a) * (scale / a)
            scale = a
        elif a:
            squares = squares + (a / scale) * (a / scale)
    return scale * np.sqrt(squares)


def hypotenuse(a: np.float32, b: np.float32) -> np.float32:
    """sqrt(a^2 + b^2) without overflow."""
    a, b = max(abs(a), abs(b)), min(abs(a), abs(b))
    return a * np.sqrt(ONE + (b / a) * (b / a)) if b else a


def reflect(x: np.ndarray, v: np.ndarray, tau: np.float32) -> None:
    """x -= tau v (v^T x), the rows added one after another; x is (m, k), v (m)."""
    along = v[0] * x[0]
    for i in range(1, len(v)):
        along = along + v[i] * x[i]
    x -= v[:, None] * (tau * along)


def reflections(a: np.ndarray) -> np.ndarray:
    """Turn ``a`` (m, n), m >= n, into R above and the vectors of the reflections below the
    diagonal, and return their factors.
    """
    tau = np.zeros(a.shape[1], F4)
    for i in range(a.shape[1]):
        corner, below = a[i, i], length(a[i + 1 :, i])
        if below:
            beta = -np.copysign(hypotenuse(corner, below), corner)
            tau[i] = (beta - corner) / beta
            a[i + 1 :, i] /= corner - beta
            a[i, i] = beta
        reflect(a[i:, i + 1 :], np.append(ONE, a[i + 1 :, i]), tau[i])
    return tau


def product(a: np.ndarray, tau: np.ndarray) -> None:
    """Turn the vectors of reflections into Q, the last first."""
    for i in reversed(range(a.shape[1])):
        reflect(a[i:, i + 1 :], np.append(ONE, a[i + 1 :, i]), tau[i])
        a[i + 1 :, i] *= -tau[i]
        a[i, i] = ONE - tau[i]
        a[:i, i] = 0


def in_order(rows: int, columns: int) -> bool:
    """Does MKL add in order at this size? Found by trying."""
    return rows <= 5 or rows == 7 or (columns <= 4 and rows <= 9)


def _orthonormal(input):
    """_orthonormal(input) -> Tensor

    Q of ``input`` (m, n), m >= n, its columns turned to where R's diagonal is positive.
    """
    x = input._data
    if x.dtype != F4 or not in_order(*x.shape):
        q, r = np.linalg.qr(x)
        return wrap(q * np.sign(np.diagonal(r)))
    a = x.copy()
    tau = reflections(a)
    signs = np.sign(np.diagonal(a))
    product(a, tau)
    return wrap(a * signs)


public("_nn", out=False)(_orthonormal)
