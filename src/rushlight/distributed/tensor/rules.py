"""Operations on DTensors that are done on the parts: norms, reductions, softmax, dropout."""

import math
from typing import Any

from rushlight import _api as torch
from rushlight.distributed.tensor.dtensor import RULES_BY_NAME, DTensor, from_local, local_or
from rushlight.distributed.tensor.moves import Spread, shard_of
from rushlight.distributed.tensor.placement_types import Partial, Replicate, Shard
from rushlight.nn import functional


def _place(t: Any) -> Any:
    """How a DTensor lies on its only mesh dimension; None for all others."""
    if not isinstance(t, DTensor) or t.device_mesh.ndim != 1:
        return None
    place = t.placements[0]
    return None if isinstance(place, Partial) else place


def _shared(t: Any, place: Any, mesh: Any) -> Any:
    """A parameter that all processes have, for a computation on parts: gradients are summed."""
    if t is None:
        return None
    local = local_or(t, mesh, (Replicate(),))
    return Spread.apply(local, mesh.get_group()) if isinstance(place, Shard) else local


def _layer_norm(func: Any, input: Any, weight: Any, bias: Any, *sizes: Any) -> Any:
    """(rows, inner) of the whole, (inner,), (1,), eps: the part has fewer rows."""
    place = _place(input)
    (_, inner), *rest = sizes
    if place is None:
        return NotImplemented
    if isinstance(place, Shard) and math.prod(input.shape[place.dim :]) <= inner:
        return NotImplemented
    mesh, local = input.device_mesh, input.to_local()
    shared = [_shared(p, place, mesh) for p in (weight, bias)]
    out, *facts = func(local, *shared, (local.numel() // inner, inner), *rest)
    return (from_local(out, mesh, input.placements, input.shape), *facts)


def dropout(input: Any, p: float = 0.5, training: bool = True) -> Any:
    """Dropout of a DTensor: the mask is that of the whole, as one process alone would draw it."""
    place = _place(input)
    if place is None:
        return functional.dropout(input, p, training)
    mask = functional.dropout(torch.ones(input.shape, dtype=input.dtype), p, training)
    if isinstance(place, Shard):
        mask = shard_of(mask, place.dim, input.device_mesh.get_group())
    out = input.to_local() * mask
    return from_local(out, input.device_mesh, input.placements, input.shape)


def softmax(func: Any, input: Any, dim: Any, *rest: Any, **named: Any) -> Any:
    """softmax and the like, along a dimension that is not cut."""
    place = _place(input)
    if place is None or not isinstance(dim, int) or place == Shard(dim % input.ndim):
        return NotImplemented
    out = func(input.to_local(), dim, *rest, **named)
    return from_local(out, input.device_mesh, input.placements, input.shape)


def _reduction(func: Any, input: Any, dim: Any = None, keepdim: bool = False, **named: Any) -> Any:
    """sum and the like, along dimensions that are not cut."""
    place = _place(input)
    dims = (dim,) if isinstance(dim, int) else dim
    if place is None or not isinstance(dims, (tuple, list)) or not dims:
        return NotImplemented
    gone = {d % input.ndim for d in dims}
    if isinstance(place, Shard):
        if place.dim in gone:
            return NotImplemented
        if not keepdim:
            place = Shard(place.dim - sum(d < place.dim for d in gone))
    out = func(input.to_local(), dim, keepdim, **named)
    kept = [1 if d in gone else n for d, n in enumerate(input.shape) if keepdim or d not in gone]
    return from_local(out, input.device_mesh, (place,), torch.Size(kept))


RULES_BY_NAME.update(native_layer_norm=_layer_norm, softmax=softmax, log_softmax=softmax)
RULES_BY_NAME.update(dict.fromkeys(("sum", "mean", "amax", "amin"), _reduction))
