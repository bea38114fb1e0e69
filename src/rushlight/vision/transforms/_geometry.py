"""Transforms that move pixels: resize, crop, pad, mirror, turn.

Random ones draw from torch's generator, in torchvision's order, so a seed gives the same pictures.
"""

import math
from collections.abc import Sequence
from typing import Any

from rushlight import _api as torch
from rushlight.nn import Module
from rushlight.vision.transforms import functional as F
from rushlight.vision.transforms.functional import InterpolationMode, as_interpolation


def uniform(low: float, high: float) -> float:
    """Draw one number."""
    return torch.empty(1).uniform_(float(low), float(high)).item()


def _integer(low: int, high: int) -> int:
    return int(torch.randint(low, high, size=(1,)).item())


def _size_pair(size: Any) -> tuple[int, int]:
    """(height, width); one number means a square."""
    if isinstance(size, (int, float)):
        return int(size), int(size)
    if len(size) == 1:
        return size[0], size[0]
    if len(size) != 2:
        raise ValueError("Please provide only two dimensions (h, w) for size.")
    return size


def _fills_for(img: Any, fill: Any) -> Any:
    """``fill`` as one float per channel where the image is a tensor."""
    if not isinstance(img, torch.Tensor):
        return fill
    values = fill if isinstance(fill, (tuple, list)) else [fill] * F.get_image_num_channels(img)
    return [float(value) for value in values]


def _interval(value: Any, name: str, sizes: tuple[int, ...] = (2,)) -> list[float]:
    """[-value, value], or the given bounds."""
    if isinstance(value, (int, float)):
        if value < 0:
            raise ValueError(f"If {name} is a single number, it must be positive.")
        return [-float(value), float(value)]
    if not isinstance(value, (tuple, list)):
        raise TypeError(f"{name} should be a sequence of length {' or '.join(map(str, sizes))}.")
    if len(value) not in sizes:
        raise ValueError(f"{name} should be a sequence of length {' or '.join(map(str, sizes))}.")
    return [float(v) for v in value]


class Resize(Module):
    """Resize(size, interpolation=InterpolationMode.BILINEAR, max_size=None, antialias=True)

    Resize to ``size`` (height, width); one number is the length of the smaller edge.

    >>> vision.transforms.Resize(4)(torch.rand(3, 8, 16)).shape
    torch.Size([3, 4, 8])
    """

    def __init__(
        self,
        size: int | Sequence[int],
        interpolation: InterpolationMode | int = InterpolationMode.BILINEAR,
        max_size: int | None = None,
        antialias: bool | None = True,
    ) -> None:
        super().__init__()
        if not isinstance(size, (int, Sequence)):
            raise TypeError(f"Size should be int or sequence. Got {type(size)}")
        if isinstance(size, Sequence) and len(size) not in (1, 2):
            raise ValueError("If size is a sequence, it should have 1 or 2 values")
        self.size = size
        self.max_size = max_size
        self.interpolation = as_interpolation(interpolation)
        self.antialias = antialias

    def forward(self, img: Any) -> Any:
        """Return the resized image."""
        return F.resize(img, self.size, self.interpolation, self.max_size, self.antialias)

    def __repr__(self) -> str:
        detail = (
            f"(size={self.size}, interpolation={self.interpolation.value}, "
            f"max_size={self.max_size}, antialias={self.antialias})"
        )
        return type(self).__name__ + detail


class CenterCrop(Module):
    """CenterCrop(size)

    Cut ``size`` (height, width) out of the middle, after padding with 0 where the image is smaller.

    >>> vision.transforms.CenterCrop(2)(torch.arange(16.0).view(1, 4, 4))
    tensor([[[ 5.,  6.],
             [ 9., 10.]]])
    """

    def __init__(self, size: int | Sequence[int]) -> None:
        super().__init__()
        self.size = _size_pair(size)

    def forward(self, img: Any) -> Any:
        """Return the middle of the image."""
        return F.center_crop(img, self.size)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(size={self.size})"


