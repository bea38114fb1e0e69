"""autograd.Function inside torch.func's transforms: its own vmap and jvp, or rules made for it."""

from typing import Any, NamedTuple

from rushlight._core.batched import BatchedArray, VmapLevel, batched
from rushlight._core.levels import below, top_level
from rushlight._core.pytree import broadcast_to, flatten
from rushlight._core.state import grad_enabled, thread
from rushlight._core.tensor import Tensor, live_node, wrap
from rushlight.autograd.dual import DualLevel, primal_at, tangent_at, zeros_as
from rushlight.autograd.function import (
    Function,
    FunctionCtx,
    finish,
    new_context,
    record,
    without_history,
)

DOCS = "For more details, please see https://pytorch.org/docs/main/notes/extending.func.html"


class VmapInfo(NamedTuple):
    """What a Function's ``vmap`` is told of the vmap it is called in."""

    batch_size: int
    randomness: str


def apply(cls: type[Function], args: tuple, kw: dict) -> Any:
    """``cls.apply`` while a level is open; NotImplemented if it does not matter to it."""
    functional = any(level.functional for level in thread.levels)
    if (
        functional
        and not getattr(cls, "made", False)
        and cls.setup_context is Function.setup_context
    ):
        raise RuntimeError(
            "In order to use an autograd.Function with functorch transforms (vmap, grad, jvp, "
            f"jacrev, ...), it must override the setup_context staticmethod. {DOCS}"
        )
    level: Any = top_level(args)
    if level is None:
        return NotImplemented
    if isinstance(level, DualLevel):
        return pushed(cls, level, args, kw)
    return mapped(cls, level, args, kw)


# ---- jvp -----------------------------------------------------------------------------------------


def pushed(cls: type[Function], level: DualLevel, args: tuple, kw: dict) -> Any:
    """The result below, and the tangent that the Function's ``jvp`` makes of the inputs'."""
    primals = tuple([primal_at(a, level) if isinstance(a, Tensor) else a for a in args])
    if cls.setup_context is Function.setup_context:
        contexts: list[FunctionCtx] = []
        output = cls.apply_with(contexts, *primals, **kw)
        ctx = contexts[0]
    else:
        output = cls.apply(*primals, **kw)
        ctx = context_of(cls, primals, output)
        ctx.given = ctx.for_forward or ctx.to_save
    tangents = [tangent_or_zeros(a, level, ctx.materialize) for a in args]
    found = as_tuple_of(cls.jvp(ctx, *tangents))
    outputs = as_tuple_of(output)
    if len(found) != len(outputs):
        raise RuntimeError(
            f"{cls.__name__}.jvp returned {len(found)} tangents for {len(outputs)} outputs"
        )
    made = tuple([carry(o, d, level) for o, d in zip(outputs, found, strict=True)])
    nodes = [live_node(a) if isinstance(a, Tensor) else None for a in args]
    wanted = grad_enabled() and any(n is not None for n in nodes)
    if wanted and cls.setup_context is not Function.setup_context:
        dual = context_of(cls, args, made if isinstance(output, tuple) else made[0], nodes)
        record(cls, dual, args, nodes, made)  # its backward sees tangents too
    return made if isinstance(output, tuple) else made[0]


def context_of(
    cls: type[Function], args: tuple, output: Any, nodes: list | None = None
) -> FunctionCtx:
    """What ``setup_context`` makes of a call."""
    ctx = new_context(cls)
    ctx.needs_input_grad = tuple([n is not None for n in nodes or (None,) * len(args)])
    with without_history():
        cls.setup_context(ctx, args, output)
    return ctx


def tangent_or_zeros(a: Any, level: DualLevel, materialize: bool) -> Tensor | None:
    """What a Function's jvp gets for an argument."""
    found = tangent_at(a, level)
    if found is None and materialize and isinstance(a, Tensor) and a.is_floating_point():
        return zeros_as(a)
    return found


def carry(output: Any, tangent: Tensor | None, level: DualLevel) -> Any:
    """An output with its tangent."""
    if isinstance(output, Tensor) and tangent is not None:
        level.attach(output, tangent)
    return output


def as_tuple_of(value: Any) -> tuple:
    """One value, or a tuple of them, as a tuple."""
    return value if isinstance(value, tuple) else (value,)


# ---- vmap ----------------------------------------------------------------------------------------


def mapped(cls: type[Function], level: VmapLevel, args: tuple, kw: dict) -> Any:
    """The Function for the whole batch, with history on this level where an input has it here."""
    own = cls.vmap is not Function.vmap
    if own and cls.generate_vmap_rule:
        raise RuntimeError(
            f"You tried to vmap over {cls.__name__}, but it has both generate_vmap_rule=True and "
            "an overridden vmap staticmethod. Please set generate_vmap_rule=False or delete the "
            f"overridden vmap staticmethod to avoid ambiguity. {DOCS}"
        )
    if not own and not cls.generate_vmap_rule:
        raise RuntimeError(
            f"You tried to vmap over {cls.__name__}, but it does not have vmap support. Please "
            "override and implement the vmap staticmethod or set generate_vmap_rule=True. "
            f"{DOCS}"
        )
    dims = tuple([0 if level.is_mine(a) else None for a in args])
    values = tuple([level.value_of(a) if isinstance(a, Tensor) else a for a in args])
    with below(level):
        if own:
            info = VmapInfo(level.size, level.randomness)
            output, out_dims = cls.vmap(info, dims, *values)
            placed = first_dims(output, out_dims)
        else:
            output = whole_batch(cls, level.size, dims).apply(*values, **kw)
            placed = [(t, True) for t in as_tuple_of(output)]
    results = [wrap(batched(level, t, m)) if isinstance(t, Tensor) else t for t, m in placed]
    return with_history(cls, level, args, results, isinstance(output, tuple))


