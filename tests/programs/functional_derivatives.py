"""Whole Jacobians and Hessians of functions."""
import torch
from torch.autograd.functional import hessian, hvp, jacobian, jvp, vjp


def f(x):
    return torch.stack([x[0] ** 2 * x[1], x.sum().sin()])


def g(x):
    return (x ** 3).sum() + x[0] * x[1]


x = torch.tensor([1.0, 2.0, 3.0])
v = torch.tensor([1.0, 0.0, -1.0])
print(jacobian(lambda v: v ** 2, x))
print(jacobian(f, x), jacobian(f, x).shape)
print(hessian(g, x))
print(vjp(f, x, torch.tensor([1.0, 2.0])))
print(jvp(f, x, v))
print(hvp(g, x, v))
a, b = torch.tensor(2.0), torch.tensor([1.0, 3.0])
print(jacobian(lambda a, b: a * b, (a, b)))
print(jacobian(f, x, create_graph=True).requires_grad)
