"""assert_close: are two results alike, and if not, how far apart."""

import cmath
import contextlib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from rushlight import _api as torch

Place = tuple[Any, ...]  # keys and indices that lead to an item

# dtype -> (rtol, atol); integers must be equal
_TOLERANCES = {
    torch.float16: (1e-3, 1e-5),
    torch.bfloat16: (1.6e-2, 1e-5),
    torch.float32: (1.3e-6, 1e-5),
    torch.complex64: (1.3e-6, 1e-5),
    torch.float64: (1e-7, 1e-7),
    torch.complex128: (1e-7, 1e-7),
}
_NUMBERS = {int: torch.int64, float: torch.float64, complex: torch.complex128}


class _Difference(Exception):  # noqa: N818 (it carries the AssertionError's text)
    """What is wrong, and where in nested inputs."""

    def __init__(self, text: str, place: Place = (), kind: type[Exception] = AssertionError):
        self.text, self.place, self.kind = text, place, kind


class _Options:
    """The arguments of assert_close that rule comparisons."""

    def __init__(self, rtol: float | None, atol: float | None, **others: bool) -> None:
        if (rtol is None) != (atol is None):
            missing = "rtol" if rtol is None else "atol"
            raise ValueError(
                f"Both 'rtol' and 'atol' must be either specified or omitted, but got no {missing}."
            )
        self.rtol, self.atol = rtol, atol
        self.allow_subclasses = others["allow_subclasses"]
        self.equal_nan = others["equal_nan"]
        self.check_device = others["check_device"]
        self.check_dtype = others["check_dtype"]
        self.check_layout = others["check_layout"]
        self.check_stride = others["check_stride"]

    def tolerances(self, *dtypes: Any) -> tuple[float, float]:
        """(rtol, atol): those given, else the widest of the dtypes'."""
        if self.rtol is not None and self.atol is not None:
            return self.rtol, self.atol
        found = [_TOLERANCES.get(d, (0.0, 0.0)) for d in dtypes]
        return max(r for r, _ in found), max(a for _, a in found)


# ---- what is compared with what ------------------------------------------------------------------


def _items(actual: Any, expected: Any, place: Place) -> Iterator[tuple[Any, Any, Place]]:
    """The pairs that nested sequences and mappings are made of."""
    both = (actual, expected)
    if all(isinstance(x, Sequence) and not isinstance(x, str) for x in both):
        if len(actual) != len(expected):
            raise _Difference(
                f"The length of the sequences mismatch: {len(actual)} != {len(expected)}", place
            )
        for i, (a, e) in enumerate(zip(actual, expected, strict=True)):
            yield from _items(a, e, (*place, i))
    elif all(isinstance(x, Mapping) for x in both):
        for key in _common_keys(actual, expected, place):
            yield from _items(actual[key], expected[key], (*place, key))
    else:
        yield actual, expected, place


def _common_keys(actual: Mapping, expected: Mapping, place: Place) -> Collection:
    if actual.keys() != expected.keys():
        missing = sorted(expected.keys() - actual.keys())
        additional = sorted(actual.keys() - expected.keys())
        raise _Difference(
            "The keys of the mappings do not match:\n"
            f"Missing keys in the actual mapping: {missing}\n"
            f"Additional keys in the actual mapping: {additional}",
            place,
        )
    keys: Collection = actual.keys()
    with contextlib.suppress(TypeError):
        keys = sorted(keys)
    return keys


def _comparison(actual: Any, expected: Any, place: Place, options: _Options) -> Callable:
    """The function that compares a pair; TypeError if there is none."""
    both = (actual, expected)
    if actual is None or expected is None:
        return _compare_none
    if all(isinstance(x, (bool, np.bool_)) for x in both):
        return _compare_booleans
    if all(isinstance(x, (int, float, complex, np.number)) for x in both):
        return _compare_numbers
    related = isinstance(actual, type(expected)) or isinstance(expected, type(actual))
    alike = related if options.allow_subclasses else type(actual) is type(expected)
    if alike and all(isinstance(x, (torch.Tensor, np.ndarray)) for x in both):
        return _compare_tensors
    raise _Difference(
        "No comparison pair was able to handle inputs of type "
        f"{type(actual)} and {type(expected)}.",
        place,
        TypeError,
    )


