"""Every family with parameters, and what it says of itself: the same for rushlight and PyTorch."""

import math

# name -> f(torch, D, t): a distribution. t(numbers) makes a float32 tensor that wants a gradient.
FAMILIES = {
    "Bernoulli": lambda T, D, t: D.Bernoulli(t([0.2, 0.5, 0.9])),
    "Bernoulli logits": lambda T, D, t: D.Bernoulli(logits=t([-2.0, 0.3, 4.0])),
    "Bernoulli number": lambda T, D, t: D.Bernoulli(0.3),
    "Beta": lambda T, D, t: D.Beta(t([0.5, 2.0, 30.0]), t([0.7, 3.0, 4.0])),
    "Beta numbers": lambda T, D, t: D.Beta(2.0, 3.0),
    "Beta small": lambda T, D, t: D.Beta(t([0.05, 1.0]), t([0.1, 0.02])),
    "Binomial": lambda T, D, t: D.Binomial(40, t([0.1, 0.5, 0.9])),
    "Binomial logits": lambda T, D, t: D.Binomial(5, logits=t([-1.0, 0.0, 2.0])),
    "Categorical": lambda T, D, t: D.Categorical(t([[0.2, 0.3, 0.5], [1.0, 1.0, 4.0]])),
    "Categorical logits": lambda T, D, t: D.Categorical(logits=t([1.0, 2.0, 3.0])),
    "Cauchy": lambda T, D, t: D.Cauchy(t([0.0, 1.0]), t([1.0, 3.0])),
    "Chi2": lambda T, D, t: D.Chi2(t([1.0, 5.0])),
    "ContinuousBernoulli": lambda T, D, t: D.ContinuousBernoulli(t([0.1, 0.4995, 0.8])),
    "ContinuousBernoulli logits": lambda T, D, t: D.ContinuousBernoulli(logits=t([-1.0, 2.0])),
    "Dirichlet": lambda T, D, t: D.Dirichlet(t([[0.5, 2.0, 3.0], [10.0, 1.0, 0.3]])),
    "Exponential": lambda T, D, t: D.Exponential(t([0.5, 2.0])),
    "FisherSnedecor": lambda T, D, t: D.FisherSnedecor(t([3.0, 5.0]), t([6.0, 3.0])),
    "Gamma": lambda T, D, t: D.Gamma(t([0.3, 2.0, 50.0]), t([1.0, 2.0, 0.5])),
    "GeneralizedPareto": lambda T, D, t: D.GeneralizedPareto(
        t([0.0, 1.0, 2.0]), t([1.0, 2.0, 0.5]), t([0.2, -0.3, 0.0])
    ),
    "Geometric": lambda T, D, t: D.Geometric(t([0.2, 0.7])),
    "Geometric logits": lambda T, D, t: D.Geometric(logits=t([0.2, -0.7])),
    "Gumbel": lambda T, D, t: D.Gumbel(t([0.0, 1.0]), t([1.0, 3.0])),
    "HalfCauchy": lambda T, D, t: D.HalfCauchy(t([1.0, 3.0])),
    "HalfNormal": lambda T, D, t: D.HalfNormal(t([1.0, 3.0])),
    "Independent": lambda T, D, t: D.Independent(
        D.Normal(t([[0.0, 1.0], [2.0, 3.0]]), t([1.0, 3.0])), 1
    ),
    "InverseGamma": lambda T, D, t: D.InverseGamma(t([1.5, 3.0]), t([1.0, 2.0])),
    "Kumaraswamy": lambda T, D, t: D.Kumaraswamy(t([0.5, 2.0]), t([1.5, 3.0])),
    "LKJCholesky": lambda T, D, t: D.LKJCholesky(3, t([0.5, 2.0])),
    "Laplace": lambda T, D, t: D.Laplace(t([0.0, 1.0]), t([1.0, 3.0])),
    "LogNormal": lambda T, D, t: D.LogNormal(t([0.0, 1.0]), t([1.0, 0.3])),
    "LogisticNormal": lambda T, D, t: D.LogisticNormal(t([0.0, 1.0]), t([1.0, 0.3])),
    "LowRankMultivariateNormal": lambda T, D, t: D.LowRankMultivariateNormal(
        t([0.0, 1.0, 2.0]), t([[1.0], [0.5], [-1.0]]), t([1.0, 2.0, 0.5])
    ),
    "MixtureSameFamily": lambda T, D, t: D.MixtureSameFamily(
        D.Categorical(t([0.3, 0.7])), D.Normal(t([-1.0, 3.0]), t([1.0, 0.5]))
    ),
    "MixtureSameFamily vectors": lambda T, D, t: D.MixtureSameFamily(
        D.Categorical(t([0.3, 0.7])),
        D.Independent(D.Normal(t([[-1.0, 3.0], [0.0, 1.0]]), t([1.0, 0.5])), 1),
    ),
    "Multinomial": lambda T, D, t: D.Multinomial(7, t([0.2, 0.3, 0.5])),
    "MultivariateNormal": lambda T, D, t: D.MultivariateNormal(
        t([0.0, 1.0]), t([[2.0, 0.5], [0.5, 1.0]])
    ),
    "MultivariateNormal precision": lambda T, D, t: D.MultivariateNormal(
        t([[0.0, 1.0], [2.0, 3.0]]), precision_matrix=t([[2.0, 0.5], [0.5, 1.0]])
    ),
    "MultivariateNormal tril": lambda T, D, t: D.MultivariateNormal(
        t([0.0, 1.0]), scale_tril=t([[[2.0, 0.0], [0.5, 1.0]]])
    ),
    "NegativeBinomial": lambda T, D, t: D.NegativeBinomial(t([3.0, 8.0]), t([0.2, 0.7])),
    "Normal": lambda T, D, t: D.Normal(t([0.0, 1.0]), t([1.0, 3.0])),
    "Normal numbers": lambda T, D, t: D.Normal(0.0, 2.0),
    "OneHotCategorical": lambda T, D, t: D.OneHotCategorical(t([0.2, 0.3, 0.5])),
    "OneHotCategoricalStraightThrough": lambda T, D, t: D.OneHotCategoricalStraightThrough(
        logits=t([0.2, 0.3, 0.5])
    ),
    "Pareto": lambda T, D, t: D.Pareto(t([1.0, 2.0]), t([3.0, 1.5])),
    "Poisson": lambda T, D, t: D.Poisson(t([0.5, 20.0])),
    "RelaxedBernoulli": lambda T, D, t: D.RelaxedBernoulli(T.tensor(0.7), t([0.2, 0.8])),
    "RelaxedOneHotCategorical": lambda T, D, t: D.RelaxedOneHotCategorical(
        T.tensor(0.7), t([0.2, 0.3, 0.5])
    ),
    "StudentT": lambda T, D, t: D.StudentT(t([3.0, 1.5]), t([0.0, 1.0]), t([1.0, 2.0])),
    "TransformedDistribution": lambda T, D, t: D.TransformedDistribution(
        D.Normal(t([0.0, 1.0]), t([1.0, 2.0])),
        [D.AffineTransform(1.0, -2.0), D.SigmoidTransform()],
    ),
    "Uniform": lambda T, D, t: D.Uniform(t([0.0, -1.0]), t([1.0, 5.0])),
    "VonMises": lambda T, D, t: D.VonMises(t([0.0, 1.0]), t([0.5, 10.0])),
    "Weibull": lambda T, D, t: D.Weibull(t([1.0, 2.0]), t([0.7, 3.0])),
    "Wishart": lambda T, D, t: D.Wishart(t([4.0, 5.5]), t([[2.0, 0.5], [0.5, 1.0]])),
}
# Of these every family has a divergence to itself; both sides of the pairs of PyTorch's registry.
PROPERTIES = ("mean", "mode", "variance", "stddev", "batch_shape", "event_shape", "support")
DERIVED = ("logits", "probs", "covariance_matrix", "precision_matrix", "scale_tril", "param_shape")


