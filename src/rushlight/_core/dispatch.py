"""The one general path: everything a thin entry does not take. Overrides, modes, promotion, kernel,
history.
"""

import inspect
import traceback
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from rushlight._core import dtypes, errors, gpu, return_types, writing
from rushlight._core.backend import MODULES, MetaArray, device_kernels, half_kernels, meta_array
from rushlight._core.casting import astype
from rushlight._core.record import Record
from rushlight._core.saved_hooks import pack_entry
from rushlight._core.state import InferenceVersion, S, grad_enabled, thread
from rushlight._core.stream import OutOfMemoryError
from rushlight._core.tensor import PLAIN, Node, Pick, Tensor, check_inference, live_node, wrap

ndarray = np.ndarray
asarray = np.asarray
FLOATS, HALF = dtypes.FLOATS, dtypes.HALF
F4 = dtypes.float32.numpy
NUMBERS = (int, float, complex, np.number, np.bool_)
thin: Any = None  # the entry for arrays of a CUDA device, once there is one (device_entries.py)


def general(op: Record, tensors: tuple, params: tuple, out: Any = None) -> Any:
    """Compute ``op`` whatever its inputs are; the thin entries come here when a test of theirs
    fails.
    """
    for p in params:
        if type(p) in PLAIN:
            params = as_numbers(params)
            break
    if S.watch is not None:
        S.watch(op, tensors, out)
    if thin is not None and out is None and not S.special:
        handled = thin(op, tensors, params)
        if handled is not NotImplemented:
            return handled
    if S.special or not all(type(t) in PLAIN for t in flat(tensors)):
        handled = intercept(op, tensors, params, out)
        if handled is not NotImplemented:
            return handled
        if op.autocast and thread.autocast is not None and out is None:
            tensors = thread.autocast.cast(op.autocast, tensors, params)
        if thread.levels:  # vmap or jvp
            handled = thread.levels[-1].step(op, tensors, params, out)
            if handled is not NotImplemented:
                return handled
    check_tensors(op, tensors)
    arrays = promote(op, tensors)
    result = compute(op, arrays, params, None if out is None else writing.target(op, tensors, out))
    if type(result) is tuple:
        return finish_many(op, tensors, params, result, out)
    made = wrap(result)
    record(op, tensors, params, made)
    return (
        made
        if out is None
        else write_out(op.name, made, out, op.out_same, flat(tensors) if op.out_apart else ())
    )


def as_numbers(params: tuple) -> tuple:
    """Parameters with numbers in the place of tensors without dimensions, in tuples too."""
    return tuple(
        [
            p.item()
            if type(p) in PLAIN and not p._data.ndim
            else as_numbers(p)
            if type(p) is tuple
            else p
            for p in params
        ]
    )


# ---- 1 and 2: overrides and modes ----------------------------------------------------------------


def flat(tensors: tuple) -> list:
    """The tensor arguments one by one (a ListOp has a list of them)."""
    if len(tensors) == 1 and type(tensors[0]) in (list, tuple):
        return list(tensors[0])
    return [t for t in tensors if t is not None]


def intercept(op: Any, tensors: tuple, params: tuple, out: Any) -> Any:
    """Let overrides, then modes, answer the call; NotImplemented if none does."""
    if S.modes:  # innermost first; a mode sees the call with itself off
        mode = S.modes.pop()
        S.special -= 1
        try:
            return mode.process(op, tensors, params, out)
        finally:
            S.modes.append(mode)
            S.special += 1
    if thread.no_override:
        return NotImplemented
    args = flat(tensors)
    overridden = {type(t): t for t in args if overrides(t)}
    if overridden:
        code = op.call.__code__
        takes = op.positional if code.co_flags & inspect.CO_VARARGS else code.co_argcount
        split = takes - len(op.tensors)  # what comes after can only be given by keyword
        kwargs = dict(zip(op.arguments[takes:], params[split:], strict=True))
        if out is not None:
            kwargs["out"] = out
        return ask_overrides(op.call, list(overridden), (*tensors, *params[:split]), kwargs)
    return NotImplemented


