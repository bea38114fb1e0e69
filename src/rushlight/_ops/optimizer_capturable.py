"""Steps whose count stands on a device (``capturable=True``): nothing is read on the host, so a
CUDA graph may record them and each replay counts on."""

from typing import Any

from rushlight._core import gpu
from rushlight._core.backend import device_kernels
from rushlight._core.inplace import arrays_of
from rushlight._core.tensor import Tensor


def number_of(lr: Any, steps: list) -> Any:
    """A learning rate that stands on a device as a number; one that autograd follows as it is."""
    return lr.item() if type(lr) is Tensor and type(steps[0]) is not Tensor else lr


def on_device(
    name: str, lists: tuple, counts: tuple, lr: Any, numbers: tuple, flags: tuple
) -> bool:
    """Was the step made by the device's kernel of that name?

    ``lists``: arrays of parameters, gradients and states, or None; ``counts``: the 0-d arrays that
    change with each step; ``flags``: maximize, decoupled decay, and two that an optimizer may have.
    False where they stand on the CPU, and where there is no kernel for these
    arrays: then the counts are read, which waits for the device.
    """
    if type(counts[0][0]) is not gpu.cuda.kind:
        return False
    step: Any = device_kernels.get("capturable_step")
    if step is None or any(isinstance(x, Tensor) for x in (lists[0][0], *numbers)):
        return False
    bits = sum(bool(flag) << i for i, flag in enumerate(flags))
    return step(name, lists, counts, arrays_of(lr), numbers, bits) is not NotImplemented