def build(torch, name):
    """The distribution of a family, and its parameters."""
    parameters = []

    def t(numbers):
        parameters.append(torch.tensor(numbers, requires_grad=True))
        return parameters[-1]

    return FAMILIES[name](torch, torch.distributions, t), parameters


def plain(value):
    """Tensors as nested lists, the rest as text; errors by type and text."""
    if hasattr(value, "detach"):
        return value.detach().tolist()
    return str(value)


def said(f):
    """What a call returns, or the error it raises."""
    try:
        return plain(f())
    except (NotImplementedError, ValueError, AttributeError) as e:
        if isinstance(e, AttributeError):
            return "AttributeError"
        return f"{type(e).__name__}: {e}".replace("torch.distributions", "distributions").replace(
            "rushlight.", ""
        )


def gradients(f, parameters):
    """The sum of f() differentiated in the parameters."""
    try:
        result = f()
    except NotImplementedError:
        return "NotImplementedError"
    if not result.requires_grad:
        return "no gradient"
    for p in parameters:
        p.grad = None
    try:
        (result * result.detach().cos()).sum().backward()
    except RuntimeError:
        return "RuntimeError"
    return [None if p.grad is None else p.grad.tolist() for p in parameters]


def facts(torch, name):
    """Everything a family says of itself."""
    make = lambda: build(torch, name)  # noqa: E731
    d, parameters = make()
    torch.manual_seed(7)
    sample = d.sample((20,))
    torch.manual_seed(7)
    out = {"repr": repr(d), "sample": plain(sample), "sample()": plain(d.sample())}
    for attribute in (*PROPERTIES, *DERIVED):
        out[attribute] = said(lambda a=attribute: getattr(d, a))
    for flag in ("has_rsample", "has_enumerate_support"):
        out[flag] = str(getattr(d, flag))
    torch.manual_seed(8)
    out["rsample"] = said(lambda: d.rsample((3,)))
    out["log_prob"] = said(lambda: d.log_prob(sample))
    out["cdf"] = said(lambda: d.cdf(sample))
    levels = torch.tensor([0.1, 0.5, 0.8]).reshape((3,) + (1,) * len(d.batch_shape))
    out["icdf"] = said(lambda: d.icdf(levels))
    out["entropy"] = said(lambda: d.entropy())
    out["perplexity"] = said(lambda: d.perplexity())
    out["enumerate_support"] = said(lambda: d.enumerate_support())
    wide = d.expand((2, *d.batch_shape))
    out["expand"] = [repr(wide), str(wide.batch_shape), said(lambda: wide.log_prob(sample[:2]))]
    out["outside"] = said(lambda: d.log_prob(sample * math.nan))
    out["shape"] = said(lambda: d.log_prob(torch.zeros(5, 7)))
    for what, f in {
        "log_prob'": lambda d: d.log_prob(sample),
        "entropy'": lambda d: d.entropy(),
        "mean'": lambda d: d.mean,
    }.items():
        d, parameters = make()
        out[what] = gradients(lambda d=d, f=f: f(d), parameters)
    d, parameters = make()
    torch.manual_seed(9)
    out["rsample'"] = gradients(lambda: d.rsample((5,)), parameters)
    return out
