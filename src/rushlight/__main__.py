"""The command line: ``rushlight`` and ``python -m rushlight``."""

import importlib
import platform
import sys

import numpy

from rushlight import _api as torch
from rushlight._compat import runner
from rushlight._core.extension import C
from rushlight._version import __version__

_USAGE = """\
usage: rushlight script.py [arguments]     run a PyTorch program: `import torch` gives rushlight
       rushlight -m module [arguments]     the same for a module
       rushlight -c code [arguments]       the same for a string
       rushlight run --nproc-per-node N script.py ...    run it in N processes (--help for more)
       rushlight demo [--help]             train a classifier of handwritten digits
       rushlight info                      what this installation consists of
       rushlight --version
"""


def _info() -> int:
    """Print what a report of a problem should contain."""
    rows = {
        "rushlight": __version__,
        "python": f"{platform.python_version()} ({platform.system()} {platform.machine()})",
        "numpy": numpy.__version__,
        "native kernels": "no, NumPy only" if C is None else f"yes, for {C.isa()} processors",
        "threads": str(torch.get_num_threads()),
    }
    for name, value in rows.items():
        print(f"{name:<16}{value}")
    return 0


def _refuse(message: str) -> int:
    print(f"rushlight: {message}\n\n{_USAGE}", end="", file=sys.stderr)
    return 2


def main(arguments: list[str] | None = None) -> int:
    """Do what the arguments (by default those of the process) ask for; return the exit status."""
    if arguments is None:
        arguments = sys.argv[1:]
    match arguments:
        case ["-h" | "--help", *_]:
            print(_USAGE, end="")
            return 0
        case ["-V" | "--version", *_]:
            print(f"rushlight {__version__}")
            return 0
        case ["info"]:
            return _info()
        case ["run" | "torchrun", *rest]:
            runner.install()
            return importlib.import_module("rushlight.distributed.run").main(rest) or 0
        case ["demo", *rest]:
            return importlib.import_module("rushlight.demo").main(rest)
        case ["-m", name, *rest]:
            return runner.run_module(name, rest)
        case ["-c", source, *rest]:
            return runner.run_string(source, rest)
        case ["-m" | "-c" as option]:
            return _refuse(f"{option} needs an argument")
        case [option, *_] if option.startswith("-"):
            return _refuse(f"unknown option {option}")
        case [path, *rest]:
            return runner.run_script(path, rest)
    print(_USAGE, end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
