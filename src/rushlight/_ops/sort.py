"""Order: sort, argsort, topk, kthvalue, median, mode, searchsorted."""

import math

from rushlight._core import dtypes
from rushlight._core.op import Meta, Op, public
from rushlight._core.shape import wrap_dim
from rushlight._ops.extrema import select, select_vjp
from rushlight._ops.reduce import refuse, require_elements

_INT64 = dtypes.int64.numpy


# ---- sort ----------------------------------------------------------------------------------------


def _packed_order(xp, x, descending):
    """Indices that sort float32 or (u)int32 rows, stable, by sorting key and index packed in a
    uint64.

    NumPy sorts uint64 with SIMD, several times faster than its stable argsort. NaN sorts as the
    largest.
    """
    if x.dtype.kind == "f":
        bits = xp.where(xp.isnan(x), x.dtype.type("nan"), x + x.dtype.type(0)).view(
            "u4"
        )  # -0.0 becomes 0.0
        sign = xp.uint32(0x80000000)
        key = xp.where(bits & sign, ~bits, bits | sign)
    else:
        key = x.astype("u4") ^ xp.uint32(0x80000000) if x.dtype.kind == "i" else x
    if descending:
        key = ~key
    packed = key.astype("u8")
    packed <<= xp.uint64(32)
    packed |= xp.arange(x.shape[-1], dtype="u8")
    packed.sort(axis=-1)
    packed &= xp.uint64(0xFFFFFFFF)
    return packed.view(_INT64)


def order(xp, x, axis, descending):
    """The stable order of ``x`` along ``axis``; NaN counts as the largest."""
    if x.size > 2048 and x.dtype.itemsize == 4 and x.dtype.kind in "fiu":
        last = _packed_order(xp, xp.moveaxis(x, axis, -1), descending)
        return xp.moveaxis(last, -1, axis)
    if not descending:
        return x.argsort(axis, "stable")
    if x.dtype.kind in "biu":
        return (~x).argsort(axis, "stable")
    backwards = (slice(None),) * axis + (slice(None, None, -1),)
    return x.shape[axis] - 1 - x[backwards].argsort(axis, "stable")[backwards]


def along(xp, x, index, axis):
    """``take_along_axis``, quicker for vectors and matrices."""
    if x.ndim == 1:
        return x[index]
    if x.ndim == 2:
        rows = xp.arange(index.shape[1 - axis])
        return x[rows[:, None], index] if axis else x[index, rows]
    return xp.take_along_axis(x, index, axis)


class Sort(Op):
    """sort(input, dim=-1, descending=False, *, stable=False, out=None) -> (Tensor values,
        LongTensor indices)

    Elements in order along ``dim``, and where each was. Equal elements keep their order; NaN is the
    largest.

    >>> torch.sort(torch.tensor([3, 1, 2]))
    torch.return_types.sort(
    values=tensor([1, 2, 3]),
    indices=tensor([1, 2, 0]))
    """

    public = ()
    tensors = ("input",)
    outputs = ("values", "indices")

    def forward(xp, x, dim=-1, descending=False):
        if x.dtype.kind == "c":
            raise RuntimeError(" Sort does not support complex dtypes on CPU")
        axis = wrap_dim(dim, x.ndim)
        if not x.ndim:
            return x.copy(), xp.zeros((), _INT64)
        index = order(xp, x, axis, descending)
        return along(xp, x, index, axis), index

    def vjp(g, input: Meta, dim, indices):
        return select_vjp(g, input, dim, True, indices)


@public("torch", "Tensor")
def sort(input, dim=-1, descending=False, *, stable=False):
    """sort(input, dim=-1, descending=False, *, stable=False, out=None) -> (Tensor values,
        LongTensor indices)

    Elements in order along ``dim``, and where each was. Equal elements keep their order (with or
    without ``stable``); NaN is the largest. Complex input raises RuntimeError.

    >>> torch.sort(torch.tensor([3, 1, 2]), descending=True)
    torch.return_types.sort(
    values=tensor([3, 2, 1]),
    indices=tensor([0, 2, 1]))
    """
    return Sort.call(input, dim, bool(descending))


