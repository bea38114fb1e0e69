"""Well-known image classifiers, with torchvision's names of layers, so its checkpoints load.

No weights are fetched: ``model.load_state_dict(torch.load("resnet18.pth"))``.
"""

from rushlight.vision.models.alexnet import AlexNet as AlexNet
from rushlight.vision.models.alexnet import alexnet as alexnet
from rushlight.vision.models.mobilenet import MobileNetV2 as MobileNetV2
from rushlight.vision.models.mobilenet import mobilenet_v2 as mobilenet_v2
from rushlight.vision.models.resnet import ResNet as ResNet
from rushlight.vision.models.resnet import resnet18 as resnet18
from rushlight.vision.models.resnet import resnet34 as resnet34
from rushlight.vision.models.resnet import resnet50 as resnet50
from rushlight.vision.models.resnet import resnet101 as resnet101
from rushlight.vision.models.resnet import resnet152 as resnet152
from rushlight.vision.models.resnet import resnext50_32x4d as resnext50_32x4d
from rushlight.vision.models.resnet import wide_resnet50_2 as wide_resnet50_2
from rushlight.vision.models.vgg import VGG as VGG
from rushlight.vision.models.vgg import vgg11 as vgg11
from rushlight.vision.models.vgg import vgg11_bn as vgg11_bn
from rushlight.vision.models.vgg import vgg13 as vgg13
from rushlight.vision.models.vgg import vgg13_bn as vgg13_bn
from rushlight.vision.models.vgg import vgg16 as vgg16
from rushlight.vision.models.vgg import vgg16_bn as vgg16_bn
from rushlight.vision.models.vgg import vgg19 as vgg19
from rushlight.vision.models.vgg import vgg19_bn as vgg19_bn
