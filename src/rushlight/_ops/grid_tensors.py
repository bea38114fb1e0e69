"""Sampling at the points of a grid by operators, and its gradients, to be differentiated again."""

import itertools
import math

from rushlight._ops.grid_kernels import cubic
from rushlight._ops.join import Stack


def _unnormalized(t, size, align_corners, dims):
    """Coordinates within [-1, 1] as positions of elements, rounded as PyTorch's CPU does."""
    if align_corners:
        return (t + 1) * ((size - 1) / 2) if dims == 2 else (t + 1) / 2 * (size - 1)
    return (t + 1) * (size / 2) - 0.5 if dims == 2 else ((t + 1) * size - 1) / 2


def _reflected(t, size, align_corners):
    """Positions folded back at the edges: at the elements' centres, or half an element beyond."""
    low, span = (0.0, size - 1) if align_corners else (-0.5, size)
    if span == 0:
        return t * 0
    distance = (t - low).abs()
    rest, flips = distance.fmod(span), (distance / span).floor()
    even = flips.remainder(2) == 0
    return (rest + low).where(even, span - rest + low)


def _bounded(t, size, padding_mode, align_corners):
    """Positions after the padding mode; 'zeros' leaves them outside."""
    if padding_mode == "reflection":
        t = _reflected(t, size, align_corners)
    if padding_mode == "zeros":
        return t
    edge = t.detach().clamp(0, size - 1)  # of which no gradient comes, at 0 and size - 1 neither
    return t.where((edge > 0) & (edge < size - 1), edge)


def _inside(index, sizes):
    """1.0 where every index lies within the input, and the indices made safe."""
    ok = None
    safe = []
    for i, size in zip(index, sizes, strict=True):
        within = (i >= 0) & (i <= size - 1)
        ok = within if ok is None else ok & within
        safe.append(i.clamp(0, size - 1))
    return ok, safe


def _fetch(input, index, sizes):
    """The elements of ``input`` (N, C, *sizes) at whole positions (N, *out), zero outside: (N, C,
    *out)."""
    ok, safe = _inside(index, sizes)
    flat = None
    for i, size in zip(safe, sizes, strict=True):
        i = i.nan_to_num(0.0).long()
        flat = i if flat is None else flat * size + i
    batch, channels = input.shape[:2]
    at = flat.reshape(batch, 1, math.prod(flat.shape[1:])).expand(batch, channels, -1)
    values = input.reshape(batch, channels, math.prod(sizes)).gather(2, at)
    return values.reshape(batch, channels, *flat.shape[1:]) * ok.unsqueeze(1).to(input.dtype)


def _sample_linear(input, at, sizes):
    """The weighted corners around each position."""
    low = [t.detach().floor() for t in at]
    part = [t - i for t, i in zip(at, low, strict=True)]
    result = 0
    for corner in range(2 ** len(sizes)):
        bits = [corner >> k & 1 for k in range(len(sizes))]
        weight = 1
        for p, bit in zip(part, bits, strict=True):
            weight = weight * (p if bit else 1 - p)
        values = _fetch(input, [i + bit for i, bit in zip(low, bits, strict=True)], sizes)
        result = result + values * weight.unsqueeze(1)
    return result


def _sample_cubic(input, at, sizes, padding_mode, align_corners):
    """The weighted 4 x 4 elements around each position; the padding applies to each of them."""
    low = [t.detach().floor() for t in at]
    weights = [cubic(t - i)[0] for t, i in zip(at, low, strict=True)]
    result = 0
    for j in range(4):
        row = _bounded(low[0] + (j - 1), sizes[0], padding_mode, align_corners)
        for k in range(4):
            column = _bounded(low[1] + (k - 1), sizes[1], padding_mode, align_corners)
            weight = weights[0][j] * weights[1][k]
            result = result + _fetch(input, [row, column], sizes) * weight.unsqueeze(1)
    return result


