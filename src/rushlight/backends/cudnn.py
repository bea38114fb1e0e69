"""torch.backends.cudnn: switches of the convolutions and the attention of a GPU.

The flags are attributes of the module; what computes reads them in ``_core/cuda_switches.py``.
"""

import contextlib
import importlib
import sys
import types
from collections.abc import Iterator

from rushlight._core import gpu
from rushlight._core.cuda_switches import switches

_FLAGS = ("enabled", "benchmark", "benchmark_limit", "deterministic", "allow_tf32")


class _Flags(types.ModuleType):
    """The module, with its flags as properties."""

    @property
    def enabled(self) -> bool:
        """May cuDNN be used?"""
        return switches.cudnn_enabled

    @enabled.setter
    def enabled(self, on: bool) -> None:
        switches.cudnn_enabled = bool(on)

    @property
    def benchmark(self) -> bool:
        """Kept; cuDNN's heuristics choose, nothing is measured."""
        return switches.cudnn_benchmark

    @benchmark.setter
    def benchmark(self, on: bool) -> None:
        switches.cudnn_benchmark = bool(on)

    @property
    def benchmark_limit(self) -> int:
        """Kept, as ``benchmark``."""
        return switches.cudnn_benchmark_limit

    @benchmark_limit.setter
    def benchmark_limit(self, limit: int) -> None:
        switches.cudnn_benchmark_limit = int(limit)

    @property
    def deterministic(self) -> bool:
        """Only algorithms that give the same bits each time?"""
        return switches.cudnn_deterministic

    @deterministic.setter
    def deterministic(self, on: bool) -> None:
        switches.cudnn_deterministic = bool(on)

    @property
    def allow_tf32(self) -> bool:
        """May float32 convolutions be computed in TF32?"""
        return switches.cudnn_allow_tf32

    @allow_tf32.setter
    def allow_tf32(self, on: bool) -> None:
        switches.cudnn_allow_tf32 = bool(on)


def is_available() -> bool:
    """is_available() -> bool: is there a GPU, and cuDNN with its Python frontend?

    >>> torch.backends.cudnn.is_available()
    False
    """
    return version() is not None


def version() -> int | None:
    """version() -> int or None: of cuDNN, None without a GPU or without it.

    >>> print(torch.backends.cudnn.version())
    None
    """
    if not gpu.is_available():
        return None
    found = importlib.import_module("rushlight._kernels.cuda.dnn").frontend()
    return None if found is None else int(found.backend_version())


def is_acceptable(tensor: object) -> bool:
    """is_acceptable(tensor) -> bool: may cuDNN compute with it?

    >>> torch.backends.cudnn.is_acceptable(torch.ones(1))
    False
    """
    kind = getattr(tensor, "dtype", None)
    served = str(kind) in ("torch.float32", "torch.float16", "torch.bfloat16")
    return bool(getattr(tensor, "is_cuda", False)) and served and is_available()


@contextlib.contextmanager
def flags(
    enabled: bool = False,
    benchmark: bool = False,
    benchmark_limit: int = 10,
    deterministic: bool = False,
    allow_tf32: bool = True,
) -> Iterator[None]:
    """flags(...): set the flags inside a ``with``.

    >>> with torch.backends.cudnn.flags(enabled=True, benchmark=True):
    ...     torch.backends.cudnn.benchmark
    True
    >>> torch.backends.cudnn.benchmark
    False
    """
    module = sys.modules[__name__]
    new = (enabled, benchmark, benchmark_limit, deterministic, allow_tf32)
    old = [getattr(module, name) for name in _FLAGS]
    for name, value in zip(_FLAGS, new, strict=True):
        setattr(module, name, value)
    try:
        yield
    finally:
        for name, value in zip(_FLAGS, old, strict=True):
            setattr(module, name, value)


sys.modules[__name__].__class__ = _Flags
