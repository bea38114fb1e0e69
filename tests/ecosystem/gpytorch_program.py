# needs: gpytorch linear_operator sklearn
import torch, gpytorch

torch.manual_seed(0)
x = torch.linspace(0, 1, 20)
y = torch.sin(6 * x) + torch.randn(20) * 0.1


class GP(gpytorch.models.ExactGP):
    def __init__(s, x, y, l):
        super().__init__(x, y, l)
        s.mean_module = gpytorch.means.ConstantMean()
        s.covar_module = gpytorch.kernels.ScaleKernel(gpytorch.kernels.RBFKernel())

    def forward(s, x):
        return gpytorch.distributions.MultivariateNormal(s.mean_module(x), s.covar_module(x))


lik = gpytorch.likelihoods.GaussianLikelihood()
m = GP(x, y, lik)
m.train()
lik.train()
opt = torch.optim.Adam(m.parameters(), 0.1)
mll = gpytorch.mlls.ExactMarginalLogLikelihood(lik, m)
for i in range(20):
    opt.zero_grad()
    l = -mll(m(x), y)
    l.backward()
    opt.step()
    if i % 5 == 0:
        print(l.item(), m.covar_module.base_kernel.lengthscale.item(), lik.noise.item())
m.eval()
lik.eval()
with torch.no_grad(), gpytorch.settings.fast_pred_var():
    p = lik(m(torch.linspace(0, 1, 5)))
    print(p.mean, p.variance, p.confidence_region())
p = m(torch.linspace(0, 1, 5))
print(p.covariance_matrix.sum())
print(p.rsample(torch.Size([2])).shape)
print(sorted(m.state_dict()))
for k in [
    gpytorch.kernels.MaternKernel(2.5),
    gpytorch.kernels.PeriodicKernel(),
    gpytorch.kernels.RQKernel(),
    gpytorch.kernels.LinearKernel(),
    gpytorch.kernels.CosineKernel(),
    gpytorch.kernels.PolynomialKernel(2),
    gpytorch.kernels.RBFKernel(ard_num_dims=1) * gpytorch.kernels.MaternKernel(0.5)
    + gpytorch.kernels.RBFKernel(),
]:
    print(type(k).__name__, k(x[:, None]).to_dense().sum().item())


class VGP(gpytorch.models.ApproximateGP):
    def __init__(s, z):
        d = gpytorch.variational.CholeskyVariationalDistribution(z.size(0))
        super().__init__(
            gpytorch.variational.VariationalStrategy(s, z, d, learn_inducing_locations=True)
        )
        s.mean_module = gpytorch.means.ConstantMean()
        s.covar_module = gpytorch.kernels.ScaleKernel(gpytorch.kernels.RBFKernel())

    def forward(s, x):
        return gpytorch.distributions.MultivariateNormal(s.mean_module(x), s.covar_module(x))


v = VGP(x[:6, None].clone())
lik = gpytorch.likelihoods.GaussianLikelihood()
mll = gpytorch.mlls.VariationalELBO(lik, v, 20)
opt = torch.optim.Adam([*v.parameters(), *lik.parameters()], 0.05)
v.train()
for i in range(6):
    opt.zero_grad()
    l = -mll(v(x[:, None]), y)
    l.backward()
    opt.step()
    print(l.item())
