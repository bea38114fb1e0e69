"""What each optimizer does to one element, written with ufuncs on blocks: the references of the
native kernels in csrc/kernels_optim.cpp, which take the same numbers in the same order.

An update gets a piece of the parameter, of its gradient and of its states, then scratch arrays `d`,
`t` and `u`, then numbers. `sign` is -1 to maximize, `decay` the L2 decay added to the gradient,
`shrink` what the parameter is multiplied by first (decoupled decay). The order of operations is
PyTorch's, so results agree to the last rounding.
"""

import contextlib

import numpy as np
from numpy import absolute, add, divide, maximum, multiply, sqrt, square, subtract

from rushlight._core import gpu
from rushlight._core.backend import device_kernels, kernel_for
from rushlight._core.extension import Outer
from rushlight._core.inplace import arrays_of
from rushlight._core.tensor import Tensor
from rushlight._ops.optimizer_blocks import (
    blocks,
    decay_square,
    direction,
    lerp,
    move,
    move_by,
    root_plus,
    scalars,
)
from rushlight._ops.optimizer_differentiable import record

_HERE = contextlib.nullcontext()


def elementwise(function, lists, numbers):
    """Apply an update to every parameter. `lists` are those of the parameters, the gradients and
    the states, None where a state is not used; `numbers` is a tuple, or a list of one tuple for
    each parameter.

    The native kernel takes all that it serves in one call; the rest goes by blocks. Lists of
    tensors in place of arrays: the operations are recorded (``differentiable=True``).
    """
    if isinstance(lists[0][0], Tensor):
        record(function.__name__, lists, numbers)
        return
    there = type(lists[0][0]) is not np.ndarray
    native = device_kernels.get(function.__name__) if there else kernel_for(function.__name__)
    rest = range(len(lists[0])) if native is None else native(lists, numbers)
    for i in rest:
        given = numbers[i] if type(numbers) is list else numbers
        # a state that is not used is stood in for by the parameter
        arrays = [(lists[0] if one is None else one)[i] for one in lists]
        arrays = [arrays_of(x.tensor()) if type(x) is Outer else x for x in arrays]
        with gpu.where(arrays[0]) if there else _HERE:
            for pieces in blocks(*arrays):
                function(*pieces, *given)


def sgd_update(p, g, b, d, t, u, rate, decay, sign):
    """p += rate g; `b` is not used."""
    move_by(p, direction(p, g, sign < 0, decay, d, t), rate, t)


def momentum_update(p, g, b, d, t, u, rate, decay, sign, momentum, fraction, nesterov, fresh):
    """b = momentum b + fraction g, or g while `fresh`; p += rate b, with Nesterov's form
    rate (g + momentum b).
    """
    g = direction(p, g, sign < 0, decay, d, t)
    old, new = scalars(b, momentum, fraction)
    if fresh:
        b[...] = g
    else:
        multiply(b, old, b)
        multiply(g, new, t)
        add(b, t, b)
    if nesterov:
        multiply(b, old, t)
        move_by(p, add(g, t, d), rate, t)
    else:
        move_by(p, b, rate, t)


def asgd_update(p, g, ax, d, t, u, rate, decay, sign, shrink, weight):
    """p = shrink p + rate g; the average ax += weight (p - ax)."""
    g = direction(p, g, sign < 0, decay, d, t)
    multiply(p, scalars(p, shrink)[0], p)
    move_by(p, g, rate, t)
    if weight == 1:
        ax[...] = p
        return
    subtract(p, ax, t)
    multiply(t, scalars(p, weight)[0], t)
    add(ax, t, ax)


def rprop_update(p, g, prev, size, d, t, u, sign, shrink, grow, low, high):
    """p -= sign(g) size, where size grows while the gradient keeps its sign and shrinks when it
    turns.
    """
    shrink, grow, one, zero, low, high = scalars(p, shrink, grow, 1, 0, low, high)
    g = direction(p, g, sign < 0, 0, d, t)
    multiply(g, prev, t)
    turned = t < 0
    multiply(size, np.where(t > 0, grow, np.where(turned, shrink, one)), size)
    np.clip(size, low, high, size)
    prev[...] = g
    np.copyto(prev, zero, where=turned)
    np.sign(prev, t)
    multiply(t, size, t)
    subtract(p, t, p)


def adagrad_update(p, g, total, d, t, u, rate, decay, sign, eps):
    """total += g²; p += rate g / (√total + eps)."""
    g = direction(p, g, sign < 0, decay, d, t)
    square(g, t)
    add(total, t, total)
    root_plus(total, eps, u)
    move(p, g, u, rate, t)


