"""Resizing, grids, patches and shuffles: values and gradients are PyTorch's."""

import importlib.util
from pathlib import Path

import pytest

import rushlight
import rushlight.nn.functional as F
from rushlight._ops.grid import GridSampler

spec = importlib.util.spec_from_file_location(
    "same_as_torch", Path(__file__).parent / "same_as_torch.py"
)
same = importlib.util.module_from_spec(spec)
spec.loader.exec_module(same)

randn = same.randn
X = {3: randn(2, 3, 7), 4: randn(2, 3, 7, 5), 5: randn(2, 3, 4, 5, 3)}
MODES = [(3, "linear"), (4, "bilinear"), (4, "bicubic"), (5, "trilinear")]
PLAIN = [(d, m) for d in (3, 4, 5) for m in ("nearest", "nearest-exact", "area")]


@pytest.mark.parametrize(
    "how", [{"size": 3}, {"size": 11}, {"scale_factor": 1.7}, {"scale_factor": 0.6}]
)
@pytest.mark.parametrize(("dim", "mode"), [*MODES, *PLAIN])
def test_interpolate(dim, mode, how):
    same.check("interpolate", X[dim], mode=mode, **how)


@pytest.mark.parametrize(("dim", "mode"), MODES)
def test_align_corners_and_recomputed_scales(dim, mode):
    same.check("interpolate", X[dim], size=9, mode=mode, align_corners=True)
    same.check("interpolate", X[dim], scale_factor=1.7, mode=mode, recompute_scale_factor=True)


@pytest.mark.parametrize("size", [3, 12])
@pytest.mark.parametrize("mode", ["bilinear", "bicubic", "lanczos"])
def test_antialias(mode, size):
    same.check("interpolate", X[4], size=size, mode=mode, antialias=True)


@pytest.mark.parametrize(
    "kwargs",
    [{}, {"size": 3, "scale_factor": 2}, {"size": (3,)}, {"size": 0}, {"size": 3, "mode": "linear"},
     {"size": 3, "align_corners": True}, {"size": 3, "mode": "lanczos"}],
)  # fmt: skip
def test_errors(kwargs):
    same.check_error("interpolate", X[4].detach(), **kwargs)


@pytest.mark.parametrize("align", [True, False])
@pytest.mark.parametrize("padding", ["zeros", "border", "reflection"])
@pytest.mark.parametrize("mode", ["bilinear", "nearest", "bicubic"])
def test_grid_sample(mode, padding, align):
    grid = randn(2, 4, 3, 2)
    same.check("grid_sample", X[4], grid, mode=mode, padding_mode=padding, align_corners=align)
    if mode != "bicubic":
        grid = randn(2, 4, 3, 2, 3)
        same.check("grid_sample", X[5], grid, mode=mode, padding_mode=padding, align_corners=align)


@pytest.mark.parametrize("align", [True, False])
@pytest.mark.parametrize("padding", ["zeros", "border", "reflection"])
def test_grid_sample_at_the_edges(padding, align):
    places = same.torch.tensor([-1.0, -0.5, 0.0, 0.5, 1.0, 3.0, -3.0, 2.0, 0.75], dtype=float)
    grid = same.torch.cartesian_prod(places, places)[None, None].requires_grad_()
    same.check(
        "grid_sample", X[4][:1, :, :4, :4], grid, padding_mode=padding, align_corners=align, order=1
    )


@pytest.mark.parametrize("align", [True, False])
@pytest.mark.parametrize("padding", ["zeros", "border", "reflection"])
@pytest.mark.parametrize("mode", ["bilinear", "nearest", "bicubic"])
def test_the_record_of_grid_sample(mode, padding, align):
    def ours(input, grid):
        return GridSampler.call(input, grid, mode, padding, align, input.dim() - 2)

    def theirs(input, grid):
        return same.theirs.grid_sample(input, grid, mode, padding, align)

    same.check((ours, theirs), X[4], randn(2, 4, 3, 2))
    if mode != "bicubic":
        same.check((ours, theirs), X[5], randn(2, 4, 3, 2, 3))


def test_grid_sample_default_warns():
    with pytest.warns(UserWarning, match="Default grid_sample"):
        F.grid_sample(rushlight.ones(1, 1, 2, 2), rushlight.zeros(1, 1, 1, 2))


@pytest.mark.parametrize("align", [True, False])
def test_affine_grid(align):
    same.check("affine_grid", randn(2, 2, 3), (2, 3, 4, 5), align_corners=align)
    same.check("affine_grid", randn(2, 3, 4), (2, 3, 4, 5, 2), align_corners=align)


def test_rearrangements():
    same.check("pixel_shuffle", randn(2, 8, 3, 2), 2)
    same.check("pixel_unshuffle", randn(2, 3, 4, 6), 2)
    same.check("channel_shuffle", randn(2, 6, 3), 3)
    same.check("unfold", randn(2, 3, 5, 6), (2, 3), dilation=2, padding=1, stride=2)
    same.check("fold", randn(2, 12, 20), (5, 6), (2, 2))
    same.check_error("fold", randn(2, 12, 21, grad=False), (5, 6), (2, 2))
    same.check_error("unfold", randn(2, 3, 5, 6, grad=False), 9)
    same.check_error("pixel_shuffle", randn(2, 7, 3, 2, grad=False), 2)
