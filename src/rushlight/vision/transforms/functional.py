"""Transforms as functions, on Pillow images and on tensors (..., C, H, W)."""

import math
from collections.abc import Sequence
from enum import Enum
from typing import Any

import numpy as np

from rushlight import _api as torch
from rushlight.vision._pillow import image_module, is_pil_image
from rushlight.vision.transforms import _pil, _tensor

Image = Any  # a Pillow image or a tensor


class InterpolationMode(Enum):
    """How ``resize``, ``rotate`` and ``affine`` find values between pixels.

    Tensors take NEAREST, NEAREST_EXACT, BILINEAR and (``resize`` only) BICUBIC; Pillow images also
    the others.

    >>> vision.transforms.InterpolationMode.BILINEAR.value
    'bilinear'
    """

    NEAREST = "nearest"
    NEAREST_EXACT = "nearest-exact"
    BILINEAR = "bilinear"
    BICUBIC = "bicubic"
    BOX = "box"
    HAMMING = "hamming"
    LANCZOS = "lanczos"


_BY_PILLOW_NUMBER = {
    0: InterpolationMode.NEAREST,
    1: InterpolationMode.LANCZOS,
    2: InterpolationMode.BILINEAR,
    3: InterpolationMode.BICUBIC,
    4: InterpolationMode.BOX,
    5: InterpolationMode.HAMMING,
}


def as_interpolation(value: InterpolationMode | int) -> InterpolationMode:
    """Return the mode; Pillow's numbers mean Pillow's modes.

    >>> from rushlight.vision.transforms import functional as F
    >>> F.as_interpolation(2).value
    'bilinear'
    """
    if isinstance(value, int):
        value = _BY_PILLOW_NUMBER[value]
    if not isinstance(value, InterpolationMode):
        raise TypeError(
            "Argument interpolation should be a InterpolationMode or "
            "a corresponding Pillow integer constant"
        )
    return value


def _check_pil(image: Any) -> None:
    if not is_pil_image(image):
        raise TypeError(f"img should be PIL Image. Got {type(image)}")


def get_dimensions(img: Image) -> list[int]:
    """Return [channels, height, width].

    >>> from rushlight.vision.transforms import functional as F
    >>> F.get_dimensions(torch.rand(3, 4, 8))
    [3, 4, 8]
    """
    if isinstance(img, torch.Tensor):
        _tensor.check_image(img)
        return [img.shape[-3] if img.ndim > 2 else 1, *img.shape[-2:]]
    if not is_pil_image(img):
        raise TypeError(f"Unexpected type {type(img)}")
    return [len(img.getbands()), img.height, img.width]


def get_image_size(img: Image) -> list[int]:
    """Return [width, height].

    >>> from rushlight.vision.transforms import functional as F
    >>> F.get_image_size(torch.rand(3, 4, 8))
    [8, 4]
    """
    return get_dimensions(img)[:0:-1]


def get_image_num_channels(img: Image) -> int:
    """Return the number of channels.

    >>> from rushlight.vision.transforms import functional as F
    >>> F.get_image_num_channels(torch.rand(3, 4, 8))
    3
    """
    return get_dimensions(img)[0]


# --- conversions ----------------------------------------------------------------------------------

_MODE_DTYPES = {"I": np.int32, "I;16": np.int16, "F": np.float32}


def to_tensor(pic: Any) -> torch.Tensor:
    """to_tensor(pic) -> Tensor

    Make a tensor (C, H, W) of a Pillow image or an array (H, W) or (H, W, C); uint8 becomes 0..1
    floats.

    >>> vision.transforms.functional.to_tensor(numpy.full((2, 2), 255, numpy.uint8))
    tensor([[[1., 1.],
             [1., 1.]]])
    """
    if isinstance(pic, np.ndarray):
        if pic.ndim not in {2, 3}:
            raise ValueError(f"pic should be 2/3 dimensional. Got {pic.ndim} dimensions.")
        pixels = pic[:, :, None] if pic.ndim == 2 else pic
    elif is_pil_image(pic):
        pixels = np.array(pic, _MODE_DTYPES.get(pic.mode, np.uint8))
        if pic.mode == "1":
            pixels = 255 * pixels
        pixels = pixels.reshape(pic.height, pic.width, len(pic.getbands()))
    else:
        raise TypeError(f"pic should be PIL Image or ndarray. Got {type(pic)}")
    image = torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1)))
    if image.dtype == torch.uint8:
        return image.to(dtype=torch.get_default_dtype()).div(255)
    return image


