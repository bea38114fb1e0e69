"""Build rushlight._C with sanitizers, and run the tests and the fuzz of the kernels under them.

    python tools/sanitize.py address|thread [TESTS ...] [--all-levels] [--cases N] [--keep]

"address" is AddressSanitizer with UndefinedBehaviorSanitizer, "thread" ThreadSanitizer. The package
is copied to build/sanitize-KIND with an extension of its own, whose kernels are compiled for any
x86-64, or for each level; the sanitizer's runtime is loaded before Python (LD_PRELOAD). Each file
of tests is a process with a log in build/sanitize-KIND/logs. Needs g++, cmake, NumPy, pytest.

What is not seen: leaks (CPython keeps objects to its end), what happens inside Python and NumPy,
which are not built with sanitizers; under ThreadSanitizer, what forks. Tests that ask PyTorch are
left out.
"""

import argparse
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FLAGS = {"address": "-fsanitize=address,undefined", "thread": "-fsanitize=thread"}
RUNTIMES = {"address": ["libasan.so", "libubsan.so"], "thread": ["libtsan.so"]}
OPTIONS = {
    "address": {
        "ASAN_OPTIONS": "detect_leaks=0:abort_on_error=1:allocator_may_return_null=1",
        "UBSAN_OPTIONS": "print_stacktrace=1",
        "PYTHONMALLOC": "malloc",
    },
    "thread": {"TSAN_OPTIONS": "exitcode=66:report_signal_unsafe=0:allocator_may_return_null=1"},
}
FOLDERS = ["core", "kernels", "ops", "optim", "nn", "autograd", "func", "serialization", "sparse"]
FOLDERS += ["amp", "masked", "signal", "distributions", "testing", "vision", "utils", "cuda"]
FOLDERS += ["programs", "multiprocessing", "profiler"]
# Its children inherit threads that do not run there, which ThreadSanitizer cannot follow.
FORKS = ["multiprocessing", "utils", "cuda", "programs", "serialization/test_saves_survive.py"]
ABSENT = """from importlib.machinery import PathFinder

search = PathFinder.find_spec


def find_spec(cls, name, path=None, target=None):  # torch is not there
    return None if name == "torch" else search(name, path, target)


PathFinder.find_spec = classmethod(find_spec)
"""
LIMIT = 1200  # seconds for one file of tests
SIGNS = ["ERROR: AddressSanitizer", "runtime error:", "WARNING: ThreadSanitizer"]


def build(kind: str, folder: Path, all_levels: bool) -> None:
    """A copy of src with a sanitized extension."""
    flags = f"{FLAGS[kind]} -g1 -fno-omit-frame-pointer"
    configure = ["cmake", "-S", str(ROOT), "-B", str(folder / "cmake"), "-DCMAKE_BUILD_TYPE=Debug"]
    configure += [f"-DPython_EXECUTABLE={sys.executable}", f"-DCMAKE_CXX_FLAGS={flags}"]
    configure += ["-DOPTIMIZATION=-O1", f"-DALL_LEVELS={'ON' if all_levels else 'OFF'}"]
    configure += ["-G", "Ninja"] if shutil.which("ninja") else []
    subprocess.run(configure, check=True, stdout=subprocess.DEVNULL)
    subprocess.run(["cmake", "--build", str(folder / "cmake"), "--parallel", "2"], check=True)
    shutil.rmtree(folder / "src", ignore_errors=True)
    ignore = shutil.ignore_patterns("_C*.so", "__pycache__")
    shutil.copytree(ROOT / "src", folder / "src", ignore=ignore)
    (module,) = (folder / "cmake").glob("_C.*.so")
    shutil.copy(module, folder / "src" / "rushlight")
    (folder / "without").mkdir(exist_ok=True)
    (folder / "without" / "sitecustomize.py").write_text(ABSENT)


def environment(kind: str, folder: Path) -> dict[str, str]:
    """Where the package is, and the runtimes that must come first."""
    # The C++ runtime must be there when the sanitizer looks for its throw.
    libraries = [located(name) for name in [*RUNTIMES[kind], "libstdc++.so.6"]]
    return {
        **os.environ,
        **OPTIONS[kind],
        "PYTHONPATH": f"{folder / 'src'}{os.pathsep}{folder / 'without'}",
        "LD_PRELOAD": " ".join(libraries),
        "RUSHLIGHT_NUM_THREADS": "3",
        "OPENBLAS_NUM_THREADS": "1",
    }


def located(library: str) -> str:
    """Where the compiler has a library."""
    command = ["g++", f"-print-file-name={library}"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def tests(kind: str, wanted: list[str]) -> list[str]:
    """The files of tests to run."""
    if wanted:
        return wanted
    files = []
    for folder in FOLDERS:
        files += sorted(
            str(f.relative_to(ROOT)) for f in (ROOT / "tests" / folder).rglob("test_*.py")
        )
    left_out = tuple(f"tests/{name}" for name in FORKS) if kind == "thread" else ()
    return [f for f in files if "parity" not in f and not f.startswith(left_out)]


def run(command: list[str], log: Path, variables: dict[str, str]) -> str:
    """Run a command and say in a word how it ended; reports stand in LOG.PROCESS."""
    for report in log.parent.glob(f"{log.name}.*"):
        report.unlink()
    for name in ("ASAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS"):
        if name in variables:
            variables = {**variables, name: f"{variables[name]}:log_path={log}"}
    with log.open("w") as out:
        try:
            process = subprocess.run(
                command, cwd=ROOT, env=variables, stdout=out, stderr=out, timeout=LIMIT, check=False
            )
            ended = {0: "passed", 5: "no tests"}.get(process.returncode, str(process.returncode))
        except subprocess.TimeoutExpired:
            ended = "timeout"
    texts = [r.read_text(errors="replace") for r in log.parent.glob(f"{log.name}*")]
    reports = sum(text.count(sign) for text in texts for sign in SIGNS)
    return f"{ended}, {reports} REPORTS" if reports else ended


def main() -> int:
    """Build, test file by file, fuzz; the exit status: did the sanitizer find something?"""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kind", choices=FLAGS)
    parser.add_argument("tests", nargs="*", help="files of tests (default: all that use kernels)")
    parser.add_argument("--cases", type=int, default=5_000, help="of tools/fuzz_kernels.py")
    parser.add_argument("--all-levels", action="store_true", help="of x86-64: takes much longer")
    parser.add_argument("--build", action="store_true", help="and no more")
    parser.add_argument("--keep", action="store_true", help="test what was built before")
    options = parser.parse_intermixed_args()
    folder = ROOT / "build" / f"sanitize-{options.kind}{'-all' if options.all_levels else ''}"
    if not options.keep:
        build(options.kind, folder, options.all_levels)
    if options.build:
        return 0
    variables, logs = environment(options.kind, folder), folder / "logs"
    logs.mkdir(exist_ok=True)
    pytest = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-m", "not slow"]
    commands = {name: [*pytest, name] for name in tests(options.kind, options.tests)}
    if options.cases and options.kind == "address":
        commands["fuzz"] = [sys.executable, "tools/fuzz_kernels.py", str(options.cases)]
    bad = 0
    for name, command in commands.items():
        start = time.monotonic()
        ended = run(command, logs / (name.replace("/", ".") + ".txt"), variables)
        print(f"{time.monotonic() - start:6.0f} s  {name}: {ended}", flush=True)
        bad += "REPORTS" in ended or ended == "timeout" or ended.startswith("-")
    return min(bad, 1)


if __name__ == "__main__":
    sys.exit(main())
