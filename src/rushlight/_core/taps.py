"""Which elements each element of a resized dimension reads, and with which weights: one dimension's
interpolation as a table, for the records and the kernels of a device."""

from functools import lru_cache

import numpy as np


def _scale(size, out, align_corners, scale):
    """Input elements per output element."""
    if align_corners:
        return (size - 1) / (out - 1) if out > 1 else 0.0
    return 1 / scale if scale is not None and scale > 0 else size / out


def _nearest(size, out, scale, exact):
    """The one element each output reads; computed in float32, as PyTorch does for every dtype."""
    step = np.float32(1 / scale) if scale is not None and scale > 0 else np.float32(size / out)
    at = np.arange(out, dtype=np.float32)
    if exact:
        at = at + np.float32(0.5)
    return np.minimum((at * step).astype(np.int64), size - 1)[:, None], np.ones((out, 1))


def _linear(size, out, align_corners, scale):
    """The two elements around each output's place."""
    step = _scale(size, out, align_corners, scale)
    at = (
        np.arange(out) * step
        if align_corners
        else np.maximum((np.arange(out) + 0.5) * step - 0.5, 0)
    )
    low = np.minimum(at.astype(np.int64), size - 1)
    high = np.minimum(low + 1, size - 1)
    part = np.clip(at - low, 0, 1)
    return np.stack([low, high], 1), np.stack([1 - part, part], 1)


def _keys(t, a):
    """Keys' cubic: the weight of an element at distance ``t``."""
    t = np.abs(t)
    near = ((a + 2) * t - (a + 3)) * t * t + 1
    far = (((t - 5) * t + 8) * t - 4) * a
    return np.where(t <= 1, near, np.where(t < 2, far, 0.0))


def _cubic(size, out, align_corners, scale):
    """The four elements around each output's place, the edge repeated."""
    step = _scale(size, out, align_corners, scale)
    at = np.arange(out) * step if align_corners else (np.arange(out) + 0.5) * step - 0.5
    low = np.floor(at).astype(np.int64)
    reach = np.arange(-1, 3)
    weights = _keys((at - low)[:, None] - reach, -0.75)
    return np.clip(low[:, None] + reach, 0, size - 1), weights


def _triangle(t):
    """Linear interpolation's weight of an element at distance ``t``."""
    return np.maximum(1 - np.abs(t), 0)


def _lanczos(t):
    """Lanczos' windowed sinc of three lobes."""
    return np.where(np.abs(t) < 3, np.sinc(t) * np.sinc(t / 3), 0.0)


def _keys_sharp(t):
    return _keys(t, -0.5)


# The kernels that antialiasing widens, and how far each reaches.
KERNELS = {"bilinear": (_triangle, 1), "bicubic": (_keys_sharp, 2), "lanczos": (_lanczos, 3)}


def _antialiased(size, out, mode, align_corners, scale):
    """The kernel widened by the reduction, so that every input element counts."""
    step = _scale(size, out, align_corners, scale)
    kernel, reach = KERNELS[mode]
    wide = max(step, 1.0)
    support = reach * wide
    centre = (np.arange(out) + 0.5) * step
    start = np.maximum((centre - support + 0.5).astype(np.int64), 0)
    end = np.minimum((centre + support + 0.5).astype(np.int64), size)
    at = np.arange(max(int((end - start).max()), 1))
    weights = kernel((at + start[:, None] - centre[:, None] + 0.5) / wide)
    weights = np.where(at < (end - start)[:, None], weights, 0)
    return np.minimum(start[:, None] + at, size - 1), weights / weights.sum(1, keepdims=True)


@lru_cache(maxsize=64)  # a network resizes the same few sizes again and again: 15 us each
def taps(size, out, mode, align_corners, scale, antialias):
    """(out, k) indices and weights of one dimension; not to be written to."""
    index, weight = _taps(size, out, mode, align_corners, scale, antialias)
    index.flags.writeable = weight.flags.writeable = False
    return index, weight


def _taps(size, out, mode, align_corners, scale, antialias):
    if mode in ("nearest", "nearest-exact"):
        return _nearest(size, out, scale, mode == "nearest-exact")
    if antialias:
        return _antialiased(size, out, mode, align_corners, scale)
    if mode == "bicubic":
        return _cubic(size, out, align_corners, scale)
    return _linear(size, out, align_corners, scale)
