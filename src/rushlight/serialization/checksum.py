"""CRC-32 as zip files have it."""

import zlib
from typing import Any

from rushlight._core.extension import C


def crc32(data: Any, start: int = 0) -> int:
    """The CRC-32 of bytes, going on from ``start``: ``zlib.crc32``, at several times its speed."""
    checksum: int = zlib.crc32(data, start) if C is None else C.crc32(data, start)
    return checksum
