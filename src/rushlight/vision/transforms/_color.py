"""Transforms that change the values of pixels: colour jitter, grey, erasing."""

import math
from collections.abc import Sequence
from typing import Any

from rushlight import _api as torch
from rushlight.nn import Module
from rushlight.vision.transforms import functional as F
from rushlight.vision.transforms._geometry import _size_pair, uniform


def _range(
    value: Any, name: str, center: float, bound: tuple[float, float]
) -> tuple[float, float] | None:
    """The interval to draw a factor from; None where it would change nothing."""
    if isinstance(value, (int, float)):
        if value < 0:
            raise ValueError(f"If {name} is a single number, it must be non negative.")
        low, high = center - float(value), center + float(value)
        if center == 1:
            low = max(low, 0.0)
    elif isinstance(value, (tuple, list)) and len(value) == 2:
        low, high = float(value[0]), float(value[1])
    else:
        raise TypeError(f"{name} should be a single number or a list/tuple with length 2.")
    if not bound[0] <= low <= high <= bound[1]:
        raise ValueError(f"{name} values should be between {bound}, but got {[low, high]}.")
    return None if low == high == center else (low, high)


class ColorJitter(Module):
    """ColorJitter(brightness=0, contrast=0, saturation=0, hue=0)

    Change brightness, contrast, saturation and hue by random factors, in a random order.

    A number ``x`` means a factor out of (1 - x, 1 + x) (``hue``: (-x, x)); a pair gives the bounds.

    >>> vision.transforms.ColorJitter(brightness=0.5, hue=0.1)(torch.rand(3, 8, 8)).shape
    torch.Size([3, 8, 8])
    """

    def __init__(
        self, brightness: Any = 0, contrast: Any = 0, saturation: Any = 0, hue: Any = 0
    ) -> None:
        super().__init__()
        self.brightness = _range(brightness, "brightness", 1, (0, math.inf))
        self.contrast = _range(contrast, "contrast", 1, (0, math.inf))
        self.saturation = _range(saturation, "saturation", 1, (0, math.inf))
        self.hue = _range(hue, "hue", 0, (-0.5, 0.5))

    @staticmethod
    def get_params(
        brightness: Sequence[float] | None,
        contrast: Sequence[float] | None,
        saturation: Sequence[float] | None,
        hue: Sequence[float] | None,
    ) -> tuple[torch.Tensor, float | None, float | None, float | None, float | None]:
        """Draw the order and the four factors."""
        order = torch.randperm(4)
        factors = [
            None if bounds is None else uniform(bounds[0], bounds[1])
            for bounds in (brightness, contrast, saturation, hue)
        ]
        return order, *factors

    def forward(self, img: Any) -> Any:
        """Return the changed image."""
        order, *factors = self.get_params(self.brightness, self.contrast, self.saturation, self.hue)
        steps = (F.adjust_brightness, F.adjust_contrast, F.adjust_saturation, F.adjust_hue)
        for index in order.tolist():
            if factors[index] is not None:
                img = steps[index](img, factors[index])
        return img

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(brightness={self.brightness}, contrast={self.contrast}, "
            f"saturation={self.saturation}, hue={self.hue})"
        )


class Grayscale(Module):
    """Grayscale(num_output_channels=1)

    Make an image grey, with one or three channels.

    >>> vision.transforms.Grayscale()(torch.rand(3, 8, 8)).shape
    torch.Size([1, 8, 8])
    """

    def __init__(self, num_output_channels: int = 1) -> None:
        super().__init__()
        self.num_output_channels = num_output_channels

    def forward(self, img: Any) -> Any:
        """Return the grey image."""
        return F.rgb_to_grayscale(img, num_output_channels=self.num_output_channels)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(num_output_channels={self.num_output_channels})"


class RandomGrayscale(Module):
    """RandomGrayscale(p=0.1)

    Make an image grey with probability ``p``; the number of channels stays.

    >>> grey = vision.transforms.RandomGrayscale(p=1.0)(torch.rand(3, 8, 8))
    >>> grey.shape, torch.equal(grey[0], grey[1])
    (torch.Size([3, 8, 8]), True)
    """

    def __init__(self, p: float = 0.1) -> None:
        super().__init__()
        self.p = p

    def forward(self, img: Any) -> Any:
        """Return the image, grey or as it came."""
        channels = F.get_image_num_channels(img)
        if torch.rand(1) < self.p:
            return F.rgb_to_grayscale(img, num_output_channels=channels)
        return img

    def __repr__(self) -> str:
        return f"{type(self).__name__}(p={self.p})"