def overrides(value: object) -> bool:
    """Does this argument's type answer torch functions itself?"""
    kind = type(value)
    if kind in PLAIN:
        return False
    method = getattr(kind, "__torch_function__", None)
    return method is not None and method is not disabled_torch_function


def ask_overrides(function: Callable, kinds: list[type], args: tuple, kwargs: dict) -> Any:
    """Call ``__torch_function__`` of the argument types, subclasses before their bases."""
    ordered: list[Any] = []
    for kind in kinds:
        at = next((i for i, k in enumerate(ordered) if issubclass(kind, k)), len(ordered))
        ordered.insert(at, kind)
    for kind in ordered:
        result = kind.__torch_function__(function, tuple(kinds), args, kwargs)
        if result is not NotImplemented:
            return result
    names = ", ".join(k.__name__ for k in kinds)
    raise TypeError(
        f"Multiple dispatch failed for 'torch.{function.__name__}'; all __torch_function__ "
        "handlers "
        f"returned NotImplemented: {names}"
    )


class no_override:
    """DisableTorchFunctionSubclass: inside, subclasses are treated as plain tensors."""

    def __enter__(self) -> None:
        self.before = thread.no_override
        thread.no_override = True

    def __exit__(self, *exc: object) -> None:
        thread.no_override = self.before


def torch_function(
    cls: type, func: Callable, types: tuple, args: tuple = (), kwargs: dict | None = None
) -> object:
    """Tensor.__torch_function__: compute as for plain tensors and give the results this class."""
    if not all(issubclass(cls, t) for t in types):
        return NotImplemented
    with no_override():
        result = func(*args, **(kwargs or {}))
    return result if cls is Tensor or func in unchanged_class else as_class(result, cls)


unchanged_class: set = set()  # functions whose results keep the plain class


def as_class(result: Any, cls: type) -> Any:
    """Give plain tensors in a result the subclass ``cls``."""
    if type(result) is Tensor:
        result.__class__ = cls if cls.__flags__ & (1 << 9) else Tensor
        return result
    if type(result) in (tuple, list):
        return type(result)(as_class(r, cls) for r in result)
    if isinstance(result, return_types.NamedResult):
        return tuple.__new__(type(result), [as_class(r, cls) for r in result])
    return result


def disabled_torch_function(
    func: Callable, types: tuple, args: tuple = (), kwargs: dict | None = None
) -> object:
    """The ``__torch_function__`` of classes that never override (Parameter)."""
    with no_override():
        return func(*args, **(kwargs or {}))


# ---- 3: promotion --------------------------------------------------------------------------------


def check_tensors(op: Record, tensors: tuple) -> None:
    """Refuse what is neither a tensor nor a number that may stand for one."""
    names = op.tensors
    if op.variadic:
        if not isinstance(tensors[0], (list, tuple)):
            kind = type(tensors[0]).__name__
            raise TypeError(
                f"{op.name}(): argument 'tensors' (position 1) must be tuple of Tensors, not {kind}"
            )
        for i, t in enumerate(tensors[0]):
            if not isinstance(t, Tensor):
                raise TypeError(
                    f"expected Tensor as element {i} in argument 0, but got {type(t).__name__}"
                )
        return
    numbers: Any = op.numbers
    some = False
    for i, t in enumerate(tensors):
        if isinstance(t, Tensor):
            some = True
        elif t is None and names[i] in op.optional:
            continue
        elif not (numbers and isinstance(t, NUMBERS)) or (
            numbers is not True and names[i] not in numbers
        ):
            if type(numbers) is tuple:
                raise errors.invalid_combination(op.name, names, numbers, tensors)
            raise errors.not_a_tensor(op.name, names[i], i + 1, t)
    if not some and numbers and not op.of_numbers:
        raise errors.not_a_tensor(op.name, names[0], 1, tensors[0])
    if op.check is not None:
        op.check(*tensors)


