"""Tensors cut along the batch for several devices, and put together again."""

from collections.abc import Sequence
from typing import Any

from rushlight import _api as torch

__all__ = ["gather", "scatter", "scatter_kwargs"]


def device_of(place: Any) -> torch.device:
    """What a device argument means: a number is a CUDA device, -1 the CPU."""
    if isinstance(place, int):
        return torch.device("cpu") if place < 0 else torch.device("cuda", place)
    return torch.device(place)


def scatter(inputs: Any, target_gpus: Sequence[Any], dim: int = 0) -> Any:
    """scatter(inputs, target_gpus, dim=0) -> list or tuple of the inputs of each device

    Tensors are cut along ``dim`` into about equal parts, in lists, tuples and dicts too; of
    anything else each device gets the reference.

    >>> from rushlight.nn.parallel.scatter_gather import scatter
    >>> scatter(torch.arange(3), ["cpu", "cpu"])
    (tensor([0, 1]), tensor([2]))
    """
    if isinstance(inputs, torch.Tensor):
        parts = inputs.chunk(len(target_gpus), dim)
        return tuple(p.to(device_of(d)) for p, d in zip(parts, target_gpus, strict=False))
    if isinstance(inputs, (tuple, list)) and len(inputs):
        rows = zip(*[scatter(v, target_gpus, dim) for v in inputs], strict=False)
        if hasattr(inputs, "_fields"):
            return [type(inputs)(*row) for row in rows]
        return [list(row) if isinstance(inputs, list) else row for row in rows]
    if isinstance(inputs, dict) and inputs:
        parts = [[(k, v) for v in scatter(value, target_gpus, dim)] for k, value in inputs.items()]
        return [type(inputs)(row) for row in zip(*parts, strict=False)]
    return [inputs for _ in target_gpus]


def scatter_kwargs(
    inputs: tuple, kwargs: dict[str, Any] | None, target_gpus: Sequence[Any], dim: int = 0
) -> tuple[tuple, tuple]:
    """scatter_kwargs(inputs, kwargs, target_gpus, dim=0) -> (inputs, kwargs) of each device

    :func:`scatter` for the arguments of a call; the shorter of the two is filled with empty ones.

    >>> from rushlight.nn.parallel.scatter_gather import scatter_kwargs
    >>> scatter_kwargs((torch.arange(2),), {"k": 3}, ["cpu", "cpu"])
    (((tensor([0]),), (tensor([1]),)), ({'k': 3}, {'k': 3}))
    """
    first: list[Any] = list(scatter(inputs, target_gpus, dim)) if inputs else []
    second: list[Any] = list(scatter(kwargs, target_gpus, dim)) if kwargs else []
    first += [() for _ in range(len(second) - len(first))]
    second += [{} for _ in range(len(first) - len(second))]
    return tuple(first), tuple(second)


def gather(outputs: Any, target_device: Any, dim: int = 0) -> Any:
    """gather(outputs, target_device, dim=0): the outputs of several devices as one, on one device

    Numbers (tensors of no dimension) are put into a vector. ValueError for dicts that differ.

    >>> from rushlight.nn.parallel.scatter_gather import gather
    >>> gather([torch.ones(2), torch.zeros(1)], "cpu")
    tensor([1., 1., 0.])
    """
    first = outputs[0]
    place = device_of(target_device)
    if isinstance(first, torch.Tensor):
        moved = [t.to(place) for t in outputs]
        return torch.cat([t.reshape(1) if t.ndim == 0 else t for t in moved], dim)
    if first is None:
        return None
    if isinstance(first, dict):
        if not all(len(first) == len(d) for d in outputs):
            raise ValueError("All dicts must have the same number of keys")
        return type(first)((k, gather([d[k] for d in outputs], place, dim)) for k in first)
    parts = [gather(list(row), place, dim) for row in zip(*outputs, strict=True)]
    return type(first)(*parts) if hasattr(first, "_fields") else type(first)(parts)
