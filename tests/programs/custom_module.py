"""Modules of one's own: children, buffers, parameters, hooks, modes."""
import torch
from torch import nn
import torch.nn.functional as F


class Block(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.fc = nn.Linear(width, width)
        self.norm = nn.LayerNorm(width)
        self.scale = nn.Parameter(torch.ones(width))
        self.register_buffer("count", torch.tensor(0))

    def forward(self, x):
        self.count += 1
        return x + self.scale * F.gelu(self.norm(self.fc(x)))


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.blocks = nn.ModuleList([Block(8) for _ in range(2)])
        self.drop = nn.Dropout(0.5)
        self.heads = nn.ModuleDict({"a": nn.Linear(8, 2), "b": nn.Linear(8, 3, bias=False)})

    def forward(self, x, head="a"):
        for block in self.blocks:
            x = block(x)
        return self.heads[head](self.drop(x))


torch.manual_seed(11)
net = Net()
print(net)
for name, p in net.named_parameters():
    print(name, tuple(p.shape))
print([name for name, _ in net.named_buffers()], [name for name, _ in net.named_children()])
print(len(list(net.modules())), list(net.state_dict())[:4])
x = torch.randn(4, 8)
print(net(x))
net.eval()
print(net(x, head="b"))
print(torch.equal(net(x), net(x)), net.blocks[0].count)


def show(module, args, output):
    print("hook:", module.__class__.__name__, output.shape)


handle = net.heads["a"].register_forward_hook(show)
net(x)
handle.remove()
net(x)


def init(m):
    if isinstance(m, nn.Linear):
        nn.init.xavier_uniform_(m.weight)
        if m.bias is not None:
            nn.init.constant_(m.bias, 0.1)


net.apply(init)
print(net.heads["a"].weight, net.heads["a"].bias)
for p in net.blocks.parameters():
    p.requires_grad = False
net.train()
loss = net(x).pow(2).mean()
loss.backward()
print([name for name, p in net.named_parameters() if p.grad is not None])
print(net.heads["a"].weight.grad.norm())
print(nn.utils.clip_grad_norm_(net.parameters(), 1.0))
net.double()
print(net.heads["b"].weight.dtype, next(net.parameters()).is_leaf)
try:
    net(torch.randn(4, 7).double())
except RuntimeError as error:
    print(type(error).__name__, error)