def _compare_none(actual: Any, expected: Any, options: _Options) -> None:
    if actual is not expected:
        raise _Difference(f"None mismatch: {actual} is not {expected}")


def _compare_booleans(actual: Any, expected: Any, options: _Options) -> None:
    if bool(actual) is not bool(expected):
        raise _Difference(f"Booleans mismatch: {bool(actual)} is not {bool(expected)}")


def _compare_numbers(actual: Any, expected: Any, options: _Options) -> None:
    actual = actual.item() if isinstance(actual, np.number) else actual
    expected = expected.item() if isinstance(expected, np.number) else expected
    if options.check_dtype and type(actual) is not type(expected):
        raise _Difference(f"The (d)types do not match: {type(actual)} != {type(expected)}.")
    dtypes = [_NUMBERS.get(type(x), torch.int64) for x in (actual, expected)]
    rtol, atol = options.tolerances(*dtypes)
    if not _numbers_close(actual, expected, rtol, atol, options.equal_nan):
        raise _Difference(_scalar_text(actual, expected, rtol, atol))


def _numbers_close(actual: Any, expected: Any, rtol: float, atol: float, equal_nan: bool) -> bool:
    if actual == expected:
        return True
    if cmath.isnan(actual) and cmath.isnan(expected):
        return equal_nan
    difference = abs(actual - expected)
    return cmath.isfinite(difference) and difference <= atol + rtol * abs(expected)


# ---- tensors -------------------------------------------------------------------------------------


def _compare_tensors(actual: Any, expected: Any, options: _Options) -> None:
    actual, expected = torch.as_tensor(actual), torch.as_tensor(expected)
    _compare_attributes(actual, expected, options)
    if any(str(t.device) == "meta" for t in (actual, expected)):
        return
    rtol, atol = options.tolerances(actual.dtype, expected.dtype)
    with torch.no_grad():
        actual, expected = _on_one_footing(actual.detach(), expected.detach())
        close = torch.isclose(actual, expected, rtol=rtol, atol=atol, equal_nan=options.equal_nan)
        if bool(close.all()):
            return
        if not actual.ndim:
            raise _Difference(_scalar_text(actual.item(), expected.item(), rtol, atol))
        raise _Difference(_tensor_text(actual, expected, close, rtol, atol))


def _compare_attributes(actual: Any, expected: Any, options: _Options) -> None:
    pairs = [("shape", actual.shape, expected.shape)]
    if options.check_layout:
        pairs.append(("layout", actual.layout, expected.layout))
    if options.check_device:
        pairs.append(("device", actual.device, expected.device))
    if options.check_dtype:
        pairs.append(("dtype", actual.dtype, expected.dtype))
    if options.check_stride and actual.layout is torch.strided:
        pairs.append(("stride()", actual.stride(), expected.stride()))
    for name, a, e in pairs:
        if a != e:
            raise _Difference(f"The values for attribute '{name}' do not match: {a} != {e}.")


def _on_one_footing(actual: Any, expected: Any) -> tuple[Any, Any]:
    """Both dense, of one dtype in which differences do not wrap around."""
    if actual.layout is not torch.strided:
        actual, expected = actual.to_dense(), expected.to_dense()
    dtype = actual.dtype
    if expected.dtype is not dtype:
        dtype = torch.promote_types(dtype, expected.dtype)
    if not (dtype.is_floating_point or dtype.is_complex):
        dtype = torch.int64
    return actual.to(dtype), expected.to(dtype)


# ---- messages ------------------------------------------------------------------------------------


def _title(what: str, rtol: float, atol: float) -> str:
    return f"{what} are not {'close' if rtol or atol else 'equal'}!\n\n"


