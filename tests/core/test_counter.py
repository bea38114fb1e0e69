"""No training step of the tutorials enters the general path: that is what keeps the eager path
cheap.
"""

import pytest

import rushlight as torch
from rushlight import nn
from rushlight._core.state import S
from rushlight.nn import functional as F


def mlp():
    return (
        nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 4)),
        torch.randn(6, 8),
        torch.arange(6) % 4,
    )


def cnn():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv1, self.conv2 = nn.Conv2d(1, 4, 3), nn.Conv2d(4, 8, 3)
            self.dropout, self.fc = nn.Dropout(0.25), nn.Linear(8 * 4 * 4, 4)

        def forward(self, x):
            x = F.max_pool2d(F.relu(self.conv2(F.relu(self.conv1(x)))), 2)
            return F.log_softmax(self.fc(self.dropout(torch.flatten(x, 1))), dim=1)

    return Net(), torch.randn(6, 1, 12, 12), torch.arange(6) % 4


def by_hand():
    w, b = torch.randn(2, 1, requires_grad=True), torch.zeros(1, requires_grad=True)
    x, y = torch.randn(10, 2), torch.randn(10, 1)

    def step():
        loss = ((torch.matmul(x, w) + b - y) ** 2 / 2).sum()
        loss.backward()
        with torch.no_grad():
            for p in (w, b):
                p -= 0.03 * p.grad / 10
                p.grad.zero_()

    return step


def trained(made, loss, optimizer):
    model, x, y = made
    opt = optimizer(model.parameters())

    def step():
        opt.zero_grad()
        loss(model(x), y).backward()
        opt.step()

    return step


STEPS = {
    "by hand": by_hand,
    "mlp, cross entropy, SGD": lambda: trained(
        mlp(), nn.CrossEntropyLoss(), lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9)
    ),
    "mlp, cross entropy, Adam": lambda: trained(mlp(), nn.CrossEntropyLoss(), torch.optim.Adam),
    "cnn, nll, SGD": lambda: trained(cnn(), F.nll_loss, lambda p: torch.optim.SGD(p, lr=0.1)),
    "linear regression, mse": lambda: trained(
        (nn.Linear(2, 1), torch.randn(10, 2), torch.randn(10, 1)),
        nn.MSELoss(),
        lambda p: torch.optim.SGD(p, lr=0.03),
    ),
    "logistic regression, bce": lambda: trained(
        (nn.Linear(2, 1), torch.randn(10, 2), torch.ones(10, 1)),
        nn.BCEWithLogitsLoss(),
        lambda p: torch.optim.SGD(p, lr=0.03),
    ),
}


@pytest.mark.parametrize("name", STEPS)
def test_no_call_of_a_training_step_takes_the_general_path(name):
    step = STEPS[name]()
    step()  # the first step makes the optimizer's state
    seen = []
    S.watch = lambda op, tensors, out: seen.append(op.name)
    try:
        step()
        assert seen == []
    finally:
        S.watch = None
