"""Forward mode: arrays that carry a tangent, and how each operator passes it on.

The tangent rides on the array, so a dual tensor is a tensor like any other: its node, its views
and its memory are its own. What an operator does to it is derived from the record: a linear
operator does the same to the tangent, an elementwise one multiplies it by its own gradient
formula, and for all others the gradient formula, which is linear in the gradient, is
differentiated with respect to it.
"""

from typing import Any

import numpy as np

from rushlight._core import dtypes, gpu
from rushlight._core.batched import BatchedArray, batched
from rushlight._core.dispatch import flat, make_node
from rushlight._core.levels import (
    Level,
    Wrapped,
    call,
    invoke,
    map_tensors,
    overwrite,
    same_tensor,
)
from rushlight._core.op import Binary, Unary, View
from rushlight._core.record import Record
from rushlight._core.state import grad_enabled, set_grad, thread
from rushlight._core.tensor import Leaf, Node, Tensor, live_node, replay, wrap
from rushlight.autograd.engine import fit, run


class DualArray(Wrapped):
    """An array, the one below (``inner``), and its tangent on one level."""

    inner: Any = None
    tangent: Any = None  # a Tensor

    def below_dead(self) -> Any:
        """The array without its tangent."""
        return self.view(np.ndarray) if self.inner is None else self.inner

    def plain(self) -> Any:
        """The values alone."""
        x = self.below_dead()
        return x.plain() if isinstance(x, Wrapped) else x

    def inside(self) -> Any:
        """The array without its tangent, whatever became of the level."""
        return self.below_dead()

    def placed(self, place: Any) -> Any:
        """Array and tangent on another device."""
        tangent = None if self.tangent is None else self.tangent.to(place)
        moved = wrap(self.below_dead()).to(place)._data
        return moved if tangent is None else dual_array(moved, self.level, tangent)

    def text(self, t: Tensor, show: Any) -> str | None:
        """As without a tangent; a batch shows itself."""
        x = self.below_dead()
        return x.text(t, show) if isinstance(x, Wrapped) else None

    def suffixes(self) -> list[str]:
        """The tangent."""
        alive = self.level is not None and self.level.alive
        return [f"tangent={self.tangent}"] if alive and self.tangent is not None else []

    def detached(self) -> Any:
        """Detaching drops the tangent too."""
        x = self.below_dead()
        return x.detached() if isinstance(x, Wrapped) else x

    def copy(self, order: Any = "K") -> Any:
        """A copy of the array and of its tangent."""
        inner = self.below_dead().copy(order)
        if self.tangent is None or self.level is None or not self.level.alive:
            return inner
        return dual_array(inner, self.level, self.tangent.clone())

    def astype(self, dtype: Any, *args: Any, **kw: Any) -> Any:
        """The plain array in another dtype."""
        return self.below_dead().astype(dtype, *args, **kw)

    def overwrite(self, new: Any) -> None:
        """Write values and tangent in place."""
        if isinstance(new, DualArray) and new.level is self.level:
            values, tangent = new.inner, new.tangent
        else:
            values, tangent = new, None
        overwrite(wrap(self.below_dead()), values)
        if self.tangent is not None:
            if tangent is None:
                self.tangent.zero_()
            else:
                self.tangent.copy_(tangent)

    def adopt_into(self, t: Tensor) -> None:
        """A tensor without a tangent becomes one with this one's."""
        overwrite(t, self.inner)
        level, tangent = self.level, self.tangent
        if tangent is None:
            return
        if t._view is None:
            t._data = dual_array(t._data, level, tangent.clone())
            return
        base = t._view[0]
        if not isinstance(base._data, DualArray) or base._data.level is not level:
            base._data = dual_array(base._data, level, zeros_as(base))
        part = replay(t._view, base._data.tangent)
        part.copy_(tangent)
        t._data = dual_array(t._data, level, part)


class DeviceDualArray(DualArray):
    """The same of a device's array, which NumPy cannot look into: its own memory is one element and
    means nothing, and what it is asked is asked of the array below."""

    strides = property(lambda self: self.inner.strides)
    flags = property(lambda self: self.inner.flags)
    base = property(lambda self: self.inner.base)
    data = property(lambda self: self.inner.data)
    device = property(lambda self: self.inner.device)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kw: Any) -> Any:
        return getattr(ufunc, method)(*bare(inputs), **bare(kw))

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        return func(*bare(args), **bare(kwargs))

    def __setitem__(self, index: Any, value: Any) -> None:
        x = self.plain()
        with gpu.where(x):
            x[bare(index)] = bare(value)


