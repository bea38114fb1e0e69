"""torch.distributed.tensor.device_mesh: ``torch.distributed.device_mesh``."""

from rushlight.distributed.device_mesh import DeviceMesh as DeviceMesh
from rushlight.distributed.device_mesh import init_device_mesh as init_device_mesh
