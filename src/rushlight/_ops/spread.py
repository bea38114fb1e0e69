"""Spread: variance, standard deviation, and both with the mean."""

import math
import warnings

import numpy

from rushlight._core import reductions
from rushlight._core.op import Op, Reduce, public
from rushlight._ops.reduce import axes, reduced_count, restore


def _moments(xp, name, x, dim, correction, keepdim):
    """The variance, by two passes, and the mean with its reduced dimensions kept."""
    if x.dtype.kind in "biu":
        which = name if name.endswith("_mean") else "std and var"
        raise RuntimeError(f"{which} only support floating point and complex dtypes")
    axis = axes(dim, x.ndim)
    n = reduced_count(x.shape, dim)
    freedom = n - correction
    if freedom <= 0:
        warnings.warn(
            f"{name}(): degrees of freedom is <= 0. Correction should be strictly less than the "
            "reduction factor (input numel divided by output numel).",
            UserWarning,
            stacklevel=5,
        )
    add = reductions.add_reduce if xp is numpy else xp.add.reduce
    mean = add(x, axis, None, None, True) / (n or math.nan)
    away = x - mean
    if x.dtype.kind == "c":
        away = away.real * away.real + away.imag * away.imag
    else:
        away = xp.multiply(away, away, out=away) if away.ndim else away * away
    total = add(away, axis, None, None, keepdim)
    return total / away.dtype.type(freedom if freedom > 0 else 0), mean


def _variance(xp, name, x, dim, correction, keepdim):
    return _moments(xp, name, x, dim, correction, keepdim)[0]


def _variance_vjp(g, input, dim, correction, keepdim):
    freedom = reduced_count(input.shape, dim) - correction
    g = restore(g, input.ndim, dim, keepdim)
    away = input - input.mean(dim, True)
    if freedom <= 0 and (dim is None or not input.ndim):
        return g * (away == 0).logical_not() * math.inf + g * (away * math.nan)
    scale = 2.0 / freedom if freedom else math.inf
    return (g * scale) * away


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


class VarMean(Op):
    """Variance and mean over ``dim``."""

    public = ()
    named = False
    tensors = ("input",)
    outputs = ("var", "mean")
    grads = ("var", "mean")

    def forward(xp, x, dim=None, correction=1, keepdim=False):
        var, mean = _moments(xp, "var_mean", x, dim, correction, keepdim)
        return var, mean if keepdim else mean.reshape(var.shape)

    def vjp(g, input, dim, correction, keepdim):
        gv, gm = g
        gi = None if gv is None else _variance_vjp(gv, input, dim, correction, keepdim)
        return _with_mean(gi, gm, input, dim, keepdim)


class StdMean(Op):
    """Standard deviation and mean over ``dim``."""

    public = ()
    named = False
    tensors = ("input",)
    outputs = ("std", "mean")
    grads = ("std", "mean")

    def forward(xp, x, dim=None, correction=1, keepdim=False):
        var, mean = _moments(xp, "std_mean", x, dim, correction, keepdim)
        return xp.sqrt(var), mean if keepdim else mean.reshape(var.shape)

    def vjp(g, input, std, dim, correction, keepdim):
        gs, gm = g
        gi = None
        if gs is not None:
            gs = (gs / (std * 2)).masked_fill(std == 0, 0)
            gi = _variance_vjp(gs, input, dim, correction, keepdim)
        return _with_mean(gi, gm, input, dim, keepdim)


def _with_mean(gi, gm, input, dim, keepdim):
    """The gradient of the spread and that of the mean, together."""
    if gm is None:
        return gi
    gm = restore(gm, input.ndim, dim, keepdim).expand(input.shape)
    gm = gm / reduced_count(input.shape, dim)
    return gm if gi is None else gi + gm


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
    return VarMean.call(input, *_spread_arguments(args, dim, unbiased, correction, keepdim))


@public("torch", out=False)
def std_mean(input, *args, dim=None, unbiased=None, correction=None, keepdim=False):
    """std_mean(input, dim=None, *, correction=1, keepdim=False) -> (Tensor, Tensor)

    Standard deviation and mean over ``dim``.

    >>> torch.std_mean(torch.tensor([1.0, 2.0, 3.0]))
    (tensor(1.), tensor(2.))
    """
    return StdMean.call(input, *_spread_arguments(args, dim, unbiased, correction, keepdim))
