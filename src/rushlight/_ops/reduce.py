"""Reductions: sums, means, products, extrema, truth, spread, logsumexp."""

import math
import warnings

import numpy

from rushlight._core import dtypes
from rushlight._core.op import Meta, Op, Reduce, public
from rushlight._core.shape import wrap_dim, wrap_dims
from rushlight._ops.move import Cat

_add = numpy.add.reduce
_F4 = dtypes.float32.numpy
_counts = {}  # dividing by a 0-d array is 0.3 us faster than by a number

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
                f"{name}(): Expected reduction dim to be specified for input.numel() == 0. Specify the "
                "reduction dim with the 'dim' argument."
            )
        return
    for d in wrap_dims(dim, len(shape)):
        if shape and shape[d] == 0:
            given = dim if type(dim) is int else d
            raise IndexError(f"{name}(): Expected reduction dim {given} to have non-zero size.")


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
    quick = numpy.add.reduce

    def forward(xp, x, dim=None, keepdim=False, dtype=None):
        if x.dtype.char in "fd" and dtype is None:
            if dim is None:
                return xp.add.reduce(x, None, None, None, keepdim)
            return xp.add.reduce(x, axes(dim, x.ndim), None, None, keepdim)
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
            raise RuntimeError("nansum does not support complex inputs")
        x = cast(x, dtype)
        if x.dtype.kind not in "biu":
            x = xp.where(xp.isnan(x), x.dtype.type(0), x)
        return _accumulate(xp.add, x, dim, keepdim, dtype)

    def vjp(g, input, dim, keepdim):
        return restore(g, input.ndim, dim, keepdim).expand(input.shape) * input.isnan().logical_not()


def _mean_dtype(name, x, dtype):
    """Refuse integers as PyTorch does."""
    if dtype is not None and dtype.category < dtypes.FLOATING:
        raise RuntimeError(
            f"{name}(): could not infer output dtype. Optional dtype must be either a floating point or "
            f"complex dtype. Got: {dtypes.scalar_name(dtype)}"
        )
    if dtype is None and x.dtype.kind in "biu":
        raise RuntimeError(
            f"{name}(): could not infer output dtype. Input dtype must be either a floating point or "
            f"complex dtype. Got: {dtypes.scalar_name(dtypes.of_array(x))}"
        )


class Mean(Reduce):
    """mean(input, dim=None, keepdim=False, *, dtype=None) -> Tensor

    Mean over all elements, or over ``dim``. ``input`` (or ``dtype``) must be floating point or complex.

    >>> torch.mean(torch.tensor([[1.0, 2.0], [3.0, 4.0]]), 0)
    tensor([2., 3.])
    """

    promote = "keep"
    half = "native"
    linear = True
    grad_name = _full_or_dim("Mean")

    def quick(x, dim, _, __, keepdim):
        if dim is None:
            return _add(x, None, None, None, keepdim) / (x.size or _F4.type(0))
        n = x.shape[dim]
        count = _counts.get(n)
        if count is None:
            count = _counts[n] = numpy.asarray(n, dtypes.float32.numpy)
        return _add(x, dim, None, None, keepdim) / count

    def forward(xp, x, dim=None, keepdim=False, dtype=None):
        if x.dtype.char in "fd" and dtype is None:
            total = xp.add.reduce(x, None if dim is None else axes(dim, x.ndim), None, None, keepdim)
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
            "nanmean(): could not infer output dtype. Optional dtype must be either a floating point or "
            f"complex dtype. Got: {dtypes.scalar_name(dtype)}"
        )
    count = input.detach().isnan().logical_not().sum(dim, keepdim)
    return input.nansum(dim, keepdim, dtype=dtype) / count


# ---- products ------------------------------------------------------------------------------------


