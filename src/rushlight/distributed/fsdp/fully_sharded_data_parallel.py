"""torch.distributed.fsdp.fully_sharded_data_parallel: where libraries import the class from."""

from rushlight.distributed.fsdp.api import BackwardPrefetch as BackwardPrefetch
from rushlight.distributed.fsdp.api import CPUOffload as CPUOffload
from rushlight.distributed.fsdp.api import FullOptimStateDictConfig as FullOptimStateDictConfig
from rushlight.distributed.fsdp.api import FullStateDictConfig as FullStateDictConfig
from rushlight.distributed.fsdp.api import LocalOptimStateDictConfig as LocalOptimStateDictConfig
from rushlight.distributed.fsdp.api import MixedPrecision as MixedPrecision
from rushlight.distributed.fsdp.api import (
    ShardedOptimStateDictConfig as ShardedOptimStateDictConfig,
)
from rushlight.distributed.fsdp.api import ShardedStateDictConfig as ShardedStateDictConfig
from rushlight.distributed.fsdp.api import ShardingStrategy as ShardingStrategy
from rushlight.distributed.fsdp.api import StateDictType as StateDictType
from rushlight.distributed.fsdp.wrapper import (
    FullyShardedDataParallel as FullyShardedDataParallel,
)
