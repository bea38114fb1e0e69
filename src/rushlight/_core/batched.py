"""What vmap maps over: arrays that stand for one example and hold the whole batch."""

import warnings
from typing import Any

import numpy as np

from rushlight._core import dtypes, gpu
from rushlight._core.batch_rules import Batch, batch_rule
from rushlight._core.dispatch import dtype_of, flat
from rushlight._core.inplace import bump
from rushlight._core.levels import (
    Level,
    Wrapped,
    below,
    generator_for,
    invoke,
    map_tensors,
    record,
    wrapped_in,
)
from rushlight._core.op import OPS
from rushlight._core.record import Record
from rushlight._core.state import grad_enabled, thread
from rushlight._core.tensor import Tensor, cell, live_node, wrap

ESCAPED = (
    "Either your tensor may have escaped from inside a function being vmapped and this is a user "
    "error (see https://pytorch.org/functorch/stable/ux_limitations.html), or an operation looked "
    "at the values of a batched tensor, which vmap does not support"
)
CONTROL_FLOW = (
    "vmap: It looks like you're attempting to use a Tensor in some data-dependent control flow. We "
    "don't support that yet, please file an issue at https://github.com/pytorch/pytorch/issues ."
)
ITEM = (
    "vmap: It looks like you're calling .item() on a Tensor. We don't support vmap over calling "
    ".item() on a Tensor, please try to rewrite what you're doing with other operations. If error "
    "is occurring somewhere inside PyTorch internals, please file a bug report."
)
NO_STORAGE = "Cannot access data pointer of Tensor that doesn't have storage"
CAPTURED = (
    "vmap: inplace arithmetic(self, *extra_args) is not possible because there exists a Tensor "
    "`other` in extra_args that has more elements than `self`. This happened due to `other` being "
    "vmapped over but `self` not being vmapped over in a vmap. Please try to use out-of-place "
    "operators instead of inplace arithmetic. If said operator is being called inside the PyTorch "
    "framework, please file a bug report instead."
)
NAMED = ("poisson", "binomial", "gamma")  # draws whose arrays are parameters only
_LOOKS = {"may_share_memory", "shares_memory", "ndim", "shape", "size", "result_type"}


def refuse(*args: object, **kw: object) -> Any:
    """What needs the values of one example."""
    raise RuntimeError(ESCAPED)


class BatchedArray(Wrapped):
    """One example, as the mapped function sees it. Its memory is one element and means nothing.

    ``value`` is the tensor below: with the batch as its first dimension if ``mapped``, else the
    same for all examples.
    """

    value: Tensor
    mapped: bool
    memory: bytearray

    def item(self, *args: object) -> Any:
        """There is one value for each example."""
        raise RuntimeError(ITEM)

    def tolist(self) -> Any:
        """There is one list for each example."""
        raise RuntimeError(NO_STORAGE)

    def __bool__(self) -> bool:
        raise RuntimeError(CONTROL_FLOW)

    def __int__(self) -> int:
        raise RuntimeError(ITEM)

    def __array_ufunc__(self, *args: object, **kw: object) -> Any:
        raise RuntimeError(ESCAPED)

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        if func.__name__ in _LOOKS:
            return super().__array_function__(func, types, args, kwargs)
        if func.__name__ == "empty_like":
            dtype = args[1] if len(args) > 1 else kwargs.get("dtype")
            return self.filled(self.shape, dtype or self.dtype)
        raise RuntimeError(ESCAPED)

    transpose = reshape = view = swapaxes = squeeze = take = ravel = sum = refuse
    __getitem__ = __setitem__ = refuse

    def astype(self, dtype: Any, **kw: object) -> Any:  # type: ignore[override]  # of the batch
        """The batch in another dtype."""
        with below(self.level):
            return batched(self.level, self.value.to(dtypes.BY_NUMPY[np.dtype(dtype)]), self.mapped)

    def copy(self, order: object = "K") -> Any:
        """A copy of the batch, with history below."""
        with below(self.level):
            return batched(self.level, self.value.clone(), self.mapped)

    def plain(self) -> Any:
        """There is an array for each example."""
        raise RuntimeError(NO_STORAGE)

    def inside(self) -> Any:
        """The whole batch's."""
        return self.value._data

    def placed(self, place: Any) -> Any:
        """The batch on another device, with history below."""
        with below(self.level):
            return batched(self.level, self.value.to(place), self.mapped)

    def text(self, t: Tensor, show: Any) -> str:
        """The whole batch, as PyTorch shows it."""
        inner = "\n".join(["    " + line for line in show(self.value).split("\n")])
        bdim = 0 if self.mapped else None
        return f"BatchedTensor(lvl={self.level.depth}, bdim={bdim}, value=\n{inner}\n)"

    def min(self, *args: object, **kw: object) -> Any:
        """The smallest of all values: what bounds are checked with."""
        return self.value._data.min()

    def max(self, *args: object, **kw: object) -> Any:
        """The largest of all values."""
        return self.value._data.max()

    def filled(self, shape: tuple, dtype: Any) -> Any:
        """A batch of new tensors of a shape."""
        with below(self.level):
            lead = (self.level.size,) if self.mapped else ()
            value = self.value.new_empty((*lead, *shape), dtype=dtypes.BY_NUMPY[np.dtype(dtype)])
            return batched(self.level, value, self.mapped)

    def fill(self, value: Any) -> None:
        """One number everywhere."""
        with below(self.level):
            self.value.fill_(value)

    def detached(self) -> Any:
        """The same batch without history below."""
        return batched(self.level, self.value.detach(), self.mapped, self)

    def below_dead(self) -> Any:
        """A batch whose vmap is over is a tensor that escaped."""
        raise RuntimeError(ESCAPED)

    def overwrite(self, new: Any) -> None:
        """Write into the batch below."""
        with below(self.level):
            if not isinstance(new, BatchedArray) or new.level is not self.level:
                self.value.copy_(wrap(new))
                return
            if new.mapped and not self.mapped:
                raise RuntimeError(CAPTURED)
            self.value.copy_(spread(new.value, len(self.shape), self.mapped and new.mapped))

    def adopt_into(self, t: Tensor) -> None:
        """A tensor that is the same for all examples cannot take a batch."""
        if self.mapped:
            raise RuntimeError(CAPTURED)
        with below(self.level):
            t.copy_(self.value)


