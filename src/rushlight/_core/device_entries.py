"""The shortest way from a call to a result for arrays of a CUDA device.

The entries of ``entries.py`` take NumPy's arrays and hand everything else to ``general``, whose
first step asks ``thin``. It takes plain tensors of one dtype on the current device, with numbers
where a ufunc takes them, calls the kernel or CuPy, and fills the same slots as an entry does.
Nothing here looks at a value, so nothing waits for the device. What it does not take, errors
included, it leaves to ``general``; the two must agree on every sample (a test).
"""

from collections.abc import Callable
from typing import Any

from rushlight._core import arguments, dispatch, dtypes, gpu, inplace, writing
from rushlight._core.backend import device_kernels, device_writers
from rushlight._core.dispatch import finish_many, make_node, record
from rushlight._core.record import Record
from rushlight._core.state import S, thread
from rushlight._core.tensor import PLAIN, Tensor, live_node

HALF, FLOATS, FLOATING = dtypes.HALF, dtypes.FLOATS, dtypes.FLOATING_NUMPY
new = object.__new__
_thin: dict[Any, Callable] = {}  # of each operator, made when it is first called on a device


def install(there: bool) -> None:
    """Stand before ``general``, or no longer."""
    _thin.clear()
    dispatch.thin = call if there else None
    inplace.thin = write if there else None


def call(op: Record, tensors: tuple, params: tuple) -> Any:
    """The result of an operator on plain tensors of the current device, or NotImplemented."""
    made = _thin.get(op)
    if made is None:
        made = _thin[op] = family(op)
    return made(tensors, params)


def write(op: Record, t: Tensor, args: tuple) -> bool:
    """Did a kernel write ``op``'s result into ``t``, where no history is concerned? As ``call``, it
    takes plain tensors of one dtype on the current device, and numbers."""
    writer = device_writers.get(op.name)
    if writer is None or op.promote == "keep" or S.special or type(t) not in PLAIN:
        return False
    x: Any = t._data
    count = len(op.tensors) - 1
    if x.dtype not in FLOATING or x.data.device_id != gpu.cuda.module.cuda.runtime.getDevice():
        return False
    if 0 in x.strides or not inplace.without_history(t):
        return False
    arrays = []
    for other in args[:count]:
        if type(other) not in PLAIN:
            if type(other) is not float and type(other) is not int:
                return False
            arrays.append(other)
            continue
        y: Any = other._data
        if (
            type(y) is not gpu.cuda.kind
            or y.dtype != x.dtype
            or y.data.device_id != x.data.device_id
        ):
            return False
        if (S.grad or thread.grad) and live_node(other) is not None:
            return False
        if y is not x and not writing.apart(y, x):
            return False
        arrays.append(y)
    try:
        if writer(x, *arrays, *args[count:], out=x) is NotImplemented:
            return False
    except Exception:  # told by the general path, in PyTorch's words
        return False
    inplace.bump(t)
    return True


def family(op: Record) -> Callable:
    """The entry for an operator: of one or two tensors and one result, of a list, or of any."""
    if op.variadic:
        return of_list(op)
    count = len(op.tensors)
    if op.outputs or count > 2 or (count == 2 and not all(op.promotes)):
        return of_tensors(op)
    if count == 2 and op.promote == "keep":
        return of_tensors(op)
    return of_one(op) if count == 1 else of_two(op)


def dtypes_served(op: Record) -> frozenset:
    """The dtypes of inputs that need no conversion, or that a kernel takes as they are."""
    accept = arguments.accepted(op)
    widened = op.half == "float32" and op.promote != "keep" and op.domain is None
    return accept | HALF if widened or op.half == "widen" else accept


def finish(op: Any, tensors: tuple, nodes: list, params: tuple, r: Any) -> Tensor:
    """The result's tensor, with a node if an input has one."""
    t = new(Tensor)
    t._data = r
    t._ver = None
    t._view = None
    t._node = None
    for p in nodes:
        if p is not None:
            if op.differentiable and (S.grad or thread.grad) and r.dtype in FLOATING:
                t._node = make_node(op, tensors, nodes, params, (t,))
            break
    return t


def of_one(op: Record) -> Callable:
    """An operator of one tensor."""
    compute, served, kind = computing(op), dtypes_served(op), gpu.cuda.kind
    current = gpu.cuda.module.cuda.runtime.getDevice

    def thin(tensors: tuple, params: tuple) -> Any:
        t = tensors[0]
        if type(t) not in PLAIN:
            return NotImplemented
        x = t._data
        if type(x) is not kind or x.dtype not in served or x.data.device_id != current():
            return NotImplemented
        r = compute((x,), params, x.dtype in HALF)
        if type(r) is not kind:
            return NotImplemented
        return finish(op, tensors, [t._node if t._view is None else live_node(t)], params, r)

    return thin


