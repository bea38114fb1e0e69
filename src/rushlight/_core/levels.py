"""Tensors seen through a level: the arrays that stand for a batch (vmap) or carry a tangent (jvp).

A tensor inside ``vmap`` or with a tangent is an ordinary Tensor whose array is a ``Wrapped`` one.
While a level is open ``S.special`` keeps calls off the thin entries, and the general path asks the
innermost level to ``step``: the highest level among the inputs computes, with what the level below
gives it, down to plain arrays.
"""

from collections.abc import Iterable
from typing import Any, Self

import numpy as np

from rushlight._core import dtypes, errors, generator, gpu, return_types
from rushlight._core.dispatch import (
    check_tensors,
    compute,
    flat,
    make_node,
    nodes_of,
    promote,
)
from rushlight._core.inplace import bump, check_leaf, check_output_shape, rebase
from rushlight._core.record import Record
from rushlight._core.state import S, grad_enabled, thread
from rushlight._core.tensor import Node, Pick, Tensor, live_node, wrap

UNBATCHED = (
    "vmap: Cannot ask for different inplace randomness on an unbatched tensor. This will appear "
    "like same randomness. If this is necessary for your usage, please file an issue with "
    "functorch."
)


RUNNING = (
    "Batch norm got a batched tensor as input while the running_mean or running_var, which will be "
    "updated in place, were not batched.\nIf you are using a module and do not need eval mode, "
    "please set `track_running_stats` to be False.If you are using a prebuilt module and do not "
    "need eval mode, please see the functorch website for resources on how to patch your module "
    "to work with vmap"
)


class Wrapped(np.ndarray):
    """An array with a level: of the shape and dtype that the program sees."""

    level: Any = None  # a Level

    def detached(self) -> Any:
        """The same without history at any level below."""
        raise NotImplementedError

    def below_dead(self) -> Any:
        """The array one level below, when this level is closed."""
        raise NotImplementedError

    def plain(self) -> Any:
        """The values, for who leaves PyTorch."""
        raise NotImplementedError

    def inside(self) -> Any:
        """The array that this one stands for, one level below."""
        raise NotImplementedError

    def placed(self, place: Any) -> Any:
        """The same on another device."""
        raise NotImplementedError

    def text(self, t: Tensor, show: Any) -> str | None:
        """What is printed, if it is not what is printed of other tensors."""
        return None

    def suffixes(self) -> list[str]:
        """What is printed after the history."""
        return []

    def overwrite(self, new: Any) -> None:
        """Put another array's values into this one's memory."""
        raise NotImplementedError


