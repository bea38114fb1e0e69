"""CUDA graphs: what was recorded is done again, on the same memory, with new random numbers."""

import pytest

import rushlight as torch
from rushlight import nn


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
    with pytest.raises(RuntimeError, match="capturing"), torch.cuda.graph(g):
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
    ],
)
def test_a_training_step(make, options, compiled):
    expected, found = training(False, make, options), training(True, make, options)
    torch.testing.assert_close(torch.tensor(found), torch.tensor(expected))


def test_a_rate_on_the_device(compiled):
    rate = torch.tensor(0.01, device="cuda")
    expected = training(False, torch.optim.Adam, {"lr": 0.01, "capturable": True})
    found = training(True, torch.optim.Adam, {"lr": rate, "capturable": True})
    torch.testing.assert_close(torch.tensor(found), torch.tensor(expected))


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
