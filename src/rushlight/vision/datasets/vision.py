"""What every image dataset shares: a root folder, two transforms and a printed form."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from rushlight.utils.data import Dataset


def _titled(title: str, transform: Callable) -> str:
    """The transform's repr behind a title, its further lines indented to match."""
    return title + repr(transform).replace("\n", "\n" + " " * len(title))


class StandardTransform:
    """A pair of transforms, one for the image and one for its target, called as one function."""

    def __init__(
        self, transform: Callable | None = None, target_transform: Callable | None = None
    ) -> None:
        self.transform = transform
        self.target_transform = target_transform

    def __call__(self, input: Any, target: Any) -> tuple[Any, Any]:
        """Return the transformed image and the transformed target."""
        if self.transform is not None:
            input = self.transform(input)
        if self.target_transform is not None:
            target = self.target_transform(target)
        return input, target

    def __repr__(self) -> str:
        lines = [type(self).__name__]
        if self.transform is not None:
            lines.append(_titled("Transform: ", self.transform))
        if self.target_transform is not None:
            lines.append(_titled("Target transform: ", self.target_transform))
        return "\n".join(lines)


class VisionDataset(Dataset):
    """VisionDataset(root=None, transforms=None, transform=None, target_transform=None)

    The base of the image datasets; a subclass defines ``__getitem__`` and ``__len__``.

    Give either ``transforms``, a function of (image, target), or ``transform`` and
    ``target_transform``.

    >>> class Squares(vision.datasets.VisionDataset):
    ...     def __getitem__(self, index):
    ...         return index**2
    ...     def __len__(self):
    ...         return 3
    >>> list(zip(range(3), Squares()))
    [(0, 0), (1, 1), (2, 4)]
    """

    def __init__(
        self,
        root: str | Path | None = None,
        transforms: Callable | None = None,
        transform: Callable | None = None,
        target_transform: Callable | None = None,
    ) -> None:
        self.root = Path(root).expanduser().as_posix() if isinstance(root, str) else root
        separate = transform is not None or target_transform is not None
        if transforms is not None and separate:
            raise ValueError(
                "Only transforms or transform/target_transform can be passed as argument"
            )
        self.transform = transform
        self.target_transform = target_transform
        self.transforms = StandardTransform(transform, target_transform) if separate else transforms

    @property
    def _root(self) -> Path:
        return Path(self.root or "")

    def __getitem__(self, index: int) -> Any:
        """Return the sample at ``index``."""
        raise NotImplementedError

    def __len__(self) -> int:
        raise NotImplementedError

    def _transformed(self, image: Any, target: Any) -> tuple[Any, Any]:
        """Apply the two separate transforms, where there are any."""
        if self.transform is not None:
            image = self.transform(image)
        if self.target_transform is not None:
            target = self.target_transform(target)
        return image, target

    def __repr__(self) -> str:
        body = [f"Number of datapoints: {len(self)}"]
        if self.root is not None:
            body.append(f"Root location: {self.root}")
        body += self.extra_repr().splitlines()
        if self.transforms is not None:
            body.append(repr(self.transforms))
        return "\n    ".join([f"Dataset {type(self).__name__}", *body])

    def extra_repr(self) -> str:
        """Further lines for the printed form; none by default."""
        return ""
