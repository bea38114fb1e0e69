"""RUSHLIGHT_DEBUG, and ``with debug(level):``, which show and check what the operators do.

1  calls that left their thin entry for the general path, with the reason and the program's line
2  every operator with its time, shapes and dtypes, those of backward included
3  the same, and each one verified: its kernel against its reference, its meta result against the
   real one, its inputs and their version counters unchanged
"""

import atexit
import os
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from rushlight._core import dtypes, gpu
from rushlight._core.arguments import accepted
from rushlight._core.backend import MetaArray, meta_array
from rushlight._core.dispatch import compute, flat, general, promote
from rushlight._core.generator import Generator, default_generator
from rushlight._core.inplace import InPlace
from rushlight._core.record import Record
from rushlight._core.state import S, thread
from rushlight._core.tensor import PLAIN, Tensor, wrap

PACKAGE = str(Path(__file__).parent.parent) + os.sep
# Results that say where an element is: which of several equal ones is open.
POSITIONS = {"kthvalue", "median", "nanmedian", "mode", "topk", "sort"}
# How far a kernel may be from its reference: relative to the largest element of the result.
TOLERANCE = {2: 2e-2, 4: 1e-4, 8: 1e-9, 16: 1e-9}


class DisagreementError(AssertionError):
    """An operator did what its record does not say. The message names it and its arguments."""


class debug:
    """debug(level, file=sys.stderr): a context manager; see the top of this module.

    >>> import sys
    >>> with torch._core.debug.debug(1, sys.stdout):
    ...     _ = torch.add(torch.ones(2), 1, out=torch.empty(2))
    general  add: out= is given (<doctest ...>:2)
    """

    def __init__(self, level: int, file: TextIO | None = None) -> None:
        if level not in (0, 1, 2, 3):
            raise ValueError(f"the debugging level must be 0, 1, 2 or 3, not {level!r}")
        self.file = file
        self.mode = Spoken(self, verify=level == 3) if level > 1 else None
        self.watch = Departures(self) if level == 1 else None

    def say(self, line: str) -> None:
        """Print a line."""
        print(line, file=self.file or sys.stderr)

    def __enter__(self) -> "debug":
        self.before = S.watch
        if self.watch is not None:
            S.watch = self.watch
        if self.mode is not None:
            S.modes.append(self.mode)
            S.special += 1
        return self

    def __exit__(self, *exc: object) -> None:
        S.watch = self.before
        if self.watch is not None:
            self.watch.sum_up()
        if self.mode is not None:
            S.modes.remove(self.mode)
            S.special -= 1


def start(level: str) -> None:
    """Debug the whole program at the level that RUSHLIGHT_DEBUG names."""
    if not level.isdigit():
        raise ValueError(f"RUSHLIGHT_DEBUG must be 0, 1, 2 or 3, not {level!r}")
    whole = debug(int(level))
    whole.__enter__()
    atexit.register(whole.__exit__)


# ---- level 1: who left the entry -----------------------------------------------------------------


class Departures:
    """Hears of every call on the general path; says each op, reason and place once."""

    def __init__(self, owner: debug) -> None:
        self.owner = owner
        self.count: Counter[str] = Counter()

    def __call__(self, op: Record, tensors: tuple, out: Any) -> None:
        line = f"{op.name}: {reason(op, tensors, out)} ({place()})"
        self.count[line] += 1
        if self.count[line] == 1:
            self.owner.say(f"general  {line}")

    def sum_up(self) -> None:
        """The calls that were repeated, most frequent first."""
        for line, n in self.count.most_common():
            if n > 1:
                self.owner.say(f"{n:7}x  {line}")


def reason(op: Record, tensors: tuple, out: Any) -> str:
    """Why a thin entry did not take this call."""
    if S.special:
        names = [type(m).__name__ for m in S.modes] + [type(m).__name__ for m in thread.levels]
        names += ["autocast"] * (thread.autocast is not None) + ["inference"] * thread.inference
        return f"a mode is active: {', '.join(names) or 'in another thread'}"
    if out is not None:
        return "out= is given"
    given = flat(tensors)
    for t in given:
        if isinstance(t, Tensor) and type(t) not in PLAIN:
            return f"{type(t).__name__} is a subclass of Tensor"
    found = [t for t in given if isinstance(t, Tensor)]
    for t in found:
        if type(t._data) is not np.ndarray:
            return f"a tensor of the device {t.device.type}"
    kinds = dict.fromkeys(str(t.dtype) for t in found)
    if len(kinds) > 1:
        return f"dtypes differ: {', '.join(kinds)}"
    numbers = [t for t in given if not isinstance(t, Tensor)]
    if numbers:
        return f"a number beside {next(iter(kinds), 'no tensor')}: {numbers[0]!r}"
    if found and found[0]._data.dtype not in accepted(op):
        return f"the forward does not take {found[0].dtype} as it is"
    return "no thin entry is made for these arguments"


def place() -> str:
    """File and line of the program that called into this package."""
    frame = sys._getframe(2)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(PACKAGE):
        frame = frame.f_back
    return f"{Path(frame.f_code.co_filename).name}:{frame.f_lineno}"


# ---- levels 2 and 3: every operator --------------------------------------------------------------


