"""Copies of a module on several devices, through which gradients flow to the one module."""

from collections.abc import Sequence
from typing import Any

from rushlight import _api as torch
from rushlight.nn.modules.module import Module
from rushlight.nn.parallel.scatter_gather import device_of

__all__ = ["replicate"]


def replicate(network: Module, devices: Sequence[Any], detach: bool = False) -> list[Any]:
    """replicate(network, devices, detach=False) -> list of modules

    A copy of the module on each device. Its parameters are no parameters but tensors computed from
    those of ``network``, so gradients add up there; on the device where a buffer is, it is shared.

    >>> from rushlight.nn.parallel.replicate import replicate
    >>> layer = torch.nn.Linear(2, 1)
    >>> for copy in replicate(layer, ["cpu", "cpu"]):
    ...     copy(torch.ones(1, 2)).backward()
    >>> layer.weight.grad
    tensor([[2., 2.]])
    """
    return [_copy(network, device_of(device), detach) for device in devices]


def _copy(network: Module, place: torch.device, detach: bool) -> Module:
    """One copy: every module of it is new, shared ones are shared again."""
    moved: dict[int, Any] = {}

    def there(t: torch.Tensor, is_buffer: bool) -> torch.Tensor:
        if id(t) not in moved:
            here = t.device == place
            source = t.detach() if detach and not is_buffer else t
            moved[id(t)] = source if here and is_buffer else source.to(place).view_as(source)
        result: torch.Tensor = moved[id(t)]
        return result

    copies = {m: m._replicate_for_data_parallel() for m in network.modules()}
    for module, copy in copies.items():
        copy._modules = {k: None if m is None else copies[m] for k, m in module._modules.items()}
        copy._parameters = {}
        for name, p in module._parameters.items():
            copy.__dict__[name] = None if p is None else there(p, False)
        copy._buffers = {
            name: None if b is None else there(b, True) for name, b in module._buffers.items()
        }
    return copies[network]
