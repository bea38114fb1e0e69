"""CUDA graphs: what was recorded is done again, on the same memory, with new random numbers."""

from collections import Counter

import pytest

import rushlight as torch
from rushlight import nn
from rushlight._core import gpu

CAPTURABLE = (
    torch.optim.Adam, torch.optim.Adadelta, torch.optim.Adamax, torch.optim.ASGD,
    torch.optim.NAdam, torch.optim.RAdam, torch.optim.RMSprop, torch.optim.Rprop,
)  # fmt: skip


def test_replays_read_and_write_the_same_memory(compiled):
    x = torch.zeros(4, device="cuda")
    g = torch.cuda.CUDAGraph()
    with torch.cuda.graph(g):
        assert torch.cuda.is_current_stream_capturing()
        y = (x * 2 + 1).relu()
        z = y.sum()
    assert not torch.cuda.is_current_stream_capturing()
    x.copy_(torch.tensor([1.0, 2.0, -3.0, 4.0]))
    g.replay()
    assert y.tolist() == [3.0, 5.0, 0.0, 9.0]
    assert z.item() == 17.0
    x.fill_(0)
    g.replay()
    assert z.item() == 4.0


def test_what_waits_is_refused(compiled):
    x = torch.ones(2, device="cuda")
    g = torch.cuda.CUDAGraph()
    with pytest.raises(RuntimeError, match="captur"), torch.cuda.graph(g):
        x.sum().item()
    with torch.cuda.stream(None), pytest.raises(RuntimeError, match="non-default stream"):
        torch.cuda.CUDAGraph().capture_begin()
    with pytest.raises(RuntimeError, match="without a preceding successful capture"):
        torch.cuda.CUDAGraph().replay()


def test_each_replay_draws_new_numbers(compiled):
    torch.cuda.manual_seed(3)
    plain = [torch.rand(5, device="cuda").tolist() for _ in range(3)]
    torch.cuda.manual_seed(3)
    g = torch.cuda.CUDAGraph()
    with torch.cuda.graph(g):
        x = torch.rand(5, device="cuda")
    found = []
    for _ in range(3):
        g.replay()
        found.append(x.tolist())
    assert found == plain


def training(graphed, make, options):
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Linear(8, 16), nn.GELU(), nn.LayerNorm(16), nn.Dropout(0.2), nn.Linear(16, 4)
    ).cuda()
    optimizer = make(model.parameters(), **options)
    x, y = torch.randn(6, 8).cuda(), torch.tensor([0, 1, 2, 3, 1, 0]).cuda()

    def step():
        optimizer.zero_grad(set_to_none=True)
        loss = nn.functional.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    step()  # states and memory are there before the recording
    losses = []
    if not graphed:
        return [step().item() for _ in range(4)]
    g = torch.cuda.CUDAGraph()
    with torch.cuda.graph(g):
        loss = step()
    for _ in range(4):
        g.replay()
        losses.append(loss.item())
    return losses


@pytest.mark.parametrize(
    ("make", "options"),
    [
        (torch.optim.SGD, {"lr": 0.1, "momentum": 0.9}),
        (torch.optim.Adam, {"lr": 0.01, "capturable": True}),
        (torch.optim.AdamW, {"lr": 0.01, "capturable": True, "amsgrad": True}),
        *((make, {"lr": 0.01, "capturable": True}) for make in CAPTURABLE),
    ],
)
def test_a_training_step(make, options, compiled):
    expected, found = training(False, make, options), training(True, make, options)
    torch.testing.assert_close(torch.tensor(found), torch.tensor(expected))


@pytest.mark.parametrize("make", [m for m in CAPTURABLE if m is not torch.optim.Rprop])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_rate_on_the_device(make, dtype, compiled):
    rate = torch.tensor(0.01, device="cuda", dtype=dtype)
    expected = training(False, make, {"lr": 0.01, "capturable": True})
    found = training(True, make, {"lr": rate, "capturable": True})
    torch.testing.assert_close(torch.tensor(found), torch.tensor(expected))


def stepped(make, capturable, options, dtype=torch.float32, permuted=False):
    """The parameters, and the state, after seven steps."""
    torch.manual_seed(0)
    shapes = [(3, 4, 2, 2), (5,), (), (2, 0)]
    params = [torch.randn(s, device="cuda").to(dtype) for s in shapes]
    if permuted:
        params[0] = params[0].to(memory_format=torch.channels_last)
    params = [p.requires_grad_() for p in params]
    optimizer = make(params, capturable=capturable, **options)
    for i in range(7):
        torch.manual_seed(i)
        for p in params:
            p.grad = torch.randn(p.shape, device="cuda").to(dtype)
        optimizer.step()
    return [p.detach() for p in params], [optimizer.state[p] for p in params]


