"""Grids of images, and files made of them."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO

from rushlight import _api as torch
from rushlight.vision._pillow import image_module
from rushlight.vision._png import write_png

__all__ = ["make_grid", "save_image"]


def _as_batch(tensor: Any) -> torch.Tensor:
    """A batch of colour images (N, C, H, W) from a list or a tensor of 2, 3 or 4 dimensions."""
    if isinstance(tensor, (list, tuple)):
        for index, item in enumerate(tensor):
            if not isinstance(item, torch.Tensor):
                raise TypeError(
                    f"tensor or list of tensors expected, got a list with {type(item)} at {index}"
                )
        tensor = torch.stack(list(tensor), dim=0)
    elif not isinstance(tensor, torch.Tensor):
        raise TypeError(f"tensor or list of tensors expected, got {type(tensor)}")
    if tensor.dim() == 2:
        tensor = tensor.unsqueeze(0)
    if tensor.dim() == 3:
        tensor = tensor.unsqueeze(0)
    if tensor.size(1) == 1:
        tensor = torch.cat((tensor, tensor, tensor), 1)
    return tensor


def _stretch(image: torch.Tensor, low: float, high: float) -> torch.Tensor:
    return image.clamp(min=low, max=high).sub(low).div(max(high - low, 1e-5))


def _stretch_own(image: torch.Tensor, value_range: tuple[float, float] | None) -> torch.Tensor:
    low, high = value_range or (float(image.min()), float(image.max()))
    return _stretch(image, low, high)


def _normalize(
    batch: torch.Tensor, value_range: tuple[float, float] | None, scale_each: bool
) -> torch.Tensor:
    if value_range is not None and not isinstance(value_range, tuple):
        raise TypeError(
            "value_range has to be a tuple (min, max) if specified. min and max are numbers"
        )
    if scale_each:
        return torch.stack([_stretch_own(image, value_range) for image in batch])
    return _stretch_own(batch, value_range)


@torch.no_grad()
def make_grid(
    tensor: torch.Tensor | Sequence[torch.Tensor],
    nrow: int = 8,
    padding: int = 2,
    normalize: bool = False,
    value_range: tuple[float, float] | None = None,
    scale_each: bool = False,
    pad_value: float = 0.0,
) -> torch.Tensor:
    """make_grid(tensor, nrow=8, padding=2, normalize=False, ...) -> Tensor

    Lay images out in rows of ``nrow`` and return them as one image (C, H, W).

    ``tensor`` is a batch (N, C, H, W) or a list of images; one channel becomes three. ``padding``
    pixels of ``pad_value`` surround each image. ``normalize`` stretches ``value_range`` (or the
    least and greatest value; those of each image with ``scale_each``) to 0..1.

    >>> vision.utils.make_grid(torch.zeros(10, 1, 8, 8), nrow=5).shape
    torch.Size([3, 22, 52])
    """
    batch = _as_batch(tensor)
    if normalize:
        batch = _normalize(batch, value_range, scale_each)
    if batch.size(0) == 1:
        return batch.squeeze(0)
    count, channels, image_height, image_width = batch.shape
    columns = min(nrow, count)
    rows = math.ceil(count / columns)
    height, width = image_height + padding, image_width + padding
    grid = batch.new_full((channels, height * rows + padding, width * columns + padding), pad_value)
    for index in range(count):
        top = (index // columns) * height + padding
        left = (index % columns) * width + padding
        grid[:, top : top + image_height, left : left + image_width] = batch[index]
    return grid


@torch.no_grad()
def save_image(
    tensor: torch.Tensor | Sequence[torch.Tensor],
    fp: str | Path | BinaryIO,
    format: str | None = None,
    **kwargs: Any,
) -> None:
    """save_image(tensor, fp, format=None, **kwargs) -> None

    Save an image, or a batch of them as ``make_grid(tensor, **kwargs)``; values 0..1 become 0..255.

    PNG needs nothing else installed; any other ``format`` (or ending of ``fp``) needs Pillow.

    >>> import io
    >>> buffer = io.BytesIO()
    >>> vision.utils.save_image(torch.rand(3, 4, 8), buffer, format='png')
    >>> buffer.getvalue()[1:4]
    b'PNG'
    """
    grid = make_grid(tensor, **kwargs)
    pixels = grid.mul(255).add(0.5).clamp(0, 255).permute(1, 2, 0).to(torch.uint8)
    array = pixels.contiguous().cpu().numpy()
    kind = format or (Path(fp).suffix[1:] if isinstance(fp, (str, Path)) else "png")
    if kind.lower() == "png":
        write_png(fp, array)
    else:
        image_module(f"saving a .{kind} file").fromarray(array).save(fp, format=format)
