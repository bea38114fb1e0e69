"""Batches taken apart for several devices, and put together: as far as one device goes."""

from typing import Any

from rushlight import _api as torch

__all__ = ["gather", "scatter", "scatter_kwargs"]


def _only(target_gpus: Any) -> Any:
    """The one device of a list."""
    devices = list(target_gpus)
    if len(devices) != 1:
        raise NotImplementedError(
            "scatter does not split a batch over several devices: name one, or run one process "
            "per device"
        )
    return devices[0]


def _moved(value: Any, device: Any) -> Any:
    if isinstance(value, torch.Tensor):
        return value.to(device)
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*[_moved(part, device) for part in value])
    if isinstance(value, (tuple, list)):
        return type(value)([_moved(part, device) for part in value])
    if isinstance(value, dict):
        return type(value)((key, _moved(part, device)) for key, part in value.items())
    return value


def scatter(inputs: Any, target_gpus: Any, dim: int = 0) -> list:
    """scatter(inputs, target_gpus, dim=0) -> list: the inputs on the one device that is named.

    >>> torch.nn.parallel.scatter_gather.scatter(torch.ones(2), ['cpu'])
    [tensor([1., 1.])]
    """
    return [_moved(inputs, _only(target_gpus))]


def scatter_kwargs(
    inputs: Any, kwargs: dict | None, target_gpus: Any, dim: int = 0
) -> tuple[tuple, tuple]:
    """scatter_kwargs(inputs, kwargs, target_gpus, dim=0) -> (a tuple of inputs, a tuple of kwargs):
    one for each device.

    >>> torch.nn.parallel.scatter_gather.scatter_kwargs((1,), {'a': 2}, ['cpu'])
    (((1,),), ({'a': 2},))
    """
    device = _only(target_gpus)
    return (tuple(_moved(inputs or (), device)),), (_moved(kwargs or {}, device),)


def gather(outputs: Any, target_device: Any, dim: int = 0) -> Any:
    """gather(outputs, target_device, dim=0): the outputs of the devices joined along ``dim``.

    >>> torch.nn.parallel.scatter_gather.gather([torch.ones(1), torch.zeros(1)], 'cpu')
    tensor([1., 0.])
    """
    first = outputs[0]
    if isinstance(first, torch.Tensor):
        whole = [t.unsqueeze(0) if t.dim() == 0 else t for t in outputs]
        return torch.cat([t.to(target_device) for t in whole], dim)
    if first is None:
        return None
    if isinstance(first, dict):
        if not all(len(first) == len(d) for d in outputs):
            raise ValueError("All dicts must have the same number of keys")
        return type(first)((k, gather([d[k] for d in outputs], target_device, dim)) for k in first)
    parts = [gather(part, target_device, dim) for part in zip(*outputs, strict=True)]
    return type(first)(*parts) if hasattr(first, "_fields") else type(first)(parts)