def sample(input, grid, mode, padding_mode, align_corners):
    """``input`` (N, C, *sizes) at the points of ``grid`` (N, *out, dims)."""
    sizes = tuple(input.shape[2:])
    n = len(sizes)
    at = [
        _unnormalized(grid[..., n - 1 - i], sizes[i], align_corners, n) for i in range(n)
    ]  # x comes first in a grid
    if mode == "bicubic":
        return _sample_cubic(input, at, sizes, padding_mode, align_corners)
    at = [_bounded(t, size, padding_mode, align_corners) for t, size in zip(at, sizes, strict=True)]
    if mode == "nearest":
        nothing = grid[..., 0].nan_to_num(0.0) * 0  # gives the grid PyTorch's gradient, zero
        values = _fetch(input, [t.detach().round() for t in at], sizes)
        return values + nothing.unsqueeze(1)
    return _sample_linear(input, at, sizes)


def _clamped(at, size, padding, align_corners):
    """Bounded, NaN made 0."""
    at = _bounded(at, size, padding, align_corners)
    return at if padding == "zeros" else at.nan_to_num(0.0)


def _slope(at, size, padding, align_corners):
    """What a bounded position changes by with the position."""
    if padding == "zeros":
        return at.new_ones(())
    sign, folded = 1, at
    if padding == "reflection":
        low, span = (0.0, size - 1) if align_corners else (-0.5, size)
        if span == 0:
            return at.new_zeros(())
        folded = _reflected(at, size, align_corners)
        odd = ((at - low).abs() / span).floor().remainder(2) != 0
        sign = 1 - 2 * (odd != (at < low)).to(at.dtype)
    return sign * ((folded > 0) & (folded < size - 1)).to(at.dtype)


def _taps(t, size, how, dims):
    """(index, weight, slope) of each element that a point reads along one dimension."""
    mode, padding, align_corners = how
    slope = (size - 1) / 2 if align_corners else size / 2
    at = _unnormalized(t, size, align_corners, dims)
    fixed = at.detach()
    if mode == "bicubic":
        low = fixed.floor()
        found = [_clamped(low + j, size, padding, align_corners) for j in (-1, 0, 1, 2)]
        return [(i, w, s * slope) for i, w, s in zip(found, *cubic(at - low), strict=True)]
    slope = slope * _slope(fixed, size, padding, align_corners)
    at = _clamped(at, size, padding, align_corners)
    if mode == "nearest":
        return [(at.detach().round(), at.new_ones(at.shape), at.new_zeros(at.shape))]
    low = at.detach().floor()
    return [(low, 1 - (at - low), -slope), (low + 1, at - low, slope)]


def _place(corner, sizes):
    """Flat places within a plane (N, points), and 1.0 where they lie inside."""
    flat, inside = 0, None
    for (i, _, _), size in zip(corner, sizes, strict=True):
        within = (i >= 0) & (i <= size - 1)
        inside = within if inside is None else inside & within
        flat = flat * size + i.where(within, 0).long()
    return flat, inside


def gradients(g, input, grid, how):
    """Of the input and of the grid."""
    batch, channels, *sizes = input.shape
    dims, count = len(sizes), math.prod(grid.shape[1:-1])
    points, g = grid.reshape(batch, count, dims), g.reshape(batch, channels, count)
    axes = [_taps(points[..., dims - 1 - d], size, how, dims) for d, size in enumerate(sizes)]
    x = input.reshape(batch, channels, math.prod(sizes))
    given, slopes = x.new_zeros(x.shape), [0] * dims
    for corner in itertools.product(*axes):
        flat, inside = _place(corner, sizes)
        at = flat.unsqueeze(1).expand(batch, channels, count)
        weight = math.prod(w for _, w, _ in corner)
        share = (g * weight.unsqueeze(1)).masked_fill(~inside.unsqueeze(1), 0)
        given = given.scatter_add(2, at, share)
        inner = (x.gather(2, at).masked_fill(~inside.unsqueeze(1), 0) * g).sum(1)
        for d in range(dims):
            rest = math.prod(w for e, (_, w, _) in enumerate(corner) if e != d)
            slopes[d] = slopes[d] + inner * (corner[d][2] * rest)
    made = Stack.call(slopes[::-1], -1)  # x comes first in a grid
    return given.reshape(input.shape), made.reshape(grid.shape)
