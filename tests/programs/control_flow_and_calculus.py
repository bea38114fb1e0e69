"""Gradients through Python's control flow, higher derivatives, detaching, and the graph."""
import torch

x = torch.arange(4.0)
x.requires_grad_(True)
y = 2 * torch.dot(x, x)
print(y)
y.backward()
print(x.grad, x.grad == 4 * x)
x.grad.zero_()
y = x.sum()
y.backward()
print(x.grad)
x.grad.zero_()
y = x * x
y.sum().backward()
print(x.grad)
x.grad.zero_()
u = (x * x).detach()
z = u * x
z.sum().backward()
print(x.grad == u)


def f(a):
    b = a * 2
    while b.norm() < 1000:
        b = b * 2
    if b.sum() > 0:
        c = b
    else:
        c = 100 * b
    return c


torch.manual_seed(2)
a = torch.randn(size=(), requires_grad=True)
d = f(a)
d.backward()
print(a.grad == d / a, a.grad)

t = torch.linspace(0, 3, 5, requires_grad=True)
s = torch.sin(t)
(g,) = torch.autograd.grad(s.sum(), t, create_graph=True)
(g2,) = torch.autograd.grad(g.sum(), t, create_graph=True)
(g3,) = torch.autograd.grad(g2.sum(), t)
print(g, g2, g3, sep="\n")

w = torch.tensor([1.0, 2.0], requires_grad=True)
v = torch.tensor([3.0, 4.0], requires_grad=True)
loss = (w * v).prod()
print(torch.autograd.grad(loss, [w, v], retain_graph=True))
loss.backward(retain_graph=True)
loss.backward()
print(w.grad, v.grad)
m = w * 3
m.retain_grad()
(m ** 2).sum().backward()
print(m.grad, m.is_leaf, w.grad_fn)
print(torch.autograd.grad((w * 2).sum(), v, allow_unused=True))
try:
    torch.autograd.grad((w * 2).sum(), v)
except RuntimeError as error:
    print(error)
try:
    w.add_(1)
except RuntimeError as error:
    print(error)
try:
    q = torch.exp(w)
    q.add_(1)
    q.sum().backward()
except RuntimeError as error:
    print(str(error)[:99])
with torch.no_grad():
    w.add_(1)
print(w, w.requires_grad)
with torch.set_grad_enabled(False):
    print((w * 2).requires_grad)


@torch.no_grad()
def evaluate(x):
    return x * 2


print(evaluate(w).requires_grad, torch.is_grad_enabled())
with torch.inference_mode():
    print((w * 2).requires_grad)
k = torch.zeros(3, requires_grad=True)
out = k.clone()
out[1] = 5.0
out[2] = out[2] * 2 + k[0]
out.sum().backward()
print(k.grad)
p = torch.ones(2, 2, requires_grad=True)
p.view(-1)[1:3].pow(3).sum().backward()
print(p.grad)
mx = torch.tensor([1.0, 5.0, 5.0], requires_grad=True)
mx.max().backward()
print(mx.grad)
cl = torch.tensor([-2.0, 0.5, 3.0], requires_grad=True)
cl.clamp(-1, 1).sum().backward()
print(cl.grad, torch.relu(cl), torch.abs(cl), torch.sign(cl))
