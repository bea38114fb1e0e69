"""SummaryWriter writes what TensorBoard reads, event for event what PyTorch's writer writes."""

import importlib.util
import inspect
import io
import math
import re
from pathlib import Path

import numpy as np
import pytest

import rushlight as ours

if importlib.util.find_spec("tensorboard") is None:
    pytest.skip("needs the tensorboard package", allow_module_level=True)

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.backend.event_processing.event_file_loader import LegacyEventFileLoader
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData
from tensorboard.util.tensor_util import make_ndarray

from rushlight.utils.tensorboard import FileWriter, SummaryWriter

pytestmark = pytest.mark.filterwarnings("ignore:::tensorboard", "ignore::DeprecationWarning")
RANDOM = np.random.default_rng(0)
NORMAL = RANDOM.standard_normal(300)
IMAGE = RANDOM.random((3, 32, 40), dtype=np.float32)
BATCH = RANDOM.random((11, 1, 6, 5), dtype=np.float32)
BOXES = np.array([[2, 3, 30, 25], [5, 5, 20, 15]])
SCORES, TRUTH = RANDOM.random(60), RANDOM.integers(0, 2, 60)


def read(folder):
    found = EventAccumulator(str(folder), {"tensors": 0, "images": 0, "histograms": 0})
    return found.Reload()


def events_of(folder):
    """Every event below a folder without its times: file's folder -> [event]."""
    found = {}
    for path in sorted(Path(folder).rglob("events.*")):
        name = str(path.parent.relative_to(folder))
        for event in LegacyEventFileLoader(str(path)).Load():
            event.wall_time = 0
            event.ClearField("source_metadata")
            found.setdefault(name, []).append(str(event))
    return found


def test_scalars(tmp_path):
    with SummaryWriter(tmp_path, flush_secs=1) as writer:
        for step in range(3):
            writer.add_scalar("loss", ours.tensor([step / 2]), step, walltime=10.0 + step)
        writer.add_scalars("both", {"a": 1.0, "b": ours.tensor(2.0)}, 4)
        writer.add_scalar("new", math.pi, 5, new_style=True, double_precision=True)
    found = read(tmp_path)
    assert [(s.step, s.value, s.wall_time) for s in found.Scalars("loss")] == [
        (0, 0.0, 10.0),
        (1, 0.5, 11.0),
        (2, 1.0, 12.0),
    ]
    assert found.Tensors("new")[0].tensor_proto.double_val == [math.pi]
    assert read(tmp_path / "both_b").Scalars("both")[0].value == 2.0
    assert read(tmp_path / "both_a").Scalars("both")[0].step == 4


def test_histogram(tmp_path):
    with SummaryWriter(tmp_path) as writer:
        writer.add_histogram("h", ours.tensor([0.5, 1.5, 1.7]), 1, bins=[0, 1, 2, 3])
        writer.add_histogram_raw("raw", 0.0, 3.0, 4, 6.0, 14.0, [0.0, 2.0, 4.0], [0, 2, 2])
    h = read(tmp_path).Histograms("h")[0].histogram_value
    assert (h.num, h.bucket_limit, h.bucket) == (3, [0, 1, 2], [0, 1, 2])
    raw = read(tmp_path).Histograms("raw")[0].histogram_value
    assert (raw.min, raw.max, raw.sum, raw.sum_squares) == (0, 3, 6, 14)


def test_text_tensor_and_audio(tmp_path):
    with SummaryWriter(tmp_path) as writer:
        writer.add_text("note", "é")
        writer.add_tensor("t", ours.arange(6.0).reshape(2, 3), 2)
        writer.add_audio("beep", ours.zeros(1, 50), 1, sample_rate=8000)
    found = read(tmp_path)
    assert found.Tensors("note/text_summary")[0].tensor_proto.string_val == ["é".encode()]
    kept = make_ndarray(found.Tensors("t")[0].tensor_proto)
    assert np.array_equal(kept, np.arange(6.0).reshape(2, 3))
    sound = found.Audio("beep")[0]
    assert (sound.length_frames, sound.sample_rate) == (50, 8000.0)


