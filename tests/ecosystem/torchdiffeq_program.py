# needs: torchdiffeq
import torch
from torchdiffeq import odeint, odeint_adjoint, odeint_event

torch.manual_seed(0)


class F(torch.nn.Module):
    def __init__(s):
        super().__init__()
        s.n = torch.nn.Sequential(torch.nn.Linear(2, 8), torch.nn.Tanh(), torch.nn.Linear(8, 2))

    def forward(s, t, y):
        return s.n(y)


f = F()
y0 = torch.tensor([[1.0, 0.0]])
t = torch.linspace(0, 1, 5)
for m in [
    "dopri5",
    "dopri8",
    "bosh3",
    "adaptive_heun",
    "euler",
    "midpoint",
    "rk4",
    "explicit_adams",
    "implicit_adams",
    "fehlberg2",
]:
    print(m, odeint(f, y0, t, method=m)[-1])
for ode in (odeint, odeint_adjoint):
    f.zero_grad()
    l = ode(f, y0, t, rtol=1e-6, atol=1e-8)[-1].square().sum()
    l.backward()
    print(l.item(), [p.grad.norm().item() for p in f.parameters()])
et, ys = odeint_event(
    lambda t, y: -torch.ones_like(y),
    torch.tensor([1.0]),
    torch.tensor(0.0),
    event_fn=lambda t, y: y[0] - 0.25,
    odeint_interface=odeint,
)
print(et, ys)
opt = torch.optim.Adam(f.parameters(), 1e-2)
for i in range(5):
    l = (odeint(f, y0, t)[-1] - torch.tensor([[0.0, 1.0]])).square().sum()
    opt.zero_grad()
    l.backward()
    opt.step()
    print(l.item())