def dtype_of(op: Record, tensors: list) -> np.dtype:
    """The NumPy dtype an op computes in for these inputs (tensors and Python numbers)."""
    if callable(op.promote):
        found = op.promote(
            [t.dtype if isinstance(t, Tensor) else dtypes.scalar_dtype(t) for t in tensors]
        )
    else:
        dimensioned = [t.dtype for t in tensors if isinstance(t, Tensor) and t._data.ndim]
        zero_dim = [t.dtype for t in tensors if isinstance(t, Tensor) and not t._data.ndim]
        numbers = [dtypes.scalar_dtype(t) for t in tensors if not isinstance(t, Tensor)]
        found = dtypes.result_dtype(dimensioned, zero_dim, numbers)
        if op.promote == "float" and found.category < dtypes.FLOATING:
            found = dtypes.get_default_dtype()
    if found.numpy is None:
        raise NotImplementedError(
            f"{op.name}: {found} is not supported; convert the inputs to complex64 or float32"
        )
    if op.domain is not None:
        op.domain(
            found, [t.dtype if isinstance(t, Tensor) else dtypes.scalar_dtype(t) for t in tensors]
        )
    return found.numpy


def promote(op: Record, tensors: tuple) -> list:
    """The arrays to compute on: one dtype for those that take part in promotion."""
    if op.variadic:
        items = tensors[0]
        if op.promote == "keep" or not items:
            return [[t._data for t in items]]
        d = dtype_of(op, items)
        return [[t._data if t._data.dtype == d else astype(t._data, d) for t in items]]
    if op.promote == "keep":
        return [
            t._data if isinstance(t, Tensor) else None if t is None else asarray(t) for t in tensors
        ]
    takes_part = op.promotes
    d = dtype_of(op, [t for t, p in zip(tensors, takes_part, strict=True) if p and t is not None])
    if d in HALF and op.name in WIDE_NUMBERS and all_on_host(tensors):
        return [cast(t, d if isinstance(t, Tensor) else F4) for t in tensors]
    return [
        None if t is None else cast(t, d) if p else t._data if isinstance(t, Tensor) else asarray(t)
        for t, p in zip(tensors, takes_part, strict=True)
    ]


# PyTorch multiplies half precision by a Python number in float32; it adds it rounded.
WIDE_NUMBERS = ("mul", "div", "lerp")


OF_VALUES = ("pow",)  # look at a number: on a device nobody should wait for it


def all_on_host(tensors: tuple) -> bool:
    """Are the tensors' arrays all NumPy's?"""
    return all(type(t._data) is ndarray for t in tensors if isinstance(t, Tensor))


def cast(t: object, d: np.dtype) -> ndarray:
    """A tensor's array, or a number, in dtype ``d`` (integers wrap around, as in C)."""
    if not isinstance(t, Tensor):
        array = asarray(t)
        if array.dtype.kind == "O":
            raise RuntimeError(
                f"value cannot be converted to type {dtypes.BY_NUMPY[d].name} without overflow"
            )
        return array.astype(d)
    return t._data if t._data.dtype == d else astype(t._data, d)


# ---- 4: the kernel -------------------------------------------------------------------------------


def compute(op: Record, arrays: list, params: tuple, target: Any = None) -> Any:
    """Run the forward on arrays: an array, or a tuple of arrays for an op with several outputs.

    ``target``: a device's array that the result may be written into; it is then the result.
    """
    given = arrays[0] if op.variadic else arrays
    kinds = {type(a) for a in given if a is not None}
    if gpu.cuda.kind is not None and kinds != {ndarray}:
        found = gpu.without_tangents(given)
        if gpu.cuda.kind in {type(a) for a in found}:
            return compute_on_device(op, found, params, target)
    meta = MetaArray in kinds
    if meta:
        if op.by_value:
            raise errors.shape_by_value(op.name)
        if op.promote != "keep":
            check_places(given)
        arrays = [[plain(a) for a in arrays[0]]] if op.variadic else [plain(a) for a in arrays]
    back, run = None, op.run
    if op.half == "widen" or (op.half == "float32" and op.promote != "keep"):
        back = next((a.dtype for a in given if a is not None and a.dtype in HALF), None)
        if back is not None:
            quick = half_kernels.get(op.name)
            if quick is not None and not meta:
                made = quick(*arrays, *params)
                if made is not NotImplemented:
                    return made
            arrays = [[widen(a) for a in arrays[0]]] if op.variadic else [widen(a) for a in arrays]
            run = run if op.halves is None else partial(op.halves, back)
    elif op.name in WIDE_NUMBERS and len({a.dtype for a in arrays}) > 1:
        back = next((a.dtype for a in arrays if a.dtype in HALF), None)
    xp = MODULES.get(next(iter(kinds), ndarray), np)
    try:
        result = run(xp, *arrays, *params)
    except Exception as error:
        better = errors.translate(error, arrays[0] if op.variadic else arrays)
        if better is error:
            raise
        raise better from None
    if op.outputs and type(result) is not ndarray:
        wide = wide_outputs(op, given) if back is not None and op.wide else ()
        return tuple(
            None if r is None else settle(r, None if i in wide else back, meta)
            for i, r in enumerate(result)
        )
    return settle(result, back, meta)


