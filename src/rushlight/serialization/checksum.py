"""CRC-32 as zip files have it."""

import zlib
from typing import Any

from rushlight._core.extension import C


def crc32(data: Any, start: int = 0) -> int:
    """The CRC-32 of bytes, going on from ``start``: ``zlib.crc32``, at three times its speed."""
    if C is None:
        return zlib.crc32(data, start)
    view = memoryview(data).cast("B")
    start, taken = C.crc32(view, start)
    return zlib.crc32(view[taken:], start)
