"""The native extension, if it was built and is not turned off: ``C`` is the module or None."""

import importlib
import os
from types import ModuleType
from typing import Any


def load() -> ModuleType | None:
    """Import ``rushlight._C``; None without it, or with RUSHLIGHT_NATIVE=0 in the environment."""
    if os.environ.get("RUSHLIGHT_NATIVE", "1") == "0":
        return None
    try:
        return importlib.import_module("rushlight._C")
    except ImportError:
        return None


C: Any = load()

# The class of a gradient that is computed when somebody looks at it (csrc/outer.h).
Outer: Any = None if C is None else C.Outer
