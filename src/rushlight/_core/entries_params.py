"""The thin entries of operators with parameters, several tensors or lists: see entries.py."""

from collections.abc import Callable
from typing import Any

import numpy as np

from rushlight._core import dtypes, errors, fronts
from rushlight._core.arguments import (
    ALIASES,
    WITHOUT_HALF,
    accepted,
    bind,
)
from rushlight._core.dispatch import NUMBERS, finish_many, general, make_node, record
from rushlight._core.record import Record
from rushlight._core.state import S, thread
from rushlight._core.tensor import PLAIN, Node, Tensor, live_node

ndarray = np.ndarray
asarray, new = np.asarray, object.__new__
F4 = dtypes.float32.numpy
I8 = dtypes.int64.numpy
OPERANDS = (Tensor, *NUMBERS)


def op_entry(op: Record) -> Any:
    """Any number of tensors, then parameters."""
    count = len(op.tensors)
    if op.variadic:
        call = list_entry(op)
    elif count == 1 and not op.outputs:
        call = one_tensor_entry(op)
    elif count == len(op.arguments) == 3 and op.optional == op.tensors[2:] and not op.outputs:
        call = triple_entry(op)
    else:
        call = many_tensor_entry(op)
    return call


def collected(call: Callable, op: Record) -> Callable:
    """For an op with ``varargs``: its last argument, given one by one, is made a tuple."""
    if not op.varargs:
        return call
    count = len(op.tensors)

    def collecting(*args, out=None, **kw):
        if len(args) > count and type(args[count]) is int:
            args = (*args[:count], args[count:])
        return call(*args, out=out, **kw)

    return collecting


def tails_of(op: Record) -> list[tuple | None]:
    """What to append to a call with n positional arguments only; None: ``bind`` decides."""
    return [
        tuple(op.defaults[n:]) if n <= op.positional and not any(op.required[n:]) else None
        for n in range(len(op.arguments))
    ]


def one_tensor_entry(op: Record) -> Any:
    """One tensor and parameters, one result."""
    native, run = op.native, op.reference
    accept, grad, total = accepted(op), op.differentiable, len(op.arguments)
    usual = F4 if F4 in accept else None
    how = op.keep_for((True,))[0] if grad else 0
    keeps_result = bool(op.keep_results)
    tails = tails_of(op)

    def call(*args, out=None, **kw):
        if kw:
            args = bind(op, args, kw)
        elif len(args) != total:
            tail = tails[len(args)] if len(args) < total else None
            args = bind(op, args, kw) if tail is None else args + tail
        input = args[0]
        if type(input) in PLAIN and not S.special and out is None:
            x = input._data
            if type(x) is ndarray and (x.dtype is usual or x.dtype in accept):
                params = args[1:]
                try:
                    r = NotImplemented if native is None else native(x, *params)
                    if r is NotImplemented:
                        r = run(np, x, *params)
                except Exception as error:
                    raise errors.translate(error, [x]) from None
                if type(r) is not ndarray:
                    r = asarray(r)
                t = new(Tensor)
                t._data = r
                t._ver = None
                t._view = None
                p = input._node if input._view is None else live_node(input)
                if p is None or not grad or not (S.grad or thread.grad):
                    t._node = None
                else:
                    if keeps_result:
                        t._ver = [0]
                    t._node = Node(
                        op,
                        (p,),
                        (
                            None
                            if how == 0
                            else (x.shape, x.dtype)
                            if how == 1
                            else (input, x, 0 if input._ver is None else input._ver[0]),
                            (t._ver, r, 0) if keeps_result else None,
                        ),
                        r.shape,
                        r.dtype,
                        params,
                    )
                return t
        return general(op, args[:1], args[1:], out)

    return fronts.stand(collected(call, op), op, kernel=native, reference=run, accept=accept)