class FiveCrop(Module):
    """FiveCrop(size)

    Return the four corners and the middle of an image, each of ``size``.

    >>> crops = vision.transforms.FiveCrop(2)(torch.rand(3, 5, 5))
    >>> len(crops), crops[0].shape
    (5, torch.Size([3, 2, 2]))
    """

    def __init__(self, size: int | Sequence[int]) -> None:
        super().__init__()
        self.size = _size_pair(size)

    def forward(self, img: Any) -> tuple[Any, ...]:
        """Return top left, top right, bottom left, bottom right and middle."""
        return F.five_crop(img, self.size)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(size={self.size})"


class Pad(Module):
    """Pad(padding, fill=0, padding_mode="constant")

    Add pixels at the sides: all, (left-right, top-bottom) or (left, top, right, bottom).

    >>> vision.transforms.Pad((1, 0))(torch.ones(1, 1, 2))
    tensor([[[0., 1., 1., 0.]]])
    """

    def __init__(
        self, padding: int | Sequence[int], fill: Any = 0, padding_mode: str = "constant"
    ) -> None:
        super().__init__()
        if not isinstance(padding, (int, float, tuple, list)):
            raise TypeError("Got inappropriate padding arg")
        if not isinstance(fill, (int, float, str, tuple, list)):
            raise TypeError("Got inappropriate fill arg")
        if padding_mode not in ("constant", "edge", "reflect", "symmetric"):
            raise ValueError("Padding mode should be either constant, edge, reflect or symmetric")
        if isinstance(padding, Sequence) and len(padding) not in (1, 2, 4):
            raise ValueError(
                "Padding must be an int or a 1, 2, or 4 element tuple, "
                f"not a {len(padding)} element tuple"
            )
        self.padding = padding
        self.fill = fill
        self.padding_mode = padding_mode

    def forward(self, img: Any) -> Any:
        """Return the padded image."""
        return F.pad(img, self.padding, self.fill, self.padding_mode)

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(padding={self.padding}, fill={self.fill}, "
            f"padding_mode={self.padding_mode})"
        )


class RandomCrop(Module):
    """RandomCrop(size, padding=None, pad_if_needed=False, fill=0, padding_mode="constant")

    Cut ``size`` (height, width) out at a random place, after padding as ``Pad`` does.

    >>> vision.transforms.RandomCrop(4, padding=1)(torch.rand(3, 8, 8)).shape
    torch.Size([3, 4, 4])
    """

    def __init__(
        self,
        size: int | Sequence[int],
        padding: int | Sequence[int] | None = None,
        pad_if_needed: bool = False,
        fill: Any = 0,
        padding_mode: str = "constant",
    ) -> None:
        super().__init__()
        height, width = _size_pair(size)
        self.size = (height, width)
        self.padding = padding
        self.pad_if_needed = pad_if_needed
        self.fill = fill
        self.padding_mode = padding_mode

    @staticmethod
    def get_params(img: Any, output_size: tuple[int, int]) -> tuple[int, int, int, int]:
        """Draw top and left; return them with height and width."""
        _, rows, columns = F.get_dimensions(img)
        height, width = output_size
        if rows < height or columns < width:
            raise ValueError(
                f"Required crop size {(height, width)} is larger than "
                f"input image size {(rows, columns)}"
            )
        if (rows, columns) == (height, width):
            return 0, 0, rows, columns
        top = _integer(0, rows - height + 1)
        left = _integer(0, columns - width + 1)
        return top, left, height, width

    def forward(self, img: Any) -> Any:
        """Return the cut."""
        if self.padding is not None:
            img = F.pad(img, self.padding, self.fill, self.padding_mode)
        _, rows, columns = F.get_dimensions(img)
        if self.pad_if_needed and columns < self.size[1]:
            img = F.pad(img, [self.size[1] - columns, 0], self.fill, self.padding_mode)
        if self.pad_if_needed and rows < self.size[0]:
            img = F.pad(img, [0, self.size[0] - rows], self.fill, self.padding_mode)
        return F.crop(img, *self.get_params(img, self.size))

    def __repr__(self) -> str:
        return f"{type(self).__name__}(size={self.size}, padding={self.padding})"


class RandomHorizontalFlip(Module):
    """RandomHorizontalFlip(p=0.5)

    Mirror left and right with probability ``p``.

    >>> vision.transforms.RandomHorizontalFlip(p=1.0)(torch.tensor([[[1.0, 2.0]]]))
    tensor([[[2., 1.]]])
    """

    def __init__(self, p: float = 0.5) -> None:
        super().__init__()
        self.p = p

    def forward(self, img: Any) -> Any:
        """Return the image, mirrored or as it came."""
        return F.hflip(img) if torch.rand(1) < self.p else img

    def __repr__(self) -> str:
        return f"{type(self).__name__}(p={self.p})"


