"""Image files in and out."""

import numpy as np
import pytest

import rushlight as torch
from rushlight.vision import io

Image = pytest.importorskip("PIL.Image")


@pytest.fixture
def picture():
    return torch.from_numpy(np.random.default_rng(0).integers(0, 256, (3, 5, 7), dtype=np.uint8))


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("level", [0, 6])
def test_png_round_trip(picture, tmp_path, channels, level):
    io.write_png(picture[:channels], tmp_path / "a.png", level)
    assert torch.equal(io.read_image(tmp_path / "a.png"), picture[:channels])
    data = io.read_file(tmp_path / "a.png")
    assert data.dtype == torch.uint8 and data.ndim == 1
    assert torch.equal(io.decode_image(data), picture[:channels])
    assert torch.equal(io.encode_png(picture[:channels], level), data)


def test_jpeg_is_near(tmp_path):
    smooth = torch.arange(256, dtype=torch.uint8).reshape(1, 16, 16).repeat(3, 1, 1)
    io.write_jpeg(smooth, tmp_path / "a.jpg", quality=95)
    assert (io.read_image(str(tmp_path / "a.jpg")).int() - smooth.int()).abs().max() < 12
    assert tuple(io.decode_image(io.encode_jpeg(smooth[:1])).shape) == (1, 16, 16)


@pytest.mark.parametrize(
    ("mode", "channels"),
    [("RGB", 3), ("gray", 1), (io.ImageReadMode.RGB_ALPHA, 4), ("UNCHANGED", 3)],
)
def test_modes(picture, tmp_path, mode, channels):
    io.write_png(picture, tmp_path / "a.png")
    assert io.read_image(tmp_path / "a.png", mode).shape[0] == channels


def test_kinds_of_files(tmp_path):
    Image.new("P", (3, 2), 1).save(tmp_path / "palette.png")
    Image.fromarray(np.eye(2, dtype=bool)).save(tmp_path / "bits.png")
    Image.fromarray(np.full((2, 3), 60000, np.uint16)).save(tmp_path / "deep.png")
    assert tuple(io.read_image(tmp_path / "palette.png").shape) == (3, 2, 3)
    assert io.read_image(tmp_path / "bits.png")[0].tolist() == [[255, 0], [0, 255]]
    deep = io.read_image(tmp_path / "deep.png")
    assert deep.dtype == torch.uint16 and int(deep[0, 0, 0].item()) == 60000


def test_orientation(tmp_path):
    sideways = Image.new("RGB", (4, 2))
    exif = Image.Exif()
    exif[0x0112] = 6
    sideways.save(tmp_path / "a.jpg", exif=exif)
    assert tuple(io.read_image(tmp_path / "a.jpg").shape) == (3, 2, 4)
    turned = io.read_image(tmp_path / "a.jpg", apply_exif_orientation=True)
    assert tuple(turned.shape) == (3, 4, 2)


def test_refusals(picture, tmp_path):
    with pytest.raises(
        RuntimeError, match=r"Input tensor dtype should be uint8, got torch.float32"
    ):
        io.encode_png(picture.float())
    with pytest.raises(RuntimeError, match=r"with 1 or 3 channels, got shape \[2, 5, 7\]"):
        io.encode_png(picture[:2])
    with pytest.raises(RuntimeError, match=r"Compression level should be between 0 and 9"):
        io.encode_png(picture, 10)
    with pytest.raises(
        ValueError, match=r"Image quality should be a positive number between 1 and 100"
    ):
        io.encode_jpeg(picture, 0)
    with pytest.raises(FileNotFoundError):
        io.read_image(tmp_path / "absent.png")
