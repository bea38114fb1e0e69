"""Tensors of a device that is not current: all computes there, and what is current stays so."""

import copy
import io

import pytest

import rushlight as torch
from rushlight import nn


@pytest.fixture(autouse=True)
def first_is_current(cupy):
    if torch.cuda.device_count() < 2:
        pytest.skip("one device is there")
    yield
    assert torch.cuda.current_device() == 0


def drawn(device, *shape):
    torch.manual_seed(sum(shape))
    return torch.randn(*shape).to(device)


def in_place(device):
    x, y = drawn(device, 3, 4), drawn(device, 4)
    x.add_(1).mul_(y).sub_(0.5, alpha=2).clamp_(-1, 2)
    x[1] = 3
    x[:, 1:3] += y[:2]
    x.t_()
    x.copy_(drawn("cpu", 4, 3))
    x.addcmul_(x, x, value=0.1).lerp_(torch.ones_like(x), 0.3).exp_().relu_()
    x.masked_fill_(x > 3, 0.25)
    x[x > 2] = -1.0
    x.zero_().fill_(2)
    return x.pow_(3)


def out_of(device):
    x, out = drawn(device, 3, 4), torch.empty(3, 4, device=device)
    torch.add(x, 1, out=out)
    torch.mul(out, x, out=out)
    torch.exp(out, out=out[:])
    total = torch.empty(3, device=device)
    torch.sum(out, 1, out=total)
    product = torch.empty(3, 3, device=device)
    torch.mm(out, x.t(), out=product)
    return [out, total, product, torch.cat([total, total], out=torch.empty(6, device=device))]


def indices(device):
    x = drawn(device, 5, 4)
    at = torch.tensor([3, 0, 3], device=device)
    x[at[:2]] = torch.arange(8.0, device=device).view(2, 4)
    x.index_put_((at, torch.tensor([0, 1, 2], device=device)), torch.ones(3, device=device), True)
    x.index_add_(0, at, torch.ones(3, 4, device=device))
    x.scatter_(1, torch.zeros(5, 1, dtype=torch.int64, device=device), 7.0)
    x.scatter_add_(0, torch.ones(2, 4, dtype=torch.int64, device=device), drawn(device, 2, 4))
    x.index_fill_(1, torch.tensor([2], device=device), 0.5).index_copy_(0, at[:1], x[1:2].clone())
    x.masked_scatter_(x > 1, drawn(device, 20))
    return [x, x.gather(1, at[:2].view(2, 1)), x[at], x.take(at), x.index_select(1, at)]


def reductions(device):
    x = drawn(device, 3, 4, 5)
    values, at = x.sort(1)
    return [
        *(x.sum(), x.mean(1), x.var(2), x.amax(0), x.argmin(1), values, at, x.cumsum(1)),
        *(x.norm(), x.topk(2).values, x.softmax(1), x.logsumexp(2), x.std(), x.median()),
    ]


def layers(device):
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(2, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2), nn.GELU(),
        nn.AvgPool2d(2), nn.Flatten(), nn.Linear(16, 8), nn.LayerNorm(8), nn.Linear(8, 3),
    ).to(device)  # fmt: skip
    x = drawn(device, 5, 2, 8, 8).requires_grad_()
    loss = nn.functional.cross_entropy(net(x), torch.arange(5, device=device) % 3)
    loss.backward()
    nn.utils.clip_grad_norm_(net.parameters(), 0.5)
    return [loss, x.grad, *[p.grad for p in net.parameters()], *net.buffers()]


def attention(device):
    q = drawn(device, 2, 3, 6, 8).requires_grad_()
    made = nn.functional.scaled_dot_product_attention(q, q, q, is_causal=True)
    made.square().sum().backward()
    table = drawn(device, 7, 3).requires_grad_()
    nn.functional.embedding(torch.tensor([1, 1, 6], device=device), table).sum().backward()
    return [made, q.grad, table.grad, torch.einsum("bhij,bhkj->bik", q, made)]


FAMILIES = (in_place, out_of, indices, reductions, layers, attention)


@pytest.mark.parametrize("family", FAMILIES)
def test_families(family, compiled):
    there, here = family("cuda:1"), family("cpu")
    there, here = ([x] if isinstance(x, torch.Tensor) else x for x in (there, here))
    for a, b in zip(there, here, strict=True):
        assert a.get_device() == 1
        torch.testing.assert_close(a.cpu(), b, rtol=1e-4, atol=1e-5)


MAYBE_CAPTURABLE = (
    *("Adam", "AdamW", "Adadelta", "Adamax", "ASGD", "NAdam", "RAdam", "RMSprop", "Rprop"),
)
OPTIMIZERS = [
    *((getattr(torch.optim, n), {}) for n in ("SGD", "Adagrad", "Adafactor")),
    *(
        (getattr(torch.optim, n), {"capturable": c})
        for c in (False, True)
        for n in (
            "Adam",
            "AdamW",
            "Adadelta",
            "Adamax",
            "ASGD",
            "NAdam",
            "RAdam",
            "RMSprop",
            "Rprop",
        )
    ),
]


