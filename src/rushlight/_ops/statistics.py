"""Statistics: quantiles, histograms, counts, covariance."""

import math
import warnings

from rushlight._core import dtypes
from rushlight._core.looking import array_of, seen
from rushlight._core.op import Op, public
from rushlight._core.return_types import make
from rushlight._core.shape import wrap_dim

# ---- quantiles -----------------------------------------------------------------------------------

_INTERPOLATIONS = ("linear", "lower", "higher", "midpoint", "nearest")


@public("torch", "Tensor")
def quantile(input, q, dim=None, keepdim=False, *, interpolation="linear"):
    """quantile(input, q, dim=None, keepdim=False, *, interpolation="linear", out=None) -> Tensor

    The ``q``-th quantiles of all elements or along ``dim``; with several ``q`` they come first.
    Between two elements, ``interpolation`` is ``linear``, ``lower``, ``higher``, ``midpoint`` or
    ``nearest``.

    >>> torch.quantile(torch.tensor([0.0, 1.0, 2.0, 3.0]), 0.5)
    tensor(1.5000)
    """
    return _quantile("quantile", input, q, dim, keepdim, interpolation)


@public("torch", "Tensor")
def nanquantile(input, q, dim=None, keepdim=False, *, interpolation="linear"):
    """nanquantile(input, q, dim=None, keepdim=False, *, interpolation="linear", out=None) -> Tensor

    As :func:`quantile`, of the elements that are not NaN.

    >>> torch.nanquantile(torch.tensor([0.0, float("nan"), 2.0]), 0.5)
    tensor(1.)
    """
    return _quantile("nanquantile", input, q, dim, keepdim, interpolation)


def _check_quantile(name, input, q, interpolation):
    if not input.numel():
        raise RuntimeError(f"{name}() input tensor must be non-empty")
    if input.dtype not in (dtypes.float32, dtypes.float64):
        raise RuntimeError(f"{name}() input tensor must be either float or double dtype")
    if interpolation not in _INTERPOLATIONS:
        raise RuntimeError(
            f"{name}() interpolation must be one of linear, lower, higher, midpoint or nearest, "
            f"but got {interpolation}"
        )
    if not hasattr(q, "dtype"):
        if not 0 <= q <= 1:
            raise RuntimeError(f"{name}() q must be in the range [0, 1] but got {q:g}")
        return input.new_tensor(float(q))
    if q.ndim > 1:
        raise RuntimeError(f"{name}() q must be a scalar or 1D tensor")
    if q.dtype is not input.dtype:
        raise RuntimeError(f"{name}() q tensor must be same dtype as the input tensor")
    if seen(q) and not bool(((q >= 0) & (q <= 1)).all()):
        raise RuntimeError(f"{name}() q values must be in the range [0, 1]")
    return q


def _quantile(name, input, q, dim, keepdim, interpolation):
    q = _check_quantile(name, input, q, interpolation)
    at = None if dim is None else wrap_dim(dim, input.ndim)
    x = input.reshape(-1) if at is None or not input.ndim else input.movedim(at, -1)
    ordered = x.sort(-1)[0]
    n = ordered.shape[-1]
    missing = ordered.isnan()
    if name == "nanquantile":
        count = missing.logical_not().sum(-1, True).to(q.dtype)
        rank = (q * (count - 1)).clamp(min=0)
    else:  # one NaN makes the answer NaN: point at the last element
        rank = (
            (q * (n - 1))
            .expand(*ordered.shape[:-1], q.numel())
            .masked_fill(missing.any(-1, True), n - 1)
        )
    result = _interpolate(ordered, rank.expand(*ordered.shape[:-1], q.numel()), interpolation)
    if keepdim and input.ndim:
        result = result.unsqueeze(-2)
        result = (
            result.movedim(-2, at)
            if at is not None
            else result.reshape(*[1] * input.ndim, q.numel())
        )
    return result.movedim(-1, 0) if q.ndim else result.squeeze(-1)


def _interpolate(ordered, rank, interpolation):
    if interpolation == "lower":
        return ordered.gather(-1, rank.floor().to(dtypes.int64))
    if interpolation == "higher":
        return ordered.gather(-1, rank.ceil().to(dtypes.int64))
    if interpolation == "nearest":
        return ordered.gather(-1, rank.round().to(dtypes.int64))
    below = rank.floor()
    low, high = (ordered.gather(-1, r.to(dtypes.int64)) for r in (below, rank.ceil()))
    if interpolation == "midpoint":
        return low.lerp(high, 0.5)
    return low.lerp(high, rank - below)


