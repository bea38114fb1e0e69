"""Views of DTensors that are made on the parts: the dimensions that are cut go along."""

import math
import operator
from collections.abc import Callable, Sequence
from typing import Any

from rushlight import _api as torch
from rushlight.distributed.tensor.dtensor import (
    INDEX,
    RULES_BY_NAME,
    DTensor,
    Placements,
    from_local,
)
from rushlight.distributed.tensor.placement_types import (
    Partial,
    Placement,
    Replicate,
    Shard,
)

# For each dimension of the input: where it is in the output, or None if it is not there as it was.
Where = Callable[[int], int | None]


def _moved(t: DTensor, where: Where) -> Placements | None:
    """The placements of the output; None if a dimension that is cut is lost."""
    found: list[Placement] = []
    for p in t.placements:
        if type(p) is Shard:
            to = where(p.dim)
            if to is None:
                return None
            found.append(Shard(to))
        elif isinstance(p, Replicate):
            found.append(p)
        else:
            return None
    return tuple(found)


def _ready(t: Any) -> bool:
    return isinstance(t, DTensor) and not any(isinstance(p, Partial) for p in t.placements)


def _shape_of(func: Any, t: DTensor, *args: Any) -> torch.Size:
    """What the view makes of the whole."""
    shape: torch.Size = func(torch.empty(t.shape, device="meta"), *args).shape
    return shape


def _by_dims(func: Any, t: Any, where: Where, *args: Any) -> Any:
    """A view whose arguments do not name sizes."""
    places = _moved(t, where) if _ready(t) else None
    if places is None:
        return NotImplemented
    return from_local(func(t.to_local(), *args), t.device_mesh, places, _shape_of(func, t, *args))


def _permute(func: Any, t: Any, dims: Sequence[int], *rest: Any) -> Any:
    order = [d % t.ndim for d in dims]
    return _by_dims(func, t, order.index, dims, *rest)


def _transpose(func: Any, t: Any, first: int, second: int) -> Any:
    if not isinstance(t, DTensor) or t.ndim == 0:
        return NotImplemented
    a, b = first % t.ndim, second % t.ndim
    return _by_dims(func, t, lambda d: {a: b, b: a}.get(d, d), first, second)


def _unsqueeze(func: Any, t: Any, dim: int) -> Any:
    at = dim % (t.ndim + 1)
    return _by_dims(func, t, lambda d: d + (d >= at), dim)


def _squeeze(func: Any, t: Any, *args: Any) -> Any:
    dims = args[0] if args and args[0] is not None else range(t.ndim)
    dims = [dims] if isinstance(dims, int) else list(dims)
    gone = {d % t.ndim for d in dims if t.shape[d] == 1}
    named = tuple(sorted(gone))
    if not named:
        return NotImplemented if not _ready(t) else t.clone()
    return _by_dims(func, t, lambda d: None if d in gone else d - sum(g < d for g in gone), named)


def _slice(func: Any, t: Any, index: tuple) -> Any:
    """Numbers and slices along dimensions that are not cut."""
    places = _after_index(t, index) if _ready(t) else None
    return NotImplemented if places is None else _by_dims(func, t, places.__getitem__, index)


def _after_index(t: DTensor, index: tuple) -> dict[int, int | None] | None:
    """Where each dimension is after indexing; None if there are tensors and the like."""
    if any(i not in (None, Ellipsis) and type(i) not in (int, slice) for i in index):
        return None
    rest = t.ndim - sum(i is not Ellipsis and i is not None for i in index)
    full: list[Any] = []
    for i in index:
        full += [slice(None)] * rest if i is Ellipsis else [i]
    full += [slice(None)] * (0 if Ellipsis in index else rest)
    places: dict[int, int | None] = {}
    at = 0
    for i in full:
        if i is not None:
            places[len(places)] = at if i == slice(None) else None
        at += not isinstance(i, int)
    return places


def _getitem(t: DTensor, index: Any) -> Any:
    return _slice(operator.getitem, t, index if isinstance(index, tuple) else (index,))


def _reshape(func: Any, t: Any, shape: Any) -> Any:
    """A new shape, of which each cut dimension is the first of those it is joined with or split
    into, and divides evenly.
    """
    if not _ready(t):
        return NotImplemented
    whole = _shape_of(func, t, shape)
    local, left = list(whole), list(t.shape)
    places: list[Any] = []
    for d, p in enumerate(t.placements):
        if not isinstance(p, Shard):
            places.append(p)
            continue
        to = None if type(p) is not Shard else _same_start(t.shape, whole, p.dim)
        if to is None:
            return NotImplemented
        count = t.device_mesh.size(d)
        if left[p.dim] % count == 0 and local[to] % count == 0:
            left[p.dim] //= count
            local[to] //= count
        elif t.shape[p.dim] == whole[to]:
            local[to] = t._local_tensor.shape[p.dim]
        else:
            return NotImplemented
        places.append(Shard(to))
    out = func(t.to_local(), tuple(local))
    return from_local(out, t.device_mesh, tuple(places), whole)


def _same_start(old: Sequence[int], new: Sequence[int], dim: int) -> int | None:
    """The dimension of the new shape that begins where ``dim`` does in memory."""
    before = math.prod(old[:dim])
    for to in range(len(new)):
        if math.prod(new[:to]) == before and (new[to] != 1 or old[dim] == 1):
            big, small = max(new[to], old[dim]), min(new[to], old[dim])
            return to if small and big % small == 0 else None
    return None


def _expand(func: Any, t: Any, sizes: Sequence[int], *rest: Any) -> Any:
    if not _ready(t):
        return NotImplemented
    more = len(sizes) - t.ndim
    local = list(_shape_of(func, t, sizes))
    for p in t.placements:
        if isinstance(p, Shard):
            if t.shape[p.dim] == 1:
                return NotImplemented
            local[p.dim + more] = t._local_tensor.shape[p.dim]
    places = _moved(t, lambda d: d + more)
    if places is None:
        return NotImplemented
    out = func(t.to_local(), tuple(local), *rest)
    return from_local(out, t.device_mesh, places, _shape_of(func, t, sizes))


def _attention(func: Any, query: Any, key: Any, value: Any, mask: Any, *rest: Any) -> Any:
    """Samples and heads are independent of each other."""
    three = (query, key, value)
    if mask is not None or not all(_ready(t) for t in three):
        return NotImplemented
    places = query.placements
    inner = any(isinstance(p, Shard) and p.dim >= query.ndim - 2 for p in places)
    alike = all(t.placements == places and t.shape[:-2] == query.shape[:-2] for t in three)
    if inner or not alike:
        return NotImplemented
    out = func(query.to_local(), key.to_local(), value.to_local(), None, *rest)
    whole = torch.Size([*query.shape[:-1], value.shape[-1]])
    return from_local(out, query.device_mesh, places, whole)


RULES_BY_NAME.update(permute=_permute, transpose=_transpose, unsqueeze=_unsqueeze, expand=_expand)
RULES_BY_NAME.update(squeeze=_squeeze, select=_slice, slice=_slice, attention=_attention)
RULES_BY_NAME.update(view=_reshape, reshape=_reshape)
INDEX.append(_getitem)
