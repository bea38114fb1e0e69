"""Checkpoints of one process: the folder is PyTorch's, both ways."""

import dataclasses
import importlib
import inspect
import io
import pickle

import pytest

import rushlight

pytestmark = pytest.mark.filterwarnings("ignore:torch.distributed is disabled")


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


@pytest.mark.filterwarnings("ignore:Detected an existing")
def test_an_older_checkpoint_is_replaced_at_once(dcp, tmp_path):
    first = dcp.save({"a": 1, "w": rushlight.ones(2)}, checkpoint_id=tmp_path)
    dcp.save({"a": 2, "w": rushlight.zeros(2)}, checkpoint_id=tmp_path)
    known = dcp.FileSystemReader(tmp_path).read_metadata()
    names = {info.relative_path for info in known.storage_data.values()}
    assert {p.name for p in tmp_path.glob("__*")} == names
    assert names.isdisjoint(info.relative_path for info in first.storage_data.values())
    writer = dcp.FileSystemWriter(tmp_path, overwrite=False)
    with pytest.raises(dcp.api.CheckpointException, match="Checkpoint already exists"):
        dcp.save({"a": 3}, storage_writer=writer)


def test_what_is_missing_or_wrong_is_named(dcp, tmp_path):
    dcp.save({"a": {"w": rushlight.ones(2)}}, checkpoint_id=tmp_path)
    with pytest.raises(
        dcp.api.CheckpointException, match=r"Missing key in checkpoint state_dict: a.b."
    ):
        dcp.load({"a": {"b": 1}}, checkpoint_id=tmp_path)
    with pytest.raises(
        dcp.api.CheckpointException, match=r"Size mismatch between saved torch.Size\(\[2\]\)"
    ):
        dcp.load({"a": {"w": rushlight.ones(3)}}, checkpoint_id=tmp_path)
    with pytest.raises(dcp.api.CheckpointException, match="global metadata read failed"):
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
    with pytest.raises(dcp.api.CheckpointException, match=r"does not name builtins.print"):
        dcp.load({"a": 1}, checkpoint_id=tmp_path)
    assert capsys.readouterr().out == ""


# ---- what programs define themselves -------------------------------------------------------------


def parts_of(lib):
    """The library's checkpoint package."""
    return importlib.import_module(f"{lib.__name__}.distributed.checkpoint")


def noted(cls, names, log):
    """A class whose methods write their names down."""

    def method(name):
        def noting(self, *args, **kwargs):
            log.append((name, len(args), sorted(kwargs)))
            return getattr(super(made, self), name)(*args, **kwargs)

        noting.__signature__ = inspect.signature(getattr(cls, name))
        return noting

    made = type(cls.__name__, (cls,), {name: method(name) for name in names})
    return made


PLANNING = ["set_up_planner", "create_local_plan", "create_global_plan", "finish_plan"]
SAVING = [*PLANNING, "resolve_data", "lookup_object", "transform_object"]
LOADING = [*PLANNING, "load_bytes", "resolve_tensor", "commit_tensor", "lookup_tensor"]
STORING = ["reset", "prepare_local_plan", "prepare_global_plan"]
WRITING = [*STORING, "set_up_storage_writer", "write_data", "finish", "storage_meta"]
READING = [*STORING, "read_metadata", "set_up_storage_reader", "read_data"]


def saved_and_loaded(lib, folder):
    """What is called, and what the list of the checkpoint says."""
    dcp, log = parts_of(lib), []
    planner = noted(dcp.DefaultSavePlanner, SAVING, log)()
    writer = noted(dcp.FileSystemWriter, WRITING, log)(folder)
    metadata = dcp.save(full_state(lib), storage_writer=writer, planner=planner)
    planner = noted(dcp.DefaultLoadPlanner, [*LOADING, "transform_tensor"], log)()
    reader = noted(dcp.FileSystemReader, READING, log)("elsewhere")
    state = empty_state(lib)
    dcp.load(state, checkpoint_id=folder, storage_reader=reader, planner=planner)
    assert as_numbers(state) == as_numbers(full_state(lib))
    known = {
        name: (
            entry.size,
            [(c.offsets, c.sizes) for c in entry.chunks],
            str(entry.properties.dtype),
        )
        if hasattr(entry, "size")
        else None
        for name, entry in metadata.state_dict_metadata.items()
    }
    order = sorted(metadata.storage_data.items(), key=lambda item: item[1].offset)
    return log, known, [index.fqn for index, _ in order], metadata.planner_data


