"""Programs as beginners write them print what they print under PyTorch.

Beside each program lies a .txt with PyTorch's output (written by tools/record_programs.py). Numbers
must agree to 1e-4, the rest to the letter.
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
PROGRAMS = sorted(path.with_suffix("").name for path in HERE.glob("*.txt"))
NUMBER = re.compile(r"(?<![\w.])[-+]?(?:\d+\.\d*|\.\d+|\d+)(?:[eE][-+]?\d+)?(?![\w.])")

LACKING = re.compile(
    r"ModuleNotFoundError: .*: rushlight does not have it|"
    r"ImportError: cannot import name '\w+' from 'rushlight'"
)


@pytest.fixture(scope="session")
def printed():
    """What every program prints under rushlight: one process runs them all."""
    source = str(HERE.parents[1] / "src")
    paths = os.pathsep.join(filter(None, [source, os.environ.get("PYTHONPATH")]))
    command = [sys.executable, "-m", "rushlight", str(HERE / "run_programs.py")]
    done = subprocess.run(
        command + [str(HERE / f"{name}.py") for name in PROGRAMS],
        env={**os.environ, "PYTHONPATH": paths},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return {Path(path).stem: text for path, text in json.loads(done.stdout).items()}


@pytest.mark.parametrize("name", PROGRAMS)
def test_prints_what_pytorch_prints(printed, name):
    expected = (HERE / f"{name}.txt").read_text().splitlines()
    lacking = LACKING.search(printed[name])
    if lacking:
        pytest.skip(f"rushlight lacks a module of PyTorch: {lacking.group()}")
    got = printed[name].splitlines()
    for number, (want, have) in enumerate(zip(expected, got, strict=False), 1):
        assert same_line(want, have), f"line {number}:\n  PyTorch:   {want}\n  rushlight: {have}"
    assert len(got) == len(expected), "\n".join(got[len(expected) - 1 :])


def same_line(want: str, have: str) -> bool:
    """Equal, but for numbers with a point, which may differ by 1e-4, and spaces around them."""
    if want == have:
        return True
    numbers, others = NUMBER.findall(want), NUMBER.split(want)
    if [" ".join(t.split()) for t in others] != [" ".join(t.split()) for t in NUMBER.split(have)]:
        return False
    return all(map(same_number, numbers, NUMBER.findall(have)))


def same_number(want: str, have: str) -> bool:
    if not set(want) & set(".eE"):
        return want == have
    digits = len(want.partition(".")[2].partition("e")[0])
    last_digit = 1.01 * 10.0**-digits if "e" not in want else 0.0
    return abs(float(want) - float(have)) <= max(1e-4 * abs(float(want)), last_digit, 1e-6)


def test_there_are_programs():
    assert len(PROGRAMS) >= 15
