"""Linear regression by hand: tensors, gradients, and no layers or optimizers.

rushlight examples/fit_a_line.py
"""

import torch

torch.manual_seed(0)

# Points near the line y = 3 x - 2.
x = torch.linspace(-1, 1, 100)
y = 3 * x - 2 + 0.1 * torch.randn(100)

slope = torch.zeros(1, requires_grad=True)
offset = torch.zeros(1, requires_grad=True)

for step in range(201):
    loss = ((slope * x + offset - y) ** 2).mean()
    loss.backward()  # d loss / d slope, d loss / d offset
    with torch.no_grad():  # moving downhill is not part of the loss
        slope -= 0.1 * slope.grad
        offset -= 0.1 * offset.grad
    slope.grad = offset.grad = None
    if step % 40 == 0:
        print(f"step {step:3d}  loss {loss.item():.4f}")

print(f"y = {slope.item():.2f} x {offset.item():+.2f}")
