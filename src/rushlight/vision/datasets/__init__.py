"""Image datasets, as torchvision.datasets names them, and Digits, which comes with the package."""

from rushlight.vision.datasets import utils as utils
from rushlight.vision.datasets.cifar import CIFAR10 as CIFAR10
from rushlight.vision.datasets.cifar import CIFAR100 as CIFAR100
from rushlight.vision.datasets.digits import Digits as Digits
from rushlight.vision.datasets.fakedata import FakeData as FakeData
from rushlight.vision.datasets.folder import DatasetFolder as DatasetFolder
from rushlight.vision.datasets.folder import ImageFolder as ImageFolder
from rushlight.vision.datasets.mnist import KMNIST as KMNIST
from rushlight.vision.datasets.mnist import MNIST as MNIST
from rushlight.vision.datasets.mnist import FashionMNIST as FashionMNIST
from rushlight.vision.datasets.vision import VisionDataset as VisionDataset

__all__ = [
    "CIFAR10",
    "CIFAR100",
    "KMNIST",
    "MNIST",
    "DatasetFolder",
    "Digits",
    "FakeData",
    "FashionMNIST",
    "ImageFolder",
    "VisionDataset",
]
