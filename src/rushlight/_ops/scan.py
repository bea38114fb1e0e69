"""Scans along one dimension: cumulative sums, products, extrema, logsumexp; differences and
trapezoids."""

from numpy import empty_like

from rushlight._core import dtypes
from rushlight._core.op import Op, public
from rushlight._core.shape import wrap_dim
from rushlight._ops.join import Cat
from rushlight._ops.reduce import cast, refuse

# What PyTorch accumulates in: every partial result is rounded from it.
_WIDER = {
    **dict.fromkeys(dtypes.HALF, dtypes.float32.numpy),
    dtypes.float32.numpy: dtypes.float64.numpy,
}


def _accumulate(name, ufunc, x, dim, dtype):
    """``ufunc.accumulate`` in PyTorch's dtype: int64 for integers; floats are wider inside."""
    if dtype is dtypes.bool_:
        raise NotImplementedError(f"\"{name}_out_cpu\" not implemented for 'Bool'")
    x = cast(x, dtype)
    axis = wrap_dim(dim, x.ndim)
    if dtype is None and x.dtype.kind in "biu":
        x = x.astype(dtypes.int64.numpy)
    if not x.ndim:
        return x.copy()
    wide = _WIDER.get(x.dtype, x.dtype)
    # the result's layout is C order whatever the input's, as in PyTorch
    result = empty_like(x, wide, "C")
    ufunc.accumulate(x, axis, wide, result)
    if ufunc.__name__ == "add" and x.dtype.kind == "f":
        result += 0  # the sum begins with 0, and 0 + -0.0 is 0
    return result.astype(x.dtype, copy=False)


class Cumsum(Op):
    """cumsum(input, dim, *, dtype=None, out=None) -> Tensor

    Sums of the elements so far along ``dim``. Integers give int64 unless ``dtype`` is given.

    >>> torch.cumsum(torch.tensor([1, 2, 3]), 0)
    tensor([1, 3, 6])
    """

    promote = "keep"
    half = "native"
    linear = True
    inplace = True

    def forward(xp, x, dim, dtype=None):
        return _accumulate("cumsum", xp.add, x, dim, dtype)

    def vjp(g, dim):
        return g.flip(dim).cumsum(dim).flip(dim) if g.ndim else g


class Cumprod(Op):
    """cumprod(input, dim, *, dtype=None, out=None) -> Tensor

    Products of the elements so far along ``dim``. Integers give int64 unless ``dtype`` is given.

    >>> torch.cumprod(torch.tensor([1.0, 2.0, 3.0]), 0)
    tensor([1., 2., 6.])
    """

    promote = "keep"
    half = "native"
    inplace = True

    def forward(xp, x, dim, dtype=None):
        return _accumulate("cumprod", xp.multiply, x, dim, dtype)

    def vjp(g, input, dim, dtype):
        # dx_i = (product before i) * S_i with S_i = g_i + x_{i+1} S_{i+1}: no division, so
        # zeros are no exception.
        if not g.ndim:
            return g
        n = g.shape[dim]
        if not g.numel():
            return g
        x = (input if dtype is None else input.to(dtype)).conj()
        one = x.new_ones(x.narrow(dim, 0, 1).shape)
        before = Cat.call([one, x.narrow(dim, 0, n - 1)], dim).cumprod(dim)
        return before * reverse_recurrence(x, g, dim)


class LinearRecurrence(Op):
    """``y_t = weight_t * y_{t-1} + input_t`` along ``dim``, starting from nothing.

    Computed in log2(n) vectorised steps (Hillis and Steele, 1986).
    """

    public = ()
    tensors = ("weight", "input")

    def forward(xp, a, b, dim):
        axis = wrap_dim(dim, b.ndim)
        a, b = xp.moveaxis(a, axis, 0).copy(), xp.moveaxis(b, axis, 0).copy()
        a[:1] = 0
        step = 1
        while step < len(b):
            b[step:] += a[step:] * b[:-step]
            a[step:] *= a[:-step].copy()
            step *= 2
        return xp.moveaxis(b, 0, axis)

    def vjp_weight(g, weight, result, dim):
        n = result.shape[dim]
        start = result.new_zeros(result.narrow(dim, 0, 1).shape)
        previous = Cat.call([start, result.narrow(dim, 0, n - 1)], dim)
        return reverse_recurrence(weight.conj(), g, dim) * previous.conj()

    def vjp_input(g, weight, dim):
        return reverse_recurrence(weight.conj(), g, dim)


def reverse_recurrence(weight, g, dim):
    """``s_t = g_t + weight_{t+1} * s_{t+1}``."""
    return LinearRecurrence.call(weight.flip(dim).roll(1, dim), g.flip(dim), dim).flip(dim)