def test_images(tmp_path):
    image = pytest.importorskip("PIL.Image")
    pixels = ours.arange(3 * 4 * 5, dtype=ours.uint8).reshape(3, 4, 5)
    with SummaryWriter(tmp_path) as writer:
        writer.add_image("one", pixels, 1)
        writer.add_images("many", BATCH, 1)
    found = read(tmp_path)
    one = image.open(io.BytesIO(found.Images("one")[0].encoded_image_string))
    assert np.array_equal(np.asarray(one), pixels.permute(1, 2, 0).numpy())
    many = found.Images("many")[0]
    assert (many.height, many.width) == (12, 40)


def test_hparams(tmp_path):
    with SummaryWriter(tmp_path) as writer:
        writer.add_hparams({"lr": 0.1, "name": "SGD"}, {"acc": 0.5}, {"lr": [0.1, 0.2]}, "run")
    found = read(tmp_path / "run")
    assert found.Scalars("acc")[0].value == 0.5
    content = found.summary_metadata["_hparams_/session_start_info"].plugin_data.content
    start = HParamsPluginData.FromString(content).session_start_info
    assert start.hparams["lr"].number_value == 0.1
    assert start.hparams["name"].string_value == "SGD"


def test_writer_opens_again_after_close(tmp_path):
    writer = SummaryWriter(tmp_path, purge_step=3, filename_suffix=".x")
    writer.add_scalar("a", 1, 3)
    writer.close()
    writer.close()
    writer.add_scalar("a", 2, 4)
    writer.close()
    assert writer.get_logdir() == tmp_path
    assert all(path.name.endswith(".x") for path in tmp_path.iterdir())


def test_refusals(tmp_path):
    with SummaryWriter(tmp_path) as writer:
        with pytest.raises(NotImplementedError, match="add_images"):
            writer.add_video("v", ours.zeros(1, 2, 3, 4, 4))
        with pytest.raises(NotImplementedError, match="summary"):
            writer.add_graph(ours.nn.Linear(1, 1))


def figure():
    plt = pytest.importorskip("matplotlib.figure")
    made = plt.Figure((2, 1))
    made.subplots().plot([1, 3, 2])
    return made


