"""torch.distributed.optim: optimizers whose state is spread over processes."""

from rushlight.distributed.optim.zero_redundancy_optimizer import (
    ZeroRedundancyOptimizer as ZeroRedundancyOptimizer,
)
