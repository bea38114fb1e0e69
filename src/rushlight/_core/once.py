"""Warnings that PyTorch gives once in a process."""

import warnings

_said: set[str] = set()
_always = [False]


def warn_once(text: str, stacklevel: int = 3) -> None:
    """Warn the first time, or each time after ``set_warn_always(True)``."""
    if text in _said and not _always[0]:
        return
    _said.add(text)
    warnings.warn(text, UserWarning, stacklevel=stacklevel + 1)


def set_always(on: bool) -> None:
    """Say them each time, or once."""
    _always[0] = on


def always() -> bool:
    """Are they said each time?"""
    return _always[0]
