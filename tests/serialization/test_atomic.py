"""A program that dies while saving leaves the file that was there."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import rushlight as torch
from rushlight._core.extension import C

SOURCE = str(Path(__file__).parents[2] / "src")

SLOW_SAVE = """
import sys, time
sys.path.insert(0, {source!r})
import rushlight as torch
from rushlight._core.extension import C
from rushlight.serialization import zip_writer

write = zip_writer.ZipWriter.write_record
def slowly(self, name, data):
    write(self, name, data)
    if name == "byteorder":
        print("half", flush=True)
        time.sleep(600)
zip_writer.ZipWriter.write_record = slowly
torch.save({{"a": torch.zeros(10)}}, {path!r})
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")
def test_kill_keeps_the_old_file(tmp_path):
    path = tmp_path / "model.pt"
    torch.save({"a": torch.ones(3)}, path)
    before = path.read_bytes()
    code = SLOW_SAVE.format(source=SOURCE, path=str(path))
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout.readline() == "half\n"
        time.sleep(0.05)
        child.kill()
    assert path.read_bytes() == before
    assert torch.load(path)["a"].tolist() == [1, 1, 1]


class Breaks:
    def __reduce__(self):
        raise ValueError("not today")


@pytest.mark.parametrize("new_format", [True, False])
def test_an_error_keeps_the_old_file_and_leaves_nothing_behind(tmp_path, new_format):
    path = tmp_path / "model.pt"
    torch.save(1, path)
    with pytest.raises(ValueError, match="not today"):
        torch.save([torch.ones(2), Breaks()], path, _use_new_zipfile_serialization=new_format)
    assert torch.load(path) == 1
    assert [p.name for p in tmp_path.iterdir()] == ["model.pt"]


def test_not_a_plain_file(tmp_path):
    if not hasattr(os, "mkfifo"):
        pytest.skip("needs named pipes")
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with subprocess.Popen(["cat", str(pipe)], stdout=subprocess.PIPE) as reader:
        torch.save(torch.ones(2), pipe)
        data = reader.stdout.read()
    assert data[:4] == b"PK\3\4"
    assert pipe.is_fifo()


@pytest.mark.skipif(not hasattr(C, "close_later"), reason="the system does it")
def test_a_large_file_that_was_replaced_is_gone_also_for_a_child(tmp_path):
    path = tmp_path / "model.pt"
    for value in range(3):
        torch.save(torch.full((5_000_000,), value), path)
        child = os.fork()
        if not child:
            mine = Path("/proc/self/fd").iterdir()
            os._exit(any(str(path) in os.path.realpath(descriptor) for descriptor in mine))
        assert os.waitpid(child, 0)[1] == 0
    assert torch.load(path)[-1] == 2
    assert [p.name for p in tmp_path.iterdir()] == ["model.pt"]
