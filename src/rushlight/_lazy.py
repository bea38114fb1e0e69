"""Subpackages imported when first named: ``torch.nn``, ``torch.linalg``, ..."""

import importlib
import pkgutil
from pathlib import Path

from rushlight._core.typed_storage import CLASSES

SUBMODULES = frozenset(
    m.name for m in pkgutil.iter_modules([str(Path(__file__).parent)]) if not m.name.startswith("_")
)

AUTOCAST = (
    "autocast_decrement_nesting",
    "autocast_increment_nesting",
    "clear_autocast_cache",
    "get_autocast_cpu_dtype",
    "get_autocast_dtype",
    "get_autocast_gpu_dtype",
    "is_autocast_cache_enabled",
    "is_autocast_cpu_enabled",
    "is_autocast_enabled",
    "set_autocast_cache_enabled",
    "set_autocast_cpu_dtype",
    "set_autocast_cpu_enabled",
    "set_autocast_dtype",
    "set_autocast_enabled",
    "set_autocast_gpu_dtype",
)

# Modules with an underscore that programs name as attributes of torch.
PRIVATE = frozenset({"_dynamo", "_jit_internal", "_tensor", "_utils"})

# Names of torch itself that live in a subpackage: name -> where.
FROM = {
    "save": "serialization",
    "load": "serialization",
    "PyTorchFileReader": "serialization.file_reader",
    "typename": "utils.naming",
    "vmap": "func",
    "TypedStorage": "storage",
    **dict.fromkeys(CLASSES, "storage"),
    **dict.fromkeys(("ScriptFunction", "ScriptModule"), "jit"),
    **dict.fromkeys(("SymBool", "SymFloat", "SymInt"), "_core.symbolic"),
    "Future": "futures",
    "ops": "library",
    "autocast": "amp",
    "GradScaler": "amp",
    **dict.fromkeys(("AcceleratorError", "Event", "OutOfMemoryError", "Stream"), "_core.stream"),
    "set_anomaly_enabled": "autograd.anomaly",
    "Storage": "storage",
    **dict.fromkeys(AUTOCAST, "amp._state"),
}


# What PyTorch has and rushlight has not: why, for the error.
ABSENT = {
    "export": "models run eagerly",
    "nested": "tensors are dense or sparse",
    "ao": "tensors are not quantized",
    "quantization": "tensors are not quantized",
    "mps": "there is no such device",
    "xpu": "there is no such device",
}


def import_submodule(package: str, name: str) -> object:
    """The submodule, or function of one, of this name; AttributeError if there is none."""
    if name in FROM:
        return getattr(importlib.import_module(f"{package}.{FROM[name]}"), name)
    if name in SUBMODULES or name in PRIVATE:
        return importlib.import_module(f"{package}.{name}")
    why = f" ({ABSENT[name]}: see docs/not-supported.md)" if name in ABSENT else ""
    raise AttributeError(f"module 'torch' has no attribute '{name}'{why}")