@pytest.mark.filterwarnings("ignore")
def test_hooks_are_called_as_in_torch(tmp_path):
    torch = pytest.importorskip("torch")
    ours = saved_and_loaded(rushlight, tmp_path / "ours")
    theirs = saved_and_loaded(torch, tmp_path / "theirs")
    assert len(ours[0]) > 100
    assert sorted(map(str, ours[0])) == sorted(map(str, theirs[0]))
    planning = [call for call in ours[0] if call[0] in {*PLANNING, *WRITING, *READING}]
    assert planning == [call for call in theirs[0] if call[0] in {*PLANNING, *WRITING, *READING}]
    assert str(ours[1]) == str(theirs[1])
    assert ours[2:] == theirs[2:]


def planners(lib):
    """A pair that saves in half precision, under other names, with a note in the list."""
    dcp = parts_of(lib)

    class Saving(dcp.DefaultSavePlanner):
        def set_up_planner(self, state_dict, storage_meta=None, is_coordinator=False):
            renamed = {"my_" + key: value for key, value in state_dict.items()}
            super().set_up_planner(renamed, storage_meta, is_coordinator)

        def create_global_plan(self, all_plans):
            plans, metadata = super().create_global_plan(all_plans)
            return plans, dataclasses.replace(metadata, planner_data={"note": [1, "x"]})

        def transform_object(self, write_item, object):
            if write_item.type == dcp.planner.WriteItemType.BYTE_IO:
                return super().transform_object(write_item, object)
            return object.half()

    class Loading(dcp.DefaultLoadPlanner):
        def set_up_planner(self, state_dict, metadata=None, is_coordinator=False):
            self.outer = state_dict
            assert metadata.planner_data == {"note": [1, "x"]}
            self.inner = {"my_" + key: value for key, value in state_dict.items()}
            super().set_up_planner(self.inner, metadata, is_coordinator)

        def load_bytes(self, read_item, value):
            super().load_bytes(read_item, value)
            name = read_item.dest_index.fqn
            self.outer[name[3:]] = self.inner[name]

    return Saving, Loading


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("way", ["here", "from PyTorch", "to PyTorch"])
def test_planners_of_a_program(tmp_path, way):
    torch = rushlight if way == "here" else pytest.importorskip("torch")
    writer, reader = (torch, rushlight) if way == "from PyTorch" else (rushlight, torch)
    state = {"w": writer.tensor([1.0, 1.0009]), "step": 3}
    parts_of(writer).save(state, checkpoint_id=tmp_path, planner=planners(writer)[0]())
    found = {"w": reader.zeros(2), "step": 0}
    parts_of(reader).load(found, checkpoint_id=tmp_path, planner=planners(reader)[1]())
    assert as_numbers(found) == {"w": [1.0, 1.0009765625], "step": 3}


def memory_storage(lib, shelf):
    """Storage in a dict, by classes that derive from the abstract ones only."""
    dcp, future = parts_of(lib), importlib.import_module(f"{lib.__name__}.futures").Future

    def done(value):
        found = future()
        found.set_result(value)
        return found

    class Both:
        def reset(self, checkpoint_id=None):
            self.name = checkpoint_id

        def prepare_local_plan(self, plan):
            return plan

        def prepare_global_plan(self, plans):
            return plans

        @classmethod
        def validate_checkpoint_id(cls, checkpoint_id):
            return True

    class Writer(Both, dcp.StorageWriter):
        def set_up_storage_writer(self, is_coordinator):
            assert is_coordinator is True

        def write_data(self, plan, planner):
            for item in plan.items:
                value = planner.resolve_data(item)
                bytes_ = value.getvalue() if isinstance(value, io.BytesIO) else value.tolist()
                shelf[self.name, item.index.fqn] = bytes_
            write = dcp.storage.WriteResult
            return done([write(item.index, 0, None) for item in plan.items])

        def finish(self, metadata, results):
            assert all(r.storage_data is None for r in results[0])
            shelf[self.name] = metadata

    class Reader(Both, dcp.StorageReader):
        def read_metadata(self):
            return shelf[self.name]

        def set_up_storage_reader(self, metadata, is_coordinator):
            assert is_coordinator is True

        def read_data(self, plan, planner):
            for item in plan.items:
                value = shelf[self.name, item.storage_index.fqn]
                if item.type == dcp.planner.LoadItemType.BYTE_IO:
                    planner.load_bytes(item, io.BytesIO(value))
                else:
                    target = planner.resolve_tensor(item)
                    target.copy_(lib.tensor(value))
                    planner.commit_tensor(item, target)
            return done(None)

    return Writer(), Reader()


def test_storage_of_a_program(dcp):
    writer, reader = memory_storage(rushlight, {})
    full = {"m": {"w": rushlight.ones(2, 2), "list": [1, 2]}, "step": 3}
    dcp.save(full, checkpoint_id="first", storage_writer=writer)
    state = {"m": {"w": rushlight.zeros(2, 2), "list": []}, "step": 0}
    dcp.load(state, checkpoint_id="first", storage_reader=reader)
    assert as_numbers(state) == as_numbers(full)
    with pytest.raises(TypeError, match="abstract"):
        dcp.StorageWriter()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("way", ["here", "from PyTorch", "to PyTorch"])
