"""Resizing: nearest, linear, cubic and area interpolation, one dimension after the other.

Each dimension's interpolation is a linear map: per output, the elements it reads and their weights.
"""

import math
import warnings
from functools import lru_cache

import numpy as np

from rushlight._core.backend import kernel_for
from rushlight._core.op import Meta, Op, public
from rushlight._core.taps import taps
from rushlight._ops.pool_adaptive import (
    adaptive_avg_pool1d,
    adaptive_avg_pool2d,
    adaptive_avg_pool3d,
)
from rushlight._ops.pool_kernels import along


def _matrix(xp, size, out, dtype, *how):
    """One dimension's map as a matrix (out, size)."""
    index, weight = taps(size, out, *how)
    result = np.zeros((out, size))
    if index.shape[1] == 1:
        result[np.arange(out), index[:, 0]] = weight[:, 0]
        return xp.asarray(result, dtype)
    np.add.at(result, (np.arange(out)[:, None], index), weight)
    return xp.asarray(result, dtype)


def _along_axis(xp, x, index, weight, axis):
    """One dimension resized: for each place, the elements of ``index`` (out, k) with weights."""
    if index.shape[1] == 1:
        return x.take(xp.asarray(index[:, 0]), axis=axis)
    native = kernel_for("resample_axis") if xp is np else None
    if native is not None:
        made = native(x, index, weight, axis)
        if made is not NotImplemented:
            return made
    shape = [1] * x.ndim
    shape[axis] = len(index)
    total = 0
    for k in range(index.shape[1]):
        scaled = xp.asarray(weight[:, k], x.dtype).reshape(shape)
        total = total + xp.take(x, xp.asarray(index[:, k]), axis=axis) * scaled
    return total


@lru_cache(maxsize=64)
def _transposed(size, out, *how):
    """The transpose of ``taps``: for each element, the places that read it (size, k), weights."""
    matrix = _matrix(np, size, out, np.float64, *how).T
    if out == 1:  # two taps at least: one would be taken without its weight
        matrix = np.concatenate([matrix, np.zeros((size, 1))], 1)
    count = max(int((matrix != 0).sum(1).max()), 2)
    order = (matrix == 0).argsort(1, kind="stable")[:, :count]
    weight = np.take_along_axis(matrix, order, 1)
    # What is not read repeats the first, so that 0 times inf stays where inf belongs.
    index = np.where(weight != 0, order, order[:, :1])
    index.flags.writeable = weight.flags.writeable = False
    return index, weight


_NAMES = {
    "nearest": "Nearest",
    "nearest-exact": "NearestExact",
    "bicubic": "Bicubic",
    "lanczos": "Lanczos",
}


class Resample(Op):
    """``input`` (N, C, *size) resized to (N, C, *sizes)."""

    promote = "keep"
    half = "widen"
    public = ()
    linear = True

    def grad_name(node):
        sizes, mode = node.params[:2]
        kind = _NAMES.get(mode) or ("Linear", "Bilinear", "Trilinear")[len(sizes) - 1]
        return f"Upsample{kind}{len(sizes)}D{'Aa' if node.params[4] else ''}Backward0"

    def forward(xp, x, sizes, mode, align_corners, scales, antialias):
        dtype = x.dtype
        if dtype.kind in "iu" and not mode.startswith("nearest"):
            x = x.astype(xp.float32)
        for axis, (out, scale) in enumerate(zip(sizes, scales, strict=True), 2):
            index, weight = taps(x.shape[axis], out, mode, align_corners, scale, antialias)
            x = _along_axis(xp, x, index, weight, axis)
        if x.dtype != dtype:
            x = xp.clip(xp.rint(x), 0, 255).astype(dtype)
        return x

    def vjp(g, input: Meta, mode, align_corners, scales, antialias):
        return ResampleBackward.call(
            g, tuple(input.shape[2:]), mode, align_corners, scales, antialias
        )