@public("torch", "Tensor")
def argsort(input, dim=-1, descending=False, *, stable=False):
    """argsort(input, dim=-1, descending=False, *, stable=False) -> LongTensor

    The indices that sort ``input`` along ``dim``: the second result of :func:`sort`.

    >>> torch.argsort(torch.tensor([3, 1, 2]))
    tensor([1, 2, 0])
    """
    return Sort.call(input.detach(), dim, bool(descending))[1]


@public("torch", "Tensor")
def msort(input):
    """msort(input, *, out=None) -> Tensor

    Elements in ascending order along the first dimension.

    >>> torch.msort(torch.tensor([[3, 1], [2, 4]]))
    tensor([[2, 1],
            [3, 4]])
    """
    return Sort.call(input, 0)[0]


# ---- selection -----------------------------------------------------------------------------------


class Topk(Op):
    """topk(input, k, dim=-1, largest=True, sorted=True, *, out=None) -> (Tensor values, LongTensor
        indices)

    The ``k`` largest (or smallest) elements along ``dim``, best first, and where they are. NaN is
    the largest.

    >>> torch.topk(torch.tensor([1, 5, 3]), 2)
    torch.return_types.topk(
    values=tensor([5, 3]),
    indices=tensor([1, 2]))
    """

    tensors = ("input",)
    outputs = ("values", "indices")

    def forward(xp, x, k, dim=-1, largest=True, sorted=True):
        axis = wrap_dim(dim, x.ndim)
        if not 0 <= k <= (x.shape[axis] if x.ndim else 1):
            raise RuntimeError("selected index k out of range")
        if x.dtype.kind in "cb":
            kind = (
                " topk does not support complex"
                if x.dtype.kind == "c"
                else "topk does not support bool"
            )
            raise RuntimeError(f"{kind} dtypes on CPU")
        if not x.ndim:
            return (
                (x.copy(), xp.zeros((), _INT64)) if k else (x.reshape(1)[:0], xp.zeros(0, _INT64))
            )
        n = x.shape[axis]
        if k == n or n < 64 or not k:
            index = _slice(order(xp, x, axis, largest), axis, 0, k)
            return along(xp, x, index, axis), index
        if x.ndim == 1 and k < n // 8:
            index = _few_of_many(xp, x, k, largest)
            if index is not None:
                place = order(xp, x[index], 0, largest)
                return x[index[place]], index[place]
        near = xp.argpartition(x, n - k if largest else k - 1, axis)
        near = _slice(near, axis, n - k, n) if largest else _slice(near, axis, 0, k)
        near.sort(axis)  # so that equal elements come in their own order
        picked = along(xp, x, near, axis)
        place = order(xp, picked, axis, largest)
        return along(xp, picked, place, axis), along(xp, near, place, axis)

    def vjp(g, input: Meta, dim, indices):
        return select_vjp(g, input, dim, True, indices)


def _few_of_many(xp, x, k, largest):
    """Places of the k best of a vector: NumPy selects values four times as fast as places."""
    n = len(x)
    edge = xp.partition(x, n - k)[n - k] if largest else xp.partition(x, k - 1)[k - 1]
    if edge != edge:
        return None
    better = xp.flatnonzero(~(x <= edge) if largest else x < edge)  # NaN is the largest
    equal = xp.flatnonzero(x == edge)[: k - len(better)]
    return xp.sort(xp.concatenate([better, equal]))


def _slice(x, axis, start, stop):
    return x[(slice(None),) * axis + (slice(start, stop),)]


def _kth(xp, x, k, axis, keepdim):
    """The element of rank ``k`` (from 0) along ``axis`` and its index."""
    index = _slice(xp.argpartition(x, k, axis), axis, k, k + 1)
    return select(xp, x, index, axis, keepdim)


