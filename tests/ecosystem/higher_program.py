# needs: higher
import torch, higher

torch.manual_seed(0)
net = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Tanh(), torch.nn.Linear(8, 1))
x = torch.randn(8, 4)
y = x.sum(1, keepdim=True)
meta = torch.optim.Adam(net.parameters(), 1e-2)
for o in (torch.optim.SGD(net.parameters(), 0.1), torch.optim.Adam(net.parameters(), 0.01)):
    for step in range(2):
        meta.zero_grad()
        with higher.innerloop_ctx(net, o, copy_initial_weights=False) as (f, d):
            for i in range(3):
                d.step((f(x) - y).square().mean())
            l = (f(x) - y).square().mean()
            l.backward()
        meta.step()
        print(l.item(), net[0].weight.grad.norm().item())
