"""A Sequential network on three spirals, with a held-out part."""
import math

import torch
import torch.nn as nn
import torch.optim as optim
from torch.utils.data import DataLoader, TensorDataset, random_split

torch.manual_seed(7)
n, classes = 60, 3
r = torch.linspace(0.05, 1, n)
X, y = [], []
for c in range(classes):
    angle = r * 4 + c * 2 * math.pi / classes + 0.1 * torch.randn(n)
    X.append(torch.stack([r * torch.cos(angle), r * torch.sin(angle)], dim=1))
    y.append(torch.full((n,), c))
dataset = TensorDataset(torch.cat(X), torch.cat(y))
train_set, test_set = random_split(dataset, [150, 30])
print(len(train_set), len(test_set), train_set[0])
train_loader = DataLoader(train_set, batch_size=32, shuffle=True)
test_loader = DataLoader(test_set, batch_size=30)

model = nn.Sequential(
    nn.Linear(2, 32),
    nn.ReLU(),
    nn.Linear(32, 32),
    nn.Tanh(),
    nn.Linear(32, classes),
)
print(model)
print(sum(p.numel() for p in model.parameters() if p.requires_grad))
criterion = nn.CrossEntropyLoss()
optimizer = optim.Adam(model.parameters(), lr=0.01)
for epoch in range(1, 16):
    model.train()
    total = 0.0
    for inputs, targets in train_loader:
        optimizer.zero_grad()
        loss = criterion(model(inputs), targets)
        loss.backward()
        optimizer.step()
        total += loss.item() * inputs.size(0)
    if epoch % 5 == 0:
        print(f"Epoch {epoch}: {total / len(train_set):.4f}")
model.eval()
correct = 0
with torch.no_grad():
    for inputs, targets in test_loader:
        _, predicted = torch.max(model(inputs), 1)
        correct += (predicted == targets).sum().item()
print(f"{correct} of {len(test_set)} right")
print(model[0].weight[:3])
print(loss)
