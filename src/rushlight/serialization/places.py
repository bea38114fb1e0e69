"""Where PyTorch keeps what stands in another file, or under another name, here.

A file names a class or function by its module. Most of ours are where PyTorch has them; the rest
is found by the tables of this page, in both directions.
"""

import importlib
import sys
from typing import Any

from rushlight import _api
from rushlight._core.generator import Generator
from rushlight._core.tensor import Tensor

# Our packages and PyTorch's, the longer names first.
_PACKAGES = (("rushlight.vision", "torchvision"), ("rushlight", "torch"))

# Modules of ours that PyTorch does not have: where it has their names, to be tried in this order.
_TOP = (
    "torch.nn.functional", "torch.linalg", "torch.fft", "torch.special", "torch.sparse", "torch",
    "torch.autograd",
)  # fmt: skip
_HOMES = {
    "rushlight._core": _TOP,
    "rushlight._ops": _TOP,
    "rushlight.autograd": ("torch.autograd", "torch"),
    "rushlight.distributions.kl_registry": ("torch.distributions.kl",),
    "rushlight.distributions.transform_base": ("torch.distributions.transforms",),
    "rushlight.distributions.transform_pieces": ("torch.distributions.transforms",),
    "rushlight.nn.modules._hooks": ("torch.utils.hooks", "torch.nn.modules.module"),
    "rushlight._core.handle": ("torch.utils.hooks",),
    "rushlight.optim.lr_scheduler": ("torch.optim.lr_scheduler",),
    "rushlight.profiler": ("torch.profiler",),
    "rushlight.serialization": ("torch.serialization",),
    "rushlight.testing": ("torch.testing",),
    "rushlight": _TOP,  # what is in this package itself, not all that is below it
}

# Modules of PyTorch's written in C++: where their names are here, and what to leave off the name.
_COMPILED = {
    "torch._C._nn": ("rushlight.nn.functional", ""),
    "torch._C._linalg": ("rushlight.linalg", "linalg_"),
    "torch._C._fft": ("rushlight.fft", "fft_"),
    "torch._C._special": ("rushlight.special", "special_"),
    "torch._C._sparse": ("rushlight.sparse", "_sparse_"),
}
_OTHER_NAMES = {
    ("torch._C._nn", "log_sigmoid"): "logsigmoid",
    ("torch._C._sparse", "sparse_sampled_addmm"): "sampled_addmm",
}


class _Functions:
    """What files call torch._C._VariableFunctionsClass: they ask it for ``torch.relu`` and more."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(_api, name)


_CLASSES = {
    "Generator": Generator,
    "TensorBase": Tensor,
    "_TensorBase": Tensor,
    "_VariableFunctions": _Functions(),
    "_VariableFunctionsClass": _Functions(),
}


def renamed(module: str, before: int, after: int) -> str | None:
    """A module's name with the package's name changed; None if it is in none of the packages."""
    for package in _PACKAGES:
        if module == package[before] or module.startswith(package[before] + "."):
            return package[after] + module[len(package[before]) :]
    return None


def place_there(obj: Any) -> tuple[str, str] | None:
    """PyTorch's module and name for a class or function of ours; None for anybody else's."""
    if obj is Generator:
        return "torch._C", "Generator"
    module, name = obj.__module__ or "", obj.__qualname__
    for prefix, homes in _HOMES.items():
        below = prefix != "rushlight" and module.startswith(prefix + ".")
        if module == prefix or below:
            for home in homes:
                ours = sys.modules.get(renamed(home, 1, 0) or "")
                if ours is not None and attribute(ours, name) is obj:
                    return home, name
    theirs = renamed(module, 0, 1)
    return None if theirs is None else (theirs, name)


def attribute(module: Any, name: str) -> Any:
    """What a module holds under a name that may have dots; None if there is nothing."""
    first, *rest = name.split(".")
    found = vars(module).get(first)
    for part in rest:
        found = getattr(found, part, None)
    return found


def compiled(module: str, name: str) -> Any:
    """What PyTorch's C++ module has under `name`, as we have it; None if we do not."""
    if module == "torch._C":
        return _CLASSES.get(name)
    if module not in _COMPILED:
        return None
    place, prefix = _COMPILED[module]
    name = _OTHER_NAMES.get((module, name), name.removeprefix(prefix))
    return getattr(importlib.import_module(place), name, None)