def reduce_entry(op: Record) -> Any:
    """One tensor over some dimensions: a signature of its own saves packing arguments (0.3 us).

    ``op.quick``, if there is one, has the signature of ``ufunc.reduce`` and serves float32 and one
    or no ``dim``.
    """
    if op.params[:2] != ("dim", "keepdim") or any(op.required[1:]) or op.outputs:
        return op_entry(op)
    run, accept, grad, quick = op.run, accepted(op), op.differentiable, getattr(op, "quick", None)
    usual = F4 if F4 in accept else None
    how = op.keep_for((True,))[0] if grad else 0
    keeps_result = bool(op.keep_results)
    default_dim, default_keepdim, *others = op.defaults[1:]
    rest = tuple(others)

    def call(input, dim=default_dim, keepdim=default_keepdim, *, out=None, **kw):
        params = (dim, keepdim, *rest) if not kw else by_name(op, dim, keepdim, kw)
        if type(input) in PLAIN and not S.special and out is None:
            x = input._data
            if type(x) is ndarray and (x.dtype is usual or x.dtype in accept):
                try:
                    if (
                        quick is not None
                        and x.dtype is F4
                        and not kw
                        and (dim is None or (type(dim) is int and x.ndim))
                    ):
                        r = quick(x, dim, None, None, keepdim)
                    else:
                        r = run(np, x, *params)
                except Exception as error:
                    raise errors.translate(error, [x]) from None
                if type(r) is not ndarray:
                    r = asarray(r)
                t = new(Tensor)
                t._data = r
                t._ver = None
                t._view = None
                p = input._node if input._view is None else live_node(input)
                if p is None or not grad or not (S.grad or thread.grad):
                    t._node = None
                else:
                    if keeps_result:
                        t._ver = [0]
                    t._node = Node(
                        op,
                        (p,),
                        (
                            None
                            if how == 0
                            else (x.shape, x.dtype)
                            if how == 1
                            else (input, x, 0 if input._ver is None else input._ver[0]),
                            (t._ver, r, 0) if keeps_result else None,
                        ),
                        r.shape,
                        r.dtype,
                        params,
                    )
                return t
        return general(op, (input,), params, out)

    kernel = reduction(quick, rest) if op.native is None else op.native
    return fronts.stand(call, op, kernel=kernel, reference=run, accept=accept)


def reduction(quick: Callable | None, rest: tuple) -> Callable | None:
    """``op.quick`` as a kernel of the front."""
    if quick is None:
        return None

    def kernel(x, dim, keepdim, *others):
        plain = x.dtype is F4 and others == rest
        if plain and (dim is None or (type(dim) is int and x.ndim)):
            return quick(x, dim, None, None, keepdim)
        return NotImplemented

    return kernel


def by_name(op: Record, dim: object, keepdim: object, kw: dict) -> tuple:
    """The parameters of a reduction, some given by other names (``axis``, ``dtype``)."""
    given = {"dim": dim, "keepdim": keepdim}
    for key, value in kw.items():
        name = key if key in op.places else ALIASES.get(key, key)
        if name not in op.places:
            raise errors.unexpected_keyword(op.name, key)
        given[name] = value
    return bind(op, (None,), given)[1:]


def pair_entry(op: Record) -> Any:
    """Two tensors taken as they are, no parameters, one result (the matrix products)."""
    run, grad = op.run, op.differentiable
    masks = [op.keep_for(mask) for mask in ((True, True), (True, False), (False, True))]
    if (
        op.promote != "keep"
        or op.keep_results
        or len(op.arguments) != 2
        or any(1 in m for m in masks)
    ):
        return many_tensor_entry(op)
    (xb, yb), (xf, yf), (xs, ys) = [[k == 2 for k in m] for m in masks]

    def call(input=None, other=None, *, out=None, **kw):
        if kw or other is None:
            given = [a for a in (input, other) if a is not None]
            input, other = bind(op, tuple(given), kw)
        if type(input) in PLAIN and type(other) in PLAIN and not S.special and out is None:
            x, y = input._data, other._data
            if type(x) is ndarray and type(y) is ndarray:
                try:
                    r = run(np, x, y)
                except Exception as error:
                    raise errors.translate(error, [x, y]) from None
                if type(r) is not ndarray:
                    r = asarray(r)
                t = new(Tensor)
                t._data = r
                t._ver = None
                t._view = None
                p = input._node if input._view is None else live_node(input)
                q = other._node if other._view is None else live_node(other)
                if (p is None and q is None) or not grad or not (S.grad or thread.grad):
                    t._node = None
                    return t
                if p is None:
                    kx, ky = xs, ys
                elif q is None:
                    kx, ky = xf, yf
                else:
                    kx, ky = xb, yb
                t._node = Node(
                    op,
                    (p, q),
                    (
                        (input, x, 0 if input._ver is None else input._ver[0]) if kx else None,
                        (other, y, 0 if other._ver is None else other._ver[0]) if ky else None,
                    ),
                    r.shape,
                    r.dtype,
                )
                return t
        return general(op, (input, other), (), out)

    return fronts.stand(call, op, kernel=op.native, reference=op.reference)


def triple_entry(op: Record) -> Any:
    """Three tensors, the last of which may be None, no parameters, one result (linear)."""
    run, accept, others = op.run, accepted(op), many_tensor_entry(op)

    def call(*args, out=None, **kw):
        if len(args) == 3 and not kw and out is None and not S.special:
            a, b, c = args
            if type(a) in PLAIN and type(b) in PLAIN and (c is None or type(c) in PLAIN):
                x, y, z = a._data, b._data, None if c is None else c._data
                d = x.dtype
                same = d is y.dtype and (z is None or d is z.dtype) and d in accept
                if same and type(x) is ndarray and type(y) is ndarray:
                    try:
                        r = run(np, x, y, z)
                    except Exception as error:
                        raise errors.translate(error, [x, y]) from None
                    t = new(Tensor)
                    t._data = r if type(r) is ndarray else asarray(r)
                    t._ver = None
                    t._view = None
                    t._node = None
                    nodes = [
                        a._node if a._view is None else live_node(a),
                        b._node if b._view is None else live_node(b),
                        None if c is None else c._node if c._view is None else live_node(c),
                    ]
                    if (S.grad or thread.grad) and nodes != NO_NODES:
                        t._node = make_node(op, args, nodes, (), (t,))
                    return t
        return others(*args, out=out, **kw)

    kernel, reference = op.native, op.reference
    return fronts.stand(call, op, kernel=kernel, reference=reference, accept=accept, same=7)


