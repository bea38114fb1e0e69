"""What torchvision offers, on rushlight: datasets, transforms, image files and grids."""

from rushlight._version import __version__ as __version__
from rushlight.vision import datasets as datasets
from rushlight.vision import io as io
from rushlight.vision import transforms as transforms
from rushlight.vision import utils as utils

__all__ = ["datasets", "io", "transforms", "utils"]
