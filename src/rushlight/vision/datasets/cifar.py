"""CIFAR-10 and CIFAR-100, from their pickled batches."""

import io
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from rushlight.vision._pillow import image_module
from rushlight.vision.datasets.utils import check_integrity, download_and_extract_archive
from rushlight.vision.datasets.vision import VisionDataset


def _latin1_bytes(text: str, encoding: str) -> bytes:
    """What pickles made by Python 3 in protocol 2 call to get bytes back."""
    return text.encode("latin1")


class _BatchUnpickler(pickle.Unpickler):
    """Unpickles lists, dicts, numbers, strings and NumPy arrays, and refuses every other name."""

    def find_class(self, module: str, name: str) -> Any:
        match module, name:
            case ("numpy", "ndarray"):
                return np.ndarray
            case ("numpy", "dtype"):
                return np.dtype
            case (("numpy.core.multiarray" | "numpy._core.multiarray"), "_reconstruct"):
                return np.zeros(0).__reduce__()[0]
            case ("_codecs", "encode"):
                return _latin1_bytes
        raise pickle.UnpicklingError(f"{module}.{name} has no place in a CIFAR batch")


def _read_batch(path: Path) -> dict[str, Any]:
    return _BatchUnpickler(io.BytesIO(path.read_bytes()), encoding="latin1").load()


class CIFAR10(VisionDataset):
    """CIFAR10(root, train=True, transform=None, target_transform=None, download=False)

    60,000 colour pictures of 32x32 pixels in ten classes (Krizhevsky): 50,000 to train, 10,000 to
    test.

    The batches stand in ``root/cifar-10-batches-py``; ``download=True`` fetches them. A sample is a
    pair of a Pillow image in mode ``RGB`` and an int; ``data`` is a uint8 array (N, 32, 32, 3),
    ``targets`` a list.

    >>> vision.datasets.CIFAR10('nowhere')
    Traceback (most recent call last):
        ...
    RuntimeError: Dataset not found or corrupted. You can use download=True to ...
    """

    base_folder = "cifar-10-batches-py"
    url = "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz"
    filename = "cifar-10-python.tar.gz"
    tgz_md5 = "c58f30108f718f92721af3b95e74349a"
    train_list: ClassVar[list[list[str]]] = [
        ["data_batch_1", "c99cafc152244af753f735de768cd75f"],
        ["data_batch_2", "d4bba439e000b95fd0a9bffe97cbabec"],
        ["data_batch_3", "54ebc095f3ab1f0389bbae665268c751"],
        ["data_batch_4", "634d18415352ddfa80567beed471001a"],
        ["data_batch_5", "482c414d41f54cd18b22e5b47cb7c3cb"],
    ]
    test_list: ClassVar[list[list[str]]] = [["test_batch", "40351d587109b95175f43aff81a1287e"]]
    meta: ClassVar[dict[str, str]] = {
        "filename": "batches.meta",
        "key": "label_names",
        "md5": "5ff9c542aee3614f3951f8cda6e48888",
    }
    label_key = "labels"

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
        if not self._check_integrity():
            raise RuntimeError(
                "Dataset not found or corrupted. You can use download=True to download it"
            )
        self._load_batches()
        self._load_meta()

    def _load_batches(self) -> None:
        files = self.train_list if self.train else self.test_list
        batches = [_read_batch(self._folder / name) for name, _ in files]
        pixels = np.vstack([batch["data"] for batch in batches]).reshape(-1, 3, 32, 32)
        self.data = np.ascontiguousarray(pixels.transpose(0, 2, 3, 1))  # (N, H, W, C)
        self.targets: list[int] = [t for batch in batches for t in batch[self.label_key]]

    def _load_meta(self) -> None:
        path = self._folder / self.meta["filename"]
        if not check_integrity(path, self.meta["md5"]):
            raise RuntimeError(
                "Dataset metadata file not found or corrupted. "
                "You can use download=True to download it"
            )
        self.classes: list[str] = _read_batch(path)[self.meta["key"]]
        self.class_to_idx = {name: index for index, name in enumerate(self.classes)}

    @property
    def _folder(self) -> Path:
        return self._root / self.base_folder

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        """Return the image and the class at ``index``."""
        image = image_module(f"an image of {type(self).__name__}").fromarray(self.data[index])
        return self._transformed(image, self.targets[index])

    def __len__(self) -> int:
        return len(self.data)

    def _check_integrity(self) -> bool:
        files = self.train_list + self.test_list
        return all(check_integrity(self._folder / name, md5) for name, md5 in files)

    def download(self) -> None:
        """Fetch and unpack the archive, unless every batch is there and right."""
        if self._check_integrity():
            return
        download_and_extract_archive(self.url, self._root, filename=self.filename, md5=self.tgz_md5)

    def extra_repr(self) -> str:
        """Which split this is."""
        return f"Split: {'Train' if self.train is True else 'Test'}"


class CIFAR100(CIFAR10):
    """CIFAR100(root, train=True, transform=None, target_transform=None, download=False)

    CIFAR-10's sibling with a hundred classes of 600 pictures each; targets are the fine labels.

    >>> vision.datasets.CIFAR100('nowhere')
    Traceback (most recent call last):
        ...
    RuntimeError: Dataset not found or corrupted. You can use download=True to ...
    """

    base_folder = "cifar-100-python"
    url = "https://www.cs.toronto.edu/~kriz/cifar-100-python.tar.gz"
    filename = "cifar-100-python.tar.gz"
    tgz_md5 = "eb9058c3a382ffc7106e4002c42a8d85"
    train_list: ClassVar[list[list[str]]] = [["train", "16019d7e3df5f24257cddd939b257f8d"]]
    test_list: ClassVar[list[list[str]]] = [["test", "f0ef6b0ae62326f3e7ffdfab6717acfc"]]
    meta: ClassVar[dict[str, str]] = {
        "filename": "meta",
        "key": "fine_label_names",
        "md5": "7973b15100ade9c7d40fb424638fde48",
    }
    label_key = "fine_labels"
