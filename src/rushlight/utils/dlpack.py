"""torch.utils.dlpack: memory shared with other libraries, under its older names."""

from rushlight._core.dlpack import DLDeviceType as DLDeviceType
from rushlight._core.dlpack import from_dlpack as from_dlpack
from rushlight._core.dlpack import to_dlpack as to_dlpack

__all__ = ["DLDeviceType", "from_dlpack"]