class Spoken:
    """The mode that says each operator, and verifies it if asked."""

    def __init__(self, owner: debug, verify: bool) -> None:
        self.owner, self.verify = owner, verify

    def process(self, op: Any, tensors: tuple, params: tuple, out: Any) -> Any:
        """Compute, print a line, compare."""
        if isinstance(op, InPlace):
            before: Snapshot | None = Snapshot(tensors[1:]) if self.verify else None
            start = time.perf_counter()
            result = op.call(*tensors, *params)
        else:
            before = Snapshot(flat(tensors)) if self.verify else None
            start = time.perf_counter()
            result = general(op, tensors, params, out)
        took = (time.perf_counter() - start) * 1e6
        shown = " ".join(described(t) for t in flat(tensors))
        self.owner.say(f"{took:9.1f} us  {op.name}  {shown} -> {described(result)}")
        if before is not None and out is None:
            before.compare(op, result)
            if not isinstance(op, InPlace) and not before.drawn():
                compare_with_reference(op, tensors, params, result)
                compare_with_meta(op, tensors, params, result)
        return result


def described(value: object) -> str:
    """A tensor as its dtype and shape, several in brackets, anything else as it prints."""
    if isinstance(value, Tensor):
        return f"{str(value.dtype).removeprefix('torch.')}{list(value._data.shape)}"
    if isinstance(value, (tuple, list)):
        return f"({', '.join(described(v) for v in value)})"
    return repr(value)


class Snapshot:
    """The inputs of an op, and the generator, before it ran."""

    def __init__(self, tensors: Any) -> None:
        self.tensors = [t for t in tensors if isinstance(t, Tensor)]
        self.arrays = [gpu.copied(t._data) for t in self.tensors]
        self.versions = [version_of(t) for t in self.tensors]
        self.stream = default_generator.state_bytes().tobytes()

    def drawn(self) -> bool:
        """Did the op take random numbers?"""
        return default_generator.state_bytes().tobytes() != self.stream

    def compare(self, op: Any, result: Any) -> None:
        """DisagreementError if an input that is not the result was changed."""
        written = flat((result,)) if isinstance(op, InPlace) else ()
        for t, before, version in zip(self.tensors, self.arrays, self.versions, strict=True):
            if any(np.may_share_memory(t._data, w._data) for w in written):
                continue
            if version_of(t) != version or t._data.tobytes() != before.tobytes():
                raise DisagreementError(f"{op.name} changed its input {described(t)}")


def version_of(t: Tensor) -> int:
    """How often the tensor's memory was written to."""
    return 0 if t._ver is None else t._ver[0]


class Reference:
    """A record whose native kernel is not asked."""

    def __init__(self, op: Record) -> None:
        self.op, self.run = op, op.reference

    def __getattr__(self, name: str) -> Any:
        return getattr(self.op, name)


def compare_with_reference(op: Record, tensors: tuple, params: tuple, result: Any) -> None:
    """DisagreementError if the kernel's result is not the reference's, to rounding."""
    if op.native is None or any(isinstance(p, Generator) for p in params):
        return
    expected = compute(Reference(op), promote(op, tensors), params)
    pairs = zip(arrays_of(result), arrays_of(expected), strict=True)
    inputs = [t._data for t in flat(tensors) if isinstance(t, Tensor)]
    for number, (got, wanted) in enumerate(pairs):
        open_ = op.name in POSITIONS and number == 1
        if not open_ and not agree(got, wanted, inputs):
            raise DisagreementError(
                f"{op.name}: result {number} of the kernel differs from the reference's for "
                f"{' '.join(described(t) for t in flat(tensors))}, {params}:\n{got}\n{wanted}"
            )


def compare_with_meta(op: Record, tensors: tuple, params: tuple, result: Any) -> None:
    """DisagreementError if shape or dtype on the meta device are not those of the result."""
    given = tensors[0] if op.variadic else tensors
    made = tuple([on_meta(t) for t in given])
    try:
        expected = compute(op, promote(op, (made,) if op.variadic else made), params)
    except (RuntimeError, NotImplementedError, TypeError, IndexError, ValueError):
        return  # the result depends on values, or the op needs tensors that are None here
    for got, wanted in zip(arrays_of(result), arrays_of(expected), strict=True):
        if (got.shape, got.dtype) != (wanted.shape, wanted.dtype) or type(wanted) is not MetaArray:
            raise DisagreementError(
                f"{op.name}: {got.dtype}{list(got.shape)}, on the meta device "
                f"{wanted.dtype}{list(wanted.shape)} of {type(wanted).__name__}"
            )


def on_meta(t: Any) -> Any:
    """A tensor's shape and dtype without its values; anything else as it is."""
    return wrap(meta_array(t._data.shape, t._data.dtype)) if isinstance(t, Tensor) else t


def arrays_of(result: Any) -> list[np.ndarray]:
    """The arrays of one result or of several."""
    several = result if isinstance(result, (tuple, list)) else (result,)
    return [
        np.asanyarray(r._data if isinstance(r, Tensor) else r) for r in several if r is not None
    ]


def agree(got: np.ndarray, wanted: np.ndarray, inputs: Sequence[np.ndarray] = ()) -> bool:
    """Equal to rounding (of numbers as large as the inputs); nan where nan, inf where inf."""
    if got.shape != wanted.shape or got.dtype != wanted.dtype:
        return False
    if got.dtype not in dtypes.FLOATING_NUMPY:
        return bool((got == wanted).all())
    rtol = TOLERANCE[got.dtype.itemsize]
    wide = np.complex128 if got.dtype.kind == "c" else np.float64
    a, b = got.astype(wide), wanted.astype(wide)
    scale = max(largest(x) for x in (b, *inputs))
    return bool(np.allclose(a, b, rtol=rtol, atol=rtol * scale, equal_nan=True))


def largest(x: np.ndarray) -> float:
    """The largest finite magnitude."""
    if x.dtype not in dtypes.FLOATING_NUMPY:
        return 0.0
    sizes = np.abs(x.astype(np.complex128 if x.dtype.kind == "c" else np.float64))
    return float(sizes[np.isfinite(sizes)].max(initial=0.0))
