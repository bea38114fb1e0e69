"""torchvision.ops: boxes by hand, and blocks against the layers they stand for."""

import pytest

import rushlight as torch
from rushlight import nn
from rushlight.vision import models, ops

BOXES = torch.tensor([[0.0, 0.0, 2.0, 2.0], [0.0, 0.0, 2.0, 1.0], [5.0, 5.0, 6.0, 7.0]])


def test_areas_and_overlaps():
    assert ops.box_area(BOXES).tolist() == [4, 2, 2]
    expected = torch.tensor([[1.0, 0.5, 0.0], [0.5, 1.0, 0.0], [0.0, 0.0, 1.0]])
    assert torch.equal(ops.box_iou(BOXES, BOXES), expected)


@pytest.mark.parametrize("a", ["xyxy", "xywh", "cxcywh"])
@pytest.mark.parametrize("b", ["xyxy", "xywh", "cxcywh"])
def test_formats_convert_back(a, b):
    there = ops.box_convert(BOXES, "xyxy", a)
    assert torch.allclose(ops.box_convert(ops.box_convert(there, a, b), b, "xyxy"), BOXES)


def test_unknown_formats_are_refused():
    with pytest.raises(ValueError, match="Unsupported Bounding Box Conversions"):
        ops.box_convert(BOXES, "xyxy", "rotated")


def test_suppression():
    scores = torch.tensor([0.5, 0.9, 0.7])
    assert ops.nms(BOXES, scores, 0.4).tolist() == [1, 2]
    assert ops.nms(BOXES, scores, 0.6).tolist() == [1, 2, 0]
    assert ops.nms(BOXES[:0], scores[:0], 0.5).tolist() == []
    assert ops.batched_nms(BOXES, scores, torch.tensor([0, 1, 1]), 0.4).tolist() == [1, 2, 0]


def test_frozen_statistics_are_an_evaluated_batch_norm():
    norm = nn.BatchNorm2d(3)
    norm(torch.randn(4, 3, 5, 5) * 2 + 1)
    frozen = ops.FrozenBatchNorm2d(3)
    frozen.load_state_dict(norm.state_dict())
    x = torch.randn(2, 3, 4, 4)
    assert torch.allclose(frozen(x), norm.eval()(x), atol=1e-6)
    assert not list(frozen.parameters())


def test_blocks():
    block = ops.Conv2dNormActivation(3, 8, kernel_size=5, stride=2, dilation=2)
    assert block(torch.ones(1, 3, 8, 8)).shape == (1, 8, 4, 4) and block[0].bias is None
    assert ops.SqueezeExcitation(8, 2)(torch.ones(1, 8, 2, 2)).shape == (1, 8, 2, 2)


def test_weights_have_names_and_are_refused():
    assert repr(models.VGG16_Weights.DEFAULT) == "VGG16_Weights.IMAGENET1K_V1"
    assert models.ResNet50_Weights.DEFAULT is models.ResNet50_Weights.IMAGENET1K_V2
    with pytest.raises(NotImplementedError, match="no weights are fetched"):
        models.resnet18(weights=models.ResNet18_Weights.DEFAULT)
    with pytest.raises(NotImplementedError, match="no weights are fetched"):
        models.ResNet18_Weights.DEFAULT.get_state_dict()
