"""A Jacobian column by column: forward mode under one vmap."""

from collections.abc import Callable
from typing import Any

from rushlight import _api as torch
from rushlight._batching import rules
from rushlight._core.vmap import vmap
from rushlight.autograd.dual import DualLevel, primal_at, tangent_at
from rushlight.autograd.forward_ad import attach_tangent

rules.load()


def jacobian(call: Callable, inputs: tuple, in_tuple: bool) -> Any:
    """The Jacobian of ``call``, which gives (outputs, whether they were a tuple)."""
    sizes = [t.numel() for t in inputs]
    first = inputs[0]
    whole = torch.eye(sum(sizes), dtype=first.dtype, device=first.device).split(sizes, 1)
    basis = [
        b.to(t.device, t.dtype).reshape((sum(sizes), *t.shape))
        for b, t in zip(whole, inputs, strict=True)
    ]
    tupled: list[bool] = []

    def moved(*tangents: Any) -> tuple:
        with DualLevel() as level:
            level.functional = False
            given = [
                attach_tangent(t.detach().requires_grad_(), v, level)
                for t, v in zip(inputs, tangents, strict=True)
            ]
            outputs, out_tuple = call(*given)
            tupled.append(out_tuple)
            found = [tangent_at(o, level) for o in outputs]
            return tuple(
                [
                    torch.zeros_like(primal_at(o, level).detach()) if v is None else v
                    for o, v in zip(outputs, found, strict=True)
                ]
            )

    columns = vmap(moved, out_dims=-1)(*basis)
    blocks = []
    for c in columns:
        parts = c.detach().split(sizes, -1)
        made = [p.reshape((*c.shape[:-1], *t.shape)) for p, t in zip(parts, inputs, strict=True)]
        blocks.append(tuple(made) if in_tuple else made[0])
    return tuple(blocks) if tupled[0] else blocks[0]
