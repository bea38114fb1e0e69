"""make_grid, save_image and the PNG writer."""

import io
import struct
import zlib

import numpy as np
import pytest

import rushlight as torch
from rushlight.vision._png import encode_png
from rushlight.vision.utils import make_grid, save_image


def decode(data):
    """The pixels of a PNG whose rows have filter 0; shares nothing with the writer."""
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    chunks, place = {}, 8
    while place < len(data):
        length, kind = struct.unpack(">I4s", data[place : place + 8])
        body = data[place + 8 : place + 8 + length]
        (crc,) = struct.unpack(">I", data[place + 8 + length : place + 12 + length])
        assert crc == zlib.crc32(kind + body)
        chunks[kind] = body
        place += 12 + length
    width, height, depth, color = struct.unpack(">IIBB", chunks[b"IHDR"][:10])
    channels = {0: 1, 4: 2, 2: 3, 6: 4}[color]
    rows = np.frombuffer(zlib.decompress(chunks[b"IDAT"]), np.uint8).reshape(height, -1)
    assert depth == 8 and not rows[:, 0].any() and list(chunks)[-1] == b"IEND"
    return rows[:, 1:].reshape(height, width, channels)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_png_round_trip(channels):
    pixels = np.random.default_rng(0).integers(0, 256, (5, 7, channels), dtype=np.uint8)
    assert np.array_equal(decode(encode_png(pixels)), pixels)


def test_png_is_what_pillow_reads():
    Image = pytest.importorskip("PIL.Image")
    pixels = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(encode_png(pixels)))), pixels)


@pytest.mark.parametrize(
    "pixels", [np.zeros((2, 2)), np.zeros((2, 2, 5), np.uint8), np.zeros((0, 1), np.uint8)]
)
def test_png_refuses(pixels):
    with pytest.raises(ValueError, match=r"a PNG"):
        encode_png(pixels)


def test_grid_places_every_image():
    images = torch.arange(5.0).reshape(5, 1, 1, 1).expand(5, 1, 2, 3)
    grid = make_grid(images, nrow=3, padding=1, pad_value=9.0)
    assert tuple(grid.shape) == (3, 2 * 3 + 1, 3 * 4 + 1)
    assert grid[0, 1].tolist() == [9, 0, 0, 0, 9, 1, 1, 1, 9, 2, 2, 2, 9]
    assert grid[2, 4].tolist() == [9, 3, 3, 3, 9, 4, 4, 4, 9, 9, 9, 9, 9]
    assert bool((grid[:, 0] == 9).all()) and torch.equal(grid[0], grid[1])


def test_grid_of_one_image_has_no_border():
    assert tuple(make_grid(torch.zeros(2, 3)).shape) == (3, 2, 3)
    assert tuple(make_grid(torch.zeros(1, 2, 3)).shape) == (3, 2, 3)
    assert tuple(make_grid([torch.zeros(3, 2, 3)] * 2).shape) == (3, 6, 12)


def test_grid_normalizes():
    images = torch.stack([torch.tensor([[[0.0, 2.0]]]), torch.tensor([[[4.0, 8.0]]])])
    grid = make_grid(images, padding=0, normalize=True)
    assert grid[0].tolist() == [[0.0, 0.25, 0.5, 1.0]]
    each = make_grid(images, padding=0, normalize=True, scale_each=True)
    assert each[0].tolist() == [[0.0, 1.0, 0.0, 1.0]]
    clipped = make_grid(images, padding=0, normalize=True, value_range=(0, 4))
    assert clipped[0].tolist() == [[0.0, 0.5, 1.0, 1.0]]
    assert images.max() == 8


def test_grid_refuses():
    with pytest.raises(TypeError, match=r"tensor or list of tensors expected, got <class 'int'>"):
        make_grid(3)
    with pytest.raises(TypeError, match=r"value_range has to be a tuple"):
        make_grid(torch.zeros(2, 1, 2, 2), normalize=True, value_range=[0, 1])


def test_save_image(tmp_path):
    image = torch.tensor([[[0.0, 0.5, 1.0, 2.0]]])
    save_image(image, tmp_path / "grey.png")
    assert decode((tmp_path / "grey.png").read_bytes())[0, :, 0].tolist() == [0, 128, 255, 255]
    buffer = io.BytesIO()
    save_image(image, buffer)
    assert buffer.getvalue() == (tmp_path / "grey.png").read_bytes()
    Image = pytest.importorskip("PIL.Image")
    save_image(torch.rand(4, 3, 8, 8), tmp_path / "grid.bmp", nrow=2)
    with Image.open(tmp_path / "grid.bmp") as picture:
        assert picture.size == (22, 22)