class Level:
    """One transform that is under way; deeper ones were entered later."""

    special = 1  # does it keep calls off the thin entries?
    functional = True  # one of torch.func's, which do not take backward()

    def __init__(self) -> None:
        self.depth = 0
        self.alive = False

    def __enter__(self) -> Self:
        self.depth = thread.levels[-1].depth + 1 if thread.levels else 1
        self.alive = True
        thread.levels = (*thread.levels, self)
        S.special += self.special
        return self

    def __exit__(self, *exc: object) -> None:
        self.alive = False
        thread.levels = tuple([level for level in thread.levels if level is not self])
        S.special -= self.special

    def call(self, op: Record, tensors: tuple, params: tuple, originals: tuple) -> Any:
        """Compute an operator whose inputs' highest level this is."""
        raise NotImplementedError

    @staticmethod
    def step(op: Record, tensors: tuple, params: tuple, out: Any) -> Any:
        """The general path's question: does some level compute this? NotImplemented if none."""
        if not any(is_wrapped(t) for t in flat(tensors)) and not any_wrapped(params):
            return NotImplemented
        check_tensors(op, tensors)
        result = call(op, tensors, params, tensors)
        if out is not None:
            several = (result,) if isinstance(result, Tensor) else result
            outs = (out,) if isinstance(out, Tensor) else out
            written = tuple([write_out(o, r) for r, o in zip(several, outs, strict=True)])
            result = written[0] if isinstance(result, Tensor) else written
        if type(result) is tuple and op.named:
            return return_types.make(op.return_name, op.outputs, result)
        return result

    @staticmethod
    def write(op: Record, inputs: list, params: tuple) -> Any:
        """The in-place path's question: NotImplemented unless a level has to write."""
        if not any(is_wrapped(t) for t in inputs) and not any_wrapped(params):
            return NotImplemented
        return write_in_place(op, inputs, params)

    @staticmethod
    def like(t: Tensor, new: Tensor) -> Tensor:
        """A new tensor made by a method of ``t``: on the vmap levels of ``t``, a batch."""
        x: Any = t._data
        while isinstance(x, Wrapped) and not hasattr(x, "filled"):
            x = x.below_dead()
        if not hasattr(x, "filled"):
            return new
        made: Any = wrap(x.filled(new._data.shape, new._data.dtype))
        made._data.overwrite(new._data)
        if new._node is not None:
            made.requires_grad_()
        return made

    @staticmethod
    def detached(x: Any) -> Any:
        """An array without what could be differentiated."""
        return x.detached() if isinstance(x, Wrapped) else x

    @staticmethod
    def draw(function: Any, gen: Any, *args: Any) -> Any:
        """Random numbers: the innermost vmap says what becomes of them."""
        for level in reversed(thread.levels):
            if hasattr(level, "randomness"):
                with below(level):
                    return level.draw_all(function, gen, args)
        before, special = thread.levels, sum([x.special for x in thread.levels])
        thread.levels = ()
        S.special -= special
        if gpu.cuda.kind is not None:
            args = tuple([gpu.inside(a) for a in args])
            gen = generator_for(gen, args)
        try:
            return function(gen, *args)
        finally:
            thread.levels = before
            S.special += special

    @staticmethod
    def by_example(function: Any, t: Tensor, *args: Any) -> Any:
        """A random function of a batch, example by example; NotImplemented if ``t`` is none."""
        level: Any = t._data.level if isinstance(t._data, Wrapped) else None
        if not hasattr(level, "randomness"):
            return NotImplemented
        return level.each_example(function, t, *args)

    @staticmethod
    def check_parameters(*given: Any) -> bool:
        """Is a random function's parameter a batch? Refused where all numbers shall be the same."""
        found = [t._data.level for t in given if is_wrapped(t)]
        for level in found:
            if hasattr(level, "check_same"):
                level.check_same()
        return bool(found)

    @staticmethod
    def check_running(running: Tensor, fresh: Tensor) -> None:
        """Refuse to write a batch's statistics into those that all examples share."""
        for level in thread.levels:
            mine = getattr(level, "is_mine", None)
            if mine is not None and mine(fresh) and not mine(running):
                raise RuntimeError(RUNNING)

    @staticmethod
    def check_overwrite(t: Tensor) -> None:
        """Refuse to fill a tensor that is the same for all examples with different numbers."""
        for level in reversed(thread.levels):
            if getattr(level, "randomness", None) == "different" and not is_wrapped(t):
                raise RuntimeError(UNBATCHED)

    @staticmethod
    def copy_for(t: Tensor, others: Iterable) -> Tensor:
        """A copy of a tensor that ``others``, batches perhaps, can be written to."""
        for level in thread.levels:
            if hasattr(level, "randomness") and any(level.is_mine(x) for x in others):
                t = level.mapped_copy(t)
        return t.clone()

    @staticmethod
    def write_out(result: Tensor, out: Tensor) -> bool:
        """The same for ``out=``: did a level write?"""
        if not is_wrapped(result) and not is_wrapped(out):
            return False
        write_out(out, result)
        return True


def generator_for(gen: Any, args: Iterable) -> Any:
    """What draws numbers into a device's array: the generator given, or the device's own."""
    places = [gpu.place_of(a) for a in args if not isinstance(a, (str, int, float))]
    found = [p for p in places if p.type == "cuda"]
    return generator.for_place(gen, found[0]) if found else gen


class below:
    """A context in which only the levels below one are open."""

    def __init__(self, level: Level) -> None:
        self.level = level

    def __enter__(self) -> None:
        self.before = thread.levels
        kept = tuple([x for x in self.before if x.depth < self.level.depth])
        self.closed = sum([x.special for x in self.before]) - sum([x.special for x in kept])
        thread.levels = kept
        S.special -= self.closed

    def __exit__(self, *exc: object) -> None:
        thread.levels = self.before
        S.special += self.closed


# ---- who is wrapped ------------------------------------------------------------------------------


def is_wrapped(t: object) -> bool:
    """Is this a tensor seen through a level?"""
    return isinstance(t, Tensor) and isinstance(t._data, Wrapped)


def wrapped_in(value: Any) -> Iterable[Wrapped]:
    """The wrapped arrays among a parameter's parts (an index may hold batched arrays)."""
    if isinstance(value, Wrapped):
        yield value
    elif type(value) in (tuple, list):
        for part in value:
            yield from wrapped_in(part)


def any_wrapped(params: tuple) -> bool:
    """Does a parameter hold a wrapped array?"""
    return any(True for _ in wrapped_in(params))


def top_level(tensors: Iterable, params: tuple = ()) -> Level | None:
    """The highest open level among the inputs of a call."""
    top = None
    arrays = [t._data for t in tensors if is_wrapped(t)]
    for array in [*arrays, *wrapped_in(params)]:
        level = array.level
        if level is not None and level.alive and (top is None or level.depth > top.depth):
            top = level
    return top


