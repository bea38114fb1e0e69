"""torch.distributed._composable.fsdp: the older place of ``torch.distributed.fsdp.fully_shard``."""

from rushlight.distributed.fsdp.fully_shard import CPUOffloadPolicy as CPUOffloadPolicy
from rushlight.distributed.fsdp.fully_shard import FSDPModule as FSDPModule
from rushlight.distributed.fsdp.fully_shard import MixedPrecisionPolicy as MixedPrecisionPolicy
from rushlight.distributed.fsdp.fully_shard import OffloadPolicy as OffloadPolicy
from rushlight.distributed.fsdp.fully_shard import UnshardHandle as UnshardHandle
from rushlight.distributed.fsdp.fully_shard import fully_shard as fully_shard