def pil_to_tensor(pic: Any) -> torch.Tensor:
    """Make a tensor (C, H, W) of a Pillow image, its numbers unchanged.

    >>> from rushlight.vision.transforms import functional as F
    >>> from PIL import Image
    >>> F.pil_to_tensor(Image.new('L', (2, 1), 9))
    tensor([[[9, 9]]], dtype=torch.uint8)
    """
    if not is_pil_image(pic):
        raise TypeError(f"pic should be PIL Image. Got {type(pic)}")
    pixels = np.array(pic).reshape(pic.height, pic.width, len(pic.getbands()))
    return torch.as_tensor(pixels).permute(2, 0, 1)


def convert_image_dtype(image: torch.Tensor, dtype: Any = torch.float) -> torch.Tensor:
    """Convert a tensor to ``dtype``, scaled so that white (1.0, 255, ...) stays white.

    >>> from rushlight.vision.transforms import functional as F
    >>> F.convert_image_dtype(torch.tensor([[[0, 255]]], dtype=torch.uint8))
    tensor([[[0., 1.]]])
    """
    if not isinstance(image, torch.Tensor):
        raise TypeError("Input img should be Tensor Image")
    return _tensor.convert_dtype(image, dtype)


# What one channel of each NumPy type is, and what a number of uint8 channels may be (default
# first).
_GREY_MODES = {"uint8": "L", "int16": "I;16", "int32": "I", "float32": "F"}
_COLOUR_MODES = {2: ["LA"], 3: ["RGB", "YCbCr", "HSV"], 4: ["RGBA", "CMYK", "RGBX"]}


def _pic_array(pic: Any, mode: str | None) -> np.ndarray:
    """The picture as an array (H, W, C)."""
    if isinstance(pic, torch.Tensor):
        if pic.ndim not in {2, 3}:
            raise ValueError(f"pic should be 2/3 dimensional. Got {pic.ndim} dimensions.")
        if pic.ndim == 2:
            pic = pic.unsqueeze(0)
        if pic.shape[0] > 4:
            raise ValueError(f"pic should not have > 4 channels. Got {pic.shape[0]} channels.")
        if pic.is_floating_point() and mode != "F":
            pic = pic.mul(255).byte()
        return pic.detach().cpu().permute(1, 2, 0).numpy()
    if not isinstance(pic, np.ndarray):
        raise TypeError(f"pic should be Tensor or ndarray. Got {type(pic)}.")
    if pic.ndim not in {2, 3}:
        raise ValueError(f"pic should be 2/3 dimensional. Got {pic.ndim} dimensions.")
    if pic.ndim == 2:
        pic = pic[:, :, None]
    if pic.shape[-1] > 4:
        raise ValueError(f"pic should not have > 4 channels. Got {pic.shape[-1]} channels.")
    return pic


def to_pil_image(pic: Any, mode: str | None = None) -> Any:
    """Make a Pillow image of a tensor (C, H, W) or an array (H, W, C); 0..1 becomes 0..255.

    >>> from rushlight.vision.transforms import functional as F
    >>> F.to_pil_image(torch.rand(3, 4, 8)).size
    (8, 4)
    """
    pixels = _pic_array(pic, mode)
    channels = pixels.shape[2]
    module = image_module("to_pil_image")
    if channels == 1:
        expected = _GREY_MODES.get(pixels.dtype.name)
        if expected is None:
            raise TypeError(f"Input type {pixels.dtype} is not supported")
        if mode is not None and mode != expected:
            raise ValueError(
                f"Incorrect mode ({mode}) supplied for input type {pixels.dtype.type}. "
                f"Should be {expected}"
            )
        return module.fromarray(np.ascontiguousarray(pixels[:, :, 0]))
    if pixels.dtype != np.uint8:
        raise TypeError(f"Input type {pixels.dtype} is not supported")
    permitted = _COLOUR_MODES[channels]
    if mode is not None and mode not in permitted:
        raise ValueError(f"Only modes {permitted} are supported for {channels}D inputs")
    size = (pixels.shape[1], pixels.shape[0])
    return module.frombytes(mode or permitted[0], size, np.ascontiguousarray(pixels).tobytes())


