"""Libraries written for PyTorch run under the import hook and compute what they compute there.

Beside each program lies a .txt with what it prints under PyTorch 2.13, with the versions of the
libraries that docs/ecosystem.md names. A program is skipped where a library is missing: install
them without their dependency torch (``pip install --no-deps --target=FOLDER ...``) and put the
folder on PYTHONPATH.
"""

import importlib
import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
PROGRAMS = sorted(HERE.glob("*_program.py"))
NUMBER = re.compile(r"-?\d+\.?\d*(?:e[+-]?\d+)?")
CHATTER = re.compile(r"^💡.*$", re.MULTILINE)


def is_there(name):
    """Whether a library is installed, or rushlight has a name of torch's."""
    if name.startswith("torch."):
        module, _, attribute = name.removeprefix("torch.").rpartition(".")
        return hasattr(importlib.import_module(f"rushlight.{module}"), attribute)
    return importlib.util.find_spec(name) is not None


def missing(path):
    """What a program needs, by its first line, and is not there."""
    needed = path.read_text(encoding="utf-8").split("\n")[0].removeprefix("# needs: ").split()
    return [name for name in needed if not is_there(name)]


def printed(path):
    source = str(HERE.parents[1] / "src")
    paths = os.pathsep.join(filter(None, [source, os.environ.get("PYTHONPATH")]))
    quiet = {"PYTHONPATH": paths, "TQDM_DISABLE": "1", "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "rushlight", str(path)],
        env={**os.environ, **quiet},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def spaced(text):
    return " ".join(CHATTER.sub("", text).split())


def near(want, have):
    return abs(float(want) - float(have)) <= 2e-3 * abs(float(want)) + 2e-5


@pytest.mark.parametrize("path", PROGRAMS, ids=lambda p: p.stem.removesuffix("_program"))
def test_prints_what_it_prints_under_pytorch(path):
    lacking = missing(path)
    if lacking:
        pytest.skip(f"not there: {', '.join(lacking)}")
    recorded = HERE / f"{path.stem.removesuffix('_program')}.txt"
    want, have = spaced(recorded.read_text(encoding="utf-8")), spaced(printed(path))
    assert NUMBER.sub("#", have) == NUMBER.sub("#", want)
    pairs = list(zip(NUMBER.findall(want), NUMBER.findall(have), strict=True))
    apart = [(w, h) for w, h in pairs if not near(w, h)]
    assert not apart, f"PyTorch's number, ours: {apart}"


def test_there_are_programs():
    assert len(PROGRAMS) >= 20