class GaussianBlur(Module):
    """GaussianBlur(kernel_size, sigma=(0.1, 2.0))

    Blur with a bell curve over ``kernel_size`` odd pixels, its deviation drawn from ``sigma``.

    >>> vision.transforms.GaussianBlur(3)(torch.rand(3, 8, 8)).shape
    torch.Size([3, 8, 8])
    """

    def __init__(self, kernel_size: int | Sequence[int], sigma: Any = (0.1, 2.0)) -> None:
        super().__init__()
        self.kernel_size = _size_pair(kernel_size)
        if any(size <= 0 or size % 2 == 0 for size in self.kernel_size):
            raise ValueError("Kernel size value should be an odd and positive number.")
        if isinstance(sigma, (int, float)):
            if sigma <= 0:
                raise ValueError("If sigma is a single number, it must be positive.")
            sigma = (sigma, sigma)
        elif not isinstance(sigma, Sequence) or len(sigma) != 2:
            raise TypeError("sigma should be a single number or a list/tuple with length 2.")
        elif not 0.0 < sigma[0] <= sigma[1]:
            raise ValueError("sigma values should be positive and of the form (min, max).")
        self.sigma = sigma

    @staticmethod
    def get_params(sigma_min: float, sigma_max: float) -> float:
        """Draw the deviation."""
        return uniform(sigma_min, sigma_max)

    def forward(self, img: Any) -> Any:
        """Return the blurred image."""
        sigma = self.get_params(self.sigma[0], self.sigma[1])
        return F.gaussian_blur(img, self.kernel_size, [sigma, sigma])

    def __repr__(self) -> str:
        return f"{type(self).__name__}(kernel_size={self.kernel_size}, sigma={self.sigma})"


def _check_erasing(p: float, scale: Any, ratio: Any, value: Any) -> None:
    if not isinstance(value, (int, float, str, tuple, list)):
        raise TypeError("Argument value should be either a number or str or a sequence")
    if isinstance(value, str) and value != "random":
        raise ValueError("If value is str, it should be 'random'")
    if not isinstance(scale, Sequence):
        raise TypeError("Scale should be a sequence")
    if not isinstance(ratio, Sequence):
        raise TypeError("Ratio should be a sequence")
    if not 0 <= scale[0] <= scale[1] <= 1:
        raise ValueError("Scale should be between 0 and 1")
    if not 0 <= p <= 1:
        raise ValueError("Random erasing probability should be between 0 and 1")


class RandomErasing(Module):
    """RandomErasing(p=0.5, scale=(0.02, 0.33), ratio=(0.3, 3.3), value=0, inplace=False)

    Overwrite a random rectangle of a tensor with probability ``p``.

    ``value`` is a number, one number per channel, or ``"random"``: normal noise.

    >>> vision.transforms.RandomErasing(p=1.0)(torch.ones(1, 8, 8)).min()
    tensor(0.)
    """

    def __init__(
        self,
        p: float = 0.5,
        scale: Sequence[float] = (0.02, 0.33),
        ratio: Sequence[float] = (0.3, 3.3),
        value: Any = 0,
        inplace: bool = False,
    ) -> None:
        super().__init__()
        _check_erasing(p, scale, ratio, value)
        self.p = p
        self.scale = scale
        self.ratio = ratio
        self.value = value
        self.inplace = inplace

    @staticmethod
    def get_params(
        img: torch.Tensor,
        scale: Sequence[float],
        ratio: Sequence[float],
        value: Sequence[float] | None = None,
    ) -> tuple[int, int, int, int, torch.Tensor]:
        """Draw top, left, height, width and what to write; after ten misses, the image itself."""
        channels, rows, columns = img.shape[-3:]
        low, high = torch.log(torch.tensor(ratio)).tolist()
        for _ in range(10):
            area = rows * columns * uniform(*scale)
            aspect = torch.exp(torch.empty(1).uniform_(low, high)).item()
            height, width = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
            if not (height < rows and width < columns):
                continue
            if value is None:
                patch = torch.empty([channels, height, width], dtype=torch.float32).normal_()
            else:
                patch = torch.tensor(value)[:, None, None]
            top = int(torch.randint(0, rows - height + 1, size=(1,)).item())
            left = int(torch.randint(0, columns - width + 1, size=(1,)).item())
            return top, left, height, width, patch
        return 0, 0, rows, columns, img

    def _patch_values(self, img: torch.Tensor) -> list[float] | None:
        if isinstance(self.value, str):
            return None
        if isinstance(self.value, (int, float)):
            return [float(self.value)]
        values = [float(v) for v in self.value]
        if len(values) not in (1, img.shape[-3]):
            raise ValueError(
                "If value is a sequence, it should have either a single value or "
                f"{img.shape[-3]} (number of input channels)"
            )
        return values

    def forward(self, img: torch.Tensor) -> torch.Tensor:
        """Return the image, with the rectangle or as it came."""
        if not torch.rand(1) < self.p:
            return img
        drawn = self.get_params(img, self.scale, self.ratio, self._patch_values(img))
        return F.erase(img, *drawn, self.inplace)

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(p={self.p}, scale={self.scale}, ratio={self.ratio}, "
            f"value={self.value}, inplace={self.inplace})"
        )