def strip(t: Any) -> Any:
    """A tensor without the tangents of levels that are closed."""
    if not is_wrapped(t):
        return t
    x = t._data
    level = x.level
    if level is not None and level.alive:
        return t
    inner = x.below_dead()
    return strip(same_tensor(t, inner))


def same_tensor(t: Tensor, data: Any) -> Tensor:
    """The tensor ``t`` with another look at its array: its history and its count of writes."""
    made = wrap(data, live_node(t))
    made._ver = t._ver
    return made


def map_tensors(function: Any, tensors: tuple) -> tuple:
    """``function`` of each tensor argument; a ListOp has a list of them."""
    if len(tensors) == 1 and type(tensors[0]) in (list, tuple):
        return ([function(t) for t in tensors[0]],)
    return tuple([function(t) if isinstance(t, Tensor) else t for t in tensors])


# ---- computing -----------------------------------------------------------------------------------


def call(op: Record, tensors: tuple, params: tuple, originals: tuple) -> Any:
    """The result of an operator, a tensor or a tuple; ``originals`` are what its node will save."""
    tensors = map_tensors(strip, tensors)
    level = top_level(flat(tensors), params)
    if level is not None:
        return level.call(op, tensors, params, originals)
    result = compute(op, promote(op, tensors), params)
    if type(result) is tuple:
        made = tuple([None if r is None else wrap(r) for r in result])
        record(op, nodes_of(op, tensors), originals, params, made)
        return made
    one = wrap(result)
    record(op, nodes_of(op, tensors), originals, params, (one,))
    return one


def record(op: Record, nodes: list | None, saved: tuple, params: tuple, made: tuple) -> None:
    """Give results their node, if an input has one."""
    if nodes is None:
        return
    places = op.grad_outputs
    carries = [i for i in places if made[i] is not None and is_floating(made[i])]
    if not carries:
        return
    node = make_node(op, saved, nodes, params, made)
    for i in carries:
        r = made[i]
        r._node = node if len(places) == 1 else Pick(node, i, r._data.shape, r._data.dtype)


def is_floating(t: Tensor) -> bool:
    """Can this tensor carry a gradient?"""
    return t._data.dtype in dtypes.FLOATING_NUMPY


def invoke(op: Record, tensors: tuple, params: tuple) -> Any:
    """An operator's call with all its parameters, as the general path has them."""
    code = op.call.__code__
    if "keepdim" in code.co_varnames[: code.co_argcount] and len(params) > 2:
        rest = dict(zip(op.params[2:], params[2:], strict=True))
        return op.call(*tensors, *params[:2], **rest)
    return op.call(*tensors, *params)


# ---- writing -------------------------------------------------------------------------------------


def write_in_place(op: Record, inputs: list, params: tuple) -> Tensor:
    """``X_`` where a level takes part: compute apart, write, make the result's history ours."""
    self = inputs[0]
    nodes = [live_node(t) if isinstance(t, Tensor) else None for t in inputs]
    if any(n is not None for n in nodes) or self._view is not None:
        check_leaf(self, nodes[0])
    if nodes[0] is not None and grad_enabled():
        inputs = [wrap(gpu.copied(self._data), nodes[0]), *inputs[1:]]  # its old value may be saved
    check_tensors(op, tuple(inputs))
    result = call(op, tuple(inputs), params, tuple(inputs))
    assign(self, result)
    if isinstance(result._node, Node):
        rebase(self, result._node)
    return self


def assign(self: Tensor, result: Tensor) -> None:
    """Write a computed tensor into the memory of ``self`` and count the write."""
    new = result._data
    if new.shape != self._data.shape:
        check_output_shape(self._data.shape, new.shape)
    if not dtypes.can_cast(result.dtype, self.dtype):
        raise errors.cannot_cast(dtypes.scalar_name(result.dtype), dtypes.scalar_name(self.dtype))
    overwrite(self, new)
    bump(self)


def overwrite(t: Tensor, new: Any) -> None:
    """Put an array into a tensor's memory, whatever levels either is on."""
    old = t._data
    level = new.level if isinstance(new, Wrapped) else None
    mine = old.level if isinstance(old, Wrapped) else None
    if level is not None and (mine is None or mine.depth < level.depth):
        new.adopt_into(t)
    elif isinstance(old, Wrapped) and mine is not None:
        old.overwrite(new)
    else:
        gpu.write(old, new)


def write_out(out: Tensor, result: Tensor) -> Tensor:
    """``out=`` of a call on a level."""
    if grad_enabled() and (out.requires_grad or result.requires_grad):
        raise RuntimeError(
            "functions with out=... arguments don't support automatic differentiation, but one of "
            "the arguments requires grad."
        )
    assign(out, result)
    return out
