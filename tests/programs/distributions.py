"""Random numbers and distributions."""
import torch
from torch import distributions as D

torch.manual_seed(6)
print(torch.bernoulli(torch.tensor([0.1, 0.5, 0.9])), torch.multinomial(torch.tensor([1.0, 2.0, 7.0]), 5, replacement=True))
print(torch.normal(torch.tensor([0.0, 10.0]), torch.tensor([1.0, 0.1])))
print(torch.empty(3).uniform_(2, 3), torch.empty(2).exponential_(), torch.poisson(torch.tensor([1.0, 5.0])))
state = torch.get_rng_state()
first = torch.rand(2)
torch.set_rng_state(state)
print(torch.equal(first, torch.rand(2)), torch.initial_seed())
n = D.Normal(torch.tensor([0.0, 1.0]), torch.tensor([1.0, 2.0]))
print(n, n.sample(), n.log_prob(torch.tensor([0.5, 0.5])), n.mean, n.variance)
c = D.Categorical(logits=torch.tensor([1.0, 2.0, 3.0]))
action = c.sample()
print(action, c.log_prob(action), c.entropy(), c.probs)
print(D.Bernoulli(0.3).log_prob(torch.tensor(1.0)), D.Uniform(0.0, 2.0).rsample((2,)))
print(D.kl_divergence(D.Normal(0.0, 1.0), D.Normal(1.0, 2.0)))
print(D.MultivariateNormal(torch.zeros(2), torch.eye(2)).log_prob(torch.ones(2)))
print(D.Beta(2.0, 3.0).mean, D.Gamma(2.0, 1.0).log_prob(torch.tensor(1.5)), D.Exponential(2.0).mean)

# REINFORCE on a two-armed bandit
logits = torch.zeros(2, requires_grad=True)
optimizer = torch.optim.Adam([logits], lr=0.1)
for step in range(30):
    policy = D.Categorical(logits=logits)
    action = policy.sample()
    reward = float(action.item() == 1)
    loss = -policy.log_prob(action) * (reward - 0.5)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
print(torch.softmax(logits, 0))
x = torch.randn(1000)
print(x.mean(), x.std(), x.median(), torch.quantile(x, 0.9), torch.histc(x, bins=5, min=-2, max=2))
