"""A PNG writer of forty lines, so that pictures can be saved on a bare install."""

import struct
import zlib
from pathlib import Path
from typing import BinaryIO

import numpy as np

_COLOR_TYPES = {1: 0, 2: 4, 3: 2, 4: 6}  # grey, grey + alpha, RGB, RGBA
_SIGNATURE = b"\x89PNG\r\n\x1a\n"


def _chunk(kind: bytes, body: bytes) -> bytes:
    return (
        struct.pack(">I", len(body))
        + kind
        + body
        + struct.pack(">I", zlib.crc32(body, zlib.crc32(kind)))
    )


def encode_png(pixels: np.ndarray, level: int = 9) -> bytes:
    """Encode ``uint8`` pixels of shape (H, W) or (H, W, C), C from 1 to 4, as a PNG file.

    ``level`` is zlib's: 0 is fastest, 9 makes the smallest file.
    """
    if pixels.ndim == 2:
        pixels = pixels[:, :, None]
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] not in _COLOR_TYPES:
        raise ValueError(
            "a PNG needs uint8 pixels of shape (H, W) or (H, W, C) with 1 to 4 channels, "
            f"got {pixels.dtype} of shape {pixels.shape}"
        )
    height, width, channels = pixels.shape
    if height == 0 or width == 0:
        raise ValueError(f"a PNG cannot be empty, got {height} x {width} pixels")
    header = struct.pack(">IIBBBBB", width, height, 8, _COLOR_TYPES[channels], 0, 0, 0)
    rows = np.zeros((height, 1 + width * channels), np.uint8)  # each row opens with filter 0: none
    rows[:, 1:] = pixels.reshape(height, width * channels)
    return (
        _SIGNATURE
        + _chunk(b"IHDR", header)
        + _chunk(b"IDAT", zlib.compress(rows.tobytes(), level))
        + _chunk(b"IEND", b"")
    )


def write_png(file: str | Path | BinaryIO, pixels: np.ndarray) -> None:
    """Write ``pixels`` (see ``encode_png``) to a path or an open binary file."""
    data = encode_png(pixels)
    if isinstance(file, (str, Path)):
        Path(file).write_bytes(data)
    else:
        file.write(data)
