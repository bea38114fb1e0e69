"""Numerical gradient, trace, Vandermonde matrices."""

from typing import Any

from rushlight._core import dtypes
from rushlight._core.op import Meta, Op, public
from rushlight._core.shape import wrap_dims
from rushlight._ops.join import Cat


class Trace(Op):
    """trace(input) -> Tensor

    Sum of a matrix's diagonal; int64 for integers.

    >>> torch.trace(torch.eye(3))
    tensor(3.)
    """

    def forward(xp, x):
        if x.ndim != 2:
            raise RuntimeError(f"trace: expected a matrix, but got tensor with dim {x.ndim}")
        if x.dtype.kind == "b":
            raise NotImplementedError("\"trace\" not implemented for 'Bool'")
        return xp.trace(x, dtype=dtypes.int64.numpy if x.dtype.kind in "iu" else None)

    def vjp(g: Any, input: Meta):
        n, m = input.shape
        eye = g.new_ones(max(n, m)).diag_embed()
        return g * eye.narrow(0, 0, n).narrow(1, 0, m)


@public("torch", out=False)
def vander(x, N=None, increasing=False):
    """vander(x, N=None, increasing=False) -> Tensor

    Rows of powers of each element of a vector, the highest (``N - 1``) first unless ``increasing``.

    >>> torch.vander(torch.tensor([1, 2, 3]))
    tensor([[1, 1, 1],
            [4, 2, 1],
            [9, 3, 1]])
    """
    if x.ndim != 1:
        raise RuntimeError("x must be a one-dimensional tensor.")
    count = x.shape[0] if N is None else N
    if count < 0:
        raise RuntimeError("N must be non-negative.")
    wide = x.to(dtypes.int64) if x.dtype.category < dtypes.FLOATING else x
    columns = [wide.new_ones((x.shape[0], min(count, 1)))]
    if count > 1:
        columns.append(wide.unsqueeze(1).expand(x.shape[0], count - 1).cumprod(1))
    powers = Cat.call(columns, 1)
    return powers if increasing else powers.flip(1)


@public("torch", out=False)
def gradient(input, *, spacing=1, dim=None, edge_order=1):
    """gradient(input, *, spacing=1, dim=None, edge_order=1) -> tuple of Tensors

    Central differences along each ``dim`` (all by default): of samples ``spacing`` apart (a number,
    or one per dim), or at coordinates given as tensors. At the ends, differences of order
    ``edge_order`` (1 or 2).

    >>> torch.gradient(torch.tensor([1.0, 2.0, 4.0, 8.0]))
    (tensor([1.0000, 1.5000, 3.0000, 4.0000]),)
    """
    dims = list(wrap_dims(dim, input.ndim))
    if edge_order not in (1, 2):
        raise RuntimeError("torch.gradient only supports edge_order=1 and edge_order=2.")
    spacing = 1 if spacing is None else spacing
    if isinstance(spacing, (int, float)) or (hasattr(spacing, "ndim") and spacing.ndim == 0):
        spacing = [spacing] * len(dims)
    if len(spacing) != len(dims):
        expected = "torch.gradient expected spacing to be unspecified, a scalar"
        if dim is None:
            raise RuntimeError(
                f"{expected}, or a list of length equal to 'self.dim() = {input.ndim}', since dim "
                f"argument was not given, but got a list of length {len(spacing)}"
            )
        raise RuntimeError(
            f"{expected} or it's spacing and dim arguments to have the same length, but got a "
            f"spacing argument of length {len(spacing)} and a dim argument of length {len(dims)}."
        )
    results = []
    for d, step in zip(dims, spacing, strict=True):
        if input.shape[d] < edge_order + 1:
            raise RuntimeError(
                "torch.gradient expected each dimension size to be at least edge_order+1"
            )
        points = hasattr(step, "ndim") and step.ndim == 1
        results.append(
            _along_points(input, d, step, edge_order)
            if points
            else _along(input, d, step, edge_order)
        )
    return tuple(results)


def _part(t, dim, start, length):
    return t.narrow(dim, start, length)


def _along(t, dim, h, order):
    n = t.shape[dim]
    inner = (_part(t, dim, 2, n - 2) - _part(t, dim, 0, n - 2)) / (2 * h) if n > 2 else None
    at = [_part(t, dim, i, 1) for i in (0, 1, n - 2, n - 1)]
    if order == 1:
        first, last = (at[1] - at[0]) / h, (at[3] - at[2]) / h
    else:
        first = (_part(t, dim, 2, 1) * -0.5 + at[1] * 2 - at[0] * 1.5) / h
        last = (at[3] * 1.5 - at[2] * 2 + _part(t, dim, n - 3, 1) * 0.5) / h
    return Cat.call([p for p in (first, inner, last) if p is not None], dim)


def _along_points(t, dim, points, order):
    """Second-order differences on uneven samples (Fornberg, 1988)."""
    n = t.shape[dim]
    if points.shape[0] != n:
        raise RuntimeError(
            "torch.gradient expected each coordinate tensor to have as many elements as the "
            f"dimension, got {points.shape[0]}"
        )
    shape = [-1 if i == dim else 1 for i in range(t.ndim)]
    gaps = points.diff().to(t.dtype).reshape(shape)
    slopes = t.diff(dim=dim) / gaps
    parts = [_part(slopes, dim, 0, 1)]
    if n > 2:
        left, right = _part(gaps, dim, 0, n - 2), _part(gaps, dim, 1, n - 2)
        before, after = _part(slopes, dim, 0, n - 2), _part(slopes, dim, 1, n - 2)
        parts.append((before * right + after * left) / (left + right))
    parts.append(_part(slopes, dim, n - 2, 1))
    if order == 2:
        a, b = _part(gaps, dim, 0, 1), _part(gaps, dim, 1, 1)
        first, second = _part(slopes, dim, 0, 1), _part(slopes, dim, 1, 1)
        parts[0] = first + (first - second) * a / (a + b)
        a, b = _part(gaps, dim, n - 2, 1), _part(gaps, dim, n - 3, 1)
        first, second = _part(slopes, dim, n - 2, 1), _part(slopes, dim, n - 3, 1)
        parts[-1] = first + (first - second) * a / (a + b)
    return Cat.call(parts, dim)


@public("Tensor", out=False)
def sum_to_size(self, *size):
    """sum_to_size(*size) -> Tensor

    ``self`` summed over what broadcasting from ``size`` to its shape would repeat.

    >>> torch.ones(2, 3).sum_to_size(1, 3)
    tensor([[2., 2., 2.]])
    """
    size = list(size[0]) if len(size) == 1 and not isinstance(size[0], int) else list(size)
    extra = self.ndim - len(size)
    fits = extra >= 0 and all(
        s in (1, t) for s, t in zip(size, self.shape[max(extra, 0) :], strict=False)
    )
    if not fits:
        raise RuntimeError(f"size {{{size}}} is not expandable to size {{{list(self.shape)}}}.")
    if not size:
        return self.sum()
    t = self.sum(list(range(extra))) if extra else self
    ones = [i for i, s in enumerate(size) if s == 1 and t.shape[i] != 1]
    return t.sum(ones, True) if ones else t
