"""MNIST and the datasets that share its idx files."""

import gzip
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar
from urllib.error import URLError

import numpy as np

from rushlight import _api as torch
from rushlight.vision._pillow import image_module
from rushlight.vision.datasets.utils import check_integrity, download_and_extract_archive
from rushlight.vision.datasets.vision import VisionDataset

# The third byte of an idx file names the type of its big-endian numbers.
_IDX_TYPES = {8: ">u1", 9: ">i1", 11: ">i2", 12: ">i4", 13: ">f4", 14: ">f8"}


def read_sn3_pascalvincent_tensor(path: str | Path, strict: bool = True) -> torch.Tensor:
    """Read an idx file, plain or ``.gz``, as a tensor of the type and shape its header gives.

    A file shorter or (if ``strict``) longer than its header says is a ValueError.
    """
    path = Path(path)
    if not path.exists():
        path = path.with_name(path.name + ".gz")
    data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    if len(data) < 4 or data[:2] != b"\0\0" or data[2] not in _IDX_TYPES:
        raise ValueError(f"{path} is not an idx file")
    start = 4 + 4 * data[3]
    shape = tuple(int(size) for size in np.frombuffer(data[4:start], ">u4"))
    dtype = np.dtype(_IDX_TYPES[data[2]])
    size = math.prod(shape) * dtype.itemsize
    if len(data) < start + size or (strict and len(data) != start + size):
        raise ValueError(f"{path} holds {len(data) - start} bytes, its header says {size}")
    numbers = np.frombuffer(data, dtype, math.prod(shape), start).reshape(shape)
    return torch.from_numpy(numbers.astype(dtype.newbyteorder("=")))


def read_label_file(path: str | Path) -> torch.Tensor:
    """Read the labels of an idx1 file as an int64 tensor (N,)."""
    labels = read_sn3_pascalvincent_tensor(path, strict=False)
    if labels.dtype != torch.uint8 or labels.ndim != 1:
        raise ValueError(
            f"{path}: expected one dimension of uint8, got {labels.ndim} of {labels.dtype}"
        )
    return labels.long()


def read_image_file(path: str | Path) -> torch.Tensor:
    """Read the images of an idx3 file as a uint8 tensor (N, H, W)."""
    images = read_sn3_pascalvincent_tensor(path, strict=False)
    if images.dtype != torch.uint8 or images.ndim != 3:
        raise ValueError(
            f"{path}: expected three dimensions of uint8, got {images.ndim} of {images.dtype}"
        )
    return images