# Calls of a writer with PyTorch's tensors or ours.
CALLS = {
    "scalar": lambda w, t: w.add_scalar("a", t.tensor(1.25), np.int64(3)),
    "scalar new": lambda w, t: w.add_scalar("a", 0.1, new_style=True),
    "scalar double": lambda w, t: w.add_scalar("a", 0.1, 1, None, True, True),
    "scalars": lambda w, t: w.add_scalars("a/b", {"x": 1, "y": t.tensor([2.0])}, 3),
    "histogram": lambda w, t: w.add_histogram("h", t.tensor(NORMAL), 1),
    "histogram auto": lambda w, t: w.add_histogram("h", NORMAL, 1, "auto"),
    "histogram max": lambda w, t: w.add_histogram("h", t.tensor(NORMAL), 1, max_bins=50),
    "histogram max 7": lambda w, t: w.add_histogram("h", NORMAL, 1, 24, max_bins=7),
    "histogram half": lambda w, t: w.add_histogram("h", t.tensor(NORMAL).bfloat16(), 1),
    "histogram one": lambda w, t: w.add_histogram("h", t.zeros(3), 1),
    "histogram raw": lambda w, t: w.add_histogram_raw("h", 0, 3, 4, 6, 14, [0, 2], [1, 3], 2),
    "image": lambda w, t: w.add_image("i", t.tensor(IMAGE), 1),
    "image HWC": lambda w, t: w.add_image("i", t.tensor(IMAGE), 1, dataformats="cHw"),
    "image HW": lambda w, t: w.add_image("i", IMAGE[0], 1, dataformats="HW"),
    "image outside": lambda w, t: w.add_image("i", t.tensor(IMAGE) * 3 - 1, 1),
    "images": lambda w, t: w.add_images("i", t.tensor(BATCH), 1),
    "images NHWC": lambda w, t: w.add_images("i", IMAGE[None].repeat(3, 0), 1, None, "NCWH"),
    "boxes": lambda w, t: w.add_image_with_boxes("i", t.tensor(IMAGE), t.tensor(BOXES), 1),
    "boxes named": lambda w, t: w.add_image_with_boxes(
        "i", IMAGE, t.tensor(BOXES), rescale=2, labels=["cat", "dog"]
    ),
    "boxes misnamed": lambda w, t: w.add_image_with_boxes("i", IMAGE, BOXES, labels="cat"),
    "figure": lambda w, t: w.add_figure("f", figure(), 1),
    "figures": lambda w, t: w.add_figure("f", [figure(), figure()], 1),
    "audio": lambda w, t: w.add_audio("s", t.tensor(NORMAL).tanh(), 1, 8000),
    "audio loud": lambda w, t: w.add_audio("s", t.tensor(NORMAL), 1),
    "text": lambda w, t: w.add_text("t", "a *b* é", 1),
    "pr_curve": lambda w, t: w.add_pr_curve("p", t.tensor(TRUTH), t.tensor(SCORES), 1),
    "pr_curve 200": lambda w, t: w.add_pr_curve("p", TRUTH, SCORES, 1, 200, SCORES),
    "pr_curve raw": lambda w, t: w.add_pr_curve_raw("p", *np.eye(6), 1, 6),
    "mesh": lambda w, t: w.add_mesh("m", t.tensor(NORMAL.reshape(1, 100, 3)), global_step=1),
    "mesh full": lambda w, t: w.add_mesh(
        "m", t.ones(1, 4, 3), t.ones(1, 4, 3).int(), t.ones(1, 2, 3), {"b": 1, "a": {"c": 2}}
    ),
    "hparams": lambda w, t: w.add_hparams(
        {"lr": 0.1, "n": 3, "b": True, "s": "x", "t": t.tensor([2.5]), "none": None},
        {"acc": 0.5, "loss": t.tensor(1.5)},
        {"s": ["x", "y"], "b": [True, False], "n": []},
        "run",
        4,
    ),
    "lines": lambda w, t: w.add_custom_scalars_multilinechart(["a", "b"]),
    "margin": lambda w, t: w.add_custom_scalars_marginchart(["a", "b", "c"], "C", "T"),
    "layout": lambda w, t: w.add_custom_scalars(
        {"A": {"x": ["Multiline", ["a"]], "y": ["Margin", ["a", "b", "c"]]}, "B": {}}
    ),
    "embedding": lambda w, t: (
        w.add_embedding(t.tensor(NORMAL.reshape(60, 5)).float(), list(range(60)), tag="a/b%"),
        w.add_embedding(
            NORMAL[:6].reshape(3, 2),
            [["a", 1], ["b", 2], ["c", 3]],
            t.tensor(BATCH[:3]).mT.contiguous(),
            7,
            "d",
            ["x", "y"],
        ),
    ),
}
DTYPES = ["bool", "uint8", "int8", "int16", "int32", "int64", "float16", "bfloat16"]
DTYPES += ["float32", "float64", "complex64", "complex128"]
CALLS.update(
    (f"tensor {d}", lambda w, t, d=d: w.add_tensor("t", t.tensor([[0, 1, 3]]).to(getattr(t, d)), 1))
    for d in DTYPES
)
ERRORS = {
    "scalar of two": lambda w, t: w.add_scalar("a", t.ones(2)),
    "scalar of a list": lambda w, t: w.add_scalar("a", [1]),
    "no values": lambda w, t: w.add_histogram("h", t.ones(0)),
    "outside the bins": lambda w, t: w.add_histogram("h", t.ones(3), bins=[5, 6, 7]),
    "raw lengths": lambda w, t: w.add_histogram_raw("h", 0, 1, 1, 1, 1, [1], [1, 2]),
    "letters twice": lambda w, t: w.add_image("i", IMAGE, dataformats="CHH"),
    "another size": lambda w, t: w.add_image("i", IMAGE, dataformats="HW"),
    "channels": lambda w, t: w.add_images("i", np.ones((2, 2, 4, 4))),
    "sound": lambda w, t: w.add_audio("s", t.zeros(2, 5)),
    "hparams": lambda w, t: w.add_hparams([], {}),
    "hparams value": lambda w, t: w.add_hparams({"a": []}, {}),
    "hparams domain": lambda w, t: w.add_hparams({"a": 1}, {}, {"a": ["x"]}),
    "margin": lambda w, t: w.add_custom_scalars_marginchart(["a"]),
    "margin layout": lambda w, t: w.add_custom_scalars({"a": {"b": ["Margin", ["c"]]}}),
    "labels": lambda w, t: w.add_embedding(t.ones(2, 2), ["a"]),
    "header": lambda w, t: w.add_embedding(t.ones(1, 2), [["a"]], metadata_header=["x", "y"]),
    "pictures": lambda w, t: w.add_embedding(t.ones(2, 2), label_img=t.ones(1, 3, 2, 2)),
    "vectors": lambda w, t: w.add_embedding(t.ones(2)),
    "dtype": lambda w, t: w.add_tensor("t", t.ones(2).to(t.float8_e5m2)),
}


