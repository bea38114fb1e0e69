"""Convolution and its gradients through cuDNN (dnn.py)."""

from typing import Any

from rushlight._kernels.cuda.channels import add_bias
from rushlight._kernels.cuda.dnn import (
    SERVED,
    blank,
    dense,
    forward,
    geometry,
    to_input,
    to_weight,
    two_dimensional,
)


def served(*arrays: Any) -> bool:
    """Arrays of one dtype that cuDNN computes with, with something in each?"""
    first = arrays[0]
    return (
        first.dtype in SERVED
        and 3 <= first.ndim <= 5
        and all(a.dtype == first.dtype and a.size for a in arrays)
    )


def biased(y: Any, bias: Any, ndim: int) -> Any:
    """The result with its bias, in its own dimensions."""
    y = y[:, :, 0] if y.ndim != ndim else y
    return y if bias is None else add_bias(y, bias)


def convolution(x, weight, bias, stride, padding, dilation, groups):
    """The cross-correlation of (N, C, *size) with (O, C / groups, *kernel), plus a bias."""
    given = (x, weight) if bias is None else (x, weight, bias)
    if not served(*given) or x.shape[1] != weight.shape[1] * groups or weight.shape[0] % groups:
        return NotImplemented
    ndim, (x, weight) = x.ndim, (two_dimensional(dense(a)) for a in (x, weight))
    how = geometry(stride, padding, dilation)
    size = [
        (n + 2 * p - d * (k - 1) - 1) // s + 1
        for n, k, s, p, d in zip(x.shape[2:], weight.shape[2:], *how, strict=True)
    ]
    if min(size) < 1:
        return NotImplemented
    y = blank((x.shape[0], weight.shape[0], *size), x)
    plan = forward(x, weight, y, how)
    if plan is None or not plan.serves(x, weight, y):
        return NotImplemented
    return biased(y, bias, ndim)


def conv_transpose(g, weight, bias, shape, stride, padding, dilation, groups):
    """The gradient of a convolution's input of ``shape``, plus a bias."""
    given = (g, weight) if bias is None else (g, weight, bias)
    if not served(*given) or g.shape[1] != weight.shape[0] or 0 in shape:
        return NotImplemented
    ndim, (g, weight) = g.ndim, (two_dimensional(dense(a)) for a in (g, weight))
    how = geometry(stride, padding, dilation)
    full = (shape[0], shape[1], 1, shape[2]) if ndim == 3 else tuple(shape)
    if reached(full[2:], weight.shape[2:], how) != g.shape[2:]:
        return NotImplemented  # an output_padding beyond what a convolution reaches
    y = blank(full, g)
    plan = to_input(g, weight, y, how)
    if plan is None or not plan.serves(g, weight, y):
        return NotImplemented
    return biased(y, bias, ndim)


def reached(size: tuple, kernel: tuple, how: tuple) -> tuple:
    """The size of the convolution of an input of ``size``."""
    return tuple(
        (n + 2 * p - d * (k - 1) - 1) // s + 1
        for n, k, s, p, d in zip(size, kernel, *how, strict=True)
    )


def conv_weight(g, x, shape, stride, padding, dilation, groups):
    """The gradient of a convolution's weight, of ``shape``."""
    if not served(g, x) or 0 in shape or x.shape[1] != shape[1] * groups:
        return NotImplemented
    ndim, (g, x) = g.ndim, (two_dimensional(dense(a)) for a in (g, x))
    how = geometry(stride, padding, dilation)
    full = (shape[0], shape[1], 1, shape[2]) if ndim == 3 else tuple(shape)
    if reached(x.shape[2:], full[2:], how) != g.shape[2:]:
        return NotImplemented
    y = blank(full, x)
    plan = to_weight(g, x, y, how)
    if plan is None or not plan.serves(g, x, y):
        return NotImplemented
    return y[:, :, 0] if y.ndim != ndim else y


KERNELS = (convolution, conv_transpose, conv_weight)
