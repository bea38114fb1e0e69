"""Reductions: sums, means, products, truth, counts, logsumexp."""

import math

import numpy

from rushlight._core import dtypes, reductions
from rushlight._core.op import Meta, Reduce, public
from rushlight._core.shape import wrap_dims
from rushlight._ops.join import Cat

_add = reductions.add_reduce
_F4 = dtypes.float32.numpy
_counts: dict = {}  # dividing by a 0-d array is 0.3 us faster than by a number

# ---- shapes and dtypes ---------------------------------------------------------------------------


def axes(dim, ndim):
    """NumPy's ``axis`` for PyTorch's ``dim``: None and () mean all dimensions."""
    if dim is None:
        return None
    if type(dim) is int and -ndim <= dim < ndim:
        return dim
    wrapped = wrap_dims(dim, ndim)
    if not ndim:
        return ()
    return wrapped or None


def restore(t, ndim, dim, keepdim):
    """A reduced ``t`` with its reduced dimensions back at size one, ready to broadcast."""
    if keepdim or not ndim or dim is None:
        return t
    dims = wrap_dims(dim, ndim)
    if len(dims) in (0, ndim):
        return t
    for d in sorted(dims):
        t = t.unsqueeze(d)
    return t


def reduced_count(shape, dim):
    """How many elements are reduced into one."""
    dims = wrap_dims(dim, len(shape)) if dim is not None else ()
    if not dims:
        return math.prod(shape)
    return math.prod([shape[d] for d in dims]) if shape else 1


def cast(x, dtype):
    """``x`` in ``dtype``, a rushlight dtype; itself if it is, or if ``dtype`` is None."""
    return x if dtype is None or x.dtype == dtype.numpy else x.astype(dtype.numpy)


def require_elements(name, shape, dim):
    """Refuse to reduce nothing where the operation has no identity."""
    if dim is None or (type(dim) is not int and not len(dim)):
        if math.prod(shape) == 0:
            raise RuntimeError(
                f"{name}(): Expected reduction dim to be specified for input.numel() == 0. Specify "
                "the reduction dim with the 'dim' argument."
            )
        return
    for d in wrap_dims(dim, len(shape)):
        if shape and shape[d] == 0:
            given = dim if type(dim) is int and name in ("amax", "amin") else d
            raise IndexError(f"{name}(): Expected reduction dim {given} to have non-zero size.")


def refuse(name, x, kinds):
    """NotImplementedError if ``x`` is of one of NumPy's dtype kinds: PyTorch has no such kernel."""
    if x.dtype.kind in kinds:
        kind = dtypes.scalar_name(dtypes.of_array(x))
        raise NotImplementedError(f"\"{name}\" not implemented for '{kind}'")


def _full_or_dim(name):
    """Grad name with suffix 0 for a full reduction, 1 for one over ``dim``."""
    return lambda node: f"{name}Backward{0 if node.params[0] is None else 1}"


def _accumulate(ufunc, x, dim, keepdim, dtype):
    """``ufunc.reduce`` in PyTorch's accumulation dtype: int64 for integers, float32 for halves."""
    kind = x.dtype.char
    axis = axes(dim, x.ndim)
    if kind in "fdFD":
        return ufunc.reduce(x, axis, None, None, keepdims=keepdim)
    if dtype is None and x.dtype.kind in "biu":
        return ufunc.reduce(x, axis, dtypes.int64.numpy, None, keepdims=keepdim)
    if x.dtype in dtypes.HALF:
        total = ufunc.reduce(x.astype(dtypes.float32.numpy), axis, None, None, keepdims=keepdim)
        return total.astype(x.dtype)
    return ufunc.reduce(x, axis, x.dtype, None, keepdims=keepdim)


# ---- sums ----------------------------------------------------------------------------------------


class Sum(Reduce):
    """sum(input, dim=None, keepdim=False, *, dtype=None) -> Tensor

    Sum over all elements, or over ``dim`` (an int or several). Integers and bools give int64 unless
    ``dtype`` is given; ``input`` is converted to ``dtype`` first.

    >>> torch.sum(torch.tensor([[1.0, 2.0], [3.0, 4.0]]), 1)
    tensor([3., 7.])
    """

    promote = "keep"
    half = "native"
    linear = True
    grad_name = _full_or_dim("Sum")
    quick = reductions.add_reduce

    def forward(xp, x, dim=None, keepdim=False, dtype=None):
        if x.dtype.char in "fd" and dtype is None:
            add = _add if xp is numpy else xp.add.reduce
            return add(x, None if dim is None else axes(dim, x.ndim), None, None, keepdim)
        return _accumulate(xp.add, cast(x, dtype), dim, keepdim, dtype)

    def vjp(g, input: Meta, dim, keepdim):
        return restore(g, input.ndim, dim, keepdim).expand(input.shape)