def _allowed(rtol: float, atol: float, value: float) -> str:
    return f" (up to {value} allowed)" if rtol or atol else ""


def _scalar_text(actual: Any, expected: Any, rtol: float, atol: float) -> str:
    absolute = abs(actual - expected)
    relative = float("inf") if expected == 0 else absolute / abs(expected)
    return (
        _title("Scalars", rtol, atol)
        + f"Expected {expected} but got {actual}.\n"
        + f"Absolute difference: {absolute}{_allowed(rtol, atol, atol)}\n"
        + f"Relative difference: {relative}{_allowed(rtol, atol, rtol)}"
    )


def _tensor_text(actual: Any, expected: Any, close: Any, rtol: float, atol: float) -> str:
    total = close.numel()
    wrong = int((~close).sum())
    absolute = (actual - expected).abs()
    relative = absolute / expected.abs()
    lines = [f"Mismatched elements: {wrong} / {total} ({wrong / total:.1%})"]
    for name, difference, limit in (("absolute", absolute, atol), ("relative", relative, rtol)):
        difference[close] = 0  # also where 0 / 0 and inf - inf were no mismatch
        at = int(difference.flatten().argmax())
        index = tuple(int(i) for i in np.unravel_index(at, tuple(difference.shape)))
        worst = difference.flatten()[at].item()
        lines.append(
            f"Greatest {name} difference: {worst} at index {index}{_allowed(rtol, atol, limit)}"
        )
    return _title("Tensor-likes", rtol, atol) + "\n".join(lines)


def _raise(difference: _Difference, place: Place, msg: str | Callable | None) -> None:
    text = difference.text
    if place:
        where = "".join(f"[{key!r}]" for key in place)
        text += f"\n\nThe failure occurred for item {where}"
    if msg is not None:
        text = msg(text) if callable(msg) else msg
    raise difference.kind(text) from None


def assert_close(
    actual: Any,
    expected: Any,
    *,
    allow_subclasses: bool = True,
    rtol: float | None = None,
    atol: float | None = None,
    equal_nan: bool = False,
    check_device: bool = True,
    check_dtype: bool = True,
    check_layout: bool = True,
    check_stride: bool = False,
    msg: str | Callable[[str], str] | None = None,
) -> None:
    """assert_close(actual, expected, *, allow_subclasses=True, rtol=None, atol=None,
    equal_nan=False, check_device=True, check_dtype=True, check_layout=True, check_stride=False,
    msg=None) -> None

    AssertionError unless ``|actual - expected| <= atol + rtol * |expected|`` for every element.
    Takes tensors, NumPy arrays, numbers, None, and sequences and mappings of them. ``rtol`` and
    ``atol`` default to values that suit the dtype (float32: 1.3e-6 and 1e-5; integers: 0).
    TypeError for what cannot be compared. ``msg`` replaces the message, or makes it from ours.

    >>> torch.testing.assert_close(torch.ones(2) / 3 * 3, torch.ones(2))
    >>> torch.testing.assert_close(torch.tensor([1, 2]), torch.tensor([1, 3]))
    Traceback (most recent call last):
    AssertionError: Tensor-likes are not equal!
    <BLANKLINE>
    Mismatched elements: 1 / 2 (50.0%)
    Greatest absolute difference: 1 at index (1,)
    Greatest relative difference: 0.3333333432674408 at index (1,)
    """
    options = _Options(
        rtol,
        atol,
        allow_subclasses=allow_subclasses,
        equal_nan=equal_nan,
        check_device=check_device,
        check_dtype=check_dtype,
        check_layout=check_layout,
        check_stride=check_stride,
    )
    at: Place = ()
    try:
        pairs = [
            (a, e, place, _comparison(a, e, place, options))
            for a, e, place in _items(actual, expected, ())
        ]
        for a, e, place, compare in pairs:
            at = place
            compare(a, e, options)
    except _Difference as difference:
        _raise(difference, difference.place or at, msg)
