"""Sampling at the points of a grid, and grids of affine maps."""

import warnings
from itertools import product
from math import prod
from typing import Any

import numpy as np

from rushlight._core import fronts
from rushlight._core.extension import C
from rushlight._core.op import Op, grad_enabled, on_tensors, public
from rushlight._core.state import S
from rushlight._core.tensor import PLAIN
from rushlight._ops.join import Stack

FLOATS = (np.dtype(np.float32), np.dtype(np.float64))

INTERPOLATIONS = ("bilinear", "nearest", "bicubic")
PADDINGS = ("zeros", "border", "reflection")


def _unnormalized(t, size, align_corners):
    """Coordinates within [-1, 1] as positions of elements."""
    return (t + 1) * ((size - 1) / 2) if align_corners else ((t + 1) * size - 1) / 2


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
    return t if padding_mode == "zeros" else t.clamp(0, size - 1)


def _places(index, sizes):
    """The elements at whole positions as one index each (N, 1, points), those outside made safe,
    and which are inside (N, 1, *out)."""
    inside = flat = None
    for i, size in zip(index, sizes, strict=True):
        within = (i >= 0) & (i <= size - 1)
        inside = within if inside is None else inside & within
        i = i.clamp(0, size - 1).nan_to_num(0.0).long()
        flat = i if flat is None else flat * size + i
    return flat.reshape(flat.shape[0], 1, -1), inside.unsqueeze(1)


def _cubic(t):
    """Keys' weights (a = -0.75) of the four elements around a place ``t`` past the second, and
    their slopes."""
    a = -0.75

    def near(x, sign):
        slope = (3 * (a + 2) * x - 2 * (a + 3)) * x
        return ((a + 2) * x - (a + 3)) * x * x + 1, slope * sign

    def far(x, sign):
        slope = (3 * a * x - 10 * a) * x + 8 * a
        return ((a * x - 5 * a) * x + 8 * a) * x - 4 * a, slope * sign

    return far(t + 1, 1), near(t, 1), near(1 - t, -1), far(2 - t, -1)


def _line(t, size, mode, padding_mode, align_corners):
    """The elements of one dimension that positions read: whole positions, weights, and what these
    change by with the coordinate in the grid."""
    scale = (size - 1) / 2 if align_corners else size / 2
    if mode == "bicubic":
        low = t.detach().floor()
        found = enumerate(_cubic(t - low))
        whole = [_bounded(low + (k - 1), size, padding_mode, align_corners) for k in range(4)]
        return [(whole[k], weight, slope * scale) for k, (weight, slope) in found]
    steep = _steepness(t.detach(), size, padding_mode, align_corners) * scale
    t = _bounded(t, size, padding_mode, align_corners)
    if mode == "nearest":
        return [(t.detach().round(), None, None)]
    low = t.detach().floor()
    return [(low, 1 - (t - low), -steep), (low + 1, t - low, steep)]


def _steepness(t, size, padding_mode, align_corners):
    """What a position changes by, after the padding mode, with the position before it."""
    if padding_mode == "zeros":
        return t * 0 + 1
    slope = t * 0 + 1
    if padding_mode == "reflection":
        low, span = (0.0, size - 1) if align_corners else (-0.5, size)
        distance = t - low
        even = (distance.abs() / (span or 1)).floor().remainder(2) == 0
        slope = slope.where(even == (distance >= 0), -slope)
        t = _reflected(t, size, align_corners)
    return slope * ((t > 0) & (t < size - 1))


def _lines(grid, sizes, mode, padding_mode, align_corners):
    """For each dimension, slowest first, what positions read; in a grid x comes first."""
    n = len(sizes)
    return [
        _line(
            _unnormalized(grid[..., n - 1 - i], sizes[i], align_corners),
            sizes[i],
            mode,
            padding_mode,
            align_corners,
        )
        for i in range(n)
    ]


def _gradients(g, input, grid, mode, padding_mode, align_corners):
    """Those of ``input`` and ``grid``."""
    sizes = tuple(input.shape[2:])
    flat, gradient = input.flatten(2), g.flatten(2)
    to_input, slopes = flat * 0, [grid[..., 0].nan_to_num(0.0) * 0] * len(sizes)
    for tap in product(*_lines(grid, sizes, mode, padding_mode, align_corners)):
        at, inside = _places([whole for whole, _, _ in tap], sizes)
        at = at.expand(*flat.shape[:2], at.shape[2])
        weights = [weight for _, weight, _ in tap]
        part = g * inside
        if mode != "nearest":
            values = (part * flat.gather(2, at).reshape(g.shape)).sum(1)
            for d in range(len(sizes)):
                rest = prod([weights[e] for e in range(len(sizes)) if e != d], start=tap[d][2])
                slopes[d] = slopes[d] + values * rest
            part = part * prod(weights).unsqueeze(1)
        to_input = to_input.scatter_add(2, at, part.reshape(gradient.shape))
    return to_input.reshape(input.shape), Stack.call(list(reversed(slopes)), -1)


