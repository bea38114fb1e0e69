"""Operations on DTensors that are done on the parts: norms, reductions, softmax, dropout."""

import math
from typing import Any

from rushlight import _api as torch
from rushlight.distributed.tensor.dtensor import (
    RULES_BY_NAME,
    DTensor,
    from_local,
    local_or,
    moved,
)
from rushlight.distributed.tensor.moves import Spread, reduced
from rushlight.distributed.tensor.placement_types import Replicate, Shard
from rushlight.nn import functional


def _cuts(t: Any) -> set[int] | None:
    """The dimensions of a DTensor that are cut; None for what is not known here."""
    if not isinstance(t, DTensor):
        return None
    if not all(type(p) is Shard or isinstance(p, Replicate) for p in t.placements):
        return None
    return {p.dim for p in t.placements if isinstance(p, Shard)}


def _groups(t: DTensor) -> list[Any]:
    """The groups of processes that hold different parts."""
    mesh = t.device_mesh
    return [mesh.get_group(d) for d, p in enumerate(t.placements) if isinstance(p, Shard)]


def _shared(t: Any, input: DTensor) -> Any:
    """A parameter that all processes have, for a computation on parts: gradients are summed."""
    if t is None:
        return None
    mesh = input.device_mesh
    local = local_or(t, mesh, (Replicate(),) * mesh.ndim)
    for group in _groups(input):
        local = Spread.apply(local, group)
    return local


def _layer_norm(func: Any, input: Any, weight: Any, bias: Any, *sizes: Any) -> Any:
    """(rows, inner) of the whole, (inner,), (1,), eps: the part has fewer rows."""
    cut = _cuts(input)
    (_, inner), *rest = sizes
    if cut is None or any(math.prod(input.shape[d:]) <= inner for d in cut):
        return NotImplemented
    shared = [_shared(p, input) for p in (weight, bias)]
    local = input.to_local()
    out, *facts = func(local, *shared, (local.numel() // inner, inner), *rest)
    return (from_local(out, input.device_mesh, input.placements, input.shape), *facts)


def dropout(input: Any, p: float = 0.5, training: bool = True) -> Any:
    """Dropout of a DTensor: the mask is that of the whole, as one process alone would draw it."""
    if _cuts(input) is None:
        return functional.dropout(input, p, training)
    mask = functional.dropout(torch.ones(input.shape, dtype=input.dtype), p, training)
    mesh, everywhere = input.device_mesh, (Replicate(),) * input.device_mesh.ndim
    part = moved(mask, mesh, everywhere, input.placements, input.shape)
    return from_local(input.to_local() * part, mesh, input.placements, input.shape)


def softmax(func: Any, input: Any, dim: Any, *rest: Any, **named: Any) -> Any:
    """softmax and the like, along a dimension that is not cut."""
    cut = _cuts(input)
    if cut is None or not isinstance(dim, int) or dim % max(input.ndim, 1) in cut:
        return NotImplemented
    out = func(input.to_local(), dim, *rest, **named)
    return from_local(out, input.device_mesh, input.placements, input.shape)


def _reduced(t: DTensor, cut: set[int], dim: Any, keepdim: bool) -> Any:
    """Placements and shape of a reduction along dimensions that are not cut, or None."""
    dims = (dim,) if isinstance(dim, int) else dim
    if not isinstance(dims, (tuple, list)) or not dims or t.ndim == 0:
        return None
    gone = {d % t.ndim for d in dims}
    if gone & cut:
        return None
    places = t.placements
    if not keepdim:
        places = tuple(
            Shard(p.dim - sum(d < p.dim for d in gone)) if isinstance(p, Shard) else p
            for p in places
        )
    kept = [1 if d in gone else n for d, n in enumerate(t.shape) if keepdim or d not in gone]
    return places, torch.Size(kept)


def _reduction(func: Any, input: Any, dim: Any = None, keepdim: bool = False, **named: Any) -> Any:
    """sum and the like, along dimensions that are not cut."""
    cut = _cuts(input)
    found = None if cut is None else _reduced(input, cut, dim, keepdim)
    if found is None:
        return NotImplemented
    return from_local(func(input.to_local(), dim, keepdim, **named), input.device_mesh, *found)


def _norm(func: Any, input: Any, ord: Any, dim: Any, keepdim: bool, dtype: Any) -> Any:
    """A norm of the whole from those of the parts, where no gradient is wanted; or along dims."""
    cut = _cuts(input)
    if cut is None:
        return NotImplemented
    mesh = input.device_mesh
    if dim is not None:
        found = _reduced(input, cut, dim, keepdim)
        if found is None:
            return NotImplemented
        return from_local(func(input.to_local(), ord, dim, keepdim, dtype), mesh, *found)
    wanted = torch.is_grad_enabled() and input.requires_grad
    if wanted or keepdim or not isinstance(ord, (int, float)) or not ord > 0:
        return NotImplemented
    local = input.to_local()
    mine = func(local, ord, None, False, dtype) if local.numel() else torch.zeros((), dtype=dtype)
    largest = math.isinf(ord)
    total = mine if largest else mine**ord
    for group in _groups(input):
        total = reduced(total, group, "max" if largest else "sum")
    total = total if largest else total ** (1 / ord)
    return from_local(total, mesh, (Replicate(),) * mesh.ndim, torch.Size(()))


RULES_BY_NAME.update(native_layer_norm=_layer_norm, softmax=softmax, log_softmax=softmax)
RULES_BY_NAME.update(dict.fromkeys(("sum", "mean", "amax", "amin", "logsumexp"), _reduction))
RULES_BY_NAME.update(linalg_vector_norm=_norm)