def _running_extreme(xp, ufunc, x, dim):
    refuse("cummax_cpu" if ufunc is xp.maximum else "cummin_cpu", x, "c")
    axis = wrap_dim(dim, x.ndim)
    if not x.ndim:
        return x.copy(), xp.zeros((), dtypes.int64.numpy)
    values = ufunc.accumulate(x, axis)
    here = x == values
    if x.dtype.kind == "f":
        here |= xp.isnan(x)
    place = xp.arange(x.shape[axis]).reshape([-1 if i == axis else 1 for i in range(x.ndim)])
    return values, xp.maximum.accumulate(xp.where(here, place, 0), axis)


def _scatter_back(g, indices, dim):
    if not g.ndim:
        return g
    return g.new_zeros(g.shape).scatter_add(dim, indices, g)


class Cummax(Op):
    """cummax(input, dim, *, out=None) -> (Tensor values, LongTensor indices)

    Largest element so far along ``dim`` and where it is (the last of equals).

    >>> torch.cummax(torch.tensor([1, 3, 2]), 0)
    torch.return_types.cummax(
    values=tensor([1, 3, 3]),
    indices=tensor([0, 1, 1]))
    """

    tensors = ("input",)
    outputs = ("values", "indices")

    def forward(xp, x, dim):
        return _running_extreme(xp, xp.maximum, x, dim)

    def vjp(g, indices, dim):
        return _scatter_back(g, indices, dim)


class Cummin(Op):
    """cummin(input, dim, *, out=None) -> (Tensor values, LongTensor indices)

    Smallest element so far along ``dim`` and where it is (the last of equals).

    >>> torch.cummin(torch.tensor([3, 1, 2]), 0)
    torch.return_types.cummin(
    values=tensor([3, 1, 1]),
    indices=tensor([0, 1, 1]))
    """

    tensors = ("input",)
    outputs = ("values", "indices")

    def forward(xp, x, dim):
        return _running_extreme(xp, xp.minimum, x, dim)

    def vjp(g, indices, dim):
        return _scatter_back(g, indices, dim)


class Logcumsumexp(Op):
    """logcumsumexp(input, dim, *, out=None) -> Tensor

    ``log(cumsum(exp(input)))`` along ``dim``, without overflow.

    >>> torch.logcumsumexp(torch.tensor([1000.0, 1000.0]), 0)
    tensor([1000.0000, 1000.6932])
    """

    def forward(xp, x, dim):
        axis = wrap_dim(dim, x.ndim)
        if x.dtype.kind in "biu":
            raise NotImplementedError(
                '"logcumsumexp_out_cpu" not implemented for '
                f"'{dtypes.scalar_name(dtypes.of_array(x))}'"
            )
        if not x.ndim or not x.size:
            return x.copy()
        if x.dtype.kind == "c":
            return _complex_logcumsumexp(xp, x, axis)
        wide = _WIDER.get(x.dtype, x.dtype)
        return xp.logaddexp.accumulate(x, axis, wide).astype(x.dtype, copy=False)

    def jvp(input, dot, dim):
        if not input.ndim or not input.numel():
            return dot
        real = input.detach().real if input.is_complex() else input.detach()
        weight = (input - real.amax(dim, keepdim=True).clamp(min=-1e30)).exp()
        return (weight * dot).cumsum(dim) / weight.cumsum(dim)

    def vjp(g, input, result, dim):
        if not g.ndim or not g.numel():
            return g
        if g.is_complex():
            input, result = input.conj(), result.conj()
            return (_from_the_end(g.log() - result, dim) + input).exp()
        # Sums of positive and of negative gradients, each in the log domain.
        size, low = g.abs().log(), dtypes.finfo(g.dtype).min
        up = _from_the_end(size.masked_fill(g <= 0, low) - result, dim) + input
        down = _from_the_end(size.masked_fill(g >= 0, low) - result, dim) + input
        return up.exp() - down.exp()


def _from_the_end(t, dim):
    return t.flip(dim).logcumsumexp(dim).flip(dim)


def _complex_logcumsumexp(xp, x, axis):
    x = xp.moveaxis(x, axis, 0)
    result = xp.empty_like(x)
    result[0] = total = x[0]
    for i in range(1, len(x)):
        swap = total.real < x[i].real
        high, low = xp.where(swap, x[i], total), xp.where(swap, total, x[i])
        joined = high + xp.log1p(xp.exp(low - high))
        result[i] = total = xp.where(xp.isneginf(low.real), high, joined)
    return xp.moveaxis(result, 0, axis)


