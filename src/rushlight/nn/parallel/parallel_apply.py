"""Several modules called on several devices."""

import contextlib
import importlib
from collections.abc import Sequence
from typing import Any

from rushlight.nn.modules.module import Module
from rushlight.nn.parallel.scatter_gather import device_of

__all__ = ["parallel_apply"]


def current(place: Any) -> Any:
    """A context in which a device is current; nothing for the CPU."""
    device = None if place is None else device_of(place)
    if device is None or device.type == "cpu":
        return contextlib.nullcontext()
    return importlib.import_module("rushlight.cuda").device(device)


def parallel_apply(
    modules: Sequence[Module],
    inputs: Sequence[Any],
    kwargs_tup: Sequence[dict[str, Any]] | None = None,
    devices: Sequence[Any] | None = None,
) -> list[Any]:
    """parallel_apply(modules, inputs, kwargs_tup=None, devices=None) -> list of outputs

    Call each module with its inputs (a tuple, or one input). The calls are made one after the
    other by one thread: what they launch on different GPUs runs at the same time.

    AssertionError if there are not as many of each.

    >>> from rushlight.nn.parallel.parallel_apply import parallel_apply
    >>> parallel_apply([torch.nn.ReLU(), torch.nn.Sigmoid()], [torch.zeros(1), torch.zeros(1)])
    [tensor([0.]), tensor([0.5000])]
    """
    named = [{} for _ in modules] if kwargs_tup is None else kwargs_tup
    for what, values in (("inputs", inputs), ("kwargs_tup", named), ("devices", devices)):
        if values is not None and len(values) != len(modules):
            raise AssertionError(
                f"The number of modules {len(modules)} is not equal to "
                f"the number of {what} {len(values)}"
            )
    outputs = []
    places = [None for _ in modules] if devices is None else devices
    for module, given, more, place in zip(modules, inputs, named, places, strict=True):
        arguments = given if isinstance(given, (list, tuple)) else (given,)
        with current(place):
            outputs.append(module(*arguments, **more))
    return outputs