def bare(value: Any) -> Any:
    """Arguments with a device's arrays in the place of those that carry tangents."""
    if isinstance(value, DeviceDualArray):
        return value.plain()
    if type(value) in (tuple, list):
        return type(value)(bare(v) for v in value)
    return {k: bare(v) for k, v in value.items()} if type(value) is dict else value


def asked_below(name: str) -> Any:
    """A method that is the array's below."""

    def method(self: Any, *args: Any, **kw: Any) -> Any:
        return getattr(self.plain(), name)(*bare(args), **bare(kw))

    return method


for _name in (
    *("transpose", "reshape", "view", "swapaxes", "squeeze", "take", "ravel", "sum", "min", "max"),
    *("any", "all", "item", "tolist", "fill", "__getitem__", "__bool__", "__int__", "__float__"),
):
    setattr(DeviceDualArray, _name, asked_below(_name))


def dual_array(inner: Any, level: Level | None, tangent: Tensor) -> Any:
    """An array with a tangent."""
    if type(inner) is gpu.cuda.kind or isinstance(inner, DeviceDualArray):
        still = (0,) * inner.ndim
        made: DualArray = np.ndarray.__new__(
            DeviceDualArray, inner.shape, inner.dtype, bytearray(16), 0, still
        )
    else:
        made = np.ndarray.view(inner, DualArray)
    made.inner, made.level, made.tangent = inner, level, tangent
    return made


def zeros_as(t: Tensor) -> Tensor:
    """A tangent of zeros."""
    return wrap(gpu.made_beside(t._data, "zeros", t._data.shape, t._data.dtype))


def tangent_at(t: object, level: Level) -> Tensor | None:
    """A tensor's tangent on a level."""
    x = t._data if isinstance(t, Tensor) else None
    return x.tangent if isinstance(x, DualArray) and x.level is level else None


def primal_at(t: Tensor, level: Level) -> Tensor:
    """A tensor without its tangent on a level, with the same history."""
    x = t._data
    return same_tensor(t, x.inner) if isinstance(x, DualArray) and x.level is level else t


class DualLevel(Level):
    """One forward-mode differentiation that is under way."""

    kind = "jvp"

    def call(self, op: Record, tensors: tuple, params: tuple, originals: tuple) -> Any:
        """The result below, and its tangent."""
        primals = map_tensors(lambda t: primal_at(t, self), tensors)
        result = call(op, primals, params, originals)
        if not op.differentiable and not hasattr(op, "jvp"):
            return result
        several = type(result) is tuple
        outs = result if several else (result,)
        given = [tangent_at(t, self) for t in arguments(tensors)]
        tangents = forward_tangents(op, primals, given, params, outs)
        for out, tangent in zip(outs, tangents, strict=True):
            if tangent is not None:
                self.attach(out, tangent)
        return result

    def attach(self, out: Tensor, tangent: Tensor) -> None:
        """Put a tangent on a result, also where its own node has saved it."""
        before = out._data
        out._data = dual_array(before, self, tangent)
        n: Any = getattr(out._node, "node", out._node)
        if type(n) is Node and n.saved:
            n.saved = tuple(
                [
                    (e[0], out._data, e[2])
                    if type(e) is tuple and len(e) == 3 and e[1] is before
                    else e
                    for e in n.saved
                ]
            )


def arguments(tensors: tuple) -> list:
    """The tensor arguments one by one, absent ones too."""
    if len(tensors) == 1 and type(tensors[0]) in (list, tuple):
        return list(tensors[0])
    return list(tensors)


# ---- how operators pass tangents on --------------------------------------------------------------


def forward_tangents(
    op: Any, primals: tuple, tangents: list, params: tuple, outs: tuple
) -> list[Tensor | None]:
    """The tangents of the results of ``op``, None where there is none."""
    # The results as the formulas will see them: without the tangent that is being computed.
    outs = tuple([None if o is None else same_tensor(o, o._data) for o in outs])
    own = getattr(op, "jvp", None)
    if own is not None:
        found = own(*primals, *tangents, *params)
        return [as_result(found, outs[0])] + [None] * (len(outs) - 1)
    if (op.linear or issubclass(op, View)) and len(op.tensors) == 1:
        if op.variadic:
            zero = [
                zeros_as(t) if d is None else d for t, d in zip(primals[0], tangents, strict=True)
            ]
            return [as_result(invoke(op, (zero,), params), outs[0])]
        return [as_result(invoke(op, (tangents[0],), params), outs[0])]
    if is_elementwise(op) and not any(is_complex(t) for t in (*primals, *outs)):
        return [elementwise(op, primals, tangents, params, outs[0])]
    return by_double_vjp(op, primals, tangents, params, outs)