class Prod(Reduce):
    """prod(input, dim=None, keepdim=False, *, dtype=None) -> Tensor

    Product of all elements, or along one ``dim``. Integers and bools give int64 unless ``dtype`` is given.

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
    """For each element the product of all others along ``dim``: no division, so zeros are no exception."""
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


# ---- extrema -------------------------------------------------------------------------------------


def share_among_ties(g, input, result, dim, keepdim):
    """The gradient of an extremum, divided evenly among the elements that attain it (NaN included)."""
    g, result = (restore(t, input.ndim, dim, keepdim) for t in (g, result))
    mask = (input == result).logical_or(input.isnan().logical_and(result.isnan()))
    if dim is None or dim in ((), []) or not input.ndim:
        return mask * (g / mask.sum())
    return mask * (g / mask.sum(dim, True))


def _same_out(input, out):
    if out is not None and out.dtype is not input.dtype:
        raise RuntimeError(
            f"Expected the dtype for input and out to match, but got {dtypes.scalar_name(input.dtype)} for input's "
            f"dtype and {dtypes.scalar_name(out.dtype)} for out's dtype."
        )


def _no_complex(name, x):
    if x.dtype.kind == "c":
        raise NotImplementedError(f'"{name}" not implemented for \'{dtypes.scalar_name(dtypes.of_array(x))}\'')


class Amax(Reduce):
    """The largest values over ``dim``."""

    public = ()

    def forward(xp, x, dim=(), keepdim=False):
        _no_complex("amax", x)
        require_elements("amax", x.shape, dim)
        return xp.maximum.reduce(x, axes(dim, x.ndim), None, None, keepdim)

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
        _no_complex("amin", x)
        require_elements("amin", x.shape, dim)
        return xp.minimum.reduce(x, axes(dim, x.ndim), None, None, keepdim)

    def vjp(g, input, result, dim, keepdim):
        return share_among_ties(g, input, result, dim, keepdim)


@public("torch", "Tensor")
def amin(input, dim=(), keepdim=False, *, out=None):
    """amin(input, dim=(), keepdim=False, *, out=None) -> Tensor

    Smallest value over ``dim`` (an int or several; by default all). NaN wins. The gradient is shared
    evenly among equal minima.

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
                "aminmax(): cannot compute aminmax over an empty dimension as the operation has no identity."
            )
        if dim is not None and x.ndim and x.shape[wrap_dim(dim, x.ndim)] == 0:
            raise IndexError(f"aminmax: Expected reduction dim {dim} to have non-zero size.")
        _no_complex("aminmax", x)
        axis = axes(dim, x.ndim)
        low = xp.minimum.reduce(x, axis, None, None, keepdim)
        return low, xp.maximum.reduce(x, axis, None, None, keepdim)

    def vjp(g, input, min, max, dim, keepdim):
        parts = [share_among_ties(gi, input, r, dim, keepdim) for gi, r in zip(g, (min, max), strict=True)
                 if gi is not None]  # fmt: skip
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
        _no_complex("max_all", x)
        require_elements("max", x.shape, None)
        return xp.maximum.reduce(x, None)

    def vjp(g, input, result):
        return share_among_ties(g, input, result, None, False)


class MinFull(Reduce):
    """The smallest of all elements."""

    public = ()
    grad_name = "MinBackward1"

    def forward(xp, x):
        _no_complex("min_all", x)
        require_elements("min", x.shape, None)
        return xp.minimum.reduce(x, None)

    def vjp(g, input, result):
        return share_among_ties(g, input, result, None, False)


def select(xp, x, index, axis, keepdim):
    """The elements of ``x`` that ``index`` (with ``axis`` kept) names; both without ``axis`` unless kept."""
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
    _no_complex(name, x)
    return reduce(x, axis, None, None, keepdim), getattr(x, f"arg{name}")(axis, None, keepdims=keepdim)


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


def _extremum(name, full, along, input, args, kwargs):
    """The three forms of max() and min(): of everything, along a dim, of two tensors."""
    if not args and not kwargs:
        return full.call(input)
    if type(args[0] if args else None) is int and len(args) == 1 and not kwargs:
        return along.call(input, args[0], False)
    other = args[0] if args else kwargs.get("other")
    if hasattr(other, "dtype") and hasattr(input, "dtype") and len(args) + len(kwargs) == 1:
        return getattr(input, f"{name}imum")(other)
    given = dict(zip(("dim", "keepdim"), args, strict=False)) | kwargs
    valid = hasattr(input, "dtype") and isinstance(given.get("dim"), int) and given.keys() <= {"dim", "keepdim"} and len(args) < 3
    if not valid or not isinstance(given.get("keepdim", False), bool):
        shown = [type(a).__name__ for a in (input, *args)]
        shown += [f"{k}={type(v).__name__}" for k, v in kwargs.items()]
        raise TypeError(
            f"{name}() received an invalid combination of arguments - got ({', '.join(shown)}), but expected "
            f"one of:\n * (Tensor input)\n * (Tensor input, Tensor other)\n * (Tensor input, int dim, bool "
            "keepdim = False)"
        )
    return along.call(input, given["dim"], given.get("keepdim", False))


