"""The thin entry of each family: the shortest way from a call to a result.

Hot code: locals for globals, slots instead of properties, no isinstance. An entry handles plain
tensors of one dtype on NumPy arrays; whatever else comes goes to ``general``. It must agree with
``general`` on every sample (a test). Where the native extension was built, a front in C++ stands
before each entry and does the same for the usual call (see ``fronts``).
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from rushlight._core import dtypes, errors, fronts, gpu
from rushlight._core.arguments import accepted, beside_numbers, bind
from rushlight._core.dispatch import NUMBERS, as_numbers, general
from rushlight._core.record import Record
from rushlight._core.state import S, thread
from rushlight._core.tensor import PLAIN, Node, Tensor, cell, live_node, wrap

ndarray = np.ndarray
asarray, new = np.asarray, object.__new__
F4 = dtypes.float32.numpy
I8 = dtypes.int64.numpy
OPERANDS = (Tensor, *NUMBERS)


def unary_entry(op: Record) -> Any:
    """One array in, one of the same shape out, no parameters."""
    fn, accept, grad = op.fast, accepted(op), op.differentiable
    usual = F4 if F4 in accept else None  # asked before the set (20 ns)
    keeps_input = grad and op.keep_for((True,))[0] == 2
    keeps_result = bool(op.keep_results)

    def call(input, *, out=None):
        if type(input) in PLAIN and not S.special and out is None:
            x = input._data
            if type(x) is ndarray and (x.dtype is usual or x.dtype in accept):
                try:
                    r = fn(x)
                except Exception as error:
                    raise errors.translate(error, [x]) from None
                if type(r) is not ndarray:  # ufuncs on 0-d arrays return scalars (10 ns)
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
                            (input, x, 0 if input._ver is None else input._ver[0])
                            if keeps_input
                            else None,
                            (t._ver, r, 0) if keeps_result else None,
                        ),
                        r.shape,
                        r.dtype,
                    )
                return t
        return general(op, (input,), (), out)

    return fronts.stand(call, op, kernel=fn, accept=accept)


def binary_entry(op: Record, otherwise: Callable = general) -> Any:
    """Two arrays that broadcast, or an array and a Python number.

    ``otherwise`` takes all else: the general path, or an operator's that answers NotImplemented to
    strangers.
    """
    fn, accept, grad = op.fast, accepted(op), op.differentiable
    both, first, second = (True, True), (True, False), (False, True)
    xb, yb = (k == 2 for k in op.keep_for(both)) if grad else (False, False)
    xf, yf = (k == 2 for k in op.keep_for(first)) if grad else (False, False)
    xs, ys = (k == 2 for k in op.keep_for(second)) if grad else (False, False)
    keeps_result = bool(op.keep_results)
    # Numbers NumPy takes without changing the array's dtype: any real one next to a float array.
    wide = beside_numbers(op)
    whole = wide | ({I8} & accept if op.numbers else frozenset())  # and an int next to int64

    def with_number(input, other, x, out):
        try:
            r = fn(x, other)
        except OverflowError:
            return otherwise(op, (input, other), (), out)
        if type(r) is not ndarray:
            r = asarray(r)
        t = new(Tensor)
        t._data = r
        t._ver = None
        t._view = None
        p = input._node if input._view is None else live_node(input)
        if p is None or not grad or not (S.grad or thread.grad):
            t._node = None
            return t
        if keeps_result:
            t._ver = [0]
        t._node = Node(
            op,
            (p, None),
            (
                (input, x, 0 if input._ver is None else input._ver[0]) if xf else None,
                (other,) if yf else None,
                (t._ver, r, 0) if keeps_result else None,
            ),
            r.shape,
            r.dtype,
        )
        return t

    def call(input, other, *, out=None):
        if type(input) in PLAIN and not S.special and out is None:
            x = input._data
            if type(other) in PLAIN:
                y = other._data
                if (
                    x.dtype is y.dtype
                    and type(x) is ndarray
                    and type(y) is ndarray
                    and x.dtype in accept
                ):
                    try:
                        r = fn(x, y)
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
                    if keeps_result:
                        t._ver = [0]
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
                            (t._ver, r, 0) if keeps_result else None,
                        ),
                        r.shape,
                        r.dtype,
                    )
                    return t
            elif type(other) is float:
                if x.dtype in wide and type(x) is ndarray:
                    return with_number(input, other, x, out)
            elif type(other) is int and x.dtype in whole and type(x) is ndarray:
                return with_number(input, other, x, out)
        return otherwise(op, (input, other), (), out)

    return fronts.stand(call, op, kernel=fn, accept=accept, same=3, wide=wide, whole=whole)


def operator_method(op: Record, tensors: tuple, params: tuple, out: object) -> object:
    """The general path of a method such as ``__add__``: it belongs to a tensor."""
    if not isinstance(tensors[0], Tensor):
        raise TypeError(
            f"descriptor '__{op.operator}__' for 'torch._C.TensorBase' objects doesn't apply to a "
            f"'{type(tensors[0]).__name__}' object"
        )
    return operator_fallback(op, tensors, params, out)


def operator_fallback(op: Record, tensors: tuple, params: tuple, out: object) -> object:
    """The general path of ``a + b``: strangers get a chance to answer with their ``__radd__``."""
    for t in tensors:
        if not isinstance(t, OPERANDS):
            if type(t) is ndarray:
                return general(
                    op, tuple([wrap(x) if type(x) is ndarray else x for x in tensors]), params, out
                )
            if not hasattr(type(t), "__torch_function__"):
                return NotImplemented
    return general(op, tensors, params, out)


def reflected_entry(op: Record) -> Any:
    """``2 - x``: a Python number first."""
    fn, grad = op.fast, op.differentiable
    keeps_number, keeps_input = (
        (k == 2 for k in op.keep_for((False, True))) if grad else (False, False)
    )
    keeps_result = bool(op.keep_results)
    wide = beside_numbers(op)

    def call(self, other):
        if type(self) in PLAIN and not S.special and (type(other) is float or type(other) is int):
            y = self._data
            if type(y) is ndarray and y.dtype in wide:
                try:
                    r = fn(other, y)
                except OverflowError:
                    return general(op, (other, self), ())
                if type(r) is not ndarray:
                    r = asarray(r)
                t = new(Tensor)
                t._data = r
                t._ver = None
                t._view = None
                q = self._node if self._view is None else live_node(self)
                if q is None or not grad or not (S.grad or thread.grad):
                    t._node = None
                    return t
                if keeps_result:
                    t._ver = [0]
                t._node = Node(
                    op,
                    (None, q),
                    (
                        (other,) if keeps_number else None,
                        (self, y, 0 if self._ver is None else self._ver[0])
                        if keeps_input
                        else None,
                        (t._ver, r, 0) if keeps_result else None,
                    ),
                    r.shape,
                    r.dtype,
                )
                return t
        return operator_fallback(op, (other, self), (), None)

    return fronts.stand(call, op, kind="reflected", kernel=fn, wide=wide)


def view_entry(op: Record) -> Any:
    """A view: shares memory and the version counter, and knows how it was made."""
    run, grad, total, varargs = op.run, op.differentiable, len(op.arguments), op.varargs
    keeps = op.keep_for((True,))[0] if grad else 0  # 1: shape and dtype; 2: strides and offset too

    def call(*args, **kw):
        if (varargs and len(args) > 2) or (len(args) == 2 and type(args[1]) is int and varargs):
            args = (args[0], args[1:])
        if kw or len(args) != total:
            args = bind(op, args, kw)
        input = args[0]
        if type(input) in PLAIN and not S.special:
            x = input._data
            try:
                if type(x) is ndarray:
                    r = run(np, x, *args[1:])
                else:  # what no view can be made of is copied, on its own device
                    with gpu.where(x):
                        r = run(np, x, *args[1:])
            except Exception as error:
                if any(type(p) in PLAIN and not p._data.ndim for p in args[1:]):
                    return call(input, *as_numbers(args[1:]))
                raise errors.translate(error, [x]) from None
            return finish_view(input, x, r, args[1:])
        result = general(op, args[:1], args[1:], None)
        return link_view(op, input, result, args[1:])

    def finish_view(input, x, r, params):
        t = new(Tensor)
        t._data = r
        v = input._view
        p = input._node if v is None else live_node(input)
        on = S.grad or thread.grad
        b = r.base
        if not (
            b is x or (b is not None and b is x.base) or r is x or shares(r, x)
        ):  # a copy: not a view
            t._ver = None
            t._view = None
        else:
            c = input._ver
            if c is None:
                c = input._ver = [0]
            t._ver = c
            t._view = (input, None, op, params) if v is None else (v[0], v, op, params)
            t._seen = c[0] if (p is None or on) and (v is None or input._seen >= 0) else -1
        if p is None or not grad or not on:
            t._node = None
        else:
            t._node = Node(
                op,
                (p,),
                ((x.shape, x.dtype) if keeps == 1 else (wrap(x),) if keeps else None,),
                r.shape,
                r.dtype,
                params,
            )
        return t

    op.finish_view = staticmethod(finish_view)
    return fronts.stand(call, op, kind="view", kernel=op.native, reference=op.reference)


def shares(r: ndarray, x: ndarray) -> bool:
    """Does a view made in a roundabout way still look at the memory of ``x``?"""
    return r.size > 0 and np.may_share_memory(r, x)


def link_view(op: Record, input: Tensor, result: object, params: tuple) -> object:
    """Tie a view that the general path computed to its base."""
    if (
        isinstance(result, Tensor)
        and isinstance(input, Tensor)
        and np.may_share_memory(result._data, input._data)
    ):
        v = input._view
        result._ver = cell(input)
        result._view = (input if v is None else v[0], v, op, params)
        result._seen = result._ver[0]
    return result