def spread(value: Tensor, ndim: int, mapped: bool) -> Tensor:
    """A batch whose examples get leading dimensions of size 1, up to ``ndim``."""
    missing = ndim - (value.ndim - 1)
    if not mapped or missing <= 0:
        return value
    return value.reshape((value.shape[0], *[1] * missing, *value.shape[1:]))


def batched(level: Any, value: Tensor, mapped: bool = True, base: Any = None) -> BatchedArray:
    """An example of a batch; ``base``: an example on the same memory.

    Sixteen bytes stand for that memory, so that views of one another are known as such.
    """
    x = value._data
    shape = x.shape[1:] if mapped else x.shape
    memory = bytearray(16) if base is None else base.memory
    made = np.ndarray.__new__(BatchedArray, shape, x.dtype, memory, 0, (0,) * len(shape))
    made.level, made.value, made.mapped, made.memory = level, value, mapped, memory
    return made


RANDOM = (
    "vmap: called random operation while in randomness error mode. Please either use the 'same' or "
    "'different' randomness flags on vmap or perform the randomness operation out of vmap"
)
SAME = (
    "Vmap does not currently support same randomness with a batched tensor input. Please file an "
    "issue with functorch"
)


class VmapLevel(Level):
    """One vmap that is under way."""

    kind = "vmap"

    def __init__(self, size: int, randomness: str = "error") -> None:
        super().__init__()
        self.size, self.randomness = size, randomness

    def call(self, op: Record, tensors: tuple, params: tuple, originals: tuple) -> Any:
        """Compute for the whole batch by the operator's rule, or example by example."""
        nodes = self.nodes(op, tensors)
        if nodes is not None:
            originals = map_tensors(self.lift_captured, originals)
        dtype = common_dtype(op, tensors)
        mapped = [self.is_mine(t) for t in flat_all(tensors)]
        indices = any(x.level is self for x in wrapped_in(params))
        some = True in mapped or indices
        with below(self):
            values = self.values(op, tensors, dtype)
            if some:
                batch = Batch(op, self.size, mapped, indices)
                results = self.compute(op, batch, values, params)
            else:
                results = invoke(op, values, params)
        several = not isinstance(results, Tensor)
        made = tuple(
            [None if r is None else self.wrap(r, some, tensors) for r in as_tuple(results)]
        )
        record(op, nodes, originals, params, made)
        return made if several else made[0]

    def values(self, op: Record, tensors: tuple, dtype: Any) -> tuple:
        """The tensors below, in the dtype to compute in."""
        values = map_tensors(self.value_of, tensors)
        if dtype is None:
            return values
        if op.variadic:
            return ([t if t.dtype is dtype else t.to(dtype) for t in values[0]],)
        return tuple(
            [
                t.to(dtype) if p and isinstance(t, Tensor) and t.dtype is not dtype else t
                for t, p in zip(values, op.promotes, strict=True)
            ]
        )

    def compute(self, op: Record, batch: Batch, values: tuple, params: tuple) -> Any:
        """The results one level below: tensors with the batch first."""
        rule = batch_rule(op)
        results = NotImplemented
        if rule is not None:
            given = self.indices_of(params) if batch.indices else params
            results = rule(batch, values, given)
        if results is NotImplemented:
            results = self.loop(op, batch, values, params)
        return results

    def draw_all(self, function: Any, gen: Any, args: tuple) -> Any:
        """Random numbers for all examples, the same or different ones."""
        if self.randomness == "error":
            raise RuntimeError(RANDOM)
        given = [a for a in args if isinstance(a, BatchedArray) and a.level is self]
        into = [a for a in args if isinstance(a, np.ndarray) or type(a) is gpu.cuda.kind]
        if gpu.cuda.kind is not None:
            gen = generator_for(gen, into)
        by_name = isinstance(args[0], str) and args[0] in NAMED
        parameters = given and (len(into) > 1 or given[0] is not into[0] or by_name)
        if self.randomness == "same":
            return self.draw_same(function, gen, args, given, bool(parameters))
        if function.__name__ == "randperm":
            drawn = [wrap(function(gen, *args)) for _ in range(self.size)]
            return batched(self, stacked(drawn))
        whole = [self.for_all(a) for a in args]
        result = function(gen, *whole)
        if given and not parameters:
            bump(given[0].value)
            return given[0]
        return batched(self, wrap(result))

    def each_example(self, function: Any, t: Tensor, *args: Any) -> Tensor:
        """What a random function draws for each example."""
        if self.randomness != "different":
            raise RuntimeError(RANDOM if self.randomness == "error" else SAME)
        x: Any = t._data
        with below(self):
            rows = [function(x.value.select(0, i), *args) for i in range(self.size)]
            return wrap(batched(self, stacked(rows)))

    def check_same(self) -> None:
        """Parameters that differ by example cannot give the same numbers."""
        if self.randomness == "same":
            raise RuntimeError(SAME)

    def draw_same(self, function: Any, gen: Any, args: tuple, given: list, parameters: bool) -> Any:
        """One example's random numbers, for all."""
        if parameters:
            raise RuntimeError(SAME)
        if not given:
            return function(gen, *args)
        target = given[0]
        one = gpu.made_beside(target, "empty", target.shape, target.dtype)
        made = function(gen, *[one if a is target else a for a in args])
        target.value.copy_(wrap(made))
        return target

    def for_all(self, a: Any) -> Any:
        """An array to fill, or of parameters, for the whole batch."""
        if isinstance(a, BatchedArray) and a.level is self:
            return a.value._data if a.mapped else self.repeated(a.value._data)
        if isinstance(a, np.ndarray) or type(a) is gpu.cuda.kind:
            return gpu.copied(self.repeated(a))
        return a

    def repeated(self, a: Any) -> Any:
        """A look at an array that repeats it for each example."""
        with gpu.where(a):
            return gpu.module_of(a).broadcast_to(a, (self.size, *a.shape))

    def mapped_copy(self, t: Tensor) -> Tensor:
        """A tensor as a batch of this level."""
        if self.is_mine(t):
            return t
        with below(self):
            value = self.value_of(t)
            whole = value.expand((self.size, *value.shape))
        made = wrap(batched(self, whole))
        made._node = live_node(t) if self.value_of(t) is not t else None
        return made

    def indices_of(self, params: Any) -> Any:
        """Parameters with the batched arrays in them as what they hold."""
        if isinstance(params, BatchedArray) and params.level is self:
            return params.value if params.mapped else params.value._data
        if type(params) in (tuple, list):
            return type(params)([self.indices_of(p) for p in params])
        return params

    def nodes(self, op: Record, tensors: tuple) -> list | None:
        """The inputs' nodes on this level; those of tensors from below are recorded below."""
        if not op.differentiable or not grad_enabled():
            return None
        given = tensors[0] if op.variadic else tensors
        nodes = [
            live_node(t)
            if isinstance(t, Tensor) and isinstance(t._data, BatchedArray) and t._data.level is self
            else None
            for t in given
        ]
        return nodes if any(n is not None for n in nodes) else None

    def is_mine(self, t: object) -> bool:
        """Is this tensor a batch of this level?"""
        if not isinstance(t, Tensor):
            return False
        x = t._data
        return isinstance(x, BatchedArray) and x.level is self and x.mapped

    def value_of(self, t: Tensor) -> Tensor:
        """The tensor below."""
        x = t._data
        return x.value if isinstance(x, BatchedArray) and x.level is self else t

    def lift(self, t: Tensor) -> Tensor:
        """A tensor from below as one of this level, the same for all examples."""
        x = t._data
        if isinstance(x, Wrapped) and x.level is not None and x.level.depth >= self.depth:
            return t
        made = wrap(batched(self, t, mapped=False))
        made._ver = cell(t)
        return made

    def lift_captured(self, t: Any) -> Any:
        """Tensors with a history below, so that saving them keeps it."""
        return self.lift(t) if isinstance(t, Tensor) and live_node(t) is not None else t

    def wrap(self, value: Tensor, mapped: bool, tensors: tuple) -> Tensor:
        """A result as an example of this level; a view shares the memory of its base."""
        base = None
        if value._view is not None and isinstance(tensors[0], Tensor):
            x = tensors[0]._data
            base = x if isinstance(x, BatchedArray) else None
        return wrap(batched(self, value, mapped, base))

    def loop(self, op: Record, batch: Batch, values: tuple, params: tuple) -> Any:
        """One call for each example, and the results stacked."""
        warn_once(op.name)
        mapped = iter_flags(batch, values)
        rows = []
        for i in range(self.size):
            chosen = pick(values, mapped, i)
            row = op.call(*chosen, *pick_params(params, i))
            rows.append(row)
        if isinstance(rows[0], Tensor):
            return stacked(rows)
        return tuple([None if c[0] is None else stacked(c) for c in zip(*rows, strict=True)])


