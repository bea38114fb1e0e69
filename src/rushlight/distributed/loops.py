"""Is the main thread in a loop that cannot end? What can be proved of a running loop.

A loop is looked at while it runs, from another thread, a few times in a second. It cannot end if
all that it does is known (it looks at plain values and calls nothing but ``time.sleep`` and
functions that ask this process only), and it either has no way out, or begins again and again with
the same values. Whatever is not known (a call of something else, a tensor, a property, an iterator,
an instruction of a newer Python) may be work, or waiting for something elsewhere: then nothing is
said.
"""

import dis
import inspect
import math
import queue
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import CodeType, FrameType, MemberDescriptorType, ModuleType
from typing import Any

# Looks at one frame before its code is read; and how often a loop must be seen to begin again.
_FIRST, _ROUNDS = 4, 4

_LIBRARIES = (threading.__file__, queue.__file__)
_HARMLESS = [time.sleep, print, abs, len, min, max, sum, bool, int, float, str, round, isinstance]
# Modules whose functions ask, and change, nothing outside this process.
_INSIDE = frozenset({math.__name__, threading.__name__, queue.__name__, "_thread", "_queue"})
# But for those that may raise.
_RAISE = frozenset({"get", "put", "get_nowait", "put_nowait", "wait_for", "Barrier.wait"})
_SCALARS = frozenset({bool, int, float, complex, str, bytes, type(None)})
_CONTAINERS = frozenset({list, tuple, dict, set, frozenset})
_MANY = 64  # elements of a container that are looked at
_UNKNOWN = object()

_NAMES = ("LOAD_GLOBAL", "LOAD_NAME", "LOAD_FAST", "LOAD_DEREF")
_ATTRIBUTES = frozenset({"LOAD_ATTR", "LOAD_METHOD"})
_STORES = ("STORE_FAST", "STORE_NAME", "STORE_GLOBAL", "STORE_DEREF")
_CALLS = frozenset({"CALL", "CALL_KW"})
_PLAIN = frozenset(
    {"NOP", "CACHE", "RESUME", "EXTENDED_ARG", "NOT_TAKEN", "PRECALL", "KW_NAMES", "PUSH_NULL"}
    | {"LOAD_CONST", "LOAD_SMALL_INT", "POP_TOP", "COPY", "SWAP", "TO_BOOL", "UNARY_NOT"}
    | {"UNARY_NEGATIVE", "COMPARE_OP", "IS_OP", "CONTAINS_OP", "BINARY_OP", "BINARY_SUBSCR"}
)
_JUMPS = frozenset(dis.hasjrel) | frozenset(dis.hasjabs)


@dataclass
class Loop:
    """Instructions ``first`` to ``last`` of a code, which goes back from ``jumps`` to ``first``.

    ``chains`` are the names and attributes that it reads (``("time", "sleep")``), ``stores`` the
    names that it sets, ``calls`` says how many calls there are; ``ends`` is whether there is a way
    out, ``nested`` whether it is in another loop.
    """

    first: int
    last: int
    jumps: frozenset[int]
    nested: bool
    ends: bool = False
    chains: list[tuple[str, ...]] = field(default_factory=list)
    stores: list[str] = field(default_factory=list)
    calls: int = 0


def loops_of(code: CodeType) -> list[Loop]:
    """The loops of a code of which each instruction is known, the innermost first."""
    instructions = list(dis.get_instructions(code))
    back: dict[int, list[int]] = {}
    for i in instructions:
        if i.opcode in _JUMPS and i.argval <= i.offset:
            back.setdefault(i.argval, []).append(i.offset)
    ranges = {first: max(jumps) for first, jumps in back.items()}
    found = []
    for first, last in ranges.items():
        nested = any(a <= first and last <= b for a, b in ranges.items() if a != first)
        body = [i for i in instructions if first <= i.offset <= last]
        loop = _read(Loop(first, last, frozenset(back[first]), nested), body)
        found += [] if loop is None else [loop]
    return sorted(found, key=lambda loop: loop.last - loop.first)


