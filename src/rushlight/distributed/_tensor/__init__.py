"""torch.distributed._tensor: the older place of ``torch.distributed.tensor``."""

from rushlight.distributed.tensor import DeviceMesh as DeviceMesh
from rushlight.distributed.tensor import DTensor as DTensor
from rushlight.distributed.tensor import Partial as Partial
from rushlight.distributed.tensor import Placement as Placement
from rushlight.distributed.tensor import Replicate as Replicate
from rushlight.distributed.tensor import Shard as Shard
from rushlight.distributed.tensor import distribute_module as distribute_module
from rushlight.distributed.tensor import distribute_tensor as distribute_tensor
from rushlight.distributed.tensor import empty as empty
from rushlight.distributed.tensor import full as full
from rushlight.distributed.tensor import init_device_mesh as init_device_mesh
from rushlight.distributed.tensor import ones as ones
from rushlight.distributed.tensor import rand as rand
from rushlight.distributed.tensor import randn as randn
from rushlight.distributed.tensor import zeros as zeros