def flat_all(tensors: tuple) -> list:
    """The tensor arguments one by one, absent ones too."""
    if len(tensors) == 1 and type(tensors[0]) in (list, tuple):
        return list(tensors[0])
    return list(tensors)


def as_tuple(results: Any) -> tuple:
    """One result, or several, as a tuple."""
    return (results,) if isinstance(results, Tensor) else tuple(results)


def iter_flags(batch: Batch, values: tuple) -> list:
    """Which tensor arguments are mapped, in the shape of the arguments."""
    if len(values) == 1 and type(values[0]) is list:
        return [batch.mapped]
    return batch.mapped


def pick(values: tuple, mapped: list, i: int) -> list:
    """The arguments of example ``i``."""
    if len(values) == 1 and type(values[0]) is list:
        return [[v.select(0, i) if m else v for v, m in zip(values[0], mapped[0], strict=True)]]
    return [v.select(0, i) if m else v for v, m in zip(values, mapped, strict=True)]


def pick_params(params: Any, i: int) -> Any:
    """The parameters of example ``i``: index arrays may be batched."""
    if isinstance(params, BatchedArray):
        return params.value.select(0, i)._data if params.mapped else params.value._data
    if type(params) in (tuple, list):
        return type(params)([pick_params(p, i) for p in params])
    return params


