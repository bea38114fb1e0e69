"""Image files as tensors (C, H, W) of uint8, as torchvision.io names the functions."""

import io
from enum import Enum
from pathlib import Path
from typing import Any

import numpy as np

from rushlight import _api as torch
from rushlight.vision import _png
from rushlight.vision._pillow import image_module, ops_module

__all__ = [
    "ImageReadMode",
    "decode_image",
    "encode_jpeg",
    "encode_png",
    "read_file",
    "read_image",
    "write_file",
    "write_jpeg",
    "write_png",
]


class ImageReadMode(Enum):
    """The channels that a reader returns; UNCHANGED: those of the file.

    >>> vision.io.ImageReadMode.RGB.name
    'RGB'
    """

    UNCHANGED = 0
    GRAY = 1
    GRAY_ALPHA = 2
    RGB = 3
    RGB_ALPHA = 4


_PILLOW_MODES = {
    ImageReadMode.GRAY: "L",
    ImageReadMode.GRAY_ALPHA: "LA",
    ImageReadMode.RGB: "RGB",
    ImageReadMode.RGB_ALPHA: "RGBA",
}


def read_file(path: str | Path) -> torch.Tensor:
    """Return the bytes of a file as a uint8 tensor of one dimension.

    >>> import pathlib, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, 'a.png')
    ...     _ = path.write_bytes(b'abc')
    ...     vision.io.read_file(path)
    tensor([97, 98, 99], dtype=torch.uint8)
    """
    return torch.from_numpy(np.frombuffer(bytearray(Path(path).read_bytes()), np.uint8))


def write_file(filename: str | Path, data: torch.Tensor) -> None:
    """Write the bytes in a uint8 tensor of one dimension to a file.

    >>> import pathlib, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, 'a.png')
    ...     vision.io.write_file(path, torch.tensor([97, 98], dtype=torch.uint8))
    ...     path.read_bytes()
    b'ab'
    """
    Path(filename).write_bytes(data.contiguous().numpy().tobytes())


def _unpacked(picture: Any) -> Any:
    """A picture with a palette, or of one bit, in the mode it stands for."""
    if picture.mode == "1":
        return picture.convert("L")
    if picture.mode == "P":
        return picture.convert("RGBA" if "transparency" in picture.info else "RGB")
    return picture


def decode_image(
    input: torch.Tensor | str | Path,
    mode: ImageReadMode | str = ImageReadMode.UNCHANGED,
    apply_exif_orientation: bool = False,
) -> torch.Tensor:
    """decode_image(input, mode=ImageReadMode.UNCHANGED, apply_exif_orientation=False) -> Tensor

    Read an image file, or a uint8 tensor with its bytes, into a tensor (C, H, W). Needs Pillow.

    16-bit PNG files give uint16, all others uint8.

    >>> data = vision.io.encode_png(torch.full((1, 2, 2), 7, dtype=torch.uint8))
    >>> vision.io.decode_image(data)
    tensor([[[7, 7],
             [7, 7]]], dtype=torch.uint8)
    >>> vision.io.decode_image(data, mode='RGB').shape
    torch.Size([3, 2, 2])
    """
    pillow = image_module("decode_image")
    wanted = ImageReadMode[mode.upper()] if isinstance(mode, str) else mode
    source: Any = input if isinstance(input, (str, Path)) else io.BytesIO(input.numpy().tobytes())
    with pillow.open(source) as picture:
        if apply_exif_orientation:
            picture = ops_module("decode_image").exif_transpose(picture)
        picture = _unpacked(picture)
        if wanted is not ImageReadMode.UNCHANGED:
            picture = picture.convert(_PILLOW_MODES[wanted])
        pixels = np.array(picture).reshape(picture.height, picture.width, -1)
    return torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1)))


def read_image(
    path: str | Path,
    mode: ImageReadMode | str = ImageReadMode.UNCHANGED,
    apply_exif_orientation: bool = False,
) -> torch.Tensor:
    """Read an image file into a tensor (C, H, W); see ``decode_image``.

    >>> import pathlib, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, 'a.png')
    ...     vision.io.write_png(torch.zeros(3, 4, 8, dtype=torch.uint8), path)
    ...     vision.io.read_image(path).shape
    torch.Size([3, 4, 8])
    """
    return decode_image(path, mode, apply_exif_orientation)


def _pixels(input: torch.Tensor, channels: tuple[int, ...]) -> np.ndarray:
    """(H, W, C) of an image tensor that a writer takes."""
    if input.dtype != torch.uint8:
        raise RuntimeError(f"Input tensor dtype should be uint8, got {input.dtype}")
    if input.ndim != 3 or input.shape[0] not in channels:
        raise RuntimeError(
            f"Input data should be 3-dimensional with {' or '.join(map(str, channels))} channels, "
            f"got shape {list(input.shape)}"
        )
    return input.permute(1, 2, 0).contiguous().numpy()


def _as_bytes(data: bytes) -> torch.Tensor:
    return torch.from_numpy(np.frombuffer(bytearray(data), np.uint8))


def encode_png(input: torch.Tensor, compression_level: int = 6) -> torch.Tensor:
    """Return the PNG file, as bytes in a uint8 tensor, of a uint8 image (1 or 3, H, W).

    >>> data = vision.io.encode_png(torch.zeros(3, 4, 8, dtype=torch.uint8))
    >>> vision.io.decode_image(data).shape
    torch.Size([3, 4, 8])
    """
    if not 0 <= compression_level <= 9:
        raise RuntimeError("Compression level should be between 0 and 9")
    return _as_bytes(_png.encode_png(_pixels(input, (1, 3)), compression_level))


def encode_jpeg(input: torch.Tensor, quality: int = 75) -> torch.Tensor:
    """Return the JPEG file, as bytes in a uint8 tensor, of a uint8 image (1 or 3, H, W).

    >>> data = vision.io.encode_jpeg(torch.zeros(3, 4, 8, dtype=torch.uint8))
    >>> data[:2]
    tensor([255, 216], dtype=torch.uint8)
    """
    if not 1 <= quality <= 100:
        raise ValueError("Image quality should be a positive number between 1 and 100")
    pixels = _pixels(input, (1, 3))
    pixels = pixels[:, :, 0] if pixels.shape[2] == 1 else pixels
    file = io.BytesIO()
    image_module("encode_jpeg").fromarray(pixels).save(file, "JPEG", quality=quality)
    return _as_bytes(file.getvalue())


def write_png(input: torch.Tensor, filename: str | Path, compression_level: int = 6) -> None:
    """Write a uint8 image (1 or 3, H, W) to a PNG file.

    >>> import pathlib, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, 'a.png')
    ...     vision.io.write_png(torch.zeros(3, 4, 8, dtype=torch.uint8), path)
    ...     path.read_bytes()[1:4]
    b'PNG'
    """
    write_file(filename, encode_png(input, compression_level))


def write_jpeg(input: torch.Tensor, filename: str | Path, quality: int = 75) -> None:
    """Write a uint8 image (1 or 3, H, W) to a JPEG file. Needs Pillow.

    >>> import pathlib, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, 'a.jpg')
    ...     vision.io.write_jpeg(torch.zeros(3, 4, 8, dtype=torch.uint8), path)
    ...     vision.io.read_image(path).shape
    torch.Size([3, 4, 8])
    """
    write_file(filename, encode_jpeg(input, quality))
