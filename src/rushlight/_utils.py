"""torch._utils: the functions by which pickles of PyTorch's tensors make them again."""

from typing import Any

from rushlight._api import device as _device
from rushlight._core.dtypes import dtype as _dtype
from rushlight.serialization import rebuild, rebuild_sparse

_rebuild_tensor = rebuild._rebuild_tensor
_rebuild_tensor_v2 = rebuild._rebuild_tensor_v2
_rebuild_tensor_v3 = rebuild._rebuild_tensor_v3
_rebuild_parameter = rebuild._rebuild_parameter
_rebuild_parameter_with_state = rebuild._rebuild_parameter_with_state
_rebuild_meta_tensor_no_storage = rebuild._rebuild_meta_tensor_no_storage
_rebuild_sparse_tensor = rebuild_sparse._rebuild_sparse_tensor
_rebuild_device_tensor_from_cpu_tensor = rebuild._rebuild_device_tensor_from_cpu_tensor


def _element_size(dtype: Any) -> int:
    """The bytes of an element of ``dtype``."""
    if not isinstance(dtype, _dtype):
        raise RuntimeError(f"expected torch.dtype, but got {type(dtype)}")
    return dtype.itemsize


def _get_device_index(device: Any, optional: bool = False, allow_cpu: bool = False) -> int:
    """The number of a device; -1 for the CPU where that is allowed."""
    if isinstance(device, int):
        return device
    if isinstance(device, str):
        device = _device(device)
    if isinstance(device, _device):
        if device.type == "cpu":
            if not allow_cpu:
                raise ValueError(f"Expected a non cpu device, but got: {device}")
            return -1
        if device.index is not None:
            return device.index
    if not optional:
        raise ValueError(
            f"Expected a torch.device with a specified index or an integer, but got:{device}"
        )
    return 0
