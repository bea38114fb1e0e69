"""The same small network trained by several optimizers."""
import torch
from torch import nn, optim

torch.manual_seed(21)
x = torch.linspace(-1, 1, 64).unsqueeze(1)
y = x.pow(2) + 0.1 * torch.randn(x.size())


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.hidden = nn.Linear(1, 20)
        self.predict = nn.Linear(20, 1)

    def forward(self, x):
        return self.predict(torch.relu(self.hidden(x)))


optimizers = {
    "SGD": lambda p: optim.SGD(p, lr=0.05),
    "Momentum": lambda p: optim.SGD(p, lr=0.05, momentum=0.8),
    "Nesterov": lambda p: optim.SGD(p, lr=0.05, momentum=0.8, nesterov=True, weight_decay=1e-3),
    "Adagrad": lambda p: optim.Adagrad(p, lr=0.05),
    "Adadelta": lambda p: optim.Adadelta(p),
    "RMSprop": lambda p: optim.RMSprop(p, lr=0.01, alpha=0.9),
    "Adam": lambda p: optim.Adam(p, lr=0.01, betas=(0.9, 0.99)),
    "AdamW": lambda p: optim.AdamW(p, lr=0.01),
    "Adamax": lambda p: optim.Adamax(p, lr=0.01),
    "NAdam": lambda p: optim.NAdam(p, lr=0.01),
}
loss_func = nn.MSELoss()
for name, make in optimizers.items():
    torch.manual_seed(0)
    net = Net()
    opt = make(net.parameters())
    losses = []
    for step in range(25):
        loss = loss_func(net(x), y)
        opt.zero_grad()
        loss.backward()
        opt.step()
        losses.append(loss.item())
    print(f"{name:9s}", " ".join(f"{v:.4f}" for v in losses[::6]), net.hidden.bias[:2].tolist())
print(opt)
groups = optim.Adam([{"params": net.hidden.parameters()}, {"params": net.predict.parameters(), "lr": 1e-4}], lr=1e-2)
print([g["lr"] for g in groups.param_groups], [len(g["params"]) for g in groups.param_groups])

lbfgs = optim.LBFGS(net.parameters(), lr=0.5)


def closure():
    lbfgs.zero_grad()
    loss = loss_func(net(x), y)
    loss.backward()
    return loss


for _ in range(2):
    print(f"LBFGS {lbfgs.step(closure).item():.4f}")
