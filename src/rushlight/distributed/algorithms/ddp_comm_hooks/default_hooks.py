"""Hooks for ``register_comm_hook``: plain averaging, and averaging in half precision."""

from collections.abc import Callable
from typing import Any

from rushlight import _api as torch
from rushlight.distributed.buckets import GradBucket
from rushlight.distributed.collectives import all_reduce
from rushlight.distributed.groups import default_group
from rushlight.distributed.process_group import ProcessGroup
from rushlight.futures import Future

__all__ = [
    "allreduce_hook",
    "bf16_compress_hook",
    "bf16_compress_wrapper",
    "fp16_compress_hook",
    "fp16_compress_wrapper",
]

Hook = Callable[[Any, GradBucket], Future]


def average(group: ProcessGroup | None, tensor: torch.Tensor) -> Future:
    """A future of the average, which is written to the tensor."""
    chosen = default_group() if group is None else group
    tensor.div_(chosen.size())
    work = all_reduce(tensor, group=chosen, async_op=True)
    if work is None:
        raise RuntimeError("a communication hook was called outside its group")
    return work.get_future().then(lambda future: future.value()[0])


def allreduce_hook(process_group: ProcessGroup | None, bucket: GradBucket) -> Future:
    """What is done without a hook: the average.

    >>> dist = torch.distributed
    >>> dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    >>> from rushlight.distributed.algorithms.ddp_comm_hooks import default_hooks as hooks
    >>> model = torch.nn.parallel.DistributedDataParallel(torch.nn.Linear(2, 1))
    >>> model.register_comm_hook(None, hooks.allreduce_hook)
    >>> model(torch.ones(3, 2)).sum().backward(); model.module.bias.grad
    tensor([3.])
    >>> dist.destroy_process_group()
    """
    return average(process_group, bucket.buffer())


def _compressed(group: ProcessGroup | None, bucket: GradBucket, dtype: torch.dtype) -> Future:
    buffer = bucket.buffer()
    small = buffer.to(dtype)

    def widen(future: Future) -> torch.Tensor:
        return buffer.copy_(future.value())

    return average(group, small).then(widen)


def fp16_compress_hook(process_group: ProcessGroup | None, bucket: GradBucket) -> Future:
    """The average, computed and sent in float16.

    >>> dist = torch.distributed
    >>> dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    >>> from rushlight.distributed.algorithms.ddp_comm_hooks import default_hooks as hooks
    >>> model = torch.nn.parallel.DistributedDataParallel(torch.nn.Linear(2, 1))
    >>> model.register_comm_hook(None, hooks.fp16_compress_hook)
    >>> model(torch.ones(3, 2)).sum().backward(); model.module.bias.grad
    tensor([3.])
    >>> dist.destroy_process_group()
    """
    return _compressed(process_group, bucket, torch.float16)


def bf16_compress_hook(process_group: ProcessGroup | None, bucket: GradBucket) -> Future:
    """The average, computed and sent in bfloat16.

    >>> dist = torch.distributed
    >>> dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    >>> from rushlight.distributed.algorithms.ddp_comm_hooks import default_hooks as hooks
    >>> model = torch.nn.parallel.DistributedDataParallel(torch.nn.Linear(2, 1))
    >>> model.register_comm_hook(None, hooks.bf16_compress_hook)
    >>> model(torch.ones(3, 2)).sum().backward(); model.module.bias.grad
    tensor([3.])
    >>> dist.destroy_process_group()
    """
    return _compressed(process_group, bucket, torch.bfloat16)


def _wrapped(hook: Hook, dtype: torch.dtype) -> Hook:
    def compressing(state: Any, bucket: GradBucket) -> Future:
        wide = bucket.buffer()
        bucket.set_buffer(wide.to(dtype))

        def widen(future: Future) -> torch.Tensor:
            value = future.value()
            value = value[0] if isinstance(value, (list, tuple)) else value
            return wide.copy_(value)

        return hook(state, bucket).then(widen)

    return compressing


def fp16_compress_wrapper(hook: Hook) -> Hook:
    """The same hook, working in float16.

    >>> dist = torch.distributed
    >>> dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    >>> from rushlight.distributed.algorithms.ddp_comm_hooks import default_hooks as hooks
    >>> model = torch.nn.parallel.DistributedDataParallel(torch.nn.Linear(2, 1))
    >>> model.register_comm_hook(None, hooks.fp16_compress_wrapper(hooks.allreduce_hook))
    >>> model(torch.ones(3, 2)).sum().backward(); model.module.bias.grad
    tensor([3.])
    >>> dist.destroy_process_group()
    """
    return _wrapped(hook, torch.float16)


def bf16_compress_wrapper(hook: Hook) -> Hook:
    """The same hook, working in bfloat16.

    >>> dist = torch.distributed
    >>> dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    >>> from rushlight.distributed.algorithms.ddp_comm_hooks import default_hooks as hooks
    >>> model = torch.nn.parallel.DistributedDataParallel(torch.nn.Linear(2, 1))
    >>> model.register_comm_hook(None, hooks.bf16_compress_wrapper(hooks.allreduce_hook))
    >>> model(torch.ones(3, 2)).sum().backward(); model.module.bias.grad
    tensor([3.])
    >>> dist.destroy_process_group()
    """
    return _wrapped(hook, torch.bfloat16)