def wide_outputs(op: Record, given: list) -> list[int]:
    """Which outputs stay float32 next to inputs of half precision."""
    mixed = any(a is not None and a.dtype == np.float32 for a in given)
    return [op.outputs.index(name) for name in op.wide] if mixed else []


def compute_on_device(op: Record, given: list, params: tuple, target: Any) -> Any:
    """``compute`` for arrays of a CUDA device, with PyTorch's error where its memory is full."""
    try:
        return compute_there(op, given, params, target)
    except gpu.cuda.exhausted as error:
        raise OutOfMemoryError(f"CUDA out of memory. {error}") from None


def compute_there(op: Record, given: list, params: tuple, target: Any = None) -> Any:
    """All on the same device, and the result there too."""
    with gpu.on(gpu.common(given)):
        if target is not None and writing.written(op, given, params, target):
            return target
        arrays = gpu.moved(given, by_value=op.ufunc is not None or op.name in OF_VALUES)
        kernel = device_kernels.get(op.name)
        if kernel is not None:
            made = kernel(arrays, *params) if op.variadic else kernel(*arrays, *params)
            if made is not NotImplemented:
                return made
        back = None
        if op.half == "widen" or (op.half == "float32" and op.promote != "keep"):
            back = next((a.dtype for a in given if a is not None and a.dtype in HALF), None)
            if back is not None:
                arrays = [
                    a.astype(np.float32) if a is not None and a.dtype in HALF else a for a in arrays
                ]
        try:
            xp = gpu.cuda.xp
            result = op.run(xp, arrays, *params) if op.variadic else op.run(xp, *arrays, *params)
        except (TypeError, AttributeError, NotImplementedError, ValueError):
            result = detour(op, given, params)
        except Exception as error:
            better = errors.translate(error, arrays)
            if better is error:
                raise
            raise better from None
        if op.outputs and isinstance(result, (tuple, list)):
            wide = wide_outputs(op, given) if back is not None and op.wide else ()
            return tuple(
                [
                    None if r is None else settle_on_device(r, None if i in wide else back)
                    for i, r in enumerate(result)
                ]
            )
        return settle_on_device(result, back)


def detour(op: Record, given: list, params: tuple) -> Any:
    """An op whose forward is not made for a device's arrays, on copies of the host.

    What it refuses there it refuses as on the CPU.
    """
    if hasattr(op, "finish_view"):  # a copy would not be a view
        raise NotImplementedError(f"{op.name}: this view of a CUDA tensor is not supported")
    arrays = [gpu.to_host(a) for a in given]
    result = compute(op, [arrays] if op.variadic else arrays, gpu.all_to_host(params))
    gpu.count_detour(op.name)
    return result


def settle_on_device(r: Any, back: np.dtype | None) -> Any:
    """What a forward returned as a device's array of the right dtype."""
    r = gpu.settle(r)
    return r.astype(back) if back is not None and r.dtype == np.float32 else r


