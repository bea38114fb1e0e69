"""The public names whose documentation is held to a rule, and what they are derived from."""

import importlib
import inspect
import re
import types

import rushlight as torch

# The namespaces that hold operators; each is a module of the same name.
MODULES = (
    "nn.functional",
    "linalg",
    "fft",
    "special",
    "signal.windows",
    "masked",
    "sparse",
    "func",
    "autograd.forward_ad",
)
# A derived form says what it is derived from; that one has the example.
DERIVED = re.compile(
    r"(?:In-place form of|The form of|A copy of|Short for|See|Alias of)\s+:\w+:`torch\.([\w.]+)`"
)
FLAGS = re.compile(r"Tensor\.is_(cuda|ipu|mkldnn|mps|nested|quantized|sparse\w*|vulkan|xla|xpu)$")


def is_function(value):
    """Is it a function, or a class that is used as one (``no_grad``)?"""
    return callable(value) and not isinstance(value, (types.ModuleType, type))


def documented_names():
    """Every public name that owes an example: dotted name -> the object."""
    found = {n: getattr(torch, n) for n in torch.__all__}
    found = {n: f for n, f in found.items() if is_function(f) and not isinstance(f, torch.dtype)}
    for module in MODULES:
        space = importlib.import_module(f"rushlight.{module}")
        for name in getattr(space, "__all__", vars(space)):
            value = getattr(space, name)
            if is_function(value) and not name.startswith("_"):
                found[f"{module}.{name}"] = value
    for name in dir(torch.Tensor):
        if not name.startswith("_"):
            found[f"Tensor.{name}"] = inspect.getattr_static(torch.Tensor, name)
    return found


def doc_of(value):
    """The docstring of a function or of a property."""
    return inspect.cleandoc(getattr(value, "__doc__", None) or "")


def origin_of(value):
    """The public name that a derived form names in its documentation, or None."""
    match = DERIVED.search(doc_of(value))
    return match and match.group(1)


def resolve(dotted):
    """The object of a public name below ``torch``."""
    value = torch
    for part in dotted.split("."):
        value = (
            inspect.getattr_static(value, part) if isinstance(value, type) else getattr(value, part)
        )
    return value