def stacked(rows: Any) -> Tensor:
    """Results of one shape as one tensor."""
    shapes = {tuple(r.shape) for r in rows}
    if len(shapes) > 1:
        raise RuntimeError(
            "vmap: We do not support batching operators that can output dynamic shape."
        )
    return OPS["stack"].call(list(rows), 0)


_warned: set[str] = set()


def warn_once(name: str) -> None:
    """Tell once that an operator has no rule of its own."""
    if name in _warned:
        return
    _warned.add(name)
    warnings.warn(
        "There is a performance drop because we have not yet implemented the batching rule for "
        f"{name}: it is computed example by example.",
        UserWarning,
        stacklevel=8,
    )


def common_dtype(op: Record, tensors: tuple) -> Any:
    """The dtype the operator computes in, None if it takes what comes: one example decides."""
    given = flat(tensors)
    if op.promote == "keep" or not given:
        return None
    if not op.variadic:
        given = [t for t, p in zip(tensors, op.promotes, strict=True) if p and t is not None]
    return dtypes.BY_NUMPY[dtype_of(op, given)]


def innermost() -> VmapLevel | None:
    """The innermost vmap under way in this thread."""
    for level in reversed(thread.levels):
        if isinstance(level, VmapLevel):
            return level
    return None


__all__ = ["BatchedArray", "VmapLevel", "batched", "innermost"]
