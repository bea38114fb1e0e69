"""Digits, the dataset that comes with the package."""

import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from rushlight import _api as torch
from rushlight.vision.datasets.vision import VisionDataset

_FILE = Path(__file__).parent.parent / "data" / "digits.bin"
_HEADER = struct.Struct("<4sBBBBI")  # magic, version, height, width, largest value, count


def _read(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Pixels (N, H, W) stretched to 0..255 and labels (N,); data/README.md has the format."""
    data = path.read_bytes()
    magic, version, height, width, largest, count = _HEADER.unpack_from(data)
    if (magic, version) != (b"RLDG", 1):
        raise RuntimeError(f"{path} is not a file of digits")
    numbers = np.frombuffer(zlib.decompress(data[_HEADER.size :]), np.uint8)
    pixels, labels = np.split(numbers, [count * height * width])
    stretched = (pixels.astype(np.uint16) * 255 // largest).astype(np.uint8)
    return stretched.reshape(count, height, width), labels.astype(np.int64)


class Digits(VisionDataset):
    """Digits(transform=None, target_transform=None)

    1,797 handwritten digits of 8x8 pixels (UCI, Alpaydin and Kaynak 1998): no download, no extra
    install.

    A sample is a pair of a uint8 array (8, 8), 0 for paper and 255 for ink, and an int.
    ``ToTensor`` makes of it what it makes of an MNIST image. ``data`` (uint8) and ``targets``
    (int64) hold all of them.

    >>> vision.datasets.Digits().data.shape
    torch.Size([1797, 8, 8])
    """

    classes: ClassVar[list[str]] = [str(digit) for digit in range(10)]

    def __init__(
        self, transform: Callable | None = None, target_transform: Callable | None = None
    ) -> None:
        super().__init__(transform=transform, target_transform=target_transform)
        pixels, labels = _read(_FILE)
        self.data, self.targets = torch.from_numpy(pixels), torch.from_numpy(labels)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        """Return the image and the class at ``index``."""
        return self._transformed(self.data[index].numpy(), int(self.targets[index]))

    def __len__(self) -> int:
        return len(self.data)