class RandomVerticalFlip(Module):
    """RandomVerticalFlip(p=0.5)

    Mirror top and bottom with probability ``p``.

    >>> vision.transforms.RandomVerticalFlip(p=1.0)(torch.tensor([[[1.0], [2.0]]]))
    tensor([[[2.],
             [1.]]])
    """

    def __init__(self, p: float = 0.5) -> None:
        super().__init__()
        self.p = p

    def forward(self, img: Any) -> Any:
        """Return the image, mirrored or as it came."""
        return F.vflip(img) if torch.rand(1) < self.p else img

    def __repr__(self) -> str:
        return f"{type(self).__name__}(p={self.p})"


class RandomResizedCrop(Module):
    """RandomResizedCrop(size, scale=(0.08, 1.0), ratio=(3/4, 4/3), interpolation=BILINEAR, ...)

    Cut out a rectangle of random area (``scale`` of the image's) and shape (``ratio``), and resize
    it.

    >>> vision.transforms.RandomResizedCrop(4)(torch.rand(3, 8, 8)).shape
    torch.Size([3, 4, 4])
    """

    def __init__(
        self,
        size: int | Sequence[int],
        scale: Sequence[float] = (0.08, 1.0),
        ratio: Sequence[float] = (3.0 / 4.0, 4.0 / 3.0),
        interpolation: InterpolationMode | int = InterpolationMode.BILINEAR,
        antialias: bool | None = True,
    ) -> None:
        super().__init__()
        self.size = _size_pair(size)
        if not isinstance(scale, Sequence):
            raise TypeError("Scale should be a sequence")
        if not isinstance(ratio, Sequence):
            raise TypeError("Ratio should be a sequence")
        self.interpolation = as_interpolation(interpolation)
        self.antialias = antialias
        self.scale = scale
        self.ratio = ratio

    @staticmethod
    def get_params(
        img: Any, scale: Sequence[float], ratio: Sequence[float]
    ) -> tuple[int, int, int, int]:
        """Draw top, left, height and width; after ten misses take the middle."""
        _, rows, columns = F.get_dimensions(img)
        low, high = torch.log(torch.tensor(ratio)).tolist()
        for _ in range(10):
            area = rows * columns * uniform(*scale)
            aspect = torch.exp(torch.empty(1).uniform_(low, high)).item()
            width, height = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
            if 0 < width <= columns and 0 < height <= rows:
                top = _integer(0, rows - height + 1)
                left = _integer(0, columns - width + 1)
                return top, left, height, width
        width, height = columns, rows
        if columns / rows < min(ratio):
            height = round(columns / min(ratio))
        elif columns / rows > max(ratio):
            width = round(rows * max(ratio))
        return (rows - height) // 2, (columns - width) // 2, height, width

    def forward(self, img: Any) -> Any:
        """Return the resized cut."""
        box = self.get_params(img, self.scale, self.ratio)
        return F.resized_crop(img, *box, self.size, self.interpolation, antialias=self.antialias)

    def __repr__(self) -> str:
        scale, ratio = (tuple(round(v, 4) for v in pair) for pair in (self.scale, self.ratio))
        return (
            f"{type(self).__name__}(size={self.size}, scale={scale}, ratio={ratio}, "
            f"interpolation={self.interpolation.value}, antialias={self.antialias})"
        )