def of_two(op: Record) -> Callable:
    """An operator of two tensors, or of one and a Python number where a ufunc takes it."""
    compute, served, kind = computing(op), dtypes_served(op), gpu.cuda.kind
    current = gpu.cuda.module.cuda.runtime.getDevice
    numbers = FLOATS & arguments.accepted(op) if op.ufunc and op.numbers else frozenset()

    def thin(tensors: tuple, params: tuple) -> Any:
        a, b = tensors
        if type(a) not in PLAIN:
            return NotImplemented
        x = a._data
        if type(x) is not kind or x.dtype not in served or x.data.device_id != current():
            return NotImplemented
        if type(b) in PLAIN:
            y = b._data
            if type(y) is not kind or y.dtype != x.dtype or y.data.device_id != x.data.device_id:
                return NotImplemented
            q = b._node if b._view is None else live_node(b)
        elif (type(b) is float or type(b) is int) and x.dtype in numbers:
            y, q = b, None
        else:
            return NotImplemented
        r = compute((x, y), params, x.dtype in HALF)
        if type(r) is not kind:
            return NotImplemented
        return finish(op, tensors, [a._node if a._view is None else live_node(a), q], params, r)

    return thin


def computing(op: Record) -> Callable:
    """``(arrays, params)`` -> arrays, or NotImplemented: the kernel first, then CuPy."""
    kernel, widens = device_kernels.get(op.name), op.half != "native"
    xp, variadic, reference = gpu.cuda.xp, op.variadic, op.reference
    plain = getattr(gpu.cuda.module, op.ufunc or "", None) if len(op.params) == 0 else None

    def compute(arrays: Any, params: tuple, half: bool) -> Any:
        try:
            if kernel is not None:
                r = kernel(arrays, *params) if variadic else kernel(*arrays, *params)
                if r is not NotImplemented:
                    return r
            if half and widens:
                return NotImplemented
            if plain is not None:
                return plain(*arrays)
            return reference(xp, arrays, *params) if variadic else reference(xp, *arrays, *params)
        except Exception:  # told by the general path, in PyTorch's words
            return NotImplemented

    return compute


def of_tensors(op: Record) -> Callable:
    """An operator of any tensors, some of which may be None."""
    compute, served, kind, outputs = computing(op), dtypes_served(op), gpu.cuda.kind, op.outputs
    taking_part = op.promotes if op.promote != "keep" else (False,) * len(op.tensors)
    current = gpu.cuda.module.cuda.runtime.getDevice

    def thin(tensors: tuple, params: tuple) -> Any:
        arrays: list = []
        nodes: list = []
        d, half, place = None, False, current()
        for t, part in zip(tensors, taking_part, strict=True):
            if type(t) not in PLAIN:
                if t is not None:
                    return NotImplemented
                arrays.append(None)
                nodes.append(None)
                continue
            x = t._data
            if type(x) is not kind or x.data.device_id != place:
                return NotImplemented
            if part:
                d = x.dtype if d is None else d
                if x.dtype != d or d not in served:
                    return NotImplemented
            half = half or x.dtype in HALF
            arrays.append(x)
            nodes.append(t._node if t._view is None else live_node(t))
        if arrays[0] is None:
            return NotImplemented
        r = compute(arrays, params, half)
        if type(r) is kind:
            return finish(op, tensors, nodes, params, r)
        if not outputs or type(r) not in (tuple, list):
            return NotImplemented
        if any(type(a) is not kind and a is not None for a in r):
            return NotImplemented
        return finish_many(op, tensors, params, tuple(r), None)

    return thin


def of_list(op: Record) -> Callable:
    """An operator of a list of tensors."""
    compute, accept, kind = computing(op), arguments.accepted(op), gpu.cuda.kind
    differentiable, current = op.differentiable, gpu.cuda.module.cuda.runtime.getDevice

    def thin(tensors: tuple, params: tuple) -> Any:
        given = tensors[0]
        if type(given) not in (list, tuple) or not given:
            return NotImplemented
        arrays = [t._data for t in given if type(t) in PLAIN and type(t._data) is kind]
        if len(arrays) != len(given):
            return NotImplemented
        d, place = arrays[0].dtype, arrays[0].data.device_id
        if d not in accept or place != current():
            return NotImplemented
        if any(x.dtype != d or x.data.device_id != place for x in arrays):
            return NotImplemented
        r = compute(arrays, params, d in HALF)
        if type(r) is not kind:
            return NotImplemented
        t = new(Tensor)
        t._data = r
        t._ver = None
        t._view = None
        t._node = None
        if differentiable and (S.grad or thread.grad):
            record(op, tensors, params, t)
        return t

    return thin
