"""profile records what ran, nests it, and writes it down."""

import json

import pytest

import rushlight as torch
from rushlight import nn
from rushlight.profiler import ProfilerAction, profile, record_function, schedule


def training_step():
    model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(inplace=True), nn.Linear(8, 2))
    model(torch.ones(3, 4)).pow(2).sum().backward()
    torch.optim.SGD(model.parameters(), lr=0.1).step()
    return [p.grad for p in model.parameters()]


def test_results_are_the_same():
    torch.manual_seed(0)
    plain = training_step()
    torch.manual_seed(0)
    with profile() as prof:
        measured = training_step()
    for a, b in zip(plain, measured, strict=True):
        assert torch.equal(a, b)
    names = [e.key for e in prof.key_averages()]
    assert "aten::relu_" in names
    assert "aten::linear" in names


def test_times_add_up():
    with profile() as prof, record_function("outer"):
        x = torch.ones(100, 100)
        x.exp()
        x.exp()
    averages = {e.key: e for e in prof.key_averages()}
    assert averages["aten::exp"].count == 2
    outer = averages["outer"]
    assert outer.cpu_time_total >= averages["aten::exp"].cpu_time_total > 0
    assert outer.self_cpu_time_total < outer.cpu_time_total


def test_table_and_trace(tmp_path):
    with profile(record_shapes=True) as prof:
        torch.ones(2, 3).exp().sum()
    table = prof.key_averages(group_by_input_shape=True).table(sort_by="cpu_time_total")
    assert "Self CPU time total" in table
    assert "[[2, 3]]" in table
    assert "aten::exp" in table
    shortened = prof.key_averages().table(sort_by="count", row_limit=1)
    assert shortened.count("aten::") == 1
    prof.export_chrome_trace(tmp_path / "trace.json")
    trace = json.loads((tmp_path / "trace.json").read_text())
    assert {e["name"] for e in trace["traceEvents"]} >= {"aten::exp", "aten::sum"}


def test_schedule():
    saved = []
    plan = schedule(wait=1, warmup=1, active=2, repeat=1)
    with profile(schedule=plan, on_trace_ready=lambda p: saved.append(len(p.events()))) as prof:
        for _ in range(8):
            torch.ones(2).exp()
            prof.step()
    assert saved == [2]
    assert plan(3) is ProfilerAction.RECORD_AND_SAVE
    torch.ones(2).exp()
    assert len(prof.events()) == 2


def test_refusals_and_errors_leave_no_mode():
    with pytest.raises(NotImplementedError, match="with_stack"):
        profile(with_stack=True)
    with pytest.raises(RuntimeError), profile():
        torch.ones(2) @ torch.ones(3)
    assert torch.ones(2).add_(1).tolist() == [2.0, 2.0]
