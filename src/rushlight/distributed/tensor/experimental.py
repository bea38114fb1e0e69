"""torch.distributed.tensor.experimental: functions on the parts, plain tensors among DTensors."""

import contextlib
import functools
from collections.abc import Callable, Iterator
from typing import Any

from rushlight import _api as torch
from rushlight.distributed.device_mesh import DeviceMesh
from rushlight.distributed.tensor.dtensor import DTensor

__all__ = ["implicit_replication", "local_map"]


@contextlib.contextmanager
def implicit_replication() -> Iterator[None]:
    """implicit_replication(): in the block plain tensors beside DTensors count as replicated, which
    they do here anywhere.

    >>> from rushlight.distributed.tensor.experimental import implicit_replication
    >>> with implicit_replication():
    ...     pass
    """
    yield


def local_map(
    func: Callable[..., Any] | None = None,
    out_placements: Any = None,
    in_placements: Any = None,
    in_grad_placements: Any = None,
    device_mesh: DeviceMesh | None = None,
    *,
    redistribute_inputs: bool = False,
) -> Callable[..., Any]:
    """local_map(func, out_placements, in_placements=None, in_grad_placements=None,
    device_mesh=None, *, redistribute_inputs=False)

    A function on plain tensors as one on DTensors: it gets the parts of this process, and its
    results are parts of DTensors that lie as ``out_placements`` says (for several results, a tuple
    of such). ValueError if an input lies otherwise than ``in_placements`` and is not to be moved.

    >>> dist = torch.distributed
    >>> dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    >>> from rushlight.distributed.tensor import Shard, distribute_tensor
    >>> from rushlight.distributed.tensor.experimental import local_map
    >>> t = distribute_tensor(torch.ones(2), dist.init_device_mesh("cpu", (1,)), [Shard(0)])
    >>> local_map(torch.exp, out_placements=[Shard(0)])(t).placements
    (Shard(dim=0),)
    >>> dist.destroy_process_group()
    """
    if func is None:
        return functools.partial(
            local_map,
            out_placements=out_placements,
            in_placements=in_placements,
            in_grad_placements=in_grad_placements,
            device_mesh=device_mesh,
            redistribute_inputs=redistribute_inputs,
        )
    if in_grad_placements is not None:
        raise NotImplementedError(
            "in_grad_placements is not supported: gradients lie as the inputs do"
        )

    @functools.wraps(func)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        meshes = [a.device_mesh for a in args if isinstance(a, DTensor)]
        if not meshes:
            return func(*args, **kwargs)
        mesh = device_mesh or meshes[0]
        wanted = in_placements or (None,) * len(args)
        parts = [_part(a, p, redistribute_inputs) for a, p in zip(args, wanted, strict=True)]
        out = func(*parts, **kwargs)
        if isinstance(out, tuple):
            return tuple(_whole(o, mesh, p) for o, p in zip(out, out_placements, strict=True))
        return _whole(out, mesh, out_placements)

    return wrapped


def _part(value: Any, wanted: Any, move: bool) -> Any:
    if not isinstance(value, DTensor):
        return value
    if wanted is not None and tuple(wanted) != value.placements:
        if not move:
            raise ValueError(
                f"arg {value} in local_map has a mismatched placements: "
                f"arg placements is {value.placements} but the input placements is "
                f"{tuple(wanted)}! If redistribute_inputs is wanted, set "
                "redistribute_inputs=True to local_map."
            )
        value = value.redistribute(placements=wanted)
    return value.to_local()


def _whole(value: Any, mesh: DeviceMesh, places: Any) -> Any:
    if places is None or not isinstance(value, torch.Tensor):
        return value
    return DTensor.from_local(value, mesh, tuple(places))
