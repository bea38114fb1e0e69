"""Spread: variance, standard deviation, and both with the mean."""

import math
import warnings

from rushlight._core.op import Reduce, public
from rushlight._ops.reduce import axes, reduced_count, restore


def _variance(xp, name, x, dim, correction, keepdim):
    """Two passes: the mean, then the squared distances from it."""
    if x.dtype.kind in "biu":
        raise RuntimeError("std and var only support floating point and complex dtypes")
    axis = axes(dim, x.ndim)
    n = reduced_count(x.shape, dim)
    if n - correction <= 0:
        warnings.warn(
            f"{name}(): degrees of freedom is <= 0. Correction should be strictly less than the "
            "reduction "
            "factor (input numel divided by output numel).",
            UserWarning,
            stacklevel=4,
        )
    mean = xp.add.reduce(x, axis, None, None, keepdims=True) / n if n else x.dtype.type("nan")
    away = x - mean
    squares = away.real * away.real + away.imag * away.imag if x.dtype.kind == "c" else away * away
    freedom = n - correction
    total = xp.add.reduce(squares, axis, None, None, keepdims=keepdim)
    return total / squares.dtype.type(freedom if freedom > 0 else 0)


def _variance_vjp(g, input, dim, correction, keepdim):
    freedom = reduced_count(input.shape, dim) - correction
    g = restore(g, input.ndim, dim, keepdim)
    away = input - input.mean(dim, True)
    if freedom <= 0 and (dim is None or not input.ndim):
        return g * (away == 0).logical_not() * math.inf + g * (away * math.nan)
    scale = 2.0 / freedom if freedom else math.inf
    return g * away * scale


class Var(Reduce):
    """Variance over ``dim``, divided by ``n - correction``."""

    public = ()

    def forward(xp, x, dim=None, correction=1, keepdim=False):
        return _variance(xp, "var", x, dim, correction, keepdim)

    def vjp(g, input, dim, correction, keepdim):
        return _variance_vjp(g, input, dim, correction, keepdim)


class Std(Reduce):
    """Standard deviation over ``dim``, with ``n - correction`` degrees of freedom."""

    public = ()

    def forward(xp, x, dim=None, correction=1, keepdim=False):
        return xp.sqrt(_variance(xp, "std", x, dim, correction, keepdim))

    def vjp(g, input, result, dim, correction, keepdim):
        g = (g / (result * 2)).masked_fill(result == 0, 0)  # a constant slice has no direction
        return _variance_vjp(g, input, dim, correction, keepdim)


def _spread_arguments(args, dim, unbiased, correction, keepdim):
    """(dim, correction, keepdim) of the overloads (unbiased), (dim, unbiased, keepdim), (dim, *,
    correction)."""
    if args and isinstance(args[0], bool):
        unbiased, args = args[0], args[1:]
    elif args:
        dim, args = args[0], args[1:]
        if args:
            unbiased, args = args[0], args[1:]
        if args:
            keepdim, args = args[0], args[1:]
    if args:
        raise TypeError(
            "received an invalid combination of arguments: too many positional arguments"
        )
    if unbiased is not None:
        correction = int(unbiased)
    return (
        (dim or None) if isinstance(dim, (tuple, list)) else dim,
        1 if correction is None else correction,
        keepdim,
    )


@public("torch", "Tensor")
def var(input, *args, dim=None, unbiased=None, correction=None, keepdim=False):
    """var(input, dim=None, *, correction=1, keepdim=False, out=None) -> Tensor

    Variance over ``dim`` (all by default), the sum of squares divided by ``n - correction``. The
    older forms ``var(input, unbiased)`` and ``var(input, dim, unbiased, keepdim)`` work too.

    >>> torch.var(torch.tensor([1.0, 2.0, 3.0, 4.0]), correction=0)
    tensor(1.2500)
    """
    return Var.call(input, *_spread_arguments(args, dim, unbiased, correction, keepdim))


@public("torch", "Tensor")
def std(input, *args, dim=None, unbiased=None, correction=None, keepdim=False):
    """std(input, dim=None, *, correction=1, keepdim=False, out=None) -> Tensor

    Standard deviation over ``dim`` (all by default): the root of :func:`var`.

    >>> torch.std(torch.tensor([1.0, 2.0, 3.0]))
    tensor(1.)
    """
    return Std.call(input, *_spread_arguments(args, dim, unbiased, correction, keepdim))


@public("torch", out=False)
def var_mean(input, *args, dim=None, unbiased=None, correction=None, keepdim=False):
    """var_mean(input, dim=None, *, correction=1, keepdim=False) -> (Tensor, Tensor)

    Variance and mean over ``dim``.

    >>> torch.var_mean(torch.tensor([1.0, 2.0, 3.0]))
    (tensor(1.), tensor(2.))
    """
    dim, correction, keepdim = _spread_arguments(args, dim, unbiased, correction, keepdim)
    return Var.call(input, dim, correction, keepdim), input.mean(dim, keepdim)


@public("torch", out=False)
def std_mean(input, *args, dim=None, unbiased=None, correction=None, keepdim=False):
    """std_mean(input, dim=None, *, correction=1, keepdim=False) -> (Tensor, Tensor)

    Standard deviation and mean over ``dim``.

    >>> torch.std_mean(torch.tensor([1.0, 2.0, 3.0]))
    (tensor(1.), tensor(2.))
    """
    dim, correction, keepdim = _spread_arguments(args, dim, unbiased, correction, keepdim)
    return Std.call(input, dim, correction, keepdim), input.mean(dim, keepdim)
