"""Checkpoints of one process: the folder is PyTorch's, both ways."""

import pickle

import pytest

import rushlight
from rushlight.distributed.checkpoint.filesystem import read_list


def model_and_optimizer(lib, filled):
    model = lib.nn.Sequential(lib.nn.Linear(4, 3), lib.nn.BatchNorm1d(3))
    with lib.no_grad():
        for i, p in enumerate(model.parameters()):
            p.fill_(i + 1 if filled else 0)
    optimizer = lib.optim.Adam(model.parameters(), lr=0.01 if filled else 0.5)
    model(lib.ones(2, 4)).sum().backward()
    optimizer.step()
    return model, optimizer


def full_state(lib):
    model, optimizer = model_and_optimizer(lib, True)
    return {
        "model": model,
        "optim": optimizer.state_dict(),
        "step": 7,
        "pair": (1, 2),
        "half": lib.arange(4).to(lib.bfloat16),
        "scalar": lib.tensor(2.5, dtype=lib.float64),
        "part": lib.arange(12).view(3, 4)[1:, :2],
        "names": ["a", "b"],
        "list": [lib.ones(2), {"x": 1}],
    }


def empty_state(lib):
    model, optimizer = model_and_optimizer(lib, False)
    return {
        "model": model,
        "optim": optimizer.state_dict(),
        "step": 0,
        "pair": None,
        "half": lib.zeros(4, dtype=lib.bfloat16),
        "scalar": lib.tensor(0.0, dtype=lib.float64),
        "part": lib.zeros(2, 2, dtype=lib.int64),
        "names": [],
        "list": [lib.zeros(2), {"x": 0}],
    }


def as_numbers(state):
    """Tensors, models and optimizers as lists."""
    if hasattr(state, "state_dict"):
        state = state.state_dict()
    if isinstance(state, dict):
        return {str(k): as_numbers(v) for k, v in state.items()}
    if isinstance(state, list):
        return [as_numbers(v) for v in state]
    return state.tolist() if hasattr(state, "tolist") else state


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("way", ["here", "from PyTorch", "to PyTorch"])
def test_a_state_comes_back(tmp_path, way):
    torch = rushlight if way == "here" else pytest.importorskip("torch")
    writer, reader = (torch, rushlight) if way == "from PyTorch" else (rushlight, torch)
    for lib in (writer, reader):
        __import__(f"{lib.__name__}.distributed.checkpoint")
    writer.distributed.checkpoint.save(full_state(writer), checkpoint_id=tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == [".metadata", "__0_0.distcp"]
    state = empty_state(reader)
    reader.distributed.checkpoint.load(state, checkpoint_id=tmp_path)
    assert as_numbers(state) == as_numbers(full_state(writer))


@pytest.fixture
def dcp():
    from rushlight.distributed import checkpoint

    return checkpoint


def test_an_older_checkpoint_is_replaced_at_once(dcp, tmp_path):
    first = dcp.save({"a": 1, "w": rushlight.ones(2)}, checkpoint_id=tmp_path)
    dcp.save({"a": 2, "w": rushlight.zeros(2)}, checkpoint_id=tmp_path)
    names = {info.relative_path for info in read_list(tmp_path).storage_data.values()}
    assert {p.name for p in tmp_path.glob("__*")} == names
    assert names.isdisjoint(info.relative_path for info in first.storage_data.values())
    writer = dcp.FileSystemWriter(tmp_path, overwrite=False)
    with pytest.raises(RuntimeError, match="Checkpoint already exists"):
        dcp.save({"a": 3}, storage_writer=writer)


def test_what_is_missing_or_wrong_is_named(dcp, tmp_path):
    dcp.save({"a": {"w": rushlight.ones(2)}}, checkpoint_id=tmp_path)
    with pytest.raises(RuntimeError, match=r"Missing key in checkpoint state_dict: a.b."):
        dcp.load({"a": {"b": 1}}, checkpoint_id=tmp_path)
    with pytest.raises(ValueError, match=r"Size mismatch between saved torch.Size\(\[2\]\)"):
        dcp.load({"a": {"w": rushlight.ones(3)}}, checkpoint_id=tmp_path)
    with pytest.raises(RuntimeError, match="no checkpoint in"):
        dcp.load({"a": 1}, checkpoint_id=tmp_path / "other")
    state = {"a": {"b": 1, "w": rushlight.zeros(2)}}
    planner = dcp.DefaultLoadPlanner(allow_partial_load=True)
    dcp.load(state, checkpoint_id=tmp_path, planner=planner)
    assert state["a"]["b"] == 1
    assert state["a"]["w"].tolist() == [1, 1]


class Bad:
    def __reduce__(self):
        return print, ("this must not be printed",)


def test_the_list_runs_no_code(dcp, tmp_path, capsys):
    (tmp_path / ".metadata").write_bytes(pickle.dumps(Bad()))
    with pytest.raises(pickle.UnpicklingError, match=r"does not name builtins.print"):
        dcp.load({"a": 1}, checkpoint_id=tmp_path)
    assert capsys.readouterr().out == ""
