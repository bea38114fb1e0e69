"""torch.autograd.functional: mathematics, and PyTorch's answers and refusals."""

import pytest

import rushlight
from rushlight.autograd import functional

CALLS = """
vjp(f, x, torch.tensor([1., 2.]))
jvp(f, x, x)
jacobian(f, x)
jacobian(lambda a, b: (a * b, a.sum()), (x, x + 1))
hessian(g, x)
hessian(lambda a, b: (a * b * a).sum(), (x, x + 1))
vhp(g, x, x)
hvp(g, x, x)
hvp(lambda a, b: (a * b * a).sum(), (x, x), (x, x))
jvp(lambda a, b: a * b, (x, x), (x, x))
jacobian(lambda x: x.sum(), x)
jacobian(lambda a, b: a, (x, x))
jacobian(lambda x: torch.ones(2), x)
jacobian(f, x, create_graph=True).requires_grad
hessian(lambda x: x.sum(), x)
vjp(f, x)
jvp(f, x)
vjp(f, x, torch.ones(3))
vjp(f, 3)
jacobian(lambda x: 3, x)
jacobian(f, x, strategy='a')
jacobian(lambda x: torch.ones(2), x, strict=True)
hessian(f, x)
hessian(lambda x: (x.sum(),), x)
""".strip().splitlines()


def outcome(torch, module, call):
    x = torch.tensor([1.0, 2.0, 3.0])
    names = {
        **vars(module),
        "torch": torch,
        "x": x,
        "f": lambda x: torch.stack([x[0] ** 2 * x[1], x.sum().sin()]),
        "g": lambda x: (x**3).sum() + x[0] * x[1],
    }
    try:
        return repr(eval(call, names))
    except Exception as error:
        return f"{type(error).__name__}: {error}"


@pytest.mark.parametrize("call", CALLS)
def test_as_pytorch(call):
    torch = pytest.importorskip("torch")
    expected = outcome(torch, torch.autograd.functional, call)
    assert outcome(rushlight, functional, call) == expected


def test_products_agree_with_the_matrices():
    torch = rushlight
    x, u, v = torch.randn(3, dtype=torch.float64), torch.randn(2), torch.randn(3)
    u, v = u.double(), v.double()

    def f(x):
        return torch.stack([x[0] * x[1].exp(), (x * x).sum()])

    matrix = functional.jacobian(f, x)
    assert torch.allclose(functional.vjp(f, x, u)[1], u @ matrix)
    assert torch.allclose(functional.jvp(f, x, v)[1], matrix @ v)
    hessian = functional.hessian(lambda x: f(x).prod(), x)
    assert torch.allclose(hessian, hessian.T)
    assert torch.allclose(functional.hvp(lambda x: f(x).prod(), x, v)[1], hessian @ v)
    assert torch.allclose(functional.vhp(lambda x: f(x).prod(), x, v)[1], v @ hessian)
