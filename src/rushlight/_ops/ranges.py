"""Sequences of numbers: arange, linspace, logspace, triangle indices, window functions.

float32 and float64 values have PyTorch's bits: its kernels work in blocks of vectors and with fused
multiply-adds, and so do these formulas.
"""

import math
import operator
import warnings
from typing import Any, SupportsIndex

import numpy as np

from rushlight._core import device as devices
from rushlight._core import dtypes
from rushlight._core.extension import C
from rushlight._core.fused import fma
from rushlight._core.op import public
from rushlight._core.tensor import Tensor, wrap
from rushlight._ops.factory import as_integer, as_number, build, numpy_dtype

F4, F8 = np.dtype(np.float32), np.dtype(np.float64)
NUMBERS = {int, float}


def _compute_dtype(d: np.dtype) -> np.dtype:
    return d if d in (np.float32, np.float64) else np.dtype(np.float32)


@public("torch")
def arange(
    *args,
    start=None,
    end=None,
    step=None,
    out=None,
    dtype=None,
    layout=None,
    device=None,
    pin_memory=False,
    requires_grad=False,
):
    """arange(start=0, end, step=1, *, out=None, dtype=None, ...) -> Tensor

    The numbers from ``start`` up to but not including ``end``, ``step`` apart.

    int64 if all three are integers, else the default dtype. RuntimeError if ``step`` is 0 or points
    away from ``end``.

    >>> torch.arange(1, 2.5, 0.5)
    tensor([1.0000, 1.5000, 2.0000])
    """
    if (  # arange(5), arange(2, 5): little more than NumPy's
        args
        and out is start is end is step is device is layout is None
        and not requires_grad
        and not pin_memory
        and devices.get_default_device() is devices.CPU
    ):
        array = _plain_range(args, dtype)
        if array is not None:
            return wrap(array)
    start, end, step = _bounds(args, start, end, step)
    if dtype is None and out is not None:
        dtype = out.dtype
    if dtype is None:
        integral = all(isinstance(x, int) for x in (start, end, step))
        dtype = dtypes.int64 if integral else dtypes.get_default_dtype()
    d = numpy_dtype("arange", dtype)
    if d.kind in "bc":
        name = dtypes.scalar_name(dtypes.BY_NUMPY[d])
        raise NotImplementedError(f"\"arange_cpu\" not implemented for '{name}'")
    if d.kind in "iu":
        start, end, step = int(start), _integer_end(start, end, step, dtype), int(step)
    else:
        start, end, step = float(start), float(end), float(step)
    count = _count(start, end, step)
    return build(
        "arange",
        lambda shape, d: _steps(start, step, count, d),
        (count,),
        dtype,
        out,
        layout,
        device,
        pin_memory,
        requires_grad,
    )


def _plain_range(args: tuple, dtype: Any) -> np.ndarray | None:
    """``arange`` of Python numbers upwards, in int64 or float32; None for all else."""
    kinds, count = {*map(type, args)}, len(args)
    start, end, step = (0, args[0], 1) if count == 1 else (*args, 1)[:3] if count < 4 else (1, 0, 1)
    if kinds == {int}:
        if dtype is None and end >= start and step > 0:
            return np.arange(start, end, step)
    elif not kinds <= NUMBERS:
        return None
    d = dtypes.get_default_dtype() if dtype is None else dtype
    if C is None or d is not dtypes.float32 or not (step > 0 and math.inf > end - start >= 0):
        return None
    result = np.empty(math.ceil((end - start) / step), F4)
    C.steps(result, float(start), float(step))
    return result