class MNIST(VisionDataset):
    """MNIST(root, train=True, transform=None, target_transform=None, download=False)

    70,000 handwritten digits of 28x28 pixels (LeCun, Cortes and Burges): 60,000 to train, 10,000 to
    test.

    The files stand in ``root/MNIST/raw``; ``download=True`` fetches them. A sample is a pair of a
    Pillow image in mode ``L`` and an int; ``data`` (uint8) and ``targets`` (int64) hold all of
    them.

    >>> vision.datasets.MNIST('nowhere')
    Traceback (most recent call last):
        ...
    RuntimeError: Dataset not found. You can use download=True to download it
    """

    mirrors: ClassVar[list[str]] = [
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "http://yann.lecun.com/exdb/mnist/",
    ]
    resources: ClassVar[list[tuple[str, str]]] = [
        ("train-images-idx3-ubyte.gz", "f68b3c2dcbeaaa9fbdd348bbdeb94873"),
        ("train-labels-idx1-ubyte.gz", "d53e105ee54ea40749a09fcbcd1e9432"),
        ("t10k-images-idx3-ubyte.gz", "9fb629c4189551a2d022fa330f9573f3"),
        ("t10k-labels-idx1-ubyte.gz", "ec29112dd5afa0611ce80d1b7f02629c"),
    ]
    classes: ClassVar[list[str]] = [
        "0 - zero",
        "1 - one",
        "2 - two",
        "3 - three",
        "4 - four",
        "5 - five",
        "6 - six",
        "7 - seven",
        "8 - eight",
        "9 - nine",
    ]

    def __init__(
        self,
        root: str | Path,
        train: bool = True,
        transform: Callable | None = None,
        target_transform: Callable | None = None,
        download: bool = False,
    ) -> None:
        super().__init__(root, transform=transform, target_transform=target_transform)
        self.train = train
        if download:
            self.download()
        if not self._check_exists():
            raise RuntimeError("Dataset not found. You can use download=True to download it")
        self.data, self.targets = self._load_data()

    def _load_data(self) -> tuple[torch.Tensor, torch.Tensor]:
        prefix = Path(self.raw_folder) / ("train" if self.train else "t10k")
        images = read_image_file(f"{prefix}-images-idx3-ubyte")
        return images, read_label_file(f"{prefix}-labels-idx1-ubyte")

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        """Return the image and the class at ``index``."""
        pixels, target = self.data[index].numpy(), int(self.targets[index])
        image = image_module(f"an image of {type(self).__name__}").fromarray(pixels)
        return self._transformed(image, target)

    def __len__(self) -> int:
        return len(self.data)

    @property
    def raw_folder(self) -> str:
        """Where the idx files stand."""
        return str(self._root / type(self).__name__ / "raw")

    @property
    def class_to_idx(self) -> dict[str, int]:
        """The number of each class name."""
        return {name: index for index, name in enumerate(self.classes)}

    def _check_exists(self) -> bool:
        packed = [Path(self.raw_folder) / name for name, _ in self.resources]
        return all(check_integrity(file.with_suffix("")) or file.exists() for file in packed)

    def download(self) -> None:
        """Fetch the files that are missing, from the first mirror that answers."""
        if self._check_exists():
            return
        for filename, md5 in self.resources:
            self._download_one(filename, md5)

    def _download_one(self, filename: str, md5: str) -> None:
        for mirror in self.mirrors:
            print(f"Downloading {mirror}{filename}")
            try:
                return download_and_extract_archive(
                    mirror + filename, self.raw_folder, filename=filename, md5=md5
                )
            except URLError as error:
                print(f"Failed to download (trying next):\n{error}")
        raise RuntimeError(f"Error downloading {filename}")

    def extra_repr(self) -> str:
        """Which split this is."""
        return f"Split: {'Train' if self.train is True else 'Test'}"


class FashionMNIST(MNIST):
    """FashionMNIST(root, train=True, transform=None, target_transform=None, download=False)

    Zalando's 70,000 pictures of clothes, 28x28 pixels in ten classes, in MNIST's form.

    >>> vision.datasets.FashionMNIST('nowhere')
    Traceback (most recent call last):
        ...
    RuntimeError: Dataset not found. You can use download=True to download it
    """

    mirrors: ClassVar[list[str]] = ["http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/"]
    resources: ClassVar[list[tuple[str, str]]] = [
        ("train-images-idx3-ubyte.gz", "8d4fb7e6c68d591d4c3dfef9ec88bf0d"),
        ("train-labels-idx1-ubyte.gz", "25c81989df183df01b3e8a0aad5dffbe"),
        ("t10k-images-idx3-ubyte.gz", "bef4ecab320f06d8554ea6380940ec79"),
        ("t10k-labels-idx1-ubyte.gz", "bb300cfdad3c16e7a12a480ee83cd310"),
    ]
    classes: ClassVar[list[str]] = [
        "T-shirt/top",
        "Trouser",
        "Pullover",
        "Dress",
        "Coat",
        "Sandal",
        "Shirt",
        "Sneaker",
        "Bag",
        "Ankle boot",
    ]


class KMNIST(MNIST):
    """KMNIST(root, train=True, transform=None, target_transform=None, download=False)

    70,000 cursive Japanese characters, 28x28 pixels in ten classes, in MNIST's form.

    >>> vision.datasets.KMNIST('nowhere')
    Traceback (most recent call last):
        ...
    RuntimeError: Dataset not found. You can use download=True to download it
    """

    mirrors: ClassVar[list[str]] = ["http://codh.rois.ac.jp/kmnist/dataset/kmnist/"]
    resources: ClassVar[list[tuple[str, str]]] = [
        ("train-images-idx3-ubyte.gz", "bdb82020997e1d708af4cf47b453dcf7"),
        ("train-labels-idx1-ubyte.gz", "e144d726b3acfaa3e44228e80efcd344"),
        ("t10k-images-idx3-ubyte.gz", "5c965bf0a639b31b8f53240b1b52f4d7"),
        ("t10k-labels-idx1-ubyte.gz", "7320c461ea6c1c855c0b718fb2a4b134"),
    ]
    classes: ClassVar[list[str]] = ["o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"]