class Kthvalue(Op):
    """The element of a given rank along one dimension, and where it is."""

    public = ()
    tensors = ("input",)
    outputs = ("values", "indices")

    def forward(xp, x, k, dim=-1, keepdim=False):
        axis = wrap_dim(dim, x.ndim)
        require_elements("kthvalue", x.shape, axis)
        refuse("kthvalue_cpu", x, "bc")
        if not 1 <= k <= (x.shape[axis] if x.ndim else 1):
            raise RuntimeError(f"kthvalue(): selected number k out of range for dimension {axis}")
        if not x.ndim:
            return x.copy(), xp.zeros((), _INT64)
        return _kth(xp, x, k - 1, axis, keepdim)

    vjp = select_vjp


@public("torch", "Tensor")
def kthvalue(input, k, dim=-1, keepdim=False, *, out=None):
    """kthvalue(input, k, dim=-1, keepdim=False, *, out=None) -> (Tensor values, LongTensor indices)

    The ``k``-th smallest element along ``dim``, counted from one, and where it is.

    >>> torch.kthvalue(torch.tensor([3, 1, 2]), 2)
    torch.return_types.kthvalue(
    values=tensor(2),
    indices=tensor(2))
    """
    if out is not None and input.numel() and any(o.data_ptr() == input.data_ptr() for o in out):
        raise RuntimeError(
            "unsupported operation: some elements of the input tensor and the written-to tensor "
            "refer to a single memory location. Please clone() the tensor before performing the "
            "operation."
        )
    return Kthvalue.call(input, k, dim, keepdim, out=out)


# ---- median and mode -----------------------------------------------------------------------------


def _median_of_all(xp, x, skip_nan):
    refuse("median_cpu", x, "bc")
    x = x.reshape(-1)
    if x.dtype.kind == "f":
        bad = xp.isnan(x)
        if not x.size or bad.all() or (bad.any() and not skip_nan):
            return x.dtype.type("nan")
        x = x[~bad]
    if not x.size:
        return xp.iinfo(x.dtype).min
    k = (x.size - 1) // 2
    return xp.partition(x, k)[k]


