"""Saves on a full disk, beside a second writer, killed at any time: the old file stays whole."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import rushlight as torch

SOURCE = str(Path(__file__).parents[2] / "src")
posix = pytest.mark.skipif(os.name != "posix", reason="limits and signals are POSIX's")


def python(code, **options):
    code = f"import sys; sys.path.insert(0, {SOURCE!r})\nimport rushlight as torch\n{code}"
    return subprocess.Popen([sys.executable, "-c", code], text=True, **options)


FULL = """
import resource, signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (20000, 20000))
from rushlight.serialization import safetensors
try:
    {call}
except OSError as error:
    print("OSError", error.errno)
"""


CALLS = {
    "zip": 'torch.save({{"a": torch.zeros(100000)}}, {path!r})',
    "stream": 'torch.save({{"a": torch.zeros(100000)}}, {path!r}, '
    "_use_new_zipfile_serialization=False)",
    "safetensors": 'safetensors.save_file({{"a": torch.zeros(100000)}}, {path!r})',
}


@posix
@pytest.mark.parametrize("kind", CALLS)
def test_full_disk(tmp_path, kind):
    import errno

    path = tmp_path / "model.pt"
    torch.save({"a": torch.ones(3)}, path)
    before = path.read_bytes()
    with python(
        FULL.format(call=CALLS[kind].format(path=str(path))), stdout=subprocess.PIPE
    ) as child:
        assert child.stdout.read() == f"OSError {errno.EFBIG}\n"
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["model.pt"]


WRITER = """
print("ready", flush=True)
i = 0
while True:
    i += 1
    torch.save({{"who": {who}, "a": torch.full((30000,), i), "i": i}}, {path!r})
"""


def whole(path):
    """Whether the file is one of the writers' files, complete."""
    found = torch.load(path)
    return bool((found["a"] == found["i"]).all())


@posix
def test_two_writers(tmp_path):
    path = tmp_path / "model.pt"
    torch.save({"who": 0, "a": torch.full((30000,), 0), "i": 0}, path)
    code = [WRITER.format(who=who, path=str(path)) for who in (1, 2)]
    with python(code[0], stdout=subprocess.PIPE) as a, python(code[1], stdout=subprocess.PIPE) as b:
        try:
            assert a.stdout.readline() == b.stdout.readline() == "ready\n"
            start, seen = time.monotonic(), set()
            while (now := time.monotonic() - start) < 1.0 or (len(seen) < 2 and now < 300.0):
                assert whole(path)
                seen.add(torch.load(path)["who"])
        finally:
            a.kill()
            b.kill()
    assert whole(path)
    assert len(seen) >= 2


@posix
def test_killed_at_random_times(tmp_path):
    path, rng = tmp_path / "model.pt", random.Random(0)
    torch.save({"who": 0, "a": torch.full((30000,), 0), "i": 0}, path)
    for who in range(1, 9):
        with python(WRITER.format(who=who, path=str(path)), stdout=subprocess.PIPE) as child:
            assert child.stdout.readline() == "ready\n"
            time.sleep(rng.random() * 0.05)
            child.send_signal(signal.SIGKILL)
        assert whole(path)
