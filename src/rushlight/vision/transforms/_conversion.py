"""Transforms that change what an image is: Pillow image, array, tensor, dtype, scale."""

from collections.abc import Sequence
from typing import Any

from rushlight import _api as torch
from rushlight.nn import Module
from rushlight.vision.transforms import functional as F


class ToTensor:
    """ToTensor()

    Make a float tensor (C, H, W) in 0..1 of a Pillow image or a uint8 array; other arrays keep
    their numbers.

    >>> vision.transforms.ToTensor()(numpy.full((1, 2, 1), 255, numpy.uint8))
    tensor([[[1., 1.]]])
    """

    def __call__(self, pic: Any) -> torch.Tensor:
        """Return the picture as a tensor."""
        return F.to_tensor(pic)

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


class PILToTensor:
    """PILToTensor()

    Make a tensor (C, H, W) of a Pillow image, its numbers unchanged.

    >>> from PIL import Image
    >>> vision.transforms.PILToTensor()(Image.new('L', (2, 1), 9))
    tensor([[[9, 9]]], dtype=torch.uint8)
    """

    def __call__(self, pic: Any) -> torch.Tensor:
        """Return the picture as a tensor."""
        return F.pil_to_tensor(pic)

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


class ToPILImage:
    """ToPILImage(mode=None)

    Make a Pillow image of a tensor (C, H, W) or an array (H, W, C).

    >>> image = vision.transforms.ToPILImage()(torch.rand(3, 4, 8))
    >>> image.size, image.mode
    ((8, 4), 'RGB')
    """

    def __init__(self, mode: str | None = None) -> None:
        self.mode = mode

    def __call__(self, pic: Any) -> Any:
        """Return the picture as a Pillow image."""
        return F.to_pil_image(pic, self.mode)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({'' if self.mode is None else f'mode={self.mode}'})"


class ConvertImageDtype(Module):
    """ConvertImageDtype(dtype)

    Convert a tensor to ``dtype``, scaled so that white (1.0, 255, ...) stays white.

    >>> vision.transforms.ConvertImageDtype(torch.uint8)(torch.tensor([[[0.0, 1.0]]]))
    tensor([[[  0, 255]]], dtype=torch.uint8)
    """

    def __init__(self, dtype: torch.dtype) -> None:
        super().__init__()
        if not isinstance(dtype, torch.dtype):
            raise TypeError("Argument dtype should be of type torch.dtype")
        self.dtype = dtype

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Return the converted tensor."""
        return F.convert_image_dtype(image, self.dtype)


class Normalize(Module):
    """Normalize(mean, std, inplace=False)

    Return ``(tensor - mean) / std`` with one mean and one deviation per channel.

    >>> vision.transforms.Normalize(mean=(0.5,), std=(0.5,))(torch.tensor([[[0.0, 1.0]]]))
    tensor([[[-1.,  1.]]])
    """

    def __init__(self, mean: Sequence[float], std: Sequence[float], inplace: bool = False) -> None:
        super().__init__()
        self.mean = mean
        self.std = std
        self.inplace = inplace

    def forward(self, tensor: torch.Tensor) -> torch.Tensor:
        """Return the normalized tensor."""
        return F.normalize(tensor, self.mean, self.std, self.inplace)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(mean={self.mean}, std={self.std})"
