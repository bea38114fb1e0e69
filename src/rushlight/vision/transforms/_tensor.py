"""The image operations on tensors (..., C, H, W)."""

import math
from collections.abc import Sequence

from rushlight import _api as torch
from rushlight.nn import functional as F

_LARGEST = {
    torch.uint8: 255,
    torch.int8: 127,
    torch.int16: 32767,
    torch.int32: 2**31 - 1,
    torch.int64: 2**63 - 1,
}
# Casts to float first where the integer type could not hold what lies between.
_FLOATS = (torch.float32, torch.float64)


def largest_value(dtype: torch.dtype) -> int:
    """What white is in this dtype: the greatest integer, or 1 for floating point."""
    return _LARGEST.get(dtype, 1)


def check_image(image: torch.Tensor) -> None:
    """Refuse what is not an image tensor."""
    if not isinstance(image, torch.Tensor) or image.ndim < 2:
        raise TypeError("Tensor is not a torch image.")


def check_channels(image: torch.Tensor, permitted: Sequence[int]) -> int:
    """Return the number of channels, or refuse it."""
    channels = image.shape[-3] if image.ndim > 2 else 1
    if channels not in permitted:
        raise TypeError(
            f"Input image tensor permitted channel values are {list(permitted)}, "
            f"but found {channels}"
        )
    return channels


