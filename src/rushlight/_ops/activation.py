"""Activations: pointwise nonlinearities of neural networks.

The forms with ``inplace=`` that ``nn.functional`` has are made there from these.
"""

import math

import numpy as np

from rushlight._core import dtypes
from rushlight._core.inplace import derive, derive_composite
from rushlight._core.op import Binary, Op, Unary, public
from rushlight._core.shape import wrap_dim
from rushlight._ops.join import Cat
from rushlight._ops.slopes import (
    EluBackward,
    HardshrinkBackward,
    HardsigmoidBackward,
    HardswishBackward,
    HardtanhBackward,
    LeakyReluBackward,
    LogsigmoidBackward,
    MishBackward,
    SoftplusBackward,
    SoftshrinkBackward,
    ThresholdBackward,
)
from rushlight._ops.special_error import erf_kernel, erfc_kernel
from rushlight._ops.special_series import in_double

FUNCTIONAL = ("nn.functional",)


# A 0-d array of the dtype at hand: half as dear as a Python number, which NumPy converts first.
ZEROS = {d: np.zeros((), d) for d in dtypes.BY_NUMPY}


class Relu(Unary):
    """relu(input) -> Tensor

    ``max(0, x)`` of each element.

    >>> torch.relu(torch.tensor([-1.0, 2.0]))
    tensor([0., 2.])
    """

    promote = "keep"
    half = "native"

    def forward(xp, x):
        if x.dtype.kind in "bc":
            raise RuntimeError(_no_relu(x.dtype))
        return xp.maximum(x, ZEROS[x.dtype] if xp is np else 0)

    def vjp(g, result):
        return ReluBackward.call(g, result)


class ReluBackward(Binary):
    """The gradient where ``relu`` let its input through, zero elsewhere."""

    tensors = ("grad", "result")
    grad_name = "ThresholdBackward0"
    public = ()

    def forward(xp, g, result):
        if g.size < 4096 or g.dtype.kind == "c":
            return xp.where(result <= 0, g.dtype.type(0), g)
        # all bits or none: 10 times as fast as where, and exact for inf and nan, unlike a product
        kept = (result <= 0).astype(f"i{g.itemsize}")
        kept -= 1
        kept &= g.view(kept.dtype)
        return kept.view(g.dtype)

    def vjp_grad(g, result):
        return ReluBackward.call(g, result)


def _no_relu(dtype):
    """PyTorch's words for a dtype without order, or without numbers."""
    if dtype.kind == "b":
        return "Boolean inputs not supported for relu"
    name = "ComplexFloat" if dtype.itemsize == 8 else "ComplexDouble"
    return f"\"clamp_min_scalar_cpu\" not implemented for '{name}'"


class Elu(Op):
    """elu(input, alpha=1.0, scale=1.0, input_scale=1.0) -> Tensor

    ``scale * x`` where positive, else ``scale * alpha * (exp(x * input_scale) - 1)``.

    >>> torch.nn.functional.elu(torch.tensor([-100.0, 2.0]))
    tensor([-1.,  2.])
    """

    public = FUNCTIONAL
    inplace = True

    def forward(xp, x, alpha=1.0, scale=1.0, input_scale=1.0):
        low = xp.expm1(xp.minimum(x, 0) * input_scale) * (alpha * scale)
        return xp.where(x <= 0, low, x * scale).astype(x.dtype, copy=False)

    def vjp(g, input, alpha, scale, input_scale):
        return EluBackward.call(g, input, alpha, scale, input_scale)


@public("torch", "nn.functional", out=False)
def selu(input):
    """selu(input) -> Tensor

    The scaled exponential unit of self-normalizing networks.

    >>> torch.selu(torch.tensor([0.0, 1.0]))
    tensor([0.0000, 1.0507])
    """
    return Elu.call(
        input, 1.6732632423543772848170429916717, 1.0507009873554804934193349852946, 1.0
    )


