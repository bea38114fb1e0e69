"""Picking out parts of tensors, and writing into them."""
import torch

t = torch.arange(24).view(4, 6)
print(t[0], t[-1], t[:, 1], t[1:3, ::2])
print(t[0, 0], t[..., -1], t[[0, 2]], t[[0, 1], [2, 3]])
print(t[t % 2 == 0])
print(t[t > 20].tolist())
mask = torch.tensor([True, False, True, False])
print(t[mask])

u = torch.zeros(3, 4)
u[1] = 1
u[:, 2] = torch.tensor([5.0, 6.0, 7.0])
u[0, 0] = -1
u[u == 0] = 9
print(u)
u[[0, 2], [1, 3]] = 100
print(u)

print(t.index_select(1, torch.tensor([0, 5])))
print(torch.gather(t, 1, torch.tensor([[0], [1], [2], [3]])))
print(torch.take(t, torch.tensor([0, 7, 23])))
print(t.nonzero()[:3], torch.nonzero(t == 7))
print(torch.masked_select(t, t > 18))

one_hot = torch.zeros(3, 5)
one_hot.scatter_(1, torch.tensor([[1], [0], [4]]), 1.0)
print(one_hot)
print(torch.nn.functional.one_hot(torch.tensor([1, 0, 2]), num_classes=4))

for row in t[:2]:
    print(row)
first, second = torch.split(t, 2)
print(first.shape, second[0])
print([c.shape for c in torch.chunk(t, 3, dim=1)])
top = torch.topk(t.float().flatten(), 3)
print(top.values, top.indices)
print(top)
values, order = torch.sort(torch.tensor([3.0, 1.0, 2.0]), descending=True)
print(values, order)
try:
    t[10]
except IndexError as error:
    print("IndexError:", error)
