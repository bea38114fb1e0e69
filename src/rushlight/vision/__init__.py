"""What torchvision offers, on rushlight: datasets, transforms, models, image files."""

from rushlight._version import __version__ as __version__
from rushlight.vision import datasets as datasets
from rushlight.vision import io as io
from rushlight.vision import models as models
from rushlight.vision import ops as ops
from rushlight.vision import transforms as transforms
from rushlight.vision import utils as utils

__all__ = ["datasets", "io", "models", "ops", "transforms", "utils"]