# ---- differences and trapezoids ------------------------------------------------------------------


@public("torch", "Tensor")
def diff(input, n=1, dim=-1, prepend=None, append=None):
    """diff(input, n=1, dim=-1, prepend=None, append=None, *, out=None) -> Tensor

    The ``n``-th difference of neighbours along ``dim``, after joining ``prepend`` and ``append`` to
    it. For bool, whether neighbours differ.

    >>> torch.diff(torch.tensor([1, 3, 6]))
    tensor([2, 3])
    """
    if not input.ndim:
        raise RuntimeError("diff expects input to be at least one-dimensional")
    dim = wrap_dim(dim, input.ndim)
    for name, extra in (("prepend", prepend), ("append", append)):
        if extra is not None:
            _check_joined(name, input, extra, dim)
    if n < 0:
        raise RuntimeError(f"order must be non-negative but got {n}")
    if n == 0:
        return input.clone()
    parts = [t for t in (prepend, input, append) if t is not None]
    t = Cat.call(parts, dim) if len(parts) > 1 else input
    size = t.shape[dim]
    if n >= size:
        return t.narrow(dim, 0, 0).clone()
    for _ in range(n):
        size -= 1
        high, low = t.narrow(dim, 1, size), t.narrow(dim, 0, size)
        t = high.logical_xor(low) if t.dtype is dtypes.bool_ else high - low
    return t


def _check_joined(name, input, extra, dim):
    if extra.ndim != input.ndim:
        raise RuntimeError("diff expects prepend or append to be the same dimension as input")
    for i in range(input.ndim):
        if i != dim and extra.shape[i] != input.shape[i]:
            raise RuntimeError(
                "diff expects the shape of tensor to prepend or append to match that of input "
                f"except along the differencing dimension; input.size({i}) = {input.shape[i]}, but "
                f"got tensor.size({i}) = {extra.shape[i]}"
            )


def _sides(name, y, x, dim):
    """The checks both rules share; then ``dim`` and the neighbours' sums (twice their averages)."""
    if y.dtype is dtypes.bool_ or (x is not None and x.dtype is dtypes.bool_):
        which = "y" if y.dtype is dtypes.bool_ else "x"
        raise RuntimeError(
            f"{name}: received a bool input for `{which}`, but bool is not supported"
        )
    if not y.ndim:
        raise IndexError(f"Dimension specified as {dim} but tensor has no dimensions")
    dim = wrap_dim(dim, y.ndim)
    n = max(y.shape[dim] - 1, 0)
    if not n:
        return dim, y.narrow(dim, 0, 0)
    return dim, y.narrow(dim, 1, n) + y.narrow(dim, 0, n)


def _widths(name, y, x, dim):
    """The distances between sample points, shaped to multiply the averages."""
    if x.ndim == 1:
        if x.shape[0] != y.shape[dim]:
            raise RuntimeError(f"{name}: There must be one `x` value for each sample point")
        return x.diff().reshape([-1 if i == dim else 1 for i in range(y.ndim)])
    if x.ndim < y.ndim:
        x = x.reshape([1] * (y.ndim - x.ndim) + list(x.shape))
    return x.diff(dim=dim)


@public("torch", out=False, aliases=("trapz",))
def trapezoid(y, x=None, *, dx=1, dim=-1):
    """trapezoid(y, x=None, *, dx=1, dim=-1) -> Tensor

    Integral of ``y`` along ``dim`` by the trapezoidal rule, at points ``x`` or with spacing ``dx``.

    >>> torch.trapezoid(torch.tensor([1.0, 5.0, 10.0]))
    tensor(10.5000)
    """
    dim, sums = _sides("trapezoid", y, x, dim)
    if not y.shape[dim]:
        return y.new_zeros([s for i, s in enumerate(y.shape) if i != dim])
    if x is not None:
        return (sums * _widths("trapezoid", y, x, dim)).sum(dim) / 2
    return sums.sum(dim) * (dx / 2)


@public("torch", out=False)
def cumulative_trapezoid(y, x=None, *, dx=1, dim=-1):
    """cumulative_trapezoid(y, x=None, *, dx=1, dim=-1) -> Tensor

    Integrals of ``y`` so far along ``dim`` by the trapezoidal rule.

    >>> torch.cumulative_trapezoid(torch.tensor([1.0, 5.0, 10.0]))
    tensor([ 3.0000, 10.5000])
    """
    dim, sums = _sides("cumulative_trapezoid", y, x, dim)
    if x is not None:
        return (sums * _widths("cumulative_trapezoid", y, x, dim)).cumsum(dim) / 2
    return sums.cumsum(dim) * (dx / 2)
