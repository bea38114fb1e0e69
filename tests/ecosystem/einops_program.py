# needs: einops
import torch, einops
from einops import rearrange, reduce, repeat, einsum, pack, unpack
from einops.layers.torch import Rearrange, Reduce, EinMix

torch.manual_seed(0)
x = torch.randn(2, 3, 4, 6, requires_grad=True)
y = rearrange(x, "b c (h p) (w q) -> b (h w) (p q c)", p=2, q=2)
print(y.shape, y.sum().item())
print(reduce(x, "b c h w -> b c", "mean"))
print(repeat(x.mean((2, 3)), "b c -> b c k", k=2).shape)
print(einsum(x, x, "b c h w, b d h w -> b c d").shape)
p, ps = pack([x, x[:, 0]], "b * w")
print(p.shape, [t.shape for t in unpack(p, ps, "b * w")])
net = torch.nn.Sequential(
    torch.nn.Conv2d(3, 4, 3, padding=1),
    Reduce("b c (h 2) (w 2) -> b c h w", "max"),
    Rearrange("b c h w -> b (c h w)"),
    torch.nn.Linear(24, 3),
)
opt = torch.optim.SGD(net.parameters(), lr=0.1)
for i in range(3):
    l = net(x.detach()).square().mean()
    opt.zero_grad()
    l.backward()
    opt.step()
    print(l.item())
m = EinMix("b c h w -> b h w d", weight_shape="c d", bias_shape="d", c=3, d=5)
print(m(x).sum().item(), m)
reduce(x, "b c h w -> b", "max").sum().backward()
print(x.grad.sum())
