"""torchvision.transforms.v2: its functions of one picture; the classes are those of transforms."""

from rushlight.vision.transforms.v2 import functional as functional
