"""Large pieces of files, which several threads move, are what one read or write would make them."""

import io
import random
import zlib

import numpy as np
import pytest

import rushlight as torch
from rushlight.serialization import sources

SIZES = [0, 1, 1000, sources.LARGE - 1, sources.LARGE, 300_001, 1 << 20, 5_000_003]


def random_bytes(n):
    return np.frombuffer(random.Random(n).randbytes(n), np.uint8)


def test_written_and_read_as_they_are(tmp_path):
    path = tmp_path / "pieces"
    pieces = [random_bytes(n) for n in SIZES]
    with path.open("wb") as file:
        file.write(b"before")
        write = sources.sink(file)
        sums = [write(piece, True) for piece in pieces]
        file.write(b"after")
    assert sums == [zlib.crc32(piece) for piece in pieces]
    assert path.read_bytes() == b"".join([b"before", *pieces, b"after"])
    with path.open("rb") as file:
        file.seek(len(b"before"))
        source, at = sources.source(file), 0
        for piece in pieces:
            found = np.empty(piece.size, np.uint8)
            assert source.read_into(at, found, True) == zlib.crc32(piece)
            assert np.array_equal(found, piece)
            at += piece.size
        assert source.read(at, 5) == b"after"
        with pytest.raises(EOFError):
            source.read_into(at - 100_000, np.empty(200_000, np.uint8), True)


def test_a_file_that_appends_gets_everything_at_its_end(tmp_path):
    path = tmp_path / "model.pt"
    path.write_bytes(b"what was there")
    big = torch.arange(500_000)
    with path.open("ab") as file:
        torch.save(big, file)
    with path.open("rb") as file:
        assert file.read(14) == b"what was there"
        assert torch.equal(torch.load(file), big)


def test_a_path_a_file_and_a_buffer_give_the_same_bytes(tmp_path):
    objects = {"small": torch.ones(3), "large": torch.randn(300, 700), "none": torch.empty(0)}
    buffer = io.BytesIO()
    torch.save(objects, buffer)
    path = tmp_path / "archive.pt"
    torch.save(objects, path)
    assert path.read_bytes() == buffer.getvalue()
    with path.open("wb") as file:
        torch.save(objects, file)
    assert path.read_bytes() == buffer.getvalue()
    for place in (path, buffer):
        if place is buffer:
            buffer.seek(0)
        found = torch.load(place)
        assert all(torch.equal(found[k], objects[k]) for k in objects)


@pytest.mark.parametrize("size", [10, 1_000_000])
def test_damage_in_a_piece_is_noticed(tmp_path, size):
    path = tmp_path / "model.pt"
    torch.save(torch.full((size,), 7, dtype=torch.uint8), path)
    raw = bytearray(path.read_bytes())
    raw[raw.index(b"\7" * size) + size // 2] ^= 4
    path.write_bytes(raw)
    with pytest.raises(RuntimeError, match="CRC-32 check failed"):
        torch.load(path)


def test_a_file_that_became_shorter_meanwhile(tmp_path):
    path = tmp_path / "model.pt"
    torch.save(torch.zeros(1_000_000), path)
    with path.open("rb") as file:
        source = sources.source(file)
        path.write_bytes(path.read_bytes()[:100_000])
        with pytest.raises(EOFError):
            source.read_into(0, np.empty(3_000_000, np.uint8), False)
