"""Slopes: a gradient times the derivative at an input or a result, each one pass over memory in its
kernel (csrc/kernels_curves.cpp). They are linear in the gradient; their tensors are real.
"""

from typing import Any

from rushlight._core.op import Meta, Op


class Slope(Op, family=True):
    """``grad`` times a slope that is constant but for steps: its own gradient in ``input`` is 0."""

    tensors = ("grad", "input")
    public = ()
    vmap = "pointwise"

    def vjp_input(g: Any, input: Meta):
        return g.new_zeros(input.shape)


class EluBackward(Op):
    """The gradient of elu: ``grad`` times elu's slope at ``input``."""

    tensors = ("grad", "input")
    public = ()
    vmap = "pointwise"

    def forward(xp, g, x, alpha, scale, input_scale):
        low = xp.exp(xp.minimum(x, 0) * input_scale) * (alpha * scale * input_scale)
        return (g * xp.where(x <= 0, low, scale)).astype(g.dtype, copy=False)

    def vjp_grad(g, input, alpha, scale, input_scale):
        return EluBackward.call(g, input, alpha, scale, input_scale)

    def vjp_input(g, grad, input, alpha, scale, input_scale):
        curve = (input.clamp(max=0) * input_scale).exp() * (alpha * scale * input_scale**2)
        return g * grad * curve.where(input <= 0, 0)


class LeakyReluBackward(Slope):
    """``grad`` where leaky_relu's ``input`` is positive, else ``negative_slope`` times it."""

    def forward(xp, g, x, negative_slope):
        return xp.where(x > 0, g, g * g.dtype.type(negative_slope))

    def vjp_grad(g, input, negative_slope):
        return LeakyReluBackward.call(g, input, negative_slope)


class HardtanhBackward(Slope):
    """``grad`` between the bounds, else 0."""

    def forward(xp, g, x, min_val, max_val):
        return xp.where((x > min_val) & (x < max_val), g, g.dtype.type(0))

    def vjp_grad(g, input, min_val, max_val):
        return HardtanhBackward.call(g, input, min_val, max_val)


class HardsigmoidBackward(Slope):
    """A sixth of ``grad`` between -3 and 3, else 0."""

    def forward(xp, g, x):
        return xp.where((x > -3) & (x < 3), g / 6, g.dtype.type(0))

    def vjp_grad(g, input):
        return HardsigmoidBackward.call(g, input)


class HardswishBackward(Op):
    """The gradient of hardswish: ``grad`` times its slope at ``input``."""

    tensors = ("grad", "input")
    public = ()
    vmap = "pointwise"

    def forward(xp, g, x):
        inner = xp.where(x <= -3, g.dtype.type(0), g * (x / 3 + g.dtype.type(0.5)))
        return xp.where(x < 3, inner, g)

    def vjp_grad(g, input):
        return HardswishBackward.call(g, input)

    def vjp_input(g, grad, input):
        return g * grad / 3 * ((input > -3) & (input < 3))


class HardshrinkBackward(Slope):
    """``grad`` outside of ``[-lambd, lambd]``, else 0."""

    def forward(xp, g, x, lambd):
        return xp.where((x < -lambd) | (x > lambd), g, g.dtype.type(0))

    def vjp_grad(g, input, lambd):
        return HardshrinkBackward.call(g, input, lambd)


class SoftshrinkBackward(HardshrinkBackward):
    """The same for softshrink."""


class ThresholdBackward(Slope):
    """``grad`` above the threshold, else 0."""

    def forward(xp, g, x, threshold):
        return xp.where(x <= threshold, g.dtype.type(0), g)

    def vjp_grad(g, input, threshold):
        return ThresholdBackward.call(g, input, threshold)


class MishBackward(Op):
    """The gradient of mish: ``grad`` times its slope at ``input``."""

    grad_name = "MulBackward0"
    tensors = ("grad", "input")
    public = ()
    vmap = "pointwise"

    def forward(xp, g, x):
        s, t = 1 / (1 + xp.exp(-x)), xp.tanh(xp.logaddexp(x, x.dtype.type(0)))
        return g * (t + x * s * (1 - t * t))

    def vjp_grad(g, input):
        return MishBackward.call(g, input)

    def vjp_input(g, grad, input):
        s = input.sigmoid()
        t = input.exp().log1p().tanh()
        curve = s * (1 - t * t) * (2 + input * (1 - s - 2 * t * s))
        return g * grad * curve