class Nansum(Reduce):
    """nansum(input, dim=None, keepdim=False, *, dtype=None) -> Tensor

    Sum that counts NaN as zero. Complex input raises RuntimeError.

    >>> torch.nansum(torch.tensor([1.0, float("nan"), 2.0]))
    tensor(3.)
    """

    promote = "keep"
    half = "native"

    def forward(xp, x, dim=None, keepdim=False, dtype=None):
        if x.dtype.kind == "c":
            raise RuntimeError("nansum on CPU does not support complex inputs")
        x = cast(x, dtype)
        if x.dtype.kind not in "biu":
            x = xp.where(xp.isnan(x), x.dtype.type(0), x)
        return _accumulate(xp.add, x, dim, keepdim, dtype)

    def vjp(g, input, dim, keepdim):
        return (
            restore(g, input.ndim, dim, keepdim).expand(input.shape) * input.isnan().logical_not()
        )


def _mean_dtype(name, x, dtype):
    """Refuse integers as PyTorch does."""
    if dtype is not None and dtype.category < dtypes.FLOATING:
        raise RuntimeError(
            f"{name}(): could not infer output dtype. Optional dtype must be either a floating "
            f"point or complex dtype. Got: {dtypes.scalar_name(dtype)}"
        )
    if dtype is None and x.dtype.kind in "biu":
        raise RuntimeError(
            f"{name}(): could not infer output dtype. Input dtype must be either a floating point "
            f"or complex dtype. Got: {dtypes.scalar_name(dtypes.of_array(x))}"
        )


