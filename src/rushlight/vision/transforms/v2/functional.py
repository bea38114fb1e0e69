"""torchvision.transforms.v2.functional: functions of one picture, a tensor or a PIL image.

Those that transforms.functional has, by the same names.
"""

from rushlight.vision.transforms.functional import InterpolationMode as InterpolationMode
from rushlight.vision.transforms.functional import adjust_brightness as adjust_brightness
from rushlight.vision.transforms.functional import adjust_contrast as adjust_contrast
from rushlight.vision.transforms.functional import adjust_gamma as adjust_gamma
from rushlight.vision.transforms.functional import adjust_hue as adjust_hue
from rushlight.vision.transforms.functional import adjust_saturation as adjust_saturation
from rushlight.vision.transforms.functional import affine as affine
from rushlight.vision.transforms.functional import center_crop as center_crop
from rushlight.vision.transforms.functional import convert_image_dtype as convert_image_dtype
from rushlight.vision.transforms.functional import crop as crop
from rushlight.vision.transforms.functional import erase as erase
from rushlight.vision.transforms.functional import five_crop as five_crop
from rushlight.vision.transforms.functional import gaussian_blur as gaussian_blur
from rushlight.vision.transforms.functional import get_dimensions as get_dimensions
from rushlight.vision.transforms.functional import hflip as horizontal_flip
from rushlight.vision.transforms.functional import normalize as normalize
from rushlight.vision.transforms.functional import pad as pad
from rushlight.vision.transforms.functional import pil_to_tensor as pil_to_tensor
from rushlight.vision.transforms.functional import resize as resize
from rushlight.vision.transforms.functional import resized_crop as resized_crop
from rushlight.vision.transforms.functional import rgb_to_grayscale as rgb_to_grayscale
from rushlight.vision.transforms.functional import rotate as rotate
from rushlight.vision.transforms.functional import to_pil_image as to_pil_image
from rushlight.vision.transforms.functional import vflip as vertical_flip

hflip, vflip = horizontal_flip, vertical_flip
