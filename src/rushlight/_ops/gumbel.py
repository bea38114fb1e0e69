"""The Gumbel-softmax distribution, with PyTorch's bits.

A sample goes through a logarithm and a softmax, so the same stream gives the same sample only if
both are rounded like PyTorch's float32 ones. Here they are, operation by operation.
"""

import warnings

import numpy as np

from rushlight._core.extension import C
from rushlight._core.fused import fma
from rushlight._core.op import Unary, public
from rushlight._ops.create import empty_like, zeros_like
from rushlight._ops.softmax import Softmax

F4 = np.dtype(np.float32)

# log(1 + r) = r + r^2 (a polynomial of degree 8 in r), the highest power first.
_LOG = tuple(
    F4.type(c)
    for c in (
        -0.12891685962677002,
        0.1398443728685379,
        -0.12184260785579681,
        0.140058696269989,
        -0.16680487990379333,
        0.20010405778884888,
        -0.24999797344207764,
        0.3333321511745453,
        -0.5,
    )
)
_LN2 = F4.type(0.693145751953125), F4.type(1.42860677e-6)  # the high and the low part
_TWO_THIRDS = 0x3F2AAAAB

# e^r = 1 + (r + r^2 (a polynomial of degree 5 in r)), the highest power first.
_EXP = tuple(
    F4.type(c)
    for c in (
        1.98527617612853646e-4,
        1.39304355252534151e-3,
        8.33336077630519867e-3,
        4.16664853692054749e-2,
        1.66666671633720398e-1,
        0.5,
    )
)


def log_float32(x: np.ndarray) -> np.ndarray:
    """The natural logarithm of float32 numbers as PyTorch rounds it: x = 2^k m, m in [2/3, 4/3),
    Horner without fused multiply-adds; below the normal range, float64's rounded.
    """
    if C is not None and (found := C.log_float32(x)) is not NotImplemented:
        return found
    bits = x.view(np.int32) - _TWO_THIRDS
    k = (bits >> 23).astype(F4)
    r = ((bits & 0x7FFFFF) + _TWO_THIRDS).astype(np.int32).view(F4) - F4.type(1)
    p = np.full_like(r, _LOG[0])
    for c in _LOG[1:]:
        p = p * r + c
    high, low = _LN2
    result = k * high + ((r + p * r * r) + k * low)
    usual = (x >= F4.type(2.0**-126)) & (x < np.inf)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(usual, result, np.log(x.astype(np.float64)).astype(F4))


def exp_float32(x: np.ndarray) -> np.ndarray:
    """e to the power of float32 numbers <= 0 as PyTorch rounds it; 0 below -104."""
    if C is not None and (found := C.exp_float32(x)) is not NotImplemented:
        return found
    x = np.maximum(x, F4.type(-104.0))
    n = np.rint(x * F4.type(1.44269504088896341))
    r = fma(n, -_LN2[0], x, F4)
    r = fma(n, F4.type(-1.42860676533018705e-6), r, F4)
    p = np.full_like(r, _EXP[0])
    for c in _EXP[1:]:
        p = fma(p, r, c, F4)
    return np.ldexp(fma(r * r, p, r, F4) + F4.type(1), n.astype(np.int32))


def row_sums(x: np.ndarray) -> np.ndarray:
    """Sums of rows (..., n) -> (...) as PyTorch adds them: 16 partial sums, then halves, where
    there are 16 or more, else one after another.
    """
    n = x.shape[-1]
    width = 16 if n >= 16 else 1
    partial = x[..., :width].copy()
    for i in range(width, n, width):
        part = x[..., i : i + width]
        partial[..., : part.shape[-1]] += part
    while width > 1:
        width //= 2
        partial = partial[..., :width] + partial[..., width:]
    return partial[..., 0]


class NoiseLog(Unary):
    """The logarithm that makes Gumbel noise of exponential numbers; nothing depends on a tensor
    that needs a gradient.
    """

    public = ()
    differentiable = False  # its argument is drawn

    def forward(xp, x):
        return log_float32(x) if xp is np and x.dtype == F4 else xp.log(x)


class SampleSoftmax(Softmax):
    """The softmax of the sample: rows of float32 with PyTorch's bits."""

    public = ()
    grad_name = "SoftmaxBackward0"

    def forward(xp, x, dim):
        if xp is not np or x.dtype != F4 or not x.size or not x.ndim or dim not in (-1, x.ndim - 1):
            return Softmax.forward(xp, x, dim)
        e = exp_float32(x - x.max(axis=-1, keepdims=True))
        return e * (F4.type(1) / row_sums(e))[..., None]


@public("nn.functional", out=False)
def gumbel_softmax(logits, tau=1, hard=False, eps=1e-10, dim=-1):
    """gumbel_softmax(logits, tau=1, hard=False, eps=1e-10, dim=-1) -> Tensor

    A sample of the Gumbel-softmax distribution; with ``hard``, one-hot, but with the gradient of
    the soft sample.

    >>> torch.nn.functional.gumbel_softmax(torch.zeros(2, 3), hard=True).sum(1)
    tensor([1., 1.])
    """
    if eps != 1e-10:
        warnings.warn("`eps` parameter is deprecated and has no effect.", stacklevel=2)
    plain = logits.detach()
    noise = -NoiseLog.call(empty_like(plain).exponential_())
    softmax = Softmax if logits.is_cuda else SampleSoftmax  # PyTorch's bits are the CPU's
    soft = softmax.call((logits + noise) / tau, dim)
    if not hard:
        return soft
    index = soft.max(dim, keepdim=True)[1]
    one = zeros_like(plain).scatter_(dim, index, 1.0)
    return one - soft.detach() + soft
