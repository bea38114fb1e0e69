"""NumPy's functions as C++ calls them: through a frame of ours.

NumPy warns of overflow and of ``log(0)``, PyTorch does not. ``rushlight/__init__.py`` silences what
NumPy says to our modules, and a warning belongs to the module whose Python frame is innermost:
called straight from C++ that would be the user's.
"""

from collections.abc import Callable
from typing import Any


def quiet(function: Callable) -> Callable:
    """``function`` with a frame of this module around it (50 ns)."""

    def call(*args: Any) -> Any:
        return function(*args)

    return call
