"""Every example runs from the command line and ends where it should."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"
EXPECTED = {
    "fit_a_line.py": "y = 3.0",
    "spirals.py": "saved spirals.png",
    "names.py": "new names: ",
}


def test_all_are_listed():
    readme = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    assert {path.name for path in EXAMPLES.glob("*.py")} == set(EXPECTED)
    assert all(f"[{name}]({name})" in readme for name in EXPECTED)


@pytest.mark.parametrize("name", EXPECTED)
def test_example(name, tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "rushlight", EXAMPLES / name],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)},
    )
    assert done.returncode == 0, done.stderr
    assert EXPECTED[name] in done.stdout