OPTIONS = [
    (torch.optim.Adam, {"lr": 0.1, "weight_decay": 0.1, "maximize": True}),
    (torch.optim.AdamW, {"lr": 0.1, "amsgrad": True}),
    (torch.optim.Adadelta, {"lr": 0.1, "weight_decay": 0.1}),
    (torch.optim.Adamax, {"lr": 0.1, "weight_decay": 0.1, "maximize": True}),
    (torch.optim.ASGD, {"lr": 0.1, "t0": 3.0, "lambd": 0.1, "weight_decay": 0.1}),
    (torch.optim.NAdam, {"lr": 0.1, "weight_decay": 0.1, "decoupled_weight_decay": True}),
    (torch.optim.NAdam, {"lr": 0.1, "weight_decay": 0.1, "maximize": True}),
    (torch.optim.RAdam, {"lr": 0.1, "betas": (0.9, 0.99), "weight_decay": 0.1}),
    (torch.optim.RMSprop, {"lr": 0.1, "momentum": 0.9, "centered": True, "weight_decay": 0.1}),
    (torch.optim.RMSprop, {"lr": 0.1, "maximize": True}),
    (torch.optim.Rprop, {"lr": 0.1, "step_sizes": (0.05, 0.13)}),
]  # fmt: skip


@pytest.mark.parametrize(("make", "options"), OPTIONS)
def test_steps_counted_on_the_device(make, options, compiled):
    copies = getattr(gpu.cuda.module, "copies", Counter())  # the stand-in's
    for dtype, permuted in (
        (torch.float32, True), (torch.float64, False), (torch.bfloat16, False),
        (torch.complex64, False),
    ):  # fmt: skip
        if dtype.is_complex and make in (torch.optim.Rprop, torch.optim.Adamax):
            continue  # their reference compares complex numbers
        expected, _ = stepped(make, False, options, dtype, permuted)
        before = copies["to host"]
        found, states = stepped(make, True, options, dtype, permuted)
        assert copies["to host"] == before
        torch.testing.assert_close(found, expected, rtol=2e-5, atol=1e-6)
        for state in states:
            assert state["step"].is_cuda
            assert state["step"].item() == 7


def test_what_stands_elsewhere_is_refused(compiled):
    p = torch.ones(2, device="cuda", requires_grad=True)
    optimizer = torch.optim.NAdam([p])
    p.grad = torch.ones(2, device="cuda")
    optimizer.step()
    optimizer.param_groups[0]["capturable"] = True
    with pytest.raises(AssertionError, match="params, mu_products and state_steps must be on"):
        optimizer.step()
    here = torch.ones(2, requires_grad=True)
    here.grad = torch.ones(2)
    with pytest.raises(AssertionError, match="If capturable=True, params and state_steps must"):
        torch.optim.RAdam([here], capturable=True).step()


def test_graphed_callables(compiled):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2)).cuda()
    plain = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2)).cuda()
    plain.load_state_dict(model.state_dict())
    model = torch.cuda.make_graphed_callables(model, (torch.randn(3, 4).cuda(),))
    for _ in range(3):
        x = torch.randn(3, 4).cuda()
        for each in (model, plain):
            each.zero_grad()
            each(x).square().sum().backward()
        for a, b in zip(model.parameters(), plain.parameters(), strict=True):
            torch.testing.assert_close(a.grad, b.grad)
    hooked = nn.Linear(2, 2).cuda()
    hooked.register_forward_hook(lambda *a: None)
    with pytest.raises(RuntimeError, match="must not have hooks"):
        torch.cuda.make_graphed_callables(hooked, (torch.ones(1, 2).cuda(),))


def test_pools_are_shared(compiled):
    a, b = torch.cuda.CUDAGraph(), torch.cuda.CUDAGraph()
    with torch.cuda.graph(a):
        torch.ones(2, device="cuda")
    with torch.cuda.graph(b, pool=a.pool()):
        torch.ones(2, device="cuda")
    assert a.pool() == b.pool()


def test_joined_arrays_are_recorded(compiled):
    parts = [torch.full((2, n, 3), float(n), device="cuda") for n in range(50)]
    halves = [torch.arange(4, device="cuda").half(), torch.arange(3, device="cuda").half()[1:]]
    g = torch.cuda.CUDAGraph()
    with torch.cuda.graph(g):
        joined, short = torch.cat(parts, 1), torch.cat(halves)
    for p in parts:
        p.add_(1)
    g.replay()
    assert torch.equal(joined.cpu(), torch.cat([p.cpu() for p in parts], -2))
    assert short.tolist() == [0.0, 1.0, 2.0, 3.0, 1.0, 2.0]
    mixed = [torch.ones(2, device="cuda", dtype=d) for d in (torch.int8, torch.bool, torch.int8)]
    assert torch.cat([mixed[0], mixed[2], mixed[0][:1]]).tolist() == [1] * 5
    assert torch.cat(mixed).dtype == torch.int8


