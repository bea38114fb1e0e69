"""``X_`` from X: write into the same storage, then rebase history, also of a base written through a
view.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from rushlight._core import arguments, dtypes, entries, errors, fronts, gpu, writing
from rushlight._core.backend import MetaArray, device_writers, is_complete
from rushlight._core.dispatch import (
    NUMBERS,
    as_numbers,
    compute,
    general,
    intercept,
    make_node,
    promote,
    saved_inputs,
)
from rushlight._core.record import Record
from rushlight._core.state import InferenceVersion, S, grad_enabled, thread
from rushlight._core.tensor import (
    PLAIN,
    Leaf,
    Node,
    Pick,
    Tensor,
    cell,
    check_inference,
    live_node,
    name_of_view,
    of_several,
    replay,
    wrap,
)

ndarray = np.ndarray
copyto = np.copyto
thin: Any = None  # the way of arrays of a CUDA device, once there is one (device_entries.py)


class CopySlices:
    """History of a base after one of its views was written to."""

    grad_name = "CopySlices"
    grad_outputs = (0,)

    @staticmethod
    def backward(node: Node, g: Tensor, need: list) -> list:
        """The base's gradient with the written part replaced by what its writer passes back."""
        if node.saved is None:
            raise errors.backward_twice()
        (view,), inner = node.params, node.saved[0][0][0]
        # A copy of the writer's node: gradients of gradients walk (and release) the copy.
        inner = Node(inner.op, inner.edges, inner.saved, inner.shape, inner.dtype, inner.params)
        g = g.clone()
        part = replay(view, g)
        wanted = [e is not None for e in inner.edges]
        grads = inner.op.backward(inner, part.clone(), wanted)
        if grads[0] is None:
            part.zero_()
        else:
            part.copy_(grads[0])
        return [g, *grads[1:]]


def check_leaf(t: Tensor, node: object) -> None:
    """Refuse an in-place write to a leaf that requires grad, or to a view of one, and outside
    inference mode to what was made in it.
    """
    grad = grad_enabled()
    if grad and type(node) is Leaf:
        raise errors.leaf_in_place(view=False)
    check_inference(t)
    if not grad:
        return
    if t._view is not None:
        check_view(t, node is not None)


def check_view(t: Tensor, tracked: bool) -> None:
    """Refuse a write to a view that history could not follow; ``tracked``: it would be recorded."""
    base = t._view[0]._node
    if t._seen < 0 and (tracked or base is not None):  # made under no_grad, or by a Function
        name = name_of_view(t)
        raise errors.view_written(name, at_base=False, several=type(t._node) is Pick)
    if (tracked or base is not None) and of_several(t._view):
        raise errors.view_written(name_of_view(t), at_base=False, several=True)
    if type(base) is Leaf:
        raise errors.leaf_in_place(view=True)


def bump(t: Tensor) -> None:
    """Count a write to ``t``; its own view information stays current."""
    if t._ver is None:
        t._ver = [1]
        return
    current = t._view is not None and t._seen == t._ver[0]
    t._ver[0] += 1
    if current:
        t._seen = t._ver[0]


def write(t: Tensor, array: ndarray) -> Tensor:
    """Copy an array into a tensor's memory and count the write; leaves with grad refuse."""
    check_leaf(t, live_node(t))
    if type(t._data) is not MetaArray:
        if t._data.shape != np.shape(array):
            check_output_shape(t._data.shape, np.shape(array))
        gpu.write(t._data, array)
    bump(t)
    return t


def check_output_shape(shape: tuple, result: tuple) -> None:
    """The result of an in-place op must have, or broadcast to, the tensor's own shape."""
    try:
        fits = np.broadcast_shapes(shape, result) == shape
    except ValueError:
        fits = False
    if not fits:
        raise RuntimeError(
            f"output with shape {list(shape)} doesn't match the broadcast shape {list(result)}"
        )


def without_history(t: Tensor) -> bool:
    """Is a write to ``t`` of no concern to autograd: it and its base have none, or none is kept?"""
    if type(t._ver) is InferenceVersion:
        return False
    if not (S.grad or thread.grad):
        return True
    return t._node is None and (t._view is None or t._view[0]._node is None)


def writable(t: Any) -> bool:
    """May NumPy write to the memory of ``t``, with no more to do than to count the write?"""
    return (
        type(t) in PLAIN
        and not S.special
        and type(t._data) is ndarray
        and (
            (t._node is None and t._view is None and type(t._ver) is not InferenceVersion)
            or without_history(t)
        )
    )