def normalize(
    tensor: torch.Tensor, mean: Sequence[float], std: Sequence[float], inplace: bool = False
) -> torch.Tensor:
    """Return ``(tensor - mean) / std`` with one mean and one deviation per channel.

    >>> from rushlight.vision.transforms import functional as F
    >>> F.normalize(torch.tensor([[[0.0, 1.0]]]), mean=[0.5], std=[0.5])
    tensor([[[-1.,  1.]]])
    """
    if not isinstance(tensor, torch.Tensor):
        raise TypeError(f"img should be Tensor Image. Got {type(tensor)}")
    return _tensor.normalize(tensor, mean, std, inplace)


# --- size and place -------------------------------------------------------------------------------


def _resized(dimensions: Sequence[int], size: int, max_size: int | None) -> list[int]:
    """[height, width]: the smaller is ``size``, the greater one at most ``max_size``."""
    height, width = dimensions
    short, long = min(height, width), max(height, width)
    new_short, new_long = size, int(size * long / short)
    if max_size is not None:
        if max_size <= size:
            raise ValueError(
                f"max_size = {max_size} must be strictly greater than the requested size "
                f"for the smaller edge size = {size}"
            )
        if new_long > max_size:
            new_short, new_long = int(max_size * new_short / new_long), max_size
    return [new_long, new_short] if width <= height else [new_short, new_long]


def resize(
    img: Image,
    size: int | Sequence[int],
    interpolation: InterpolationMode | int = InterpolationMode.BILINEAR,
    max_size: int | None = None,
    antialias: bool | None = True,
) -> Image:
    """Resize to ``size`` (height, width); one number is the length of the smaller edge.

    ``antialias`` matters to tensors only: Pillow always smooths what it shrinks.

    >>> from rushlight.vision.transforms import functional as F
    >>> F.resize(torch.rand(3, 8, 16), [4, 4]).shape
    torch.Size([3, 4, 4])
    """
    mode = as_interpolation(interpolation)
    sizes = [size] if isinstance(size, int) else list(size)
    if len(sizes) not in (1, 2):
        raise ValueError(
            "Size must be an int or a 1 or 2 element tuple/list, "
            f"not a {len(sizes)} element tuple/list"
        )
    if max_size is not None and len(sizes) != 1:
        raise ValueError(
            "max_size should only be passed if size specifies the length of the smaller edge, "
            "i.e. size should be an int or a sequence of length 1 in torchscript mode."
        )
    dimensions = get_dimensions(img)[1:]
    target = _resized(dimensions, sizes[0], max_size) if len(sizes) == 1 else sizes
    if target == dimensions:
        return img
    if isinstance(img, torch.Tensor):
        return _tensor.resize(img, target, mode.value, bool(antialias))
    return _pil.resize(img, target, mode.value)


def _four_sides(padding: int | Sequence[int]) -> tuple[int, int, int, int]:
    """(left, top, right, bottom)."""
    if isinstance(padding, int):
        return (padding,) * 4
    if not isinstance(padding, (tuple, list)):
        raise TypeError("Got inappropriate padding arg")
    match tuple(padding):
        case (every,):
            return (every,) * 4
        case (across, down):
            return (across, down, across, down)
        case (left, top, right, bottom):
            return (left, top, right, bottom)
    raise ValueError(
        f"Padding must be an int or a 1, 2, or 4 element tuple, not a {len(padding)} element tuple"
    )