class Mean(Reduce):
    """mean(input, dim=None, keepdim=False, *, dtype=None) -> Tensor

    Mean over all elements, or over ``dim``. ``input`` (or ``dtype``) must be floating point or
    complex.

    >>> torch.mean(torch.tensor([[1.0, 2.0], [3.0, 4.0]]), 0)
    tensor([2., 3.])
    """

    promote = "keep"
    half = "native"
    linear = True
    grad_name = _full_or_dim("Mean")

    def quick(x, dim, _, __, keepdim):
        if dim is None:
            total = _add(x, None, None, None, keepdim)
            return reductions.divide(total, x.size) if x.size else total / _F4.type(0)
        total = _add(x, dim, None, None, keepdim)  # first: it refuses a wrong dim
        n = x.shape[dim]
        count = _counts.get(n)
        if count is None:
            count = _counts[n] = numpy.asarray(n, dtypes.float32.numpy)
        return reductions.divide(total, count)

    def forward(xp, x, dim=None, keepdim=False, dtype=None):
        if x.dtype.char in "fd" and dtype is None:
            add = _add if xp is numpy else xp.add.reduce
            total = add(x, None if dim is None else axes(dim, x.ndim), None, None, keepdim)
            return total / (x.size // total.size if total.size else 1)
        _mean_dtype("mean", x, dtype)
        x = cast(x, dtype)
        wide = x.astype(dtypes.float32.numpy) if x.dtype in dtypes.HALF else x
        total = xp.add.reduce(wide, axes(dim, x.ndim), None, None, keepdim)
        return (total / (reduced_count(x.shape, dim))).astype(x.dtype)

    def vjp(g, input: Meta, dim, keepdim):
        g = restore(g, input.ndim, dim, keepdim).expand(input.shape)
        return g / reduced_count(input.shape, dim)


@public("torch", "Tensor")
def nanmean(input, dim=None, keepdim=False, *, dtype=None):
    """nanmean(input, dim=None, keepdim=False, *, dtype=None, out=None) -> Tensor

    Mean over the elements that are not NaN. Integer input raises RuntimeError.

    >>> torch.nanmean(torch.tensor([1.0, float("nan"), 3.0]))
    tensor(2.)
    """
    if input.dtype.category < dtypes.FLOATING:
        raise RuntimeError(
            "nanmean(): expected input to have floating point or complex dtype but got "
            f"{dtypes.scalar_name(input.dtype)}"
        )
    if dtype is not None and dtype.category < dtypes.FLOATING:
        raise RuntimeError(
            "nanmean(): could not infer output dtype. Optional dtype must be either a floating "
            f"point or complex dtype. Got: {dtypes.scalar_name(dtype)}"
        )
    count = input.detach().isnan().logical_not().sum(dim, keepdim)
    return input.nansum(dim, keepdim, dtype=dtype) / count


# ---- products ------------------------------------------------------------------------------------


class Prod(Reduce):
    """prod(input, dim=None, keepdim=False, *, dtype=None) -> Tensor

    Product of all elements, or along one ``dim``. Integers and bools give int64 unless ``dtype`` is
    given.

    >>> torch.prod(torch.tensor([1.0, 2.0, 4.0]))
    tensor(8.)
    """

    promote = "keep"
    half = "native"
    grad_name = _full_or_dim("Prod")

    def forward(xp, x, dim=None, keepdim=False, dtype=None):
        return _accumulate(xp.multiply, cast(x, dtype), dim, keepdim, dtype)

    def vjp(g, input, dim, keepdim):
        if not input.ndim:
            return g
        if dim is None:
            return (g * _product_of_others(input.reshape(-1), 0).conj()).reshape(input.shape)
        return restore(g, input.ndim, dim, keepdim) * _product_of_others(input, dim).conj()


def _product_of_others(t, dim):
    """For each element the product of all others along ``dim``: no division, so zeros are no
    exception."""
    n = t.shape[dim]
    if n < 2:
        return t.new_ones(t.shape)
    one = t.new_ones(t.narrow(dim, 0, 1).shape)
    before = Cat.call([one, t.narrow(dim, 0, n - 1)], dim)
    after = Cat.call([one, t.flip(dim).narrow(dim, 0, n - 1)], dim)
    return before.cumprod(dim) * after.cumprod(dim).flip(dim)


# ---- truth ---------------------------------------------------------------------------------------


def _truth(ufunc, x, dim, keepdim):
    answer = x if x.dtype.kind == "b" else x != 0
    if type(dim) in (tuple, list) and not dim:  # unlike sum(), no dims means none
        return answer.astype(x.dtype) if x.dtype.char == "B" else answer.copy()
    answer = ufunc.reduce(answer, axes(dim, x.ndim), None, None, keepdim)
    return answer.astype(x.dtype) if x.dtype.char == "B" else answer


class Any(Reduce):
    """any(input, dim=None, keepdim=False, *, out=None) -> Tensor

    Whether any element (along ``dim``) is not zero; bool, or uint8 for uint8 input.

    >>> torch.any(torch.tensor([[False, True], [False, False]]), 1)
    tensor([ True, False])
    """

    promote = "keep"
    half = "native"
    differentiable = False  # piecewise constant

    def forward(xp, x, dim=None, keepdim=False):
        return _truth(xp.logical_or, x, dim, keepdim)


class All(Reduce):
    """all(input, dim=None, keepdim=False, *, out=None) -> Tensor

    Whether all elements (along ``dim``) differ from zero; bool, or uint8 for uint8 input.

    >>> torch.all(torch.tensor([[True, True], [False, True]]), 1)
    tensor([ True, False])
    """

    promote = "keep"
    half = "native"
    differentiable = False  # piecewise constant

    def forward(xp, x, dim=None, keepdim=False):
        return _truth(xp.logical_and, x, dim, keepdim)


def _require_bits(x, dim):
    refuse("xor_sum_cpu", x, "c")
    try:
        require_elements("hash_tensor", x.shape, dim)
    except IndexError as error:
        raise IndexError(str(error).replace("()", "")) from None
    except RuntimeError as error:
        raise RuntimeError(str(error).replace("()", "", 1)) from None


class HashTensor(Reduce):
    """hash_tensor(input, dim=None, *, keepdim=False, mode=0, out=None) -> Tensor

    Exclusive or of the elements' bits as 64-bit floats or integers, over all or ``dim``: a uint64.

    >>> torch.hash_tensor(torch.arange(4))
    tensor(0, dtype=torch.uint64)
    """

    promote = "keep"
    half = "native"
    differentiable = False  # bits

    def forward(xp, x, dim=None, *, keepdim=False, mode=0):
        if dim is None or x.ndim:
            _require_bits(x, dim)
        if mode != 0:
            raise RuntimeError(f"hash_tensor: Unknown HashMode {mode}")
        wide = dtypes.int64 if x.dtype.kind in "biu" else dtypes.float64
        bits = x.astype(wide.numpy).view(dtypes.uint64.numpy)
        return xp.bitwise_xor.reduce(bits, axes(dim, x.ndim), None, None, keepdim)


class CountNonzero(Reduce):
    """count_nonzero(input, dim=None) -> Tensor

    Number of elements that are not zero, as int64.

    >>> torch.count_nonzero(torch.tensor([[0, 1], [2, 3]]), dim=0)
    tensor([1, 2])
    """

    promote = "keep"
    half = "native"
    differentiable = False  # piecewise constant

    def forward(xp, x, dim=None):
        return xp.add.reduce(x != 0, axes(dim, x.ndim), dtypes.int64.numpy, None)


# ---- logsumexp -----------------------------------------------------------------------------------


class Logsumexp(Reduce):
    """logsumexp(input, dim, keepdim=False, *, out=None) -> Tensor

    ``log(sum(exp(input)))`` over ``dim``, computed without overflow. Integers become floating
    point.

    >>> torch.logsumexp(torch.tensor([1000.0, 1000.0]), 0)
    tensor(1000.6932)
    """

    promote = "float"

    def forward(xp, x, dim, keepdim=False):
        axis = axes(dim, x.ndim)
        if not x.size:
            return xp.log(xp.add.reduce(xp.exp(x), axis, None, None, keepdims=keepdim))
        top = xp.maximum.reduce(x.real, axis, None, None, keepdims=True)
        top = xp.where(xp.isinf(top), top.dtype.type(0), top)
        total = xp.log(xp.add.reduce(xp.exp(x - top), axis, None, None, keepdims=keepdim))
        return total + (top if keepdim else top.reshape(total.shape))

    def vjp(g, input, result, dim, keepdim):
        g, result = (restore(t, input.ndim, dim, keepdim) for t in (g, result))
        return g * (input - result).exp().conj()