class Celu(Op):
    """celu(input, alpha=1.0) -> Tensor

    ``max(0, x) + min(0, alpha * (exp(x / alpha) - 1))``.

    >>> torch.celu(torch.tensor([-100.0, 2.0]))
    tensor([-1.,  2.])
    """

    public = ("torch", "nn.functional")
    inplace = True

    def forward(xp, x, alpha=1.0):
        if alpha == 0:
            raise RuntimeError("ZeroDivisionError: alpha cannot be 0 for CELU")
        low = xp.expm1(xp.minimum(x, 0) / alpha) * alpha
        return xp.where(x <= 0, low, x).astype(x.dtype, copy=False)

    def vjp(g, input, alpha):
        return EluBackward.call(g, input, alpha, 1.0, 1.0 / alpha)


class LeakyRelu(Op):
    """leaky_relu(input, negative_slope=0.01) -> Tensor

    ``x`` where positive, else ``negative_slope * x``.

    >>> torch.nn.functional.leaky_relu(torch.tensor([-1.0, 2.0]))
    tensor([-0.0100,  2.0000])
    """

    public = FUNCTIONAL
    inplace = True

    def forward(xp, x, negative_slope=0.01):
        return xp.where(x > 0, x, x * x.dtype.type(negative_slope))

    def vjp(g, input, negative_slope):
        return LeakyReluBackward.call(g, input, negative_slope)


class PreluKernel(Op):
    """``x`` where positive, else ``weight * x``, the weight already shaped to broadcast."""

    tensors = ("input", "weight")
    public = ()

    def forward(xp, x, weight):
        return xp.where(x > 0, x, weight * x)

    def vjp_input(g, input, weight):
        return g.where(input > 0, g * weight)

    def vjp_weight(g, input):
        return g * input.clamp(max=0)


@public("torch", "Tensor", "nn.functional", out=False)
def prelu(input, weight):
    """prelu(input, weight) -> Tensor

    ``x`` where positive, else ``weight * x``, with one weight for all or one for each channel
    (dimension 1).

    >>> torch.prelu(torch.tensor([-4.0, 2.0]), torch.tensor([0.25]))
    tensor([-1.,  2.])
    """
    if input.dtype is not weight.dtype:
        raise RuntimeError("Type promoting not supported")
    count, ndim = weight.numel(), input.dim()
    if weight.dim() > 1:
        raise RuntimeError(
            f"prelu: Expected `weight` to be a scalar or 1D tensor, but got: ndim = {weight.dim()}"
        )
    if ndim > 1 and weight.dim() == 1 and tuple(input.shape)[1] == count:
        return PreluKernel.call(input, weight.reshape((1, count) + (1,) * (ndim - 2)))
    if count != 1:
        if ndim == 0:
            raise RuntimeError("Not allow zero-dim input tensor.")
        channels = input.shape[1] if ndim > 1 else 1
        if channels != count:
            raise RuntimeError(
                "Mismatch of parameter numbers and input channel size. Found parameter numbers = "
                f"{count} "
                f"and channel size = {channels}."
            )
    if count == 1 and ndim > 1:  # broadcast as it is
        return PreluKernel.call(input, weight)
    if ndim != weight.dim() and weight.dim() > 0:
        shape = [1] * ndim
        if ndim > 1:
            shape[1] = count
        weight = weight.reshape(shape)
    return PreluKernel.call(input, weight)


class Hardtanh(Op):
    """hardtanh(input, min_val=-1.0, max_val=1.0) -> Tensor

    Each element, held between ``min_val`` and ``max_val``.

    >>> torch.nn.functional.hardtanh(torch.tensor([-3.0, 0.5]))
    tensor([-1.0000,  0.5000])
    """

    public = FUNCTIONAL
    inplace = True
    promote = "keep"
    half = "widen"

    def forward(xp, x, min_val=-1.0, max_val=1.0):
        if x.dtype.kind == "b":
            raise RuntimeError("Bool inputs not supported for hardtanh")
        if x.dtype.kind in "iu":
            if x.dtype.kind == "u" and (min_val < 0 or max_val < 0):
                raise RuntimeError("cannot do hardtanh on an unsigned type with negative limits")
            min_val, max_val = int(min_val), int(max_val)
        if min_val > max_val:
            raise ValueError("min_val cannot be greater than max_val")
        return xp.clip(x, min_val, max_val)

    def vjp(g, input, min_val, max_val):
        return HardtanhBackward.call(g, input, min_val, max_val)


