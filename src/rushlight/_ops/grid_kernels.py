"""Sampling at the points of a grid, on arrays: what devices' kernels are held to.

Along each dimension a point reads one element (nearest), two (linear) or four (cubic): *taps*, with
weights and the weights' slopes. The elements lie in a table (channels, N elements and one zero),
which what lies outside reads.
"""

import itertools
import math

import numpy as np

A = -0.75  # of Keys' cubic


def positions(xp, t, size, align_corners):
    """Coordinates within [-1, 1] as positions of elements, and a position's slope."""
    one, two, many = (t.dtype.type(n) for n in (1, 2, size))
    if align_corners:
        return (t + one) / two * (many - one), (size - 1) / 2
    return ((t + one) * many - one) / two, size / 2


def reflected(xp, at, size, align_corners):
    """Positions folded back at the edges, and the sign of the way they go there."""
    low, span = (0.0, size - 1) if align_corners else (-0.5, size)
    if span == 0:
        return xp.zeros_like(at), 0
    away = at - at.dtype.type(low)
    distance = xp.abs(away)
    rest, flips = xp.fmod(distance, span), xp.floor(distance / span)
    odd = xp.fmod(flips, 2) != 0
    folded = xp.where(odd, span - rest, rest) + at.dtype.type(low)
    return folded.astype(at.dtype), xp.where(odd != (away < 0), -1, 1)


def bounded(xp, at, size, padding, align_corners):
    """Positions after the padding, NaN made 0 (zeros leaves all as they are), and their slope."""
    sign = 1
    if padding == "reflection":
        at, sign = reflected(xp, at, size, align_corners)
    if padding == "zeros":
        return at, sign
    free = (at > 0) & (at < size - 1)
    return xp.fmin(xp.fmax(at, at.dtype.type(0)), at.dtype.type(size - 1)), sign * free


def cubic(t):
    """The weights of four elements around a place ``t`` past the second, and their slopes."""

    def near(x):
        return ((A + 2) * x - (A + 3)) * x * x + 1, (3 * (A + 2) * x - 2 * (A + 3)) * x

    def far(x):
        return ((A * x - 5 * A) * x + 8 * A) * x - 4 * A, (3 * A * x - 10 * A) * x + 8 * A

    (w0, s0), (w1, s1), (w2, s2), (w3, s3) = far(t + 1), near(t), near(1 - t), far(2 - t)
    return (w0, w1, w2, w3), (s0, s1, -s2, -s3)


def table_of(xp, size, stride, outside):
    """The place of element i at i + 2, for i from -2 to size + 1."""
    steps = np.full(size + 4, outside)
    steps[2 : size + 2] = np.arange(size) * stride
    return xp.asarray(steps)


def taps(xp, t, size, stride, outside, how):
    """What the points read along one dimension: (places in the table, weight, slope) for each."""
    mode, padding, align_corners = how
    at, slope = positions(xp, t, size, align_corners)
    steps = table_of(xp, size, stride, outside)

    def number(i):  # whole numbers, NaN and what is far away -2
        i = xp.fmin(xp.fmax(i, i.dtype.type(-2)), i.dtype.type(size))
        i += i.dtype.type(2)
        return i.astype(np.int64)

    def place(i):
        return xp.take(steps, number(i))

    if mode == "bicubic":
        low = xp.floor(at)
        found = [bounded(xp, low + j, size, padding, align_corners)[0] for j in (-1, 0, 1, 2)]
        weights, slopes = cubic(at - low)
        return [
            (place(i), w, s * t.dtype.type(slope))
            for i, w, s in zip(found, weights, slopes, strict=True)
        ]
    at, sign = bounded(xp, at, size, padding, align_corners)
    if mode == "nearest":
        return [(place(xp.rint(at)), None, None)]
    low, slope = xp.floor(at), xp.asarray(sign * slope, t.dtype)
    part, first = at - low, number(low)
    places = xp.take(steps, first), xp.take(steps, first + 1)
    return [(places[0], 1 - part, -slope), (places[1], part, slope)]


