"""Extrema: amax, amin, aminmax, max, min, argmax, argmin."""

import numpy

from rushlight._core import dtypes, reductions
from rushlight._core.op import Meta, Op, Reduce, public
from rushlight._core.shape import wrap_dim
from rushlight._core.tensor import Tensor
from rushlight._ops.reduce import axes, refuse, require_elements, restore


def share_among_ties(g, input, result, dim, keepdim):
    """The gradient of an extremum, divided evenly among the elements that attain it (NaN
    included)."""
    g, result = (restore(t, input.ndim, dim, keepdim) for t in (g, result))
    mask = (input == result).logical_or(input.isnan().logical_and(result.isnan()))
    if dim is None or dim in ((), []) or not input.ndim:
        return mask * (g / mask.sum())
    return mask * (g / mask.sum(dim, True))


def _same_out(input, out):
    if out is not None and out.dtype is not input.dtype:
        raise RuntimeError(
            "Expected the dtype for input and out to match, but got "
            f"{dtypes.scalar_name(input.dtype)} for input's dtype and "
            f"{dtypes.scalar_name(out.dtype)} for out's dtype."
        )


class Amax(Reduce):
    """The largest values over ``dim``."""

    public = ()

    def forward(xp, x, dim=(), keepdim=False):
        refuse("max_values_cpu", x, "c")
        require_elements("amax", x.shape, dim)
        reduce = reductions.maximum_reduce if xp is numpy else xp.maximum.reduce
        return reduce(x, axes(dim, x.ndim), None, None, keepdim)

    def vjp(g, input, result, dim, keepdim):
        return share_among_ties(g, input, result, dim, keepdim)


@public("torch", "Tensor")
def amax(input, dim=(), keepdim=False, *, out=None):
    """amax(input, dim=(), keepdim=False, *, out=None) -> Tensor

    Largest value over ``dim`` (an int or several; by default all). NaN wins. The gradient is shared
    evenly among equal maxima.

    >>> torch.amax(torch.tensor([[1.0, 5.0], [3.0, 2.0]]), 1)
    tensor([5., 3.])
    """
    _same_out(input, out)
    return Amax.call(input, dim, keepdim, out=out)


class Amin(Reduce):
    """The smallest values over ``dim``."""

    public = ()

    def forward(xp, x, dim=(), keepdim=False):
        refuse("min_values_cpu", x, "c")
        require_elements("amin", x.shape, dim)
        reduce = reductions.minimum_reduce if xp is numpy else xp.minimum.reduce
        return reduce(x, axes(dim, x.ndim), None, None, keepdim)

    def vjp(g, input, result, dim, keepdim):
        return share_among_ties(g, input, result, dim, keepdim)


@public("torch", "Tensor")
def amin(input, dim=(), keepdim=False, *, out=None):
    """amin(input, dim=(), keepdim=False, *, out=None) -> Tensor

    Smallest value over ``dim`` (an int or several; by default all). NaN wins. The gradient is
    shared evenly among equal minima.

    >>> torch.amin(torch.tensor([[1.0, 5.0], [3.0, 2.0]]), 1)
    tensor([1., 2.])
    """
    _same_out(input, out)
    return Amin.call(input, dim, keepdim, out=out)


class Aminmax(Op):
    """Smallest and largest values along one dimension or of all."""

    public = ()
    tensors = ("input",)
    outputs = ("min", "max")
    grads = ("min", "max")

    def forward(xp, x, *, dim=None, keepdim=False):
        if dim is None and not x.size:
            raise RuntimeError(
                "aminmax(): cannot compute aminmax over an empty dimension as the operation has no "
                "identity."
            )
        if dim is not None and x.ndim and x.shape[wrap_dim(dim, x.ndim)] == 0:
            raise IndexError(
                f"aminmax: Expected reduction dim {wrap_dim(dim, x.ndim)} to have non-zero size."
            )
        refuse("aminmax_cpu", x, "c")
        axis = axes(dim, x.ndim)
        low = xp.minimum.reduce(x, axis, None, None, keepdim)
        return low, xp.maximum.reduce(x, axis, None, None, keepdim)

    def vjp(g, input, min, max, dim, keepdim):
        parts = [
            share_among_ties(gi, input, r, dim, keepdim)
            for gi, r in zip(g, (min, max), strict=True)
            if gi is not None
        ]
        return parts[0] if len(parts) == 1 else parts[0] + parts[1]