def derive(op: Any) -> Callable:
    """``X_`` of a record."""
    ufunc = getattr(np, op.ufunc) if op.ufunc and len(op.tensors) == 2 else None
    fn = op.native if ufunc is not None and is_complete(op.name) else ufunc
    accept = arguments.accepted(op)
    wide = arguments.beside_numbers(op)
    whole = wide | ({entries.I8} & accept)
    if fn is not None:
        call = by_ufunc(op, fn, accept, wide, whole)
    elif len(op.arguments) == 1:
        call = by_itself(op, accept)
    else:
        call = by_result(op, accept, wide, whole)
    call.__name__ = call.__qualname__ = op.name + "_"
    home = "torch" if "torch" in op.public else ".".join(["torch", *op.public[:1]])
    call.__doc__ = f"{op.name}_(...) -> Tensor\n\nIn-place form of :func:`{home}.{op.name}`."
    if fn is ufunc:
        return call
    return fronts.stand(
        call, op, kind="inplace", kernel=fn, accept=accept, same=3, wide=wide, whole=whole
    )


def by_itself(op: Record, accept: frozenset) -> Callable:
    """``x.exp_()``: no other tensor, no parameters."""
    fast = op.fast
    direct = op.native or fast  # what it does not serve it answers with NotImplemented: no array
    usual = entries.F4 if entries.F4 in accept else None

    def call(self, *args, **kw):
        x, ver = self._data, self._ver
        if (
            x.dtype is usual
            and self._node is self._view is None
            and type(self) in PLAIN
            and not S.special
            and not args
            and not kw
            and type(x) is ndarray
            and type(ver) is not InferenceVersion
        ):
            try:
                copyto(x, direct(x))
            except Exception:
                return write_general(op, self, ())
            if ver is None:
                self._ver = [1]
            else:
                ver[0] += 1
            return self
        return otherwise(self, *args, **kw)

    def otherwise(self, *args, **kw):
        if args or kw:
            arguments.bind(op, (self, *args), kw)
        if writable(self) and self._data.dtype in accept:
            x = self._data
            try:
                r = fast(x)
            except Exception:
                return write_general(op, self, ())
            if r.dtype is x.dtype:
                copyto(x, r)
                bump(self)
                return self
        return write_general(op, self, ())

    return call


def by_result(op: Record, accept: frozenset, wide: frozenset, whole: frozenset) -> Callable:
    """``x.addcmul_(a, b)``: the result is computed, then copied to where it belongs."""
    total, count, run = len(op.arguments), len(op.tensors), op.run
    keeps, widen = op.promote == "keep", op.half == "widen"
    promotes = op.promotes[1:]
    names = [op.arguments[n + 1 :] for n in range(total)]
    optional, defaults = not any(op.required[count:]), tuple(op.defaults[count:])
    named: Any = op.numbers
    numbers = [named is True or (named is not False and n in named) for n in op.tensors[1:]]

    def operands(args, x):
        """The arrays of a call that concerns no history; None if they are not of one dtype."""
        d, recording, arrays = x.dtype, S.grad or thread.grad, []
        for t, promoted, number in zip(args, promotes, numbers, strict=True):
            if type(t) in PLAIN:
                y = t._data
                if type(y) is not ndarray or (recording and live_node(t) is not None):
                    return None
                if y.dtype is not d and promoted and not keeps:
                    return None
            elif number and (d in wide if type(t) is float else type(t) is int and d in whole):
                y = t if count == 2 else np.array(t, d)
            else:
                return None
            arrays.append(y)
        return arrays

    def call(self, *args, **kw):
        if kw and len(args) < total and tuple(kw) == names[len(args)]:  # in their places: no search
            args = (*args, *kw.values())
        elif not kw and len(args) == count - 1 < total - 1 and optional:
            args = (*args, *defaults)
        elif kw or len(args) != total - 1:
            args = arguments.bind(op, (self, *args), kw)[1:]
        if writable(self):
            x = self._data
            plain = x.dtype in accept or (keeps and not widen)
            others = operands(args[: count - 1], x) if plain else None
            if others is not None:
                try:
                    r = run(np, x, *others, *args[count - 1 :])
                except Exception:
                    return write_general(op, self, args)
                if r.dtype is x.dtype and r.shape == x.shape:
                    copyto(x, r)
                    bump(self)
                    return self
        return write_general(op, self, args)

    return call