def _sampler_name(node):
    return f"GridSampler{len(node.shape) - 2}DBackward0"


class GridSample(Op):
    """Sampling by one kernel; the operators of :func:`_sample` are its reference."""

    tensors = ("input", "grid")
    promote = "keep"
    numbers = False
    public = ()
    grad_name = _sampler_name

    def forward(xp, x, grid, mode="bilinear", padding_mode="zeros", align_corners=None):
        return on_tensors(_sample, (x, grid), mode, padding_mode, align_corners)

    def vjp(g, input, grid, mode, padding_mode, align_corners, need):
        if grad_enabled():  # to be differentiated again: by operators
            return _gradients(g, input, grid, mode, padding_mode, align_corners)
        wanted = tuple([bool(n) for n in need])
        return tuple(
            GridSampleBackward.call(g, input, grid, mode, padding_mode, align_corners, wanted)
        )


class GridSampleBackward(Op):
    """The gradients of what was sampled and of where, those that are wanted."""

    tensors = ("grad", "input", "grid")
    outputs = ("to_input", "to_grid")
    named = False
    promote = "keep"
    numbers = False
    public = ()
    differentiable = False  # GridSample takes operators where it will be differentiated again

    def forward(xp, g, x, grid, mode, padding_mode, align_corners, wanted):
        found = on_tensors(_gradients, (g, x, grid), mode, padding_mode, align_corners)
        return tuple([t if w else None for t, w in zip(found, wanted, strict=True)])


def _check_grid(input, grid, mode):
    if input.dtype != grid.dtype:
        raise RuntimeError(
            "grid_sampler(): expected input and grid to have same dtype, but input has "
            f"{_name(input)} and grid has "
            f"{_name(grid)}"
        )
    if input.shape[0] != grid.shape[0]:
        raise RuntimeError(
            "grid_sampler(): expected grid and input to have same batch size, but got input with "
            "sizes "
            f"{list(input.shape)} and grid with sizes {list(grid.shape)}"
        )
    if grid.shape[-1] != input.dim() - 2:
        raise RuntimeError(
            f"grid_sampler(): expected grid to have size {input.dim() - 2} in last dimension, but "
            "got grid with sizes "
            f"{list(grid.shape)}"
        )
    for i in range(2, input.dim()):
        if input.shape[i] == 0:
            raise RuntimeError(
                "grid_sampler(): expected input to have non-empty spatial dimensions, but input "
                "has sizes "
                f"{list(input.shape)} with dimension {i} being empty"
            )
    if input.dim() not in (4, 5) or input.dim() != grid.dim():
        raise RuntimeError(
            "grid_sampler(): expected 4D or 5D input and grid with same number of dimensions, but "
            "got input with sizes "
            f"{list(input.shape)} and grid with sizes {list(grid.shape)}"
        )
    if input.dim() == 5 and mode == "bicubic":
        raise RuntimeError("grid_sampler(): bicubic interpolation only supports 4D input")


def _name(t):
    return {"torch.float32": "float", "torch.float64": "double"}.get(str(t.dtype), str(t.dtype))


@public("nn.functional", out=False)
@fronts.before(GridSample, kernel="grid_sample", accept=FLOATS, same=3, by_name=True)
def grid_sample(input, grid, mode="bilinear", padding_mode="zeros", align_corners=None):
    """grid_sample(input, grid, mode='bilinear', padding_mode='zeros', align_corners=None) -> Tensor

    ``input`` (N, C, H, W) at the points ``grid`` (N, Ho, Wo, 2) of (x, y) within [-1, 1], or
    likewise in 3-D.

    >>> image = torch.tensor([[[[1.0, 2.0]]]])
    >>> torch.nn.functional.grid_sample(image, torch.zeros(1, 1, 1, 2), align_corners=True)
    tensor([[[[1.5000]]]])
    """
    if mode not in INTERPOLATIONS:
        raise ValueError(
            "nn.functional.grid_sample(): expected mode to be 'bilinear', 'nearest' or "
            f"'bicubic', but got: '{mode}'"
        )
    if padding_mode not in PADDINGS:
        raise ValueError(
            "nn.functional.grid_sample(): expected padding_mode to be 'zeros', 'border', or "
            "'reflection', but got: "
            f"'{padding_mode}'"
        )
    if align_corners is None:
        warnings.warn(
            "Default grid_sample and affine_grid behavior has changed to align_corners=False "
            "since 1.3.0. Please specify "
            "align_corners=True if the old behavior is desired. See the documentation of "
            "grid_sample for details.",
            stacklevel=3,
        )
        align_corners = False
    return _sampled(input, grid, mode, padding_mode, align_corners)