# ---- histograms and counts -----------------------------------------------------------------------


def _range(name, low, high, values, where=""):
    """The finite range of a histogram: as given, or of the data, never empty."""
    if low == high and values.size:
        low, high = values.min(), values.max()
    if not (math.isfinite(low) and math.isfinite(high)):
        raise RuntimeError(f"{name}: {where}range of [{low:g}, {high:g}] is not finite")
    if low > high:
        raise RuntimeError(f"{name}: max must be larger than min")
    return (low - 1, high + 1) if low == high else (low, high)


class Histc(Op):
    """histc(input, bins=100, min=0, max=0, *, out=None) -> Tensor

    How many elements fall into each of ``bins`` equal bins from ``min`` to ``max`` (both 0: of the
    data). Others are left out. The counts have the dtype of ``input``.

    >>> torch.histc(torch.tensor([1.0, 2.0, 1.0]), bins=4, min=0, max=3)
    tensor([0., 2., 1., 0.])
    """

    differentiable = False  # piecewise constant

    def forward(xp, x, bins=100, min=0, max=0):
        if x.dtype.kind != "f":
            raise NotImplementedError(
                f"\"histogram_cpu\" not implemented for '{dtypes.scalar_name(dtypes.of_array(x))}'"
            )
        if bins <= 0:
            raise RuntimeError(
                f"torch.histogram(): bins must be > 0, but got {bins} for dimension 0"
            )
        low, high = _range("torch.histc", min, max, x)
        x = x.reshape(-1)
        x = x[(x >= low) & (x <= high)]
        low, high = x.dtype.type(low), x.dtype.type(high)
        place = ((x - low) * (x.dtype.type(bins) / (high - low))).astype(dtypes.int64.numpy)
        return xp.bincount(xp.minimum(place, bins - 1), minlength=bins).astype(x.dtype)


class Bincount(Op):
    """bincount(input, weights=None, minlength=0) -> Tensor

    How often each non-negative integer occurs in a vector; with ``weights``, the sums of theirs.

    >>> torch.bincount(torch.tensor([0, 2, 2]))
    tensor([1, 0, 2])
    """

    tensors = ("input", "weights")
    optional = ("weights",)
    numbers = False
    promote = "keep"
    half = "native"
    differentiable = False  # PyTorch gives weights no gradient
    by_value = True

    def forward(xp, x, weights, minlength=0):
        if minlength < 0:
            raise RuntimeError("minlength should be >= 0")
        if x.dtype.kind not in "iu":
            raise NotImplementedError(
                f"\"bincount_cpu\" not implemented for '{dtypes.scalar_name(dtypes.of_array(x))}'"
            )
        if x.ndim != 1 or (x.size and x.min() < 0):
            raise RuntimeError("bincount only supports 1-d non-negative integral inputs.")
        if weights is None:
            return xp.bincount(x, minlength=minlength).astype(dtypes.int64.numpy)
        if weights.shape != x.shape:
            raise RuntimeError("weights should be 1-d and have the same length as input")
        total = xp.bincount(x, weights, minlength)
        return total.astype(weights.dtype) if weights.dtype == dtypes.float32.numpy else total


class HistogramCounts(Op):
    """Sums of weights (or counts) in the cells of a grid; ``edges`` are vectors of bin edges, one
    per column."""

    public = ()
    tensors = ("input", "weight")
    optional = ("weight",)
    numbers = False
    promote = "keep"
    half = "native"
    differentiable = False  # PyTorch has no gradient either

    def forward(xp, x, weight, edges, density):
        shape = tuple([len(e) - 1 for e in edges])
        cell = xp.zeros(len(x), dtypes.int64.numpy)
        inside = xp.ones(len(x), bool)
        for column, e in zip(x.T, edges, strict=True):
            e = xp.asarray(e)
            inside &= (column >= e[0]) & (column <= e[-1])
            place = xp.minimum(xp.searchsorted(e, column, "right") - 1, len(e) - 2)
            cell = cell * (len(e) - 1) + place
        counts = xp.bincount(
            cell[inside], None if weight is None else weight.reshape(-1)[inside], math.prod(shape)
        )
        counts = counts.astype(x.dtype).reshape(shape)
        if density:
            total = counts.sum()
            for i, e in enumerate(edges):
                counts = counts / xp.diff(xp.asarray(e)).reshape(
                    [-1 if j == i else 1 for j in range(len(edges))]
                )
            counts = counts / total
        return counts


