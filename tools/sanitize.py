"""Build rushlight._C with a sanitizer and run the kernels' tests and fuzz under it.

    python tools/sanitize.py address|thread|undefined [--cases N]

The package is copied to build/sanitize-KIND with an extension of its own; the sanitizer's runtime
is loaded before Python (LD_PRELOAD). Needs g++, cmake, NumPy, pytest. Python itself is not built
with the sanitizer: leaks are not looked for, and what happens inside NumPy is not seen.
"""

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RUNTIME = {"address": "libasan.so", "thread": "libtsan.so", "undefined": "libubsan.so"}
TESTS = ["tests/core/test_fronts.py", "tests/core/test_entries.py", "tests/ops/test_matmul.py"]
TESTS += ["tests/ops/test_conv.py", "tests/ops/test_pool.py", "tests/ops/test_rnn.py"]
TESTS += ["tests/ops/test_scan.py", "tests/ops/test_sort.py", "tests/optim/test_native_updates.py"]
TESTS += ["tests/kernels/test_moving.py"]


def build(kind: str) -> Path:
    """A copy of src with a sanitized extension; returns its folder."""
    folder = ROOT / "build" / f"sanitize-{kind}"
    flags = f"-fsanitize={kind} -g -fno-omit-frame-pointer -O1"
    configure = ["cmake", "-S", str(ROOT), "-B", str(folder / "cmake"), "-DCMAKE_BUILD_TYPE=Debug"]
    configure += [f"-DPython_EXECUTABLE={sys.executable}", f"-DCMAKE_CXX_FLAGS={flags}"]
    configure += ["-G", "Ninja"] if shutil.which("ninja") else []
    subprocess.run(configure, check=True, stdout=subprocess.DEVNULL)
    subprocess.run(["cmake", "--build", str(folder / "cmake"), "--parallel", "2"], check=True)
    shutil.rmtree(folder / "src", ignore_errors=True)
    ignore = shutil.ignore_patterns("_C*.so", "__pycache__")
    shutil.copytree(ROOT / "src", folder / "src", ignore=ignore)
    (module,) = (folder / "cmake").glob("_C.*.so")
    shutil.copy(module, folder / "src" / "rushlight")
    return folder / "src"


def environment(kind: str, source: Path) -> dict[str, str]:
    """Where the package is, and the runtime that must come first."""
    found = subprocess.run(
        ["g++", f"-print-file-name={RUNTIME[kind]}"], check=True, capture_output=True, text=True
    )
    options = "detect_leaks=0:halt_on_error=1:abort_on_error=1"
    names = {"address": "ASAN_OPTIONS", "thread": "TSAN_OPTIONS", "undefined": "UBSAN_OPTIONS"}
    libraries = f"{found.stdout.strip()} {stdcxx()}"
    return {
        **os.environ,
        "PYTHONPATH": str(source),
        "LD_PRELOAD": libraries,
        names[kind]: options if kind == "address" else "halt_on_error=1:print_stacktrace=1",
        "PYTHONMALLOC": "malloc" if kind == "address" else "pymalloc",
    }


def stdcxx() -> str:
    """The C++ runtime, which must be there when the sanitizer looks for its throw."""
    found = subprocess.run(
        ["g++", "-print-file-name=libstdc++.so.6"], check=True, capture_output=True, text=True
    )
    return found.stdout.strip()


def main() -> int:
    """Build, then test, then fuzz."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kind", choices=RUNTIME)
    parser.add_argument("--cases", type=int, default=5_000, help="of tools/fuzz_kernels.py")
    options = parser.parse_args()
    run_in = environment(options.kind, build(options.kind))
    tests = [t for t in TESTS if (ROOT / t).exists()]
    commands = [
        [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *tests],
        [sys.executable, "tools/fuzz_kernels.py", str(options.cases)],
    ]
    for command in commands:
        print(">", " ".join(command), flush=True)
        done = subprocess.run(command, cwd=ROOT, env=run_in, check=False)
        if done.returncode:
            return done.returncode
    return 0


if __name__ == "__main__":
    sys.exit(main())