def convert_dtype(image: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """Convert to ``dtype`` and scale, so that white stays white."""
    if image.dtype == dtype:
        return image
    if image.is_floating_point():
        return _from_float(image, dtype)
    old, new = largest_value(image.dtype), largest_value(dtype)
    if dtype.is_floating_point:
        return image.to(dtype) / old
    if old > new:
        step = (old + 1) // (new + 1)
        return torch.div(image, step, rounding_mode="floor").to(dtype)
    return image.to(dtype) * ((new + 1) // (old + 1))


def _from_float(image: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    if dtype.is_floating_point:
        return image.to(dtype)
    exact = image.dtype == torch.float64 and dtype != torch.int64
    if not exact and dtype in (torch.int32, torch.int64):
        raise RuntimeError(f"The cast from {image.dtype} to {dtype} cannot be performed safely.")
    # Every integer gets an interval of the same length; 0.001 keeps 1.0 inside the last one.
    return image.mul(largest_value(dtype) + 1.0 - 1e-3).to(dtype)


def normalize(
    image: torch.Tensor, mean: Sequence[float], std: Sequence[float], inplace: bool
) -> torch.Tensor:
    """Return ``(image - mean) / std``, channel by channel."""
    if not image.is_floating_point():
        raise TypeError(f"Input tensor should be a float tensor. Got {image.dtype}.")
    if image.ndim < 3:
        raise ValueError(
            "Expected tensor to be a tensor image of size (..., C, H, W). "
            f"Got tensor.size() = {image.size()}"
        )
    offset, scale = (_per_channel(values, image) for values in (mean, std))
    if (scale == 0).any():
        raise ValueError(
            f"std evaluated to zero after conversion to {image.dtype}, leading to division by zero."
        )
    if inplace:
        return image.sub_(offset).div_(scale)
    return image.sub(offset).div_(scale)


def _per_channel(values: Sequence[float], image: torch.Tensor) -> torch.Tensor:
    result = torch.as_tensor(values, dtype=image.dtype, device=image.device)
    return result.view(-1, 1, 1) if result.ndim == 1 else result


def crop(image: torch.Tensor, top: int, left: int, height: int, width: int) -> torch.Tensor:
    """Cut a rectangle out; what lies outside the image is 0."""
    check_image(image)
    bottom, right = top + height, left + width
    inside = image[..., max(top, 0) : max(bottom, 0), max(left, 0) : max(right, 0)]
    h, w = image.shape[-2:]
    if left >= 0 and top >= 0 and right <= w and bottom <= h:
        return inside
    missing = [
        max(min(right, 0) - left, 0),
        max(right - max(w, left), 0),
        max(min(bottom, 0) - top, 0),
        max(bottom - max(h, top), 0),
    ]
    return F.pad(inside, missing, mode="constant", value=0.0)


def _symmetric_index(size: int, before: int, after: int) -> torch.Tensor:
    """Positions to read so that the edge is mirrored, the outermost pixel included."""
    places = torch.arange(-before, size + after) % (2 * size)
    return torch.where(places < size, places, 2 * size - 1 - places)


def pad(
    image: torch.Tensor, sides: tuple[int, int, int, int], fill: float, mode: str
) -> torch.Tensor:
    """Add (left, top, right, bottom) pixels; negative numbers crop."""
    check_image(image)
    left, top, right, bottom = sides
    if mode == "symmetric":
        if min(sides) < 0:
            raise NotImplementedError(
                "padding_mode='symmetric' takes no negative padding; crop first"
            )
        rows = _symmetric_index(image.shape[-2], top, bottom)
        columns = _symmetric_index(image.shape[-1], left, right)
        return image[..., rows[:, None], columns[None, :]]
    order = [left, right, top, bottom]
    if mode == "constant":
        return F.pad(image, order, mode="constant", value=float(fill))
    kind = {"edge": "replicate", "reflect": "reflect"}[mode]
    return _from_batch(F.pad(_to_batch(image, _FLOATS), order, mode=kind), image)


def _to_batch(image: torch.Tensor, dtypes: Sequence[torch.dtype]) -> torch.Tensor:
    """The image as (N, C, H, W) in a floating-point dtype."""
    batch = image if image.ndim >= 4 else image.reshape(1, *(1,) * (3 - image.ndim), *image.shape)
    return batch if batch.dtype in dtypes else batch.to(torch.float32)


def _from_batch(batch: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    """Undo ``_to_batch``, rounding to integers where the image had them."""
    if batch.dtype != like.dtype:
        if not like.is_floating_point():
            batch = torch.round(batch)
        batch = batch.to(like.dtype)
    return batch.reshape(*like.shape[:-2], *batch.shape[-2:])


def resize(
    image: torch.Tensor, size: list[int], interpolation: str, antialias: bool
) -> torch.Tensor:
    """Resize to (height, width)."""
    check_image(image)
    smooth = interpolation in ("bilinear", "bicubic")
    if not smooth and interpolation not in ("nearest", "nearest-exact"):
        raise ValueError(
            f"This interpolation mode is unsupported with Tensor input: {interpolation}"
        )
    batch = F.interpolate(
        _to_batch(image, _FLOATS),
        size=size,
        mode=interpolation,
        align_corners=False if smooth else None,
        antialias=antialias and smooth,
    )
    if interpolation == "bicubic" and not image.is_floating_point():
        batch = batch.clamp(min=0, max=largest_value(image.dtype))
    return _from_batch(batch, image)


def affine(
    image: torch.Tensor,
    matrix: list[float],
    size: tuple[int, int],
    interpolation: str,
    fill: Sequence[float] | None,
) -> torch.Tensor:
    """Fetch each output pixel from where ``matrix`` (2x3, about the centre, in pixels) sends it."""
    if interpolation not in ("nearest", "bilinear"):
        raise ValueError(
            f"This interpolation mode is unsupported with Tensor input: {interpolation}"
        )
    batch = _to_batch(image, _FLOATS)
    grid = _affine_grid(matrix, image.shape[-2:], size, batch.dtype).to(batch.device)
    grid = grid.expand(batch.shape[0], *grid.shape[1:])
    if fill is not None:  # one more channel tells which pixels came from inside the image
        batch = torch.cat([batch, torch.ones_like(batch[:, :1])], dim=1)
    result = F.grid_sample(
        batch, grid, mode=interpolation, padding_mode="zeros", align_corners=False
    )
    if fill is not None:
        result = _fill_outside(result[:, :-1], result[:, -1:], fill, interpolation)
    return _from_batch(result, image)


def _affine_grid(
    matrix: list[float], source: Sequence[int], size: tuple[int, int], dtype: torch.dtype
) -> torch.Tensor:
    """Where to read in the source, as grid_sample wants it: (1, H, W, 2) in -1..1."""
    (height, width), (rows, columns) = source, size
    x = torch.linspace(-columns * 0.5 + 0.5, columns * 0.5 - 0.5, columns, dtype=dtype)
    y = torch.linspace(-rows * 0.5 + 0.5, rows * 0.5 - 0.5, rows, dtype=dtype)
    x, y = x.expand(rows, columns), y.unsqueeze(-1).expand(rows, columns)
    a, b, c, d, e, f = matrix
    return torch.stack(
        [(a * x + b * y + c) / (0.5 * width), (d * x + e * y + f) / (0.5 * height)], dim=-1
    ).unsqueeze(0)


def _fill_outside(
    values: torch.Tensor, inside: torch.Tensor, fill: Sequence[float], interpolation: str
) -> torch.Tensor:
    colour = torch.tensor(fill, dtype=values.dtype, device=values.device).view(1, -1, 1, 1)
    colour = colour.expand_as(values)
    if interpolation == "nearest":
        return torch.where(inside < 0.5, colour, values)
    return values * inside + (1.0 - inside) * colour


def grayscale(image: torch.Tensor, channels: int = 1) -> torch.Tensor:
    """Weigh red, green and blue as ITU-R 601 does, and repeat the result ``channels`` times."""
    check_image(image)
    found = check_channels(image, [1, 3])
    if channels not in (1, 3):
        raise ValueError("num_output_channels should be either 1 or 3")
    grey = image
    if found == 3:
        red, green, blue = image.unbind(dim=-3)
        grey = (0.2989 * red + 0.587 * green + 0.114 * blue).to(image.dtype).unsqueeze(dim=-3)
    return grey.expand(*image.shape[:-3], 3, *image.shape[-2:]) if channels == 3 else grey.clone()


def blend(image: torch.Tensor, other: torch.Tensor, ratio: float) -> torch.Tensor:
    """Mix: ``ratio`` of ``image`` and the rest of ``other``, kept within the dtype's range."""
    mixed = float(ratio) * image + (1.0 - float(ratio)) * other
    return mixed.clamp(0, largest_value(image.dtype)).to(image.dtype)


def adjust_brightness(image: torch.Tensor, factor: float) -> torch.Tensor:
    """0 gives black, 1 the image itself."""
    check_image(image)
    check_channels(image, [1, 3])
    return blend(image, torch.zeros_like(image), factor)


def adjust_contrast(image: torch.Tensor, factor: float) -> torch.Tensor:
    """0 gives the mean grey, 1 the image itself."""
    grey = grayscale(image)
    work = grey if image.is_floating_point() else grey.to(torch.float32)
    return blend(image, work.mean(dim=(-3, -2, -1), keepdim=True), factor)


def adjust_saturation(image: torch.Tensor, factor: float) -> torch.Tensor:
    """0 gives a grey image, 1 the image itself."""
    check_image(image)
    if check_channels(image, [1, 3]) == 1:
        return image
    return blend(image, grayscale(image), factor)


def adjust_gamma(image: torch.Tensor, gamma: float, gain: float) -> torch.Tensor:
    """Return ``gain * image ** gamma`` on the scale 0..1."""
    check_image(image)
    work = image if image.is_floating_point() else convert_dtype(image, torch.float32)
    return convert_dtype((gain * work**gamma).clamp(0, 1), image.dtype)


def adjust_hue(image: torch.Tensor, factor: float) -> torch.Tensor:
    """Turn the colour circle by ``factor`` of a full turn."""
    check_image(image)
    if check_channels(image, [1, 3]) == 1:
        return image
    work = convert_dtype(image, torch.float32)
    hue, saturation, value = _to_hsv(work)
    return convert_dtype(_from_hsv((hue + factor) % 1.0, saturation, value), image.dtype)


def _to_hsv(image: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Hue, saturation and value, each (..., H, W) in 0..1."""
    red, green, blue = image.unbind(dim=-3)
    value, least = image.amax(dim=-3), image.amin(dim=-3)
    spread = value - least
    grey = spread == 0
    safe = torch.where(grey, torch.ones_like(spread), spread)  # no 0 / 0 at grey pixels
    from_red = (green - blue) / safe
    from_green = 2.0 + (blue - red) / safe
    from_blue = 4.0 + (red - green) / safe
    sixth = torch.where(value == green, from_green, from_blue)
    sixth = torch.where(value == red, from_red, sixth)
    hue = torch.where(grey, torch.zeros_like(sixth), (sixth / 6.0 + 1.0) % 1.0)
    saturation = spread / torch.where(grey, torch.ones_like(value), value)
    return hue, saturation, value


def _from_hsv(hue: torch.Tensor, saturation: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
    """Red, green, blue (..., 3, H, W): each falls from ``value`` by its distance on the circle."""
    channels = []
    for offset in (5.0, 3.0, 1.0):
        place = (hue * 6.0 + offset) % 6.0
        fall = torch.minimum(place, 4.0 - place).clamp(0.0, 1.0)
        channels.append(value - value * saturation * fall)
    return torch.stack(channels, dim=-3)


def _gaussian(size: int, sigma: float, like: torch.Tensor) -> torch.Tensor:
    """Weights (size,) of a bell curve in the middle of ``size`` pixels; their sum is 1."""
    x = torch.linspace(-(size - 1) * 0.5, (size - 1) * 0.5, size, dtype=like.dtype)
    weights = torch.exp(-0.5 * (x / sigma).pow(2))
    return (weights / weights.sum()).to(like.device)


def gaussian_blur(
    image: torch.Tensor, kernel_size: Sequence[int], sigma: Sequence[float]
) -> torch.Tensor:
    """Average each pixel with its neighbours; edges are mirrored. Sizes and sigmas are (x, y)."""
    check_image(image)
    batch = _to_batch(image, _FLOATS)
    across, down = (_gaussian(size, s, batch) for size, s in zip(kernel_size, sigma, strict=True))
    channels = batch.shape[-3]
    kernel = (down[:, None] * across[None, :]).expand(channels, 1, -1, -1)
    x, y = kernel_size[0] // 2, kernel_size[1] // 2
    padded = F.pad(batch, [x, x, y, y], mode="reflect")
    return _from_batch(F.conv2d(padded, kernel, groups=channels), image)


def erase(
    image: torch.Tensor,
    top: int,
    left: int,
    height: int,
    width: int,
    value: torch.Tensor,
    inplace: bool,
) -> torch.Tensor:
    """Write ``value`` over a rectangle."""
    check_image(image)
    image = image if inplace else image.clone()
    image[..., top : top + height, left : left + width] = value
    return image


def corner_extent(matrix: list[float], width: int, height: int) -> tuple[int, int]:
    """Width and height of the box that holds the image once ``matrix`` has turned it."""
    xs, ys = [], []
    for x in (-0.5 * width, 0.5 * width):
        for y in (-0.5 * height, 0.5 * height):
            xs.append(matrix[0] * x + matrix[1] * y + matrix[2] + 0.5 * width)
            ys.append(matrix[3] * x + matrix[4] * y + matrix[5] + 0.5 * height)
    (left, right), (top, bottom) = (_whole_span(values) for values in (xs, ys))
    return right - left, bottom - top


def _whole_span(values: list[float]) -> tuple[int, int]:
    """Whole numbers around the values; what is beyond the fourth decimal adds no row of nothing."""
    low, high = (math.trunc(round(v * 1e4, 5)) / 1e4 for v in (min(values), max(values)))
    return math.floor(low), math.ceil(high)
