"""The distribution: what pyproject.toml promises, and a wheel without a compiler."""

import importlib.util
import os
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

from rushlight._version import __version__

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def test_the_two_dependencies():
    names = {d.split(">")[0] for d in PROJECT["project"]["dependencies"]}
    assert names == {"numpy", "ml_dtypes"}


def test_the_version_has_one_home():
    assert "version" in PROJECT["project"]["dynamic"]
    assert __version__ in (ROOT / "src" / "rushlight" / "_version.py").read_text(encoding="utf-8")


def test_the_licence():
    assert PROJECT["project"]["license"] == "Apache-2.0"
    assert "Apache License" in (ROOT / "LICENSE").read_text(encoding="utf-8")


def test_the_console_script_exists():
    module, _, function = PROJECT["project"]["scripts"]["rushlight"].partition(":")
    source = importlib.util.find_spec(module).origin
    assert f"def {function}(" in Path(source).read_text(encoding="utf-8")


def build(folder, **env):
    command = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        str(ROOT),
        "--no-deps",
        "--no-build-isolation",
        "-w",
        folder,
    ]
    build_dir = f"--config-settings=build-dir={folder}/build"
    subprocess.run(
        [*command, build_dir],
        check=True,
        capture_output=True,
        env={**os.environ, **env},
        timeout=600,
    )
    (wheel,) = Path(folder).glob("*.whl")
    return wheel.name, set(zipfile.ZipFile(wheel).namelist())


needs_backend = pytest.mark.skipif(
    importlib.util.find_spec("scikit_build_core") is None or not (ROOT / "README.md").exists(),
    reason="scikit-build-core is not installed, or this is no full checkout",
)


@needs_backend
@pytest.mark.slow
@pytest.mark.parametrize("env", [{"RUSHLIGHT_BUILD_NATIVE": "0"}, {"CXX": "/no/such/compiler"}])
def test_a_wheel_without_a_compiler_is_pure(tmp_path, env):
    name, files = build(str(tmp_path), **env)
    assert name.endswith("py3-none-any.whl")
    assert "rushlight/__init__.py" in files
    assert "rushlight/vision/data/digits.bin" in files or any(f.endswith(".bin") for f in files)
    assert not any("_C." in f for f in files)
