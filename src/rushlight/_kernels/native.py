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
from rushlight._kernels import curves, halves, moving, pooling, recurrent, rows

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


def native_layer_norm(x, weight, bias, view, affine, axes, eps):
    """Rows of the trailing dimensions; mean and rstd keep ``view``'s dimensions."""
    if axes == (1,) and len(view) == 2 and x.dtype is F4:
        found = C.layer_norm(x, weight, bias, view[1], eps)
        if found is NotImplemented:
            return NotImplemented
        result, mean, rstd = found
        return result, mean[:, None], rstd[:, None]
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
    """The gradient of a row, or of a batch's channels, that were standardized."""
    lead = x.ndim - len(axes)
    if g.dtype is not F4 or tuple(axes) != tuple(range(lead, x.ndim)):
        return C.norm_backward(g, x, None, mean, rstd, x.shape, axes)
    return C.standardize_backward(g, x, mean, rstd, math.prod(x.shape[lead:]))


# Kernels whose arguments are the op's, under its name.
SAME = (
    "exp", "log", "sigmoid", "erf", "silu", "softmax", "log_softmax", "softmax_backward",
    "log_softmax_backward", "relu", "relu_backward", "tanh_backward",
    "sigmoid_backward", "transpose", "t", "permute", "unsqueeze", "expand", "mm", "mv", "addmm",
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
        native_layer_norm,
        standardize_backward,
    ):
        kernel(function.__name__, function)
    C.know_bfloat16(np.dtype(bfloat16))
    for name in UPDATES:
        kernel(name, partial(C.update, name))
    kernel("count_steps", C.count)
    kernel("tensor_norms", C.norms)


if C is not None:
    register()
    curves.register()
    moving.register()
    pooling.register()
    recurrent.register()
    rows.register()
    halves.register()
