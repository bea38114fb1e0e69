"""CRC-32 of every length is zlib's."""

import random
import zlib

import pytest

from rushlight.serialization.checksum import crc32


@pytest.mark.parametrize("start", [0, 123456789, 0xFFFFFFFF])
def test_same_as_zlib(start):
    made = random.Random(start)
    for n in (*range(200), 1000, 1024, 1279, 1280, 4096, 65537, 3_000_001):
        data = made.randbytes(n)
        assert crc32(data, start) == zlib.crc32(data, start), n
        assert crc32(memoryview(data)[1:], start) == zlib.crc32(data[1:], start), n
