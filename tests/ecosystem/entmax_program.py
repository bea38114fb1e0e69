# needs: entmax
import torch
from entmax import (
    sparsemax,
    entmax15,
    entmax_bisect,
    sparsemax_loss,
    entmax15_loss,
    SparsemaxLoss,
    Entmax15Loss,
    EntmaxBisectLoss,
    normmax_bisect,
    budget_bisect,
)

torch.manual_seed(0)
x = torch.randn(4, 6, requires_grad=True, dtype=torch.float64)
for f in (sparsemax, entmax15, lambda x, dim: entmax_bisect(x, alpha=1.3, dim=dim)):
    y = f(x, dim=-1)
    print(y)
    (g,) = torch.autograd.grad((y * torch.arange(6.0)).sum(), x)
    print(g)
a = torch.tensor(1.5, requires_grad=True, dtype=torch.float64)
entmax_bisect(x, a).pow(2).sum().backward()
print(a.grad)
t = torch.tensor([0, 1, 2, 3])
print(sparsemax_loss(x, t), entmax15_loss(x, t), SparsemaxLoss()(x, t), EntmaxBisectLoss(1.2)(x, t))
print(torch.autograd.gradcheck(lambda x: entmax15(x, dim=-1), x))
