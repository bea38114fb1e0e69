"""Datasets that are folders of files, one folder a class."""

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from rushlight.vision._pillow import image_module
from rushlight.vision.datasets.vision import VisionDataset

IMG_EXTENSIONS = (
    ".jpg",
    ".jpeg",
    ".png",
    ".ppm",
    ".bmp",
    ".pgm",
    ".tif",
    ".tiff",
    ".webp",
)


def has_file_allowed_extension(filename: str, extensions: str | tuple[str, ...]) -> bool:
    """Whether the name ends in one of ``extensions``, in capitals or not."""
    return filename.lower().endswith(extensions)


def is_image_file(filename: str) -> bool:
    """Whether the name ends as an image's does (see ``IMG_EXTENSIONS``)."""
    return has_file_allowed_extension(filename, IMG_EXTENSIONS)


def find_classes(directory: str | Path) -> tuple[list[str], dict[str, int]]:
    """Return the sorted names of the folders in ``directory``, and the number of each."""
    classes = sorted(entry.name for entry in os.scandir(directory) if entry.is_dir())
    if not classes:
        raise FileNotFoundError(f"Couldn't find any class folder in {directory}.")
    return classes, {name: index for index, name in enumerate(classes)}


def _files_below(folder: Path) -> list[str]:
    return [
        str(Path(place) / name)
        for place, _, names in sorted(os.walk(folder, followlinks=True))
        for name in sorted(names)
    ]


def make_dataset(
    directory: str | Path,
    class_to_idx: dict[str, int] | None = None,
    extensions: str | tuple[str, ...] | None = None,
    is_valid_file: Callable[[str], bool] | None = None,
    allow_empty: bool = False,
) -> list[tuple[str, int]]:
    """Return (path, class number) of every file below the class folders that is allowed.

    What is allowed is said by ``extensions`` or by ``is_valid_file``, by one of them. A class
    without a file is a FileNotFoundError, unless ``allow_empty``.
    """
    if class_to_idx is None:
        class_to_idx = find_classes(directory)[1]
    elif not class_to_idx:
        raise ValueError("'class_to_index' must have at least one entry to collect any samples.")
    if (extensions is None) == (is_valid_file is None):
        raise ValueError(
            "Both extensions and is_valid_file cannot be None or not None at the same time"
        )
    if extensions is not None:
        is_valid_file = partial(has_file_allowed_extension, extensions=extensions)
    root = Path(directory).expanduser()
    samples, empty = [], []
    for name in sorted(class_to_idx):
        paths = list(filter(is_valid_file, _files_below(root / name)))
        samples += [(path, class_to_idx[name]) for path in paths]
        if not paths:
            empty.append(name)
    if empty and not allow_empty:
        message = f"Found no valid file for the classes {', '.join(empty)}. "
        if extensions is not None:
            listed = extensions if isinstance(extensions, str) else ", ".join(extensions)
            message += f"Supported extensions are: {listed}"
        raise FileNotFoundError(message)
    return samples


def pil_loader(path: str | Path) -> Any:
    """Open an image file as a Pillow image in mode ``RGB``."""
    with Path(path).open("rb") as file:
        return image_module("reading an image file").open(file).convert("RGB")


default_loader = pil_loader


class DatasetFolder(VisionDataset):
    """DatasetFolder(root, loader, extensions=None, transform=None, target_transform=None, ...)

    The files below ``root/<class>/``, read by ``loader``, with the class's number as the target.

    Attributes: ``classes``, ``class_to_idx``, ``samples`` (pairs of path and number) and
    ``targets``.

    >>> import pathlib, tempfile
    >>> with tempfile.TemporaryDirectory() as root:
    ...     for name in ('cat', 'dog'):
    ...         pathlib.Path(root, name).mkdir()
    ...         _ = pathlib.Path(root, name, '1.txt').write_text(name.upper())
    ...     read = lambda path: pathlib.Path(path).read_text()
    ...     files = vision.datasets.DatasetFolder(root, read, ('.txt',))
    ...     files.classes, files[1]
    (['cat', 'dog'], ('DOG', 1))
    """

    def __init__(
        self,
        root: str | Path,
        loader: Callable[[str], Any],
        extensions: tuple[str, ...] | None = None,
        transform: Callable | None = None,
        target_transform: Callable | None = None,
        is_valid_file: Callable[[str], bool] | None = None,
        allow_empty: bool = False,
    ) -> None:
        super().__init__(root, transform=transform, target_transform=target_transform)
        self.classes, self.class_to_idx = self.find_classes(self._root)
        self.samples = self.make_dataset(
            self._root, self.class_to_idx, extensions, is_valid_file, allow_empty
        )
        self.loader = loader
        self.extensions = extensions
        self.targets = [target for _, target in self.samples]

    @staticmethod
    def make_dataset(
        directory: str | Path,
        class_to_idx: dict[str, int],
        extensions: tuple[str, ...] | None = None,
        is_valid_file: Callable[[str], bool] | None = None,
        allow_empty: bool = False,
    ) -> list[tuple[str, int]]:
        """Return the samples; override it to find them otherwise."""
        if class_to_idx is None:
            raise ValueError("The class_to_idx parameter cannot be None.")
        return make_dataset(directory, class_to_idx, extensions, is_valid_file, allow_empty)

    def find_classes(self, directory: str | Path) -> tuple[list[str], dict[str, int]]:
        """Return the classes and their numbers; override it to find them otherwise."""
        return find_classes(directory)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        """Return the loaded sample and the class at ``index``."""
        path, target = self.samples[index]
        return self._transformed(self.loader(path), target)

    def __len__(self) -> int:
        return len(self.samples)


class ImageFolder(DatasetFolder):
    """ImageFolder(root, transform=None, target_transform=None, loader=..., is_valid_file=None)

    The image files below ``root/<class>/`` as Pillow images, with the class's number as the target.

    >>> import pathlib, tempfile
    >>> with tempfile.TemporaryDirectory() as root:
    ...     pathlib.Path(root, 'cat').mkdir()
    ...     image = torch.zeros(3, 4, 8, dtype=torch.uint8)
    ...     vision.io.write_png(image, pathlib.Path(root, 'cat', '1.png'))
    ...     image, target = vision.datasets.ImageFolder(root)[0]
    ...     image.size, target
    ((8, 4), 0)
    """

    def __init__(
        self,
        root: str | Path,
        transform: Callable | None = None,
        target_transform: Callable | None = None,
        loader: Callable[[str], Any] = default_loader,
        is_valid_file: Callable[[str], bool] | None = None,
        allow_empty: bool = False,
    ) -> None:
        super().__init__(
            root,
            loader,
            IMG_EXTENSIONS if is_valid_file is None else None,
            transform=transform,
            target_transform=target_transform,
            is_valid_file=is_valid_file,
            allow_empty=allow_empty,
        )
        self.imgs = self.samples
