"""segment_reduce: sums, means, products and extrema of consecutive rows."""

from rushlight._core import dtypes
from rushlight._core.dtypes import scalar_name
from rushlight._core.op import Op, public
from rushlight._core.shape import wrap_dim

START = {"sum": 0.0, "mean": 0.0, "prod": 1.0, "max": float("-inf"), "min": float("inf")}
NAMES = {"amax": "max", "amin": "min"}


class SegmentReduce(Op):
    """Rows of ``data`` along ``axis`` reduced between neighbours of ``offsets`` (..., S + 1)."""

    tensors = ("data", "offsets")
    promote = "keep"
    half = "widen"
    public = ()

    def forward(xp, x, offsets, reduce, axis, initial):
        ends = offsets.shape[-1] - 1
        result = xp.empty((*x.shape[:axis], ends, *x.shape[axis + 1 :]), x.dtype)
        for at in xp.ndindex(*x.shape[:axis]):
            for i in range(ends):
                first, last = int(offsets[(*at, i)]), int(offsets[(*at, i + 1)])
                result[(*at, i)] = reduced(xp, x[at][first:last], reduce, initial)
        return result

    def vjp_data(g, result, data, offsets, reduce, axis, initial):
        lengths = offsets.diff(dim=-1)
        place = places(offsets, data.shape[axis], axis, data.ndim).expand(data.shape)
        spread = g.gather(axis, place)
        if reduce == "sum":
            grad = spread
        elif reduce == "mean":
            count = lengths.reshape(*lengths.shape, *[1] * (data.ndim - axis - 1))
            grad = spread / count.expand(g.shape).gather(axis, place).to(g.dtype)
        elif reduce == "prod":
            grad = spread * others(data, place, axis, result, initial)
        else:
            hit = (data == result.gather(axis, place)) | data.isnan()
            hits = hit.to(g.dtype)
            total = g.new_zeros(g.shape).scatter_add(axis, place, hits)
            grad = spread * hits / total.gather(axis, place).clamp(min=1)
        return grad * within(offsets, data.shape[axis], axis, data.ndim)


def reduced(xp, rows, reduce, initial):
    """One segment: (n, ...) to (...)."""
    start = START[reduce] if initial is None else initial
    if reduce == "sum":
        return rows.sum(0) + rows.dtype.type(start)
    if reduce == "mean":
        if not len(rows):
            return xp.asarray(float("nan") if initial is None else initial, rows.dtype)
        return (rows.sum(0) + rows.dtype.type(start)) / rows.dtype.type(len(rows))
    if reduce == "prod":
        return rows.prod(0) * rows.dtype.type(start)
    pick = xp.maximum if reduce == "max" else xp.minimum
    return pick.reduce(rows, 0, initial=rows.dtype.type(start))


def places(offsets, size, axis, ndim):
    """Which segment each row belongs to, shaped like the data."""
    rows = offsets.new_ones(*offsets.shape[:-1], size).cumsum(-1).sub(1)
    found = (rows.unsqueeze(-1) >= offsets[..., 1:].unsqueeze(-2)).sum(-1)
    found = found.clamp(max=offsets.shape[-1] - 2)
    return found.reshape(*found.shape, *[1] * (ndim - axis - 1))


def within(offsets, size, axis, ndim):
    """1 for rows that a segment has, 0 for those outside all."""
    rows = offsets.new_ones(*offsets.shape[:-1], size).cumsum(-1).sub(1)
    inside = (rows >= offsets[..., :1]) & (rows < offsets[..., -1:])
    return inside.reshape(*inside.shape, *[1] * (ndim - axis - 1))


def others(data, place, axis, result, initial):
    """The product of a segment without one of its rows, also where rows are zero."""
    start = 1.0 if initial is None else initial
    zero = (data == 0).to(data.dtype)
    zeros = result.detach().new_zeros(result.shape).scatter_add(axis, place, zero)
    zeros = zeros.gather(axis, place)
    nonzero = data.where(data != 0, data.new_ones(()))
    product = result.detach().new_full(result.shape, start)
    product = product.scatter_reduce(axis, place, nonzero, "prod").gather(axis, place)
    alone = (zeros - zero == 0).to(data.dtype)
    return alone * product / nonzero


@public("torch", out=False)
def segment_reduce(
    data, reduce, *, lengths=None, indices=None, offsets=None, axis=0, unsafe=False, initial=None
):
    """segment_reduce(data, reduce, *, lengths=None, indices=None, offsets=None, axis=0,
    unsafe=False, initial=None) -> Tensor

    Consecutive rows of ``data`` along ``axis`` reduced to one each: 'sum', 'mean', 'max', 'min' or
    'prod'. The segments are given by their ``lengths`` (..., S), or by ``offsets`` (..., S + 1),
    where one ends and the next begins; the dimensions before are those of ``data``. ``unsafe``
    leaves out the checks; empty segments give ``initial``.

    >>> torch.segment_reduce(torch.tensor([1.0, 2.0, 3.0]), "sum", lengths=torch.tensor([2, 1]))
    tensor([3., 3.])
    """
    reduce = NAMES.get(reduce, reduce)
    if reduce not in START:
        raise RuntimeError(
            f"reduce argument must be either sum, prod, mean, amax or amin, got {reduce}"
        )
    axis = wrap_dim(axis, data.ndim)
    if indices is not None:
        raise RuntimeError("segment_reduce(): indices based reduction is not supported yet.")
    if lengths is None and offsets is None:
        raise RuntimeError("segment_reduce(): Either lengths or offsets must be defined.")
    if not data.is_floating_point():
        name = scalar_name(data.dtype)
        raise NotImplementedError(f"\"_segment_reduce_cpu\" not implemented for '{name}'")
    if offsets is None:
        offsets = _offsets(data, lengths, axis, unsafe)
    elif axis != offsets.ndim - 1:
        raise RuntimeError("segment_reduce(): Expected axis to be the last dimension of offsets.")
    initial = None if initial is None else float(initial)
    return SegmentReduce.call(data, offsets, reduce, axis, initial)


def _offsets(data, lengths, axis, unsafe):
    """Where the segments of these lengths end, with a 0 before."""
    if lengths.dtype not in (dtypes.int64, dtypes.int32):
        raise NotImplementedError(
            '"_segment_reduce_lengths_cpu_kernel1" not implemented for '
            f"'{scalar_name(lengths.dtype)}'"
        )
    if axis != lengths.ndim - 1:
        raise RuntimeError("segment_reduce(): Expected axis to be the last dimension of lengths.")
    if not unsafe:
        if lengths.numel() and int(lengths.min()) < 0:
            raise RuntimeError("lengths contains negative value!")
        if not bool((lengths.sum(-1) == data.shape[axis]).all()):
            raise RuntimeError(
                "segment_reduce(): Expected all rows of lengths along axis to sum to "
                "data.size(lengths.dim()-1) when !unsafe."
            )
    ends = lengths.cumsum(-1)
    return ends.new_zeros((*ends.shape[:-1], ends.shape[-1] + 1)).index_copy(
        -1, ends.new_ones(ends.shape[-1]).cumsum(0), ends
    )
