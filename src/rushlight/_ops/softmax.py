"""Softmax, its logarithm, and what is built on them."""

from rushlight._core.op import Op, public
from rushlight._core.shape import wrap_dim


class Softmax(Op):
    public = ()

    def forward(xp, x, dim):
        _check(x, dim, "softmax")
        if x.size == 0:
            return x.copy()
        if x.ndim == 0:
            return x - x + 1
        result = x - x.max(axis=dim, keepdims=True)
        xp.exp(result, out=result)
        result /= result.sum(axis=dim, keepdims=True)
        return result

    def vjp(g, result, dim):
        return SoftmaxBackward.call(g, result, dim)


class SoftmaxBackward(Op):
    """The gradient of softmax from its result: r (g - sum(r g)), symmetric in g."""

    tensors = ("grad", "output")
    public = ()

    def forward(xp, g, r, dim):
        if g.ndim == 0:
            return r * (g - g * r)
        result = g * r
        result -= r * result.sum(axis=dim, keepdims=True)
        return result

    def vjp_grad(g, output, dim):
        return SoftmaxBackward.call(g, output, dim)

    def vjp_output(g, grad, output, dim):
        along = (grad * output).sum(dim, keepdim=True)
        return g * (grad - along) - grad * (g * output).sum(dim, keepdim=True)


class LogSoftmax(Op):
    public = ()

    def forward(xp, x, dim):
        _check(x, dim, "log_softmax")
        if x.size == 0:
            return x.copy()
        if x.ndim == 0:
            return x - x
        result = x - x.max(axis=dim, keepdims=True)
        result -= xp.log(xp.exp(result).sum(axis=dim, keepdims=True))
        return result

    def vjp(g, result, dim):
        return LogSoftmaxBackward.call(g, result, dim)


class LogSoftmaxBackward(Op):
    """The gradient of log_softmax from its result: g - exp(r) sum(g)."""

    tensors = ("grad", "output")
    public = ()

    def forward(xp, g, r, dim):
        if g.ndim == 0:
            return g - xp.exp(r) * g
        result = xp.exp(r)
        result *= g.sum(axis=dim, keepdims=True)
        return xp.subtract(g, result, out=result)

    def vjp_grad(g, output, dim):
        return g - (g * output.exp()).sum(dim, keepdim=True)

    def vjp_output(g, grad, output, dim):
        return -(g * output.exp()) * grad.sum(dim, keepdim=True)


def _check(x, dim, name):
    """Refuse integers, and a dimension the array does not have."""
    if x.dtype.kind in "biu":
        what = {
            "bool": "Bool",
            "int64": "Long",
            "int32": "Int",
            "int16": "Short",
            "int8": "Char",
            "uint8": "Byte",
        }
        kernel = "softmax_lastdim_kernel_impl" if dim in (-1, x.ndim - 1) else "softmax_kernel_impl"
        kernel = kernel if name == "softmax" else f"log_{kernel}"
        raise NotImplementedError(
            f"\"{kernel}\" not implemented for '{what.get(str(x.dtype), x.dtype)}'"
        )
    wrap_dim(dim, x.ndim)


def _as_dtype(input, dtype):
    """``input`` in the dtype asked for."""
    return input if dtype is None else input.to(dtype)


@public("torch", "Tensor", "special")
def softmax(input, dim, dtype=None):
    """softmax(input, dim, dtype=None) -> Tensor

    Exponentials of ``input`` along ``dim``, divided by their sum. With ``dtype``, ``input`` is cast
    first.

    >>> torch.softmax(torch.tensor([0.0, 0.0]), 0)
    tensor([0.5000, 0.5000])
    """
    return Softmax.call(input if dtype is None else _as_dtype(input, dtype), dim)


@public("torch", "Tensor", "special")
def log_softmax(input, dim, dtype=None):
    """log_softmax(input, dim, dtype=None) -> Tensor

    The logarithm of :func:`softmax`, without the loss of precision of taking it afterwards.

    >>> torch.log_softmax(torch.tensor([0.0, 0.0]), 0)
    tensor([-0.6931, -0.6931])
    """
    return LogSoftmax.call(input if dtype is None else _as_dtype(input, dtype), dim)


@public("torch", out=False)
def _softmax_backward_data(grad_output, output, dim, input_dtype):
    return SoftmaxBackward.call(grad_output, output, dim).to(input_dtype)


@public("torch", out=False)
def _log_softmax_backward_data(grad_output, output, dim, input_dtype):
    return LogSoftmaxBackward.call(grad_output, output, dim).to(input_dtype)
