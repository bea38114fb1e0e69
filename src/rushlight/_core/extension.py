"""The native extension, if it was built and is not turned off: ``C`` is the module or None."""

import importlib
import os
import warnings
from types import ModuleType
from typing import Any


def load() -> ModuleType | None:
    """Import ``rushlight._C``; None without it, or with RUSHLIGHT_NATIVE=0 in the environment."""
    if os.environ.get("RUSHLIGHT_NATIVE", "1") == "0":
        return None
    try:
        module = importlib.import_module("rushlight._C")
    except ModuleNotFoundError:
        return None
    except ImportError as error:
        warnings.warn(f"rushlight runs without its native kernels: {error}", stacklevel=2)
        return None
    vars(module)["__getattr__"] = _missing
    return module


def _missing(name):
    """Say what it means that the extension lacks a name; a module's ``__getattr__`` comes last."""
    reason = importlib.import_module("rushlight._core.outdated").reason()
    raise AttributeError(f"module 'rushlight._C' has no attribute {name!r}{reason}")


C: Any = load()

# The class of a gradient that is computed when somebody looks at it (csrc/outer.h).
Outer: Any = None if C is None else C.Outer
