"""Two clouds of points told apart by BCEWithLogitsLoss."""
import torch
from torch import nn

torch.manual_seed(3)
points = torch.cat([torch.randn(60, 2) + 1.5, torch.randn(60, 2) - 1.5])
labels = torch.cat([torch.ones(60), torch.zeros(60)])


class LogisticRegression(nn.Module):
    def __init__(self, features):
        super().__init__()
        self.linear = nn.Linear(features, 1)

    def forward(self, x):
        return self.linear(x).squeeze(1)


model = LogisticRegression(2)
print(model)
criterion = nn.BCEWithLogitsLoss()
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for epoch in range(40):
    logits = model(points)
    loss = criterion(logits, labels)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if epoch % 8 == 0:
        accuracy = ((logits > 0).float() == labels).float().mean()
        print(f"{epoch:3d} loss={loss.item():.4f} accuracy={accuracy.item():.3f}")
print(loss)
with torch.no_grad():
    probabilities = torch.sigmoid(model(points[:4]))
print(probabilities)
print(nn.functional.binary_cross_entropy(torch.sigmoid(model(points)), labels).item())
for name, parameter in model.named_parameters():
    print(name, parameter.shape, parameter.requires_grad)
    print(parameter.grad)
