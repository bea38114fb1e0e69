"""torch.distributed.tensor: tensors of which each process holds a part."""

from rushlight.distributed.device_mesh import DeviceMesh as DeviceMesh
from rushlight.distributed.device_mesh import init_device_mesh as init_device_mesh
from rushlight.distributed.tensor import rules as rules
from rushlight.distributed.tensor import views as views
from rushlight.distributed.tensor.dtensor import DTensor as DTensor
from rushlight.distributed.tensor.dtensor import distribute_module as distribute_module
from rushlight.distributed.tensor.dtensor import distribute_tensor as distribute_tensor
from rushlight.distributed.tensor.factories import empty as empty
from rushlight.distributed.tensor.factories import full as full
from rushlight.distributed.tensor.factories import ones as ones
from rushlight.distributed.tensor.factories import rand as rand
from rushlight.distributed.tensor.factories import randn as randn
from rushlight.distributed.tensor.factories import zeros as zeros
from rushlight.distributed.tensor.placement_types import Partial as Partial
from rushlight.distributed.tensor.placement_types import Placement as Placement
from rushlight.distributed.tensor.placement_types import Replicate as Replicate
from rushlight.distributed.tensor.placement_types import Shard as Shard