@public("torch", "Tensor")
def aminmax(input, *, dim=None, keepdim=False, out=None):
    """aminmax(input, *, dim=None, keepdim=False, out=None) -> (Tensor min, Tensor max)

    Smallest and largest value, of all elements or along one ``dim``.

    >>> torch.aminmax(torch.tensor([1.0, -3.0, 5.0]))
    torch.return_types.aminmax(
    min=tensor(-3.),
    max=tensor(5.))
    """
    for o in out or ():
        if o.dtype is not input.dtype:
            wanted, got = (_C_NAMES.get(d.name, d.name) for d in (input.dtype, o.dtype))
            raise RuntimeError(f"Expected out tensor to have dtype {wanted}, but got {got} instead")
    return Aminmax.call(input, dim, keepdim, out=out)


_C_NAMES = {"float32": "float", "float64": "double", "int64": "long int", "int32": "int"}


class MaxFull(Reduce):
    """The largest of all elements."""

    public = ()
    grad_name = "MaxBackward1"

    def forward(xp, x):
        refuse("max_all", x, "c")
        require_elements("max", x.shape, None)
        return xp.maximum.reduce(x, None)

    def vjp(g, input, result):
        return share_among_ties(g, input, result, None, False)


class MinFull(Reduce):
    """The smallest of all elements."""

    public = ()
    grad_name = "MinBackward1"

    def forward(xp, x):
        refuse("min_all", x, "c")
        require_elements("min", x.shape, None)
        return xp.minimum.reduce(x, None)

    def vjp(g, input, result):
        return share_among_ties(g, input, result, None, False)


def select(xp, x, index, axis, keepdim):
    """The elements of ``x`` that ``index`` (with ``axis`` kept) names; both without ``axis``
    unless kept."""
    values = xp.take_along_axis(x, index, axis)
    return (values, index) if keepdim else (values.squeeze(axis), index.squeeze(axis))


def select_vjp(g, input: Meta, dim, keepdim, indices):
    """The gradient of one selected element per slice: it goes where ``indices`` points."""
    if not input.ndim:
        return g
    if not keepdim:
        g, indices = g.unsqueeze(dim), indices.unsqueeze(dim)
    return g.new_zeros(input.shape).scatter(dim, indices, g)


def _extreme(name, reduce, x, dim, keepdim):
    """Values by the ufunc and places by arg(max|min): both one vectorised pass."""
    axis = wrap_dim(dim, x.ndim)
    if not x.ndim:
        return x.copy(), numpy.zeros((), dtypes.int64.numpy)
    if not x.size:
        require_elements(name, x.shape, dim)
    if x.dtype.kind == "c":
        raise RuntimeError(f"{name}(): does not support complex input")
    return reduce(x, axis, None, None, keepdim), getattr(x, f"arg{name}")(
        axis, None, keepdims=keepdim
    )


class MaxDim(Op):
    """Largest values along one dimension, and where they are."""

    name = "max"
    public = ()
    tensors = ("input",)
    outputs = ("values", "indices")
    grad_name = "MaxBackward0"

    def forward(xp, x, dim, keepdim=False):
        return _extreme("max", xp.maximum.reduce, x, dim, keepdim)

    vjp = select_vjp


class MinDim(Op):
    """Smallest values along one dimension, and where they are."""

    name = "min"
    public = ()
    tensors = ("input",)
    outputs = ("values", "indices")
    grad_name = "MinBackward0"

    def forward(xp, x, dim, keepdim=False):
        return _extreme("min", xp.minimum.reduce, x, dim, keepdim)

    vjp = select_vjp


