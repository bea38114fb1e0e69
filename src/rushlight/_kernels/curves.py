"""Kernels of csrc/curves.cpp and csrc/ufuncs.cpp whose arguments are not quite the op's."""

import math
from typing import Any

import numpy as np

from rushlight._core.backend import kernel
from rushlight._core.casting import astype
from rushlight._core.dtypes import HALF
from rushlight._core.extension import C

FLOATS = (np.dtype(np.float32), np.dtype(np.float64))
I8 = np.dtype(np.int64)

# Activations, and slopes with the arguments of the op.
SAME = (
    "elu", "elu_backward", "leaky_relu", "leaky_relu_backward", "hardsigmoid",
    "hardsigmoid_backward", "hardswish", "hardswish_backward", "hardshrink", "hardshrink_backward",
    "softshrink_backward", "threshold", "hardtanh_backward", "mish",
    "mish_backward", "softplus", "softplus_backward", "logsigmoid", "logsigmoid_backward",
    "sqrt_backward", "rsqrt", "rsqrt_backward", "reciprocal_backward", "silu_backward",
    "larger_backward", "smaller_backward", "quotient_backward", "addcmul", "addcdiv",
)  # fmt: skip

# Of csrc/quotients.cpp, which does not take half precision.
WHOLE = ("remainder", "floor_divide", "fmod", "logaddexp", "xlogy", "sign", "lerp")


def celu(x: Any, alpha: Any) -> Any:
    """elu with another slope inside."""
    return C.elu(x, alpha, 1.0, 1.0 / alpha) if alpha else NotImplemented


def hardtanh(x: Any, low: Any, high: Any) -> Any:
    """Floating-point numbers between two others."""
    return C.clamp_numbers(x, low, high) if x.dtype in FLOATS and low <= high else NotImplemented


def glu(x: Any, dim: Any) -> Any:
    """The first half times the sigmoid of the second."""
    at = dim + x.ndim if dim < 0 else dim
    if not 0 <= at < x.ndim or x.shape[at] % 2:
        return NotImplemented
    if x.dtype in HALF:
        made = glu(astype(x, FLOATS[0]), at)
        return made if made is NotImplemented else C.cast(made, x.dtype)
    if x.dtype not in FLOATS:
        return NotImplemented
    around, half = (slice(None),) * at, x.shape[at] // 2
    gate = C.sigmoid(np.ascontiguousarray(x[(*around, slice(half, None))]))
    if gate is NotImplemented:
        return NotImplemented
    return np.multiply(x[(*around, slice(half))], gate, out=gate)


def prelu_kernel(x: Any, weight: Any) -> Any:
    """One weight for all is a slope."""
    if weight.ndim > x.ndim or x.dtype not in FLOATS or weight.dtype is not x.dtype:
        return NotImplemented
    if weight.size == 1:
        return C.leaky_relu(x, weight.item())
    return C.where(x > 0, x, C.mul(weight, x))


def softshrink(x: Any, lambd: Any) -> Any:
    """The width is not negative."""
    return C.softshrink(x, lambd) if lambd >= 0 else NotImplemented


def threshold_backward(g: Any, x: Any, threshold: Any) -> Any:
    """What it was replaced by does not count."""
    return C.threshold_backward(g, x, threshold, 0)


def clamp_backward(g: Any, x: Any, low: Any, high: Any) -> Any:
    """No bound is an infinite one."""
    return C.clamp_backward(
        g, x, -math.inf if low is None else low, math.inf if high is None else high
    )


def sub_scaled(x: Any, y: Any, alpha: Any) -> Any:
    """``x - alpha y``."""
    real = type(alpha) in (int, float)
    return C.add_scaled_backward(x, y, -alpha) if real else NotImplemented


def gelu_backward(g: Any, x: Any, approximate: str) -> Any:
    """The gradients of both forms."""
    return C.gelu_backward(g, x) if approximate == "none" else C.gelu_tanh_backward(g, x)


def pow(x: Any, y: Any) -> Any:  # its op's name
    """Powers of floating-point numbers; to 2, 3, 1/2, -1/2 and -1 by arithmetic."""
    if type(y) is np.ndarray:
        if y.ndim or type(x) is not np.ndarray or x.dtype == I8:
            floats = y.dtype in FLOATS
            return (
                POWER(x, y)
                if floats and getattr(x, "dtype", y.dtype) == y.dtype
                else NotImplemented
            )
        y = y.item()
    if type(x) is not np.ndarray or x.dtype not in FLOATS or type(y) not in (float, int):
        return NotImplemented
    known = POWERS.get(y)
    return POWER(x, y) if known is None else known(x)


def pow_backward(g: Any, x: Any, exponent: Any) -> Any:
    """g n x^(n-1), in one pass where the power is arithmetic."""
    if x.dtype not in FLOATS or type(exponent) not in (float, int):
        return NotImplemented
    if exponent == 2:
        return C.square_backward(g, x)
    if exponent == 3:
        return C.cube_backward(g, x)
    if exponent == 1:
        return C.mul(g, 1.0) if g.shape == x.shape else NotImplemented
    power = pow(x, exponent - 1)
    return power if power is NotImplemented else C.scaled_backward(g, power, exponent)


if C is not None:
    POWER, ROOT, INVERSE = C.threaded(np.power), C.threaded(np.sqrt), C.threaded(np.reciprocal)
    POWERS = {2: lambda x: C.mul(x, x), 3: C.cube, 0.5: ROOT, -0.5: C.rsqrt, -1: INVERSE}


def div_rounded(x: Any, y: Any, rounding_mode: str) -> Any:
    """Rounded down; towards zero it is the reference's."""
    return C.floor_divide(x, y) if rounding_mode == "floor" else NotImplemented


def register() -> None:
    """Enter each kernel under its op's name. Called once, before the records are made."""
    for name in SAME + WHOLE:
        kernel(name, getattr(C, name))
    kernel("add_scaled", C.add_scaled_backward)
    for function in (
        glu,
        prelu_kernel,
        celu,
        hardtanh,
        softshrink,
        threshold_backward,
        clamp_backward,
        gelu_backward,
        sub_scaled,
        pow,
        pow_backward,
        div_rounded,
    ):
        kernel(function.__name__, function)
