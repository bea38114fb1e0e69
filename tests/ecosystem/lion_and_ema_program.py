# needs: lion_pytorch ema_pytorch
import torch
from lion_pytorch import Lion
from ema_pytorch import EMA

torch.manual_seed(0)
for foreach in (False, True):
    net = torch.nn.Linear(4, 2)
    ema = EMA(net, beta=0.9, update_after_step=1, update_every=2)
    opt = Lion(net.parameters(), lr=1e-2, weight_decay=1e-2)
    ema2 = EMA(net, beta=0.9, use_foreach=foreach, update_after_step=0, update_every=1)
    x = torch.randn(8, 4)
    for i in range(8):
        l = net(x).square().mean()
        opt.zero_grad()
        l.backward()
        opt.step()
        ema.update()
        ema2.update()
        print(l.item())
    print(ema(x).sum(), ema2(x).sum(), sorted(ema.state_dict())[:4])
import lion_pytorch

try:
    from lion_pytorch.foreach import Lion as FL

    net = torch.nn.Linear(4, 2)
    o = FL(net.parameters(), lr=1e-2)
    for i in range(3):
        l = net(x).square().mean()
        o.zero_grad()
        l.backward()
        o.step()
        print(l.item())
except ImportError as e:
    print(e)
