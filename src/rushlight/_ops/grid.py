"""Sampling at the points of a grid, and grids of affine maps."""

import warnings

from rushlight._core.op import public
from rushlight._ops.join import Stack

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
    at = flat.reshape(batch, 1, -1).expand(batch, channels, flat[0].numel())
    values = input.reshape(batch, channels, -1).gather(2, at)
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


def _cubic_weights(t):
    """Keys' weights (a = -0.75) of the four elements around a place ``t`` past the second."""
    a = -0.75

    def near(x):
        return ((a + 2) * x - (a + 3)) * x * x + 1

    def far(x):
        return ((a * x - 5 * a) * x + 8 * a) * x - 4 * a

    return far(t + 1), near(t), near(1 - t), far(2 - t)


def _sample_cubic(input, at, sizes, padding_mode, align_corners):
    """The weighted 4 x 4 elements around each position; the padding applies to each of them."""
    low = [t.detach().floor() for t in at]
    weights = [_cubic_weights(t - i) for t, i in zip(at, low, strict=True)]
    result = 0
    for j in range(4):
        row = _bounded(low[0] + (j - 1), sizes[0], padding_mode, align_corners)
        for k in range(4):
            column = _bounded(low[1] + (k - 1), sizes[1], padding_mode, align_corners)
            weight = weights[0][j] * weights[1][k]
            result = result + _fetch(input, [row, column], sizes) * weight.unsqueeze(1)
    return result


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


def _sample(input, grid, mode, padding_mode, align_corners):
    sizes = tuple(input.shape[2:])
    n = len(sizes)
    at = [
        _unnormalized(grid[..., n - 1 - i], sizes[i], align_corners) for i in range(n)
    ]  # x comes first in a grid
    if mode == "bicubic":
        return _sample_cubic(input, at, sizes, padding_mode, align_corners)
    at = [_bounded(t, size, padding_mode, align_corners) for t, size in zip(at, sizes, strict=True)]
    if mode == "nearest":
        nothing = grid[..., 0].nan_to_num(0.0) * 0  # gives the grid PyTorch's gradient, zero
        values = _fetch(input, [t.detach().round() for t in at], sizes)
        return values + nothing.unsqueeze(1)
    return _sample_linear(input, at, sizes)


def _sampler(input, grid, interpolation_mode, padding_mode, align_corners):
    """The form with numbers for modes that torch.grid_sampler has."""
    mode, padding = INTERPOLATIONS[interpolation_mode], PADDINGS[padding_mode]
    _check_grid(input, grid, mode)
    return _sample(input, grid, mode, padding, align_corners)


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
