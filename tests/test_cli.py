"""The command line: programs run as Python would run them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """\
import sys
import torch
from torch import nn

assert __name__ == "__main__" and sys.modules["__main__"].__dict__ is globals()
print(sys.argv, sys.path[0], __file__)
layer = nn.Linear(2, 1)
layer(torch.ones(3, 2)).sum().backward()
print(layer.weight.grad.tolist())
"""


def run(*arguments, module="rushlight", cwd=None, stdin=None):
    """Run ``python -m <module> <arguments>`` (or plain Python, if ``module`` is None)."""
    start = [sys.executable, "-m", module] if module else [sys.executable]
    return subprocess.run(
        [*start, *arguments],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
        cwd=cwd,
        input=stdin,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)},
    )


@pytest.fixture
def program(tmp_path):
    def write(text, name="program.py"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        return path

    return write


def test_a_script_gets_its_arguments(program, tmp_path):
    path = program(PROGRAM)
    done = run("program.py", "-x", "1", cwd=tmp_path)
    assert done.stdout.splitlines() == [
        f"['program.py', '-x', '1'] {tmp_path} {path}",
        "[[3.0, 3.0]]",
    ]
    assert (done.returncode, done.stderr) == (0, "")


def test_a_module_and_a_string(program, tmp_path):
    path = program(PROGRAM, "package/train.py")
    done = run("-m", "package.train", "7", cwd=tmp_path)
    assert done.stdout.splitlines()[0] == f"['{path}', '7'] {tmp_path} {path}", done.stderr
    program("print('main of the package', __package__)", "package/__main__.py")
    assert run("-m", "package", cwd=tmp_path).stdout == "main of the package package\n"
    assert run("package", cwd=tmp_path).stdout == "main of the package \n"
    code = "import sys, torch; print(sys.argv, repr(sys.path[0]), torch.ones(1))"
    assert run("-c", code, "a").stdout == "['-c', 'a'] '' tensor([1.])\n"


FAILING = {
    "an exception": "def f(n):\n    return 1 / n\n\n\nf(0)\n",
    "a chain": "try:\n    {}['a']\nexcept KeyError as e:\n    raise ValueError('b') from e\n",
    "a syntax error": "x = (1,\nprint(\n",
    "a missing module": "import no_such_module\n",
    "a missing module inside": "import json, no_such_package.inside\n",
    "an exit": "import sys\nsys.exit(3)\n",
    "an exit with words": "raise SystemExit('words')\n",
    "an assertion": "assert 1 > 2, 'no'\n",
}


@pytest.mark.parametrize("text", FAILING.values(), ids=FAILING)
def test_failures_look_as_in_python(program, tmp_path, text):
    program(text)
    ours, pythons = (run("program.py", module=m, cwd=tmp_path) for m in ("rushlight", None))
    assert ours.stderr == pythons.stderr
    assert (ours.returncode, ours.stdout) == (pythons.returncode, pythons.stdout)


def test_nothing_to_run(tmp_path):
    for arguments in (["absent.py"], ["-m", "absent"]):
        ours, pythons = (run(*arguments, module=m, cwd=tmp_path) for m in ("rushlight", None))
        assert (ours.returncode, ours.stderr) == (pythons.returncode, pythons.stderr)
    assert "'absent'" in run("-m", "absent.inside", cwd=tmp_path).stderr


def test_a_missing_torch_module(program, tmp_path):
    program("import torch.absent\n")
    lines = run("program.py", cwd=tmp_path).stderr.splitlines()
    assert lines[:3] == [
        "Traceback (most recent call last):",
        f'  File "{tmp_path}/program.py", line 1, in <module>',
        "    import torch.absent",
    ]
    assert lines[-1].startswith(
        "ModuleNotFoundError: No module named 'torch.absent': rushlight does"
    )


def test_processes_of_the_program_have_the_hook(program, tmp_path):
    program(
        "import multiprocessing, torch\n\n\n"
        "def double(x):\n    return float((torch.tensor(x) * 2).sum())\n\n\n"
        "if __name__ == '__main__':\n"
        "    with multiprocessing.get_context('spawn').Pool(1) as pool:\n"
        "        print(pool.map(double, [[1.0], [2.0]]))\n"
    )
    done = run("program.py", cwd=tmp_path)
    assert done.stdout == "[2.0, 4.0]\n", done.stderr


def test_help_version_and_info():
    assert run("--help").stdout.startswith("usage: rushlight script.py") and run().returncode == 0
    version = run("--version").stdout.split()
    assert version[0] == "rushlight" and version[1][0].isdigit()
    info = run("info").stdout
    for word in ("rushlight", "python", "numpy", "native kernels", "threads"):
        assert f"{word:<16}" in info


@pytest.mark.parametrize("arguments", [["--absent"], ["-m"], ["-c"]])
def test_what_is_no_command(arguments):
    done = run(*arguments)
    assert done.returncode == 2 and "usage:" in done.stderr and done.stdout == ""


def test_the_script_is_installed():
    path = Path(sys.executable).with_name("rushlight")
    if not path.exists():
        pytest.skip("rushlight is not installed in this environment: it runs from the source tree")
    done = subprocess.run([path, "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == run("--version").stdout
