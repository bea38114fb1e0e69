"""Transposes: t, T, mT, H, adjoint."""

import warnings
from typing import Any

from rushlight._core.op import View, public
from rushlight._core.tensor import Tensor


class T(View):
    """t(input) -> Tensor

    The transpose of a matrix; tensors of fewer dimensions come back as they are.

    >>> torch.zeros(2, 3).t().shape
    torch.Size([3, 2])
    """

    name = "t"

    def forward(xp, x):
        if x.ndim > 2:
            raise RuntimeError(f"t() expects a tensor with <= 2 dimensions, but self is {x.ndim}D")
        return x.T if x.ndim == 2 else x.view()

    def vjp(g):
        return g.t()


class NumpyT(View):
    """All dimensions in reverse order: ``x.T``."""

    name = "numpy_T"
    public = ()
    grad_name = "PermuteBackward0"

    def forward(xp, x):
        return x.T

    def vjp(g):
        return NumpyT.call(g)


@public("torch", "Tensor", out=False)
def adjoint(input):
    """adjoint(input) -> Tensor

    The conjugate, with the last two dimensions exchanged.

    >>> torch.adjoint(torch.tensor([[1j, 2.0]]))
    tensor([[0.-1.j],
            [2.-0.j]])
    """
    return input.transpose(-2, -1).conj()


def _transposed(self):
    """The dimensions in reverse order.

    >>> torch.ones(2, 3).T.shape
    torch.Size([3, 2])
    """
    if self._data.ndim != 2:
        _warn_not_a_matrix(self._data.ndim)
    return NumpyT.call(self)


_NOT_MATRICES = {
    True: "The use of `x.T` on tensors of dimension other than 2 to reverse their shape is "
    "deprecated and it will throw an error in a future release. Consider `x.mT` to transpose "
    "batches of matrices or `x.permute(*torch.arange(x.ndim - 1, -1, -1))` to reverse the "
    "dimensions of a tensor.",
    False: "Tensor.T is deprecated on 0-D tensors. This function is the identity in these cases.",
}


def _warn_not_a_matrix(ndim):
    """Say once that ``x.T`` is for matrices."""
    text = _NOT_MATRICES.pop(ndim > 0, None)
    if text is not None:
        warnings.warn(text, UserWarning, stacklevel=3)


def _matrix_transposed(self):
    """The last two dimensions exchanged.

    >>> torch.ones(5, 2, 3).mT.shape
    torch.Size([5, 3, 2])
    """
    if self._data.ndim < 2:
        raise RuntimeError(
            "tensor.mT is only supported on matrices or batches of matrices. Got "
            f"{self._data.ndim}-D tensor."
        )
    return self.transpose(-2, -1)


def _conjugate_transposed(self):
    """The conjugate transpose of a matrix.

    >>> torch.tensor([[1j, 2.0]]).H
    tensor([[0.-1.j],
            [2.-0.j]])
    """
    if self._data.ndim not in (0, 2):
        raise RuntimeError(
            f"tensor.H is only supported on matrices (2-D tensors). Got {self._data.ndim}-D tensor."
        )
    return self.t().conj()


def _matrix_conjugate_transposed(self):
    """The conjugate, with the last two dimensions exchanged.

    >>> torch.tensor([[1j, 2.0]]).mH
    tensor([[0.-1.j],
            [2.-0.j]])
    """
    return _matrix_transposed(self).conj()


_tensor: Any = Tensor


_tensor.T = property(_transposed)


_tensor.mT = property(_matrix_transposed)


_tensor.H = property(_conjugate_transposed)


_tensor.mH = property(_matrix_conjugate_transposed)
