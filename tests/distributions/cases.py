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
    sample = d.sample((8,))
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
    out["outside"] = said(lambda: d.log_prob(sample[:1] * math.nan))
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


def divergence(torch, p_name, q_name):
    """The divergence of two families with its gradients; the error's type where there is none."""
    (p, p_parameters), (q, q_parameters) = build(torch, p_name), build(torch, q_name)
    try:
        result = torch.distributions.kl_divergence(p, q)
    except (NotImplementedError, ValueError) as e:
        return f"{type(e).__name__}: {e}"
    except RuntimeError:
        return "RuntimeError"  # shapes that do not broadcast
    return [result.tolist(), gradients(lambda: result, p_parameters + q_parameters)]


def divergences(torch):
    """All pairs of families that have a divergence, and the texts where there is none."""
    all_pairs = {f"{p} | {q}": divergence(torch, p, q) for p in FAMILIES for q in FAMILIES}
    texts = {name: d for name, d in all_pairs.items() if name.startswith(("Wish", "Low", "Indep"))}
    return texts | {name: d for name, d in all_pairs.items() if not isinstance(d, str)}


TRANSFORMS = {
    "abs": lambda T, D: D.AbsTransform(),
    "affine": lambda T, D: D.AffineTransform(1.0, -2.0),
    "affine vectors": lambda T, D: D.AffineTransform(T.zeros(3), T.tensor([1.0, 2.0, -3.0]), 1),
    "cat": lambda T, D: D.CatTransform(
        [D.ExpTransform(), D.AffineTransform(0.0, 2.0)], dim=-1, lengths=[1, 2]
    ),
    "compose": lambda T, D: D.ComposeTransform([D.AffineTransform(0.5, 2.0), D.TanhTransform()]),
    "compose sticks": lambda T, D: D.ComposeTransform(
        [D.AffineTransform(0.5, 2.0), D.StickBreakingTransform()]
    ),
    "correlation": lambda T, D: D.CorrCholeskyTransform(),
    "cdf": lambda T, D: D.CumulativeDistributionTransform(D.Normal(0.0, 1.0)),
    "exp": lambda T, D: D.ExpTransform(),
    "identity": lambda T, D: D.identity_transform,
    "independent": lambda T, D: D.IndependentTransform(D.ExpTransform(), 1),
    "inverse": lambda T, D: D.SoftplusTransform().inv.inv,
    "power": lambda T, D: D.ComposeTransform([D.ExpTransform(), D.PowerTransform(T.tensor(2.0))]),
    "reshape": lambda T, D: D.ReshapeTransform((3,), (3, 1)),
    "sigmoid": lambda T, D: D.SigmoidTransform(),
    "softmax": lambda T, D: D.SoftmaxTransform(),
    "softplus": lambda T, D: D.SoftplusTransform(),
    "stack": lambda T, D: D.StackTransform(
        [D.ExpTransform(), D.TanhTransform(), D.AffineTransform(0.0, 2.0)], dim=-1
    ),
    "sticks": lambda T, D: D.StickBreakingTransform(),
    "tanh": lambda T, D: D.TanhTransform(),
    "lower Cholesky": lambda T, D: D.LowerCholeskyTransform(),
    "positive definite": lambda T, D: D.PositiveDefiniteTransform(),
}
CONSTRAINTS = {
    "boolean": lambda c: c.boolean,
    "cat": lambda c: c.cat([c.positive, c.real], -1, [1, 2]),
    "corr_cholesky": lambda c: c.corr_cholesky,
    "dependent": lambda c: c.dependent,
    "greater_than": lambda c: c.greater_than(0.5),
    "greater_than_eq": lambda c: c.greater_than_eq(0.5),
    "half_open_interval": lambda c: c.half_open_interval(-1.0, 0.5),
    "independent": lambda c: c.independent(c.positive, 1),
    "integer_interval": lambda c: c.integer_interval(0, 1),
    "interval": lambda c: c.interval(-1.0, 0.5),
    "less_than": lambda c: c.less_than(0.5),
    "lower_cholesky": lambda c: c.lower_cholesky,
    "lower_triangular": lambda c: c.lower_triangular,
    "mixture": lambda c: c.MixtureSameFamilyConstraint(c.positive),
    "multinomial": lambda c: c.multinomial(3),
    "nonnegative": lambda c: c.nonnegative,
    "nonnegative_integer": lambda c: c.nonnegative_integer,
    "one_hot": lambda c: c.one_hot,
    "positive": lambda c: c.positive,
    "positive_definite": lambda c: c.positive_definite,
    "positive_integer": lambda c: c.positive_integer,
    "positive_semidefinite": lambda c: c.positive_semidefinite,
    "real": lambda c: c.real,
    "real_vector": lambda c: c.real_vector,
    "simplex": lambda c: c.simplex,
    "square": lambda c: c.square,
    "stack": lambda c: c.stack([c.positive, c.real, c.unit_interval], -1),
    "symmetric": lambda c: c.symmetric,
    "unit_interval": lambda c: c.unit_interval,
}


