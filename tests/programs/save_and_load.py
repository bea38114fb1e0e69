"""Checkpoints: state_dict, whole model, optimizer state."""
import io
import os
import tempfile

import torch
from torch import nn, optim


class TheModelClass(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 6, 5)
        self.pool = nn.MaxPool2d(2, 2)
        self.bn = nn.BatchNorm2d(6)
        self.fc1 = nn.Linear(6 * 4 * 4, 10)

    def forward(self, x):
        x = self.pool(torch.relu(self.bn(self.conv1(x))))
        return self.fc1(torch.flatten(x, 1))


torch.manual_seed(5)
model = TheModelClass()
optimizer = optim.SGD(model.parameters(), lr=0.001, momentum=0.9)
print("Model's state_dict:")
for param_tensor in model.state_dict():
    print(param_tensor, "\t", model.state_dict()[param_tensor].size())
x = torch.randn(2, 3, 12, 12)
loss = model(x).sum()
loss.backward()
optimizer.step()
print("Optimizer's state_dict:")
for var_name in optimizer.state_dict():
    if var_name == "param_groups":
        print(var_name, "\t", optimizer.state_dict()[var_name])

folder = tempfile.mkdtemp()
PATH = os.path.join(folder, "model.pt")
torch.save(model.state_dict(), PATH)
other = TheModelClass()
print(other.load_state_dict(torch.load(PATH, weights_only=True)))
model.eval()
other.eval()
print(torch.equal(model(x), other(x)))

torch.save(
    {
        "epoch": 5,
        "model_state_dict": model.state_dict(),
        "optimizer_state_dict": optimizer.state_dict(),
        "loss": loss,
    },
    PATH,
)
checkpoint = torch.load(PATH)
print(checkpoint["epoch"], checkpoint["loss"], list(checkpoint))
other.load_state_dict(checkpoint["model_state_dict"])
second = optim.SGD(other.parameters(), lr=0.1, momentum=0.9)
second.load_state_dict(checkpoint["optimizer_state_dict"])
print(second.param_groups[0]["lr"], len(second.state_dict()["state"]))
print(second.state_dict()["state"][5]["momentum_buffer"][:3])

torch.save(model, PATH)
whole = torch.load(PATH, weights_only=False)
whole.eval()
print(whole)
print(torch.equal(model(x), whole(x)))

t = torch.arange(6.0)
buffer = io.BytesIO()
torch.save([t, t[2:4]], buffer)
buffer.seek(0)
u, v = torch.load(buffer)
v[0] = 100
print(u)
try:
    other.load_state_dict({"conv1.weight": torch.zeros(1)})
except RuntimeError as error:
    print(error)
print(other.load_state_dict({"conv1.bias": torch.zeros(6)}, strict=False))
