"""What Linux lets a process or a thread say about itself; nothing happens elsewhere."""

import ctypes
import sys
import threading
from typing import Any

_PDEATHSIG, _SET_NAME, _GET_NAME = 1, 15, 16  # of prctl(2)
_NAME_LENGTH = 16  # with the zero at the end

_libc: Any = ctypes.CDLL(None) if sys.platform == "linux" else None


def _prctl_pr_set_pdeathsig(signal: int) -> None:
    """Have the system send `signal` to this process when the one that started it ends."""
    if _libc is not None:
        _libc.prctl(_PDEATHSIG, ctypes.c_ulong(signal), 0, 0, 0)


def _set_thread_name(name: str) -> None:
    """Name the current thread, as tools like top show it (its first 15 bytes)."""
    threading.current_thread().name = name
    if _libc is not None:
        _libc.prctl(_SET_NAME, ctypes.c_char_p(name.encode()[: _NAME_LENGTH - 1]), 0, 0, 0)


def _get_thread_name() -> str:
    """The name of the current thread."""
    if _libc is None:
        return threading.current_thread().name
    text = ctypes.create_string_buffer(_NAME_LENGTH)
    _libc.prctl(_GET_NAME, text, 0, 0, 0)
    return text.value.decode(errors="replace")
