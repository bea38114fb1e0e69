"""Every family, transform, constraint and divergence against what PyTorch 2.13 said (record.py)."""

import importlib.util
import json
import pickle
import sys
from pathlib import Path

import pytest

import rushlight as torch
from rushlight import _api
from rushlight import distributions as D

HERE = Path(__file__).parent


def load(name):
    spec = importlib.util.spec_from_file_location(f"distributions_{name}", HERE / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


cases, near = load("cases"), load("compare").near
RECORDED = json.loads((HERE / "recorded.json").read_text(encoding="utf-8"))
pytestmark = pytest.mark.filterwarnings("ignore:Singular sample", "ignore:Low df")
# Drawn without exp, log or pow in float32, whose last bits differ from PyTorch's vector code.
EXACT = [
    "Bernoulli",
    "Bernoulli logits",
    "Bernoulli number",
    "Beta",
    "Beta numbers",
    "Beta small",
    "Binomial",
    "Categorical",
    "Categorical logits",
    "Cauchy",
    "Chi2",
    "Dirichlet",
    "Exponential",
    "Gamma",
    "HalfCauchy",
    "HalfNormal",
    "Independent",
    "MixtureSameFamily",
    "Multinomial",
    "NegativeBinomial",
    "Normal",
    "Normal numbers",
    "OneHotCategorical",
    "Poisson",
    "Uniform",
]


def differences(mine, recorded):
    return [
        f"{key}: PyTorch {str(recorded[key])[:300]}, here {str(mine[key])[:300]}"
        for key in recorded
        if not near(mine[key], recorded[key])
    ]


@pytest.mark.parametrize("name", cases.FAMILIES)
def test_family(name):
    assert differences(cases.facts(torch, name), RECORDED["families"][name]) == []


@pytest.mark.parametrize("name", EXACT)
def test_same_seed_same_samples(name):
    d, _ = cases.build(torch, name)
    torch.manual_seed(7)
    recorded = torch.tensor(RECORDED["families"][name]["sample"])
    sample = d.sample((8,))
    assert torch.equal(sample.to(recorded.dtype), recorded)


@pytest.mark.parametrize("pair", RECORDED["divergences"])
def test_divergence(pair):
    assert near(cases.divergence(torch, *pair.split(" | ")), RECORDED["divergences"][pair])


@pytest.mark.parametrize("name", cases.TRANSFORMS)
def test_transform(name):
    assert differences(cases.transform_facts(torch, name), RECORDED["transforms"][name]) == []


@pytest.mark.parametrize("name", cases.CONSTRAINTS)
def test_constraint(name):
    assert differences(cases.constraint_facts(torch, name), RECORDED["constraints"][name]) == []


# ---- what is refused -----------------------------------------------------------------------------


REFUSED = {
    "Either `probs` or `logits` must be specified, but not both.": lambda: D.Bernoulli(),
    "`probs` parameter must be at least one-dimensional.": lambda: D.Categorical(torch.tensor(1.0)),
    "Expected parameter scale (Tensor of shape ()) of distribution Normal(loc: 0.0, scale: -1.0) "
    "to satisfy the constraint GreaterThan(lower_bound=0.0), but found invalid values:\n-1.0": (
        lambda: D.Normal(0.0, -1.0)
    ),
    "The value argument to log_prob must be a Tensor": lambda: D.Normal(0.0, 1.0).log_prob(0.0),
    "transforms must be a Transform or list, but was 3": lambda: D.TransformedDistribution(
        D.Normal(0.0, 1.0), 3
    ),
    "cache_size must be 0 or 1": lambda: D.ExpTransform(cache_size=2),
    "Expected dim to be an integer greater than or equal to 2. Found dim=1.": (
        lambda: D.LKJCholesky(1)
    ),
    "loc must be at least one-dimensional.": lambda: D.MultivariateNormal(
        torch.tensor(0.0), torch.eye(1)
    ),
}


@pytest.mark.parametrize("text", REFUSED)
def test_refused(text):
    with pytest.raises(ValueError) as e:
        REFUSED[text]()
    assert str(e.value) == text


def test_validation_can_be_turned_off():
    assert D.Normal(0.0, -1.0, validate_args=False).scale == -1
    D.Distribution.set_default_validate_args(False)
    try:
        D.Normal(0.0, -1.0)
    finally:
        D.Distribution.set_default_validate_args(True)
    with pytest.raises(ValueError):
        D.Normal(0.0, -1.0)


def test_a_subclass_with_its_own_init_must_expand():
    class Mine(D.Normal):
        def __init__(self):
            super().__init__(0.0, 1.0)

    with pytest.raises(NotImplementedError, match=r"must also define a custom \.expand\(\)"):
        Mine().expand((2,))


def test_sample_n_is_deprecated():
    with pytest.warns(FutureWarning, match="sample_n"):
        assert D.Normal(0.0, 1.0).sample_n(3).shape == (3,)


# ---- registries ----------------------------------------------------------------------------------


def test_registered_formula_is_found_for_subclasses():
    class Base(D.Normal):
        pass

    class Derived(Base):
        pass

    @D.register_kl(Base, D.Normal)
    def formula(p, q):
        return "mine"

    try:
        assert D.kl_divergence(Derived(0.0, 1.0), D.Normal(0.0, 1.0)) == "mine"
    finally:
        del D.kl._KL_REGISTRY[Base, D.Normal]
        D.kl._KL_MEMOIZE.clear()


def test_ambiguous_formulas_warn():
    class Left(D.Normal):
        pass

    keys = [(Left, D.Normal), (D.Normal, Left)]
    for key in keys:
        D.register_kl(*key)(lambda p, q: "mine")
    try:
        with pytest.warns(RuntimeWarning, match=r"Ambiguous kl_divergence\(Left, Left\)"):
            D.kl_divergence(Left(0.0, 1.0), Left(0.0, 1.0))
    finally:
        for key in keys:
            del D.kl._KL_REGISTRY[key]
        D.kl._KL_MEMOIZE.clear()


def test_registered_transform():
    class Odd(D.constraints.Constraint):
        pass

    registry = D.constraint_registry.ConstraintRegistry()
    registry.register(Odd, lambda constraint: D.ExpTransform())
    assert registry(Odd()) == D.ExpTransform()
    with pytest.raises(NotImplementedError, match="Cannot transform _Real constraints"):
        registry(D.constraints.real)
    with pytest.raises(TypeError, match="Expected constraint to be either"):
        registry.register(3, lambda constraint: None)


# ---- implicit gradients --------------------------------------------------------------------------


@pytest.mark.parametrize("a", [0.01, 0.5, 3.0, 80.0, 900.0, 1100.0, 1e6])
def test_gamma_slope_is_that_of_the_quantile(a):
    """Where P(a, x) is kept: compared with a difference quotient of gammainc in float64."""
    torch.manual_seed(0)
    alpha = torch.full((20,), a, dtype=torch.float64, requires_grad=True)
    x = _api._standard_gamma(alpha)
    (slope,) = torch.autograd.grad(x.sum(), alpha)
    h, x, alpha = 1e-3 * min(a, a**0.5), x.detach(), alpha.detach()
    cdf = torch.special.gammainc
    by_alpha = (cdf(alpha + h, x) - cdf(alpha - h, x)) / (2 * h)
    density = D.Gamma(alpha, torch.ones_like(alpha)).log_prob(x).exp()
    assert torch.allclose(slope, -by_alpha / density, rtol=2e-3)


def test_samples_move_with_their_mean():
    torch.manual_seed(0)
    a = torch.tensor([0.3, 2.0, 40.0], requires_grad=True)
    D.Gamma(a, torch.ones(3)).rsample((4000,)).mean(0).sum().backward()
    assert torch.allclose(a.grad, torch.ones(3), atol=0.1)


# ---- shapes, copies ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", cases.FAMILIES)
def test_shapes(name):
    d, _ = cases.build(torch, name)
    x = d.sample((4, 3))
    assert x.shape == (4, 3, *d.batch_shape, *d.event_shape)
    assert not x.requires_grad
    assert d.log_prob(x).shape == (4, 3, *d.batch_shape)


def test_transforms_can_be_pickled():
    t = pickle.loads(pickle.dumps(D.AffineTransform(1.0, 2.0, cache_size=1)))
    assert t == D.AffineTransform(1.0, 2.0)
    assert t.inv.inv is t
