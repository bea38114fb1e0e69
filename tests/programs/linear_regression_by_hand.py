"""Fit a line with nothing but tensors and autograd."""
import torch

torch.manual_seed(42)
true_w, true_b = 2.0, -3.5
x = torch.linspace(-1, 1, 50).unsqueeze(1)
y = true_w * x + true_b + 0.1 * torch.randn(50, 1)

w = torch.randn(1, requires_grad=True)
b = torch.zeros(1, requires_grad=True)
lr = 0.1
for epoch in range(60):
    prediction = x * w + b
    loss = ((prediction - y) ** 2).mean()
    loss.backward()
    with torch.no_grad():
        w -= lr * w.grad
        b -= lr * b.grad
        w.grad.zero_()
        b.grad.zero_()
    if epoch % 10 == 0:
        print(f"epoch {epoch:2d}: loss {loss.item():.4f}  w {w.item():.3f}  b {b.item():.3f}")
print(w, b)
print(loss)

# the same with the gradients worked out by hand
w, b = torch.tensor(0.0), torch.tensor(0.0)
for epoch in range(60):
    error = x * w + b - y
    w = w - lr * 2 * (error * x).mean()
    b = b - lr * 2 * error.mean()
print(w, b)
solution = torch.linalg.lstsq(torch.cat([x, torch.ones_like(x)], dim=1), y).solution
print(solution)
