"""DataParallel, as far as one device goes."""

from typing import Any

from rushlight.nn.modules.module import Module

__all__ = ["DataParallel", "data_parallel"]


def _check_devices(device_ids: Any) -> None:
    if device_ids is not None and len(device_ids) > 1:
        raise NotImplementedError(
            "DataParallel does not split a batch over several devices: leave device_ids out, "
            "or run one process per device"
        )


class DataParallel(Module):
    """DataParallel(module, device_ids=None, output_device=None, dim=0): the module on all devices
    at once.

    Here there is one device, so the call goes straight to ``module``; names in the state_dict begin
    with 'module.'.

    >>> m = torch.nn.DataParallel(torch.nn.Linear(2, 3))
    >>> m(torch.ones(4, 2)).shape
    torch.Size([4, 3])
    >>> list(m.state_dict())
    ['module.weight', 'module.bias']
    """

    def __init__(
        self, module: Module, device_ids: Any = None, output_device: Any = None, dim: int = 0
    ) -> None:
        super().__init__()
        _check_devices(device_ids)
        self.module = module
        self.dim = dim
        self.device_ids: list = []

    def forward(self, *inputs: Any, **kwargs: Any) -> Any:
        """The module's output."""
        return self.module(*inputs, **kwargs)


def data_parallel(
    module: Module,
    inputs: Any,
    device_ids: Any = None,
    output_device: Any = None,
    dim: int = 0,
    module_kwargs: dict | None = None,
) -> Any:
    """data_parallel(module, inputs, device_ids=None, output_device=None, dim=0, module_kwargs=None)

    One such call.

    >>> torch.nn.parallel.data_parallel(torch.nn.Linear(2, 3), torch.ones(4, 2)).shape
    torch.Size([4, 3])
    """
    _check_devices(device_ids)
    inputs = inputs if isinstance(inputs, tuple) else (inputs,)
    return module(*inputs, **(module_kwargs or {}))
