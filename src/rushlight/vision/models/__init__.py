"""Well-known image classifiers, with torchvision's names of layers, so its checkpoints load.

No weights are fetched: ``model.load_state_dict(torch.load("resnet18.pth"))``.
"""

from rushlight.vision.models._weights import AlexNet_Weights as AlexNet_Weights
from rushlight.vision.models._weights import MobileNet_V2_Weights as MobileNet_V2_Weights
from rushlight.vision.models._weights import ResNet18_Weights as ResNet18_Weights
from rushlight.vision.models._weights import ResNet34_Weights as ResNet34_Weights
from rushlight.vision.models._weights import ResNet50_Weights as ResNet50_Weights
from rushlight.vision.models._weights import ResNet101_Weights as ResNet101_Weights
from rushlight.vision.models._weights import ResNet152_Weights as ResNet152_Weights
from rushlight.vision.models._weights import ResNeXt50_32X4D_Weights as ResNeXt50_32X4D_Weights
from rushlight.vision.models._weights import VGG11_BN_Weights as VGG11_BN_Weights
from rushlight.vision.models._weights import VGG11_Weights as VGG11_Weights
from rushlight.vision.models._weights import VGG13_BN_Weights as VGG13_BN_Weights
from rushlight.vision.models._weights import VGG13_Weights as VGG13_Weights
from rushlight.vision.models._weights import VGG16_BN_Weights as VGG16_BN_Weights
from rushlight.vision.models._weights import VGG16_Weights as VGG16_Weights
from rushlight.vision.models._weights import VGG19_BN_Weights as VGG19_BN_Weights
from rushlight.vision.models._weights import VGG19_Weights as VGG19_Weights
from rushlight.vision.models._weights import Wide_ResNet50_2_Weights as Wide_ResNet50_2_Weights
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