def _bounds(args: tuple, start: Any, end: Any, step: Any) -> tuple:
    names = (
        ("end",) if len(args) == 1 and end is None and start is None else ("start", "end", "step")
    )
    given = {"start": start, "end": end, "step": step}
    if len(args) > 3 or (not args and end is None):
        raise TypeError(
            "arange() received an invalid combination of arguments - got "
            f"({', '.join(type(a).__name__ for a in args)})"
        )
    for position, (name, value) in enumerate(zip(names, args, strict=False), 1):
        given[name] = as_number("arange", name, position, value)
    if given["end"] is None:  # arange(5, step=2)
        given["start"], given["end"] = None, given["start"]
    values = [
        0 if given["start"] is None else given["start"],
        given["end"],
        1 if given["step"] is None else given["step"],
    ]
    values = [
        as_number("arange", n, i + 1, v) for i, (n, v) in enumerate(zip(given, values, strict=True))
    ]
    if any(isinstance(v, complex) for v in values):
        raise RuntimeError("value cannot be converted to type double without overflow")
    return tuple(values)


def _integer_end(start: Any, end: Any, step: Any, dtype: dtypes.dtype) -> int:
    """Integer dtypes truncate their bounds first; int64 refuses a step that becomes zero."""
    _count(start, end, step)
    if dtype is dtypes.int64 and not int(step):
        raise ValueError("step must be nonzero")
    return int(end)


