"""Tensor's methods about pinned memory and the streams that read it."""

import numpy as np

from rushlight._core import gpu
from rushlight._core.methods import method
from rushlight._core.tensor import wrap


@method
def is_pinned(self, device=None):
    """is_pinned() -> bool

    Does it lie in pinned memory, which a GPU copies from without waiting?

    >>> torch.ones(2).is_pinned()
    False
    """
    return gpu.is_pinned(self._data)


@method
def pin_memory(self, device=None):
    """pin_memory() -> Tensor

    A copy in pinned memory, itself if it is there; needs a GPU.

    >>> torch.ones(2).pin_memory() if torch.cuda.is_available() else 'needs a GPU'
    'needs a GPU'
    """
    if not gpu.is_available():
        raise RuntimeError("Cannot access accelerator device when none is available.")
    if gpu.is_pinned(self._data):
        return self
    if type(self._data) is not np.ndarray:
        raise RuntimeError(f"cannot pin '{self.type()}' only dense CPU tensors can be pinned")
    return wrap(gpu.pinned(self._data))


@method
def record_stream(self, stream):
    """record_stream(stream) -> None

    Keep the memory until another stream has done what it was given so far.

    >>> torch.ones(1).record_stream(None)
    Traceback (most recent call last):
        ...
    NotImplementedError: Could not run 'aten::record_stream' with arguments from the 'CPU' backend.
    """
    if type(self._data) is not gpu.cuda.kind:
        raise NotImplementedError(
            "Could not run 'aten::record_stream' with arguments from the 'CPU' backend."
        )
    gpu.keep_until(self._data, stream._stream)
