"""What the whole process, or a thread, is in: grad mode, the stack of modes, debugging."""

import threading
from collections.abc import Callable
from typing import Any


class State:
    """One global object, so that an entry reads what it needs with one attribute look-up each."""

    __slots__ = ("grad", "inference", "modes", "special", "watch")

    def __init__(self) -> None:
        self.special = 0  # non-zero: some mode is active, every call takes the general path
        self.inference = 0  # how many threads are in inference_mode; counted in special too
        self.grad = True  # no thread is inside no_grad; when False, ask the thread
        self.modes: list = []  # capture, profile, autocast, user modes; innermost last
        # Called with (op, tensors, out) of each call on the general path: tests, RUSHLIGHT_DEBUG=1.
        self.watch: Callable[[Any, tuple, Any], None] | None = None


S = State()
_lock = threading.Lock()
_off = [0]  # how many threads have grad mode off


class _Thread(threading.local):
    def __init__(self) -> None:
        self.grad = True
        self.inference = False
        self.no_override = False  # subclasses are treated as plain tensors
        # (pack, unpack) pairs of autograd.graph.saved_tensors_hooks; and why they are disabled.
        self.saved_hooks: list = []
        self.saved_hooks_disabled: str | None = None
        self.backward: object = None  # the walk backwards that is under way
        # Transforms under way (vmap, jvp), outermost first; S.special counts them.
        self.levels: tuple = ()
        # Under detect_anomaly: check for NaN (True) or only trace (False).
        self.anomaly: bool | None = None
        # What casts inputs while autocast is on here (amp's Caster, which counts in S.special).
        self.autocast: Any = None


thread = _Thread()


def grad_enabled() -> bool:
    """Is gradient recording on in this thread?"""
    return S.grad or thread.grad


def set_grad(on: bool) -> None:
    """Turn gradient recording on or off in this thread."""
    if thread.grad == on:
        return
    thread.grad = on
    with _lock:
        _off[0] += -1 if on else 1
        S.grad = not _off[0]


class InferenceVersion(list):
    """The version counter of a tensor made under ``inference_mode``, and of its views: it marks
    them.
    """

    __slots__ = ()


def set_inference(on: bool) -> None:
    """Enter or leave inference mode in this thread."""
    if thread.inference == on:
        return
    thread.inference = on
    with _lock:
        S.inference += 1 if on else -1
        S.special += 1 if on else -1


def fresh_version() -> InferenceVersion | None:
    """The version counter of a tensor that is being made: None (not needed yet), or a mark."""
    return InferenceVersion([0]) if thread.inference else None
