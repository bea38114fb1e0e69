"""Training on a device gives the CPU's numbers; nothing but the loss comes back to the host."""

import pytest

import rushlight as torch
from rushlight import nn
from rushlight._core.gpu_module import detours


def perceptron():
    return nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.LayerNorm(8), nn.Linear(8, 3))


def convolutional():
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1, bias=False), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(4, 4, 3), nn.GELU(), nn.AvgPool2d(2), nn.Flatten(), nn.Linear(4, 3),
    )  # fmt: skip


def embedding():
    return nn.Sequential(nn.Embedding(5, 8), nn.Flatten(), nn.Dropout(0.0), nn.Linear(24, 3))


MODELS = {
    "perceptron": (perceptron, (4, 4)),
    "convolutional": (convolutional, (4, 1, 8, 8)),
    "embedding": (embedding, (4, 3)),
}
OPTIMIZERS = {
    "sgd": lambda ps: torch.optim.SGD(ps, lr=0.1, momentum=0.9, weight_decay=0.01),
    "adam": lambda ps: torch.optim.Adam(ps, lr=0.01),
    "adamw": lambda ps: torch.optim.AdamW(ps, lr=0.01, amsgrad=True),
    "rmsprop": lambda ps: torch.optim.RMSprop(ps, lr=0.01),
    "adagrad": lambda ps: torch.optim.Adagrad(ps, lr=0.1),
    "adadelta": lambda ps: torch.optim.Adadelta(ps),
    "adamax": lambda ps: torch.optim.Adamax(ps),
    "nadam": lambda ps: torch.optim.NAdam(ps),
    "radam": lambda ps: torch.optim.RAdam(ps),
    "rprop": lambda ps: torch.optim.Rprop(ps),
    "asgd": lambda ps: torch.optim.ASGD(ps),
}


def trained(make, x, y, optimizer, device):
    """The losses of three steps, and the parameters after them."""
    torch.manual_seed(0)
    model = make().to(device)
    steps = optimizer(model.parameters())
    x, y, losses = x.to(device), y.to(device), []
    for _ in range(3):
        steps.zero_grad()
        loss = nn.functional.cross_entropy(model(x), y)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        steps.step()
        losses.append(loss.item())
    assert all(p.device.type == device for p in model.parameters())
    return losses, [p.detach().cpu() for p in model.parameters()]


def same(model, optimizer):
    make, shape = MODELS[model]
    torch.manual_seed(1)
    x = torch.randint(5, shape) if model == "embedding" else torch.randn(shape)
    y = torch.tensor([0, 1, 2, 1])
    here = trained(make, x, y, OPTIMIZERS[optimizer], "cpu")
    detours.clear()
    there = trained(make, x, y, OPTIMIZERS[optimizer], "cuda")
    assert not detours
    torch.testing.assert_close(here[0], there[0], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(here[1], there[1], rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("model", MODELS)
def test_models(model):
    same(model, "sgd")


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_optimizers(optimizer):
    same("perceptron", optimizer)


def test_state_dicts_go_over_devices():
    here, there = perceptron(), perceptron().cuda()
    there.load_state_dict(here.state_dict())
    assert there[0].weight.is_cuda
    assert torch.equal(there[0].weight.cpu(), here[0].weight)
    assert not there.cpu()[0].weight.is_cuda