def by_ufunc(op: Record, fn: Any, accept: frozenset, wide: frozenset, whole: frozenset) -> Callable:
    """``x.add_(y)``: computed straight into the memory of ``x``."""
    total = len(op.arguments)
    # A comparison's result is not of the inputs' dtype.
    compares = getattr(np, op.ufunc or "").types[-1][-1] == "?"

    def call(self, *args, **kw):
        if kw or len(args) != total - 1:
            args = arguments.bind(op, (self, *args), kw)[1:]
        if type(self) in PLAIN and not S.special and without_history(self):
            other, x = args[0], self._data
            if type(other) in PLAIN:
                y = other._data
                same = x.dtype is y.dtype and type(x) is type(y) is ndarray
                plain = same and x.dtype in accept
                if plain and (live_node(other) is None or not (S.grad or thread.grad)):
                    if y.ndim > x.ndim or compares:
                        return write_general(op, self, args)
                    try:
                        fn(x, y, x)
                    except ValueError as error:
                        raise in_place_error(x, y, error) from None
                    bump(self)
                    return self
            elif (
                (type(other) is float or type(other) is int)
                and type(x) is ndarray
                and x.dtype in (wide if type(other) is float else whole)
                and not compares
            ):
                try:
                    fn(x, other, x)
                except (OverflowError, TypeError):
                    return write_general(op, self, args)
                bump(self)
                return self
        return write_general(op, self, args)

    return call


def update_in_place(kernel: Callable | None, t: Tensor, other: Tensor, number: float) -> bool:
    """``kernel(x, y, number, x)`` in one pass where no history is concerned; False if it does not
    serve."""
    if kernel is None or S.special or type(t) not in PLAIN or type(other) not in PLAIN:
        return False
    x, y = t._data, other._data
    if x.shape != y.shape or not without_history(t) or type(x) is not ndarray:
        return False
    if kernel(x, y, number, x) is NotImplemented:
        return False
    bump(t)
    return True


def in_place_error(x: ndarray, y: ndarray, error: ValueError) -> Exception:
    """PyTorch's text for shapes an in-place op cannot take."""
    try:
        shape = np.broadcast_shapes(x.shape, y.shape)
    except ValueError:
        return errors.translate(error, [x, y])
    return RuntimeError(
        f"output with shape {list(x.shape)} doesn't match the broadcast shape {list(shape)}"
    )


class InPlace:
    """``X_`` as a mode sees it: the record of X, but with the name and the call of ``X_``."""

    def __init__(self, op: Record) -> None:
        self.record, self.name = op, op.name + "_"
        self.arguments, self.tensors, self.params = op.arguments, op.tensors, op.params

        def call(tensor: Tensor, *args: Any) -> Tensor:
            return write_general(op, tensor, args)

        call.__name__ = call.__qualname__ = self.name
        self.call = call


def write_general(op: Record, self: Tensor, args: tuple) -> Tensor:
    """Any in-place call: compute, write, rebase."""
    if thin is not None and type(self._data) is gpu.cuda.kind and thin(op, self, args):
        return self
    check_inference(self)
    count = len(op.tensors) - 1
    inputs, params = [self, *args[:count]], as_numbers(args[count:])
    if S.modes:
        return intercept(InPlace(op), tuple(inputs), params, None)
    if S.special and thread.levels:  # vmap or jvp
        written = thread.levels[-1].write(op, inputs, params)
        if written is not NotImplemented:
            return written
    if not all(type(t) in PLAIN for t in inputs if t is not None and not isinstance(t, NUMBERS)):
        result = general(op, tuple(inputs), params)
        if result is NotImplemented or not isinstance(result, Tensor):
            return result
        return assign(self, result)
    nodes = [live_node(t) if isinstance(t, Tensor) else None for t in inputs]
    need = op.differentiable and grad_enabled() and any(n is not None for n in nodes)
    if any(n is not None for n in nodes) or self._view is not None:
        check_leaf(self, nodes[0])
        if need and self._view is not None:
            check_view(self, True)
    if need and op.keep_for(tuple([n is not None for n in nodes]))[0] == 2:
        inputs[0] = wrap(gpu.copied(self._data), nodes[0])  # a gradient needs its old value
    # Versions as they were before the write: an input that shares memory with self is then known as
    # modified.
    saved = saved_inputs(op, tuple(inputs), nodes) if need else None
    r = compute(op, promote(op, tuple(inputs)), params, self._data)
    found, wanted = dtypes.BY_NUMPY[r.dtype], self.dtype
    if not dtypes.can_cast(found, wanted):
        raise errors.cannot_cast(dtypes.scalar_name(found), dtypes.scalar_name(wanted))
    if r.shape != self._data.shape:
        check_output_shape(self._data.shape, r.shape)
    if type(self._data) is not MetaArray:
        gpu.write(self._data, r)
    bump(self)
    if need:
        rebase(self, make_node(op, tuple(inputs), nodes, params, (self,), saved))
    return self


