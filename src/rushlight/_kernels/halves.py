"""Kernels for half precision, of operators that otherwise have their whole inputs made float32.

Some take it themselves, a block at a time (csrc/half.h). Convolutions and pooling are given a few
samples at a time in float32, which stay in the cache until they are used.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from rushlight._core.backend import direct_halves, half_kernels, half_numbers, kernel_for
from rushlight._core.casting import astype
from rushlight._core.extension import C
from rushlight._core.memory import empty
from rushlight._kernels import conv_bfloat16, curves, pooling

F4 = np.dtype(np.float32)
DIRECT = (
    "relu_backward", "tanh_backward", "sigmoid_backward", "abs_backward", "sigmoid", "erf", "silu",
    "gelu", "gelu_backward", "softmax", "log_softmax",
    "celu", "softshrink", "threshold_backward", "clamp_backward",
    "avg_pool", "adaptive_avg_pool", "glu", *curves.SAME,
)  # fmt: skip
NUMBERS = ("add", "sub", "mul", "div", "eq", "ne", "lt", "le", "gt", "ge")
SOME = 1 << 21  # bytes in float32 of the samples that are computed together


def steps(samples: int, *arrays: np.ndarray) -> range:
    """Where the pieces of a batch begin; its step says how long they are."""
    sample = 4 * sum(a.size for a in arrays) // samples
    return range(0, samples, max(1, SOME // max(sample, 1)))


def wide(x: Any) -> Any:
    """An array, or None, in float32."""
    return None if x is None else astype(x, F4)


def of_one_half(*arrays: Any) -> bool:
    """Are they NumPy's arrays with something in them, all of one half precision?"""
    first = arrays[0].dtype
    return all(a is None or (a.dtype == first and a.size) for a in arrays)


def filled(native: Callable, batch: tuple, others: tuple, shape: tuple, how: Callable) -> Any:
    """A result of ``shape`` made piece by piece: ``how(first, last)`` gives the parameters."""
    if not of_one_half(*batch, *others):
        return NotImplemented
    others = tuple([wide(o) for o in others])
    made = empty(shape, batch[0].dtype)
    pieces = steps(shape[0], *batch, made)
    if len(pieces) == 1:
        whole = native(*[wide(x) for x in batch], *others, *how(0, shape[0]))
        return whole if whole is NotImplemented else C.cast(whole, made.dtype)
    for i in pieces:
        j = min(i + pieces.step, shape[0])
        part = native(*(wide(x[i:j]) for x in batch), *others, *how(i, j))
        if part is NotImplemented:
            return NotImplemented
        made[i:j] = C.cast(part, made.dtype)
    return made


def convolution(native: Callable, x: Any, weight: Any, bias: Any, *how: Any) -> Any:
    """Samples of the input."""
    stride, padding, dilation, _ = how
    size = [
        (n + 2 * p - d * (k - 1) - 1) // s + 1
        for n, k, s, p, d in zip(
            x.shape[2:], weight.shape[2:], stride, padding, dilation, strict=True
        )
    ]
    if min(size) < 1:
        return NotImplemented
    shape = (len(x), len(weight), *size)
    return filled(native, (x,), (weight, bias), shape, lambda i, j: how)


def conv_transpose(native: Callable, g: Any, weight: Any, bias: Any, *how: Any) -> Any:
    """Samples of what is spread."""
    shape, *rest = how
    return filled(native, (g,), (weight, bias), shape, lambda i, j: ((j - i, *shape[1:]), *rest))


def conv_weight(native: Callable, g: Any, x: Any, shape: tuple, *how: Any) -> Any:
    """The sum over samples, in float32."""
    if not of_one_half(g, x):
        return NotImplemented
    total = None
    pieces = steps(len(x), g, x)
    for i in pieces:
        piece = slice(i, i + pieces.step)
        part = native(wide(g[piece]), wide(x[piece]), shape, *how)
        if part is NotImplemented:
            return NotImplemented
        total = part if total is None else total + part
    return C.cast(total, g.dtype)


def max_pool(native: Callable, x: Any, kernel: Any, *how: Any) -> Any:
    """Planes: samples, or channels of one."""
    lead = x.ndim - len(kernel)
    shape = (*x.shape[:lead], *pooling.pooled_size(x.shape[lead:], kernel, *how))
    if lead < 1 or min(shape) < 1:
        return NotImplemented
    return filled(native, (x,), (), shape, lambda i, j: (kernel, *how))


def max_pool_backward(native: Callable, g: Any, x: Any, result: Any, *how: Any) -> Any:
    """Planes of the three."""
    return filled(native, (g, x, result), (), x.shape, lambda i, j: how)


SAMPLED = (convolution, conv_transpose, conv_weight, max_pool, max_pool_backward)


def in_turn(*ways: Callable) -> Callable:
    """The first of these that serves."""

    def run(*args: Any) -> Any:
        for way in ways:
            made = way(*args)
            if made is not NotImplemented:
                return made
        return NotImplemented

    return run


def native(name: str) -> Any:
    """The kernel for float32, which is there."""
    return kernel_for(name)


def register() -> None:
    """Enter them. Called once, after the kernels for float32."""
    for name in DIRECT:
        half_kernels[name] = native(name)
    direct_halves.update(DIRECT)
    half_numbers.update(NUMBERS)
    for function in SAMPLED:
        half_kernels[function.__name__] = partial(function, native(function.__name__))
    for product in (
        conv_bfloat16.convolution,
        conv_bfloat16.conv_transpose,
        conv_bfloat16.conv_weight,
    ):
        name = product.__name__
        half_kernels[name] = in_turn(native(name), product, half_kernels[name])
    for name in ("native_batch_norm", "native_group_norm", "norm_backward"):
        half_kernels[name] = native(name)
    for name in ("max_pool", "max_pool_backward"):  # planes and lines
        half_kernels[name] = in_turn(native(name), half_kernels[name])
