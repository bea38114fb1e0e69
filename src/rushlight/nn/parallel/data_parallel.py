"""DataParallel: the batch cut over several devices of this process."""

import importlib
from collections.abc import Sequence
from itertools import chain
from typing import Any

from rushlight import _api as torch
from rushlight.nn.modules.module import Module
from rushlight.nn.parallel.parallel_apply import parallel_apply
from rushlight.nn.parallel.replicate import replicate
from rushlight.nn.parallel.scatter_gather import device_of, gather, scatter_kwargs

__all__ = ["DataParallel", "data_parallel"]


def _device_count() -> int:
    """How many CUDA devices there are; asked of a part that stands above this one."""
    count: int = importlib.import_module("rushlight.cuda").device_count()
    return count


def _index(place: Any) -> int:
    """A device argument as the number of a CUDA device."""
    if isinstance(place, int):
        return place
    device = torch.device(place)
    if device.type != "cuda":
        raise ValueError(f"Expected a cuda device, but got: {device}")
    return device.index or 0


def _check_places(module: Module, place: torch.device) -> None:
    for t in chain(module.parameters(), module.buffers()):
        if t.device != place:
            raise RuntimeError(
                "module must have its parameters and buffers "
                f"on device {place} (device_ids[0]) but found one of "
                f"them on device: {t.device}"
            )


class DataParallel(Module):
    """DataParallel(module, device_ids=None, output_device=None, dim=0): the module on several GPUs.

    Each call cuts the batch (dimension ``dim``) over the devices, copies the module to them, and
    puts the outputs together on ``output_device``; gradients add up in ``module``, which stands on
    ``device_ids[0]``. Without GPUs the call goes straight to the module. Names in the state_dict
    begin with 'module.'.

    RuntimeError if a parameter is not on ``device_ids[0]``.

    >>> m = torch.nn.DataParallel(torch.nn.Linear(2, 3))
    >>> m(torch.ones(4, 2)).shape
    torch.Size([4, 3])
    >>> list(m.state_dict())
    ['module.weight', 'module.bias']
    """

    def __init__(
        self,
        module: Module,
        device_ids: Sequence[Any] | None = None,
        output_device: Any = None,
        dim: int = 0,
    ) -> None:
        super().__init__()
        self.module = module
        self.device_ids: list[int] = []
        count = _device_count()
        if not count:
            return
        chosen = range(count) if device_ids is None else device_ids
        self.dim = dim
        self.device_ids = [_index(d) for d in chosen]
        self.output_device = _index(self.device_ids[0] if output_device is None else output_device)
        self.src_device_obj = torch.device("cuda", self.device_ids[0])
        if len(self.device_ids) == 1:
            self.module.to(self.src_device_obj)

    def forward(self, *inputs: Any, **kwargs: Any) -> Any:
        """The outputs of all devices, on one."""
        if not self.device_ids:
            return self.module(*inputs, **kwargs)
        _check_places(self.module, self.src_device_obj)
        parts, named = self.scatter(inputs, kwargs, self.device_ids)
        if not parts:
            parts, named = ((),), ({},)
        if len(self.device_ids) == 1:
            return self.module(*parts[0], **named[0])
        replicas = self.replicate(self.module, self.device_ids[: len(parts)])
        return self.gather(self.parallel_apply(replicas, parts, named), self.output_device)

    def replicate(self, module: Module, device_ids: Sequence[Any]) -> list[Any]:
        """A copy of the module on each device."""
        return replicate(module, device_ids, not torch.is_grad_enabled())

    def scatter(self, inputs: tuple, kwargs: Any, device_ids: Sequence[Any]) -> Any:
        """The arguments of each device."""
        return scatter_kwargs(inputs, kwargs, device_ids, dim=self.dim)

    def parallel_apply(self, replicas: Sequence[Any], inputs: Any, kwargs: Any) -> list[Any]:
        """The output of each device."""
        return parallel_apply(replicas, inputs, kwargs, self.device_ids[: len(replicas)])

    def gather(self, outputs: Any, output_device: Any) -> Any:
        """All outputs on one device."""
        return gather(outputs, output_device, dim=self.dim)


def data_parallel(
    module: Module,
    inputs: Any,
    device_ids: Sequence[Any] | None = None,
    output_device: Any = None,
    dim: int = 0,
    module_kwargs: dict[str, Any] | None = None,
) -> Any:
    """data_parallel(module, inputs, device_ids=None, output_device=None, dim=0, module_kwargs=None)

    One such call: the batch cut over several GPUs. ``output_device`` -1 is the CPU.

    >>> torch.nn.parallel.data_parallel(torch.nn.Linear(2, 3), torch.ones(4, 2)).shape
    torch.Size([4, 3])
    """
    if not isinstance(inputs, tuple):
        inputs = () if inputs is None else (inputs,)
    count = _device_count()
    if not count:
        return module(*inputs, **(module_kwargs or {}))
    ids = [_index(d) for d in (range(count) if device_ids is None else device_ids)]
    _check_places(module, device_of(ids[0]))
    parts, named = scatter_kwargs(inputs, module_kwargs, ids, dim)
    if not parts:
        parts, named = ((),), ({},)
    if len(ids) == 1:
        return module(*parts[0], **named[0])
    used = ids[: len(parts)]
    outputs = parallel_apply(replicate(module, used), parts, named, used)
    return gather(outputs, ids[0] if output_device is None else output_device, dim)
