"""The image operations on Pillow images."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from rushlight.vision._pillow import enhance_module, image_module, ops_module

_PADDERS: dict[str, Callable[..., np.ndarray]] = {
    mode: partial(np.pad, mode=mode) for mode in ("edge", "reflect", "symmetric")
}
_WHY = "a transform of a Pillow image"


def filter_number(interpolation: str) -> int:
    """Pillow's number for the name of an interpolation."""
    if interpolation == "nearest-exact":
        interpolation = "nearest"  # Pillow's nearest is the exact one
    return image_module(_WHY).Resampling[interpolation.upper()]


def _fill(image: Any, fill: Any, channels: int) -> dict[str, Any]:
    """The ``fillcolor`` argument: one number per channel, of the image's type."""
    if fill is None:
        fill = 0
    if isinstance(fill, (int, float)):
        fill = [fill] * channels
    if len(fill) == 1:
        fill = list(fill) * channels
    if len(fill) != channels:
        raise ValueError(
            "The number of elements in 'fill' does not match the number of channels of the image "
            f"({len(fill)} != {channels})"
        )
    values = [float(v) if image.mode == "F" else int(v) for v in fill]
    return {"fillcolor": values[0] if channels == 1 else tuple(values)}


def _channels(image: Any) -> int:
    return len(image.getbands())


def crop(image: Any, top: int, left: int, height: int, width: int) -> Any:
    """Cut a rectangle out; what lies outside the image is 0."""
    return image.crop((left, top, left + width, top + height))


def _constant_fill(image: Any, fill: Any) -> Any:
    if isinstance(fill, (list, tuple)):
        fill = tuple(fill) if len(fill) > 1 else fill[0]
    if isinstance(fill, (int, float)) and _channels(image) > 1:
        return (int(fill),) * _channels(image)
    return fill


def pad(image: Any, sides: tuple[int, int, int, int], fill: Any, mode: str) -> Any:
    """Add (left, top, right, bottom) pixels."""
    if mode == "constant":
        expand = ops_module(_WHY).expand
        if image.mode != "P":
            return expand(image, border=sides, fill=_constant_fill(image, fill))
        padded = expand(image, border=sides, fill=fill)
        padded.putpalette(image.getpalette())
        return padded
    left, top, right, bottom = sides
    if min(sides) < 0:
        width, height = image.size
        image = image.crop(
            (-min(left, 0), -min(top, 0), width + min(right, 0), height + min(bottom, 0))
        )
        left, top, right, bottom = (max(side, 0) for side in sides)
    palette = image.getpalette() if image.mode == "P" else None
    pixels = np.asarray(image)
    widths = [(top, bottom), (left, right), (0, 0)][: pixels.ndim]
    result = image_module(_WHY).fromarray(_PADDERS[mode](pixels, widths))
    if palette is not None:
        result.putpalette(palette)
    return result


def resize(image: Any, size: list[int], interpolation: str) -> Any:
    """Resize to (height, width)."""
    return image.resize((size[1], size[0]), filter_number(interpolation))


def rotate(
    image: Any,
    angle: float,
    interpolation: str,
    expand: bool,
    center: Sequence[float] | None,
    fill: Any,
) -> Any:
    """Turn counter-clockwise by ``angle`` degrees."""
    colour = _fill(image, fill, _channels(image))
    return image.rotate(angle, filter_number(interpolation), expand, center, **colour)


def affine(image: Any, matrix: list[float], interpolation: str, fill: Any) -> Any:
    """Fetch each output pixel from where ``matrix`` (2x3, in pixels) sends it."""
    kind = image_module(_WHY).Transform.AFFINE
    colour = _fill(image, fill, _channels(image))
    return image.transform(image.size, kind, matrix, filter_number(interpolation), **colour)


def flip(image: Any, horizontally: bool) -> Any:
    """Mirror left and right, or top and bottom."""
    kinds = image_module(_WHY).Transpose
    return image.transpose(kinds.FLIP_LEFT_RIGHT if horizontally else kinds.FLIP_TOP_BOTTOM)


def grayscale(image: Any, channels: int) -> Any:
    """Mode ``L``, or three equal channels."""
    if channels not in (1, 3):
        raise ValueError("num_output_channels should be either 1 or 3")
    grey = image.convert("L")
    if channels == 1:
        return grey
    return image_module(_WHY).merge("RGB", (grey, grey, grey))


def adjust_brightness(image: Any, factor: float) -> Any:
    """0 gives black, 1 the image itself."""
    return enhance_module(_WHY).Brightness(image).enhance(factor)


def adjust_contrast(image: Any, factor: float) -> Any:
    """0 gives the mean grey, 1 the image itself."""
    return enhance_module(_WHY).Contrast(image).enhance(factor)


def adjust_saturation(image: Any, factor: float) -> Any:
    """0 gives a grey image, 1 the image itself."""
    return enhance_module(_WHY).Color(image).enhance(factor)


def adjust_gamma(image: Any, gamma: float, gain: float) -> Any:
    """Return ``gain * image ** gamma`` on the scale 0..1."""
    mode = image.mode
    table = [int(255.999 * gain * (value / 255.0) ** gamma) for value in range(256)]
    image = image.convert("RGB")
    return image.point([min(value, 255) for value in table] * 3).convert(mode)


def adjust_hue(image: Any, factor: float) -> Any:
    """Turn the colour circle by ``factor`` of a full turn."""
    if image.mode in {"L", "1", "I", "F"}:
        return image
    mode = image.mode
    hue, saturation, value = image.convert("HSV").split()
    turn = np.uint8(int(factor * 255) % 256)
    turned = image_module(_WHY).fromarray(np.asarray(hue) + turn)  # uint8 wraps around
    return image_module(_WHY).merge("HSV", (turned, saturation, value)).convert(mode)