class ResampleBackward(Op):
    """The transpose of ``Resample``."""

    promote = "keep"
    half = "widen"
    public = ()
    linear = True

    def forward(xp, g, sizes, mode, align_corners, scales, antialias):
        native = xp is np and g.dtype == np.float32 and kernel_for("resample_axis") is not None
        for axis, (size, scale) in enumerate(zip(sizes, scales, strict=True), 2):
            if native:
                how = mode, align_corners, scale, antialias
                g = _along_axis(xp, g, *_transposed(size, g.shape[axis], *how), axis)
                continue
            matrix = _matrix(
                xp, size, g.shape[axis], g.dtype, mode, align_corners, scale, antialias
            )
            g = along(xp, g, matrix.T, axis)
        return xp.ascontiguousarray(g)

    def vjp(g, input: Meta, mode, align_corners, scales, antialias):
        return Resample.call(g, tuple(input.shape[2:]), mode, align_corners, scales, antialias)


ANY = ("nearest", "nearest-exact", "area")
MODES = {3: (*ANY, "linear"), 4: (*ANY, "bilinear", "bicubic", "lanczos"), 5: (*ANY, "trilinear")}
_POOLS = {1: adaptive_avg_pool1d, 2: adaptive_avg_pool2d, 3: adaptive_avg_pool3d}


def _sizes(input, spatial, size, scale_factor):
    """The spatial size asked for and the factors given for it (None where a size was)."""
    n = len(spatial)
    if size is not None and scale_factor is not None:
        raise ValueError("only one of size or scale_factor should be defined")
    if size is None and scale_factor is None:
        raise ValueError("either size or scale_factor should be defined")
    name, value = ("size", size) if size is not None else ("scale_factor", scale_factor)
    if isinstance(value, (list, tuple)):
        if len(value) != n:
            raise ValueError(_wrong_count(name, input, value))
    else:
        value = (value,) * n
    if name == "size":
        return tuple([int(v) for v in value]), (None,) * n
    factors = tuple([float(f) for f in value])
    return tuple([math.floor(s * f) for s, f in zip(spatial, factors, strict=True)]), factors


def _wrong_count(name, input, value):
    """PyTorch's words for a size or factors of another number than the dimensions."""
    first, second, form, a = "output", "output size of", "output size", "o"
    if name == "scale_factor":
        first, second, form, a = name, "scale_factor of shape", name, "s"
    return (
        f"Input and {first} must have the same number of spatial dimensions, but got input with "
        f"spatial dimensions of {list(input.shape[2:])} and {second} {value}. Please provide input "
        f"tensor in (N, C, d1, d2, ...,dK) format and {form} in ({a}1, {a}2, ...,{a}K) format."
    )


def _check_mode(input, mode, align_corners, antialias):
    if mode in ANY and align_corners is not None:
        raise ValueError(
            "align_corners option can only be set with the interpolating modes: linear | bilinear "
            "| bicubic | trilinear"
        )
    if input.dim() not in MODES:
        raise NotImplementedError(
            f"Input Error: Only 3D, 4D and 5D input Tensors supported (got {input.dim()}D) for "
            "the modes: nearest | linear "
            f"| bilinear | bicubic | trilinear | lanczos | area | nearest-exact (got {mode})"
        )
    if mode == "lanczos" and not antialias:
        raise ValueError("Lanczos mode requires antialias=True")
    if mode == "lanczos" and align_corners:
        raise ValueError("Lanczos mode does not support align_corners=True")
    if antialias and not (mode in ("bilinear", "bicubic", "lanczos") and input.dim() == 4):
        raise ValueError(
            "Anti-alias option is restricted to bilinear and bicubic modes and requires a 4-D "
            "tensor as input"
        )
    if mode not in MODES[input.dim()]:
        if mode in ("linear", "bilinear", "trilinear"):
            needs = {"linear": 3, "bilinear": 4, "trilinear": 5}[mode]
            raise NotImplementedError(
                f"Got {input.dim()}D input, but {mode} mode needs {needs}D input"
            )
        raise NotImplementedError(
            f"Input Error: Only 3D, 4D and 5D input Tensors supported (got {input.dim()}D) for "
            "the modes: nearest | linear "
            f"| bilinear | bicubic | trilinear | lanczos | area | nearest-exact (got {mode})"
        )