def test_a_graph_that_is_kept(compiled, tmp_path):
    x = torch.ones(2, device="cuda")
    g = torch.cuda.CUDAGraph(keep_graph=True)
    with pytest.raises(RuntimeError, match="before calling instantiate"):
        g.instantiate()
    with torch.cuda.graph(g):
        y = x + 1
    assert g.raw_cuda_graph()
    with pytest.raises(RuntimeError, match="until instantiate"):
        g.raw_cuda_graph_exec()
    g.instantiate()
    first = g.raw_cuda_graph_exec()
    g.instantiate()
    assert first
    g.replay()
    assert y.tolist() == [2.0, 2.0]
    plain = torch.cuda.CUDAGraph()
    with torch.cuda.graph(plain):
        x.mul_(2)
    with pytest.raises(RuntimeError, match="keep_graph=true"):
        plain.raw_cuda_graph()
    with pytest.raises(RuntimeError, match="keep_graph=true"):
        plain.instantiate()
    with pytest.warns(UserWarning, match="debug not enabled"):
        plain.debug_dump(str(tmp_path / "graph.dot"))


def test_memory_goes_with_the_last_graph(compiled):
    from rushlight.cuda import graphs

    token = torch.cuda.graph_pool_handle()
    a, b = torch.cuda.CUDAGraph(), torch.cuda.CUDAGraph()
    for g in (a, b):
        with torch.cuda.graph(g, pool=token):
            torch.ones(2, device="cuda")
    a.reset()
    assert token in graphs._pools
    b.reset()
    assert token not in graphs._pools


F = nn.functional
PLACES = torch.tensor([[0, 2], [1, 1], [3, 0]])
UNWAITED = {  # in a training step none of them waits for the device
    "pow": lambda x: (x**3).pow(1.5).pow(-1),
    "gather": lambda x: x.gather(1, PLACES.to(x.device)),
    "scatter": lambda x: x.scatter(1, PLACES.to(x.device), 2.0),
    "index_select": lambda x: x.index_select(0, PLACES.to(x.device)[0]),
    "index_add": lambda x: x.index_add(0, PLACES.to(x.device)[0], x[:2]),
    "repeat_interleave": lambda x: x.repeat_interleave(2, 0),
    "max": lambda x: x.max(1).values,
    "sort": lambda x: x.sort(1).values,
    "topk": lambda x: x.topk(2).values,
    "binary_cross_entropy": lambda x: F.binary_cross_entropy(x.sigmoid(), torch.zeros_like(x)),
    "one_hot": lambda x: x * F.one_hot(PLACES.to(x.device)[0], 4).sum(0),
    "embedding_bag": lambda x: F.embedding_bag(PLACES.to(x.device)[:2], x),
    "grid_sample": lambda x: F.grid_sample(
        x[None, None], x.reshape(1, 2, 3, 2).tanh(), align_corners=False
    ),
    "lp_pool": lambda x: F.lp_pool1d(x, 2.0, 2),
}  # fmt: skip


@pytest.mark.parametrize("name", UNWAITED)
def test_a_step_is_recorded_without_waiting(compiled, monkeypatch, name):
    function, places = UNWAITED[name], PLACES
    monkeypatch.setitem(globals(), "PLACES", places.cuda())
    torch.manual_seed(0)
    x = torch.rand(3, 4).add(0.5)
    there = x.cuda().requires_grad_()
    function(there).sum().backward()  # kernels are compiled before
    there.grad = None
    g = torch.cuda.CUDAGraph()
    with torch.cuda.graph(g):
        y = function(there)
        y.sum().backward()
    g.replay()
    monkeypatch.setitem(globals(), "PLACES", places)
    x.requires_grad_()
    expected = function(x)
    expected.sum().backward()
    torch.testing.assert_close(y.detach().cpu(), expected.detach(), rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(there.grad.cpu(), x.grad, rtol=1e-5, atol=1e-5)


def test_a_wrong_index_is_asserted_on_the_device(compiled):
    # of the stand-in: a card's context would be lost
    x, wrong = torch.zeros(3, 4, device="cuda"), torch.tensor([[5]], device="cuda")
    for call in (
        lambda: x.gather(1, wrong),
        lambda: x.scatter(1, wrong, 1.0),
        lambda: x.index_select(1, wrong[0]),
        lambda: x.index_add(1, wrong[0], x[:, :1]),
        lambda: F.binary_cross_entropy(x - 1, x),
    ):
        with pytest.raises(RuntimeError, match="device-side assert"):
            call()