def check_places(arrays: Any) -> None:
    """Refuse meta tensors beside others; a 0-d one of the CPU goes with any."""
    wanted = next(
        (type(a) for a in arrays if a is not None and (type(a) is MetaArray or a.ndim)), 0
    )
    for a in arrays:
        if a is None or type(a) is wanted or (type(a) is ndarray and not a.ndim):
            continue
        names = ("meta", "cpu") if type(a) is MetaArray else ("cpu", "meta")
        raise RuntimeError(f"Tensor on device {names[0]} is not on the expected device {names[1]}!")


def plain(a: Any) -> Any:
    """A meta array seen as an ordinary array without storage."""
    return a.view(ndarray) if type(a) is MetaArray else a


def widen(a: Any) -> Any:
    """Half-precision arrays in float32, others as they are."""
    return astype(a, F4) if type(a) is ndarray and a.dtype in HALF else a


def settle(r: object, back: np.dtype | None, meta: bool) -> ndarray:
    """What a forward returned as an array of the right dtype and backend."""
    if type(r) is not ndarray:
        r = asarray(r)
    if back is not None and r.dtype == np.float32:
        r = astype(r, back)
    return meta_array(r.shape, r.dtype) if meta else r


# ---- 5: history ----------------------------------------------------------------------------------


def record(op: Record, tensors: tuple, params: tuple, result: Tensor) -> None:
    """Give a result its node if an input needs a gradient."""
    nodes = nodes_of(op, tensors)
    if nodes is None or result._data.dtype not in dtypes.FLOATING_NUMPY:
        return
    result._node = make_node(op, tensors, nodes, params, (result,))


def nodes_of(op: Record, tensors: tuple) -> list | None:
    """The inputs' nodes, or None if no history is wanted."""
    if not op.differentiable or not grad_enabled():
        return None
    given = tensors[0] if op.variadic else tensors
    nodes: list = []
    some = False
    for t in given:
        n = None
        if type(t) in PLAIN and t._view is None:
            n = t._node
        elif isinstance(t, Tensor):
            n = live_node(t)
        nodes.append(n)
        if n is not None:
            some = True
    return nodes if some else None


def saved_inputs(op: Record, tensors: tuple, nodes: list) -> list:
    """One slot per input with what the gradients that are wanted need of it."""
    if op.variadic:
        return [save_list(op, tensors[0])]
    whole, described = op.save_plan(tuple([n is not None for n in nodes]))
    saved: list[Any] = [None] * len(tensors)
    for i in whole:
        t = tensors[i]
        if type(t) in PLAIN and t._ver is None:
            saved[i] = (t, t._data, 0)
            continue
        if isinstance(t, Tensor) and type(t._ver) is InferenceVersion:
            raise errors.inference_saved()
        saved[i] = save(t, 2)
    for i in described:
        saved[i] = save(tensors[i], 1)
    return saved


def make_node(
    op: Any,
    tensors: tuple,
    nodes: list,
    params: tuple,
    results: Sequence,
    saved: list | None = None,
) -> Node:
    """The node of a call: its edges, and what the gradients that are wanted need kept."""
    if saved is None:
        saved = saved_inputs(op, tensors, nodes)
    for i in op.keep_results:
        r = results[i]
        if r._ver is None:
            r._ver = [0]
        saved.append((r._ver, r._data, r._ver[0]))
    if thread.saved_hooks:
        saved = [pack_entry(e) for e in saved]
    first = results[op.grad_outputs[0]]._data
    node = Node(op, tuple(nodes), tuple(saved), first.shape, first.dtype, params)
    if thread.anomaly is not None:
        node.metadata["traceback_"] = traceback.format_stack()[:-2]
    return node


def save(t: object, how: int) -> tuple | None:
    """A saved slot: nothing (0), shape and dtype (1), or the tensor with its version (2)."""
    if how == 0:
        return None
    if not isinstance(t, Tensor):
        return (t,)
    if how == 1:
        return (t._data.shape, t._data.dtype)
    return (t, t._data, 0 if t._ver is None else t._ver[0])


def save_list(op: Record, tensors: list) -> tuple | None:
    """The saved slot of a ListOp: one slot per tensor."""
    how = op.keep_for((True,))[0]
    return ([save(t, how) for t in tensors],) if how else None