def _sample(input, grid, mode, padding_mode, align_corners):
    """By operators: the elements that each position reads, with their weights."""
    sizes = tuple(input.shape[2:])
    flat, shape = input.flatten(2), (*input.shape[:2], *grid.shape[1:-1])
    result: Any = 0
    for tap in product(*_lines(grid, sizes, mode, padding_mode, align_corners)):
        at, inside = _places([whole for whole, _, _ in tap], sizes)
        values = flat.gather(2, at.expand(*shape[:2], at.shape[2])).reshape(shape)
        values = values * inside.to(input.dtype)
        if mode == "nearest":  # the grid has a gradient in PyTorch, zero
            return values + (grid[..., 0].nan_to_num(0.0) * 0).unsqueeze(1)
        result = result + values * prod([weight for _, weight, _ in tap]).unsqueeze(1)
    return result


def _sampled(input, grid, mode, padding_mode, align_corners):
    """By the kernel where there is one."""
    _check_grid(input, grid, mode)
    plain = type(input) in PLAIN and type(grid) in PLAIN and not S.special
    if plain and C is not None and input.dtype.numpy in FLOATS and input.is_cpu:
        return GridSample.call(input, grid, mode, padding_mode, align_corners)
    return _sample(input, grid, mode, padding_mode, align_corners)


def _sampler(input, grid, interpolation_mode, padding_mode, align_corners):
    """The form with numbers for modes that torch.grid_sampler has."""
    mode, padding = INTERPOLATIONS[interpolation_mode], PADDINGS[padding_mode]
    return _sampled(input, grid, mode, padding, align_corners)


@public("torch", out=False, aliases=("grid_sampler_2d", "grid_sampler_3d"))
def grid_sampler(input, grid, interpolation_mode, padding_mode, align_corners):
    """grid_sampler(input, grid, interpolation_mode, padding_mode, align_corners) -> Tensor

    :func:`torch.nn.functional.grid_sample`, its modes given as numbers.

    >>> torch.grid_sampler(torch.tensor([[[[1.0, 2.0]]]]), torch.zeros(1, 1, 1, 2), 0, 0, True)
    tensor([[[[1.5000]]]])
    """
    return _sampler(input, grid, interpolation_mode, padding_mode, align_corners)


def _axis(theta, count, align_corners):
    """``count`` places within [-1, 1]: at its ends, or at the centres of as many cells."""
    if count <= 1:
        return theta.detach().new_zeros(count)
    steps = theta.detach().new_ones(count).cumsum(0) - 1
    ends = steps * (2 / (count - 1)) - 1
    return ends if align_corners else ends * ((count - 1) / count)


@public("torch", out=False)
def affine_grid_generator(theta, size, align_corners):
    """affine_grid_generator(theta, size, align_corners) -> Tensor

    What :func:`torch.nn.functional.affine_grid` calls.

    >>> torch.affine_grid_generator(torch.eye(2, 3).unsqueeze(0), (1, 1, 1, 2), True)
    tensor([[[[-1.,  0.],
              [ 1.,  0.]]]])
    """
    sizes = tuple(size[2:])
    n = len(sizes)
    axes = []
    for i, count in enumerate(sizes):
        shape = [1] * n
        shape[i] = count
        axes.append(_axis(theta, count, align_corners).reshape(shape).expand(sizes))
    ones = theta.detach().new_ones(sizes)
    base = Stack.call([*reversed(axes), ones], -1).reshape(-1, n + 1)
    return base.matmul(theta.transpose(1, 2)).reshape(size[0], *sizes, n)


@public("nn.functional", out=False)
def affine_grid(theta, size, align_corners=None):
    """affine_grid(theta, size, align_corners=None) -> Tensor

    The grid (N, H, W, 2) that :func:`grid_sample` needs to apply the affine maps ``theta`` (N, 2,
    3), or in 3-D.

    >>> theta = torch.eye(2, 3).unsqueeze(0)
    >>> torch.nn.functional.affine_grid(theta, (1, 1, 1, 2), align_corners=True)
    tensor([[[[-1.,  0.],
              [ 1.,  0.]]]])
    """
    if align_corners is None:
        warnings.warn(
            "Default grid_sample and affine_grid behavior has changed to align_corners=False "
            "since 1.3.0. Please specify "
            "align_corners=True if the old behavior is desired. See the documentation of "
            "grid_sample for details.",
            stacklevel=2,
        )
        align_corners = False
    if not theta.is_floating_point():
        raise ValueError(f"Expected theta to have floating point type, but got {theta.dtype}")
    shape = {4: (2, 3), 5: (3, 4)}.get(len(size))
    if shape is None:
        raise NotImplementedError(
            "affine_grid only supports 4D and 5D sizes, for 2D and 3D affine transforms, "
            f"respectively. Got size {size}"
        )
    if theta.dim() != 3 or tuple(theta.shape[-2:]) != shape:
        dims = len(size) - 2
        raise ValueError(
            f"Expected a batch of {dims}D affine matrices of shape Nx{shape[0]}x{shape[1]} for "
            f"size {size}. Got "
            f"{theta.shape}."
        )
    if min(size) <= 0:
        raise ValueError(f"Expected non-zero, positive output size. Got {size}")
    return affine_grid_generator(theta, size, align_corners)
