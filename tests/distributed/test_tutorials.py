"""What PyTorch's tutorials do comes out the same with rushlight as with PyTorch and gloo."""

import math

import pytest
from tests.distributed.starting import run_torch

pytest.importorskip("mpi4py")

PARTS = "ddp,fsdp2,dcp,zero,hooks,join,imagenet"


def lines(text):
    """(words, numbers) of each line that is one of the program's."""
    found = []
    for line in text.splitlines():
        words = [w for w in line.split() if not is_number(w)]
        numbers = [float(w) for w in line.split() if is_number(w)]
        if words and words[0] in (*PARTS.split(","), "hook", "averager", "counter", "early"):
            found.append((words, numbers))
    return found


def is_number(word):
    try:
        return math.isfinite(float(word))
    except ValueError:
        return False


def test_tutorials(job, tmp_path):
    result = job(2, "tutorials.py", PARTS + ",fsdp1", tmp_path)
    assert result.codes == [0, 0], result.text
    ours = lines(result.outputs[0])
    assert "fsdp1 saved 34" in result.outputs[0], result.text
    pytest.importorskip("torch")
    theirs = tmp_path / "torch"
    theirs.mkdir()
    result = run_torch(2, "tutorials.py", [PARTS, theirs])
    assert result.codes == [0, 0], result.text
    for (words, numbers), (right, values) in zip(ours, lines(result.outputs[0]), strict=True):
        assert words == right
        assert numbers == pytest.approx(values, rel=1e-4, abs=2e-5), words