@public("nn.functional", out=False)
def relu6(input):
    """relu6(input) -> Tensor

    Each element, held between 0 and 6.

    >>> torch.nn.functional.relu6(torch.tensor([-3.0, 9.0]))
    tensor([0., 6.])
    """
    return Hardtanh.call(input, 0, 6)


class Hardsigmoid(Unary):
    """hardsigmoid(input) -> Tensor

    ``x / 6 + 1/2``, held between 0 and 1.

    >>> torch.nn.functional.hardsigmoid(torch.tensor([-4.0, 0.0]))
    tensor([0.0000, 0.5000])
    """

    public = FUNCTIONAL
    inplace = True

    def forward(xp, x):
        return xp.clip(x + 3, 0, 6) / 6

    def vjp(g, input):
        return HardsigmoidBackward.call(g, input)


class Hardswish(Unary):
    """hardswish(input) -> Tensor

    ``x * hardsigmoid(x)``.

    >>> torch.nn.functional.hardswish(torch.tensor([-4.0, 3.0]))
    tensor([-0., 3.])
    """

    public = FUNCTIONAL
    inplace = True

    def forward(xp, x):
        return x * xp.clip(x + 3, 0, 6) / 6

    def vjp(g, input):
        return HardswishBackward.call(g, input)


class Hardshrink(Op):
    """hardshrink(input, lambd=0.5) -> Tensor

    Zero within ``[-lambd, lambd]``, else unchanged.

    >>> torch.hardshrink(torch.tensor([0.2, 2.0]))
    tensor([0., 2.])
    """

    public = ("torch", "Tensor", "nn.functional")
    inplace = False

    def forward(xp, x, lambd=0.5):
        return xp.where((x >= -lambd) & (x <= lambd), x.dtype.type(0), x)

    def vjp(g, input, lambd):
        return HardshrinkBackward.call(g, input, lambd)


class Softshrink(Op):
    """softshrink(input, lambd=0.5) -> Tensor

    Each element moved towards zero by ``lambd``, stopping there.

    >>> torch.nn.functional.softshrink(torch.tensor([-2.0, 0.2]))
    tensor([-1.5000,  0.0000])
    """

    public = FUNCTIONAL
    inplace = False

    def forward(xp, x, lambd=0.5):
        if lambd < 0:
            name = "Double" if x.dtype.itemsize == 8 else "Float"
            largest = "1.79769e+308" if x.dtype.itemsize == 8 else "3.40282e+38"
            raise RuntimeError(
                f"lambda must be in range [0, {largest}] for input dtype {name}, but found "
                f"{lambd:g}"
            )
        return xp.where(x > lambd, x - lambd, xp.where(x < -lambd, x + lambd, x * 0))

    def vjp(g, input, lambd):
        return SoftshrinkBackward.call(g, input, lambd)


class Threshold(Op):
    """threshold(input, threshold, value) -> Tensor

    ``x`` where it is above ``threshold``, else ``value``.

    >>> torch.threshold(torch.tensor([0.5, 2.0]), 1.0, 20.0)
    tensor([20.,  2.])
    """

    public = ("torch", "nn.functional")
    inplace = True
    promote = "keep"
    half = "widen"

    def forward(xp, x, threshold, value):
        return xp.where(x <= threshold, x.dtype.type(value), x)

    def vjp(g, input, threshold):
        return ThresholdBackward.call(g, input, threshold)


_erf = in_double(erf_kernel)
_erfc = in_double(erfc_kernel)


