"""Build rushlight._C into src/rushlight, for work in a checkout with PYTHONPATH=src.

    python tools/build_native.py [--clean]

Needs a C++ compiler, cmake and NumPy's headers. Without the file the package runs in pure Python;
RUSHLIGHT_NATIVE=0 turns it off at run time.
"""

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def run(*command: str) -> None:
    """Run a command in the root of the checkout; its failure is ours."""
    subprocess.run(command, cwd=ROOT, check=True)


def main() -> None:
    """Configure, build, and copy the one file that matters."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clean", action="store_true", help="start from an empty build folder")
    arguments = parser.parse_args()
    build = ROOT / "build" / f"native-{sys.implementation.cache_tag}"
    if arguments.clean:
        shutil.rmtree(build, ignore_errors=True)
    configure = ["cmake", "-S", str(ROOT), "-B", str(build)]
    configure += [f"-DPython_EXECUTABLE={sys.executable}", "-DCMAKE_BUILD_TYPE=Release"]
    if shutil.which("ninja"):
        configure += ["-G", "Ninja"]
    run(*configure)
    run("cmake", "--build", str(build), "--parallel", os.environ.get("MAX_JOBS", "2"))
    (module,) = [p for p in build.glob("_C.*") if p.suffix in (".so", ".pyd")]
    target = ROOT / "src" / "rushlight" / module.name
    # A new inode, so that running processes keep the old code mapped.
    target.unlink(missing_ok=True)
    shutil.copy(module, target)
    print(f"built {target.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