@public("torch", "Tensor")
def max(input, *args, **kwargs):
    """max(input) -> Tensor; max(input, dim, keepdim=False) -> (values, indices); max(input, other) -> Tensor

    Largest element; or the largest along ``dim`` with their indices; or the elementwise maximum of two
    tensors. NaN wins. An empty ``input`` needs a ``dim`` of non-zero size.

    >>> torch.max(torch.tensor([[1.0, 5.0], [3.0, 2.0]]), 1)
    torch.return_types.max(
    values=tensor([5., 3.]),
    indices=tensor([1, 0]))
    """
    return _extremum("max", MaxFull, MaxDim, input, args, kwargs)


@public("torch", "Tensor")
def min(input, *args, **kwargs):
    """min(input) -> Tensor; min(input, dim, keepdim=False) -> (values, indices); min(input, other) -> Tensor

    Smallest element; or the smallest along ``dim`` with their indices; or the elementwise minimum of two
    tensors. NaN wins. An empty ``input`` needs a ``dim`` of non-zero size.

    >>> torch.min(torch.tensor([[1.0, 5.0], [3.0, 2.0]]))
    tensor(1.)
    """
    return _extremum("min", MinFull, MinDim, input, args, kwargs)


def _arg_extreme(name, x, dim, keepdim):
    find = getattr(x, name)
    if x.dtype.kind in "bc":
        what = "complex" if x.dtype.kind == "c" else "bool"
        raise RuntimeError(f"{name}(): does not support {what} input")
    if dim is None:
        if not x.size:
            raise IndexError(f"{name}(): Expected reduction dim to be specified for input.numel() == 0.")
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

    Index of the smallest element (of the flattened tensor, or along ``dim``), as int64; the first of
    equals, and NaN is the smallest.

    >>> torch.argmin(torch.tensor([[4.0, 5.0], [3.0, 7.0]]), 0)
    tensor([1, 0])
    """

    differentiable = False  # an index

    def forward(xp, x, dim=None, keepdim=False):
        return _arg_extreme("argmin", x, dim, keepdim)


# ---- spread --------------------------------------------------------------------------------------


def _variance(xp, name, x, dim, correction, keepdim):
    """Two passes: the mean, then the squared distances from it."""
    if x.dtype.kind in "biu":
        raise RuntimeError("std and var only support floating point and complex dtypes")
    axis = axes(dim, x.ndim)
    n = reduced_count(x.shape, dim)
    if n - correction <= 0:
        warnings.warn(
            f"{name}(): degrees of freedom is <= 0. Correction should be strictly less than the reduction "
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
    """(dim, correction, keepdim) of the overloads (unbiased), (dim, unbiased, keepdim), (dim, *, correction)."""
    if args and isinstance(args[0], bool):
        unbiased, args = args[0], args[1:]
    elif args:
        dim, args = args[0], args[1:]
        if args:
            unbiased, args = args[0], args[1:]
        if args:
            keepdim, args = args[0], args[1:]
    if args:
        raise TypeError("received an invalid combination of arguments: too many positional arguments")
    if unbiased is not None:
        correction = int(unbiased)
    return (dim or None) if isinstance(dim, (tuple, list)) else dim, 1 if correction is None else correction, keepdim


@public("torch", "Tensor")
def var(input, *args, dim=None, unbiased=None, correction=None, keepdim=False):
    """var(input, dim=None, *, correction=1, keepdim=False, out=None) -> Tensor

    Variance over ``dim`` (all by default), the sum of squares divided by ``n - correction``. The older
    forms ``var(input, unbiased)`` and ``var(input, dim, unbiased, keepdim)`` work too.

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


# ---- logsumexp -----------------------------------------------------------------------------------


class Logsumexp(Reduce):
    """logsumexp(input, dim, keepdim=False, *, out=None) -> Tensor

    ``log(sum(exp(input)))`` over ``dim``, computed without overflow. Integers become floating point.

    >>> torch.logsumexp(torch.tensor([1000.0, 1000.0]), 0)
    tensor(1000.6931)
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
