"""VGG: 3x3 convolutions in blocks (Simonyan and Zisserman 2014)."""

from collections.abc import Sequence
from typing import Any

from rushlight import _api as torch
from rushlight import nn
from rushlight.vision.models._weights import refuse_weights

_WIDTHS = (64, 128, 256, 512, 512)
_DEPTHS = {11: (1, 1, 2, 2, 2), 13: (2, 2, 2, 2, 2), 16: (2, 2, 3, 3, 3), 19: (2, 2, 4, 4, 4)}


def _features(depths: Sequence[int], batch_norm: bool) -> nn.Sequential:
    layers: list[nn.Module] = []
    channels = 3
    for depth, width in zip(depths, _WIDTHS, strict=True):
        for _ in range(depth):
            layers.append(nn.Conv2d(channels, width, kernel_size=3, padding=1))
            if batch_norm:
                layers.append(nn.BatchNorm2d(width))
            layers.append(nn.ReLU(inplace=True))
            channels = width
        layers.append(nn.MaxPool2d(kernel_size=2, stride=2))
    return nn.Sequential(*layers)


def _initialize(module: nn.Module) -> None:
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        if module.bias is not None:
            nn.init.constant_(module.bias, 0)
    elif isinstance(module, nn.BatchNorm2d):
        nn.init.constant_(module.weight, 1)
        nn.init.constant_(module.bias, 0)
    elif isinstance(module, nn.Linear):
        nn.init.normal_(module.weight, 0, 0.01)
        nn.init.constant_(module.bias, 0)


class VGG(nn.Module):
    """VGG(features, num_classes=1000, init_weights=True, dropout=0.5)

    Convolutions ``features`` and three linear layers, for images (N, 3, 224, 224).

    >>> with torch.device('meta'):
    ...     model = vision.models.VGG(torch.nn.Sequential(), num_classes=10, init_weights=False)
    >>> model.classifier[0].weight.shape
    torch.Size([4096, 25088])
    """

    def __init__(
        self,
        features: nn.Module,
        num_classes: int = 1000,
        init_weights: bool = True,
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        self.features = features
        self.avgpool = nn.AdaptiveAvgPool2d((7, 7))
        self.classifier = nn.Sequential(
            nn.Linear(512 * 7 * 7, 4096),
            nn.ReLU(True),
            nn.Dropout(p=dropout),
            nn.Linear(4096, 4096),
            nn.ReLU(True),
            nn.Dropout(p=dropout),
            nn.Linear(4096, num_classes),
        )
        if init_weights:
            for module in self.modules():
                _initialize(module)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the scores (N, num_classes)."""
        x = self.avgpool(self.features(x))
        return self.classifier(torch.flatten(x, 1))


def _vgg(layers: int, batch_norm: bool, weights: Any, kwargs: dict[str, Any]) -> VGG:
    refuse_weights(weights)
    return VGG(_features(_DEPTHS[layers], batch_norm), **kwargs)


def vgg11(*, weights: Any = None, **kwargs: Any) -> VGG:
    """Return VGG-11 with random weights.

    >>> with torch.device('meta'):
    ...     model = vision.models.vgg11()
    >>> sum(p.numel() for p in model.parameters())
    132863336
    """
    return _vgg(11, False, weights, kwargs)


def vgg11_bn(*, weights: Any = None, **kwargs: Any) -> VGG:
    """Return VGG-11 with batch normalization and random weights.

    >>> with torch.device('meta'):
    ...     model = vision.models.vgg11_bn()
    >>> sum(p.numel() for p in model.parameters())
    132868840
    """
    return _vgg(11, True, weights, kwargs)


def vgg13(*, weights: Any = None, **kwargs: Any) -> VGG:
    """Return VGG-13 with random weights.

    >>> with torch.device('meta'):
    ...     model = vision.models.vgg13()
    >>> sum(p.numel() for p in model.parameters())
    133047848
    """
    return _vgg(13, False, weights, kwargs)


def vgg13_bn(*, weights: Any = None, **kwargs: Any) -> VGG:
    """Return VGG-13 with batch normalization and random weights.

    >>> with torch.device('meta'):
    ...     model = vision.models.vgg13_bn()
    >>> sum(p.numel() for p in model.parameters())
    133053736
    """
    return _vgg(13, True, weights, kwargs)


def vgg16(*, weights: Any = None, **kwargs: Any) -> VGG:
    """Return VGG-16 with random weights.

    >>> with torch.device('meta'):
    ...     model = vision.models.vgg16()
    >>> sum(p.numel() for p in model.parameters())
    138357544
    """
    return _vgg(16, False, weights, kwargs)


def vgg16_bn(*, weights: Any = None, **kwargs: Any) -> VGG:
    """Return VGG-16 with batch normalization and random weights.

    >>> with torch.device('meta'):
    ...     model = vision.models.vgg16_bn()
    >>> sum(p.numel() for p in model.parameters())
    138365992
    """
    return _vgg(16, True, weights, kwargs)


def vgg19(*, weights: Any = None, **kwargs: Any) -> VGG:
    """Return VGG-19 with random weights.

    >>> with torch.device('meta'):
    ...     model = vision.models.vgg19()
    >>> sum(p.numel() for p in model.parameters())
    143667240
    """
    return _vgg(19, False, weights, kwargs)


def vgg19_bn(*, weights: Any = None, **kwargs: Any) -> VGG:
    """Return VGG-19 with batch normalization and random weights.

    >>> with torch.device('meta'):
    ...     model = vision.models.vgg19_bn()
    >>> sum(p.numel() for p in model.parameters())
    143678248
    """
    return _vgg(19, True, weights, kwargs)
