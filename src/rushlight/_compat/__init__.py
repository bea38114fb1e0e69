"""Running programs written for PyTorch: the import hook and the script runner."""

from rushlight._compat.hook import install as install
from rushlight._compat.hook import installed as installed
from rushlight._compat.hook import uninstall as uninstall

__all__ = ["install", "installed", "uninstall"]