NO_NODES = [None, None, None]


def list_entry(op: Record) -> Any:
    """A list of tensors of one dtype, then parameters."""
    native, run = op.native, op.reference
    total, accept, grad = len(op.arguments), accepted(op), op.differentiable
    tails = tails_of(op)

    def call(*args, out=None, **kw):
        if kw:
            args = bind(op, args, kw)
        elif len(args) != total:
            tail = tails[len(args)] if len(args) < total else None
            args = bind(op, args, kw) if tail is None else args + tail
        tensors = args[0]
        if not S.special and out is None and type(tensors) in (list, tuple) and tensors:
            arrays = []
            needed = False
            d = tensors[0]._data.dtype if type(tensors[0]) in PLAIN else None
            for t in tensors:
                if type(t) not in PLAIN:
                    return general(op, args[:1], args[1:], out)
                x = t._data
                if x.dtype is not d or type(x) is not ndarray:
                    return general(op, args[:1], args[1:], out)
                arrays.append(x)
                if t._node is not None or t._view is not None:
                    needed = True
            if d in accept:
                try:
                    r = NotImplemented if native is None else native(arrays, *args[1:])
                    if r is NotImplemented:
                        r = run(np, arrays, *args[1:])
                except Exception as error:
                    raise errors.translate(error, arrays) from None
                t = new(Tensor)
                t._data = r if type(r) is ndarray else asarray(r)
                t._ver = None
                t._view = None
                t._node = None
                if needed and grad and (S.grad or thread.grad):
                    record(op, args[:1], args[1:], t)
                return t
        return general(op, args[:1], args[1:], out)

    return fronts.stand(
        collected(call, op), op, kind="list", kernel=native, reference=run, accept=accept
    )


def many_tensor_entry(op: Record) -> Any:
    """Several tensors (some may be None), or several results."""
    count, total, run, accept = len(op.tensors), len(op.arguments), op.run, accepted(op)
    outputs, grad = op.outputs, op.differentiable
    keep_dtypes, widen = op.promote == "keep", op.half == "widen"
    # The inputs whose dtypes must agree; the others are taken as they are.
    same = None if keep_dtypes else [i for i, p in enumerate(op.promotes) if p]
    tails = tails_of(op)

    def call(*args, out=None, **kw):
        if kw:
            args = bind(op, args, kw)
        elif len(args) != total:
            tail = tails[len(args)] if len(args) < total else None
            args = bind(op, args, kw) if tail is None else args + tail
        tensors = args[:count]
        if S.special or out is not None or tensors[0] is None:
            return general(op, tensors, args[count:], out)
        arrays: list = []
        nodes: list = []
        some = None
        for t in tensors:
            if type(t) not in PLAIN:
                if t is None:
                    arrays.append(None)
                    nodes.append(None)
                    continue
                return general(op, tensors, args[count:], out)
            x = t._data
            if type(x) is not ndarray:
                return general(op, tensors, args[count:], out)
            arrays.append(x)
            p = t._node if t._view is None else live_node(t)
            nodes.append(p)
            if p is not None:
                some = p
        if same is not None:
            d = None
            for x in [arrays[i] for i in same]:
                if x is not None and x.dtype is not d:
                    if d is not None or x.dtype not in accept:
                        return general(op, tensors, args[count:], out)
                    d = x.dtype
        elif widen:
            for x in arrays:
                if x is not None and x.dtype in dtypes.HALF:
                    return general(op, tensors, args[count:], out)
        params = args[count:]
        try:
            r = run(np, *arrays, *params)
        except Exception as error:
            raise errors.translate(error, arrays) from None
        if outputs and type(r) is not ndarray:
            whole = tuple([a if a is None or type(a) is ndarray else asarray(a) for a in r])
            return finish_many(op, tensors, params, whole, None)
        if type(r) is not ndarray:
            r = asarray(r)
        t = new(Tensor)
        t._data = r
        t._ver = None
        t._view = None
        t._node = None
        if some is not None and grad and (S.grad or thread.grad):
            t._node = make_node(op, tensors, nodes, params, (t,))
        return t

    mask = 0 if same is None else sum(1 << i for i in same)
    served = accept if mask else WITHOUT_HALF if widen else ()
    kernel, reference = op.native, op.reference
    entry = collected(call, op)
    return fronts.stand(entry, op, kernel=kernel, reference=reference, accept=served, same=mask)