class Gelu(Op):
    """gelu(input, approximate='none') -> Tensor

    ``x`` times the normal distribution function at ``x``; ``approximate='tanh'`` takes its tanh
    approximation.

    >>> torch.nn.functional.gelu(torch.tensor([0.0, 1.0]))
    tensor([0.0000, 0.8413])
    """

    public = FUNCTIONAL
    inplace = False

    def forward(xp, x, *, approximate="none"):
        if approximate == "none":
            result = _erf(xp, x * x.dtype.type(math.sqrt(0.5)))
        elif approximate == "tanh":
            result = xp.tanh(x * (1 + 0.044715 * x * x) * x.dtype.type(math.sqrt(2 / math.pi)))
        else:
            raise RuntimeError("approximate argument must be either none or tanh.")
        result = result + 1
        result *= 0.5  # before the product, which may overflow
        result *= x
        return result

    def vjp(g, input, approximate):
        return GeluBackward.call(g, input, approximate)


class GeluBackward(Op):
    """The gradient of gelu: ``grad`` times gelu's slope at ``input``."""

    tensors = ("grad", "input")
    public = ()

    def forward(xp, g, x, approximate):
        if approximate == "none":
            # erf(x) + 1 would cancel below 0.
            below = _erfc(xp, x * x.dtype.type(-math.sqrt(0.5))) * x.dtype.type(0.5)
            density = xp.exp(x * x * x.dtype.type(-0.5)) * x.dtype.type(1 / math.sqrt(2 * math.pi))
            return g * (below + x * density)
        root, square = x.dtype.type(math.sqrt(2 / math.pi)), x * x
        t = xp.tanh(x * (square * 0.044715 + 1) * root)
        return g * ((t + 1) * 0.5 + x * 0.5 * (1 - t * t) * (square * (3 * 0.044715) + 1) * root)

    def vjp_grad(g, input, approximate):
        return GeluBackward.call(g, input, approximate)

    def vjp_input(g, grad, input, approximate):
        square = input * input
        if approximate == "none":
            density = (square * -0.5).exp() * (1 / math.sqrt(2 * math.pi))
            return g * grad * density * (2 - square)
        root = math.sqrt(2 / math.pi)
        t = (input * (square * 0.044715 + 1) * root).tanh()
        first, second = (square * (3 * 0.044715) + 1) * root, input * (6 * 0.044715 * root)
        curve = first + input * 0.5 * second - input * t * first * first
        return g * grad * (1 - t * t) * curve


class Silu(Unary):
    """silu(input) -> Tensor

    ``x * sigmoid(x)``, also called swish.

    >>> torch.nn.functional.silu(torch.tensor([0.0, 1.0]))
    tensor([0.0000, 0.7311])
    """

    public = FUNCTIONAL
    inplace = True

    def forward(xp, x):
        return x / (1 + xp.exp(-x))

    def vjp(g, input):
        return SiluBackward.call(g, input)


class SiluBackward(Op):
    """The gradient of silu: ``grad`` times silu's slope at ``input``, conjugate."""

    tensors = ("grad", "input")
    public = ()

    def forward(xp, g, x):
        s = 1 / (1 + xp.exp(-x))
        slope = s * (1 + x * (1 - s))
        return g * (slope.conj() if x.dtype.kind == "c" else slope)

    def vjp_grad(g, input):
        s = input.sigmoid()
        return g * (s * (1 + input * (1 - s)))

    def vjp_input(g, grad, input):
        s = input.sigmoid()
        curve = s * (1 - s) * (2 + input * (1 - 2 * s))
        return g.conj() * grad * curve.conj() if curve.is_complex() else g * grad * curve


class Mish(Unary):
    """mish(input) -> Tensor

    ``x * tanh(softplus(x))``.

    >>> torch.nn.functional.mish(torch.tensor([0.0, 1.0]))
    tensor([0.0000, 0.8651])
    """

    public = FUNCTIONAL
    inplace = True

    def forward(xp, x):
        return x * xp.tanh(xp.logaddexp(x, x.dtype.type(0)))

    def vjp(g, input):
        return MishBackward.call(g, input)