class SoftplusBackward(Op):
    """The gradient of softplus: ``grad`` times its slope at ``input``."""

    tensors = ("grad", "input")
    public = ()
    vmap = "pointwise"

    def forward(xp, g, x, beta, threshold):
        scaled = x * beta
        return xp.where(scaled > threshold, g, g / (1 + xp.exp(-scaled)))

    def vjp_grad(g, input, beta, threshold):
        return SoftplusBackward.call(g, input, beta, threshold)

    def vjp_input(g, grad, input, beta, threshold):
        scaled = input * beta
        s = scaled.sigmoid()
        return (g * grad * (s * (1 - s) * beta)).masked_fill(scaled > threshold, 0)


class LogsigmoidBackward(Op):
    """The gradient of logsigmoid: ``grad`` times ``1 / (1 + exp(input))``."""

    grad_name = "LogSigmoidBackwardBackward0"
    tensors = ("grad", "input")
    public = ()
    vmap = "pointwise"

    def forward(xp, g, x):
        return g / (1 + xp.exp(x))

    def vjp_grad(g, input):
        return LogsigmoidBackward.call(g, input)

    def vjp_input(g, grad, input):
        s = input.sigmoid()
        return -g * grad * (s * (1 - s))


# ---- of bounds, roots and quotients --------------------------------------------------------------


class ClampBackward(Slope):
    """``grad`` within the bounds (numbers or None) and on them, else 0; 0 at NaN."""

    def forward(xp, g, x, min, max):
        inside = x == x
        if min is not None:
            inside &= x >= min
        if max is not None:
            inside &= x <= max
        return xp.where(inside, g, g.dtype.type(0))

    def vjp_grad(g, input, min, max):
        return ClampBackward.call(g, input, min, max)


class SqrtBackward(Op):
    """``grad / (2 result)``."""

    tensors = ("grad", "root")
    public = ()
    vmap = "pointwise"

    def forward(xp, g, y):
        return g / (2 * y)

    def vjp_grad(g, root):
        return SqrtBackward.call(g, root)

    def vjp_root(g, grad, root):
        return -g * grad / (2 * root * root)


class RsqrtBackward(Op):
    """``-grad result³ / 2``."""

    tensors = ("grad", "root")
    public = ()
    vmap = "pointwise"

    def forward(xp, g, y):
        return g * y.dtype.type(-0.5) * (y * y * y)

    def vjp_grad(g, root):
        return RsqrtBackward.call(g, root)

    def vjp_root(g, grad, root):
        return g * grad * -1.5 * (root * root)


class ReciprocalBackward(Op):
    """``-grad result²``."""

    tensors = ("grad", "root")
    public = ()
    vmap = "pointwise"

    def forward(xp, g, y):
        return -g * (y * y)

    def vjp_grad(g, root):
        return ReciprocalBackward.call(g, root)

    def vjp_root(g, grad, root):
        return g * grad * -2 * root


# ---- of two inputs -------------------------------------------------------------------------------


class LargerBackward(Op):
    """``grad`` where ``input`` is the larger, half of it where the two are equal, else 0."""

    tensors = ("grad", "input", "other")
    public = ()
    vmap = "pointwise"

    def forward(xp, g, x, y):
        return xp.where(x < y, g.dtype.type(0), xp.where(x == y, g / 2, g))

    def vjp_grad(g, input, other):
        return LargerBackward.call(g, input, other)


class SmallerBackward(Op):
    """``grad`` where ``input`` is the smaller, half of it where the two are equal, else 0."""

    tensors = ("grad", "input", "other")
    public = ()
    vmap = "pointwise"

    def forward(xp, g, x, y):
        return xp.where(x > y, g.dtype.type(0), xp.where(x == y, g / 2, g))

    def vjp_grad(g, input, other):
        return SmallerBackward.call(g, input, other)


class QuotientBackward(Op):
    """The gradient of a divisor: ``-grad input / other²``."""

    tensors = ("grad", "input", "other")
    public = ()
    vmap = "pointwise"
    grad_name = "MulBackward0"

    def forward(xp, g, x, y):
        return -g * ((x / y) / y)

    def vjp_grad(g, input, other):
        return QuotientBackward.call(g, input, other)

    def vjp_input(g, grad, other):
        return -g * grad / (other * other)

    def vjp_other(g, grad, input, other):
        return g * grad * (2 * input / (other * other * other))
