"""Normalization by the root of the mean square, over the last dimensions."""

import math

from rushlight._core.dtypes import finfo
from rushlight._core.op import Op, public
from rushlight._core.state import S
from rushlight._ops.norm import check_layer
from rushlight._ops.norm_rms import FusedRmsNorm


def _rstd(xp, x, eps):
    """The rows' ``1 / sqrt(mean(x²) + eps)``, as a column."""
    return 1 / xp.sqrt((x * x).mean(axis=1, keepdims=True) + x.dtype.type(eps))


class RmsRows(Op):
    """Rows of ``size`` elements divided by the root of their mean square, times ``weight``."""

    tensors = ("input", "weight")
    optional = ("weight",)
    public = ()
    grad_name = "MulBackward0"

    def forward(xp, x, weight, size, eps):
        rows = x.reshape(-1, size)
        result = rows * _rstd(xp, rows, eps)
        if weight is not None:
            result *= weight.reshape(-1)
        return result.reshape(x.shape)

    def vjp(g, input, weight, size, eps, need):
        to_input, to_weight = RmsRowsBackward.call(g, input, weight, size, eps)
        return to_input, None if weight is None else to_weight.reshape(weight.shape)


class RmsRowsBackward(Op):
    """The gradients of the rows and of the weight (nothing, if there is none)."""

    tensors = ("grad", "input", "weight")
    optional = ("weight",)
    outputs = ("to_input", "to_weight")
    grads = ("to_input", "to_weight")
    named = False
    public = ()

    def forward(xp, g, x, weight, size, eps):
        g, rows = g.reshape(-1, size), x.reshape(-1, size)
        rstd = _rstd(xp, rows, eps)
        h = g if weight is None else g * weight.reshape(-1)
        along = (h * rows).mean(axis=1, keepdims=True)
        to_input = (rstd * (h - rows * (rstd * rstd * along))).reshape(x.shape)
        if weight is None:
            return to_input, xp.zeros(0, x.dtype)
        return to_input, (g * rows * rstd).sum(axis=0)

    def vjp(g, grad, input, weight, size, eps, need):
        v, u = g
        x, grads = input.reshape(-1, size), grad.reshape(-1, size)
        w = None if weight is None else weight.reshape(-1)
        h = grads if w is None else grads * w
        r = ((x * x).mean(1, keepdim=True) + eps).rsqrt()
        to_grad = to_input = to_weight = 0
        if v is not None:
            v = v.reshape(-1, size)
            m, a, b = ((s * t).mean(1, keepdim=True) for s, t in ((h, x), (v, h), (v, x)))
            to_h = r * v - r**3 * b * x
            to_grad = to_h if w is None else to_h * w
            to_weight = (to_h * grads).sum(0)
            to_input = 3 * r**5 * m * b * x - r**3 * (a * x + b * h + m * v)
        if u is not None and w is not None:
            to_grad = to_grad + u * x * r
            to_input = to_input + u * grads * r - r**3 * x * (u * grads * x).mean(1, keepdim=True)
        return (
            to_grad.reshape(grad.shape) if need[0] else None,
            to_input.reshape(input.shape) if need[1] else None,
            to_weight.reshape(weight.shape) if need[2] and v is not None else None,
        )


@public("torch", "nn.functional", out=False)
def rms_norm(input, normalized_shape, weight=None, eps=None):
    """rms_norm(input, normalized_shape, weight=None, eps=None) -> Tensor

    ``x / sqrt(mean(x²) + eps)`` over the last dimensions, times ``weight``; ``eps`` is the dtype's
    own by default.

    >>> torch.nn.functional.rms_norm(torch.tensor([[3.0, 4.0]]), (2,))
    tensor([[0.8485, 1.1314]])
    """
    shape = check_layer(input, normalized_shape, weight, None)
    eps = finfo(input.dtype).eps if eps is None else eps
    if input.is_cuda and (weight is None or weight.dtype == input.dtype):
        n = math.prod(shape)
        return FusedRmsNorm.call(input, weight, input.numel() // n if n else 0, n, eps)[0]
    real = input.dtype.is_floating_point and input.dtype.itemsize > 2
    if real and not S.special and input.numel() and (weight is None or weight.dtype is input.dtype):
        return RmsRows.call(input, weight, math.prod(shape), float(eps))
    dims = tuple(range(-len(shape), 0))
    narrow = input.dtype.itemsize == 2
    x = input.float() if narrow else input
    square = x * x
    result = x * (square.mean(dims, keepdim=True) + eps).rsqrt()
    if weight is not None:
        result = result * weight
    return result.to(input.dtype) if narrow else result
