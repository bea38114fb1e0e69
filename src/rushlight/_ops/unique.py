"""Sets: unique, unique_consecutive, isin."""

import numpy

from rushlight._core import dtypes
from rushlight._core.op import Op, public
from rushlight._core.shape import wrap_dim


def _wide(x):
    """bfloat16 in float32: NumPy sorts it without knowing its NaN."""
    return x.astype(dtypes.float32.numpy) if x.dtype == dtypes.bfloat16.numpy else x


class UniqueValues(Op):
    """Sorted distinct elements (or slices along ``dim``), the place of each input among them, and
    their counts."""

    public = ()
    tensors = ("input",)
    outputs = ("output", "inverse", "counts")
    named = False
    promote = "keep"
    half = "native"
    differentiable = False  # piecewise constant; PyTorch has no gradient either
    by_value = True

    def forward(xp, x, dim=None, details=True):
        if dim is None:
            flat = _wide(x).reshape(-1)
            found = _small_integers(xp, flat, details)
            if found is None:
                found = xp.unique(flat, False, details, details, equal_nan=False)
            values, inverse, counts = found if details else (found, None, None)
            values = values.astype(x.dtype, copy=False)
            return values, None if inverse is None else inverse.reshape(x.shape), counts
        axis = wrap_dim(dim, x.ndim)
        moved = xp.moveaxis(_wide(x), axis, 0)
        order = _row_order(xp, moved)
        return _runs(xp, x, moved[order], axis, order)


def _small_integers(xp, x, details):
    """Integers of a narrow range by counting, much faster than by sorting; None for others."""
    if x.dtype.kind not in "iu" or not x.size or x.dtype.itemsize < 2:
        return None
    low, high = int(x.min()), int(x.max())
    if high - low > 4 * x.size:
        return None
    place = x - x.dtype.type(low)
    if place.dtype.kind == "u":
        place = place.astype(dtypes.int64.numpy)
    counts = xp.bincount(place)
    present = xp.flatnonzero(counts)
    values = present.astype(x.dtype) + x.dtype.type(low)
    if not details:
        return values
    rank = xp.cumsum(counts > 0) - 1
    return values, rank[place], counts[present]


def _row_order(xp, rows):
    """The order that sorts slices lexicographically."""
    flat = rows.reshape(len(rows), -1) if len(rows) else rows.reshape(0, 1)
    if not flat.shape[1]:
        return xp.arange(len(rows))
    return xp.lexsort(flat.T[::-1])


def _runs(xp, x, rows, axis, order=None):
    """The first of each run of equal slices, the run each slice is in, and the runs' lengths."""
    n = len(rows)
    first = xp.ones(n, bool)
    different = rows[1:] != rows[:-1]
    first[1:] = different.reshape(max(n - 1, 0), -1).any(1) if different.size else False
    run = xp.cumsum(first) - 1
    starts = xp.flatnonzero(first)
    counts = xp.diff(xp.append(starts, n))
    inverse = run
    if order is not None:
        inverse = xp.empty(n, dtypes.int64.numpy)
        inverse[order] = run
    return xp.moveaxis(rows[starts], 0, axis).astype(x.dtype), inverse, counts


class UniqueRuns(Op):
    """The first of each run of equal neighbours, the run each input is in, and the runs'
    lengths."""

    public = ()
    tensors = ("input",)
    outputs = ("output", "inverse", "counts")
    named = False
    promote = "keep"
    half = "native"
    differentiable = False  # piecewise constant; PyTorch has no gradient either
    by_value = True

    def forward(xp, x, dim=None):
        if dim is None:
            values, inverse, counts = _runs(xp, x, x.reshape(-1), 0)
            return values, inverse.reshape(x.shape), counts
        axis = wrap_dim(dim, x.ndim)
        return _runs(xp, x, xp.moveaxis(x, axis, 0), axis)


def _chosen(results, return_inverse, return_counts):
    values, inverse, counts = results
    picked = (values, *([inverse] if return_inverse else []), *([counts] if return_counts else []))
    return picked if len(picked) > 1 else values


def _check(input, dim):
    if dim is None:
        _no_complex("unique", input.dtype)
        return
    if not input.ndim:
        raise IndexError(f"Dimension specified as {dim} but tensor has no dimensions")
    _no_complex("unique_dim", input.dtype)
    axis = wrap_dim(dim, input.ndim)
    empty = [i for i, s in enumerate(input.shape) if s == 0]
    if len(empty) > 1:
        raise RuntimeError(
            "Number of zero sized dimensions is more than one, so unique cannot be applied "
        )
    if empty and empty[0] != axis:
        raise RuntimeError(
            "There are 0 sized dimensions, and they aren't selected, so unique cannot be applied"
        )


def _no_complex(name, dtype):
    """PyTorch has no such kernel for complex numbers."""
    if dtype.is_complex:
        kind = dtypes.scalar_name(dtype)
        raise NotImplementedError(f"\"{name}\" not implemented for '{kind}'")


@public("torch", "Tensor", out=False)
def unique(input, sorted=True, return_inverse=False, return_counts=False, dim=None):
    """unique(input, sorted=True, return_inverse=False, return_counts=False, dim=None) -> Tensor or
        tuple

    Distinct elements in ascending order, or distinct slices along ``dim``; on request the place of
    each input element among them and how often each occurs. Each NaN is distinct.

    >>> torch.unique(torch.tensor([3, 1, 3]), return_counts=True)
    (tensor([1, 3]), tensor([1, 2]))
    """
    _check(input, dim)
    results = UniqueValues.call(input, dim, return_inverse or return_counts)
    return _chosen(results, return_inverse, return_counts)


@public("torch", "Tensor", out=False)
def unique_consecutive(input, return_inverse=False, return_counts=False, dim=None):
    """unique_consecutive(input, return_inverse=False, return_counts=False, dim=None) -> Tensor or
        tuple

    The first of every run of equal neighbours, of the flattened tensor or of slices along ``dim``.

    >>> torch.unique_consecutive(torch.tensor([1, 1, 2, 2, 1]), return_counts=True)
    (tensor([1, 2, 1]), tensor([2, 2, 1]))
    """
    _check(input, dim)
    return _chosen(UniqueRuns.call(input, dim), return_inverse, return_counts)


class Isin(Op):
    """isin(elements, test_elements, *, assume_unique=False, invert=False, out=None) -> Tensor

    Whether each of ``elements`` is among ``test_elements`` (either may be a number).

    >>> torch.isin(torch.tensor([1, 2, 3]), torch.tensor([2, 4]))
    tensor([False,  True, False])
    """

    public = ("torch",)
    tensors = ("elements", "test_elements")
    differentiable = False  # a truth value

    def forward(xp, x, among, *, assume_unique=False, invert=False):
        return numpy.isin(x, among, assume_unique=assume_unique, invert=invert)