def first_dims(output: Any, out_dims: Any) -> list:
    """Each output with its batch first, and whether it has one."""
    leaves, spec = flatten(as_tuple_of(output))
    given = out_dims if isinstance(output, tuple) else (out_dims,)
    dims = broadcast_to(given, spec) or []
    return [
        (t if d in (0, None) else t.movedim(d, 0), d is not None)
        for t, d in zip(leaves, dims, strict=True)
    ]


def with_history(
    cls: type[Function], level: VmapLevel, args: tuple, results: list, several: bool
) -> Any:
    """The results, with this Function's node if an input has a history on this level."""
    nodes = [
        live_node(a)
        if isinstance(a, Tensor) and isinstance(a._data, BatchedArray) and a._data.level is level
        else None
        for a in args
    ]
    output = tuple(results) if several else results[0]
    if not grad_enabled() or not any(n is not None for n in nodes):
        return output
    ctx = context_of(cls, args, output, nodes)
    return finish(cls, ctx, args, nodes, output)


def whole_batch(cls: type[Function], size: int, dims: tuple) -> type[Function]:
    """``cls`` for a whole batch: forward, backward and jvp under a vmap of their own."""

    class Whole(Function):
        """A Function whose inputs have the batch first where ``dims`` says so."""

        made = True
        generate_vmap_rule = True

        @staticmethod
        def forward(ctx: Any, *values: Any, **kw: Any) -> Any:
            ctx.inner = FunctionCtx()
            ctx.inner.needs_input_grad = ctx.needs_input_grad
            with VmapLevel(size, "same") as level:
                given = tuple([example(level, v, d) for v, d in zip(values, dims, strict=True)])
                output = cls.forward(*given, **kw)
                cls.setup_context(ctx.inner, given, output)
                outputs = as_tuple_of(output)
                saved = ctx.inner.to_save
                forward_saved = ctx.inner.for_forward
            made = tuple([unbatched(level, o, size) for o in outputs])
            kept, ctx.kept = parts(level, saved, given, values, outputs, made)
            ctx.save_for_backward(*kept)
            more, ctx.more = parts(level, forward_saved, given, values, outputs, made)
            ctx.save_for_forward(*more)
            return made if isinstance(output, tuple) else made[0]

        @staticmethod
        def backward(ctx: Any, *grads: Any) -> Any:
            with VmapLevel(size, "same") as level:
                ctx.inner.given = restored(level, ctx.saved_tensors, ctx.kept)
                found = cls.backward(ctx.inner, *[example(level, g, 0) for g in grads])
                found = as_tuple_of(found)
            return tuple(
                [
                    None if g is None else summed(level, g, d, size)
                    for g, d in zip(found, dims, strict=False)
                ]
            )

        @staticmethod
        def jvp(ctx: Any, *tangents: Any) -> Any:
            with VmapLevel(size, "same") as level:
                saved = ctx.forward_tensors or ctx.saved_tensors
                flags = ctx.more if ctx.forward_tensors else ctx.kept
                ctx.inner.given = restored(level, saved, flags)
                moved = [example(level, t, d) for t, d in zip(tangents, dims, strict=True)]
                found = cls.jvp(ctx.inner, *moved)
            made = tuple([unbatched(level, t, size) for t in as_tuple_of(found)])
            return made if isinstance(found, tuple) else made[0]

    Whole.__name__ = Whole.__qualname__ = cls.__name__
    return Whole


def example(level: VmapLevel, value: Any, dim: int | None) -> Any:
    """A value as one example."""
    if dim is None or not isinstance(value, Tensor):
        return value
    return wrap(batched(level, value))


def unbatched(level: VmapLevel, t: Any, size: int) -> Any:
    """An example as the whole batch."""
    if not isinstance(t, Tensor):
        return t
    x = t._data
    if isinstance(x, BatchedArray) and x.level is level and x.mapped:
        return x.value
    value = level.value_of(t)
    return value.expand((size, *value.shape))


def summed(level: VmapLevel, g: Tensor, dim: int | None, size: int) -> Tensor:
    """The gradient of an input: over the batch, where all examples shared it."""
    whole = unbatched(level, g, size)
    return whole if dim == 0 else whole.sum(0)


def parts(
    level: VmapLevel, saved: tuple, given: tuple, values: tuple, outputs: tuple, made: tuple
) -> tuple[list, list]:
    """What was saved of one example as tensors of the batch, and which have it.

    Inputs and outputs are saved as themselves, so that their history goes on.
    """
    tensors: list[Any] = []
    flags: list[bool] = []
    for t in saved:
        if t is None:
            tensors.append(None)
            flags.append(False)
            continue
        at = next((i for i, a in enumerate(given) if a is t), None)
        to = next((i for i, a in enumerate(outputs) if a is t), None)
        flags.append(level.is_mine(t) or to is not None)
        if at is not None:
            tensors.append(values[at])
        else:
            tensors.append(made[to] if to is not None else level.value_of(t))
    return tensors, flags


def restored(level: VmapLevel, saved: tuple, flags: list) -> tuple:
    """What was saved, as of one example again."""
    return tuple([example(level, t, 0 if m else None) for t, m in zip(saved, flags, strict=True)])


__all__ = ["VmapInfo", "apply"]
