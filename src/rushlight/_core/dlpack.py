"""DLPack: memory shared with other libraries."""

import enum
from typing import Any

import numpy as np

from rushlight._core import device as devices
from rushlight._core import dtypes, gpu
from rushlight._core.tensor import Tensor, wrap


class DLDeviceType(enum.IntEnum):
    """The device kinds of the protocol that are met here.

    >>> torch.utils.dlpack.DLDeviceType.kDLCPU == 1
    True
    """

    kDLCPU = 1  # noqa: N815 # the protocol's name
    kDLCUDA = 2  # noqa: N815


class _Capsule:
    """A capsule in the form in which NumPy takes one."""

    def __init__(self, capsule: Any) -> None:
        self.capsule = capsule

    def __dlpack__(self, **options: object) -> Any:
        return self.capsule

    def __dlpack_device__(self) -> tuple[int, int]:
        return 1, 0


def to_capsule(
    self: Tensor,
    *,
    stream: Any = -1,
    max_version: tuple[int, int] | None = None,
    dl_device: tuple[enum.IntEnum, int] | None = None,
    copy: bool | None = None,
) -> object:
    """__dlpack__(*, stream=-1, max_version=None, dl_device=None, copy=None) -> capsule

    The memory of a tensor for another library. BufferError for tensors that require grad, and for
    bfloat16, which NumPy's exporter does not know.
    """
    if self.requires_grad:
        raise BufferError("Can't export tensors that require gradient, use tensor.detach()")
    if type(self._data) is gpu.cuda.kind:
        with gpu.on(gpu.index_of(self._data)):
            return self._data.__dlpack__(
                stream=stream, max_version=max_version, dl_device=dl_device, copy=copy
            )
    if stream is not None and stream != -1:
        raise AssertionError("stream should be None on cpu.")
    if self.device is not devices.CPU:
        raise BufferError(f"Cannot export a tensor on {self.device}")
    data = self._data.copy() if copy else self._data
    return data.__dlpack__() if max_version is None else data.__dlpack__(max_version=max_version)


def dlpack_device(self: Tensor) -> tuple[enum.IntEnum, int]:
    """__dlpack_device__() -> (device type, number)"""
    if type(self._data) is gpu.cuda.kind:
        return DLDeviceType.kDLCUDA, gpu.index_of(self._data)
    return DLDeviceType.kDLCPU, 0


def to_dlpack(tensor: Tensor) -> object:
    """to_dlpack(tensor) -> capsule

    The memory of a tensor as a capsule; a capsule can be used once.

    >>> torch.from_dlpack(torch.to_dlpack(torch.ones(2)))
    tensor([1., 1.])
    """
    return to_capsule(tensor)


def from_dlpack(
    ext_tensor: Any,
    *,
    device: "devices.device | str | int | None" = None,
    copy: bool | None = None,
) -> Tensor:
    """from_dlpack(ext_tensor, *, device=None, copy=None) -> Tensor

    A tensor that shares the memory of another library's array, or of a capsule. ``copy=True``: one
    with memory of its own.

    >>> import numpy
    >>> torch.from_dlpack(numpy.arange(3))
    tensor([0, 1, 2])
    """
    place = None if device is None else devices.resolve(device)
    data: Any
    if isinstance(ext_tensor, Tensor):  # also of dtypes that NumPy does not exchange
        if ext_tensor.requires_grad:
            raise BufferError("Can't export tensors that require gradient, use tensor.detach()")
        data = ext_tensor._data
    elif hasattr(ext_tensor, "__dlpack__"):
        kind = int(ext_tensor.__dlpack_device__()[0])
        data = (gpu.engine() if kind == 2 else np).from_dlpack(ext_tensor)
    elif type(ext_tensor).__name__ == "PyCapsule":
        data = np.from_dlpack(_Capsule(ext_tensor))
    else:
        raise RuntimeError(
            "from_dlpack received an invalid capsule. Note that DLTensor capsules can be consumed "
            "only once, so you might have already constructed a tensor from it once."
        )
    if data.dtype not in dtypes.BY_NUMPY:
        raise BufferError(f"{data.dtype} is no dtype of tensors")
    if place is not None and place != gpu.place_of(data):
        if copy is False:
            raise ValueError(f"cannot move data to {place} without a copy")
        return wrap(gpu.to_host(data) if place.type == "cpu" else gpu.to_device(data, place))
    return wrap(gpu.copied(data) if copy else data)


def cuda_array_interface(self: Tensor) -> dict[str, Any]:
    """__cuda_array_interface__: where a CUDA tensor's memory is, for other libraries."""
    if not self.is_cuda:
        raise AttributeError(
            "Can't get __cuda_array_interface__ on non-CUDA tensor type: "
            f"{self.type()} If CUDA data is required use tensor.cuda() to copy tensor to device "
            "memory."
        )
    if self.requires_grad:
        raise RuntimeError(
            "Can't get __cuda_array_interface__ on Variable that requires grad. If gradients "
            "aren't required, use var.detach() to get Variable that doesn't require grad."
        )
    x: Any = self._data
    return {
        "typestr": x.dtype.str,
        "shape": x.shape,
        "strides": None if x.flags.c_contiguous else x.strides,
        "data": (x.data.ptr if x.size else 0, False),
        "version": 2,
    }


_tensor: Any = Tensor  # its declaration for the type checker has the methods' own names
_tensor.__dlpack__ = to_capsule
_tensor.__cuda_array_interface__ = property(cuda_array_interface)
_tensor.__dlpack_device__ = dlpack_device
