"""The demo learns, says so, and leaves its files; the same seed gives the same run."""

import re

import pytest

import rushlight as torch
from rushlight import demo
from rushlight.vision.datasets import Digits


def without_time(text):
    return re.sub(r"after [\d.]+ s", "", text)


@pytest.fixture(scope="module")
def first_run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo")
    assert demo.main(["--epochs", "6", "--out", str(folder)]) == 0
    return folder


def test_demo_learns(tmp_path, capsys):
    assert demo.main(["--out", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    accuracy = float(re.search(r"test accuracy ([\d.]+)%", out)[1])
    assert accuracy > 97.0
    losses = [float(x) for x in re.findall(r"loss ([\d.]+)", out)]
    assert len(losses) == 12 and losses[-1] < losses[0] / 10
    assert len(re.findall(r"^ +\d +[\d.]+% +\d+ ", out, re.MULTILINE)) == 10


def test_demo_files(first_run):
    model = demo.Net()
    model.load_state_dict(torch.load(first_run / "digits.pt"))
    digits = Digits()
    images = (digits.data.unsqueeze(1) / 255 - 0.5) / 0.5
    truth, answers = demo.test(model, [(images, digits.targets)])
    assert (truth == answers).float().mean() > 0.95
    assert (first_run / "predictions.png").read_bytes()[1:4] == b"PNG"


def test_same_seed_same_run(tmp_path, capsys):
    outputs = []
    for _ in range(2):
        demo.main(["--epochs", "1", "--out", str(tmp_path), "--seed", "5"])
        outputs.append(without_time(capsys.readouterr().out))
    assert outputs[0] == outputs[1]


def test_plain_progress(capsys):
    assert list(demo.plain_progress([1, 2], "epoch")) == [1, 2]
    err = capsys.readouterr().err
    assert f"epoch |{'=' * 40}|" in err and err.endswith("\r")


def test_mistakes_are_red():
    images, labels = torch.ones(3, 1, 8, 8), torch.tensor([1, 2, 2])
    picture = demo.draw_answers(images, labels, torch.tensor([1, 1, 2]))
    assert tuple(picture.shape) == (3, 10 * 34 + 2, 12 * 34 + 2)
    right, wrong = picture[:, 34 + 10, 10], picture[:, 34 + 10, 34 + 10]
    assert right.tolist() == [1.0, 1.0, 1.0] and wrong[0] == 1.0 and wrong[1] < 0.5