def is_elementwise(op: Any) -> bool:
    """Is each element of the one result a function of one element of each input?"""
    return issubclass(op, (Unary, Binary)) and not op.outputs


def is_complex(t: object) -> bool:
    """Is this a complex tensor, or number?"""
    return t._data.dtype.kind == "c" if isinstance(t, Tensor) else type(t) is complex


def as_result(tangent: Any, out: Tensor) -> Tensor:
    """A tangent in the shape and dtype of what it belongs to."""
    if tangent._data.dtype != out._data.dtype:
        tangent = tangent.to(dtypes.BY_NUMPY[out._data.dtype])
    if tangent._data.shape != out._data.shape:
        tangent = tangent.expand(out._data.shape)
    return tangent


def stand_in(
    op: Any, primals: tuple, tangents: list, params: tuple, outs: tuple
) -> tuple[Any, list[bool]]:
    """A node of the call that has saved what the tangents' formulas need, and which they are."""
    given = arguments(primals)
    need = [d is not None for d in tangents]
    true = [live_node(t) if isinstance(t, Tensor) else None for t in given]
    marks = [n if n is not None else True if w else None for n, w in zip(true, need, strict=True)]
    node = make_node(op, primals, marks, params, outs)
    node.edges = tuple(true)
    return node, need


def elementwise(
    op: Any, primals: tuple, tangents: list, params: tuple, out: Tensor
) -> Tensor | None:
    """A diagonal Jacobian is its own transpose: the gradient formula takes the tangent."""
    node, need = stand_in(op, primals, tangents, params, (out,))
    total = None
    for i, tangent in enumerate(tangents):
        if tangent is None:
            continue
        only = [k == i for k in range(len(need))]
        piece = op.backward(node, as_result(tangent, out), only)[i]
        if piece is not None:
            piece = as_result(piece, out)
            total = piece if total is None else total + piece
    return total


def by_double_vjp(
    op: Any, primals: tuple, tangents: list, params: tuple, outs: tuple
) -> list[Tensor | None]:
    """``J v`` from the formula for ``u J``, which is linear in ``u``: differentiate it again."""
    node, need = stand_in(op, primals, tangents, params, outs)
    given = [t for t in (*arguments(primals), *tangents) if isinstance(t, Tensor)]
    here = any(live_node(t) is not None for t in given)
    # What a batch holds may have a history below, which is kept by recording here too.
    history = grad_enabled() and (here or any(isinstance(t._data, Wrapped) for t in given))
    before = thread.grad
    set_grad(True)
    try:
        places = op.grad_outputs
        us = [variable_like(outs[i]) for i in places]
        gs = op.backward(node, us[0] if len(us) == 1 else tuple(us), need)
        roots, seeds = [], []
        for t, d, g in zip(arguments(primals), tangents, gs, strict=False):
            if d is None or g is None:
                continue
            g = fit(g, t._data)
            if g._node is not None:
                roots.append(live_node(g))
                seeds.append(d)
        found = differentiate(roots, seeds, us, create=history)
    finally:
        set_grad(before)
    made: list[Tensor | None] = [None] * len(outs)
    for i, u in zip(places, us, strict=True):
        d = found.get(live_node(u))
        if d is not None:
            made[i] = as_result(d if here else wrap(d._data), outs[i])
    return made


def differentiate(roots: list, seeds: list, us: list, create: bool) -> dict:
    """The gradients of ``us``, sent back from ``roots``."""
    if not roots:
        return {}
    wanted = {live_node(u): i for i, u in enumerate(us)}
    return run(roots, seeds, wanted=wanted, retain=True, create=create, accumulate=False)


def variable_like(out: Tensor) -> Tensor:
    """A tensor of zeros to differentiate with respect to, on the vmap levels of ``out``."""
    x = out._data
    u = wrap(gpu.made_beside(x, "zeros", x.shape, x.dtype))
    chain: list = []
    while isinstance(x, (DualArray, BatchedArray)):
        if isinstance(x, BatchedArray):
            chain.append(x.level)
            x = x.value._data
        else:
            x = x.below_dead()
    for level in reversed(chain):
        u = wrap(batched(level, u, mapped=False))
    u._node = Leaf(u)
    return u


__all__ = ["DualArray", "DualLevel", "dual_array", "flat", "primal_at", "tangent_at"]