def _count(start: Any, end: Any, step: Any) -> int:
    if step == 0:
        raise RuntimeError("step must be nonzero")
    if not (math.isfinite(start) and math.isfinite(end)):
        raise RuntimeError(f"unsupported range: {start:g} -> {end:g}")
    if (end < start) if step > 0 else (end > start):
        raise RuntimeError("upper bound and lower bound inconsistent with step sign")
    if isinstance(start, int) and isinstance(end, int) and isinstance(step, int):
        return -((start - end) // step)
    return math.ceil((end - start) / step)


def _steps(start: Any, step: Any, count: int, d: np.dtype) -> np.ndarray:
    """start + i * step: the index of a vector's first element is rounded first, then its lanes are
    added.
    """
    if d.kind in "iu":
        return np.arange(start, start + count * step, step, dtype=d) if count else np.empty(0, d)
    t = _compute_dtype(d)
    if C is not None:
        result = np.empty(count, t)
        C.steps(result, start, step)
        return result.astype(d, copy=False)
    i = np.arange(count, dtype=F8)
    if (
        float(start).is_integer()
        and float(step).is_integer()
        and abs(start) + abs(step) * count < 2**24
    ):
        return (start + step * i).astype(d)  # exact in every way of computing it
    lanes = 32 // t.itemsize
    lane = i % lanes
    lane[count - count % (2 * lanes) :] = 0  # the tail is computed one by one
    base = fma(step, i - lane, start, F8)
    head = lane != 0
    result = base.astype(t)
    result[head] = fma(
        step, lane[head], result[np.nonzero(head)[0] - lane[head].astype(np.int64)].astype(F8), F8
    )
    return result.astype(d)


@public("torch")
def range(
    start=0,
    end=None,
    step=1,
    *,
    out=None,
    dtype=None,
    layout=None,
    device=None,
    requires_grad=False,
):
    """range(start=0, end, step=1, *, out=None, dtype=None, ...) -> Tensor

    The numbers from ``start`` to ``end``, both included. Deprecated in PyTorch: use ``arange``.

    >>> torch.range(1, 3)
    tensor([1., 2., 3.])
    """
    warnings.warn(
        "torch.range is deprecated and will be removed in a future release because its behavior is "
        "inconsistent with Python's range builtin. Instead, use torch.arange, which produces "
        "values in "
        "[start, end).",
        UserWarning,
        stacklevel=3,
    )
    if end is None:
        start, end = 0, start
    _count(start, end, step)
    count = math.floor((end - start) / step) + 1
    return build(
        "range",
        lambda shape, d: _steps(start, step, count, d),
        (count,),
        dtype,
        out,
        layout,
        device,
        False,
        requires_grad,
    )


def _endpoint(name: str, argument: str, value: object) -> object:
    if isinstance(value, Tensor) and value.ndim:
        raise RuntimeError(
            f"{name} only supports 0-dimensional start and end tensors, but got {argument} with "
            f"{value.ndim} "
            "dimension(s)."
        )
    return as_number(name, argument, 1 if argument == "start" else 2, value)


def _space(name: str, start: Any, end: Any, steps: Any, dtype: Any, out: Any) -> tuple:
    if type(steps) is not int and (not isinstance(steps, SupportsIndex) or isinstance(steps, bool)):
        given = ", ".join(type(value).__name__ for value in (start, end, steps))
        raise TypeError(
            f"{name}() received an invalid combination of arguments - got ({given}), but steps "
            "must be an int"
        )
    start, end = _endpoint(name, "start", start), _endpoint(name, "end", end)
    steps = as_integer(name, "steps", 3, steps)
    if steps < 0:
        raise RuntimeError("number of steps must be non-negative")
    if dtype is None and out is not None:
        dtype = out.dtype
    if dtype is None and (isinstance(start, complex) or isinstance(end, complex)):
        dtype = dtypes.get_default_dtype().to_complex()
    if dtype is dtypes.bool_:
        raise NotImplementedError(f"\"{name}_cpu\" not implemented for 'Bool'")
    return start, end, steps, dtype


@public("torch")
def linspace(
    start,
    end,
    steps,
    *,
    out=None,
    dtype=None,
    layout=None,
    device=None,
    pin_memory=False,
    requires_grad=False,
):
    """linspace(start, end, steps, *, out=None, dtype=None, ...) -> Tensor

    ``steps`` evenly spaced numbers from ``start`` to ``end``, both included.

    >>> torch.linspace(0, 1, 5)
    tensor([0.0000, 0.2500, 0.5000, 0.7500, 1.0000])
    """
    if (
        out is layout is device is dtype is None
        and type(steps) is int
        and steps >= 0
        and type(start) in NUMBERS
        and type(end) in NUMBERS
        and not pin_memory
        and not requires_grad
        and devices.get_default_device() is devices.CPU
    ):
        return wrap(_evenly(start, end, steps, dtypes.get_default_dtype().numpy))
    start, end, steps, dtype = _space("linspace", start, end, steps, dtype, out)
    return build(
        "linspace",
        lambda shape, d: _evenly(start, end, steps, d),
        (steps,),
        dtype,
        out,
        layout,
        device,
        pin_memory,
        requires_grad,
    )


def _evenly(start: Any, end: Any, steps: int, d: np.dtype) -> np.ndarray:
    """Counted from the nearer end, so that the halves mirror each other."""
    if d.kind in "iu":
        return _evenly_integers(int(start), int(end), steps, d)
    if d.kind == "c":
        return np.linspace(start, end, steps).astype(d)
    t = _compute_dtype(d)
    if C is not None:
        result = np.empty(steps, t)
        C.evenly(result, start, end)
        return result.astype(d, copy=False)
    if steps < 2:
        return np.full(steps, start, d)
    low, high = t.type(start), t.type(end)
    step = (high - low) / t.type(steps - 1)
    i = np.arange(steps, dtype=t)
    half = steps // 2
    first = fma(step, i[:half], low, t)
    second = fma(-step, t.type(steps - 1) - i[half:], high, t)
    return np.concatenate([first, second]).astype(d)


def _evenly_integers(start: int, end: int, steps: int, d: np.dtype) -> np.ndarray:
    if steps < 2:
        return np.full(steps, start, d)
    step = np.float32(end - start) / np.float32(steps - 1)
    i = np.arange(steps)
    half = steps // 2
    first = np.trunc(start + (step * i[:half].astype(np.float32)))
    second = np.trunc(end - step * (steps - 1 - i[half:]).astype(np.float32))
    return np.concatenate([first, second]).astype(d)


@public("torch")
def logspace(
    start,
    end,
    steps,
    base=10.0,
    *,
    out=None,
    dtype=None,
    layout=None,
    device=None,
    pin_memory=False,
    requires_grad=False,
):
    """logspace(start, end, steps, base=10.0, *, out=None, dtype=None, ...) -> Tensor

    ``base`` to the power of ``steps`` evenly spaced exponents from ``start`` to ``end``.

    >>> torch.logspace(start=-1, end=1, steps=3)
    tensor([ 0.1000,  1.0000, 10.0000])
    """
    start, end, steps, dtype = _space("logspace", start, end, steps, dtype, out)

    def make(shape, d):
        if d.kind in "iu":  # integer dtypes truncate the ends first
            t, ends = F8, (int(start), int(end))
        else:
            t = np.dtype(np.complex128) if d.kind == "c" else _compute_dtype(d)
            ends = start, end
        exponents = _evenly(*ends, steps, t)
        return np.power(t.type(base), exponents.astype(np.result_type(t, F8))).astype(d)

    return build("logspace", make, (steps,), dtype, out, layout, device, pin_memory, requires_grad)


# ---- indices of triangles ------------------------------------------------------------------------


def _triangle(
    name: str, row: int, col: int, d: Any, layout: object, device: Any, keep: Any
) -> Tensor:
    row, col = operator.index(row), operator.index(col)
    for argument, value in (("row", row), ("col", col)):
        if value < 0:
            raise RuntimeError(f"{argument} must be non-negative, got{value}")
    if d.is_floating_point or d.is_complex or d is dtypes.bool_:
        raise NotImplementedError(f"\"{name}\" not implemented for '{dtypes.scalar_name(d)}'")
    found = np.array(np.nonzero(keep(np.arange(row)[:, None], np.arange(col))))
    return build(name, lambda shape, d: found.astype(d), found.shape, d, None, layout, device)


@public("torch", out=False)
def tril_indices(row, col, offset=0, *, dtype=dtypes.int64, device=None, layout=None):
    """tril_indices(row, col, offset=0, *, dtype=torch.int64, device=None) -> Tensor

    Rows and columns (2, n) of the elements on and below diagonal ``offset`` of a ``row`` x ``col``
    matrix.

    >>> torch.tril_indices(2, 2)
    tensor([[0, 1, 1],
            [0, 0, 1]])
    """
    return _triangle("tril_indices", row, col, dtype, layout, device, lambda i, j: j <= i + offset)


@public("torch", out=False)
def triu_indices(row, col, offset=0, *, dtype=dtypes.int64, device=None, layout=None):
    """triu_indices(row, col, offset=0, *, dtype=torch.int64, device=None) -> Tensor

    Rows and columns (2, n) of the elements on and above diagonal ``offset`` of a ``row`` x ``col``
    matrix.

    >>> torch.triu_indices(2, 2)
    tensor([[0, 0, 1],
            [0, 1, 1]])
    """
    return _triangle("triu_indices", row, col, dtype, layout, device, lambda i, j: j >= i + offset)


# ---- window functions ----------------------------------------------------------------------------


def _window(
    name: str,
    length: int,
    periodic: bool,
    formula: Any,
    dtype: Any,
    layout: object,
    device: Any,
    pin_memory: bool,
    requires_grad: bool,
) -> Tensor:
    """``formula(i, n - 1)`` at i = 0 .. length-1; a periodic window is one longer and loses its
    last value.
    """
    length = as_integer(name, "window_length", 1, length)
    chosen = dtype or dtypes.get_default_dtype()
    if not (chosen.is_floating_point or chosen.is_complex):
        raise RuntimeError(f"{name} expects floating point dtypes, got: {chosen}")
    if layout is not None and layout is not devices.strided:
        raise RuntimeError(f"{name} is not implemented for sparse types, got: {layout}")
    if length < 0:
        raise RuntimeError(
            f"{name} requires non-negative window_length, got window_length={length}"
        )

    def make(shape, d):
        if length < 2:
            return np.ones(length, d)
        t = _compute_dtype(d)
        n = length + bool(periodic)
        return formula(np.arange(length, dtype=t), n - 1, t).astype(d)

    return build(name, make, (length,), chosen, None, layout, device, pin_memory, requires_grad)


def _cosine(i: np.ndarray, last: int, t: np.dtype, turns: int = 1) -> np.ndarray:
    return np.cos(i * t.type(2 * turns * math.pi / last))


@public("torch", out=False)
def hann_window(
    window_length,
    periodic=True,
    *,
    dtype=None,
    layout=None,
    device=None,
    pin_memory=False,
    requires_grad=False,
):
    """hann_window(window_length, periodic=True, *, dtype=None, ...) -> Tensor

    The Hann window, ``0.5 (1 - cos(2 pi i / (N - 1)))``; ``periodic``: N is one more than
    ``window_length``.

    >>> torch.hann_window(4)
    tensor([0.0000, 0.5000, 1.0000, 0.5000])
    """

    def formula(i, last, t):
        return t.type(0.5) - t.type(0.5) * _cosine(i, last, t)

    return _window(
        "hann_window",
        window_length,
        periodic,
        formula,
        dtype,
        layout,
        device,
        pin_memory,
        requires_grad,
    )


@public("torch", out=False)
def hamming_window(
    window_length,
    periodic=True,
    alpha=0.54,
    beta=0.46,
    *,
    dtype=None,
    layout=None,
    device=None,
    pin_memory=False,
    requires_grad=False,
):
    """hamming_window(window_length, periodic=True, alpha=0.54, beta=0.46, *, dtype=None, ...) ->
        Tensor

    The Hamming window, ``alpha - beta cos(2 pi i / (N - 1))``.

    >>> torch.hamming_window(3, periodic=False)
    tensor([0.0800, 1.0000, 0.0800])
    """

    def formula(i, last, t):
        return t.type(alpha) - t.type(beta) * _cosine(i, last, t)

    return _window(
        "hamming_window",
        window_length,
        periodic,
        formula,
        dtype,
        layout,
        device,
        pin_memory,
        requires_grad,
    )


@public("torch", out=False)
def blackman_window(
    window_length,
    periodic=True,
    *,
    dtype=None,
    layout=None,
    device=None,
    pin_memory=False,
    requires_grad=False,
):
    """blackman_window(window_length, periodic=True, *, dtype=None, ...) -> Tensor

    The Blackman window, ``0.42 - 0.5 cos(2 pi i / (N - 1)) + 0.08 cos(4 pi i / (N - 1))``.

    >>> torch.blackman_window(4).shape
    torch.Size([4])
    """

    def formula(i, last, t):
        return (
            _cosine(i, last, t, 2) * t.type(0.08) - _cosine(i, last, t) * t.type(0.5) + t.type(0.42)
        )

    return _window(
        "blackman_window",
        window_length,
        periodic,
        formula,
        dtype,
        layout,
        device,
        pin_memory,
        requires_grad,
    )


@public("torch", out=False)
def bartlett_window(
    window_length,
    periodic=True,
    *,
    dtype=None,
    layout=None,
    device=None,
    pin_memory=False,
    requires_grad=False,
):
    """bartlett_window(window_length, periodic=True, *, dtype=None, ...) -> Tensor

    The triangular window that is 0 at both ends.

    >>> torch.bartlett_window(4)
    tensor([0.0000, 0.5000, 1.0000, 0.5000])
    """

    def formula(i, last, t):
        rising = i * t.type(2.0 / last)
        middle = (last >> 1) + 1
        return np.concatenate([rising[:middle], t.type(2) - rising[middle:]])

    return _window(
        "bartlett_window",
        window_length,
        periodic,
        formula,
        dtype,
        layout,
        device,
        pin_memory,
        requires_grad,
    )


@public("torch", out=False)
def kaiser_window(
    window_length,
    periodic=True,
    beta=12.0,
    *,
    dtype=None,
    layout=None,
    device=None,
    pin_memory=False,
    requires_grad=False,
):
    """kaiser_window(window_length, periodic=True, beta=12.0, *, dtype=None, ...) -> Tensor

    The Kaiser window, ``I0(beta sqrt(1 - x^2)) / I0(beta)`` with x from -1 to 1.

    >>> torch.kaiser_window(5, periodic=False, beta=0.0)
    tensor([1., 1., 1., 1., 1.])
    """

    def formula(i, last, t):
        x = i.astype(F8) * (2.0 / last) - 1.0
        return np.i0(beta * np.sqrt(np.maximum(1.0 - x * x, 0.0))) / np.i0(float(beta))

    return _window(
        "kaiser_window",
        window_length,
        periodic,
        formula,
        dtype,
        layout,
        device,
        pin_memory,
        requires_grad,
    )
