"""torchvision.ops: boxes, and the blocks of models."""

from rushlight.vision.ops.boxes import batched_nms as batched_nms
from rushlight.vision.ops.boxes import box_area as box_area
from rushlight.vision.ops.boxes import box_convert as box_convert
from rushlight.vision.ops.boxes import box_iou as box_iou
from rushlight.vision.ops.boxes import clip_boxes_to_image as clip_boxes_to_image
from rushlight.vision.ops.boxes import nms as nms
from rushlight.vision.ops.boxes import remove_small_boxes as remove_small_boxes
from rushlight.vision.ops.misc import Conv2dNormActivation as Conv2dNormActivation
from rushlight.vision.ops.misc import FrozenBatchNorm2d as FrozenBatchNorm2d
from rushlight.vision.ops.misc import Permute as Permute
from rushlight.vision.ops.misc import SqueezeExcitation as SqueezeExcitation