def assign(self: Tensor, result: Tensor) -> Tensor:
    """Write a computed tensor into ``self``, history included (a composite's in-place form)."""
    if self._data.shape != result._data.shape:
        check_output_shape(self._data.shape, result._data.shape)
    if not dtypes.can_cast(result.dtype, self.dtype):
        raise errors.cannot_cast(dtypes.scalar_name(result.dtype), dtypes.scalar_name(self.dtype))
    return self.copy_(result)


def written_there(name: str, t: Tensor, args: tuple, kw: dict) -> bool:
    """Did a kernel write a composite's result into a device's memory, where no history is
    concerned?"""
    writer = device_writers.get(name)
    if writer is None or S.special or type(t) not in PLAIN or not without_history(t):
        return False
    if any(isinstance(a, Tensor) for a in (*args, *kw.values())) or writing.repeats(t._data):
        return False
    with gpu.on(gpu.index_of(t._data)):
        if writer(t._data, *args, **kw, out=t._data) is NotImplemented:
            return False
    bump(t)
    return True


def derive_composite(name: str, function: Callable) -> Callable:
    """``X_`` of a public function: compute, then copy into place."""

    def call(self, *args, **kw):
        if writable(self):
            x, result = self._data, function(self, *args, **kw)
            if type(result) is Tensor and (result._node is None or not (S.grad or thread.grad)):
                r = result._data
                if type(r) is ndarray and r.dtype is x.dtype and r.shape == x.shape:
                    copyto(x, r)
                    bump(self)
                    return self
            return assign(self, result)
        check_inference(self)
        if type(self._data) is gpu.cuda.kind and written_there(name, self, args, kw):
            return self
        node = live_node(self)
        if node is not None or self._view is not None:
            check_leaf(self, node)
        source = self.clone() if node is not None and grad_enabled() else self
        return assign(self, function(source, *args, **kw))

    call.__name__ = call.__qualname__ = name + "_"
    call.__doc__ = f"{name}_(...) -> Tensor\n\nIn-place form of :func:`torch.{name}`."
    return call


def rebase(t: Tensor, node: Node) -> None:
    """Make ``node`` the history of ``t``; if ``t`` is a view, of its base too, by CopySlices."""
    if t._view is None:
        t._node = node
        return
    base = t._view[0]
    old = live_node(base)
    base._node = Node(
        CopySlices,
        (old, *node.edges[1:]),
        (([node],),),
        base._data.shape,
        base._data.dtype,
        (t._view,),
    )
    t._node = replay(t._view, base)._node
    t._seen = t._ver[0]


def update(writes: tuple[str, ...]) -> Callable:
    """Turn a function that modifies lists of arrays into one on lists of Tensors.

    ``writes`` names the arguments it modifies: their version counters are bumped. No history is
    recorded.
    """

    def decorate(function):
        code = function.__code__
        names = code.co_varnames[: code.co_argcount]
        written = [names.index(w) for w in writes]

        def call(*args, **kw):
            arrays = [arrays_of(a) for a in args]
            first = arrays[0][0] if type(arrays[0]) is list and arrays[0] else None
            if first is None or type(first) is ndarray:
                function(*arrays, **kw)
            else:  # of a device, which is made current
                with gpu.where(first):
                    function(*arrays, **kw)
            for i in written:
                for t in args[i] if type(args[i]) in (list, tuple) else (args[i],):
                    if t is not None:
                        if t._ver is None:
                            t._ver = [1]
                        else:
                            t._ver[0] += 1

        shown: Any = call
        shown.__name__, shown.__doc__, shown.__wrapped__ = (
            function.__name__,
            function.__doc__,
            function,
        )
        return shown

    return decorate


def arrays_of(value: object) -> object:
    """Tensors, or lists of them, as arrays; everything else as it is."""
    if type(value) is list or type(value) is tuple:
        return [t._data if isinstance(t, Tensor) else t for t in value]
    return value._data if isinstance(value, Tensor) else value


__all__ = [
    "CopySlices",
    "assign",
    "bump",
    "cell",
    "derive",
    "derive_composite",
    "rebase",
    "update",
    "write",
]
