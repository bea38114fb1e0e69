"""Kernels of csrc/attention.cpp, csrc/loss.cpp and csrc/norm.cpp."""

import math
from typing import Any

from rushlight._core.backend import kernel
from rushlight._core.extension import C

SAME = (
    "attention",
    "mse_loss",
    "l1_loss",
    "smooth_l1_loss",
    "huber_loss",
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "nll_loss",
    "cross_entropy",
)


def native_batch_norm(
    x: Any, weight: Any, bias: Any, view: Any, affine: Any, axes: Any, eps: Any
) -> Any:
    """The result, mean, 1 / deviation and variance of each channel, or of each in an example."""
    return C.norm(x, weight, bias, view, axes, eps)


def native_group_norm(
    x: Any, weight: Any, bias: Any, view: Any, affine: Any, axes: Any, eps: Any
) -> Any:
    """The same by groups of channels, without the variance."""
    found = C.norm(x, weight, bias, view, axes, eps)
    return found if found is NotImplemented else found[:3]


def norm_backward(g: Any, x: Any, weight: Any, mean: Any, rstd: Any, view: Any, axes: Any) -> Any:
    """Gradients of rows if the weight has their length, else of runs with one weight each."""
    if len(view) == 2:
        return C.layer_norm_backward(g, x, weight, mean, rstd, math.prod(weight.shape))
    return C.norm_backward(g, x, weight, mean, rstd, view, axes)


def register() -> None:
    """Enter each kernel and that of its gradient. Called once, before the records are made."""
    for function in (native_batch_norm, native_group_norm, norm_backward):
        kernel(function.__name__, function)
    for name in ("neg", "abs", "abs_backward", "logsumexp"):
        kernel(name, getattr(C, name))
    kernel("batch_norm_inference", C.batch_norm_inference)
    kernel("mix_running", C.mix_running)
    for name in SAME:
        kernel(name, getattr(C, name))
        kernel(f"{name}_backward", getattr(C, f"{name}_backward"))