class Softplus(Op):
    """softplus(input, beta=1.0, threshold=20.0) -> Tensor

    ``log(1 + exp(beta * x)) / beta``, and ``x`` itself where ``beta * x > threshold``.

    >>> torch.nn.functional.softplus(torch.tensor([0.0, 30.0]))
    tensor([ 0.6931, 30.0000])
    """

    public = FUNCTIONAL
    inplace = False

    def forward(xp, x, beta=1.0, threshold=20.0):
        scaled = x * beta
        return xp.where(scaled > threshold, x, xp.log1p(xp.exp(scaled)) / beta)

    def vjp(g, input, beta, threshold):
        return SoftplusBackward.call(g, input, beta, threshold)


class LogSigmoid(Unary):
    """logsigmoid(input) -> Tensor

    ``log(1 / (1 + exp(-x)))``.

    >>> torch.nn.functional.logsigmoid(torch.tensor([0.0]))
    tensor([-0.6931])
    """

    name = "logsigmoid"
    public = FUNCTIONAL
    inplace = False
    grad_name = "LogSigmoidBackward0"

    def forward(xp, x):
        return xp.minimum(x, 0) - xp.log1p(xp.exp(-xp.abs(x)))

    def vjp(g, input):
        return LogsigmoidBackward.call(g, input)


@public("nn.functional", out=False)
def softsign(input):
    """softsign(input) -> Tensor

    ``x / (1 + |x|)``.

    >>> torch.nn.functional.softsign(torch.tensor([-1.0, 3.0]))
    tensor([-0.5000,  0.7500])
    """
    return input / (input.abs() + 1)


@public("nn.functional", out=False)
def tanhshrink(input):
    """tanhshrink(input) -> Tensor

    ``x - tanh(x)``.

    >>> torch.nn.functional.tanhshrink(torch.tensor([0.0, 1.0]))
    tensor([0.0000, 0.2384])
    """
    return input - input.tanh()


class Glu(Op):
    """glu(input, dim=-1) -> Tensor

    The first half of ``input`` along ``dim``, times the sigmoid of the second.

    >>> torch.nn.functional.glu(torch.tensor([2.0, 0.0]))
    tensor([1.])
    """

    public = FUNCTIONAL

    def forward(xp, x, dim=-1):
        if x.ndim == 0:
            raise RuntimeError("glu does not support scalars because halving size must be even")
        at = wrap_dim(dim, x.ndim)
        size = x.shape[at]
        if size % 2:
            raise RuntimeError(f"Halving dimension must be even, but dimension {at} is size {size}")
        around, half = (slice(None),) * at, size // 2
        result = xp.exp(-x[(*around, slice(half, None))])
        result += 1
        return xp.divide(x[(*around, slice(half))], result, out=result)

    def vjp(g, input, dim):
        first, second = input.chunk(2, dim)
        s = second.sigmoid()
        return Cat.call([g * s, g * first * s * (1 - s)], dim)


# PyTorch has some in-place forms in torch and some in nn.functional; those under "_nn" only as
# ``inplace=True``.
for _name, _function, _spaces in (
    ("selu", selu, ("torch", "nn.functional")),
    ("relu6", relu6, ("_nn",)),
):
    public(*_spaces, out=False)(derive_composite(_name, _function))
for _record, _spaces in (
    (Threshold, ("torch", "nn.functional")),
    (Elu, ("nn.functional",)),
    (Celu, ("torch", "nn.functional")),
    (LeakyRelu, ("nn.functional",)),
    (Hardtanh, ("nn.functional",)),
    (Relu, ("nn.functional",)),
    (Hardsigmoid, ("_nn",)),
    (Hardswish, ("_nn",)),
    (Silu, ("_nn",)),
    (Mish, ("_nn",)),
):
    public(*_spaces, out=False)(derive(_record))
