"""Which entries have a front in C++, and what it is told.

A front (csrc/front.cpp) is a callable that does what the Python entry behind it does for the usual
call: plain tensors, NumPy arrays of an accepted dtype, no ``out``, no mode. All other calls, and
those that fail, it passes to the entry unchanged. It answers every attribute with the entry's.
Without the extension (RUSHLIGHT_NATIVE=0) ``stand`` returns the entry itself: the entries are the
reference, and a test holds the two equal.
"""

from collections.abc import Callable, Iterable
from functools import partial
from sys import intern
from typing import Any

import numpy as np

from rushlight._core import device as devices
from rushlight._core import dispatch, dtypes, return_types, tensor
from rushlight._core.arguments import in_domain
from rushlight._core.backend import half_kernels
from rushlight._core.extension import C
from rushlight._core.quiet import quiet
from rushlight._core.record import Record
from rushlight._core.state import S, fresh_version, thread

KINDS = {"call": 0, "view": 1, "list": 2, "reflected": 3, "getitem": 4, "inplace": 5}

if C is not None:
    C.set_cell(
        tensor.Tensor,
        tensor.Parameter,
        tensor.Node,
        tensor.Leaf,
        tensor.Pick,
        S,
        thread,
        tensor.live_node,
        tensor.check_version,
        fresh_version,
    )

    C.set_defaults(vars(dtypes), "_default", dtypes.float32, devices._default, devices.CPU)
    C.know_facts(dtypes.BY_NUMPY, devices.CPU, devices.strided)


def quick(name: str) -> Callable:
    """A front before a function that makes or reads tensors and is no operator, of this name in
    csrc/create.cpp.
    """
    return (lambda function: function) if C is None else partial(C.front_of, name)


def fact(function: Callable) -> Any:
    """A front before a method that says something of a tensor, of this name in csrc/facts.cpp."""
    return function if C is None else C.fact(function.__name__, function)


def attach(name: str, attribute: property) -> None:
    """Give Tensor an attribute; csrc/facts.cpp answers where it knows the name."""
    if attribute.fget is not None and attribute.fget.__doc__ is None:
        attribute.fget.__doc__ = attribute.__doc__  # where C++'s property looks for it
    setattr(tensor.Tensor, name, attribute if C is None else C.attribute(name, attribute))


for _name, _attribute in list(vars(tensor.Tensor).items()):
    if type(_attribute) is property:
        attach(_name, _attribute)


def like(front: Any) -> Callable:
    """The same front before a function that does the same for the arguments that ``front`` has."""
    return (lambda function: function) if C is None else partial(C.front_like, front)


def stand(
    entry: Callable,
    op: Record,
    *,
    kind: str = "call",
    kernel: Callable | None = None,
    reference: Callable | None = None,
    accept: Iterable = (),
    same: int = 0,
    wide: Iterable = (),
    whole: Iterable = (),
    finish: Any = None,
    by_name: bool = True,
    positional: int | None = None,
) -> Any:
    """A front before ``entry``; ``entry`` itself where there is no extension.

    ``kernel(*arrays, *params)`` may answer NotImplemented, then ``reference(np, *arrays, *params)``
    computes. ``accept``: the dtypes served, of the inputs in the bit mask ``same`` (which must
    agree) or of each. ``wide``, ``whole``: dtypes next to which a Python float, int may stand.
    ``positional``: how many arguments may come without a name, if fewer than the record allows.
    """
    if C is None:
        return entry
    if type(kernel) is np.ufunc:
        kernel = quiet(kernel)
    if finish is None:
        finish = finish_list if kind == "list" else finish_several if op.outputs else None
    how = op.keep_for((True,)) if op.differentiable and len(op.tensors) == 1 else (0,)
    names = tuple([intern(n) if by_name else "" for n in op.arguments])
    defaults, required = tuple(op.defaults), tuple(op.required)
    positional = op.positional if positional is None else positional
    if kind == "reflected":
        names, defaults, required, positional = ("self", "other"), (None, None), (True, True), 2
    return C.front(
        entry,
        op,
        KINDS[kind],
        kernel,
        reference,
        finish,
        (names, defaults, required),
        (len(op.tensors), positional, op.varargs and kind != "reflected"),
        (tuple(accept), tuple(wide), tuple(whole)),
        (same, sum(1 << i for i, t in enumerate(op.tensors) if t in op.optional)),
        op.differentiable,
        bool(op.keep_results),
        how[0],
        halves_of(op, kind),
        common if mixes(op, kind, same) else None,
    )


def mixes(op: Record, kind: str, same: int) -> bool:
    """May the front compute two inputs of different dtypes in their common one?"""
    if kind not in ("call", "reflected") or len(op.arguments) != 2 or len(op.tensors) != 2:
        return False
    both = (same == 3 or kind == "reflected") and all(op.promotes)
    return both and op.promote in ("common", "float") and op.check is None and not op.outputs


def common(op: Record, pair: tuple) -> Any:
    """The dtype in which ``dispatch.promote`` has two inputs computed; None if it refuses them."""
    try:
        dispatch.check_tensors(op, pair)
        return dispatch.dtype_of(op, list(pair))
    except Exception:  # whatever it is, the entry will say it
        return None


def halves_of(op: Record, kind: str) -> tuple:
    """The dtypes of half precision that the front computes by way of float32, as
    ``dispatch.compute`` does, and a kernel that takes them as they are.
    """
    by_floats = op.half == "widen" or (op.half == "float32" and op.promote in ("common", "float"))
    otherwise = op.halves is not None or op.name in dispatch.WIDE_NUMBERS
    if kind != "call" or not by_floats or otherwise or op.check is not None:
        return (), None
    found = [d for d in dtypes.HALF if op.domain is None or in_domain(op, dtypes.BY_NUMPY[d])]
    return tuple(found), half_kernels.get(op.name)


def before(op: Any, kind: str = "call", kernel: str = "", **how: Any) -> Callable:
    """A front before a public function on Tensors that does what ``op`` does in the usual case.

    ``kernel`` is a function of the extension. Keywords go to the function unless ``by_name``.
    """

    def decorate(function: Callable) -> Any:
        if C is None:
            return function
        return stand(
            function, op, kind=kind, kernel=getattr(C, kernel), **{"by_name": False, **how}
        )

    return decorate


def before_getitem(function: Callable, select: Any, piece: Any) -> Any:
    """A front before ``x[index]``; ``select`` is the record of an int, ``piece`` of a slice."""
    if C is None:
        return function
    return stand(function, select, kind="getitem", finish=piece, by_name=False)


def finish_several(op: Record, tensors: tuple, params: tuple, result: Any) -> Any:
    """The tensors of an op with several results."""
    results: list[Any] = []
    for a in result:
        if a is None:
            results.append(None)
        else:
            results.append(tensor.wrap(a if type(a) is np.ndarray else np.asarray(a)))
    if op.differentiable and (S.grad or thread.grad):
        for t in tensors:
            if t is not None and (t._node is not None or t._view is not None):
                dispatch.record_several(op, tensors, params, results)
                break
    several = tuple(results)
    return return_types.make(op.return_name, op.outputs, several) if op.named else several


def finish_list(op: Record, tensors: tuple, params: tuple, result: Any) -> tensor.Tensor:
    """The result of a ListOp with its history."""
    made = tensor.wrap(result)
    dispatch.record(op, tensors, params, made)
    return made