def _read(loop: Loop, body: list[dis.Instruction]) -> Loop | None:
    """Fill in what a loop reads, sets and calls; None if there is something else in it."""
    after_load = False  # may an attribute follow?
    for i in body:
        name = i.opname
        if name.startswith((*_NAMES, *_STORES)) and "CHECK" not in name and "CLEAR" not in name:
            after_load = _note_names(loop, name, i.argval)
        elif name in _ATTRIBUTES and after_load and not i.is_jump_target:
            loop.chains[-1] += (i.argval,)
        elif name in _CALLS:
            loop.calls += 1
            after_load = False
        elif i.opcode in _JUMPS and not name.startswith(("FOR_", "SEND")):
            after = i.offset == loop.last and "_IF_" in name  # goes on behind the loop
            loop.ends |= after or not loop.first <= i.argval <= loop.last
            after_load = False
        elif name in ("RETURN_VALUE", "RETURN_CONST"):
            loop.ends = True
        elif name in _PLAIN:
            after_load = after_load and name in ("PUSH_NULL", "CACHE", "EXTENDED_ARG")
        else:
            return None
    return loop


def _note_names(loop: Loop, opname: str, names: Any) -> bool:
    """Newer instructions do two steps (STORE_FAST_LOAD_FAST); was the last one a load?"""
    steps = [step for step in opname.split("_") if step in ("LOAD", "STORE")]
    both = names if isinstance(names, tuple) else (names,)
    for step, name in zip(steps, both, strict=True):
        if step == "LOAD":
            loop.chains.append((name,))
        else:
            loop.stores.append(name)
    return steps[-1] == "LOAD"


# ---- the values that a running loop finds --------------------------------------------------------


def values(frame: FrameType, loop: Loop) -> list[Any] | None:
    """All that decides what the loop does next; None if that cannot be known."""
    found: list[Any] = []
    called = 0
    scopes = frame.f_locals, frame.f_globals, frame.f_builtins
    for chain in [*loop.chains, *((name,) for name in loop.stores)]:
        value = _resolve(scopes, chain)
        if value is _UNKNOWN:
            return None
        if _is_plain(value):
            found.append((type(value), repr(value)))
        elif _is_harmless(value):
            called += 1
        else:
            return None
    return found if called == loop.calls else None


def _resolve(scopes: tuple[Mapping[str, Any], ...], chain: tuple[str, ...]) -> Any:
    name, *attributes = chain
    value = next((scope[name] for scope in scopes if name in scope), _UNKNOWN)
    for attribute in attributes:
        value = _attribute(value, attribute)
    return value


def _attribute(owner: Any, name: str) -> Any:
    """What reading it gives, where that runs no code."""
    if isinstance(owner, ModuleType):
        return vars(owner).get(name, _UNKNOWN)
    if owner is _UNKNOWN or _unusual(type(owner)):
        return _UNKNOWN
    of_class = inspect.getattr_static(type(owner), name, _UNKNOWN)
    if isinstance(of_class, MemberDescriptorType):
        return getattr(owner, name, _UNKNOWN)
    if hasattr(type(of_class), "__set__"):
        return _UNKNOWN
    return getattr(owner, "__dict__", {}).get(name, of_class)


def _unusual(kind: Any) -> bool:
    """Does it look for attributes in a way of its own?"""
    return kind.__getattribute__ is not object.__getattribute__


def _is_plain(value: Any) -> bool:
    """A value that only this process can change, and that does not compute when compared."""
    kind = type(value)
    if kind in _SCALARS:
        return not isinstance(value, int) or value.bit_length() < 1000
    if kind not in _CONTAINERS or len(value) > _MANY:
        return False
    inner = [*value.keys(), *value.values()] if kind is dict else value
    return all(type(v) in _SCALARS for v in inner)


