"""Two spirals told apart by a small network, and a picture of where it draws the border.

rushlight examples/spirals.py
"""

import math

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset
from torchvision.utils import save_image


def spirals(count):
    """Points (2 * count, 2) of two interlocking spirals, and their labels 0 and 1."""
    turn = 3 * math.pi * torch.rand(2 * count).sqrt()
    label = torch.arange(2 * count) % 2
    angle = turn + math.pi * label
    points = torch.stack([turn * angle.cos(), turn * angle.sin()], dim=1) / (3 * math.pi)
    return points + 0.02 * torch.randn_like(points), label


def main():
    torch.manual_seed(0)
    points, labels = spirals(500)
    loader = DataLoader(TensorDataset(points, labels), batch_size=50, shuffle=True)
    model = nn.Sequential(
        nn.Linear(2, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, 2)
    )
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for epoch in range(1, 61):
        for batch, answer in loader:
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(batch), answer)
            loss.backward()
            optimizer.step()
        if epoch % 10 == 0:
            right = (model(points).argmax(1) == labels).float().mean().item()
            print(f"epoch {epoch:2d}  loss {loss.item():.4f}  accuracy {right:.1%}")

    # Ask for every pixel of a square.
    side = torch.linspace(-1.2, 1.2, 200)
    square = torch.stack(torch.meshgrid(side, side, indexing="xy"), dim=-1).reshape(-1, 2)
    with torch.no_grad():
        belief = model(square).softmax(1)[:, 1].reshape(1, 200, 200)
    save_image(belief, "spirals.png")
    print("saved spirals.png")


if __name__ == "__main__":
    main()
