"""Every example, and the README's program, runs and ends where it should."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "examples"
EXPECTED = {
    "fit_a_line.py": "y = 3.0",
    "spirals.py": "saved spirals.png",
    "names.py": "new names: ",
}


def test_all_are_listed():
    readme = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    assert {path.name for path in EXAMPLES.glob("*.py")} == set(EXPECTED)
    assert all(f"[{name}]({name})" in readme for name in EXPECTED)


def run(*arguments, cwd):
    done = subprocess.run(
        [sys.executable, *arguments],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("name", EXPECTED)
def test_example(name, tmp_path):
    assert EXPECTED[name] in run("-m", "rushlight", str(EXAMPLES / name), cwd=tmp_path)


def test_the_readmes_program(tmp_path):
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert run("-c", code, cwd=tmp_path) == "torch.Size([8, 2])\n"


def test_the_readme_sets_up_with_two_commands():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    commands = re.findall(r"```sh\n(.*?)\n```", text, re.DOTALL)
    assert [command.count("\n") for command in commands] == [0, 0]
    assert commands[0].endswith("rushlight demo") and commands[1].endswith("pytest")


def test_links_lead_somewhere():
    pages = [
        ROOT / "README.md",
        ROOT / "CONTRIBUTING.md",
        EXAMPLES / "README.md",
        *ROOT.glob("docs/*.md"),
    ]
    for page in pages:
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name} points to {target}"
