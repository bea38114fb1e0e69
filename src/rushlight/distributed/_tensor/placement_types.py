"""torch.distributed._tensor.placement_types: the older place of these names."""

from rushlight.distributed.tensor.placement_types import Partial as Partial
from rushlight.distributed.tensor.placement_types import Placement as Placement
from rushlight.distributed.tensor.placement_types import Replicate as Replicate
from rushlight.distributed.tensor.placement_types import Shard as Shard
