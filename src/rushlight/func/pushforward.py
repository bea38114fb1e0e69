"""jvp and linearize: forward mode as functions of functions."""

from collections.abc import Callable
from typing import Any

from rushlight import _api as torch
from rushlight._core.pytree import flatten, unflatten
from rushlight._core.tensor import Leaf, Tensor, live_node
from rushlight.autograd.dual import DualLevel, primal_at, tangent_at
from rushlight.autograd.engine import run
from rushlight.autograd.forward_ad import attach_tangent
from rushlight.func.gradients import check_tensors, parted, recording, vjp


def jvp(
    func: Callable, primals: Any, tangents: Any, *, strict: bool = False, has_aux: bool = False
) -> Any:
    """jvp(func, primals, tangents, *, strict=False, has_aux=False) -> (output, tangent) or
    (output, tangent, aux)

    The result of ``func(*primals)`` and how it changes as the primals move along ``tangents``:
    forward mode, one call of ``func``. ``strict``: RuntimeError for an output that does not depend
    on the primals.

    >>> torch.func.jvp(torch.sin, (torch.tensor(0.0),), (torch.tensor(2.0),))
    (tensor(0.), tensor(2.))
    """
    check_primals(primals)
    flat, spec = flatten(primals)
    moves, move_spec = flatten(tangents)
    if spec != move_spec:
        raise RuntimeError(
            "jvp(f, primals, tangents): Expected primals and tangents to have the same python "
            f"structure. For example, if primals is a tuple of 3 tensors, tangents also must be. "
            f"Got primals with structure {spec} and tangents with structure {move_spec}"
        )
    check_leaves("primals", flat)
    check_leaves("tangents", moves)
    with DualLevel() as level:
        duals = [attach_tangent(x, v, level) for x, v in zip(flat, moves, strict=True)]
        output = func(*unflatten(duals, spec))
        aux = None
        if has_aux:
            output, aux = parted(output, "jvp(f, primals, tangents)")
        results, out_spec = flatten(output)
        for t in results:
            if not isinstance(t, Tensor):
                raise RuntimeError(
                    "jvp(f, primals, tangents): expected f(*primals) to return only tensors, got "
                    f"unsupported type {type(t)}"
                )
        outputs = [primal_at(t, level) for t in results]
        moved = [moved_by(t, level, strict) for t in results]
        aux_leaves, aux_spec = flatten(aux)
        aux_leaves = [primal_at(t, level) if isinstance(t, Tensor) else t for t in aux_leaves]
    pair = unflatten(outputs, out_spec), unflatten(moved, out_spec)
    return (*pair, unflatten(aux_leaves, aux_spec)) if has_aux else pair


def moved_by(t: Tensor, level: DualLevel, strict: bool) -> Tensor:
    """The tangent of an output, zeros if it has none."""
    tangent = tangent_at(t, level)
    if tangent is not None:
        return tangent
    if strict:
        raise RuntimeError(
            "jvp(f, primals, tangents, strict=True): The output of f is independent of the inputs. "
            "This is not allowed with strict=True."
        )
    return torch.zeros_like(primal_at(t, level).detach())


def check_primals(primals: Any) -> None:
    """They are a tuple."""
    if not isinstance(primals, tuple):
        raise RuntimeError(
            "jvp(f, primals, tangents): Expected primals to be a tuple. E.g. it should be valid to "
            "call f(*primals)."
        )


def check_leaves(name: str, leaves: list) -> None:
    """At least one tensor, and nothing else."""
    if not leaves:
        raise RuntimeError(
            f"jvp(f, primals, tangents): Expected {name} to contain at least one Tensor."
        )
    for t in leaves:
        if not isinstance(t, Tensor):
            raise RuntimeError(
                f"jvp(f, primals, tangents): Expected {name} to only contain Tensors, got {type(t)}"
            )


def linearize(func: Callable, *primals: Any) -> tuple[Any, Callable]:
    """linearize(func, *primals) -> (output, jvp_fn)

    The result of ``func(*primals)`` and the linear function that says how it moves: many tangents
    without computing ``func`` again.

    >>> output, jvp_fn = torch.func.linearize(torch.sin, torch.tensor(0.0))
    >>> jvp_fn(torch.tensor(3.0))
    tensor(3.)
    """
    output, vjp_fn = vjp(func, *primals)
    flat, out_spec = flatten(output)
    check_tensors(flat, "linearize(f, *primals)")
    leaves, spec = flatten(primals)

    def jvp_fn(*tangents: Any) -> Any:
        moves, move_spec = flatten(tangents)
        if move_spec != spec:
            raise RuntimeError(
                "linearize: the tangents' structure differs from that of the primals: "
                f"{move_spec} and {spec}"
            )
        for x, v in zip(leaves, moves, strict=True):
            if x.shape != v.shape or x.dtype is not v.dtype:
                raise RuntimeError(
                    f"linearize: a primal of shape {tuple(x.shape)} and {x.dtype} got a tangent of "
                    f"shape {tuple(v.shape)} and {v.dtype}"
                )
        return unflatten(transposed(vjp_fn, flat, out_spec, moves), out_spec)

    return output, jvp_fn


def transposed(vjp_fn: Callable, flat: list, out_spec: Any, moves: list) -> list:
    """``J v`` from ``u -> u J``, which is linear: its own gradient."""
    with recording():
        us = [torch.zeros_like(t.detach()) for t in flat]
        for u in us:
            u._node = Leaf(u)
        pulled, _ = flatten(vjp_fn(unflatten(us, out_spec), create_graph=True))
        pairs = [(live_node(p), v) for p, v in zip(pulled, moves, strict=True)]
        pairs = [(n, v) for n, v in pairs if n is not None]
        wanted = {u._node: i for i, u in enumerate(us)}
        found = (
            run(
                [n for n, _ in pairs],
                [v for _, v in pairs],
                wanted=wanted,
                retain=True,
                create=False,
                accumulate=False,
            )
            if pairs
            else {}
        )
    return [found.get(u._node, torch.zeros_like(u.detach())) for u in us]