def pad(
    img: Image, padding: int | Sequence[int], fill: Any = 0, padding_mode: str = "constant"
) -> Image:
    """Add pixels at the sides: all, (left-right, top-bottom) or (left, top, right, bottom).

    ``padding_mode`` is ``constant`` (of ``fill``), ``edge``, ``reflect`` or ``symmetric``.

    >>> from rushlight.vision.transforms import functional as F
    >>> F.pad(torch.ones(1, 1, 2), [1, 0])
    tensor([[[0., 1., 1., 0.]]])
    >>> F.pad(torch.tensor([[[1.0, 2.0, 3.0]]]), [2, 0], padding_mode='reflect')
    tensor([[[3., 2., 1., 2., 3., 2., 1.]]])
    """
    sides = _four_sides(padding)
    if padding_mode not in ("constant", "edge", "reflect", "symmetric"):
        raise ValueError("Padding mode should be either constant, edge, reflect or symmetric")
    if isinstance(img, torch.Tensor):
        if isinstance(fill, (tuple, list)):
            if len(fill) != 1:
                raise ValueError("a tensor is padded with one number; give fill as a single value")
            fill = fill[0]
        return _tensor.pad(img, sides, 0 if fill is None else fill, padding_mode)
    _check_pil(img)
    return _pil.pad(img, sides, fill, padding_mode)


def crop(img: Image, top: int, left: int, height: int, width: int) -> Image:
    """Cut a rectangle out; what of it lies outside the image is 0.

    >>> from rushlight.vision.transforms import functional as F
    >>> F.crop(torch.arange(9.0).view(1, 3, 3), top=1, left=1, height=2, width=2)
    tensor([[[4., 5.],
             [7., 8.]]])
    """
    if isinstance(img, torch.Tensor):
        return _tensor.crop(img, top, left, height, width)
    _check_pil(img)
    return _pil.crop(img, top, left, height, width)


def _pair(size: int | float | Sequence[int]) -> tuple[int, int]:
    if isinstance(size, (int, float)):
        return int(size), int(size)
    return (size[0], size[0]) if len(size) == 1 else (size[0], size[1])