def _edges(name, input, column, bins, low, high, at):
    """One vector of bin edges: as given, or equal bins over the range."""
    if hasattr(bins, "dtype"):
        if bins.ndim != 1:
            raise RuntimeError(
                f"torch.histogramdd(): bins tensor should have one dimension, but got {bins.ndim} "
                f"dimensions in the bins tensor for dimension {at}"
            )
        if bins.dtype is not input.dtype:
            raise RuntimeError(
                "torch.histogramdd(): input tensor and bins tensors should have the same dtype, "
                f"but got input with dtype {dtypes.scalar_name(input.dtype).lower()} and bins for "
                f"dimension {at} with dtype {dtypes.scalar_name(bins.dtype).lower()}"
            )
        return bins
    if bins <= 0:
        raise RuntimeError(f"{name}(): bins must be > 0, but got {bins} for dimension {at}")
    if low is None:
        low, high = (column.min().item(), column.max().item()) if column.numel() else (0.0, 1.0)
    if not (math.isfinite(low) and math.isfinite(high)):
        raise RuntimeError(f"{name}(): dimension {at}'s range [{low:g}, {high:g}] is not finite")
    if low > high:
        raise RuntimeError(
            f"{name}(): min should not exceed max, but got min {low:g} max {high:g} for dimension "
            f"{at}"
        )
    if low == high:
        low, high = low - 0.5, high + 0.5
    step = input.new_ones(bins + 1).cumsum(0) - 1
    width = (high - low) / bins
    ends = input.new_tensor([low, high])
    from_below, from_above = ends[0] + step * width, ends[1] - (bins - step) * width
    return from_below.where(step < (bins + 1) / 2, from_above)  # linspace, exact at both ends


@public("torch", "Tensor", out=True)
def histogram(input, bins, *, range=None, weight=None, density=False):
    """histogram(input, bins, *, range=None, weight=None, density=False, out=None) -> (Tensor hist,
        Tensor bin_edges)

    Counts (or sums of ``weight``) in ``bins`` equal bins over ``range``, or between the edges in
    the tensor ``bins``; a probability density with ``density=True``.

    >>> torch.histogram(torch.tensor([1.0, 2.0, 1.0]), bins=4, range=(0.0, 3.0)).hist
    tensor([0., 2., 1., 0.])
    """
    flat = input.reshape(-1, 1)
    low, high = (None, None) if range is None else range
    edges = _edges("torch.histogram", input, flat, bins, low, high, 0)
    counts = HistogramCounts.call(flat, weight, (array_of(edges.detach()),), density)
    return HistogramResult.call(counts, edges)


class HistogramResult(Op):
    """A histogram and its edges, as torch.return_types.histogram."""

    name = "histogram"
    public = ()
    tensors = ("hist", "bin_edges")
    outputs = ("hist", "bin_edges")
    promote = "keep"
    half = "native"
    differentiable = False  # PyTorch has no gradient either

    def forward(xp, hist, bin_edges):
        return hist, bin_edges.copy()


@public("torch", out=False)
def histogramdd(input, bins, *, range=None, weight=None, density=False):
    """histogramdd(input, bins, *, range=None, weight=None, density=False) -> (Tensor hist,
        Tensor[] bin_edges)

    Counts of the points in the rows of ``input`` over a grid: ``bins`` holds a number of bins, or
    the edges, per coordinate; ``range`` the ends of each coordinate, one after the other.

    >>> torch.histogramdd(torch.tensor([[0.0, 1.0], [1.0, 0.0]]), bins=[2, 2])[0]
    tensor([[0., 1.],
            [1., 0.]])
    """
    if input.ndim < 2:
        raise RuntimeError(
            "torch.histogramdd(): input tensor should have at least 2 dimensions, but got "
            f"{input.ndim}"
        )
    count = input.shape[-1]
    flat = input.reshape(-1, count)
    if isinstance(bins, int):
        bins = [bins] * count
    if len(bins) != count:
        raise RuntimeError(
            "histogramdd: The size of bins must be equal to the innermost dimension of the input."
        )
    ends = (
        [(None, None)] * count
        if range is None
        else [range[2 * i : 2 * i + 2] for i in _upto(count)]
    )
    edges = [
        _edges("torch.histogramdd", input, flat.select(1, i), bins[i], *ends[i], i)
        for i in _upto(count)
    ]
    counts = HistogramCounts.call(
        flat, weight, tuple([array_of(e.detach()) for e in edges]), density
    )
    return make("histogramdd", ("hist", "bin_edges"), (counts, tuple(edges)))


_upto = range


# ---- covariance ----------------------------------------------------------------------------------


