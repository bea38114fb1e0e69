"""Which ops have a kernel in csrc/, and how its arguments are made of the op's.

A kernel answers NotImplemented for what it does not serve: other dtypes than float32, arrays that
are not contiguous, other dimensions than the last. The reference forward of the record takes over
then.
"""

import math
from functools import partial

import numpy as np
from ml_dtypes import bfloat16

from rushlight._core.backend import kernel
from rushlight._core.extension import C
from rushlight._kernels import moving, pooling, recurrent

F4 = np.dtype(np.float32)


# loops of csrc/kernels_optim.cpp, each over all parameters of a group
UPDATES = (
    "sgd_update",
    "momentum_update",
    "asgd_update",
    "rprop_update",
    "adagrad_update",
    "rmsprop_update",
    "adadelta_update",
    "adam_update",
    "adamax_update",
    "nadam_update",
    "radam_update",
    "scale_update",
    "clamp_update",
    "mix_update",
)


def gelu(x, approximate):
    """gelu, in its exact and its tanh form."""
    if approximate == "none":
        return C.gelu(x)
    return C.gelu_tanh(x) if approximate == "tanh" else NotImplemented


def gelu_backward(g, x, approximate):
    """The gradient of the exact form."""
    return C.gelu_backward(g, x) if approximate == "none" else NotImplemented


def softplus(x, beta, threshold):
    """softplus with its usual parameters: above the threshold it is the identity to the last bit
    anyway.
    """
    return C.softplus(x) if beta == 1 and threshold >= 20 else NotImplemented


def native_layer_norm(x, weight, bias, view, affine, axes, eps):
    """Rows of the trailing dimensions; mean and rstd keep ``view``'s dimensions."""
    lead = len(view) - len(axes)
    if x.dtype is not F4 or tuple(axes) != tuple(range(lead, len(view))):
        return NotImplemented
    found = C.layer_norm(x, weight, bias, math.prod(view[lead:]), eps)
    if found is NotImplemented:
        return NotImplemented
    result, mean, rstd = found
    shape = (*view[:lead], *[1] * len(axes))
    return result, mean.reshape(shape), rstd.reshape(shape)


def standardize_backward(g, x, mean, rstd, axes):
    """The gradient of a row that was standardized."""
    lead = x.ndim - len(axes)
    if g.dtype is not F4 or tuple(axes) != tuple(range(lead, x.ndim)):
        return NotImplemented
    return C.standardize_backward(g, x, mean, rstd, math.prod(x.shape[lead:]))


def usual(logits, target, weight, ignore_index):
    """Plain classes: one per row, all in range, none ignored, no weights."""
    return (
        weight is None
        and target.dtype == np.int64
        and target.shape == logits.shape[:1]
        and target.size > 0
        and ignore_index < 0
        and int(target.min()) >= 0
        and int(target.max()) < logits.shape[1]
    )


def cross_entropy(x, target, weight, reduction, ignore_index):
    """The loss and the logarithms of the probabilities, (N, C)."""
    if not usual(x, target, weight, ignore_index):
        return NotImplemented
    logs = C.log_softmax(x, 1)
    if logs is NotImplemented:
        return NotImplemented
    picked = logs[np.arange(target.size), target]
    if reduction == "none":
        return -picked, logs
    total = -picked.sum()
    return (total if reduction == "sum" else total / F4.type(target.size)), logs


def cross_entropy_backward(g, logs, target, weight, reduction, ignore_index):
    """(softmax - one hot) times the gradient of a mean or a sum."""
    if g.ndim or not usual(logs, target, weight, ignore_index):
        return NotImplemented
    result = C.exp(logs)
    if result is NotImplemented:
        return NotImplemented
    result[np.arange(target.size), target] -= 1
    result *= g / F4.type(target.size) if reduction == "mean" else g
    return result


# Kernels whose arguments are the op's, under its name.
SAME = (
    "exp", "log", "sigmoid", "erf", "silu", "softmax", "log_softmax", "softmax_backward",
    "log_softmax_backward", "silu_backward", "relu", "relu_backward", "tanh_backward",
    "sigmoid_backward", "transpose", "t", "permute", "unsqueeze", "expand", "mm", "mv",
    "linear", "linear_input", "linear_weight", "bmm", "batched_matmul", "convolution",
    "conv_transpose", "conv_weight", "cumsum", "cumprod", "cummax", "cummin", "sort", "topk",
    "kthvalue", "median", "nanmedian", "median_full", "nanmedian_full", "searchsorted", "bincount",
)  # fmt: skip


def register() -> None:
    """Enter every kernel under its op's name. Called once, before the records are made."""
    for name in SAME:
        kernel(name, getattr(C, name))
    kernel("view", C.reshape)
    kernel("unique_values", C.unique)
    for name in ("add", "sub", "mul", "div", "maximum", "minimum"):
        kernel(name, getattr(C, name), complete=True)
    for function in (
        gelu,
        gelu_backward,
        softplus,
        native_layer_norm,
        standardize_backward,
        cross_entropy,
        cross_entropy_backward,
    ):
        kernel(function.__name__, function)
    C.know_bfloat16(np.dtype(bfloat16))
    for name in UPDATES:
        kernel(name, partial(C.update, name))
    kernel("count_steps", C.count)
    kernel("tensor_norms", C.norms)


if C is not None:
    register()
    moving.register()
    pooling.register()
    recurrent.register()