def writers():
    theirs = pytest.importorskip("torch")
    module = pytest.importorskip("torch.utils.tensorboard")
    return theirs, module


def files_of(folder):
    paths = [p for p in Path(folder).rglob("*") if p.is_file() and "tfevents" not in p.name]
    return {str(p.relative_to(folder)): p.read_bytes() for p in paths}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_same_events_as_pytorch(call, tmp_path):
    theirs, module = writers()
    for name, writer, torch in (
        ("ours", SummaryWriter, ours),
        ("theirs", module.SummaryWriter, theirs),
    ):
        with writer(tmp_path / name) as w:
            call(w, torch)
    got, expected = events_of(tmp_path / "ours"), events_of(tmp_path / "theirs")
    assert sum(map(len, expected.values())) > 1 or files_of(tmp_path / "theirs")
    assert got == expected
    assert files_of(tmp_path / "ours") == files_of(tmp_path / "theirs")


@pytest.mark.parametrize("call", ERRORS.values(), ids=ERRORS)
def test_same_errors_as_pytorch(call, tmp_path):
    theirs, module = writers()
    with module.SummaryWriter(tmp_path / "theirs") as w, pytest.raises(Exception) as error:
        call(w, theirs)
    text = "^" + re.escape(str(error.value)) + "$"
    with SummaryWriter(tmp_path / "ours") as w, pytest.raises(error.type, match=text):
        call(w, ours)


def test_same_methods_as_pytorch():
    _, module = writers()
    for mine, theirs in (
        (SummaryWriter, module.SummaryWriter),
        (FileWriter, module.FileWriter),
    ):
        for name, function in vars(theirs).items():
            if not name.startswith("_") and hasattr(mine, name):
                mine_says = inspect.signature(getattr(mine, name)).parameters.values()
                theirs_says = inspect.signature(function).parameters.values()
                assert [(p.name, p.default, p.kind) for p in mine_says] == [
                    (p.name, p.default, p.kind) for p in theirs_says
                ], name


def test_no_method_of_pytorch_is_missing():
    _, module = writers()
    names = {name for name in vars(module.SummaryWriter) if not name.startswith("_")}
    assert names - set(dir(SummaryWriter)) == set()


def test_same_purge_and_default_bins_as_pytorch(tmp_path):
    _, module = writers()
    for name, writer in (("ours", SummaryWriter), ("theirs", module.SummaryWriter)):
        with writer(tmp_path / name, purge_step=5) as w:
            w.add_scalar("a", 1, 5)
    assert events_of(tmp_path / "ours") == events_of(tmp_path / "theirs")
    with SummaryWriter(tmp_path / "a") as a, module.SummaryWriter(tmp_path / "b") as b:
        assert a.default_bins == b.default_bins