def _check_cov(input, fweights, aweights):
    if input.ndim > 2:
        raise RuntimeError(
            "cov(): expected input to have two or fewer dimensions but got an input with "
            f"{input.ndim} dimensions"
        )
    if input.dtype is dtypes.bool_:
        raise RuntimeError("cov(): bool dtype is not supported for input")
    count = input.shape[-1] if input.ndim == 2 else input.numel()
    kinds = (
        ("fweights", fweights, "integral", dtypes.INTEGER),
        ("aweights", aweights, "floating point", dtypes.FLOATING),
    )
    for name, w, kind, category in kinds:
        if w is None:
            continue
        if w.ndim > 1:
            raise RuntimeError(
                f"cov(): expected {name} to have one or fewer dimensions but got {name} with "
                f"{w.ndim} dimensions"
            )
        if w.dtype.category != category:
            raise RuntimeError(
                f"cov(): expected {name} to have {kind} dtype but got {name} with "
                f"{_named(w.dtype)} dtype"
            )
        if w.numel() != count:
            raise RuntimeError(
                f"cov(): expected {name} to have the same numel as there are observations in the "
                f"input but got {w.numel()} != {count}"
            )
        if count and bool((w < 0).any()):
            raise RuntimeError(f"cov(): {name} cannot be negative")


def _named(dtype):
    return dtypes.scalar_name(dtype)


@public("torch", "Tensor", out=False)
def cov(input, *, correction=1, fweights=None, aweights=None):
    """cov(input, *, correction=1, fweights=None, aweights=None) -> Tensor

    Covariance matrix of the variables in the rows of ``input``, divided by ``n - correction``;
    observations may carry frequencies ``fweights`` and weights ``aweights``.

    >>> torch.cov(torch.tensor([[0.0, 1.0, 2.0], [2.0, 1.0, 0.0]]))
    tensor([[ 1., -1.],
            [-1.,  1.]])
    """
    _check_cov(input, fweights, aweights)
    x = input.reshape(1, -1) if input.ndim < 2 else input
    w = fweights if aweights is None else aweights if fweights is None else fweights * aweights
    if w is not None:
        w = w if w.ndim else w.reshape(1)
        total = w.sum()
        if x.shape[1] and total.item() == 0:
            raise RuntimeError("cov(): weights sum to zero, can't be normalized")
        mean = (x * w).sum(1) / total
    else:
        total = x.shape[1]
        mean = x.sum(1) / total if total else x.sum(1) * math.nan
    if w is not None and aweights is not None and correction != 0:
        freedom = total - correction * (w * aweights).sum() / total
    else:
        freedom = total - correction
    value = freedom.item() if hasattr(freedom, "item") else freedom
    if value <= 0:
        _warn(
            "cov(): degrees of freedom is <= 0. Correction should be strictly less than the number "
            "of observations."
        )
        freedom = freedom.clamp(min=0) if hasattr(freedom, "item") else 0
    away = x - mean.unsqueeze(1)
    weighted = away if w is None else away * w
    result = away.to(weighted.dtype).matmul(weighted.t().conj())
    return (result / freedom).squeeze()


def _warn(message):
    warnings.warn(message, UserWarning, stacklevel=3)


@public("torch", "Tensor", out=False)
def corrcoef(input):
    """corrcoef(input) -> Tensor

    Pearson correlations of the variables in the rows of ``input``.

    >>> torch.corrcoef(torch.tensor([[0.0, 1.0, 2.0], [2.0, 1.0, 0.0]]))
    tensor([[ 1., -1.],
            [-1.,  1.]])
    """
    if input.ndim > 2:
        raise RuntimeError(
            "corrcoef(): expected input to have two or fewer dimensions but got an input with "
            f"{input.ndim} dimensions"
        )
    c = cov(input)
    if not c.ndim:
        return c / c
    spread = c.diagonal().sqrt()
    c = c / spread.reshape(-1, 1) / spread
    if c.is_complex():
        return c.real.clamp(-1, 1) + c.imag.clamp(-1, 1) * 1j
    return c.clamp(-1, 1)


@public("torch", "Tensor", out=False)
def dist(input, other, p=2):
    """dist(input, other, p=2) -> Tensor

    The ``p``-norm of ``input - other``.

    >>> torch.dist(torch.tensor([3.0, 4.0]), torch.zeros(2))
    tensor(5.)
    """
    away = input - other
    if away.dtype.category < dtypes.FLOATING:
        raise RuntimeError(
            "norm(): input dtype should be either floating point or complex. Got "
            f"{dtypes.scalar_name(away.dtype)} instead."
        )
    return away.norm(p)