class RandomRotation(Module):
    """RandomRotation(degrees, interpolation=NEAREST, expand=False, center=None, fill=0)

    Turn by a random angle out of (-degrees, degrees), or out of the two bounds given.

    >>> vision.transforms.RandomRotation((90, 90))(torch.tensor([[[1.0, 2.0], [3.0, 4.0]]]))
    tensor([[[2., 4.],
             [1., 3.]]])
    """

    def __init__(
        self,
        degrees: float | Sequence[float],
        interpolation: InterpolationMode | int = InterpolationMode.NEAREST,
        expand: bool = False,
        center: Sequence[float] | None = None,
        fill: Any = 0,
    ) -> None:
        super().__init__()
        self.degrees = _interval(degrees, "degrees")
        if center is not None and len(center) != 2:
            raise ValueError("center should be a sequence of length 2.")
        self.center = center
        self.interpolation = as_interpolation(interpolation)
        self.expand = expand
        if fill is not None and not isinstance(fill, (int, float, Sequence)):
            raise TypeError("Fill should be either a sequence or a number.")
        self.fill = 0 if fill is None else fill

    @staticmethod
    def get_params(degrees: Sequence[float]) -> float:
        """Draw the angle."""
        return uniform(degrees[0], degrees[1])

    def forward(self, img: Any) -> Any:
        """Return the turned image."""
        fill = _fills_for(img, self.fill)
        angle = self.get_params(self.degrees)
        return F.rotate(img, angle, self.interpolation, self.expand, self.center, fill)

    def __repr__(self) -> str:
        center = "" if self.center is None else f", center={self.center}"
        return (
            f"{type(self).__name__}(degrees={self.degrees}, "
            f"interpolation={self.interpolation.value}, "
            f"expand={self.expand}{center}, fill={self.fill})"
        )


class RandomAffine(Module):
    """RandomAffine(degrees, translate=None, scale=None, shear=None, interpolation=NEAREST, ...)

    Turn, move (``translate``: fractions of width and height), scale and shear by random amounts.

    >>> vision.transforms.RandomAffine(10, translate=(0.1, 0.1))(torch.rand(3, 8, 8)).shape
    torch.Size([3, 8, 8])
    """

    def __init__(
        self,
        degrees: float | Sequence[float],
        translate: Sequence[float] | None = None,
        scale: Sequence[float] | None = None,
        shear: float | Sequence[float] | None = None,
        interpolation: InterpolationMode | int = InterpolationMode.NEAREST,
        fill: Any = 0,
        center: Sequence[float] | None = None,
    ) -> None:
        super().__init__()
        self.degrees = _interval(degrees, "degrees")
        if translate is not None and not all(0.0 <= t <= 1.0 for t in translate):
            raise ValueError("translation values should be between 0 and 1")
        if scale is not None and min(scale) <= 0:
            raise ValueError("scale values should be positive")
        self.translate = translate
        self.scale = scale
        self.shear = None if shear is None else _interval(shear, "shear", (2, 4))
        self.interpolation = as_interpolation(interpolation)
        self.fill = 0 if fill is None else fill
        self.center = center

    @staticmethod
    def get_params(
        degrees: Sequence[float],
        translate: Sequence[float] | None,
        scale_ranges: Sequence[float] | None,
        shears: Sequence[float] | None,
        img_size: Sequence[int],
    ) -> tuple[float, tuple[int, int], float, tuple[float, float]]:
        """Draw angle, translation, scale and shears, in this order."""
        angle = uniform(degrees[0], degrees[1])
        moves = (0, 0)
        if translate is not None:
            reach = [float(t * size) for t, size in zip(translate, img_size, strict=True)]
            moves = (round(uniform(-reach[0], reach[0])), round(uniform(-reach[1], reach[1])))
        scale = 1.0 if scale_ranges is None else uniform(scale_ranges[0], scale_ranges[1])
        shear_x = shear_y = 0.0
        if shears is not None:
            shear_x = uniform(shears[0], shears[1])
            if len(shears) == 4:
                shear_y = uniform(shears[2], shears[3])
        return angle, moves, scale, (shear_x, shear_y)

    def forward(self, img: Any) -> Any:
        """Return the transformed image."""
        fill = _fills_for(img, self.fill)
        size = F.get_image_size(img)
        drawn = self.get_params(self.degrees, self.translate, self.scale, self.shear, size)
        return F.affine(img, *drawn, self.interpolation, fill, self.center)

    def __repr__(self) -> str:
        parts = [f"degrees={self.degrees}"]
        for name in ("translate", "scale", "shear"):
            if getattr(self, name) is not None:
                parts.append(f"{name}={getattr(self, name)}")
        if self.interpolation is not InterpolationMode.NEAREST:
            parts.append(f"interpolation={self.interpolation.value}")
        if self.fill != 0:
            parts.append(f"fill={self.fill}")
        if self.center is not None:
            parts.append(f"center={self.center}")
        return f"{type(self).__name__}({', '.join(parts)})"
