"""torch.distributed.algorithms.model_averaging.utils: the average of parameters."""

from collections.abc import Iterable, Iterator
from typing import Any

from rushlight import _api as torch
from rushlight.distributed.collectives import all_reduce
from rushlight.distributed.groups import default_group
from rushlight.distributed.process_group import ProcessGroup

__all__ = [
    "average_parameters",
    "average_parameters_or_parameter_groups",
    "get_params_to_average",
]


def average_parameters(params: Iterator[torch.Tensor], process_group: ProcessGroup | None) -> None:
    """average_parameters(params, process_group): all of them become the averages over the group
    (None: all processes).

    >>> dist = torch.distributed
    >>> dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    >>> from rushlight.distributed.algorithms.model_averaging import utils
    >>> layer = torch.nn.Linear(1, 1); utils.average_parameters(layer.parameters(), None)
    >>> dist.destroy_process_group()
    """
    group = default_group() if process_group is None else process_group
    if group.rank() < 0:
        return
    with torch.no_grad():
        every = [p.detach() for p in params]
        flat = torch.cat([p.reshape(-1) for p in every])
        flat /= group.size()
        all_reduce(flat, group=group)
        at = 0
        for p in every:
            p.copy_(flat[at : at + p.numel()].view_as(p))
            at += p.numel()


def get_params_to_average(params: Iterable[Any]) -> list[torch.Tensor]:
    """get_params_to_average(params): the parameters that have gradients, of parameters or of an
    optimizer's groups.

    >>> from rushlight.distributed.algorithms.model_averaging import utils
    >>> utils.get_params_to_average([torch.ones(1)])
    []
    """
    found = []
    for entry in params:
        if isinstance(entry, torch.Tensor):
            members = [entry]
        elif isinstance(entry, dict):
            members = entry["params"]
        else:
            raise NotImplementedError(f"Parameter input of type {type(entry)} is not supported")
        found += [p for p in members if p.grad is not None]
    return found


def average_parameters_or_parameter_groups(
    params: Iterable[Any], process_group: ProcessGroup | None
) -> None:
    """average_parameters_or_parameter_groups(params, process_group): average those that have
    gradients.

    >>> dist = torch.distributed
    >>> dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    >>> from rushlight.distributed.algorithms.model_averaging import utils
    >>> layer = torch.nn.Linear(1, 1); layer(torch.ones(1)).backward()
    >>> utils.average_parameters_or_parameter_groups(layer.parameters(), None)
    >>> dist.destroy_process_group()
    """
    average_parameters(iter(get_params_to_average(params)), process_group)