def _is_harmless(value: Any) -> bool:
    if any(value is f for f in _HARMLESS):
        return True
    module = getattr(value, "__module__", None)
    if module is None:
        module = getattr(getattr(value, "__objclass__", None), "__module__", None)
    name = getattr(value, "__qualname__", "")
    if not callable(value) or isinstance(value, type) or module not in _INSIDE:
        return False
    return name not in _RAISE and name.rpartition(".")[2] not in _RAISE


def frames(frame: FrameType | None) -> Iterator[FrameType]:
    """A frame and those that called it."""
    while frame is not None:
        yield frame
        frame = frame.f_back


def of_program(frame: FrameType) -> FrameType:
    """The innermost frame that is not of ``threading`` or ``queue``."""
    return next((f for f in frames(frame) if f.f_code.co_filename not in _LIBRARIES), frame)


# ---- a thread that may be in such a loop ---------------------------------------------------------


class LoopWatch:
    """How long a thread has been in one loop that cannot end; ``look`` is called again and again.

    A frame is held, and its variables are looked at, only when its loop is known to do nothing.
    """

    def __init__(self) -> None:
        self._forget()

    def _forget(self) -> None:
        self._id, self._looks, self._since = 0, 0, 0.0
        self._code: CodeType | None = None
        self._loops: list[Loop] | None = None
        self._frame: FrameType | None = None
        self._loop: Loop | None = None
        self._values: list[Any] | None = None
        self._rounds, self._at = 0, 0
        self._wakes: dict[int, float] = {}  # instruction -> when the sleep there ends

    def look(self, innermost: FrameType | None, now: float, wakes: float = 0.0) -> float:
        """Seconds in the loop, or 0; ``wakes`` says when the thread's sleep ends."""
        if innermost is None:
            self._forget()
            return 0.0
        frame = of_program(innermost)
        code = frame.f_code
        if id(frame) != self._id or code is not self._code:
            self._forget()
            self._id, self._code, self._since = id(frame), code, now
        self._looks += 1
        if self._looks < _FIRST or self._loops == []:
            return 0.0
        if self._loops is None:
            self._loops = loops_of(code)
        if not self._stays(frame):
            self.restart(now)
            return 0.0
        self._count(frame.f_lasti, wakes)
        return now - self._since if self._rounds >= _ROUNDS else 0.0

    def has_end(self) -> bool:
        """Is there a way out of the loop, if some other thread changes what it looks at?"""
        return self._loop is not None and self._loop.ends

    def restart(self, now: float) -> None:
        """Something happened that may end the loop: count from now."""
        self._since, self._rounds = now, 0

    def _stays(self, frame: FrameType) -> bool:
        """Is the thread in the loop it was in, with the same values?"""
        at, loop = frame.f_lasti, self._loop
        if loop is None or not loop.first <= at <= loop.last:
            inside = [x for x in self._loops or () if x.first <= at <= x.last]
            self._frame, self._loop, self._values = None, None, None
            for loop in inside:
                found = values(frame, loop)
                if found is not None:
                    self._frame, self._loop, self._values = frame, loop, found
                    self._wakes, self._rounds, self._at = {}, 0, at
                    return True
            return False
        before, self._values = self._values, values(frame, loop)
        if self._values is None:
            self._frame, self._loop = None, None
        return self._values is not None and before == self._values

    def _count(self, at: int, wakes: float) -> None:
        """Another round: at the jump back, at an earlier place, in the same call's next sleep."""
        loop = self._loop
        assert loop is not None
        back, self._at = at < self._at, at
        if not loop.ends:
            self._rounds += 1
        elif at in loop.jumps:
            # In a loop around this one, values that are set here may have been set back.
            self._rounds += not (loop.nested and loop.stores)
        elif back:
            self._rounds += not loop.nested
        elif wakes:
            self._rounds += self._wakes.get(at, wakes) != wakes and not loop.nested
            self._wakes[at] = wakes