def _median_along(xp, x, dim, keepdim, skip_nan):
    axis = wrap_dim(dim, x.ndim)
    require_elements("median", x.shape, dim)
    refuse("median_out", x, "bc")
    if not x.ndim:
        return x.copy(), xp.zeros((), _INT64)
    bad = xp.isnan(x) if x.dtype.kind == "f" else None
    if bad is None or not bad.any():
        return _kth(xp, x, (x.shape[axis] - 1) // 2, axis, keepdim)
    sort = xp.argsort(x, axis, kind="stable")  # NaN last
    good = x.shape[axis] - bad.sum(axis, keepdims=True)
    rank = xp.maximum(good - 1, 0) // 2 if skip_nan else (x.shape[axis] - 1) // 2 + 0 * good
    index = xp.take_along_axis(sort, rank, axis)
    if not skip_nan:
        index = xp.where(bad.any(axis, keepdims=True), bad.argmax(axis, keepdims=True), index)
    return select(xp, x, index, axis, keepdim)


def _from_the_middle(g, input, result):
    """The gradient of a full median: shared among the elements that equal it."""
    mask = (input == result).logical_or(input.isnan().logical_and(result.isnan()))
    return mask * (g / mask.sum())


class MedianFull(Op):
    """The lower median of all elements."""

    public = ()
    grad_name = "MedianBackward0"

    def forward(xp, x):
        return xp.asarray(_median_of_all(xp, x, False), x.dtype)

    def vjp(g, input, result):
        return _from_the_middle(g, input, result)


class NanmedianFull(Op):
    """The lower median of all elements that are not NaN."""

    public = ()
    grad_name = "NanmedianBackward0"

    def forward(xp, x):
        return xp.asarray(_median_of_all(xp, x, True), x.dtype)

    def vjp(g, input, result):
        return _from_the_middle(g, input, result)


class MedianDim(Op):
    """Lower medians along one dimension, and where they are."""

    name = "median"
    public = ()
    tensors = ("input",)
    outputs = ("values", "indices")
    grad_name = "MedianBackward1"

    def forward(xp, x, dim, keepdim=False):
        return _median_along(xp, x, dim, keepdim, False)

    vjp = select_vjp


class NanmedianDim(Op):
    """Lower medians of what is not NaN along one dimension, and where they are."""

    name = "nanmedian"
    public = ()
    tensors = ("input",)
    outputs = ("values", "indices")
    grad_name = "NanmedianBackward1"

    def forward(xp, x, dim, keepdim=False):
        return _median_along(xp, x, dim, keepdim, True)

    vjp = select_vjp


def _one_dim(name, dim):
    if not isinstance(dim, int):
        raise TypeError(
            f"{name}(): argument 'dim' (position 1) must be int, not {type(dim).__name__}"
        )


@public("torch", "Tensor")
def median(input, dim=None, keepdim=False):
    """median(input) -> Tensor; median(input, dim, keepdim=False) -> (Tensor values, LongTensor
        indices)

    Median of all elements, or along ``dim`` with its index; the lower of the two middle ones. NaN
    wins.

    >>> torch.median(torch.tensor([1, 4, 2, 3]))
    tensor(2)
    """
    if dim is None:
        return MedianFull.call(input)
    _one_dim("median", dim)
    return MedianDim.call(input, dim, keepdim)


@public("torch", "Tensor")
def nanmedian(input, dim=None, keepdim=False):
    """nanmedian(input) -> Tensor; nanmedian(input, dim, keepdim=False) -> (values, indices)

    As :func:`median`, of the elements that are not NaN.

    >>> torch.nanmedian(torch.tensor([1.0, float("nan"), 3.0, 2.0]))
    tensor(2.)
    """
    if dim is None:
        return NanmedianFull.call(input)
    _one_dim("nanmedian", dim)
    return NanmedianDim.call(input, dim, keepdim)


class Mode(Op):
    """mode(input, dim=-1, keepdim=False, *, out=None) -> (Tensor values, LongTensor indices)

    The most frequent element along ``dim`` (the smallest of several) and the index of its last
    occurrence.

    >>> torch.mode(torch.tensor([1, 2, 2, 3]))
    torch.return_types.mode(
    values=tensor(2),
    indices=tensor(2))
    """

    tensors = ("input",)
    outputs = ("values", "indices")

    def forward(xp, x, dim=-1, keepdim=False):
        axis = wrap_dim(dim, x.ndim)
        require_elements("mode", x.shape, axis)
        refuse("mode_cpu", x, "c")
        if not x.ndim:
            return x.copy(), xp.zeros((), _INT64)
        sort = xp.argsort(x, axis, kind="stable")
        ordered = xp.moveaxis(xp.take_along_axis(x, sort, axis), axis, -1)
        place = xp.arange(x.shape[axis])
        starts = xp.ones(ordered.shape, bool)
        starts[..., 1:] = ordered[..., 1:] != ordered[..., :-1]
        length = place - xp.maximum.accumulate(xp.where(starts, place, 0), -1)
        best = xp.moveaxis(length.argmax(-1, keepdims=True), -1, axis)
        return select(xp, x, xp.take_along_axis(sort, best, axis), axis, keepdim)

    vjp = select_vjp


# ---- searching -----------------------------------------------------------------------------------


class Searchsorted(Op):
    """Where each value would go into a sorted sequence (one per row, or one for all)."""

    public = ()
    tensors = ("sorted_sequence", "input")
    promote = "keep"
    half = "native"
    differentiable = False  # an index

    def forward(xp, sequence, values, out_int32=False, right=False):
        side = "right" if right else "left"
        dtype = xp.int32 if out_int32 else xp.int64
        if sequence.ndim == 1:
            return xp.searchsorted(sequence, values, side).astype(dtype)
        count = math.prod(sequence.shape[:-1])
        rows, wanted = (
            sequence.reshape(count, sequence.shape[-1]),
            values.reshape(count, values.shape[-1]),
        )
        found = xp.empty(wanted.shape, dtype)
        for i in range(len(rows)):
            found[i] = xp.searchsorted(rows[i], wanted[i], side)
        return found.reshape(values.shape)


@public("torch")
def searchsorted(sorted_sequence, input, *, out_int32=False, right=False, side=None, sorter=None):
    """searchsorted(sorted_sequence, input, *, out_int32=False, right=False, side=None,
        sorter=None, out=None) -> Tensor

    Indices at which ``input`` goes into the sorted last dimension of ``sorted_sequence``; before
    equal elements, or after them with ``right=True`` (``side="right"``).

    >>> torch.searchsorted(torch.tensor([1, 3, 5]), torch.tensor([3, 4]))
    tensor([1, 2])
    """
    if side is not None and side not in ("left", "right"):
        raise RuntimeError(
            f"torch.searchsorted(): side can only be 'left' or 'right' but got {side}"
        )
    if side == "left" and right:
        raise RuntimeError(
            "torch.searchsorted(): side and right can't be set to opposites, got side of left "
            "while right was True"
        )
    if not hasattr(input, "dtype"):
        input = sorted_sequence.new_tensor(input, dtype=dtypes.scalar_dtype(input))
    if not sorted_sequence.ndim:
        raise RuntimeError(
            "torch.searchsorted(): boundaries tensor should have positive dimension, but got 0 "
            "dimension"
        )
    if input.ndim == 0 and sorted_sequence.ndim != 1:
        raise RuntimeError(
            "torch.searchsorted(): input value can be a scalar only when boundaries tensor "
            f"dimension is 1, but we got boundaries tensor dim({sorted_sequence.ndim}) and input "
            "value's dim(0) numel(1)"
        )
    if sorted_sequence.ndim != 1 and sorted_sequence.shape[:-1] != input.shape[:-1]:
        raise RuntimeError(
            "torch.searchsorted(): boundaries tensor should be 1 dimension or the first N-1 "
            "dimensions of boundaries tensor and input value tensor must match, but we got "
            f"boundaries tensor {list(sorted_sequence.shape)} and input value tensor "
            f"{list(input.shape)}"
        )
    if sorter is not None:
        _check_sorter(sorted_sequence, sorter)
        sorted_sequence = sorted_sequence.gather(-1, sorter)
    return Searchsorted.call(sorted_sequence, input, out_int32, right or side == "right")


def _check_sorter(sequence, sorter):
    if sorter.shape != sequence.shape:
        raise RuntimeError(
            "torch.searchsorted(): boundary and sorter must have the same size, but got boundary "
            f"tensor {list(sequence.shape)}and got sorter tensor {list(sorter.shape)}"
        )
    if sorter.dtype is not dtypes.int64:
        raise RuntimeError(
            "torch.searchsorted(): sorter must be a tensor of long dtype but got dtype "
            f"{dtypes.scalar_name(sorter.dtype)}"
        )


@public("torch")
def bucketize(input, boundaries, *, out_int32=False, right=False):
    """bucketize(input, boundaries, *, out_int32=False, right=False, out=None) -> Tensor

    The index of the bucket each element falls into: those between neighbours of the sorted
    ``boundaries``.

    >>> torch.bucketize(torch.tensor([3, 6, 9]), torch.tensor([1, 3, 5, 7]))
    tensor([1, 3, 4])
    """
    if boundaries.ndim != 1:
        raise RuntimeError(f"boundaries tensor must be 1 dimension, but got dim({boundaries.ndim})")
    if not hasattr(input, "dtype"):
        input = boundaries.new_tensor(input, dtype=dtypes.scalar_dtype(input))
    return searchsorted(boundaries, input, out_int32=out_int32, right=right)
