# needs: pyro pyroapi opt_einsum
import torch, pyro, pyro.distributions as dist
from pyro.infer import (
    SVI,
    Trace_ELBO,
    TraceEnum_ELBO,
    Predictive,
    MCMC,
    NUTS,
    HMC,
    Importance,
    config_enumerate,
)
from pyro.infer.autoguide import AutoDiagonalNormal, AutoMultivariateNormal, AutoNormal, AutoDelta
from pyro.optim import Adam, ClippedAdam

pyro.set_rng_seed(0)
x = torch.randn(20)
y = 2 * x + 1 + 0.1 * torch.randn(20)


def model(x, y=None):
    w = pyro.sample("w", dist.Normal(0.0, 1.0))
    b = pyro.sample("b", dist.Normal(0.0, 1.0))
    s = pyro.sample("s", dist.LogNormal(0.0, 1.0))
    with pyro.plate("d", len(x)):
        return pyro.sample("o", dist.Normal(w * x + b, s), obs=y)


for G in (AutoDiagonalNormal, AutoMultivariateNormal, AutoNormal, AutoDelta):
    pyro.clear_param_store()
    g = G(model)
    svi = SVI(model, g, Adam({"lr": 0.05}), Trace_ELBO())
    print(
        G.__name__,
        [svi.step(x, y) for _ in range(6)][-1],
        {k: v.sum().item() for k, v in g.median().items()},
    )
print({k: v.shape for k, v in Predictive(model, guide=g, num_samples=3)(x).items()})
m = MCMC(NUTS(model), num_samples=10, warmup_steps=5, disable_progbar=True)
m.run(x, y)
print({k: v.mean().item() for k, v in m.get_samples().items()})


@config_enumerate
def mix(d):
    p = pyro.sample("p", dist.Dirichlet(torch.ones(2)))
    with pyro.plate("c", 2):
        l = pyro.sample("l", dist.Normal(0.0, 5.0))
    with pyro.plate("d", len(d)):
        z = pyro.sample("z", dist.Categorical(p))
        pyro.sample("x", dist.Normal(l[z], 1.0), obs=d)


pyro.clear_param_store()
g = AutoDelta(pyro.poutine.block(mix, hide=["z"]))
svi = SVI(mix, g, Adam({"lr": 0.1}), TraceEnum_ELBO(max_plate_nesting=1))
print([svi.step(y) for _ in range(5)])
import pyro.nn


class N(pyro.nn.PyroModule):
    def __init__(s):
        super().__init__()
        s.l = pyro.nn.PyroModule[torch.nn.Linear](1, 1)
        s.l.weight = pyro.nn.PyroSample(dist.Normal(0.0, 1.0).expand([1, 1]).to_event(2))

    def forward(s, x, y=None):
        m = s.l(x[:, None]).squeeze(-1)
        with pyro.plate("d", len(x)):
            return pyro.sample(
                "o", dist.Normal(m, 1.0), obs=y
            )  # (x[:,None]).squeeze(-1),1.),obs=y)


n = N()
g = AutoDiagonalNormal(n)
svi = SVI(n, g, Adam({"lr": 0.05}), Trace_ELBO())
print([svi.step(x, y) for _ in range(3)])
