"""torch.func and forward mode on a device: the programs and laws of tests/func give there what they
give on the CPU, on the device, and nothing crosses to the host.
"""

import importlib.util
import sys
import warnings
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "func"))  # transforms.py is plain there
import transforms

import rushlight as torch
from rushlight.func import grad, jacfwd, jacrev, jvp, vjp, vmap

F = torch.nn.functional
FUNC = Path(transforms.__file__).parent


def module_at(path):
    spec = importlib.util.spec_from_file_location(f"func_{path.stem}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


RULES = module_at(FUNC / "test_rules.py").CASES
_inputs = transforms.inputs
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    PROGRAMS, REFUSALS = transforms.programs(torch), transforms.refusals(torch)
# What draws numbers, which a device draws in another order.
DRAWN = [n for n in PROGRAMS if n.endswith((", same", ", different"))]
GIVEN = [n for n in PROGRAMS if n not in DRAWN]


@pytest.fixture
def programs(monkeypatch):
    """The programs with the CPU's inputs moved to the device, where they make new tensors too."""

    def inputs(given):
        torch.set_default_device(None)
        try:
            return [x.cuda() for x in _inputs(given)]
        finally:
            torch.set_default_device("cuda")

    monkeypatch.setattr(transforms, "inputs", inputs)
    torch.set_default_device("cuda")
    yield lambda: transforms.programs(torch)
    torch.set_default_device(None)


def there(value):
    """The tensors of a nested value, all of them on the device."""
    found = transforms.flat(torch, value)
    assert {t.device.type for t in found} == {"cuda"}
    return found


# The index of index_put is checked against its bounds on the host.
HOST = {"index_put": 1}


@pytest.mark.parametrize("name", GIVEN)
@pytest.mark.filterwarnings("ignore")
def test_program(name, programs, cupy):
    function = programs()[name]
    before = getattr(cupy, "copies", {}).get("to host", 0)
    found = there(function())
    assert getattr(cupy, "copies", {}).get("to host", 0) - before == HOST.get(name, 0)
    torch.set_default_device(None)
    wanted = transforms.flat(torch, PROGRAMS[name]())
    for a, b in zip(found, wanted, strict=True):
        torch.testing.assert_close(a.cpu(), b, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", DRAWN)
@pytest.mark.filterwarnings("ignore")
def test_drawn(name, programs):
    (found,) = there(programs()[name]())
    assert found.shape[0] == 4
    rows = {tuple(row.flatten().tolist()) for row in found.cpu()}
    if name.endswith("same") and "dropout, " not in name:
        assert len(rows) == 1
    if name.endswith("different"):
        assert len(rows) > 1


@pytest.mark.parametrize("name", REFUSALS)
@pytest.mark.filterwarnings("ignore")
def test_refusal(name):
    with pytest.raises(Exception) as wanted:
        REFUSALS[name]()
    torch.set_default_device("cuda")
    try:
        function = transforms.refusals(torch)[name]
        with pytest.raises(wanted.type) as found:
            function()
    finally:
        torch.set_default_device(None)
    assert str(found.value) == str(wanted.value)


@pytest.mark.parametrize("name", RULES)
@pytest.mark.filterwarnings("ignore")
def test_rule(name):
    function, given = RULES[name]
    moved = [t.cuda() for t in given]
    at = tuple(i for i, t in enumerate(given) if t.is_floating_point())

    def tangent(*args):
        def part(*inputs):
            full = list(args)
            for i, x in zip(at, inputs, strict=True):
                full[i] = x
            return function(*full)

        chosen = tuple(args[i][0] for i in at)
        args = [a[0] for a in args]
        return jvp(part, chosen, tuple(x.sin() for x in chosen))

    summed = grad(lambda *a: function(*a).sin().sum(), argnums=at)
    for call in (vmap(function), vmap(summed), tangent):
        found, wanted = there(call(*moved)), transforms.flat(torch, call(*given))
        for a, b in zip(found, wanted, strict=True):
            torch.testing.assert_close(a.cpu(), b, rtol=1e-5, atol=1e-6)


# ---- by hand -------------------------------------------------------------------------------------


def test_inside_the_device_is_that_of_what_is_inside(cupy):
    x = torch.arange(6.0).view(2, 3).cuda()
    seen = []

    def look(a):
        seen.append((str(a.device), a.is_cuda, a.is_cpu, a.get_device(), a.stride(), a.is_meta))
        made = (torch.zeros_like(a), a.new_ones(2), torch.empty_like(a.sum()), a.clone().detach())
        seen.append({str(t.device) for t in made})
        return a * 2

    vmap(look)(x)
    jvp(look, (x,), (x,))
    grad(lambda a: look(a).sum())(x)
    vmap(lambda a: jvp(look, (a,), (a,))[1])(x)
    for facts, devices in zip(seen[::2], seen[1::2], strict=True):
        assert facts[:4] == ("cuda:0", True, False, 0)
        assert not facts[5]
        assert devices == {"cuda:0"}
    assert jvp(lambda a: a.t(), (x,), (x,))[0].stride() == (1, 3)


def test_to_another_device_inside():
    x = torch.arange(6.0).view(2, 3)
    assert torch.equal(vmap(lambda a: a.cuda().sin().cpu())(x), x.sin())
    out, tangent = jvp(lambda a: a.cuda().sin(), (x,), (x,))
    assert out.is_cuda
    assert tangent.is_cuda
    assert torch.equal(tangent.cpu(), x.cos() * x)
    assert torch.equal(grad(lambda a: a.cuda().sin().sum())(x), x.cos())
    rows = vmap(grad(lambda a: a.cuda().sin().sum()))(x)
    assert not rows.is_cuda
    torch.testing.assert_close(rows, x.cos())


def test_dual_tensors_by_hand():
    fw = torch.autograd.forward_ad
    x, v = torch.tensor([1.0, 2.0]).cuda(), torch.tensor([3.0, 4.0]).cuda()
    with fw.dual_level():
        d = fw.make_dual(x, v)
        assert repr(d) == (
            "tensor([1., 2.], device='cuda:0', tangent=tensor([3., 4.], device='cuda:0'))"
        )
        y = d * d
        y[0] = 0.0
        y.mul_(2).add_(d)
        primal, tangent = fw.unpack_dual(y)
        assert primal.tolist() == [1.0, 10.0]
        assert tangent.tolist() == [3.0, 36.0]
        z = torch.zeros(2).cuda()
        z.copy_(d)
        assert fw.unpack_dual(z).tangent.tolist() == [3.0, 4.0]
        assert torch.equal(fw.unpack_dual(d.clone()).tangent, v)
        assert fw.unpack_dual(d.detach()).tangent is None
    escaped = d * 2  # the level is closed: its values alone
    assert escaped.tolist() == [2.0, 4.0]
    assert escaped.is_cuda
    assert float(d[1]) == 2.0


def test_a_function_of_ones_own():
    class Cube(torch.autograd.Function):
        generate_vmap_rule = True

        @staticmethod
        def forward(x):
            return x**3, x.sum()

        @staticmethod
        def setup_context(ctx, inputs, output):
            ctx.save_for_backward(*inputs)
            ctx.save_for_forward(*inputs)

        @staticmethod
        def backward(ctx, g, h):
            assert g.device == h.device == ctx.saved_tensors[0].device
            return 3 * ctx.saved_tensors[0] ** 2 * g + h

        @staticmethod
        def jvp(ctx, t):
            return 3 * ctx.saved_tensors[0] ** 2 * t, t.sum()

    x = torch.arange(6.0).view(2, 3)

    def all_of(x):
        return (
            vmap(grad(lambda a: Cube.apply(a)[0].sum()))(x),
            jvp(lambda a: Cube.apply(a)[0], (x,), (x,))[1],
            jacrev(lambda a: Cube.apply(a)[1])(x),
            jacfwd(lambda a: Cube.apply(a)[0])(x),
        )

    for a, b in zip(there(all_of(x.cuda())), all_of(x), strict=True):
        torch.testing.assert_close(a.cpu(), b)


def test_functional():
    x = torch.rand(3, dtype=torch.float64)
    v = torch.rand(3, dtype=torch.float64)
    A = torch.autograd.functional

    def f(a):
        return (a * a.sin()).cumsum(0)

    def g(a):
        return f(a).sum()

    def all_of(x, v):
        made = [A.vjp(f, x, v), A.jvp(f, x, v), A.vhp(g, x, v), A.hvp(g, x, v), A.hessian(g, x)]
        for how in ({}, {"vectorize": True}, {"vectorize": True, "strategy": "forward-mode"}):
            made.append(A.jacobian(f, x, **how))
        made.append(A.hessian(g, x, vectorize=True, outer_jacobian_strategy="forward-mode"))
        return transforms.flat(torch, made)

    for a, b in zip(there(all_of(x.cuda(), v.cuda())), all_of(x, v), strict=True):
        torch.testing.assert_close(a.cpu(), b)


def test_gradcheck():
    x = torch.rand(2, 3, dtype=torch.float64).cuda().requires_grad_()
    w = torch.rand(3, 2, dtype=torch.float64).cuda().requires_grad_()

    def f(a, b):
        return (a @ b).sin(), a.exp().sum(0)

    every = {
        "check_forward_ad": True,
        "check_batched_grad": True,
        "check_batched_forward_grad": True,
    }
    assert torch.autograd.gradcheck(f, (x, w), **every)
    assert torch.autograd.gradcheck(f, (x, w), fast_mode=True)
    assert torch.autograd.gradgradcheck(f, (x, w), check_batched_grad=True)
    assert torch.autograd.gradgradcheck(
        torch.sin, (x,), check_fwd_over_rev=True, check_rev_over_rev=False
    )
    torch.set_default_device("cuda")
    try:
        assert torch.autograd.gradcheck(f, (x, w), **every)
        assert torch.autograd.gradgradcheck(f, (x, w))
    finally:
        torch.set_default_device(None)


def test_many_random_functions():
    torch.manual_seed(0)
    x = torch.rand(4, 6).cuda()
    draws = {
        "bernoulli": torch.bernoulli,
        "bernoulli_": lambda a: torch.zeros_like(a).bernoulli_(0.5),
        "uniform_": lambda a: a.clone().uniform_(),
        "exponential_": lambda a: a.clone().exponential_(),
        "random_": lambda a: a.clone().random_(100),
        "randint": lambda a: torch.randint(100, (6,), device="cuda"),
        "randn": lambda a: torch.randn(6, device="cuda"),
        "randn_like": torch.randn_like,
        "dropout1d": lambda a: F.dropout1d(a.view(3, 2)),
        "alpha_dropout": lambda a: F.alpha_dropout(a, 0.5, training=True),
        "multinomial": lambda a: torch.multinomial(a, 3),
        "inside jvp": lambda a: jvp(lambda b: F.dropout(b, 0.5), (a,), (a,))[1],
    }
    for name, draw in draws.items():
        found = vmap(draw, randomness="different")(x)
        assert found.is_cuda, name
        assert found.shape[0] == 4, name
        assert len({tuple(r.flatten().tolist()) for r in found.cpu()}) > 1, name
        with pytest.raises(RuntimeError, match="randomness error mode"):
            vmap(draw)(x)
    kept = jvp(lambda a: F.dropout(a, 0.5), (x,), (x,))
    assert torch.equal(*[t.cpu() for t in kept])
    noisy = jvp(lambda a: a + torch.rand_like(a), (x,), (x,))
    assert torch.equal(noisy[1].cpu(), x.cpu())


def test_two_devices(cupy):
    x = torch.arange(6.0).view(2, 3).to("cuda:1")
    assert jacrev(torch.sin)(x[0]).get_device() == 1
    assert jacfwd(torch.sin)(x[0]).get_device() == 1
    assert vmap(lambda a: a[torch.tensor([0, 1], device="cuda:1")])(x).get_device() == 1
    assert vmap(torch.rand_like, randomness="different")(x).get_device() == 1
    out, pull = vjp(lambda a: a.exp().sum(), x)
    assert pull(torch.ones_like(out))[0].device == x.device


def test_stacked_modules():
    nets = [torch.nn.Linear(3, 2).cuda() for _ in range(2)]
    params, buffers = torch.func.stack_module_state(nets)
    x = torch.rand(4, 3).cuda()

    def call(p, b, x):
        return torch.func.functional_call(nets[0], (p, b), (x,))

    found = vmap(call, (0, 0, None))(params, buffers, x)
    assert found.is_cuda
    torch.testing.assert_close(found.cpu(), torch.stack([net(x) for net in nets]).cpu())
    found.sum().backward()
    assert params["weight"].grad.is_cuda


INDEX = torch.tensor([[0, 1], [1, 2], [0, 0], [2, 1]])


def put(a, index, value):
    made = a.clone()
    made[index] = value
    return made


# name: function of a (4, 3) tensor, which makes new tensors on its device
MORE = {
    "index of the host": lambda x: vmap(lambda a, i: a[i])(x, INDEX),
    "two indices": lambda x: vmap(lambda a, i: a.expand(2, 3)[INDEX[0].to(x.device), i])(
        x, INDEX.to(x.device)
    ),
    "index in two levels": lambda x: vmap(vmap(lambda a, i: a[i], (None, 0)), (None, 0))(
        x, INDEX.to(x.device)
    ),
    "put": lambda x: vmap(lambda a, i: put(a, i, a.sum()))(x, INDEX.to(x.device)),
    "put, forward": lambda x: jvp(
        lambda a: put(a, INDEX[0].to(x.device), a[:2] * 3), (x,), (x.sin(),)
    ),
    "mask": lambda x: vmap(lambda a: put(a, a > 4, 0.0))(x),
    "mask, forward": lambda x: jvp(lambda a: put(a, a > 4, 0.0)[a > 1], (x,), (x.sin(),)),
    "dtypes": lambda x: jvp(lambda a: a.double().half().float() * 2, (x,), (x,)),
    "out": lambda x: vmap(lambda a: torch.sin(a, out=torch.empty_like(a)))(x),
    "zeros like a number": lambda x: vmap(lambda a: torch.zeros_like(a.sum()).add_(a[0]))(x),
    "number of the host": lambda x: vmap(lambda a: a * torch.tensor(2.0))(x),
    "complex": lambda x: vmap(lambda a: torch.view_as_real(torch.fft.fft(a) * 1j))(x),
    "views": lambda x: vmap(lambda a: a.unfold(0, 2, 1) * a.as_strided((2,), (1,)))(x),
}


@pytest.mark.parametrize("name", MORE)
def test_more(name):
    x = torch.arange(12.0).view(4, 3)
    for a, b in zip(
        there(MORE[name](x.cuda())), transforms.flat(torch, MORE[name](x)), strict=True
    ):
        torch.testing.assert_close(a.cpu(), b)
