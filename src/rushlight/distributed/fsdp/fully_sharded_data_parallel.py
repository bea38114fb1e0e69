"""torch.distributed.fsdp.fully_sharded_data_parallel: where libraries import the class from."""

from rushlight.distributed.fsdp.wrapper import (
    FullyShardedDataParallel as FullyShardedDataParallel,
)
