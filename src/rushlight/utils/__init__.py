"""torch.utils: data loading, checkpoints."""

import importlib
from typing import Any

from rushlight.utils import checkpoint as checkpoint
from rushlight.utils import data as data
from rushlight.utils import hooks as hooks
from rushlight.utils import serialization as serialization

# Loaded when first named: ``torch.utils.dlpack`` is there without an import of its own.
_LATER = frozenset(
    {"_pytree", "_python_dispatch", "benchmark", "dlpack", "flop_counter", "model_zoo"}
)


def __getattr__(name: str) -> Any:
    if name in _LATER:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module 'torch.utils' has no attribute '{name}'")