class Points:
    """Which elements of a table each point reads, for arrays (N, C, *sizes) and (N, *out, dims)."""

    def __init__(self, xp, shape, grid, how):
        self.batch, self.channels, *self.sizes = shape
        self.size, self.out = math.prod(self.sizes), grid.shape[1:-1]
        self.count, self.outside = math.prod(self.out), shape[0] * self.size
        dims, stride, self.axes = len(self.sizes), self.size, []
        points = grid.reshape(self.batch, self.count, dims)
        for d, size in enumerate(self.sizes):  # x comes first in a grid
            stride //= size
            t = xp.ascontiguousarray(points[..., dims - 1 - d])
            self.axes.append(taps(xp, t, size, stride, self.outside, how))
        first = xp.arange(self.batch).reshape(-1, 1) * self.size
        self.axes[0] = [(place + first, *rest) for place, *rest in self.axes[0]]

    def table(self, xp, x):
        """(C, N elements + 1): the last is zero."""
        made = xp.zeros((self.channels, self.outside + 1), x.dtype)
        parts = made[:, : self.outside].reshape(self.channels, self.batch, self.size)
        parts[...] = x.reshape(self.batch, self.channels, self.size).swapaxes(0, 1)
        return made

    def untable(self, xp, made):
        """A table as (N, C, *sizes)."""
        parts = made[:, : self.outside].reshape(self.channels, self.batch, self.size)
        return parts.swapaxes(0, 1).reshape(self.batch, self.channels, *self.sizes)

    def corners(self, xp):
        """All combinations of taps: places in the table (N points), and the taps."""
        for corner in itertools.product(*self.axes):
            where = corner[0][0] + corner[1][0]
            for tap in corner[2:]:
                where += tap[0]
            yield xp.minimum(where, self.outside, out=where).reshape(-1), corner


def product(corner, skipped=None):
    """The weights of taps multiplied, one of them replaced by its slope; None is 1."""
    made = None
    for d, (_, weight, slope) in enumerate(corner):
        factor = slope if d == skipped else weight
        made = factor if made is None else made * factor
    return None if made is None else made.reshape(-1)


def by_channel(xp, x, channels):
    """(N, C, ...) as (C, N ...) in order."""
    count = math.prod(x.shape[2:])
    x = x.reshape(len(x), channels, count).swapaxes(0, 1)
    return xp.ascontiguousarray(x).reshape(channels, x.shape[1] * count)


def inside(xp, points, where, values):
    """Nothing from outside, whatever the weight."""
    return xp.where(where == points.outside, values.dtype.type(0), values)


def sampled(xp, x, grid, how):
    """(N, C, *out)."""
    points = Points(xp, x.shape, grid, how)
    table, total = points.table(xp, x), None
    for where, corner in points.corners(xp):
        values, weight = xp.take(table, where, axis=1), product(corner)
        if weight is not None:
            values = inside(xp, points, where, values * weight)
        if total is None:
            total = values
        else:
            total += values
    total = total.reshape(points.channels, points.batch, points.count).swapaxes(0, 1)
    return xp.ascontiguousarray(total).reshape(points.batch, points.channels, *points.out)


def add_columns(xp, table, where, values):
    """``table[:, where] += values``, counting repeated places."""
    xp.add.at(table, (slice(None), where), values)


def spread_out(xp, g, x, grid, how, to_input, to_grid):
    """The gradients of the input and of the grid, None for one that is not wanted."""
    points = Points(xp, x.shape, grid, how)
    g = by_channel(xp, g, points.channels)
    given = xp.zeros((points.channels, points.outside + 1), x.dtype) if to_input else None
    table = points.table(xp, x) if to_grid else None
    slopes = [xp.zeros(g.shape[1:], x.dtype) for _ in points.sizes] if to_grid else []
    for where, corner in points.corners(xp):
        if to_input:
            weight = product(corner)
            add_columns(xp, given, where, g if weight is None else g * weight)
        if to_grid and corner[0][1] is not None:
            inner = xp.take(table, where, axis=1)
            inner *= g
            inner = inner.sum(0)
            for d, slope in enumerate(slopes):
                slope += inside(xp, points, where, inner * product(corner, d))
    made = xp.stack(slopes[::-1], -1).reshape(grid.shape) if to_grid else None
    return (points.untable(xp, given) if to_input else None), made
