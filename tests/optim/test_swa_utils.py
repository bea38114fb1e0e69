"""Averaged models."""

import pytest

import rushlight as torch
from rushlight import nn
from rushlight.optim import swa_utils


def model(value):
    net = nn.Sequential(nn.Linear(2, 1), nn.BatchNorm1d(1))
    with torch.no_grad():
        for p in net.parameters():
            p.fill_(value)
    return net


def first(net):
    return next(net.parameters())[0, 0].item()


@pytest.mark.parametrize(
    ("kwargs", "expected"),
    [
        ({}, [1.0, 1.5, 2.0]),
        ({"avg_fn": swa_utils.get_swa_avg_fn()}, [1.0, 1.5, 2.0]),
        ({"avg_fn": swa_utils.get_ema_avg_fn(0.5)}, [1.0, 1.5, 2.25]),
        ({"multi_avg_fn": swa_utils.get_ema_multi_avg_fn(0.5)}, [1.0, 1.5, 2.25]),
        ({"multi_avg_fn": swa_utils.get_swa_multi_avg_fn(), "use_buffers": True}, [1.0, 1.5, 2.0]),
    ],
)
def test_averages(kwargs, expected):
    averaged = swa_utils.AveragedModel(model(0.0), **kwargs)
    found = []
    for value in (1.0, 2.0, 3.0):
        averaged.update_parameters(model(value))
        found.append(first(averaged))
    assert found == pytest.approx(expected)
    assert averaged.n_averaged.item() == 3


def test_buffers_are_copied_or_averaged():
    source = model(1.0)
    source[1].running_mean.fill_(4.0)
    copied = swa_utils.AveragedModel(model(1.0))
    averaged = swa_utils.AveragedModel(model(1.0), use_buffers=True)
    for target in (copied, averaged):
        target.update_parameters(model(1.0))
        target.update_parameters(source)
    assert copied.module[1].running_mean.item() == 4.0
    assert averaged.module[1].running_mean.item() == 2.0


def test_update_bn():
    net = model(1.0)
    net[1].running_mean.fill_(100.0)
    net.eval()
    swa_utils.update_bn([torch.ones(4, 2), [torch.zeros(4, 2), "target"]], net)
    assert net[1].running_mean.item() == pytest.approx(2.0)  # of 3 and 1
    assert net[1].momentum == 0.1
    assert not net.training


def test_what_is_refused():
    with pytest.raises(ValueError, match="Invalid decay value 2 provided"):
        swa_utils.get_ema_avg_fn(2)
    with pytest.raises(AssertionError, match="Only one of avg_fn and multi_avg_fn"):
        f = swa_utils.get_swa_avg_fn()
        swa_utils.AveragedModel(model(0.0), avg_fn=f, multi_avg_fn=f)