@public("nn.functional", out=False)
def interpolate(
    input,
    size=None,
    scale_factor=None,
    mode="nearest",
    align_corners=None,
    recompute_scale_factor=None,
    antialias=False,
):
    """interpolate(input, size=None, scale_factor=None, mode='nearest', align_corners=None,
    recompute_scale_factor=None, antialias=False) -> Tensor

    ``input`` (N, C, ...) resized to ``size``, or by ``scale_factor``. ``mode``: 'nearest',
    'nearest-exact', 'area', 'linear' (3-D), 'bilinear', 'bicubic' (4-D) or 'trilinear' (5-D).

    >>> torch.nn.functional.interpolate(torch.tensor([[[1.0, 2.0]]]), scale_factor=2)
    tensor([[[1., 1., 2., 2.]]])
    """
    rest = tuple(input.shape)[1:]
    spatial = rest[1:]
    if mode != "nearest" or align_corners is not None or antialias or not 0 < len(spatial) < 4:
        _check_mode(input, mode, align_corners, antialias)
    sizes, scales = _sizes(input, spatial, size, scale_factor)
    if recompute_scale_factor:
        if size is not None:
            raise ValueError("recompute_scale_factor is not meaningful with an explicit size.")
        scales = (None,) * len(sizes)
    if min(sizes) < 1 or 0 in rest:
        if mode == "area":
            return _POOLS[len(sizes)](input, sizes)
        if min(sizes) > 0 and 0 not in spatial:
            raise RuntimeError(
                f"Non-empty {input.dim()}D data tensor expected but got a tensor with sizes "
                f"{list(input.shape)}"
            )
        given = ", ".join(f"{a}: {s}" for a, s in zip("DHW"[-len(sizes) :], spatial, strict=True))
        made = ", ".join(f"{a}: {s}" for a, s in zip("DHW"[-len(sizes) :], sizes, strict=True))
        raise RuntimeError(
            f"Input and output sizes should be greater than 0, but got input ({given}) "
            f"{'and ' if len(sizes) == 1 else ''}output ({made})"
        )
    if mode == "area":
        return _POOLS[len(sizes)](input, sizes)
    return Resample.call(input, sizes, mode, bool(align_corners), scales, bool(antialias))


@public("nn.functional", out=False)
def upsample(input, size=None, scale_factor=None, mode="nearest", align_corners=None):
    """upsample(input, size=None, scale_factor=None, mode='nearest', align_corners=None) -> Tensor

    :func:`interpolate`, by its former name.

    >>> torch.nn.functional.upsample(torch.tensor([[[1.0]]]), 2)
    tensor([[[1., 1.]]])
    """
    _deprecated("upsample", "interpolate")
    return interpolate(input, size, scale_factor, mode, align_corners)


@public("nn.functional", out=False)
def upsample_nearest(input, size=None, scale_factor=None):
    """upsample_nearest(input, size=None, scale_factor=None) -> Tensor

    ``interpolate(..., mode='nearest')``.

    >>> x = torch.tensor([[[1.0, 2.0]]])
    >>> torch.nn.functional.upsample_nearest(x, scale_factor=2)
    tensor([[[1., 1., 2., 2.]]])
    """
    _deprecated("upsample_nearest", "interpolate")
    return interpolate(input, size, scale_factor, mode="nearest")


@public("nn.functional", out=False)
def upsample_bilinear(input, size=None, scale_factor=None):
    """upsample_bilinear(input, size=None, scale_factor=None) -> Tensor

    Bilinear, with aligned corners.

    >>> x = torch.tensor([[[[0.0, 1.0]]]])
    >>> torch.nn.functional.upsample_bilinear(x, size=(1, 3))
    tensor([[[[0.0000, 0.5000, 1.0000]]]])
    """
    _deprecated("upsample_bilinear", "interpolate")
    return interpolate(input, size, scale_factor, mode="bilinear", align_corners=True)


def _deprecated(name, instead):
    warnings.warn(
        f"`nn.functional.{name}` is deprecated. Use `nn.functional.{instead}` instead.",
        stacklevel=4,
    )
