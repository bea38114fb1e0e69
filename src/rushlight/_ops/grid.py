"""Sampling at the points of a grid, and grids of affine maps."""

import warnings

import numpy as np

from rushlight._core import fronts
from rushlight._core.extension import C
from rushlight._core.op import Op, grad_enabled, public
from rushlight._core.state import S
from rushlight._core.tensor import PLAIN
from rushlight._ops.grid_kernels import sampled, spread_out
from rushlight._ops.grid_tensors import gradients, sample

INTERPOLATIONS = ("bilinear", "nearest", "bicubic")
PADDINGS = ("zeros", "border", "reflection")
FLOATS = (np.dtype(np.float32), np.dtype(np.float64))


class GridSampler(Op):
    """``input`` (N, C, *sizes) at the points of ``grid`` (N, *out, dims), where there is a kernel
    of it."""

    tensors = ("input", "grid")
    promote = "keep"
    half = "widen"
    public = ()

    def grad_name(node):
        return f"GridSampler{len(node.shape) - 2}DBackward0"

    def forward(xp, x, grid, mode="bilinear", padding_mode="zeros", align_corners=None, dims=None):
        return sampled(xp, x, grid, (mode, padding_mode, align_corners))

    def vjp(g, input, grid, mode, padding_mode, align_corners, need):
        how = mode, padding_mode, align_corners
        if grad_enabled():  # to be differentiated again: by operators
            return gradients(g, input, grid, how)
        return tuple(GridSamplerBackward.call(g, input, grid, *how, *need))


class GridSamplerBackward(Op):
    """The gradients of the input and of the grid; None for what is not wanted."""

    tensors = ("grad", "input", "grid")
    outputs = ("to_input", "to_grid")
    named = False
    promote = "keep"
    half = "widen"
    public = ()
    differentiable = False  # GridSampler takes operators where it will be differentiated again

    def forward(xp, g, x, grid, mode, padding, align_corners, to_input, to_grid):
        how = mode, padding, align_corners
        return spread_out(xp, g, x, grid, how, to_input, to_grid)


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
@fronts.before(GridSampler, kernel="grid_sample", accept=FLOATS, same=3, by_name=True, positional=5)
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
    _check_grid(input, grid, mode)
    return _sample(input, grid, mode, padding_mode, align_corners)


def _sampler(input, grid, interpolation_mode, padding_mode, align_corners):
    """The form with numbers for modes that torch.grid_sampler has."""
    mode, padding = INTERPOLATIONS[interpolation_mode], PADDINGS[padding_mode]
    _check_grid(input, grid, mode)
    return _sample(input, grid, mode, padding, align_corners)


def by_kernel(input, grid):
    """Are they plain tensors of float32 or float64 in memory, and is there the extension?"""
    plain = type(input) in PLAIN and type(grid) in PLAIN and not S.special
    return plain and C is not None and input.dtype.numpy in FLOATS and input.is_cpu


def _sample(input, grid, mode, padding, align_corners):
    if input.is_cuda or by_kernel(input, grid):
        return GridSampler.call(input, grid, mode, padding, bool(align_corners), input.dim() - 2)
    return sample(input, grid, mode, padding, align_corners)


@public("torch", out=False, aliases=("grid_sampler_2d", "grid_sampler_3d"))
def grid_sampler(input, grid, interpolation_mode, padding_mode, align_corners):
    """grid_sampler(input, grid, interpolation_mode, padding_mode, align_corners) -> Tensor

    :func:`torch.nn.functional.grid_sample`, its modes given as numbers.

    >>> torch.grid_sampler(torch.tensor([[[[1.0, 2.0]]]]), torch.zeros(1, 1, 1, 2), 0, 0, True)
    tensor([[[[1.5000]]]])
    """
    return _sampler(input, grid, interpolation_mode, padding_mode, align_corners)


def _base(xp, sizes, align_corners, dtype):
    """(points, dims + 1): the places (x, y, ..., 1) of a grid that nothing moves."""
    axes = []
    for count in sizes:  # within [-1, 1]: from end to end, or at the centres of as many cells
        if count <= 1:
            axes.append(xp.zeros(count, dtype))
            continue
        ends = xp.arange(count, dtype=dtype) * dtype.type(2 / (count - 1)) - dtype.type(1)
        axes.append(ends if align_corners else ends * dtype.type((count - 1) / count))
    places = xp.meshgrid(*axes, indexing="ij")[::-1]
    return xp.stack([*places, xp.ones(sizes, dtype)], -1).reshape(-1, len(sizes) + 1)


class AffineGridGenerator(Op):
    """The grid (N, *sizes, dims) of affine maps (N, dims, dims + 1)."""

    tensors = ("theta",)
    promote = "keep"
    half = "widen"
    public = ()
    linear = True

    def forward(xp, theta, sizes, align_corners):
        base = _base(xp, sizes, align_corners, theta.dtype)
        made = xp.matmul(base, xp.swapaxes(theta, 1, 2))
        return made.reshape(len(theta), *sizes, len(sizes))

    def vjp(g, sizes, align_corners):
        return AffineGridBackward.call(g, sizes, align_corners)


class AffineGridBackward(Op):
    """The transpose of ``AffineGridGenerator``."""

    tensors = ("grad",)
    promote = "keep"
    half = "widen"
    public = ()
    linear = True

    def forward(xp, g, sizes, align_corners):
        base, dims = _base(xp, sizes, align_corners, g.dtype), len(sizes)
        return xp.matmul(xp.swapaxes(g.reshape(len(g), len(base), dims), 1, 2), base)

    def vjp(g, sizes, align_corners):
        return AffineGridGenerator.call(g, sizes, align_corners)


@public("torch", out=False)
def affine_grid_generator(theta, size, align_corners):
    """affine_grid_generator(theta, size, align_corners) -> Tensor

    What :func:`torch.nn.functional.affine_grid` calls.

    >>> torch.affine_grid_generator(torch.eye(2, 3).unsqueeze(0), (1, 1, 1, 2), True)
    tensor([[[[-1.,  0.],
              [ 1.,  0.]]]])
    """
    made = AffineGridGenerator.call(theta, tuple(size[2:]), bool(align_corners))
    return made.reshape(size[0], *size[2:], len(size) - 2)


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
