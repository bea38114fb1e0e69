"""The models: sizes and names that are published, scores, gradients, the refusal of weights."""

import pytest

import rushlight as torch
from rushlight.vision import models

PARAMETERS = {  # from torchvision's table of models
    "alexnet": 61_100_840,
    "mobilenet_v2": 3_504_872,
    "resnet18": 11_689_512,
    "resnet34": 21_797_672,
    "resnet50": 25_557_032,
    "resnet101": 44_549_160,
    "resnet152": 60_192_808,
    "resnext50_32x4d": 25_028_904,
    "wide_resnet50_2": 68_883_240,
    "vgg11": 132_863_336,
    "vgg11_bn": 132_868_840,
    "vgg13": 133_047_848,
    "vgg13_bn": 133_053_736,
    "vgg16": 138_357_544,
    "vgg16_bn": 138_365_992,
    "vgg19": 143_667_240,
    "vgg19_bn": 143_678_248,
}


@pytest.mark.parametrize("name", PARAMETERS)
def test_number_of_parameters(name):
    with torch.device("meta"):  # shapes only: drawing 140 million numbers takes a while
        model = getattr(models, name)()
    assert sum(p.numel() for p in model.parameters()) == PARAMETERS[name]


def test_names_of_a_checkpoint():
    names = list(models.resnet18(num_classes=10).state_dict())
    assert names[:7] == [
        "conv1.weight",
        "bn1.weight",
        "bn1.bias",
        "bn1.running_mean",
        "bn1.running_var",
        "bn1.num_batches_tracked",
        "layer1.0.conv1.weight",
    ]
    assert "layer2.0.downsample.0.weight" in names and names[-2:] == ["fc.weight", "fc.bias"]
    assert len(names) == 122
    names = list(models.mobilenet_v2(num_classes=10).state_dict())
    assert "features.0.0.weight" in names and "features.2.conv.3.running_var" in names
    assert names[-1] == "classifier.1.bias" and len(names) == 314


@pytest.mark.parametrize("name", ["resnet18", "resnet50", "mobilenet_v2"])
def test_scores_and_gradients(name):
    torch.manual_seed(0)
    model = getattr(models, name)(num_classes=5)
    scores = model(torch.randn(2, 3, 64, 64))
    assert tuple(scores.shape) == (2, 5)
    scores.square().sum().backward()
    assert all(p.grad is not None and bool(p.grad.isfinite().all()) for p in model.parameters())


def test_dilation_keeps_the_size():
    options = {"replace_stride_with_dilation": (False, True, True), "num_classes": 4}
    model = models.resnet50(**options).eval()
    x = model.maxpool(model.relu(model.bn1(model.conv1(torch.zeros(1, 3, 32, 32)))))
    x = model.layer4(model.layer3(model.layer2(model.layer1(x))))
    assert tuple(x.shape) == (1, 2048, 4, 4)


def test_refusals():
    with pytest.raises(NotImplementedError, match=r"weights='DEFAULT': no weights are fetched"):
        models.resnet18(weights="DEFAULT")
    with pytest.raises(ValueError, match=r"BasicBlock only supports groups=1 and base_width=64"):
        models.resnet18(groups=2)
    with pytest.raises(ValueError, match=r"or a 3-element tuple, got \(True,\)"):
        models.resnet18(replace_stride_with_dilation=(True,))
