"""NVIDIA's libraries by ctypes: found where CuPy finds them, their functions called with pointers.

CuPy's own wrappers of cuBLAS refuse while a graph is recorded and have no batched half precision.
"""

import ctypes
import importlib
from typing import Any

from rushlight._core import gpu

INT, LONG, POINTER, SIZE = ctypes.c_int, ctypes.c_longlong, ctypes.c_void_p, ctypes.c_size_t


def found(name: str) -> Any:
    """A library by its short name ("cublas"), loaded once; None where it is not installed."""
    if name not in gpu.cuda.libraries:
        gpu.cuda.libraries[name] = _load(name)
    return gpu.cuda.libraries[name]


def _load(name: str) -> Any:
    own = getattr(gpu.cuda.module, "libraries", None)  # an array module may bring its own
    if own is not None:
        return own.get(name)
    try:
        finder = importlib.import_module("cuda.pathfinder")  # CuPy depends on it
        return ctypes.CDLL(finder.load_nvidia_dynamic_lib(name).abs_path)
    except (ImportError, OSError, RuntimeError):
        return None


def companion(name: str) -> Any:
    """A module that comes with CuPy ("cupyx"), imported once; None where there is none."""
    if name not in gpu.cuda.libraries:
        own = getattr(gpu.cuda.module, "libraries", None)
        try:
            found = own.get(name) if own is not None else importlib.import_module(name)
        except ImportError:
            found = None
        gpu.cuda.libraries[name] = found
    return gpu.cuda.libraries[name]


def prototypes(library: Any, functions: dict[str, tuple]) -> None:
    """Tell ctypes what the functions take; all return a status."""
    if isinstance(library, ctypes.CDLL):
        for name, kinds in functions.items():
            function = getattr(library, name)
            function.argtypes, function.restype = kinds, INT


def stream() -> int:
    """The current stream of the current device."""
    return int(gpu.cuda.module.cuda.get_current_stream().ptr)
