"""torch.distributed.algorithms.ddp_comm_hooks.debugging_hooks: a hook that sends nothing."""

from typing import Any

from rushlight.distributed.buckets import GradBucket
from rushlight.futures import Future

__all__ = ["noop_hook"]


def noop_hook(_: Any, bucket: GradBucket) -> Future:
    """Each process keeps its own gradients: to see what communication costs.

    >>> dist = torch.distributed
    >>> dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    >>> from rushlight.distributed.algorithms.ddp_comm_hooks import debugging_hooks
    >>> model = torch.nn.parallel.DistributedDataParallel(torch.nn.Linear(2, 1))
    >>> model.register_comm_hook(None, debugging_hooks.noop_hook)
    >>> model(torch.ones(3, 2)).sum().backward(); model.module.bias.grad
    tensor([3.])
    >>> dist.destroy_process_group()
    """
    future: Future = Future()
    future.set_result(bucket.buffer())
    return future
