# needs: torchsde trampoline scipy
import torch, torchsde

torch.manual_seed(0)


class S(torch.nn.Module):
    noise_type = "diagonal"
    sde_type = "ito"

    def __init__(s):
        super().__init__()
        s.mu = torch.nn.Linear(3, 3)
        s.sg = torch.nn.Linear(3, 3)

    def f(s, t, y):
        return s.mu(y)

    def g(s, t, y):
        return torch.sigmoid(s.sg(y))


s = S()
y0 = torch.full((4, 3), 0.1)
ts = torch.linspace(0, 1, 5)
bm = torchsde.BrownianInterval(
    t0=0.0, t1=1.0, size=(4, 3), entropy=5, levy_area_approximation="space-time"
)
for m in ("euler", "milstein", "srk"):
    print(m, torchsde.sdeint(s, y0, ts, bm=bm, method=m, dt=0.1)[-1].sum())
ys = torchsde.sdeint(s, y0, ts, bm=bm, method="euler", dt=0.1)
ys.sum().backward()
print(s.mu.weight.grad.sum())
s.sde_type = "stratonovich"
s.zero_grad()
ys = torchsde.sdeint_adjoint(s, y0, ts, bm=bm, method="midpoint", dt=0.1)
ys.sum().backward()
print(ys.sum(), s.mu.weight.grad.sum())