def rmsprop_update(
    p, g, v, mean, b, d, t, u, rate, decay, sign, keep, eps, momentum, centered, heavy
):
    """v = keep v + (1 - keep) g²; p += rate g / (√v + eps).

    `centered`: of the variance v - mean². `heavy`: with momentum in `b`.
    """
    g = direction(p, g, sign < 0, decay, d, t)
    decay_square(v, g, keep, t)
    if centered:
        lerp(mean, g, 1 - keep, t)
        multiply(mean, mean, u)
        subtract(v, u, u)
        root_plus(u, eps, u)
    else:
        root_plus(v, eps, u)
    if heavy:
        multiply(b, scalars(p, momentum)[0], b)
        add(b, divide(g, u, t), b)
        move_by(p, b, rate, t)
    else:
        move(p, g, u, rate, t)


def adadelta_update(p, g, v, acc, d, t, u, rate, decay, sign, keep, eps):
    """delta = √(acc + eps) / √(v + eps) g; p += rate delta."""
    tiny = scalars(p, eps)[0]
    g = direction(p, g, sign < 0, decay, d, t)
    decay_square(v, g, keep, t)
    sqrt(add(v, tiny, t), t)
    sqrt(add(acc, tiny, u), u)
    divide(u, t, u)
    multiply(u, g, u)
    decay_square(acc, u, keep, t)
    move_by(p, u, rate, t)


def adam_update(
    p, g, m, v, high, d, t, u, rate, decay, sign, shrink, blend, keep, root, eps, amsgrad
):
    """p += rate m / (√v / root + eps), m and v running means of g and g²; with `amsgrad` v is the
    largest so far, kept in `high`.
    """
    tiny, divisor, less = scalars(p, eps, root, shrink)
    if shrink != 1:
        multiply(p, less, p)
    g = direction(p, g, sign < 0, decay, d, t)
    lerp(m, g, blend, t)
    decay_square(v, g, keep, t)
    sqrt(maximum(high, v, out=high) if amsgrad else v, u)
    divide(u, divisor, u)
    add(u, tiny, u)
    move(p, m, u, rate, t)


def adamax_update(p, g, m, top, d, t, u, rate, decay, sign, blend, keep, eps):
    """p += rate m / top, where top = max(keep top, |g| + eps)."""
    old, tiny = scalars(p, keep, eps)
    g = direction(p, g, sign < 0, decay, d, t)
    lerp(m, g, blend, t)
    multiply(top, old, top)
    add(absolute(g, t), tiny, t)
    maximum(top, t, out=top)
    move(p, m, top, rate, t)


def nadam_update(
    p, g, m, v, d, t, u, of_grad, decay, sign, shrink, blend, keep, correction, eps, of_mean
):
    """p += (of_grad g + of_mean m) / (√(v / correction) + eps)."""
    divisor, tiny, less = scalars(p, correction, eps, shrink)
    if shrink != 1:
        multiply(p, less, p)
    g = direction(p, g, sign < 0, decay, d, t)
    lerp(m, g, blend, t)
    decay_square(v, g, keep, t)
    sqrt(divide(v, divisor, u), u)
    add(u, tiny, u)
    move(p, g, u, of_grad, t)
    move(p, m, u, of_mean, t)


def radam_update(
    p, g, m, v, d, t, u, rate, decay, sign, shrink, blend, keep, first, root, eps, rectified
):
    """p -= m / first rate, times root / (√v + eps) rectified unless that is 0."""
    less, divisor, speed, top, factor = scalars(p, shrink, first, rate, root, rectified)
    if shrink != 1:
        multiply(p, less, p)
    g = direction(p, g, sign < 0, decay, d, t)
    lerp(m, g, blend, t)
    decay_square(v, g, keep, t)
    multiply(divide(m, divisor, t), speed, t)
    if rectified:
        root_plus(v, eps, u)
        multiply(t, divide(top, u, u), t)
        multiply(t, factor, t)
    subtract(p, t, p)


# ---- lists of gradients, and averages of parameters ---------------------------------------------


def scale_update(x, d, t, u, factor):
    """x *= factor."""
    multiply(x, scalars(x, factor)[0], x)


def clamp_update(x, d, t, u, low, high):
    """x between two bounds; nan stays."""
    np.clip(x, *scalars(x, low, high), x)


def mix_update(x, end, d, t, u, weight):
    """x += weight (end - x)."""
    lerp(x, end, weight, t)
