"""Random images with random classes, for tests and timings."""

from collections.abc import Callable
from typing import Any

from rushlight import _api as torch
from rushlight.vision.datasets.vision import VisionDataset
from rushlight.vision.transforms.functional import to_pil_image


class FakeData(VisionDataset):
    """FakeData(size=1000, image_size=(3, 224, 224), num_classes=10, transform=None, ...)

    ``size`` random Pillow images and classes; the same index always gives the same pair.

    >>> image, target = vision.datasets.FakeData(size=2, image_size=(3, 4, 8))[0]
    >>> image.size, target.dtype
    ((8, 4), torch.int64)
    """

    def __init__(
        self,
        size: int = 1000,
        image_size: tuple[int, int, int] = (3, 224, 224),
        num_classes: int = 10,
        transform: Callable | None = None,
        target_transform: Callable | None = None,
        random_offset: int = 0,
    ) -> None:
        super().__init__(transform=transform, target_transform=target_transform)
        self.size = size
        self.num_classes = num_classes
        self.image_size = image_size
        self.random_offset = random_offset

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        """Return the image and the class at ``index``; the caller's generator is left alone."""
        if index >= len(self):
            raise IndexError(f"{type(self).__name__} index out of range")
        state = torch.get_rng_state()
        torch.manual_seed(index + self.random_offset)
        image = torch.randn(*self.image_size)
        target = torch.randint(0, self.num_classes, size=(1,), dtype=torch.long)[0]
        torch.set_rng_state(state)
        image, target = self._transformed(to_pil_image(image), target)
        return image, target

    def __len__(self) -> int:
        return self.size
