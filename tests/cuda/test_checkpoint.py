"""torch.utils.checkpoint on a device: the second run draws and casts as the first did."""

import pytest

import rushlight as torch
from rushlight import nn
from rushlight.utils.checkpoint import (
    checkpoint,
    checkpoint_sequential,
    get_device_states,
    set_device_states,
)


def gradients(use_checkpoint, reentrant, autocast):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.5), nn.Linear(8, 8), nn.Dropout(0.3)).cuda()
    x = torch.ones(3, 4, device="cuda", requires_grad=True)
    with torch.autocast("cuda", torch.bfloat16, enabled=autocast):
        y = checkpoint(model, x, use_reentrant=reentrant) if use_checkpoint else model(x)
    torch.rand(5, device="cuda")  # the generator has gone on when the second run begins
    y.float().pow(2).sum().backward()
    after = torch.rand(1, device="cuda").item()
    return [p.grad.cpu() for p in model.parameters()] + [x.grad.cpu()], after


@pytest.mark.parametrize("reentrant", [True, False])
@pytest.mark.parametrize("autocast", [True, False])
def test_dropout_and_autocast_are_those_of_the_first_run(reentrant, autocast):
    wanted, then = gradients(False, reentrant, autocast)
    found, now = gradients(True, reentrant, autocast)
    for a, b in zip(wanted, found, strict=True):
        assert torch.equal(a, b)
    assert then == now


def test_a_sequence():
    torch.manual_seed(1)
    model = nn.Sequential(*[nn.Sequential(nn.Linear(4, 4), nn.Dropout(0.5)) for _ in range(4)])
    model.cuda()
    x = torch.ones(2, 4, device="cuda", requires_grad=True)
    y = checkpoint_sequential(model, 2, x, use_reentrant=False)
    kept = y.detach() != 0
    y.sum().backward()
    assert torch.equal(model[3][0].bias.grad != 0, kept.any(0))


def test_states_of_the_devices_of_arguments():
    x = torch.ones(1, device="cuda")
    devices, states = get_device_states([x, {"a": 3}], torch.ones(1))
    assert devices == [0]
    first = torch.rand(3, device="cuda")
    set_device_states(devices, states, device_type="cuda")
    assert torch.equal(torch.rand(3, device="cuda"), first)
