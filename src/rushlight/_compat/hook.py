"""``import torch`` and ``import torchvision`` as names of rushlight's own modules.

``install()`` puts a finder on ``sys.meta_path`` that answers for the names in ``ROOTS``. It loads
nothing twice: the foreign name is entered in ``sys.modules`` for the very module object of ours, so
``torch.nn is rushlight.nn`` whichever of the two was imported first. Nothing is installed unless
asked for.
"""

import importlib
import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import CodeType, ModuleType

from rushlight._compat.torch_version import TORCH_VERSION
from rushlight._version import __version__

# The foreign root, and where its modules stand here.
ROOTS = {"torch": "rushlight", "torchvision": "rushlight.vision"}
# What `__version__` says to who imports them by the foreign name: the releases that are followed.
_VERSIONS = {"rushlight": TORCH_VERSION, "rushlight.vision": "0.28.0+rushlight"}
# A module that stands elsewhere than its name says.
_MOVED = {
    "torch.torch_version": "rushlight._compat.torch_version",
    "torch._C": "rushlight._compat.torch_c",
}


def our_name(name: str) -> str | None:
    """Return the name of our module for a foreign one, or None if the name is not foreign."""
    root, dot, rest = name.partition(".")
    if root not in ROOTS:
        return None
    return _MOVED.get(name, ROOTS[root] + dot + rest)


def _dress(package: ModuleType) -> None:
    """Give the package the names that libraries expect of the module ``torch`` itself.

    ``torch._C`` is then PyTorch's extension, of which there are a few names, not ours.
    """
    names = {"__name__": "torch", "torch": package}
    vars(package).update(names, _C=importlib.import_module(_MOVED["torch._C"]))


def _undress(package: ModuleType) -> None:
    """Take these names away again."""
    for name in ("torch", "_C"):
        vars(package).pop(name, None)
    vars(package)["__name__"] = "rushlight"
    if "rushlight._C" in sys.modules:
        vars(package)["_C"] = sys.modules["rushlight._C"]


class _AliasLoader(Loader):
    """Loads a module by putting one that exists under a second name."""

    def __init__(self, ours: str) -> None:
        self.ours = ours

    def create_module(self, spec: ModuleSpec) -> None:
        """An empty module will do: ``exec_module`` replaces it."""
        return

    def exec_module(self, module: ModuleType) -> None:
        """Enter our module under the foreign name: the import system hands out what is there."""
        ours = importlib.import_module(self.ours)
        if self.ours in _VERSIONS:
            vars(ours)["__version__"] = _VERSIONS[self.ours]
        if self.ours == "rushlight":
            _dress(ours)
        sys.modules[module.__name__] = ours

    def get_code(self, name: str) -> CodeType | None:
        """The code of our module, for ``python -m torch.distributed.run`` and the like."""
        spec = find_spec(self.ours)
        get_code = None if spec is None else getattr(spec.loader, "get_code", None)
        return None if get_code is None else get_code(self.ours)


class _Finder(MetaPathFinder):
    """Answers for the foreign names, and for nothing else."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return a spec that leads to our module, or say that rushlight has no such module."""
        ours = our_name(fullname)
        if ours is None:
            return None
        found = find_spec(ours)
        if found is None:
            raise ModuleNotFoundError(
                f"No module named {fullname!r}: rushlight does not have it "
                "(docs/not-supported.md lists what is left out)",
                name=fullname,
            )
        is_package = found.submodule_search_locations is not None
        return ModuleSpec(fullname, _AliasLoader(ours), origin=found.origin, is_package=is_package)


_finder = _Finder()


def installed() -> bool:
    """Whether ``import torch`` gives rushlight."""
    return _finder in sys.meta_path


def _foreign_modules() -> dict[str, ModuleType]:
    return {name: module for name, module in sys.modules.items() if our_name(name) is not None}


def install() -> None:
    """Make ``import torch`` and ``import torchvision`` give rushlight's modules.

    ``torch.__version__`` then names the PyTorch release whose behaviour is followed, for programs
    that parse it. RuntimeError if the real PyTorch has been imported already.
    """
    if installed():
        return
    for name, module in _foreign_modules().items():
        if module is not sys.modules.get(our_name(name) or ""):
            raise RuntimeError(
                f"{name} is already imported from {getattr(module, '__file__', 'elsewhere')}; "
                "install the hook before the first `import torch`"
            )
    sys.meta_path.insert(0, _finder)


def uninstall() -> None:
    """Take the hook away and forget the foreign names; modules that were imported stay usable."""
    if not installed():
        return
    sys.meta_path.remove(_finder)
    for name in _foreign_modules():
        del sys.modules[name]
    for name in _VERSIONS.keys() & sys.modules.keys():
        vars(sys.modules[name])["__version__"] = __version__
    if "rushlight" in sys.modules:
        _undress(sys.modules["rushlight"])
