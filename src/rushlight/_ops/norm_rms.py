"""Rows over their root mean square in one pass, for devices that have a kernel of it."""

from rushlight._core.op import Op, grad_enabled


class FusedRmsNorm(Op):
    """``x / sqrt(mean(x²) + eps)`` over rows of n, times ``weight``; and 1 / that root."""

    tensors = ("input", "weight")
    optional = ("weight",)
    outputs = ("out", "rstd")
    named = False
    promote = "keep"
    half = "widen"
    public = ()
    grad_name = "FusedRmsNormBackward0"

    def forward(xp, x, weight, rows, n, eps):
        whole = x.reshape(rows, n)
        rstd = 1 / xp.sqrt((whole * whole).mean(axis=1, keepdims=True) + x.dtype.type(eps))
        result = whole * rstd
        if weight is not None:
            result *= weight.reshape(n)
        return result.reshape(x.shape), rstd

    def vjp(g, input, weight, rstd, rows, n, eps, need):
        x, g = input.reshape(rows, n), g.reshape(rows, n)
        row = None if weight is None else weight.reshape(n)
        to_input = to_weight = None
        if grad_enabled():  # to be differentiated again: by operators, from the input
            rstd = ((x * x).mean(1, keepdim=True) + eps).rsqrt()
            scaled = g if row is None else g * row
            hat = x * rstd
            if need[0]:
                to_input = rstd * (scaled - hat * (scaled * hat).mean(1, keepdim=True))
        elif need[0]:
            to_input = RmsNormBackward.call(g, x, row, rstd, rows, n)
        if need[1]:
            to_weight = (g * x * rstd).sum(0).reshape(weight.shape)
        return None if to_input is None else to_input.reshape(input.shape), to_weight


class RmsNormBackward(Op):
    """The gradient of the rows."""

    tensors = ("grad", "input", "weight", "rstd")
    optional = ("weight",)
    promote = "keep"
    half = "widen"
    public = ()
    differentiable = False  # FusedRmsNorm takes operators where it will be differentiated again

    def forward(xp, g, x, weight, rstd, rows, n):
        scaled = g if weight is None else g * weight
        hat = x * rstd
        return rstd * (scaled - hat * (scaled * hat).mean(axis=1, keepdims=True))
