"""The arguments of a call: keywords placed, defaults filled in; the dtypes taken as they are."""

from typing import Any

from rushlight._core import dtypes, errors
from rushlight._core.backend import direct_halves, half_numbers
from rushlight._core.record import Record

FLOATS = dtypes.FLOATS
ALL = frozenset(dtypes.BY_NUMPY)
WITHOUT_HALF = ALL - dtypes.HALF


def accepted(op: Record) -> frozenset:
    """The NumPy dtypes an op's forward takes without any conversion."""
    if op.promote == "float":
        found = FLOATS if op.half == "float32" else FLOATS | dtypes.HALF
    elif op.half == "widen":
        found = WITHOUT_HALF
    elif op.promote == "keep" or op.half == "native":
        found = ALL
    else:
        found = WITHOUT_HALF if op.promote == "common" else frozenset()
    if op.name in direct_halves:
        found |= dtypes.HALF
    return (
        found
        if op.domain is None
        else frozenset([d for d in found if in_domain(op, dtypes.BY_NUMPY[d])])
    )


def beside_numbers(op: Record) -> frozenset:
    """The NumPy dtypes of arrays next to which a Python float may stand as it is."""
    if not op.numbers:
        return frozenset()
    found = FLOATS | dtypes.HALF if op.name in half_numbers else FLOATS
    return found & accepted(op)


def in_domain(op: Record, d: dtypes.dtype) -> bool:
    """Does the op take tensors that are all of this dtype?"""
    domain: Any = op.domain  # asked only of ops that have one
    try:
        domain(d, [d] * len(op.tensors))
    except (RuntimeError, TypeError):
        return False
    return True


# NumPy's spellings, which PyTorch accepts too.
ALIASES = {
    "axis": "dim",
    "keepdims": "keepdim",
    "x": "input",
    "a": "input",
    "x1": "input",
    "x2": "other",
}


def bind(op: Record, args: tuple, kw: dict) -> tuple:
    """The full positional argument list of a call: keywords placed, defaults filled in."""
    filled = len(args)
    if filled > op.positional:
        if not op.varargs or filled <= len(op.tensors):
            raise TypeError(
                f"{op.name}() takes {op.positional} positional arguments but {filled} were given"
            )
        count = len(op.tensors)
        args = (*args[:count], args[count:])
        filled = count + 1
    values, places = [*args, *op.defaults[filled:]], op.places
    for key, value in kw.items():
        at = places.get(key)
        if at is None:
            other = ALIASES.get(key)
            at = places.get(other)
            if at is None:
                raise errors.unexpected_keyword(op.name, key)
            if other in kw:
                raise TypeError(f"{op.name}() got multiple values for argument '{key}'")
        if at < filled:
            raise TypeError(f"{op.name}() got multiple values for argument '{key}'")
        values[at] = value
    if filled < op.needed:
        given = {places.get(k, places.get(ALIASES.get(k))) for k in kw}
        absent = [
            op.arguments[i] for i in range(filled, op.needed) if op.required[i] and i not in given
        ]
        if absent:
            raise errors.missing(op.name, absent)
    return tuple(values)