def center_crop(img: Image, output_size: int | Sequence[int]) -> Image:
    """Cut (height, width) out of the middle, after padding with 0 where the image is smaller.

    >>> from rushlight.vision.transforms import functional as F
    >>> F.center_crop(torch.arange(16.0).view(1, 4, 4), 2)
    tensor([[[ 5.,  6.],
             [ 9., 10.]]])
    """
    height, width = _pair(output_size)
    _, rows, columns = get_dimensions(img)
    if width > columns or height > rows:
        across, down = max(width - columns, 0), max(height - rows, 0)
        img = pad(img, [across // 2, down // 2, (across + 1) // 2, (down + 1) // 2], fill=0)
        _, rows, columns = get_dimensions(img)
        if (width, height) == (columns, rows):
            return img
    return crop(img, round((rows - height) / 2.0), round((columns - width) / 2.0), height, width)


def resized_crop(
    img: Image,
    top: int,
    left: int,
    height: int,
    width: int,
    size: int | Sequence[int],
    interpolation: InterpolationMode | int = InterpolationMode.BILINEAR,
    antialias: bool | None = True,
) -> Image:
    """Cut a rectangle out and resize it.

    >>> from rushlight.vision.transforms import functional as F
    >>> F.resized_crop(torch.rand(3, 8, 8), 0, 0, 4, 4, [2, 2]).shape
    torch.Size([3, 2, 2])
    """
    return resize(crop(img, top, left, height, width), size, interpolation, antialias=antialias)


def five_crop(img: Image, size: int | Sequence[int]) -> tuple[Image, ...]:
    """Return the four corners and the middle, each of ``size``.

    >>> from rushlight.vision.transforms import functional as F
    >>> [tuple(x.shape) for x in F.five_crop(torch.rand(3, 5, 5), 2)][:2]
    [(3, 2, 2), (3, 2, 2)]
    """
    height, width = _pair(size)
    _, rows, columns = get_dimensions(img)
    if width > columns or height > rows:
        raise ValueError(f"Requested crop size {size} is bigger than input size {(rows, columns)}")
    corners = [(top, left) for top in (0, rows - height) for left in (0, columns - width)]
    cut = [crop(img, top, left, height, width) for top, left in corners]
    return (*cut, center_crop(img, [height, width]))


def hflip(img: Image) -> Image:
    """Mirror left and right.

    >>> from rushlight.vision.transforms import functional as F
    >>> F.hflip(torch.tensor([[[1.0, 2.0]]]))
    tensor([[[2., 1.]]])
    """
    if isinstance(img, torch.Tensor):
        _tensor.check_image(img)
        return img.flip(-1)
    _check_pil(img)
    return _pil.flip(img, horizontally=True)


def vflip(img: Image) -> Image:
    """Mirror top and bottom.

    >>> from rushlight.vision.transforms import functional as F
    >>> F.vflip(torch.tensor([[[1.0], [2.0]]]))
    tensor([[[2.],
             [1.]]])
    """
    if isinstance(img, torch.Tensor):
        _tensor.check_image(img)
        return img.flip(-2)
    _check_pil(img)
    return _pil.flip(img, horizontally=False)


def _inverse_affine(
    center: Sequence[float],
    angle: float,
    translate: Sequence[float],
    scale: float,
    shear: Sequence[float],
) -> list[float]:
    """The 2x3 matrix from an output pixel to the input pixel it shows.

    The forward map turns, shears and scales about ``center``, then moves by ``translate``.
    """
    turn, shear_x, shear_y = (math.radians(v) for v in (angle, *shear))
    (cx, cy), (tx, ty) = center, translate
    a = math.cos(turn - shear_y) / math.cos(shear_y)
    b = -a * math.tan(shear_x) - math.sin(turn)
    c = math.sin(turn - shear_y) / math.cos(shear_y)
    d = -c * math.tan(shear_x) + math.cos(turn)
    xx, xy, yx, yy = d / scale, -b / scale, -c / scale, a / scale  # det of (a b; c d) is 1
    x0, y0 = -cx - tx, -cy - ty
    return [xx, xy, xx * x0 + xy * y0 + cx, yx, yy, yx * x0 + yy * y0 + cy]


def _per_channel(fill: Any, channels: int) -> list[float] | None:
    if fill is None:
        return None
    values = [float(v) for v in fill] if isinstance(fill, (tuple, list)) else [float(fill)]
    return values * channels if len(values) == 1 else values


def _from_middle(center: Sequence[float] | None, width: int, height: int) -> list[float]:
    return [0.0, 0.0] if center is None else [center[0] - width * 0.5, center[1] - height * 0.5]


def rotate(
    img: Image,
    angle: float,
    interpolation: InterpolationMode | int = InterpolationMode.NEAREST,
    expand: bool = False,
    center: Sequence[float] | None = None,
    fill: Any = None,
) -> Image:
    """Turn counter-clockwise by ``angle`` degrees about ``center`` (x, y), by default the middle.

    ``expand`` makes the result large enough to hold all of the image; ``fill`` colours what is
    outside it.

    >>> from rushlight.vision.transforms import functional as F
    >>> F.rotate(torch.tensor([[[1.0, 2.0], [3.0, 4.0]]]), 90)
    tensor([[[2., 4.],
             [1., 3.]]])
    """
    mode = as_interpolation(interpolation).value
    if center is not None and not isinstance(center, (list, tuple)):
        raise TypeError("Argument center should be a sequence")
    if not isinstance(img, torch.Tensor):
        _check_pil(img)
        return _pil.rotate(img, angle, mode, expand, center, fill)
    channels, height, width = get_dimensions(img)
    middle = _from_middle(center, width, height)
    matrix = _inverse_affine(middle, -angle, (0.0, 0.0), 1.0, (0.0, 0.0))
    size = _tensor.corner_extent(matrix, width, height)[::-1] if expand else (height, width)
    return _tensor.affine(img, matrix, size, mode, _per_channel(fill, channels))


def affine(
    img: Image,
    angle: float,
    translate: Sequence[int],
    scale: float,
    shear: float | Sequence[float],
    interpolation: InterpolationMode | int = InterpolationMode.NEAREST,
    fill: Any = None,
    center: Sequence[float] | None = None,
) -> Image:
    """Turn clockwise by ``angle`` degrees, then shear (x, y degrees), scale and move (x, y).

    >>> from rushlight.vision.transforms import functional as F
    >>> x = torch.tensor([[[1.0, 2.0, 3.0]]])
    >>> F.affine(x, angle=0.0, translate=[1, 0], scale=1.0, shear=[0.0])
    tensor([[[0., 1., 2.]]])
    """
    if not isinstance(angle, (int, float)):
        raise TypeError("Argument angle should be int or float")
    if not isinstance(translate, (list, tuple)):
        raise TypeError("Argument translate should be a sequence")
    if len(translate) != 2:
        raise ValueError("Argument translate should be a sequence of length 2")
    if scale <= 0.0:
        raise ValueError("Argument scale should be positive")
    shears = [shear, 0.0] if isinstance(shear, (int, float)) else list(shear)
    shears = shears * 2 if len(shears) == 1 else shears
    if len(shears) != 2:
        raise ValueError(f"Shear should be a sequence containing two values. Got {shear}")
    mode = as_interpolation(interpolation).value
    channels, height, width = get_dimensions(img)
    if isinstance(img, torch.Tensor):
        middle = _from_middle(center, width, height)
        matrix = _inverse_affine(middle, angle, translate, scale, shears)
        return _tensor.affine(img, matrix, (height, width), mode, _per_channel(fill, channels))
    about = [width * 0.5, height * 0.5] if center is None else center
    return _pil.affine(img, _inverse_affine(about, angle, translate, scale, shears), mode, fill)


# --- colour ---------------------------------------------------------------------------------------


def rgb_to_grayscale(img: Image, num_output_channels: int = 1) -> Image:
    """Make a colour image grey, with one or three channels.

    >>> from rushlight.vision.transforms import functional as F
    >>> F.rgb_to_grayscale(torch.ones(3, 1, 2))
    tensor([[[0.9999, 0.9999]]])
    """
    if isinstance(img, torch.Tensor):
        return _tensor.grayscale(img, num_output_channels)
    return to_grayscale(img, num_output_channels)


def to_grayscale(img: Any, num_output_channels: int = 1) -> Any:
    """Make a Pillow image grey, with one or three channels.

    >>> from rushlight.vision.transforms import functional as F
    >>> from PIL import Image
    >>> F.to_grayscale(Image.new('RGB', (2, 1))).mode
    'L'
    """
    _check_pil(img)
    return _pil.grayscale(img, num_output_channels)


def _colour_operations(img: Image, factor: float, name: str) -> Any:
    """The room that knows this kind of image."""
    if factor < 0 and name != "hue":
        raise ValueError(f"{name}_factor ({factor}) is not non-negative.")
    if isinstance(img, torch.Tensor):
        return _tensor
    _check_pil(img)
    return _pil


def adjust_brightness(img: Image, brightness_factor: float) -> Image:
    """Scale all values: 0 gives black, 1 the image itself, 2 twice as bright.

    >>> from rushlight.vision.transforms import functional as F
    >>> F.adjust_brightness(torch.full((3, 1, 1), 0.25), 2.0).flatten()
    tensor([0.5000, 0.5000, 0.5000])
    """
    room = _colour_operations(img, brightness_factor, "brightness")
    return room.adjust_brightness(img, brightness_factor)


def adjust_contrast(img: Image, contrast_factor: float) -> Image:
    """Move values away from their mean: 0 gives plain grey, 1 the image itself.

    >>> from rushlight.vision.transforms import functional as F
    >>> F.adjust_contrast(torch.tensor([[[0.2, 0.6]]]), 0.5)
    tensor([[[0.3000, 0.5000]]])
    """
    return _colour_operations(img, contrast_factor, "contrast").adjust_contrast(
        img, contrast_factor
    )


def adjust_saturation(img: Image, saturation_factor: float) -> Image:
    """Move colours away from grey: 0 gives a grey image, 1 the image itself.

    >>> from rushlight.vision.transforms import functional as F
    >>> red = torch.tensor([1.0, 0.0, 0.0]).view(3, 1, 1)
    >>> F.adjust_saturation(red, 0.0).flatten()
    tensor([0.2989, 0.2989, 0.2989])
    """
    room = _colour_operations(img, saturation_factor, "saturation")
    return room.adjust_saturation(img, saturation_factor)


def adjust_hue(img: Image, hue_factor: float) -> Image:
    """Turn the colour circle by ``hue_factor`` (-0.5 to 0.5) of a full turn.

    >>> from rushlight.vision.transforms import functional as F
    >>> red = torch.tensor([1.0, 0.0, 0.0]).view(3, 1, 1)
    >>> F.adjust_hue(red, 0.5).flatten()
    tensor([0., 1., 1.])
    """
    if not -0.5 <= hue_factor <= 0.5:
        raise ValueError(f"hue_factor ({hue_factor}) is not in [-0.5, 0.5].")
    return _colour_operations(img, hue_factor, "hue").adjust_hue(img, hue_factor)


def adjust_gamma(img: Image, gamma: float, gain: float = 1) -> Image:
    """Return ``gain * img ** gamma`` on the scale 0..1.

    >>> from rushlight.vision.transforms import functional as F
    >>> F.adjust_gamma(torch.tensor([[[0.25, 1.0]]]), gamma=0.5)
    tensor([[[0.5000, 1.0000]]])
    """
    if gamma < 0:
        raise ValueError("Gamma should be a non-negative real number")
    return _colour_operations(img, 1, "gamma").adjust_gamma(img, gamma, gain)


def gaussian_blur(
    img: Image, kernel_size: int | Sequence[int], sigma: float | Sequence[float] | None = None
) -> Image:
    """Blur with a bell curve: ``kernel_size`` odd pixels, deviation ``sigma``, each (x, y).

    >>> from rushlight.vision.transforms import functional as F
    >>> F.gaussian_blur(torch.ones(3, 8, 8), 3).shape
    torch.Size([3, 8, 8])
    """
    sizes = list(_pair(kernel_size))
    if any(size % 2 == 0 or size < 0 for size in sizes):
        raise ValueError(f"kernel_size should have odd and positive integers. Got {sizes}")
    if sigma is None:
        sigma = [size * 0.15 + 0.35 for size in sizes]
    sigmas = [float(sigma)] * 2 if isinstance(sigma, (int, float)) else [float(s) for s in sigma]
    sigmas = sigmas * 2 if len(sigmas) == 1 else sigmas
    if len(sigmas) != 2 or min(sigmas) <= 0.0:
        raise ValueError(f"sigma should have positive values. Got {sigmas}")
    if isinstance(img, torch.Tensor):
        return _tensor.gaussian_blur(img, sizes, sigmas)
    _check_pil(img)
    blurred = _tensor.gaussian_blur(pil_to_tensor(img), sizes, sigmas)
    return to_pil_image(blurred, mode=img.mode)


def erase(
    img: torch.Tensor, i: int, j: int, h: int, w: int, v: torch.Tensor, inplace: bool = False
) -> torch.Tensor:
    """Write ``v`` over the rectangle of ``h`` rows and ``w`` columns whose corner is (i, j).

    >>> from rushlight.vision.transforms import functional as F
    >>> F.erase(torch.ones(1, 2, 3), 0, 1, 2, 1, torch.tensor(0.0))
    tensor([[[1., 0., 1.],
             [1., 0., 1.]]])
    """
    if not isinstance(img, torch.Tensor):
        raise TypeError(f"img should be Tensor Image. Got {type(img)}")
    return _tensor.erase(img, i, j, h, w, v, inplace)
