"""Gradients of scalars and vectors."""
import torch

x = torch.tensor(3.0, requires_grad=True)
y = x ** 2 + 2 * x + 1
print(y)
y.backward()
print(x.grad)

a = torch.tensor([2.0, 3.0], requires_grad=True)
b = torch.tensor([6.0, 4.0], requires_grad=True)
q = 3 * a ** 3 - b ** 2
print(q, q.grad_fn.name())
q.backward(gradient=torch.tensor([1.0, 1.0]))
print(9 * a ** 2 == a.grad, -2 * b == b.grad)
print(a.grad, b.grad)

w = torch.ones(2, 2, requires_grad=True)
z = (w + 2) * (w + 2) * 3
out = z.mean()
print(z, out)
out.backward()
print(w.grad)
out2 = (w * w).sum()
out2.backward()
print(w.grad)                     # gradients add up
w.grad.zero_()
print(w.grad)

print(x.requires_grad, (x ** 2).requires_grad, x.is_leaf, (x * 2).is_leaf)
with torch.no_grad():
    print((x ** 2).requires_grad)
print(x.detach().requires_grad)

v = torch.randn(3, requires_grad=True, generator=torch.Generator().manual_seed(1))
s = v * 2
n = 0
while s.detach().norm() < 1000:
    s = s * 2
    n += 1
s.backward(torch.tensor([0.1, 1.0, 0.0001]))
print(n, v.grad)

try:
    y.backward()
except RuntimeError as error:
    print("RuntimeError:", str(error)[:60])
try:
    q.backward()
except RuntimeError as error:
    print("RuntimeError:", error)
try:
    torch.ones(2).sum().backward()
except RuntimeError as error:
    print("RuntimeError:", error)

t = torch.tensor(2.0, requires_grad=True)
(first,) = torch.autograd.grad(t ** 3, t, create_graph=True)
(second,) = torch.autograd.grad(first, t)
print(first, second)
h = torch.tensor([1.0, 2.0], requires_grad=True)
handle = h.register_hook(lambda g: g * 10)
(h * h).sum().backward()
print(h.grad)
