"""Changes to images before a model sees them, as torchvision.transforms names them."""

from rushlight.vision.transforms import functional as functional
from rushlight.vision.transforms._color import ColorJitter as ColorJitter
from rushlight.vision.transforms._color import GaussianBlur as GaussianBlur
from rushlight.vision.transforms._color import Grayscale as Grayscale
from rushlight.vision.transforms._color import RandomErasing as RandomErasing
from rushlight.vision.transforms._color import RandomGrayscale as RandomGrayscale
from rushlight.vision.transforms._containers import Compose as Compose
from rushlight.vision.transforms._containers import Lambda as Lambda
from rushlight.vision.transforms._containers import RandomApply as RandomApply
from rushlight.vision.transforms._containers import RandomChoice as RandomChoice
from rushlight.vision.transforms._containers import RandomOrder as RandomOrder
from rushlight.vision.transforms._conversion import ConvertImageDtype as ConvertImageDtype
from rushlight.vision.transforms._conversion import Normalize as Normalize
from rushlight.vision.transforms._conversion import PILToTensor as PILToTensor
from rushlight.vision.transforms._conversion import ToPILImage as ToPILImage
from rushlight.vision.transforms._conversion import ToTensor as ToTensor
from rushlight.vision.transforms._geometry import CenterCrop as CenterCrop
from rushlight.vision.transforms._geometry import FiveCrop as FiveCrop
from rushlight.vision.transforms._geometry import Pad as Pad
from rushlight.vision.transforms._geometry import RandomAffine as RandomAffine
from rushlight.vision.transforms._geometry import RandomCrop as RandomCrop
from rushlight.vision.transforms._geometry import RandomHorizontalFlip as RandomHorizontalFlip
from rushlight.vision.transforms._geometry import RandomResizedCrop as RandomResizedCrop
from rushlight.vision.transforms._geometry import RandomRotation as RandomRotation
from rushlight.vision.transforms._geometry import RandomVerticalFlip as RandomVerticalFlip
from rushlight.vision.transforms._geometry import Resize as Resize
from rushlight.vision.transforms.functional import InterpolationMode as InterpolationMode

__all__ = [
    "CenterCrop",
    "ColorJitter",
    "Compose",
    "ConvertImageDtype",
    "FiveCrop",
    "GaussianBlur",
    "Grayscale",
    "InterpolationMode",
    "Lambda",
    "Normalize",
    "PILToTensor",
    "Pad",
    "RandomAffine",
    "RandomApply",
    "RandomChoice",
    "RandomCrop",
    "RandomErasing",
    "RandomGrayscale",
    "RandomHorizontalFlip",
    "RandomOrder",
    "RandomResizedCrop",
    "RandomRotation",
    "RandomVerticalFlip",
    "Resize",
    "ToPILImage",
    "ToTensor",
]