def transform_facts(torch, name):
    """What a transform says of itself."""
    t = TRANSFORMS[name](torch, torch.distributions)
    x = torch.tensor([[0.5, -1.0, 0.25], [-0.3, 2.0, 1.0], [0.1, 0.2, -0.7]], requires_grad=True)
    y = t(x)
    out = {"repr": repr(t), "inverse": repr(t.inv), "y": plain(y)}
    out["x"] = said(lambda: t.inv(y))
    out["slope"] = said(lambda: t.log_abs_det_jacobian(x, y))
    for attribute in ("bijective", "event_dim", "domain", "codomain", "sign"):
        out[attribute] = said(lambda a=attribute: getattr(t, a))
    out["shape"] = said(lambda: str(tuple(t.forward_shape((2, 3)))))
    out["inverse shape"] = said(lambda: str(tuple(t.inverse_shape((5, 3, 3)))))
    out["too few"] = said(lambda: str(tuple(t.forward_shape(()))))
    out["equal"] = str(t == TRANSFORMS[name](torch, torch.distributions))
    cached = t.with_cache()
    again = cached(x)
    out["cached"] = str(cached.inv(again) is x)
    out["gradient"] = gradients(lambda: t(x), [x])
    return out


def constraint_facts(torch, name):
    """What a constraint says of itself, and the transforms that lead to it."""
    c = CONSTRAINTS[name](torch.distributions.constraints)
    out = {"repr": repr(c)}
    for attribute in ("is_discrete", "event_dim"):
        out[attribute] = said(lambda a=attribute: getattr(c, a))
    values = (
        [[0.0, 0.5, 1.0], [1.0, 0.0, 0.0], [-2.0, 3.0, math.nan]],
        [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]],
        [[1.0, 0.0, 0.0], [0.6, 0.8, 0.0], [0.0, 0.6, -0.8]],
        [[1.0, 2.0, 0.0], [2.0, 1.0, 0.0], [0.0, 0.0, 1.0]],
        [[0.2, 0.3, 0.5]],
    )
    out["check"] = [said(lambda v=v: c.check(torch.tensor(v))) for v in values[1:]]
    if "definite" not in name:
        out["check"].append(said(lambda: c.check(torch.tensor(values[0]))))
    for registry in ("biject_to", "transform_to"):
        out[registry] = said(lambda r=registry: getattr(torch.distributions, r)(c))
    return out


def everything(torch):
    """All facts of one library."""
    return {
        "families": {name: facts(torch, name) for name in FAMILIES},
        "divergences": divergences(torch),
        "transforms": {name: transform_facts(torch, name) for name in TRANSFORMS},
        "constraints": {name: constraint_facts(torch, name) for name in CONSTRAINTS},
    }
