"""A part of tools/fuzz_load.py: 2,000 hostile files end in a result or a clear error."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.skipif(sys.platform != "linux", reason="limits of memory are set as on Linux")
def test_hostile_files():
    command = [
        sys.executable,
        str(ROOT / "tools" / "fuzz_load.py"),
        "--inputs",
        "2000",
        "--seed",
        "1",
    ]
    environment = {"PYTHONPATH": str(ROOT / "src"), "OMP_NUM_THREADS": "1"}
    run = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=1800)
    assert run.returncode == 0, run.stdout + run.stderr
    assert "2000 inputs" in run.stdout
    assert "bad: 0" in run.stdout
