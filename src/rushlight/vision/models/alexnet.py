"""AlexNet, in the one-tower form (Krizhevsky 2014)."""

from typing import Any

from rushlight import _api as torch
from rushlight import nn
from rushlight.vision.models._weights import refuse_weights


class AlexNet(nn.Module):
    """AlexNet(num_classes=1000, dropout=0.5)

    Five convolutions and three linear layers, for images (N, 3, 224, 224).

    >>> model = vision.models.AlexNet(num_classes=10)
    >>> model.classifier[-1]
    Linear(in_features=4096, out_features=10, bias=True)
    """

    def __init__(self, num_classes: int = 1000, dropout: float = 0.5) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 64, kernel_size=11, stride=4, padding=2),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(kernel_size=3, stride=2),
            nn.Conv2d(64, 192, kernel_size=5, padding=2),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(kernel_size=3, stride=2),
            nn.Conv2d(192, 384, kernel_size=3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(384, 256, kernel_size=3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(256, 256, kernel_size=3, padding=1),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(kernel_size=3, stride=2),
        )
        self.avgpool = nn.AdaptiveAvgPool2d((6, 6))
        self.classifier = nn.Sequential(
            nn.Dropout(p=dropout),
            nn.Linear(256 * 6 * 6, 4096),
            nn.ReLU(inplace=True),
            nn.Dropout(p=dropout),
            nn.Linear(4096, 4096),
            nn.ReLU(inplace=True),
            nn.Linear(4096, num_classes),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the scores (N, num_classes)."""
        x = self.avgpool(self.features(x))
        return self.classifier(torch.flatten(x, 1))


def alexnet(*, weights: Any = None, **kwargs: Any) -> AlexNet:
    """Return an AlexNet with random weights.

    >>> with torch.device('meta'):
    ...     model = vision.models.alexnet()
    >>> sum(p.numel() for p in model.parameters())
    61100840
    """
    refuse_weights(weights)
    return AlexNet(**kwargs)