@pytest.mark.parametrize(("make", "options"), OPTIMIZERS)
def test_optimizers(make, options, compiled):
    found = []
    for device in ("cpu", "cuda:1"):
        w = drawn(device, 4, 3).requires_grad_()
        how = options if device != "cpu" else {}
        optimizer = make([w], lr=0.1, **how)
        for _ in range(3):
            w.grad = drawn(device, 4, 3)
            optimizer.step()
        found.append(w.detach().cpu().clone())
        state = optimizer.state_dict()
        again = make([w], lr=0.1, **how)
        again.load_state_dict(copy.deepcopy(state))
        again.step()
    torch.testing.assert_close(found[1], found[0], rtol=1e-4, atol=1e-5)


def test_gradient_scaling(compiled):
    w = drawn("cuda:1", 4).requires_grad_()
    scaler, optimizer = torch.amp.GradScaler("cuda"), torch.optim.SGD([w], lr=0.1)
    scaler.scale((w * w).sum()).backward()
    scaler.unscale_(optimizer)
    torch.testing.assert_close(w.grad, 2 * w.detach())
    scaler.step(optimizer)
    scaler.update()
    assert w.get_device() == 1


def test_gradients_of_two_devices(compiled):
    w = [drawn("cuda:0", 4).requires_grad_(), drawn("cuda:1", 4).requires_grad_()]
    for bad in (False, True):
        for p in w:
            p.grad = torch.full_like(p, 3.0)
        if bad:
            w[1].grad[0] = float("inf")
        norm = nn.utils.clip_grad_norm_(w, 1.0)
        assert bad or abs(norm.item() - 72**0.5) < 1e-5
        assert [p.grad.get_device() for p in w] == [0, 1]
    scaler, optimizer = torch.amp.GradScaler("cuda", init_scale=4.0), torch.optim.SGD(w, lr=0.5)
    before = [p.detach().cpu().clone() for p in w]
    for factor in (float("inf"), 1.0):
        optimizer.zero_grad()
        scaler.scale((w[0] * 2).sum() + (w[1] * factor).sum().to("cuda:0")).backward()
        scaler.step(optimizer)
        scaler.update()
    torch.testing.assert_close(w[0].detach().cpu(), before[0] - 1)
    torch.testing.assert_close(w[1].detach().cpu(), before[1] - 0.5)


def test_random_numbers(compiled):
    torch.cuda.manual_seed_all(3)
    there = torch.rand(5, device="cuda:1")
    with torch.cuda.device(1):
        torch.cuda.manual_seed(3)
        assert torch.equal(torch.rand(5, device="cuda"), there)
    x = torch.empty(5, device="cuda:1")
    for draw in (x.normal_, x.uniform_, x.exponential_, x.bernoulli_, x.random_):
        assert draw().get_device() == 1
    assert nn.functional.dropout(torch.ones(8, device="cuda:1")).get_device() == 1
    assert torch.randperm(4, device="cuda:1").get_device() == 1
    assert torch.multinomial(torch.ones(4, device="cuda:1"), 2).get_device() == 1
    assert torch.bernoulli(torch.full((4,), 0.5, device="cuda:1")).get_device() == 1
    state = torch.cuda.get_rng_state(1)
    first = torch.rand(3, device="cuda:1")
    torch.cuda.set_rng_state(state, 1)
    assert torch.equal(torch.rand(3, device="cuda:1"), first)


def test_copies_between_devices(compiled):
    x = drawn("cuda:0", 3, 4).t()
    y = x.to("cuda:1")
    assert y.stride() == x.stride()
    y.copy_(x * 2)
    torch.testing.assert_close(y.cpu(), 2 * x.cpu())
    x.copy_(y)
    torch.testing.assert_close(x.cpu(), y.cpu())
    x[1] = y[0].cpu()
    half = torch.empty(4, 3, device="cuda:1", dtype=torch.float16)
    half.copy_(x)
    torch.testing.assert_close(half.cpu(), x.cpu().half())
    w = drawn("cuda:1", 3).requires_grad_()
    (w.cuda() * 2).sum().backward()
    assert w.grad.get_device() == 1
    assert torch.cat([y[:1], y[1:]]).get_device() == 1
    net = nn.Linear(3, 2).to("cuda:1")
    saved = io.BytesIO()
    torch.save(net.state_dict(), saved)
    saved.seek(0)
    net.load_state_dict(torch.load(saved, map_location="cuda:0"))
    assert net.weight.get_device() == 1


def test_contexts(compiled):
    x, y = drawn("cuda:0", 3), drawn("cuda:1", 3)
    with torch.cuda.device(1):
        x.add_(1)
        y.add_(1)
        with torch.cuda.device("cuda:0"):
            y.mul_(x.to("cuda:1"))
            assert torch.ones(1, device="cuda").get_device() == 0
        assert torch.cuda.current_device() == 1
        assert torch.ones(1, device="cuda").get_device() == 1
        with torch.cuda.stream(torch.cuda.Stream("cuda:0")):
            assert torch.cuda.current_device() == 0
            y.add_(2)
        assert torch.cuda.current_device() == 1
    with torch.cuda.device_of(y):
        x.sub_(1)
        assert (x + 1).get_device() == 0
    assert repr(y).endswith("device='cuda:1')")
    assert y.tolist() == y.cpu().tolist()