def record_several(op: Record, tensors: tuple, params: tuple, results: Sequence) -> None:
    """Give the outputs that carry a gradient their history."""
    nodes = nodes_of(op, tensors)
    if nodes is None:
        return
    node = make_node(op, tensors, nodes, params, results)
    if len(op.grad_outputs) == 1:
        results[op.grad_outputs[0]]._node = node
        return
    for i in op.grad_outputs:
        r = results[i]
        if r is not None and r._data.dtype in dtypes.FLOATING_NUMPY:
            r._node = Pick(node, i, r._data.shape, r._data.dtype)


def finish_many(op: Record, tensors: tuple, params: tuple, arrays: tuple, out: Any) -> tuple:
    """Wrap several outputs as a named tuple with their history."""
    results: tuple[Any, ...] = tuple([None if a is None else wrap(a) for a in arrays])
    record_several(op, tensors, params, results)
    if out is not None:
        results = tuple(
            [write_out(op.name, r, o, op.out_same) for r, o in zip(results, out, strict=True)]
        )
    return return_types.make(op.return_name, op.outputs, results) if op.named else results


# ---- out= ----------------------------------------------------------------------------------------


def write_out(
    name: str, result: Tensor, out: Tensor, same: bool | str = False, apart: Sequence = ()
) -> Tensor:
    """Put a result into ``out``: resized if its shape differs, cast if its kind allows.

    ``same``: the op writes its own dtype only. ``apart``: arguments whose memory ``out`` must not
    share.
    """
    if not isinstance(out, Tensor):
        raise TypeError(f"{name}(): argument 'out' must be Tensor, not {type(out).__name__}")
    if S.special and thread.levels and thread.levels[-1].write_out(result, out):
        return out
    if type(out._data) is not type(result._data) and out.device is not result.device:
        raise RuntimeError(
            f"Attempting to copy from device {result.device} to device {out.device}, but "
            "cross-device copies are not allowed!"
        )
    if grad_enabled() and (out.requires_grad or result.requires_grad):
        raise RuntimeError(
            f"{name}(): functions with out=... arguments don't support automatic differentiation, "
            "but one of the arguments requires grad."
        )
    check_inference(out)
    if same and out.dtype is not result.dtype:
        named = dtypes.scalar_name if same == "object" else dtypes.cpp_name
        raise errors.other_dtype(named(result.dtype), named(out.dtype), same)
    if out._data.size > 1 and 0 in out._data.strides and overlaps(out._data):
        raise RuntimeError(
            "unsupported operation: more than one element of the written-to tensor refers to a "
            "single memory location. Please clone() the tensor before performing the operation."
        )
    if any(isinstance(t, Tensor) and np.may_share_memory(t._data, out._data) for t in apart):
        raise RuntimeError(
            "unsupported operation: some elements of the input tensor and the written-to tensor "
            "refer to a single memory location. Please clone() the tensor before performing the "
            "operation."
        )
    if not dtypes.can_cast(result.dtype, out.dtype):
        raise errors.cannot_cast(dtypes.scalar_name(result.dtype), dtypes.scalar_name(out.dtype))
    if out._data.shape != result._data.shape:
        if out._data.size:
            warnings.warn(
                "An output with one or more elements was resized since it had shape "
                f"{list(out._data.shape)}, "
                f"which does not match the required output shape {list(result._data.shape)}. This "
                "behavior is "
                "deprecated, and in a future PyTorch release outputs will not be resized unless "
                "they have zero "
                "elements. You can explicitly reuse an out tensor t by resizing it, inplace, to "
                "zero elements "
                "with t.resize_(0).",
                UserWarning,
                stacklevel=4,
            )
        out._data = gpu.made_beside(out._data, "empty", result._data.shape, out._data.dtype)
    gpu.write(out._data, result._data)
    if out._ver is None:
        out._ver = [0]
    out._ver[0] += 1
    return out


def overlaps(x: ndarray) -> bool:
    """Does a zero stride put several elements of an array into one place?"""
    return any(n > 1 and s == 0 for n, s in zip(x.shape, x.strides, strict=True))
