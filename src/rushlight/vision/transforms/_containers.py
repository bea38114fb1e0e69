"""Transforms made of transforms."""

import random
from collections.abc import Callable, Sequence
from typing import Any

from rushlight import _api as torch
from rushlight.nn import Module


def _listing(name: str, lines: Sequence[Any]) -> str:
    return f"{name}(" + "".join(f"\n    {line}" for line in lines) + "\n)"


class Compose:
    """Compose(transforms)

    Apply ``transforms`` one after the other.

    >>> from rushlight.vision.transforms import Compose, Normalize, ToTensor
    >>> print(Compose([ToTensor(), Normalize((0.5,), (0.5,))]))
    Compose(
        ToTensor()
        Normalize(mean=(0.5,), std=(0.5,))
    )
    """

    def __init__(self, transforms: Sequence[Callable]) -> None:
        self.transforms = transforms

    def __call__(self, img: Any) -> Any:
        """Return the image after every transform."""
        for transform in self.transforms:
            img = transform(img)
        return img

    def __repr__(self) -> str:
        return _listing(type(self).__name__, self.transforms)


class Lambda:
    """Lambda(lambd)

    Apply a function of yours.

    >>> vision.transforms.Lambda(lambda x: 1 - x)(torch.tensor([0.25, 1.0]))
    tensor([0.7500, 0.0000])
    """

    def __init__(self, lambd: Callable) -> None:
        if not callable(lambd):
            raise TypeError(f"Argument lambd should be callable, got {type(lambd).__name__!r}")
        self.lambd = lambd

    def __call__(self, img: Any) -> Any:
        """Return what the function makes of the image."""
        return self.lambd(img)

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


class RandomTransforms:
    """The base of the containers that choose."""

    def __init__(self, transforms: Sequence[Callable]) -> None:
        if not isinstance(transforms, Sequence):
            raise TypeError("Argument transforms should be a sequence")
        self.transforms = transforms

    def __call__(self, img: Any) -> Any:
        """Return the image after the chosen transforms."""
        raise NotImplementedError(f"{type(self).__name__} must define __call__")

    def __repr__(self) -> str:
        return _listing(type(self).__name__, self.transforms)


class RandomOrder(RandomTransforms):
    """RandomOrder(transforms)

    Apply ``transforms`` in an order drawn anew each time, by Python's ``random``.

    >>> pad, grey = vision.transforms.Pad(1), vision.transforms.Grayscale()
    >>> both = vision.transforms.RandomOrder([pad, grey])
    >>> both(torch.rand(3, 8, 8)).shape
    torch.Size([1, 10, 10])
    """

    def __call__(self, img: Any) -> Any:
        """Return the image after every transform."""
        order = list(range(len(self.transforms)))
        random.shuffle(order)
        for index in order:
            img = self.transforms[index](img)
        return img


class RandomChoice(RandomTransforms):
    """RandomChoice(transforms, p=None)

    Apply one of ``transforms``, drawn with weights ``p`` by Python's ``random``.

    >>> crops = [vision.transforms.CenterCrop(n) for n in (2, 2)]
    >>> vision.transforms.RandomChoice(crops)(torch.rand(3, 8, 8)).shape
    torch.Size([3, 2, 2])
    """

    def __init__(self, transforms: Sequence[Callable], p: Sequence[float] | None = None) -> None:
        super().__init__(transforms)
        if p is not None and not isinstance(p, Sequence):
            raise TypeError("Argument p should be a sequence")
        self.p = p

    def __call__(self, img: Any) -> Any:
        """Return the image after the drawn transform."""
        return random.choices(self.transforms, weights=self.p)[0](img)

    def __repr__(self) -> str:
        return f"{super().__repr__()}(p={self.p})"


class RandomApply(Module):
    """RandomApply(transforms, p=0.5)

    Apply all of ``transforms`` with probability ``p``, else none.

    >>> flip = vision.transforms.RandomHorizontalFlip(1.0)
    >>> vision.transforms.RandomApply([flip], p=1.0)(torch.tensor([[[1.0, 2.0]]]))
    tensor([[[2., 1.]]])
    """

    def __init__(self, transforms: Sequence[Callable], p: float = 0.5) -> None:
        super().__init__()
        self.transforms = transforms
        self.p = p

    def forward(self, img: Any) -> Any:
        """Return the image, transformed or as it came."""
        if self.p < torch.rand(1):
            return img
        for transform in self.transforms:
            img = transform(img)
        return img

    def __repr__(self) -> str:
        return _listing(type(self).__name__, [f"p={self.p}", *self.transforms])