@pytest.mark.parametrize(
    "options", [{"thread_count": 3}, {"single_file_per_rank": False}, {"use_collectives": False}]
)
def test_files_of_other_forms(tmp_path, way, options):
    torch = rushlight if way == "here" else pytest.importorskip("torch")
    writer, reader = (torch, rushlight) if way == "from PyTorch" else (rushlight, torch)
    together = options.get("use_collectives", True)
    form = {key: value for key, value in options.items() if key != "use_collectives"}
    storage = parts_of(writer).FileSystemWriter(tmp_path, sync_files=False, **form)
    parts_of(writer).save(full_state(writer), storage_writer=storage, use_collectives=together)
    names = sorted(path.name for path in tmp_path.iterdir())
    assert (".metadata" if together else "__0.metadata") in names
    assert len(names) == (4 if "thread_count" in options else 2) or "single_file_per_rank" in form
    state = empty_state(reader)
    parts_of(reader).load(state, checkpoint_id=tmp_path)
    assert as_numbers(state) == as_numbers(full_state(writer))


@pytest.mark.filterwarnings("ignore")
def test_a_state_that_is_not_flattened(tmp_path, dcp):
    state = {"w": rushlight.ones(2), "nested": {"a": rushlight.ones(1), "b": 1}}
    planner = dcp.DefaultSavePlanner(flatten_state_dict=False)
    metadata = dcp.save(state, checkpoint_id=tmp_path, planner=planner)
    assert sorted(metadata.state_dict_metadata) == ["nested", "w"]
    found = {"w": rushlight.zeros(2), "nested": None}
    planner = dcp.DefaultLoadPlanner(flatten_state_dict=False)
    dcp.load(found, checkpoint_id=tmp_path, planner=planner)
    assert as_numbers(found) == as_numbers(state)


def failure(lib, folder, state, **options):
    """The first process's exception."""
    dcp = parts_of(lib)
    with pytest.raises(dcp.api.CheckpointException) as caught:
        dcp.load(state, checkpoint_id=folder, **options)
    assert str(caught.value).startswith("CheckpointException ranks:dict_keys([0])\nTraceback (most")
    (error, _) = caught.value.failures[0]
    return type(error).__name__, str(error).replace(lib.__name__, "torch")


@pytest.mark.filterwarnings("ignore")
def test_errors_are_those_of_torch(tmp_path):
    torch = pytest.importorskip("torch")
    parts_of(rushlight).save({"w": rushlight.ones(2), "n": 1}, checkpoint_id=tmp_path)
    states = [
        lambda lib: {"w": lib.ones(3)},
        lambda lib: {"w": 1},
        lambda lib: {"v": {"x": 1}},
    ]
    for state in states:
        assert failure(rushlight, tmp_path, state(rushlight)) == failure(
            torch, tmp_path, state(torch)
        )
    nowhere = tmp_path / "nowhere"
    assert failure(rushlight, nowhere, {}) == failure(torch, nowhere, {})
    for lib in (rushlight, torch):
        with pytest.raises(RuntimeError, match="`checkpoint_id` must be specified if"):
            parts_of(lib).save({})
        with pytest.raises(RuntimeError, match="Cannot detect which StorageReader or"):
            parts_of(lib).save({}, checkpoint_id="nothing://there")


@pytest.mark.parametrize("thread", [False, True])
def test_saving_while_the_program_goes_on(tmp_path, dcp, thread):
    options = dcp.staging.StagingOptions(use_async_staging=thread, use_non_blocking_copy=False)
    stager = dcp.staging.DefaultStager(options)
    state = {"w": rushlight.ones(2), "n": [1]}
    answer = dcp.async_save(state, checkpoint_id=tmp_path, async_stager=stager)
    if thread:
        assert answer.staging_completion.result() is None
        answer = answer.upload_completion
    state["w"].zero_()
    state["n"].append(2)
    answer.result()
    stager.close()
    dcp.load(state, checkpoint_id=tmp_path)
    assert as_numbers(state) == {"w": [1, 1], "n": [1]}
    future = dcp.async_save({"w": 1}, storage_writer=dcp.FileSystemWriter(tmp_path / "x" / "\0"))
    with pytest.raises(dcp.api.CheckpointException, match="null byte"):
        future.result()


def test_names_of_a_checkpoint(tmp_path, dcp):
    dcp.save({"a": {"b": rushlight.ones(2), "c": 1}, "d": 2}, checkpoint_id=tmp_path)
    found = dcp.state_dict_loader._load_state_dict_from_keys({"a.c", "d"}, checkpoint_id=tmp_path)
    assert found == {"a": {"c": 1}, "d": 2}
