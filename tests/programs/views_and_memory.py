"""Views share memory, copies do not; operations ending in _ write in place."""
import torch

a = torch.zeros(2, 3)
b = a.view(3, 2)
b[0, 0] = 5
print(a)
c = a.clone()
c += 1
print(a.sum(), c.sum())
row = a[1]
row.fill_(7)
print(a)
print(a.is_contiguous(), a.t().is_contiguous(), a.t().contiguous().stride(), a.t().stride())
print(a.storage_offset(), a[1].storage_offset(), a[1, 1:].storage_offset())
print(a.data_ptr() == a.view(-1).data_ptr(), a.data_ptr() == a.clone().data_ptr())
try:
    a.t().view(6)
except RuntimeError as error:
    print("RuntimeError:", error)
print(a.t().reshape(6))
x = torch.ones(3)
y = x
y.add_(2)
print(x, x is y)
x.mul_(3).sub_(1)
print(x)
x.zero_()
print(x)
e = torch.tensor([1, 2, 3]).expand(2, 3)
print(e, e.stride())
print(torch.arange(6).view(2, 3).permute(1, 0), torch.arange(6).unfold(0, 2, 2))
z = torch.rand(2, 3, 4)
print(z.transpose(0, 2).shape, z.permute(2, 0, 1).shape, z.flatten(1).shape)
print(z.untyped_storage().nbytes(), z[0].untyped_storage().nbytes())
try:
    torch.zeros(2, 3) + torch.zeros(2, 4)
except RuntimeError as error:
    print("RuntimeError:", error)
try:
    torch.zeros(2, 3) @ torch.zeros(2, 3)
except RuntimeError as error:
    print("RuntimeError:", error)
