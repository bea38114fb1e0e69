"""DataParallel over the stand-in's two devices: outputs and gradients are the module's own."""

import copy

import pytest

import rushlight as torch
from rushlight import nn


@pytest.fixture
def model():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Tanh(), nn.Linear(4, 2)).eval()


@pytest.mark.parametrize("rows", [1, 2, 5])
def test_outputs_and_gradients(model, rows):
    x = torch.randn(rows, 3)
    expected = model(x)
    expected.square().sum().backward()
    wanted = [p.grad for p in model.parameters()]
    model.zero_grad()
    model.cuda()
    parallel = nn.DataParallel(model)
    assert parallel.device_ids == [0, 1]
    out = parallel(x)  # the inputs may be anywhere
    assert out.device == torch.device("cuda:0")
    assert torch.allclose(out.cpu(), expected, atol=1e-6)
    out.square().sum().backward()
    for p, g in zip(parallel.module.parameters(), wanted, strict=True):
        assert p.grad.device == p.device
        assert torch.allclose(p.grad.cpu(), g, atol=1e-6)


def test_statistics_of_the_first_device_are_kept(model):
    model.cuda().train()
    x = torch.randn(6, 3)
    alone = copy.deepcopy(model)
    alone(x[:3].cuda())
    nn.DataParallel(model)(x.cuda())
    assert torch.allclose(model[1].running_mean, alone[1].running_mean)
    assert model[1].num_batches_tracked == 1


def test_where_things_must_be(model):
    with pytest.raises(RuntimeError, match=r"on device cuda:0 \(device_ids\[0\]\) but found one"):
        nn.DataParallel(model, device_ids=[0, 1])(torch.ones(2, 3))
    out = nn.parallel.data_parallel(model.cuda(), torch.ones(4, 3), [0, 1], output_device=-1)
    assert out.device.type == "cpu"
    assert nn.DataParallel(model, device_ids=["cuda:1"]).module[0].weight.get_device() == 1


def test_what_is_no_tensor():
    class Odd(nn.Module):
        def forward(self, x, names=(), scale=1):
            return {"y": x * scale, "n": (x.sum(), None)}

    parallel = nn.DataParallel(Odd())
    out = parallel(torch.ones(4, 2), names=["a"], scale=3)
    assert out["y"].tolist() == [[3.0, 3.0]] * 4
    assert out["n"][0].tolist() == [4.0, 4.0]
    assert out["n"][1] is None
    with torch.no_grad():
        assert parallel(torch.ones(3, 1))["y"].shape == (3, 1)