ABSENT = object()  # max(None) is an error, not max()


def _extremum(name, full, along, input, dim, keepdim, other):
    """The three forms of max() and min(): of everything, along a dim, of two tensors."""
    if type(dim) is int and type(keepdim) is bool and other is None and isinstance(input, Tensor):
        return along.call(input, dim, keepdim)
    second = other if dim is ABSENT else dim
    if second is None and keepdim is False and dim is ABSENT:
        return full.call(input)
    alone = other is None or dim is ABSENT
    if isinstance(second, Tensor) and isinstance(input, Tensor) and keepdim is False and alone:
        return getattr(input, f"{name}imum")(second)
    given = [input, *[v for v in (dim, other) if v is not ABSENT]]
    given += [] if keepdim is False else [keepdim]
    shown = ", ".join(type(v).__name__ for v in given)
    raise TypeError(
        f"{name}() received an invalid combination of arguments - got ({shown}), but expected one "
        "of:\n * (Tensor input)\n * (Tensor input, Tensor other)\n * (Tensor input, int dim, bool "
        "keepdim = False)"
    )


@public("torch", "Tensor")
def max(input, dim=ABSENT, keepdim=False, *, other=None):
    """max(input), max(input, dim, keepdim=False) -> (values, indices), or max(input, other)

    Largest element; or the largest along ``dim`` with their indices; or the elementwise maximum of
    two tensors. NaN wins. An empty ``input`` needs a ``dim`` of non-zero size.

    >>> torch.max(torch.tensor([[1.0, 5.0], [3.0, 2.0]]), 1)
    torch.return_types.max(
    values=tensor([5., 3.]),
    indices=tensor([1, 0]))
    """
    return _extremum("max", MaxFull, MaxDim, input, dim, keepdim, other)


@public("torch", "Tensor")
def min(input, dim=ABSENT, keepdim=False, *, other=None):
    """min(input), min(input, dim, keepdim=False) -> (values, indices), or min(input, other)

    Smallest element; or the smallest along ``dim`` with their indices; or the elementwise minimum
    of two tensors. NaN wins. An empty ``input`` needs a ``dim`` of non-zero size.

    >>> torch.min(torch.tensor([[1.0, 5.0], [3.0, 2.0]]))
    tensor(1.)
    """
    return _extremum("min", MinFull, MinDim, input, dim, keepdim, other)


def _arg_extreme(name, x, dim, keepdim):
    find = getattr(x, name)
    if x.dtype.kind in "bc":
        what = "complex" if x.dtype.kind == "c" else "bool"
        raise RuntimeError(f"{name}(): does not support {what} input")
    if dim is None:
        if not x.size:
            raise IndexError(
                f"{name}(): Expected reduction dim to be specified for input.numel() == 0."
            )
        return find(None, None, keepdims=keepdim)
    axis = wrap_dim(dim, x.ndim)
    if not x.size:
        require_elements(name, x.shape, dim)
    return find(axis, None, keepdims=keepdim) if x.ndim else find()


class Argmax(Reduce):
    """argmax(input, dim=None, keepdim=False) -> Tensor

    Index of the largest element (of the flattened tensor, or along ``dim``), as int64; the first of
    equals, and NaN is the largest.

    >>> torch.argmax(torch.tensor([1.0, 5.0, 3.0]))
    tensor(1)
    """

    differentiable = False  # an index

    def forward(xp, x, dim=None, keepdim=False):
        return _arg_extreme("argmax", x, dim, keepdim)


class Argmin(Reduce):
    """argmin(input, dim=None, keepdim=False) -> Tensor

    Index of the smallest element (of the flattened tensor, or along ``dim``), as int64; the first
    of equals, and NaN is the smallest.

    >>> torch.argmin(torch.tensor([[4.0, 5.0], [3.0, 7.0]]), 0)
    tensor([1, 0])
    """

    differentiable = False  # an index

    def forward(xp, x, dim=None, keepdim=False):
        return _arg_extreme("argmin", x, dim, keepdim)
