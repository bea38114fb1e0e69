"""Between NumPy and tensors: the memory is shared."""
import numpy as np
import torch

n = np.array([1.0, 2.0, 3.0])
t = torch.from_numpy(n)
print(t, t.dtype)
n += 1
print(t)
t.mul_(2)
print(n)
u = torch.tensor(n)
n[0] = 100
print(u, torch.as_tensor(n))
v = torch.ones(2, 3)
w = v.numpy()
v.add_(1)
print(w, w.dtype, type(w).__name__)
print(np.array(torch.arange(3)), np.asarray(torch.eye(2)))
print(torch.tensor(np.float32(2.5)), torch.tensor(np.arange(4, dtype=np.uint8)))
x = torch.ones(2, requires_grad=True)
try:
    x.numpy()
except RuntimeError as error:
    print("RuntimeError:", error)
print(x.detach().numpy(), np.sqrt(x.detach()))
print(torch.from_numpy(np.arange(6).reshape(2, 3)[:, ::2]))
print(np.mean(torch.arange(5.0).numpy()), torch.tensor([1, 2]).numpy().dtype)
print(torch.tensor([[1, 2], [3, 4]]).tolist())
