"""benchmark, summary, hub, model_zoo and tensorboard do what they say."""

import pytest

import rushlight as torch
from rushlight import hub, nn
from rushlight.utils.benchmark import Compare, Timer
from rushlight.utils.model_zoo import load_url
from rushlight.utils.summary import summary


def test_timer():
    t = Timer("x + x", globals={"x": torch.ones(2)}, label="sum", description="ours")
    m = t.timeit(20)
    assert m.number_per_run == 20
    assert 0 < m.mean < 1
    b = t.blocked_autorange(min_run_time=0.01)
    assert sum(b.raw_times) >= 0.01
    a = t.adaptive_autorange(max_run_time=0.05)
    assert a.median > 0
    assert "thread" in repr(b)
    assert "ours" in str(Compare([b]))


def test_summary():
    model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 10))
    found = summary(model, input_size=(2, 1, 8, 8), verbose=0)
    assert found.total_params == sum(p.numel() for p in model.parameters())
    assert found.total_mult_adds == 9 * (2 * 4 * 6 * 6) + 2 * 144 * 10
    assert [x.output_size for x in found.layers][:2] == [(2, 10), (2, 4, 6, 6)]
    assert "Total mult-adds" in str(found)
    assert model.training


def test_hub(tmp_path):
    (tmp_path / "hubconf.py").write_text('def net(n):\n    "A number."\n    return n + 1\n')
    folder = str(tmp_path)
    assert hub.load(folder, "net", 2, source="local") == 3
    assert hub.list(folder) == ["net"]
    assert hub.help(folder, "net") == "A number."
    with pytest.raises(NotImplementedError, match="source='local'"):
        hub.load("someone/repository", "net")
    with pytest.raises(RuntimeError, match="Cannot find callable other in hubconf"):
        hub.load(folder, "other", source="local")


def test_load_url(tmp_path):
    source = tmp_path / "weights.pth"
    torch.save({"w": torch.ones(2)}, source)
    loaded = load_url(source.as_uri(), model_dir=str(tmp_path / "kept"))
    assert loaded["w"].tolist() == [1.0, 1.0]
    assert (tmp_path / "kept" / "weights.pth").exists()


def test_tensorboard(tmp_path):
    from rushlight.utils.tensorboard import SummaryWriter

    try:
        import tensorboard  # noqa: F401
    except ImportError:
        with pytest.raises(ImportError, match=r"rushlight\[tensorboard\]"):
            SummaryWriter(tmp_path)
        return
    with SummaryWriter(tmp_path) as writer:
        writer.add_scalar("loss", torch.tensor(1.5), 1)
        writer.add_histogram("weights", torch.randn(10), 1)
        writer.add_text("note", "hello")
    assert list(tmp_path.iterdir())
